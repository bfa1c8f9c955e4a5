//! One node is drained, and its pod made anew, on the same disk (restart).
//!
//! A node that is drained serves nobody until its process is started again. So from the moment it is told to drain there is one
//! way only: the pod goes, whatever becomes of the operator, and the StatefulSet's controller makes it anew. Cassandra drains at
//! SIGTERM as well, but in the time the pod is given to stop; here the pod goes once the node says that all is written down.
//!
//! A node goes down by it, so that it waits for its turn as a rolling restart does: one rack of the cluster at a time, and only
//! while every other node is up.

use casskop_types::conditions::ConditionReason;
use casskop_types::names::PodName;
use casskop_types::operation::{OperationName, OperationRecord, RecordState};
use casskop_types::status::CassandraClusterStatus;
use jiff::SignedDuration;

use super::line::oldest_queued;
use super::run::{ATTEMPTS, Counts, Transition, call_key};
use super::{Scene, is_running, moving, other_racks};
use crate::blocker::Blocker;
use crate::call::{CallState, storage_service_operation};
use crate::effect::Effect;
use crate::fact::Fact;
use crate::hooks;
use crate::observed::{NodeFacts, OperationMode};
use crate::rack::{self, PodView, Rack, Readiness};
use crate::ring;

/// How long a node may take to write down what it has in memory. The pod of one that is at it still goes all the same: what is
/// not in data files by then is in the commit log.
const DRAINS_WITHIN: SignedDuration = SignedDuration::from_mins(15);

/// What a pod without a grace period of its own gets.
const GRACE_SECONDS: u32 = 30;

/// What a restart waits for before it begins: its turn, and that every node is up.
pub(super) fn may_begin(
    scene: Scene<'_>,
    pod: &PodView<'_>,
    turn: Result<(), &Blocker>,
) -> Result<(), Blocker> {
    let waits = |Blocker { reason, note }| {
        let note = format!("restart on pod {} waits: {note}", pod.name);
        Blocker::new(reason, note)
    };
    turn.map_err(|blocker| waits(blocker.clone()))?;
    all_is_well(scene, pod).map_err(waits)
}

/// Every pod ready, every node NORMAL and seen UP, and a new pod could start. The node that is restarted may be one that was left MOVING
/// by a move that failed: nothing else brings it back.
fn all_is_well(scene: Scene<'_>, pod: &PodView<'_>) -> Result<(), Blocker> {
    if let Some(missing) = hooks::missing(scene) {
        return Err(missing);
    }
    rack::all_complete(scene.racks)?;
    let nodes = &scene.observed.nodes;
    if moving::is_left_moving(scene, pod) {
        return ring::agrees_but_moving(scene.racks, nodes, pod);
    }
    ring::agrees(scene.racks, nodes, &[])
}

/// Why no node of a rack may be restarted now: one of another rack is, or was asked for earlier and waits for nothing else.
pub(crate) fn turn(
    racks: &[Rack<'_>],
    rack: &Rack<'_>,
    status: &CassandraClusterStatus,
) -> Result<(), Blocker> {
    let mine = status.rack(&rack.desired.id).and_then(oldest_queued);
    for other in other_racks(racks, rack, status) {
        let running = other.operations.iter().find(|record| is_running(record));
        if let Some(record) = running.filter(|record| record.name == OperationName::Restart) {
            let note = format!(
                "restart runs on pod {}, and one rack at a time is disturbed",
                record.pod
            );
            return Err(Blocker::new(ConditionReason::OperationOngoing, note));
        }
        let earlier = |record: &&OperationRecord| {
            let mine = mine.as_ref().map(|mine| mine.start_time.0);
            mine.is_some_and(|mine| record.start_time.0 < mine)
        };
        let next = oldest_queued(other).filter(|next| next.name == OperationName::Restart);
        if let Some(next) = next.filter(|_| running.is_none()).filter(earlier) {
            let note = format!("restart on pod {} was asked for earlier", next.pod);
            return Err(Blocker::new(ConditionReason::OperationOngoing, note));
        }
    }
    Ok(())
}

/// What no rack may be changed for meanwhile: the pod of a restart is about to go.
///
/// Once it is gone, pods and ring tell how things are, and the new pod may wait for the very template that an action brings.
pub(crate) fn holds(racks: &[Rack<'_>], status: &CassandraClusterStatus) -> Result<(), Blocker> {
    let mut pods = racks.iter().flat_map(|rack| &rack.pods);
    let goes =
        |pod: &&PodView<'_>| records(status).any(|record| is_running(record) && is_former(record, pod));
    pods.find(goes).map_or(Ok(()), |pod| {
        let note = format!("restart runs on pod {}", pod.name);
        Err(Blocker::new(ConditionReason::OperationOngoing, note))
    })
}

/// What becomes of a running restart.
pub(super) fn step(scene: Scene<'_>, rack: &Rack<'_>, record: &OperationRecord) -> Transition {
    if record.former_pod_uid.is_none() {
        return Transition::End(Err("which pod was to go was not recorded".to_owned()));
    }
    match rack.pod_named(&record.pod) {
        // It goes, in the time it is given; where its machine is gone as well, somebody has to force it.
        Some(pod) if is_former(record, pod) && pod.readiness == Readiness::Terminating => {
            Transition::Await(pod.blocker())
        }
        Some(pod) if is_former(record, pod) && record.state == RecordState::Finalizing => {
            Transition::act(vec![delete(pod)], waits(record, "its pod goes"))
        }
        Some(pod) if is_former(record, pod) => drains(scene, pod, record),
        Some(pod) => comes_back(scene, pod, record),
        None if !has_place_for(rack, record) => Transition::End(Err(
            "the rack has become smaller meanwhile, and has no such pod any more".to_owned(),
        )),
        None => match rack.not_created {
            Some(why) => {
                let note = format!("pod {} is to be made anew: {why}", record.pod);
                Transition::Await(Blocker::new(ConditionReason::PodBlocked, note))
            }
            None => Transition::Await(waits(record, "its pod is being made anew")),
        },
    }
}

/// Whether the rack's StatefulSet is to have the pod of a record.
fn has_place_for(rack: &Rack<'_>, record: &OperationRecord) -> bool {
    let pod = record.pod.parse::<PodName>();
    pod.is_ok_and(|pod| pod.ordinal < rack.replicas())
}

/// The node was told to drain, or is to be told (again). Where nobody heard how that went, its mode tells.
fn drains(scene: Scene<'_>, pod: &PodView<'_>, record: &OperationRecord) -> Transition {
    let nobody = NodeFacts::default();
    let node = scene.observed.nodes.get(&pod.name).unwrap_or(&nobody);
    let is_late = is_late(scene, record);
    let known = scene.observed.calls.get(&call_key(record));
    match (known, &node.mode) {
        (Some(CallState::Running { .. }), _) if !is_late => {
            return Transition::Await(waits(record, "its node drains"));
        }
        (Some(CallState::Succeeded { .. }), _) | (_, Fact::Known(OperationMode::Drained)) => {
            return goes(pod, record);
        }
        (Some(CallState::Running { .. }), _) => return late(scene, pod, record),
        (Some(CallState::Failed { reason, .. }), Fact::Known(mode)) if mode.serves() => {
            return Transition::End(Err(reason.clone()));
        }
        // Told in vain, and the node tells nothing: unless it is down, it serves.
        (Some(CallState::Failed { reason, .. }), Fact::Unknown(_))
            if is_late && !ring::is_seen_down(pod, &scene.observed.nodes) =>
        {
            return Transition::End(Err(reason.clone()));
        }
        _ => {}
    }
    match &node.mode {
        Fact::Known(mode) if mode.serves() => tell(scene, pod, node, record),
        Fact::Unknown(_) | Fact::Known(OperationMode::Draining) if is_late => late(scene, pod, record),
        Fact::Known(mode) if is_late => Transition::End(Err(format!(
            "the node is {mode} and was not restarted: see how it stands before you ask again"
        ))),
        Fact::Known(mode) => Transition::AskAgain(waits(record, &format!("its node is {mode}"))),
        Fact::Unknown(why) => {
            let note = format!(
                "pod {} does not tell whether its node is drained: {why}",
                pod.name
            );
            Transition::AskAgain(Blocker::new(ConditionReason::NodesUnreachable, note))
        }
    }
}

fn is_late(scene: Scene<'_>, record: &OperationRecord) -> bool {
    scene.now.duration_since(record.start_time.0) > DRAINS_WITHIN
}

/// Time is up, and nobody heard that the node is drained. One that drains or that others see down serves nobody any more; one
/// that may serve still is taken down only while all others are up.
fn late(scene: Scene<'_>, pod: &PodView<'_>, record: &OperationRecord) -> Transition {
    let nodes = &scene.observed.nodes;
    let drains = nodes
        .get(&pod.name)
        .is_some_and(|node| node.mode.is_known_and(|mode| *mode == OperationMode::Draining));
    if drains || ring::is_seen_down(pod, nodes) {
        return goes(pod, record);
    }
    match all_is_well(scene, pod) {
        Ok(()) => goes(pod, record),
        Err(blocker) => Transition::AskAgain(blocker),
    }
}

/// The node serves: it was not told, or does not yet say that it drains. Since the request began others may have gone down.
fn tell(scene: Scene<'_>, pod: &PodView<'_>, node: &NodeFacts, record: &OperationRecord) -> Transition {
    let is_late = is_late(scene, record);
    let drains = |operations: &std::collections::BTreeSet<String>| {
        storage_service_operation(record.name).is_some_and(|drain| operations.contains(drain))
    };
    match &node.in_flight {
        Fact::Known(operations) if drains(operations) && is_late => late(scene, pod, record),
        Fact::Known(operations) if drains(operations) => {
            Transition::AskAgain(waits(record, "its node drains"))
        }
        Fact::Known(_) if is_late || record.attempt >= ATTEMPTS => Transition::End(Err(format!(
            "the node did not drain in {} tries, and serves: its pod was left alone",
            record.attempt
        ))),
        Fact::Known(_) => match all_is_well(scene, pod) {
            Ok(()) => Transition::RunAgain {
                keyspaces_done: Vec::new(),
            },
            Err(blocker) => Transition::AskAgain(blocker),
        },
        Fact::Unknown(why) => {
            let note = format!("pod {} does not tell whether its node drains: {why}", record.pod);
            Transition::AskAgain(Blocker::new(ConditionReason::NodesUnreachable, note))
        }
    }
}

/// From here on there is no way back: that is written before the pod goes.
fn goes(pod: &PodView<'_>, record: &OperationRecord) -> Transition {
    Transition::Act {
        first: None,
        effects: vec![delete(pod)],
        waits: waits(record, "its pod goes"),
        counts: Counts::AsTheTurn,
    }
}

/// The pod was made anew.
fn comes_back(scene: Scene<'_>, pod: &PodView<'_>, record: &OperationRecord) -> Transition {
    if !pod.is_ready() {
        return Transition::Await(pod.blocker());
    }
    let nodes = &scene.observed.nodes;
    match (
        ring::sees_up(pod, nodes),
        nodes.get(&pod.name).map(|node| &node.mode),
    ) {
        (Ok(()), Some(Fact::Known(mode))) if mode.serves() => Transition::End(Ok(())),
        (Ok(()), Some(Fact::Unknown(why))) => {
            let note = format!("pod {} does not tell whether its node is back: {why}", pod.name);
            Transition::AskAgain(Blocker::new(ConditionReason::NodesUnreachable, note))
        }
        (Ok(()), _) => Transition::AskAgain(waits(record, "its node does not say yet that it is back")),
        (Err(blocker), _) => Transition::AskAgain(blocker),
    }
}

/// Whether a pod is the one that is to go, and not yet its successor.
pub(crate) fn is_former(record: &OperationRecord, pod: &PodView<'_>) -> bool {
    record.former_pod_uid.as_deref() == Some(pod.uid)
}

fn records(status: &CassandraClusterStatus) -> impl Iterator<Item = &OperationRecord> {
    let records = status.operations();
    records.filter(|record| record.name == OperationName::Restart)
}

fn waits(record: &OperationRecord, what: &str) -> Blocker {
    let note = format!("restart on pod {} goes on: {what}", record.pod);
    Blocker::new(ConditionReason::OperationOngoing, note)
}

/// In the time its own template gives it: a node that did not drain in time does so now.
fn delete(pod: &PodView<'_>) -> Effect {
    let spec = pod.object.spec.as_ref();
    let own = spec.and_then(|spec| u32::try_from(spec.termination_grace_period_seconds?).ok());
    Effect::DeletePod {
        pod: pod.name.clone(),
        uid: pod.uid.to_owned(),
        grace_seconds: own.unwrap_or(GRACE_SECONDS),
    }
}
