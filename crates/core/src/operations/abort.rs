//! Ending an operation before it is done.
//!
//! A queued one simply does not begin. One that runs is stopped in the node, where Cassandra can do that, and has ended once the
//! node no longer runs it. That it is to end is recorded before anything is done about it: whatever becomes of the operator, it
//! is not run again.

use casskop_types::labels::OPERATION_ABORT;
use casskop_types::operation::{OperationName, OperationRecord, RecordState, abort_asked};
use casskop_types::status::RackStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::run::{self, Transition};
use super::{Scene, call_key, is_queued, is_running, labels};
use crate::blocker::Blocker;
use crate::call::{CallState, can_be_stopped, storage_service_operation};
use crate::effect::Effect;
use crate::fact::Fact;
use crate::observed::NodeFacts;
use crate::rack::{PodView, Rack};
use crate::steps::Steps;
use casskop_types::conditions::ConditionReason;

/// Whether a pod's operation of this name is to end.
pub(super) fn is_asked(pod: &PodView<'_>, operation: OperationName) -> bool {
    asked(pod) == Some(operation.as_str())
}

fn asked<'a>(pod: &PodView<'a>) -> Option<&'a str> {
    abort_asked(pod.object.metadata.annotations.as_ref())
}

/// Ends queued records that are to end, and marks those that run.
pub(super) fn take_up(scene: Scene<'_>, rack: &Rack<'_>, status: &mut RackStatus, steps: &mut Steps) {
    for pod in rack.pods.iter().filter(|pod| asked(pod).is_some()) {
        for index in 0..status.operations.len() {
            let record = &mut status.operations[index];
            if record.pod_uid != pod.uid || !is_asked(pod, record.name) {
                continue;
            }
            if is_queued(record) {
                record.abort_time = Some(Time(scene.now));
                run::end(
                    scene,
                    status,
                    index,
                    Err("aborted before it began".to_owned()),
                    steps,
                );
            } else if record.state == RecordState::Ongoing
                && record.abort_time.is_none()
                && can_be_stopped(record.name)
            {
                record.abort_time = Some(Time(scene.now));
                steps.tell(
                    "OperationStops",
                    format!("{} on pod {} is stopped", record.name, record.pod),
                );
            }
        }
    }
}

/// What becomes of a running record that is to end. `None` leaves it to the operation's own step: it has ended.
pub(super) fn step(
    scene: Scene<'_>,
    record: &OperationRecord,
    pod: &PodView<'_>,
    node: &NodeFacts,
) -> Option<Transition> {
    record.abort_time.as_ref()?;
    let what = format!("{} on pod {}", record.name, pod.name);
    match scene.observed.calls.get(&call_key(record)) {
        // It was done before it could be stopped.
        Some(CallState::Succeeded { .. }) => None,
        Some(CallState::Failed { .. }) => Some(Transition::End(Err(aborted(record)))),
        Some(CallState::Running { .. }) => Some(stop(record, pod, &what)),
        Some(CallState::Lost { .. }) | None => Some(match &node.in_flight {
            Fact::Unknown(why) => {
                let note =
                    format!("{what} is stopped, and the node cannot tell whether it still runs: {why}");
                Transition::AskAgain(Blocker::new(ConditionReason::NodesUnreachable, note))
            }
            Fact::Known(operations) if runs(record, operations) => stop(record, pod, &what),
            // It would begin there after its end, and nobody would stop it.
            Fact::Known(_) if !run::calls_have_arrived(scene) => {
                let note =
                    format!("{what} is stopped, and an operator before this one may just have sent it");
                Transition::AskAgain(Blocker::new(ConditionReason::OperationOngoing, note))
            }
            Fact::Known(_) => Transition::End(Err(aborted(record))),
        }),
    }
}

fn runs(record: &OperationRecord, in_flight: &std::collections::BTreeSet<String>) -> bool {
    storage_service_operation(record.name).is_some_and(|operation| in_flight.contains(operation))
}

/// The node is told again and again: it stops the tasks that run at this moment, and there may be more in line.
fn stop(record: &OperationRecord, pod: &PodView<'_>, what: &str) -> Transition {
    let effects = pod.address.map(|address| Effect::StopCall {
        key: call_key(record),
        pod: pod.name.clone(),
        address,
        operation: record.name,
    });
    let note = format!("{what} is stopped: it ends once the node no longer runs it");
    let waits = Blocker::new(ConditionReason::OperationOngoing, note);
    Transition::act(effects.into_iter().collect(), waits)
}

fn aborted(record: &OperationRecord) -> String {
    let done = record
        .progress
        .as_ref()
        .map(|progress| progress.keyspaces_done.len());
    match done.filter(|done| *done > 0) {
        Some(done) => format!("aborted while it ran; keyspaces done before: {done}"),
        None => "aborted while it ran".to_owned(),
    }
}

/// Answers what cannot be obeyed, and takes away what has been. What ends in this pass loses the annotation together with its label.
pub(super) fn answer(scene: Scene<'_>, rack: &Rack<'_>, status: &RackStatus, steps: &mut Steps) {
    for pod in &rack.pods {
        let Some(name) = asked(pod) else { continue };
        let of_name = status
            .operations
            .iter()
            .filter(|record| record.pod_uid == pod.uid && record.name.as_str() == name);
        match of_name.max_by_key(|record| (is_running(record), record.start_time.0)) {
            Some(record) if is_running(record) && record.abort_time.is_some() => continue,
            Some(record) if is_running(record) => steps.warn(
                "OperationNotAborted",
                format!(
                    "{} on pod {} is not aborted: {}",
                    record.name,
                    record.pod,
                    no_way(record.name)
                ),
            ),
            Some(record) if record.abort_time.is_some() => {
                if labels::ends_now(scene, pod, record) {
                    continue;
                }
            }
            _ => steps.warn(
                "OperationNotAborted",
                format!("pod {} has no operation `{name}` to abort", pod.name),
            ),
        }
        let annotations = [(OPERATION_ABORT.to_owned(), None)].into();
        steps.label(labels::change(pod, [].into(), annotations));
    }
}

/// Why a running operation cannot be stopped.
fn no_way(operation: OperationName) -> &'static str {
    match operation {
        OperationName::Rebuild => "Cassandra cannot stop a rebuild, only a restart of the node breaks it off",
        OperationName::Move => "Cassandra cannot stop a move, only a restart of the node breaks it off",
        OperationName::Remove => "Cassandra goes on to take the lost node out of the ring",
        OperationName::Decommission => "Cassandra cannot stop a node from leaving the ring",
        OperationName::Replace => "there is no way back from a replacement that runs",
        OperationName::Restart => {
            "its node drains, and a drained node serves again only once its pod is made anew"
        }
        OperationName::Flush | OperationName::ReloadSsl => "it is over in a moment",
        OperationName::Cleanup
        | OperationName::UpgradeSstables
        | OperationName::Scrub
        | OperationName::Compact
        | OperationName::GarbageCollect => "it is about to end",
    }
}
