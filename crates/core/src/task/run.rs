//! The work of a task on its pods: rack after rack, some pods of a rack at once.
//!
//! A task writes a request on a pod and reads what the engine recorded of it. Who asked is written into the request, and names
//! the run: task, pod and attempt. It is in the task's status before it is on the pod, so that whatever a crash leaves half done
//! is recognised, and written once more or not.

mod begin;

use std::collections::BTreeMap;

use casskop_types::operation::{
    MetadataPatch, OperationName, OperationStatus, Parallelism, RecordState, abort_patch,
};
use casskop_types::task::{PodProgress, PodState};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use self::begin::{Standing, request, standing, start};
use super::members::{Pod, Rack};
use super::work::Work;

/// How long a pod that is not ready is waited for once nothing else is left to do, and a run on one.
pub(super) const PATIENCE: SignedDuration = SignedDuration::from_mins(15);
/// The same where the run itself takes the pod down: a large node reads its commit log when it starts.
const RESTARTS_WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// What stands before the name of a task in who asked for an operation.
const REQUESTER: &str = "CassandraTask ";

/// What the work is done with.
#[derive(Debug, Clone)]
pub(super) struct Run<'a> {
    /// Name of the task.
    pub(super) task: &'a str,
    /// Its uid.
    pub(super) uid: &'a str,
    /// What to do on each pod.
    pub(super) work: &'a Work,
    /// Pods of a rack to work on at once.
    pub(super) at_once: Parallelism,
    /// How often a pod is tried again.
    pub(super) retries: i32,
    /// The time of the pass.
    pub(super) now: Timestamp,
}

/// A request to write on a pod, or one to take back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodWrite {
    /// Name of the pod.
    pub pod: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion: what somebody else has asked of it since is not overwritten.
    pub version: String,
    /// What to write.
    pub patch: MetadataPatch,
}

/// What a pass over the pods came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Advance {
    /// What to write on pods, after the status.
    pub(super) writes: Vec<PodWrite>,
    /// When something is to be looked at that no watch tells of.
    pub(super) again_at: Option<Timestamp>,
    /// Pods on which the work has just failed for good, and why.
    pub(super) failures: Vec<(String, String)>,
}

/// Takes the work on all pods one pass further.
pub(super) fn advance(run: &Run<'_>, racks: &[&Rack], pods: &mut BTreeMap<String, PodProgress>) -> Advance {
    let mut advance = Advance::default();
    let targets: Vec<(&Rack, &Pod)> = racks
        .iter()
        .flat_map(|rack| rack.pods.iter().map(move |pod| (*rack, pod)))
        .filter(|(rack, pod)| is_target(run.work, rack, pod))
        .collect();
    // A pod that left with its node is no business of the task any more.
    pods.retain(|name, _| targets.iter().any(|(_, pod)| pod.name == *name));
    for (_, pod) in &targets {
        let progress = pods.entry(pod.name.clone()).or_insert_with(|| PodProgress {
            status: Some(PodState::Waiting),
            ..PodProgress::default()
        });
        if progress.status == Some(PodState::Running) {
            follow(run, pod, progress, &mut advance);
        }
    }
    start(run, &targets, pods, &mut advance);
    advance
}

/// Whether a task works on a pod of its datacenter.
pub(super) fn is_target(work: &Work, rack: &Rack, pod: &Pod) -> bool {
    work.rack
        .as_ref()
        .is_none_or(|wanted| *wanted == rack.id.rack.to_string())
        && work.pod.as_ref().is_none_or(|wanted| *wanted == pod.name)
        && work.operation.on(&pod.name).is_some()
}

/// Whether nothing is left to do on a pod.
pub(super) fn has_ended(progress: &PodProgress) -> bool {
    matches!(progress.status, Some(PodState::Completed | PodState::Error))
}

/// What has become of a run.
enum Outcome {
    /// The request is on the pod, or recorded, and nothing was begun.
    Queued,
    /// It is being done.
    Runs,
    Done,
    Failed(String),
    /// Somebody ended it: it is not for the task to begin it again.
    Aborted(String),
    /// The request is not on the pod (yet).
    Unwritten,
    /// The pod that was asked is gone, with all it said.
    Lost,
}

fn outcome(pod: &Pod, operation: OperationName, requester: &str, job: &str) -> Outcome {
    // Somebody's request by label, for something else, finds on the pod who asked for the one before.
    let is_ours = |name: OperationName, asked: &Option<String>| {
        name == operation && asked.as_deref() == Some(requester)
    };
    let mut records = pod.records.iter();
    if let Some(record) = records.find(|record| is_ours(record.name, &record.requested_by)) {
        let why = || {
            record
                .message
                .clone()
                .unwrap_or_else(|| "no reason was recorded".to_owned())
        };
        return match record.state {
            RecordState::ToDo => Outcome::Queued,
            RecordState::Ongoing | RecordState::Finalizing => Outcome::Runs,
            RecordState::Done => Outcome::Done,
            RecordState::Error if record.abort_time.is_some() => Outcome::Aborted(why()),
            RecordState::Error => Outcome::Failed(why()),
        };
    }
    match &pod.request {
        Some(request) if is_ours(request.name, &request.requested_by) => match request.status {
            OperationStatus::Done => Outcome::Done,
            OperationStatus::Error => {
                Outcome::Failed("the request was refused, see the events of the cluster".to_owned())
            }
            OperationStatus::ToDo | OperationStatus::Manual | OperationStatus::Paused => Outcome::Queued,
            OperationStatus::Ongoing | OperationStatus::Finalizing | OperationStatus::Continue => {
                Outcome::Runs
            }
        },
        _ if pod.uid.as_deref() == asked_pod(job) => Outcome::Unwritten,
        _ => Outcome::Lost,
    }
}

fn follow(run: &Run<'_>, pod: &Pod, progress: &mut PodProgress, advance: &mut Advance) {
    let job = progress.job_id.clone().unwrap_or_default();
    let operation = run.work.operation.name();
    match outcome(pod, operation, &requester(run.task, &job), &job) {
        Outcome::Done => end(progress, PodState::Completed, None, run.now),
        Outcome::Failed(why) => failed(run, pod, progress, why, advance),
        Outcome::Aborted(why) => give_up(run, pod, progress, why, advance),
        Outcome::Lost if operation == OperationName::Replace => {
            let why = "its pod was made anew and nothing is recorded of it: see in the ring whether the node was replaced";
            give_up(run, pod, progress, format!("outcome unknown: {why}"), advance);
        }
        // Its pod was to be made anew, and was.
        Outcome::Lost if operation == OperationName::Restart => {
            if pod.ready.is_ok() {
                end(progress, PodState::Completed, None, run.now);
            } else {
                is_overdue(run, pod, progress, advance);
            }
        }
        Outcome::Lost => failed(
            run,
            pod,
            progress,
            "its pod went away in the middle".to_owned(),
            advance,
        ),
        Outcome::Unwritten => match standing(run, pod, progress) {
            Standing::Free(uid) => advance.writes.extend(request(run, pod, uid, &job)),
            Standing::Busy(why) | Standing::Down(why) => {
                progress.status = Some(PodState::Waiting);
                progress.job_id = None;
                progress.error = Some(why);
            }
        },
        Outcome::Queued => {
            if is_overdue(run, pod, progress, advance)
                && let Some(uid) = &pod.uid
            {
                advance.writes.push(PodWrite {
                    pod: pod.name.clone(),
                    uid: uid.clone(),
                    version: pod.version.clone(),
                    patch: abort_patch(operation),
                });
            }
        }
        Outcome::Runs => {
            is_overdue(run, pod, progress, advance);
        }
    }
}

/// Gives up a run on a pod that has not been ready for too long. A lost node is what a replacement is for.
fn is_overdue(run: &Run<'_>, pod: &Pod, progress: &mut PodProgress, advance: &mut Advance) -> bool {
    let down = pod
        .ready
        .as_ref()
        .err()
        .filter(|_| run.work.operation.name() != OperationName::Replace);
    let Some(down) = down else {
        progress.error = None;
        return false;
    };
    progress.error = Some(down.why.clone());
    // As of when it went down, but no earlier than the run.
    let began = progress.start_time.as_ref().map_or(run.now, |start| start.0);
    let (patience, since) = match (run.work.operation.name(), down.since) {
        (OperationName::Restart, since) => (RESTARTS_WITHIN, since.unwrap_or(began)),
        (_, Some(since)) => (PATIENCE, since),
        // Its pod is gone, and the engine ends what ran on it.
        (_, None) => return false,
    };
    let since = since.max(began);
    let limit = since.saturating_add(patience).unwrap_or(Timestamp::MAX);
    if run.now < limit {
        advance.look_again(limit);
        return false;
    }
    let why = format!("{}; given up after {} min", down.why, patience.as_mins());
    give_up(run, pod, progress, why, advance);
    true
}

fn failed(run: &Run<'_>, pod: &Pod, progress: &mut PodProgress, why: String, advance: &mut Advance) {
    let so_far = progress.retries.unwrap_or(0);
    // A node that refuses a token refuses it again, and one that broke its move off has to be restarted first.
    if so_far >= run.retries || run.work.operation.name() == OperationName::Move {
        return give_up(run, pod, progress, why, advance);
    }
    end(progress, PodState::Waiting, Some(why), run.now);
    progress.retries = Some(so_far.saturating_add(1));
    progress.job_id = None;
}

fn give_up(run: &Run<'_>, pod: &Pod, progress: &mut PodProgress, why: String, advance: &mut Advance) {
    advance.failures.push((pod.name.clone(), why.clone()));
    end(progress, PodState::Error, Some(why), run.now);
}

fn end(progress: &mut PodProgress, state: PodState, error: Option<String>, now: Timestamp) {
    progress.status = Some(state);
    progress.error = error;
    progress.completion_time = Some(Time(now));
}

/// Identity of a run: task, pod, attempt, operation. Another pod of the same name is another run, and so is a task made anew.
fn job_id(task_uid: &str, pod_uid: &str, attempt: i32, operation: OperationName) -> String {
    format!("{task_uid}/{pod_uid}/{attempt}/{operation}")
}

fn asked_pod(job: &str) -> Option<&str> {
    job.split('/').nth(1)
}

/// What a run is for; runs of earlier releases do not say.
pub(super) fn asked_operation(run: &str) -> Option<&str> {
    run.split('/').nth(3)
}

/// Who asks, in a request and its record.
fn requester(task: &str, job: &str) -> String {
    format!("{REQUESTER}{task} ({job})")
}

/// The run that an operation was asked for by, if a task did.
pub(super) fn run_of(requester: &str) -> Option<&str> {
    let (_, run) = requester.strip_prefix(REQUESTER)?.rsplit_once(" (")?;
    run.strip_suffix(')')
}

impl Advance {
    fn look_again(&mut self, at: Timestamp) {
        self.again_at = Some(self.again_at.map_or(at, |earlier| earlier.min(at)));
    }
}

#[cfg(test)]
mod tests;
