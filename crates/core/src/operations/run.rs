//! One running operation: from what its call and its node say to what becomes of its record.

use casskop_types::operation::{
    LostNode, OperationCommand, OperationName, OperationProgress, OperationRecord, RecordState, TableOptions,
    TableWork,
};
use casskop_types::status::RackStatus;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    ASK_AGAIN, Scene, abort, decommission, is_running, labels, last_operation, moving, progress, queue,
    remove, replace, restart,
};
use crate::blocker::Blocker;
use crate::call::{CallKey, CallState, NodeCall, storage_service_operation};
use crate::effect::Effect;
use crate::fact::Fact;
use crate::observed::{CALLS_ARRIVE_WITHIN, NodeFacts};
use crate::rack::{PodView, Rack};
use crate::steps::Steps;
use casskop_types::conditions::ConditionReason;

/// Tries of an operation whose outcome got lost, before it ends as an error. Each keyspace that is done allows as many again.
pub(super) const ATTEMPTS: i32 = 20;

/// How soon to look again at what a watch tells of: other nodes' view of it may change what to do.
pub(super) const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// How long an aborted operation is told to stop, which a node does within seconds. A node that cannot be asked must not keep its
/// rack from being mended for ever.
const STOPS_WITHIN: SignedDuration = SignedDuration::from_hours(2);

/// What becomes of a running record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Transition {
    /// It goes on, with the keyspaces done so far.
    GoOn {
        keyspaces_done: Vec<String>,
        /// What an action waits for meanwhile.
        waits: Option<Blocker>,
    },
    /// It goes on, and the node has to be asked again.
    AskAgain(Blocker),
    /// Nothing of it runs any more and its outcome got lost: run it once more.
    RunAgain { keyspaces_done: Vec<String> },
    /// The node left the ring: what belonged to it goes too.
    Finalize { lost: LostNode },
    /// It goes on by itself, and a watch tells how.
    Await(Blocker),
    /// Do something about it, and look again soon.
    Act {
        /// What comes first: if it is refused, the plan is made again without.
        first: Option<Box<Effect>>,
        effects: Vec<Effect>,
        waits: Blocker,
        counts: Counts,
    },
    /// It ended.
    End(Result<(), String>),
}

impl Transition {
    /// A step that may be taken as often as it takes.
    pub(super) fn act(effects: Vec<Effect>, waits: Blocker) -> Self {
        Self::Act {
            first: None,
            effects,
            waits,
            counts: Counts::No,
        }
    }
}

/// Whether a step is one of a few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    No,
    AsATry,
    /// From here on there is no way back.
    AsTheTurn,
}

/// Decides what becomes of a running record. Pure in the record and the scene.
pub(super) fn step(scene: Scene<'_>, rack: &Rack<'_>, record: &OperationRecord) -> Transition {
    // These outlive their pod.
    match record.name {
        OperationName::Decommission => return decommission::step(scene, rack, record),
        OperationName::Replace => return replace::step(scene, rack, record),
        OperationName::Restart => return restart::step(scene, rack, record),
        _ => {}
    }
    let Some(pod) = rack.pod(&record.pod_uid) else {
        return Transition::End(Err(format!(
            "pod {} went away while {} ran on it: its outcome is unknown, check the node and ask again",
            record.pod, record.name
        )));
    };
    let nobody = NodeFacts::default();
    let node = scene.observed.nodes.get(&pod.name).unwrap_or(&nobody);
    if record.state == RecordState::Finalizing {
        return remove::clean_up(scene, record, pod, node);
    }
    if let Some(why) = overdue(scene, record) {
        return Transition::End(Err(why));
    }
    if let Some(transition) = abort::step(scene, record, pod, node) {
        return transition;
    }
    if record.name == OperationName::Move {
        return moving::step(scene, record, pod, node);
    }
    match scene.observed.calls.get(&call_key(record)) {
        Some(CallState::Running { keyspaces_done, .. }) => Transition::GoOn {
            waits: None,
            keyspaces_done: keyspaces_done.clone(),
        },
        Some(CallState::Succeeded { .. }) => succeeded(scene, record, pod, node),
        Some(CallState::Failed { reason, .. }) => match record.name {
            // The node refuses a host id it does not know, and a removal that worked leaves none behind.
            OperationName::Remove if remove::has_left(record, node) => succeeded(scene, record, pod, node),
            _ => Transition::End(Err(reason.clone())),
        },
        Some(CallState::Lost { keyspaces_done, .. }) => find_again(scene, record, pod, node, keyspaces_done),
        None => find_again(scene, record, pod, node, &[]),
    }
}

fn succeeded(scene: Scene<'_>, record: &OperationRecord, pod: &PodView<'_>, node: &NodeFacts) -> Transition {
    match record.name {
        OperationName::Remove => remove::finalize(scene, record, pod, node),
        _ => Transition::End(Ok(())),
    }
}

/// No call of this process carries the record: an earlier one did, or the connection broke. The node knows whether
/// the work goes on.
fn find_again(
    scene: Scene<'_>,
    record: &OperationRecord,
    pod: &PodView<'_>,
    node: &NodeFacts,
    keyspaces_done: &[String],
) -> Transition {
    let in_flight = match &node.in_flight {
        Fact::Known(operations) => operations,
        Fact::Unknown(why) => {
            let note = format!(
                "pod {} cannot tell whether {} still runs: {why}",
                pod.name, record.name
            );
            return Transition::AskAgain(Blocker::new(ConditionReason::NodesUnreachable, note));
        }
    };
    if storage_service_operation(record.name).is_some_and(|operation| in_flight.contains(operation)) {
        let note = format!("{} goes on in pod {}", record.name, pod.name);
        return Transition::AskAgain(Blocker::new(ConditionReason::OperationOngoing, note));
    }
    if node_call(scene, record).is_none() {
        return Transition::End(Err(format!(
            "an earlier operator started {} and did not record what it needs to go on: its outcome is unknown, check the node",
            record.name
        )));
    }
    if has_lost_its_options(record, pod) {
        return Transition::End(Err(
            "which tables it was for is not on record as it is on its pod: apply crds/ again, and ask for it again"
                .to_owned(),
        ));
    }
    if record.name == OperationName::Remove {
        match remove::outcome(record, pod, node) {
            remove::Outcome::Left => return remove::finalize(scene, record, pod, node),
            remove::Outcome::Leaving(blocker) | remove::Outcome::Unknown(blocker) => {
                return Transition::AskAgain(blocker);
            }
            remove::Outcome::Member => {}
        }
    }
    let mut done = record.progress.clone().unwrap_or_default().keyspaces_done;
    let newly_done = keyspaces_done.iter().filter(|keyspace| !done.contains(keyspace));
    let newly_done: Vec<_> = newly_done.cloned().collect();
    done.extend(newly_done);
    if record.attempt >= tries_with(&done) {
        let tries = record.attempt;
        return Transition::End(Err(format!(
            "the connection to pod {} was lost again and again, in {tries} tries",
            pod.name
        )));
    }
    Transition::RunAgain { keyspaces_done: done }
}

/// Whether a node has got all that an earlier operator sent it: until then, that it is not at work says nothing.
pub(super) fn calls_have_arrived(scene: Scene<'_>) -> bool {
    scene.now.duration_since(scene.observed.leads_since) >= CALLS_ARRIVE_WITHIN
}

/// An older definition of the cluster's status drops them, and without them all tables would be worked on.
fn has_lost_its_options(record: &OperationRecord, pod: &PodView<'_>) -> bool {
    let asked = queue::request_of(pod).ok().flatten();
    asked.is_some_and(|asked| asked.name == record.name && asked.options != record.options)
}

fn tries_with(keyspaces_done: &[String]) -> i32 {
    let done = i32::try_from(keyspaces_done.len()).unwrap_or(i32::MAX);
    ATTEMPTS.saturating_mul(done.saturating_add(1))
}

/// Writes a transition into the record and adds the effects it asks for.
pub(super) fn enter(
    scene: Scene<'_>,
    rack: &Rack<'_>,
    status: &mut RackStatus,
    index: usize,
    transition: Transition,
    steps: &mut Steps,
) {
    let record = &mut status.operations[index];
    match transition {
        Transition::GoOn {
            keyspaces_done,
            waits,
        } => {
            if let Some(blocker) = waits {
                steps.wait_for(blocker);
            }
            if keyspaces_done.is_empty() {
                return;
            }
            // The numbers are about the keyspace before.
            let known = record.progress.get_or_insert_default();
            if known.keyspaces_done != keyspaces_done {
                *known = OperationProgress {
                    keyspaces_done,
                    ..OperationProgress::default()
                };
            }
        }
        Transition::AskAgain(blocker) => {
            steps.look_again_after(ASK_AGAIN);
            steps.wait_for(blocker);
        }
        Transition::RunAgain { .. } if !calls_have_arrived(scene) => {
            let note = format!(
                "an operator before this one may just have asked pod {} for {}: its node is asked again in a moment",
                record.pod, record.name
            );
            steps.look_again_after(CALLS_ARRIVE_WITHIN);
            steps.wait_for(Blocker::new(ConditionReason::OperationOngoing, note));
        }
        Transition::RunAgain { keyspaces_done } => {
            record.attempt += 1;
            record.progress = Some(OperationProgress {
                keyspaces_done,
                ..OperationProgress::default()
            });
            start_call(scene, rack, record, steps);
        }
        Transition::Finalize { lost } => {
            record.state = RecordState::Finalizing;
            record.lost_node = Some(lost);
            let record = record.clone();
            last_operation::finalizing(status, &record);
            // The claim and the pod go in the next pass, after this record is written.
            steps.look_again_after(SignedDuration::ZERO);
        }
        Transition::Await(blocker) => {
            steps.look_again_after(LOOK_AGAIN);
            steps.wait_for(blocker);
        }
        // The end is recorded only once the labels are in line: a label that still says ToDo would count as a new request, and a
        // new pod without labels would never show the end.
        Transition::End(_) if labels::asks_still(rack, record) || labels::is_unlabelled(rack, record) => {
            steps.look_again_after(SignedDuration::ZERO);
        }
        Transition::End(outcome) => end(scene, status, index, outcome, steps),
        Transition::Act {
            first,
            effects,
            waits,
            counts,
        } => {
            match counts {
                Counts::No => {}
                Counts::AsATry => record.attempt += 1,
                Counts::AsTheTurn => take_the_turn(rack, record, steps),
            }
            steps.first.extend(first.map(|first| *first));
            steps.effects.extend(effects);
            steps.wait_for(waits);
            steps.look_again_after(ASK_AGAIN);
        }
    }
}

/// From here on there is no way back: the pod goes, and with it what its labels ask for meanwhile.
fn take_the_turn(rack: &Rack<'_>, record: &mut OperationRecord, steps: &mut Steps) {
    if record.state == RecordState::Finalizing {
        return;
    }
    record.state = RecordState::Finalizing;
    if let Some(other) = labels::another(rack, record) {
        steps.warn("OperationForgotten", queue::forgotten(other, &record.pod));
    }
}

/// Ends a record, for good.
pub(super) fn end(
    scene: Scene<'_>,
    status: &mut RackStatus,
    index: usize,
    outcome: Result<(), String>,
    steps: &mut Steps,
) {
    let record = &mut status.operations[index];
    if record.name == OperationName::Replace && is_running(record) {
        // Before the end is recorded: left behind, it would keep a later pod of that name from starting.
        steps.first.extend(replace::untold(scene, record));
    }
    record.end_time = Some(Time(scene.now));
    match outcome {
        Ok(()) => {
            record.state = RecordState::Done;
            record.message = None;
            // Of what is done there is nothing to go on with, and a list of keyspaces for each pod makes a large status.
            record.progress = None;
            steps.tell(
                "OperationDone",
                format!("{} done on pod {}", record.name, record.pod),
            );
        }
        Err(why) => {
            record.state = RecordState::Error;
            progress::forget(&mut record.progress);
            steps.warn(
                "OperationFailed",
                format!("{} failed on pod {}: {why}", record.name, record.pod),
            );
            record.message = Some(why);
        }
    }
    let record = record.clone();
    if matches!(
        record.name,
        OperationName::Decommission | OperationName::Move | OperationName::Restart
    ) {
        // An action goes on, or other racks do, and nothing else tells: what belonged to the node may be gone already.
        steps.look_again_after(SignedDuration::ZERO);
    }
    last_operation::ended(status, &record);
}

/// Adds the effect that calls the node for a record. The record has to be written with the same plan.
pub(super) fn start_call(scene: Scene<'_>, rack: &Rack<'_>, record: &OperationRecord, steps: &mut Steps) {
    let Some(call) = node_call(scene, record) else {
        // The next pass takes the first step, after this record is written.
        return steps.look_again_after(SignedDuration::ZERO);
    };
    let pod = rack.pod(&record.pod_uid);
    let Some((pod, address)) = pod.and_then(|pod| Some((pod, pod.address?))) else {
        return;
    };
    steps.effects.push(Effect::StartCall {
        key: call_key(record),
        pod: pod.name.clone(),
        address,
        call,
    });
}

fn node_call(scene: Scene<'_>, record: &OperationRecord) -> Option<NodeCall> {
    match record.command() {
        Ok(OperationCommand::OnTables(work, options)) => Some(NodeCall::Tables {
            work,
            options: with_threads(scene, work, options),
            skip: record.progress.clone().unwrap_or_default().keyspaces_done,
        }),
        Ok(OperationCommand::Rebuild { from_dc }) => Some(NodeCall::Rebuild { from_dc }),
        Ok(OperationCommand::ReloadSsl) => Some(NodeCall::ReloadSsl),
        Ok(OperationCommand::Move { token }) => Some(NodeCall::Move { token }),
        Ok(OperationCommand::Remove { .. }) => Some(NodeCall::RemoveNode {
            host_id: record.lost_node.clone()?.host_id?,
        }),
        Ok(OperationCommand::Decommission) => Some(NodeCall::Decommission {
            replicas: decommission::replicas(record),
        }),
        Ok(OperationCommand::Restart) => Some(NodeCall::Drain),
        Ok(OperationCommand::Replace { .. }) | Err(_) => None,
    }
}

/// Threads where a request says nothing of them: the cluster's setting for a cleanup, all for an upgrade, which is waited for, and
/// as many as `nodetool` asks for else.
fn with_threads(scene: Scene<'_>, work: TableWork, mut options: TableOptions) -> TableOptions {
    const NODETOOL: u16 = 2;
    let usual = match work {
        TableWork::Cleanup => u16::try_from(scene.cluster.cleanup_threads.max(0)).unwrap_or(u16::MAX),
        TableWork::UpgradeSstables => 0,
        TableWork::Scrub | TableWork::GarbageCollect => NODETOOL,
        TableWork::Compact | TableWork::Flush => return options,
    };
    options.threads.get_or_insert(usual);
    options
}

/// The identity of the record's current run.
pub fn call_key(record: &OperationRecord) -> CallKey {
    CallKey {
        pod_uid: record.pod_uid.clone(),
        record: record.id.clone(),
        attempt: record.attempt,
    }
}

/// Data-moving operations may take days on a large node; beyond a week nobody waits for them any more.
fn overdue(scene: Scene<'_>, record: &OperationRecord) -> Option<String> {
    let since = |time: &Time| scene.now.duration_since(time.0);
    if record.abort_time.as_ref().map(since) > Some(STOPS_WITHIN) {
        return Some(format!(
            "aborted, and nobody could tell for {} h that the node stopped: check it before you ask again",
            STOPS_WITHIN.as_hours()
        ));
    }
    let deadline = match record.name {
        OperationName::Remove => SignedDuration::from_hours(24 * 2),
        OperationName::Cleanup
        | OperationName::UpgradeSstables
        | OperationName::Scrub
        | OperationName::Compact
        | OperationName::Flush
        | OperationName::GarbageCollect
        | OperationName::ReloadSsl
        | OperationName::Rebuild => SignedDuration::from_hours(24 * 7),
        // These have a step of their own: they end by what the ring says.
        OperationName::Decommission
        | OperationName::Move
        | OperationName::Replace
        | OperationName::Restart => return None,
    };
    (since(&record.start_time) > deadline).then(|| format!("{} did not end within its deadline", record.name))
}
