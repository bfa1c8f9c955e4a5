//! Which pods work begins on: those of the rack in which something runs, as many as may at once, and none that is busy or down.

use std::collections::BTreeMap;

use casskop_types::operation::{OperationName, OperationRequest, OperationStatus};
use casskop_types::task::{PodProgress, PodState};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Advance, PATIENCE, PodWrite, Run, give_up, has_ended, job_id, requester};
use crate::operations::{is_queued, is_running};
use crate::task::members::{Pod, Rack};

/// Time between a failure and the first retry. It doubles with each.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// No pause is longer.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// Begins on the next pods of the rack in which something runs, or else of the first one in which something can begin.
pub(super) fn start(
    run: &Run<'_>,
    targets: &[(&Rack, &Pod)],
    pods: &mut BTreeMap<String, PodProgress>,
    advance: &mut Advance,
) {
    let runs = |pods: &BTreeMap<String, PodProgress>, pod: &Pod| {
        pods.get(&pod.name)
            .is_some_and(|progress| progress.status == Some(PodState::Running))
    };
    let mut current = targets
        .iter()
        .find(|(_, pod)| runs(pods, pod))
        .map(|(rack, _)| &rack.id);
    let mut running = targets.iter().filter(|(_, pod)| runs(pods, pod)).count();
    let mut comes_later = false;
    for (rack, pod) in targets {
        let Some(progress) = pods.get_mut(&pod.name) else {
            continue;
        };
        if has_ended(progress) || progress.status == Some(PodState::Running) {
            continue;
        }
        if let Some(pause_ends) = pause_ends(progress).filter(|end| *end > run.now) {
            advance.look_again(pause_ends);
            comes_later = true;
            continue;
        }
        match standing(run, pod, progress) {
            Standing::Free(_) if current.is_some_and(|current| *current != rack.id) => comes_later = true,
            Standing::Free(_) if running >= at_once(run) => comes_later = true,
            Standing::Free(uid) => {
                let attempt = progress.retries.unwrap_or(0);
                let job = job_id(run.uid, uid, attempt, run.work.operation.name());
                advance.writes.extend(request(run, pod, uid, &job));
                *progress = PodProgress {
                    status: Some(PodState::Running),
                    job_id: Some(job),
                    retries: progress.retries,
                    error: None,
                    start_time: Some(Time(run.now)),
                    completion_time: None,
                };
                current = Some(&rack.id);
                running += 1;
            }
            Standing::Busy(why) => {
                progress.error = Some(why);
                comes_later = true;
            }
            Standing::Down(why) => progress.error = Some(why),
        }
    }
    if running == 0 && !comes_later {
        lose_patience(run, targets, pods, advance);
    } else {
        // Patience begins anew: something else is being done meanwhile.
        for waiting in pods
            .values_mut()
            .filter(|pod| pod.status == Some(PodState::Waiting))
        {
            waiting.start_time = None;
        }
    }
}

/// Only pods that are not ready are left.
fn lose_patience(
    run: &Run<'_>,
    targets: &[(&Rack, &Pod)],
    pods: &mut BTreeMap<String, PodProgress>,
    advance: &mut Advance,
) {
    for (_, pod) in targets {
        let Some(progress) = pods.get_mut(&pod.name).filter(|progress| !has_ended(progress)) else {
            continue;
        };
        let retried = progress.completion_time.take().is_some();
        let began = progress
            .start_time
            .as_ref()
            .map(|start| start.0)
            .filter(|_| !retried);
        let began = began.unwrap_or(run.now);
        progress.start_time = Some(Time(began));
        let limit = began.saturating_add(PATIENCE).unwrap_or(Timestamp::MAX);
        if run.now < limit {
            advance.look_again(limit);
        } else {
            let why = progress.error.clone().unwrap_or_default();
            let why = format!("{why}; given up after {} min", PATIENCE.as_mins());
            give_up(run, pod, progress, why, advance);
        }
    }
}

/// A node that goes down goes alone, and so does one that moves.
fn at_once(run: &Run<'_>) -> usize {
    match run.work.operation.name() {
        OperationName::Replace | OperationName::Restart | OperationName::Move => 1,
        _ => run.at_once.get(),
    }
}

/// When a pod may be tried again.
fn pause_ends(progress: &PodProgress) -> Option<Timestamp> {
    let failed = progress.completion_time.as_ref()?.0;
    let doublings = progress.retries.unwrap_or(1).clamp(1, 16) - 1;
    let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    Some(failed.saturating_add(pause).unwrap_or(Timestamp::MAX))
}

pub(super) fn request(run: &Run<'_>, pod: &Pod, uid: &str, job: &str) -> Option<PodWrite> {
    let command = run.work.operation.on(&pod.name)?;
    let mut request = OperationRequest::to_do(&command, Some(requester(run.task, job)));
    if at_once(run) > 1 {
        request = request.with_parallelism(run.at_once);
    }
    Some(PodWrite {
        pod: pod.name.clone(),
        uid: uid.to_owned(),
        version: pod.version.clone(),
        patch: request.to_patch(),
    })
}

/// Whether work may begin on a pod.
pub(super) enum Standing<'a> {
    /// On the pod of this uid.
    Free(&'a str),
    /// Something else is being done there, or waits.
    Busy(String),
    /// It is not ready.
    Down(String),
}

pub(super) fn standing<'a>(run: &Run<'_>, pod: &'a Pod, progress: &PodProgress) -> Standing<'a> {
    let operation = run.work.operation.name();
    let replaces = operation == OperationName::Replace;
    let Some(uid) = pod.uid.as_deref() else {
        return Standing::Down(format!("pod {} is not there", pod.name));
    };
    // What hangs on a lost node does not hold up its replacement: the engine ends it.
    let counts = |name: OperationName| !replaces || name == operation;
    let ours = progress.job_id.as_deref().map(|job| requester(run.task, job));
    let record = pod.records.iter().find(|record| {
        let is_ours = record.name == operation && record.requested_by == ours;
        (is_queued(record) || is_running(record)) && counts(record.name) && !is_ours
    });
    if let Some(record) = record {
        return Standing::Busy(busy(pod, record.name, record.requested_by.as_deref()));
    }
    let waits = |status: OperationStatus| match status {
        OperationStatus::ToDo | OperationStatus::Paused => true,
        OperationStatus::Ongoing | OperationStatus::Finalizing | OperationStatus::Continue => !replaces,
        OperationStatus::Done | OperationStatus::Error | OperationStatus::Manual => false,
    };
    if let Some(request) = pod.request.as_ref().filter(|request| waits(request.status)) {
        return Standing::Busy(busy(pod, request.name, request.requested_by.as_deref()));
    }
    match &pod.ready {
        Err(down) if !replaces => Standing::Down(down.why.clone()),
        _ => Standing::Free(uid),
    }
}

fn busy(pod: &Pod, operation: OperationName, requester: Option<&str>) -> String {
    let by = requester.map_or_else(String::new, |by| format!(", asked for by {by},"));
    format!("waits for {operation}{by} to end on pod {}", pod.name)
}
