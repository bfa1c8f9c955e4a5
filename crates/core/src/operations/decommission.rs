//! A node leaves the ring, and its replica, its pod and its claim go after it, in this order and each only once the
//! one before is done.
//!
//! What the record says was begun is one thing, where the node stands another: every pass asks the other nodes. So it
//! does not matter whether this operator, an earlier one, `CassKop` or somebody's `nodetool` made the node leave.

use casskop_types::labels::{OPERATION_END, OPERATION_NAME, OPERATION_START, OPERATION_STATUS};
use casskop_types::operation::{LostNode, OperationName, OperationRecord, OperationStatus, RecordState};
use casskop_types::status::RackStatus;
use casskop_types::time::label_time;
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::labels::label;
use super::run::{ATTEMPTS, Transition, call_key};
use super::{Scene, claims, is_running, last_operation};
use crate::blocker::Blocker;
use crate::call::{CallState, Replicas};
use crate::effect::Effect;
use crate::fact::Fact;
use crate::licence::{self, Licence};
use crate::observed::NodeFacts;
use crate::rack::{PodView, Rack, Readiness};
use crate::ring;
use crate::steps::Steps;
use casskop_types::conditions::ConditionReason;

/// The argument of a record whose node may leave although expendable keyspaces object.
const FORCE: &str = "force";

/// The decommission that is under way in a rack.
pub(crate) fn under_way(status: &RackStatus) -> Option<&OperationRecord> {
    let mut records = status.operations.iter();
    records.find(|record| record.name == OperationName::Decommission && is_running(record))
}

/// Records that the node of `pod` is to leave. The next pass finds out how far it is and takes it from there.
pub(crate) fn begin(
    scene: Scene<'_>,
    pod: &PodView<'_>,
    replicas: Replicas,
    status: &mut RackStatus,
    steps: &mut Steps,
) {
    let record = OperationRecord {
        id: super::new_id(scene, OperationName::Decommission, pod, status),
        name: OperationName::Decommission,
        argument: (replicas == Replicas::MayFall).then(|| FORCE.to_owned()),
        pod: pod.name.to_string(),
        pod_uid: pod.uid.to_owned(),
        host_id: host_id_of(scene, pod),
        address: pod.address.map(|address| address.to_string()),
        requested_by: None,
        options: None,
        parallelism: None,
        abort_time: None,
        attempt: 0,
        state: RecordState::Ongoing,
        start_time: Time(scene.now),
        end_time: None,
        message: None,
        lost_node: None,
        former_pod_uid: None,
        progress: None,
    };
    last_operation::started(status, &record, scene);
    steps.label(label(
        pod,
        [
            (OPERATION_NAME, Some(record.name.to_string())),
            (OPERATION_STATUS, Some(OperationStatus::Ongoing.to_string())),
            (OPERATION_START, Some(label_time(scene.now))),
            (OPERATION_END, Some(String::new())),
        ],
    ));
    status.operations.push(record);
    steps.tell(
        "NodeLeaves",
        format!("the node of pod {} leaves the ring", pod.name),
    );
    steps.look_again_after(SignedDuration::ZERO);
}

/// The host id of a pod's node: as the ring has it for the pod's address, else as it was recorded.
fn host_id_of(scene: Scene<'_>, pod: &PodView<'_>) -> Option<String> {
    let views = ring::views(&scene.observed.nodes);
    let address = pod.address;
    let as_member =
        address.and_then(|address| views.iter().find_map(|(_, view)| view.host_ids.get(&address)));
    as_member.cloned().or_else(|| recorded_host_id(scene, pod))
}

/// The host id that the cluster's status has for a pod.
fn recorded_host_id(scene: Scene<'_>, pod: &PodView<'_>) -> Option<String> {
    let status = scene.observed.kube.cluster.status.as_ref()?;
    status
        .cassandra_node_status
        .get(&pod.name.to_string())?
        .host_id
        .clone()
}

/// Keeps the record at its node: the pod may have been made anew in the middle, with the same disk.
pub(super) fn follow(scene: Scene<'_>, rack: &Rack<'_>, record: &mut OperationRecord, steps: &mut Steps) {
    let Some(pod) = rack.pod_named(&record.pod) else {
        return;
    };
    if record.host_id.is_none() {
        record.host_id = host_id_of(scene, pod);
    }
    super::follow(scene, rack, record, steps);
}

/// What the call may do to the number of replicas.
pub(super) fn replicas(record: &OperationRecord) -> Replicas {
    if record.argument.as_deref() == Some(FORCE) {
        Replicas::MayFall
    } else {
        Replicas::MustHold
    }
}

/// What becomes of a running decommission.
pub(super) fn step(scene: Scene<'_>, rack: &Rack<'_>, record: &OperationRecord) -> Transition {
    let pod = rack.pod_named(&record.pod);
    match standing(scene, pod, record) {
        Standing::Out(licence) if record.state == RecordState::Finalizing => {
            take_down(scene, rack, pod, record, licence)
        }
        Standing::Out(_) => finalize(scene, record),
        Standing::Unclear(blocker) => Transition::AskAgain(blocker),
        Standing::Another(why) => Transition::End(Err(why)),
        Standing::Member => still_member(scene, pod, record),
    }
}

/// How the ring stands to the node of a record.
enum Standing {
    /// It is no member, on this ground.
    Out(Licence),
    /// It is a member.
    Member,
    /// Nobody can tell.
    Unclear(Blocker),
    /// The pod runs another node by now.
    Another(String),
}

fn standing(scene: Scene<'_>, pod: Option<&PodView<'_>>, record: &OperationRecord) -> Standing {
    let views = ring::views(&scene.observed.nodes);
    let others = ring::views_of_others(&scene.observed.nodes, &record.pod);
    let Some((witness, view)) = others.first() else {
        let note = format!(
            "no other node tells whether the node of pod {} left the ring: it goes on once another one is ready and answers",
            record.pod
        );
        return Standing::Unclear(Blocker::new(ConditionReason::NodesUnreachable, note));
    };
    let runs = pod
        .and_then(|pod| pod.address)
        .and_then(|address| views.iter().find_map(|(_, view)| view.host_ids.get(&address)));
    let is = |known: &String, host_id: &str| known.eq_ignore_ascii_case(host_id);
    let Some(host_id) = &record.host_id else {
        if let Some(joined) = runs {
            return Standing::Another(format!(
                "the node of pod {} has joined the ring as {joined}",
                record.pod
            ));
        }
        let name = record.pod.parse().ok();
        let proof =
            name.and_then(|name| licence::never_joined(&name, pod, scene.racks, &scene.observed.nodes));
        return proof.map_or_else(
            || {
                let note = format!(
                    "it is not clear whether the node of pod {} ever joined the ring",
                    record.pod
                );
                Standing::Unclear(Blocker::new(ConditionReason::DataAtRisk, note))
            },
            Standing::Out,
        );
    };
    if views
        .iter()
        .any(|(_, view)| view.host_ids.values().any(|known| is(known, host_id)))
    {
        return Standing::Member;
    }
    if let Some(other) = runs {
        return Standing::Another(format!(
            "pod {} runs node {other} and no longer {host_id}",
            record.pod
        ));
    }
    licence::left_the_ring(host_id, witness, view).map_or_else(
        || {
            let note = format!("pod {witness} does not tell who is in the ring");
            Standing::Unclear(Blocker::new(ConditionReason::NodesUnreachable, note))
        },
        Standing::Out,
    )
}

/// The node is a member: it is leaving, or has to be told (again) to leave.
fn still_member(scene: Scene<'_>, pod: Option<&PodView<'_>>, record: &OperationRecord) -> Transition {
    let known = scene.observed.calls.get(&call_key(record));
    if let Some(CallState::Running { keyspaces_done, .. }) = known {
        return Transition::GoOn {
            keyspaces_done: keyspaces_done.clone(),
            waits: Some(leaving(record)),
        };
    }
    let Some(pod) = pod else {
        let note = format!(
            "pod {} is not there while its node leaves the ring: it goes on once the pod is back; if its node is lost, take it out \
             of the ring with `kubectl casskop removenode`",
            record.pod
        );
        return Transition::AskAgain(Blocker::new(ConditionReason::NodeNotReady, note));
    };
    let nobody = NodeFacts::default();
    let node = scene.observed.nodes.get(&pod.name).unwrap_or(&nobody);
    match &node.in_flight {
        Fact::Unknown(why) => {
            let note = format!("pod {} cannot tell whether its node is leaving: {why}", pod.name);
            return Transition::AskAgain(Blocker::new(ConditionReason::NodesUnreachable, note));
        }
        Fact::Known(operations) if operations.contains("decommission") => {
            return Transition::AskAgain(leaving(record));
        }
        Fact::Known(_) => {}
    }
    match known {
        Some(CallState::Failed { reason, .. }) => Transition::End(Err(reason.clone())),
        // The other nodes have not heard of it yet.
        Some(CallState::Succeeded { .. })
            if !node.mode.is_known_and(crate::observed::OperationMode::serves) =>
        {
            Transition::AskAgain(leaving(record))
        }
        _ if record.attempt >= ATTEMPTS => Transition::End(Err(format!(
            "the node is a member still after {} tries",
            record.attempt
        ))),
        _ => Transition::RunAgain {
            keyspaces_done: Vec::new(),
        },
    }
}

/// A large node takes its time to leave.
fn leaving(record: &OperationRecord) -> Blocker {
    let note = format!(
        "the node of pod {} is leaving the ring: {}",
        record.pod,
        ring::how_far(&record.pod)
    );
    Blocker::new(ConditionReason::OperationOngoing, note)
}

/// The node is out. What belongs to it is recorded, to go next.
fn finalize(scene: Scene<'_>, record: &OperationRecord) -> Transition {
    match &scene.observed.kube.claims {
        Fact::Unknown(why) => {
            let note = format!("the claims of pod {} are not known: {why}", record.pod);
            Transition::AskAgain(Blocker::new(ConditionReason::ObjectRefused, note))
        }
        Fact::Known(stored) => Transition::Finalize {
            lost: LostNode {
                pod: Some(record.pod.clone()),
                pod_uid: Some(record.pod_uid.clone()),
                claim_uid: claims::data_claim_uid(&record.pod, stored, scene),
                host_id: record.host_id.clone(),
                address: record.address.clone(),
            },
        },
    }
}

/// The replica goes, then the pod, then the claim.
fn take_down(
    scene: Scene<'_>,
    rack: &Rack<'_>,
    pod: Option<&PodView<'_>>,
    record: &OperationRecord,
    licence: Licence,
) -> Transition {
    let Fact::Known(stored) = &scene.observed.kube.claims else {
        let note = format!("the claims of cluster {} were not read", scene.cluster.name);
        return Transition::AskAgain(Blocker::new(ConditionReason::ObjectRefused, note));
    };
    let waits = |note: String| Blocker::new(ConditionReason::OperationOngoing, note);
    if let Some(set) = one_less(rack, record) {
        let lower = Effect::LowerReplicas {
            set: Box::new(set),
            licence,
        };
        let note = format!("the replica of pod {} goes away", record.pod);
        return Transition::act(vec![lower], waits(note));
    }
    if let Some(pod) = pod {
        return Transition::act(Vec::new(), goes_away(rack, pod));
    }
    let claim = record
        .lost_node
        .as_ref()
        .and_then(|lost| claims::recorded(lost, stored));
    claim.map_or(Transition::End(Ok(())), |claim| {
        let note = format!(
            "claim {claim} goes away: if it stays, see `kubectl describe persistentvolumeclaim {claim}`",
            claim = claim.metadata.name.as_deref().unwrap_or_default()
        );
        Transition::act(claims::delete(claim, licence).into_iter().collect(), waits(note))
    })
}

/// The pod of a node that left. The controller of its StatefulSet takes no pod away while one with a lower ordinal is not ready.
fn goes_away(rack: &Rack<'_>, pod: &PodView<'_>) -> Blocker {
    let left = format!("the node of pod {} left the ring", pod.name);
    if pod.readiness == Readiness::Terminating {
        let Blocker { note, .. } = pod.blocker();
        return Blocker::new(ConditionReason::OperationOngoing, format!("{left}, and {note}"));
    }
    let mut others = rack.pods.iter().filter(|other| other.ordinal < pod.ordinal);
    match others.find(|other| !other.is_ready()) {
        Some(other) => {
            let Blocker { reason, note } = other.blocker();
            let note = format!("{left}, and the pod goes once the others of its rack are ready: {note}");
            Blocker::new(reason, note)
        }
        None => Blocker::new(
            ConditionReason::OperationOngoing,
            format!("{left}, and the pod goes away"),
        ),
    }
}

/// The StatefulSet without its last replica, if that is the pod of the record.
fn one_less(rack: &Rack<'_>, record: &OperationRecord) -> Option<StatefulSet> {
    let last = rack.replicas() - 1;
    let set = rack.statefulset?;
    let name = set.metadata.name.as_deref()?;
    if last < 0 || format!("{name}-{last}") != record.pod {
        return None;
    }
    let mut lowered = set.clone();
    lowered.spec.as_mut()?.replicas = Some(last);
    Some(lowered)
}
