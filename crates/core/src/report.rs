//! The cluster's own part of the status: phase, last action, nodes, conditions.

use casskop_types::conditions::{
    ConditionFact, ConditionReason, ConditionStatus, ConditionType, set_condition,
};
use casskop_types::status::{
    ActionStatus, CassandraClusterStatus, ClusterAction, NodeStatus, Phase, SubPhase,
};

use crate::action;
use crate::desired;
use crate::operations::{Scene, is_running};
use crate::ring;
use crate::steps::Steps;

/// What is settled when a cluster is first seen, and stays.
pub(crate) fn first_sight(scene: Scene<'_>, status: &mut CassandraClusterStatus) {
    if status.seed_list.is_empty() {
        let stored = scene
            .racks
            .iter()
            .find_map(|rack| rack.statefulset)
            .map(|stored| desired::stored_seeds(scene.cluster, stored));
        status.seed_list = stored
            .filter(|seeds| !seeds.is_empty())
            .unwrap_or_else(|| desired::seeds::initial(scene.cluster));
    }
    if status.pinned.is_none() {
        status.pinned = Some(scene.cluster.pinned.clone());
    }
    if status.phase.is_none() {
        for rack in scene.racks {
            status
                .cassandra_rack_status
                .entry(rack.desired.id.to_string())
                .or_insert_with(|| action::initializing(scene));
        }
    }
}

/// Completes the status of the cluster from its racks and from what is waited for.
pub(crate) fn cluster(
    scene: Scene<'_>,
    stored: &CassandraClusterStatus,
    status: &mut CassandraClusterStatus,
    steps: &mut Steps,
) {
    status.observed_generation = Some(scene.cluster.generation);
    phase(scene, status);
    last_action(scene, status);
    nodes(scene, status);
    let (ready, wanted) = count(scene);
    status.nodes_ready = Some(format!("{ready}/{wanted}"));
    conditions(scene, status, steps);
    if stored.phase == Some(Phase::Initializing) && status.phase == Some(Phase::Running) {
        steps.tell(
            "ClusterRunning",
            format!("cluster {} is up with {ready} nodes", scene.cluster.name),
        );
    }
}

/// As CassKop computes it: the phase of the first rack that does not run.
fn phase(scene: Scene<'_>, status: &mut CassandraClusterStatus) {
    let racks: Vec<_> = scene
        .racks
        .iter()
        .filter_map(|rack| status.rack(&rack.desired.id))
        .collect();
    let phase = racks
        .iter()
        .filter_map(|rack| rack.phase)
        .find(|phase| *phase != Phase::Running);
    let first_pods = racks
        .iter()
        .any(|rack| rack.initializing_sub_phase == Some(SubPhase::FirstPodPerRack));
    status.phase = Some(phase.unwrap_or(Phase::Running));
    status.initializing_sub_phase = (status.phase == Some(Phase::Initializing)).then_some(if first_pods {
        SubPhase::FirstPodPerRack
    } else {
        SubPhase::NextPodPerRack
    });
}

/// As CassKop computes it: the last rack with an unfinished action gives it; without one the last action is done.
fn last_action(scene: Scene<'_>, status: &mut CassandraClusterStatus) {
    let unfinished = scene
        .racks
        .iter()
        .rev()
        .filter_map(|rack| action::unfinished(status.rack(&rack.desired.id)?))
        // What goes on says more than what only waits for its turn.
        .min_by_key(|action| action.status == Some(ActionStatus::ToDo))
        .cloned();
    match unfinished {
        Some(action) => {
            status.last_cluster_action = action.name;
            status.last_cluster_action_status = action.status;
        }
        None => status.last_cluster_action_status = Some(ActionStatus::Done),
    }
}

/// Host ids and addresses by pod, as the ring tells them.
fn nodes(scene: Scene<'_>, status: &mut CassandraClusterStatus) {
    let is_wanted = |pod: &String| {
        let of_rack = |rack: &crate::rack::Rack<'_>| {
            let there = rack.pod_named(pod).is_some();
            there
                || (0..rack.replicas())
                    .any(|ordinal| scene.cluster.name.pod(&rack.desired.id, ordinal).to_string() == *pod)
        };
        scene.racks.iter().any(of_rack)
    };
    let views = ring::views(&scene.observed.nodes);
    let may_be_member = |node: &NodeStatus| {
        let is_member = |host_id: &String| views.iter().any(|(_, view)| view.has_member(host_id));
        views.is_empty() || node.host_id.as_ref().is_some_and(is_member)
    };
    // Whose pod somebody took away comes back under its name.
    status
        .cassandra_node_status
        .retain(|pod, node| is_wanted(pod) || may_be_member(node));
    for pod in scene
        .racks
        .iter()
        .flat_map(|rack| &rack.pods)
        .filter(|pod| pod.is_ready())
    {
        let Some(address) = pod.address else { continue };
        let host_id = views.iter().find_map(|(_, view)| view.host_ids.get(&address));
        if let Some(host_id) = host_id {
            let node = NodeStatus {
                host_id: Some(host_id.clone()),
                node_ip: Some(address.to_string()),
            };
            status.cassandra_node_status.insert(pod.name.to_string(), node);
        }
    }
}

fn count(scene: Scene<'_>) -> (i32, i32) {
    let ready = scene.racks.iter().map(crate::rack::Rack::ready_count).sum();
    let wanted = scene.racks.iter().map(|rack| rack.desired.nodes).sum();
    (ready, wanted)
}

fn conditions(scene: Scene<'_>, status: &mut CassandraClusterStatus, steps: &mut Steps) {
    let (ready_nodes, wanted) = count(scene);
    let ready = status.phase == Some(Phase::Running) && ready_nodes >= wanted;
    let waiting = steps.blockers.first().cloned();
    let was_waiting = waits(status);
    let facts = [
        fact(
            ConditionType::Ready,
            ready,
            if ready {
                ConditionReason::AllNodesReady
            } else {
                ConditionReason::NodesNotReady
            },
            match scene
                .racks
                .iter()
                .find_map(|rack| rack.complete().err())
                .filter(|_| !ready)
            {
                Some(blocker) => format!("{ready_nodes} of {wanted} nodes are ready: {}", blocker.note),
                None => format!("{ready_nodes} of {wanted} nodes are ready"),
            },
        ),
        progressing(scene, status),
        fact(
            ConditionType::Valid,
            true,
            ConditionReason::Accepted,
            "the spec can work".to_owned(),
        ),
        match &waiting {
            Some(blocker) => fact(ConditionType::Waiting, true, blocker.reason, blocker.note.clone()),
            None => fact(
                ConditionType::Waiting,
                false,
                ConditionReason::NothingPending,
                "nothing waits".to_owned(),
            ),
        },
    ];
    for fact in facts {
        set_condition(
            &mut status.conditions,
            fact,
            Some(scene.cluster.generation),
            scene.now,
        );
    }
    // Told once per reason, since the note may change with every pod.
    let now_waiting = waits(status);
    if let Some(blocker) =
        waiting.filter(|blocker| now_waiting != was_waiting && is_worth_an_event(blocker.reason))
    {
        steps.warn("Waiting", blocker.note);
    }
}

fn waits(status: &CassandraClusterStatus) -> Option<String> {
    let waiting = casskop_types::conditions::condition(&status.conditions, ConditionType::Waiting)?;
    (waiting.status == ConditionStatus::True.as_str()).then(|| waiting.reason.clone())
}

/// Waiting for what the operator itself has under way is no news.
fn is_worth_an_event(reason: ConditionReason) -> bool {
    matches!(
        reason,
        ConditionReason::DataAtRisk
            | ConditionReason::NoReplicas
            | ConditionReason::ObjectRefused
            | ConditionReason::PodBlocked
            | ConditionReason::NodesUnreachable
            | ConditionReason::RequestIncomplete
    )
}

fn progressing(scene: Scene<'_>, status: &CassandraClusterStatus) -> ConditionFact {
    let racks = || {
        scene
            .racks
            .iter()
            .filter_map(|rack| Some((rack, status.rack(&rack.desired.id)?)))
    };
    let action = racks().find_map(|(rack, rack_status)| {
        let action = action::unfinished(rack_status)?;
        let name = action.name.map_or("action", ClusterAction::as_str);
        let how = action.status.map_or("under way", ActionStatus::as_str);
        Some(format!("{name} is {how} on rack {}", rack.desired.id))
    });
    let operation = racks().find_map(|(_, rack_status)| {
        let record = rack_status.operations.iter().find(|record| is_running(record))?;
        Some(format!("{} runs on pod {}", record.name, record.pod))
    });
    match (action, operation) {
        (Some(note), _) => fact(
            ConditionType::Progressing,
            true,
            ConditionReason::ActionOngoing,
            note,
        ),
        (None, Some(note)) => fact(
            ConditionType::Progressing,
            true,
            ConditionReason::OperationOngoing,
            note,
        ),
        (None, None) => fact(
            ConditionType::Progressing,
            false,
            ConditionReason::Settled,
            "nothing is under way".to_owned(),
        ),
    }
}

fn fact(kind: ConditionType, holds: bool, reason: ConditionReason, message: String) -> ConditionFact {
    let status = if holds {
        ConditionStatus::True
    } else {
        ConditionStatus::False
    };
    ConditionFact {
        kind,
        status,
        reason,
        message,
    }
}
