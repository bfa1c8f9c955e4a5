//! The one step that comes next, and what has to hold before it is taken.

use casskop_types::conditions::ConditionReason;
use casskop_types::names::PodName;
use casskop_types::status::{ActionStatus, CassandraClusterStatus, ClusterAction, RackStatus};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    ASK_AGAIN, Way, is_initializing, is_ongoing, queued_action, rolling, scale_down, scale_up, storage,
    wanted, way,
};
use crate::blocker::Blocker;
use crate::call::Replicas;
use crate::effect::Effect;
use crate::operations::{Scene, decommission};
use crate::rack::{self, PodView, Rack};
use crate::ring;
use crate::ring_record;
use crate::steps::Steps;

/// The one step that may come next.
#[derive(Debug, Clone)]
pub(super) struct Step<'a> {
    /// The rack it is taken on.
    pub(super) rack: &'a Rack<'a>,
    /// What it is.
    pub(super) kind: StepKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepKind {
    /// Create the StatefulSet with its first pod.
    Create,
    /// One replica more.
    Grow,
    /// The last node leaves.
    Leave,
    /// Write the new template, which rolls the pods.
    Roll,
    /// The data volumes grow.
    Upsize,
    /// Wait for what is under way.
    Await,
}

impl StepKind {
    /// Whether a node goes down by it, or the ring changes.
    pub(super) fn disturbs(self) -> bool {
        match self {
            Self::Create | Self::Grow | Self::Leave | Self::Roll => true,
            Self::Upsize | Self::Await => false,
        }
    }
}

/// What is under way goes first; then first pods, in the order of the racks; then further pods; then what was asked
/// for, in the order it was asked for.
pub(super) fn next<'a>(scene: Scene<'a>, status: &CassandraClusterStatus) -> Option<Step<'a>> {
    let racks = || {
        scene
            .racks
            .iter()
            .filter_map(|rack| Some((rack, status.rack(&rack.desired.id)?)))
    };
    // A node on its way out: its record tells what is waited for.
    if racks().any(|(_, rack_status)| decommission::under_way(rack_status).is_some()) {
        return None;
    }
    let upsizing = || racks().find(|(_, rack_status)| is_ongoing(rack_status, ClusterAction::StorageUpsize));
    let upsize = |rack| Step {
        rack,
        kind: StepKind::Upsize,
    };
    // Nobody looks after the pods of a rack that has no StatefulSet just now.
    if let Some((rack, _)) = upsizing().filter(|(rack, _)| rack.statefulset.is_none()) {
        return Some(upsize(rack));
    }
    // A rack whose pods cannot start is repaired before anything else goes on: what goes on may be waiting for it.
    let broken = racks().find(|(rack, rack_status)| {
        let due = is_initializing(rack_status) || queued_action(rack_status).is_some();
        let change = |stored| rolling::template_change(scene.cluster, rack, stored);
        due && rack.pods.iter().any(PodView::cannot_start) && rack.statefulset.and_then(change).is_some()
    });
    if let Some((rack, _)) = broken {
        return Some(Step {
            rack,
            kind: StepKind::Roll,
        });
    }
    if let Some((rack, _)) = upsizing() {
        return Some(upsize(rack));
    }
    let rolling = racks().find(|(rack, status)| rolling::is_rolling(status) && rack.statefulset.is_some());
    if let Some((rack, rack_status)) = rolling {
        let written = rolling::next_template(scene, rack, rack_status).is_none();
        return Some(Step {
            rack,
            kind: if written { StepKind::Await } else { StepKind::Roll },
        });
    }
    let first = racks().find(|(rack, _)| rack.statefulset.is_none() && rack.desired.nodes > 0);
    if let Some((rack, _)) = first {
        return Some(Step {
            rack,
            kind: StepKind::Create,
        });
    }
    let next = racks().find(|(rack, rack_status)| {
        rack.replicas() < rack.desired.nodes
            && (is_initializing(rack_status) || is_ongoing(rack_status, ClusterAction::ScaleUp))
    });
    if let Some((rack, _)) = next {
        return Some(Step {
            rack,
            kind: StepKind::Grow,
        });
    }
    let shrinking = racks().find(|(rack, rack_status)| {
        scale_down::is_wanted(rack) && is_ongoing(rack_status, ClusterAction::ScaleDown)
    });
    if let Some((rack, _)) = shrinking {
        return Some(Step {
            rack,
            kind: StepKind::Leave,
        });
    }
    let queued = racks().filter_map(|(rack, rack_status)| Some((rack, queued_action(rack_status)?)));
    let (rack, action) = queued.min_by_key(|(rack, action)| {
        let is_well = !rack.pods.iter().any(PodView::cannot_start);
        (is_well, action.start_time.as_ref().map(|time| time.0))
    })?;
    let kind = match action.name.map(way) {
        Some(Way::Grow) => StepKind::Grow,
        Some(Way::Leave) => StepKind::Leave,
        Some(Way::Upsize) => StepKind::Upsize,
        Some(Way::Roll | Way::Come) | None => StepKind::Roll,
    };
    // A restart starts once its flag is reset: from then on a set flag is a new request.
    let waits_for_reset = action.name == Some(ClusterAction::RollingRestart) && rack.desired.rolling_restart;
    Some(Step {
        rack,
        kind: if waits_for_reset { StepKind::Await } else { kind },
    })
}

/// Every pod ready, every node NORMAL and seen UP.
pub(super) fn gate(
    scene: Scene<'_>,
    step: &Step<'_>,
    status: &CassandraClusterStatus,
) -> Result<(), Blocker> {
    if step.kind == StepKind::Await {
        return step
            .rack
            .rolled_out()
            .and_then(|()| ring::has(step.rack, &scene.observed.nodes));
    }
    if step.kind == StepKind::Roll {
        let none = RackStatus::default();
        let rack_status = status.rack(&step.rack.desired.id).unwrap_or(&none);
        return rolling::gate(scene, step.rack, rack_status);
    }
    // No node goes down by it, and a full disk is what keeps nodes from being ready.
    if step.kind == StepKind::Upsize {
        return Ok(());
    }
    rack::all_complete(scene.racks)?;
    ring::agrees(scene.racks, &scene.observed.nodes, &returning(scene))?;
    ring_record::allows_another_node(scene, status)
}

/// Host ids of nodes whose pods are to be made again: members still, that somebody took the pods from. Where more pods are to
/// come, that these are down is no reason to wait, for they are what comes.
fn returning(scene: Scene<'_>) -> Vec<String> {
    let status = scene.observed.kube.cluster.status.as_ref();
    let missing = scene.racks.iter().flat_map(|rack| {
        (rack.replicas()..rack.desired.nodes).map(|ordinal| scene.cluster.pod_name(&rack.desired.id, ordinal))
    });
    let recorded = |pod: PodName| {
        let node = status?.cassandra_node_status.get(&pod.to_string())?;
        node.host_id.clone()
    };
    missing.filter_map(recorded).collect()
}

/// Takes the step: what is about to be done is written into the status, and the effects are added.
pub(super) fn take(
    scene: Scene<'_>,
    step: &Step<'_>,
    status: &mut CassandraClusterStatus,
    steps: &mut Steps,
) {
    let seeds = status.seed_list.clone();
    let rack_status = status
        .cassandra_rack_status
        .entry(step.rack.desired.id.to_string())
        .or_default();
    match step.kind {
        StepKind::Await | StepKind::Leave => {}
        StepKind::Create => {
            let object = wanted::first_statefulset(scene, step.rack, &seeds);
            steps.effects.push(Effect::CreateStatefulSet(Box::new(object)));
        }
        StepKind::Grow => {
            begin(rack_status, step.rack, scene, steps);
            if let Some(object) = scale_up::one_more(step.rack) {
                steps.effects.push(Effect::UpdateStatefulSet(Box::new(object)));
            }
        }
        StepKind::Upsize => {
            begin(rack_status, step.rack, scene, steps);
            storage::advance(scene, step.rack, rack_status, steps);
        }
        StepKind::Roll => {
            if rolling::same_second(scene, step.rack, rack_status) {
                return steps.look_again_after(ASK_AGAIN);
            }
            begin(rack_status, step.rack, scene, steps);
            match rolling::next_template(scene, step.rack, rack_status) {
                Some(object) => steps.effects.push(Effect::UpdateStatefulSet(Box::new(object))),
                None => steps.look_again_after(SignedDuration::ZERO),
            }
        }
    }
}

/// The last node of the rack leaves, once everything else is well.
pub(super) fn leave(
    scene: Scene<'_>,
    step: &Step<'_>,
    status: &mut CassandraClusterStatus,
    steps: &mut Steps,
) {
    match scale_down::gate(scene, step.rack, status, steps) {
        Err(blocker) => {
            // What data is at risk by has delays of its own.
            if blocker.reason != ConditionReason::DataAtRisk {
                steps.look_again_after(ASK_AGAIN);
            }
            steps.wait_for(blocker);
        }
        Ok((pod, replicas)) => {
            let rack_status = status
                .cassandra_rack_status
                .entry(step.rack.desired.id.to_string())
                .or_default();
            begin(rack_status, step.rack, scene, steps);
            if replicas == Replicas::MayFall {
                let note = format!(
                    "the node of pod {} leaves although system_distributed or system_traces lose replicas by it",
                    pod.name
                );
                steps.warn("DecommissionForced", note);
            }
            decommission::begin(scene, pod, replicas, rack_status, steps);
        }
    }
}

/// A queued action starts.
fn begin(rack_status: &mut RackStatus, rack: &Rack<'_>, scene: Scene<'_>, steps: &mut Steps) {
    let Some(action) = &mut rack_status.cassandra_last_action else {
        return;
    };
    if action.status != Some(ActionStatus::ToDo) {
        return;
    }
    action.status = Some(ActionStatus::Ongoing);
    action.start_time = Some(Time(scene.now));
    let name = action.name.map_or("action", ClusterAction::as_str);
    steps.tell(
        "ActionStarted",
        format!("{name} started on rack {}", rack.desired.id),
    );
}
