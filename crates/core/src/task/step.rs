//! A `CassandraTask`, one pass further: whether it can work, whether it is its turn, what to write on pods, how it ended.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use casskop_types::names::DcName;
use casskop_types::operation::{
    OperationRecord, OperationRequest, OperationStatus, Parallelism, RecordState, abort_patch,
};
use casskop_types::task::labels::{CLUSTER, DATACENTER, STATUS, TaskCondition, TaskLabel};
use casskop_types::task::{CassandraTask, PodState, TaskStatus};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::condition;
use super::is_aborted;
use super::members::{Members, Rack};
use super::queue;
use super::run::{Advance, PodWrite, Run, advance, asked_operation, has_ended, is_target, run_of};
use super::work::{Job, Operation, Work, job};
use crate::call::can_be_stopped;
use crate::effect::{Notice, Wake};

/// How long a task that ended is kept where it does not say so itself.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// The same of one that failed: somebody has to look at it first.
const KEPT_FAILED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What one pass over a task looks at.
#[derive(Debug, Clone, Copy)]
pub struct TaskScene<'a> {
    /// The task.
    pub task: &'a CassandraTask,
    /// Where it works, or why it cannot.
    pub place: Result<Place<'a>, Misplaced<'a>>,
    /// The tasks of its datacenter, itself or not.
    pub tasks: &'a [&'a CassandraTask],
    /// The time of the pass.
    pub now: Timestamp,
}

/// Where a task works.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The cluster.
    pub members: &'a Members,
    /// The datacenter.
    pub dc: &'a DcName,
}

/// Why a task has no place to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaced<'a> {
    /// There is no such datacenter.
    Unknown(&'a str),
    /// The spec of its cluster cannot work, so that nobody knows what belongs to it.
    BrokenCluster(&'a str),
}

/// What a pass wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPlan {
    /// The intent, written first, under the resourceVersion that was read.
    pub status: TaskStatus,
    /// Labels of the task, which mirror its status. The cluster owns a task that has them.
    pub labels: BTreeMap<&'static str, String>,
    /// Requests.
    pub writes: Vec<PodWrite>,
    /// Events of the task.
    pub notices: Vec<Notice>,
    /// Whether the task's time is over.
    pub fate: Fate,
    /// When to look again.
    pub wake: Wake,
}

/// Whether a task stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It does.
    Stays,
    /// It ended long enough ago.
    IsDeleted,
}

/// Takes a task one pass further.
pub fn step(scene: TaskScene<'_>) -> TaskPlan {
    let mut plan = TaskPlan::unchanged(scene.task);
    if plan.status.completion_time.is_some() {
        let ttl = scene.task.spec.template.ttl_seconds_after_finished;
        (plan.fate, plan.wake) = keep(&plan.status, ttl, scene.now);
    } else if scene.task.metadata.deletion_timestamp.is_none() {
        go_on(scene, &mut plan);
    }
    plan.mirror(scene);
    plan
}

/// Ends what tasks have asked for and wait for no more, or are no longer there to wait for: what waits is not begun, what runs is stopped where it
/// can be. A task needs no finalizer for this, and one that was deleted while no operator ran is seen too.
pub fn withdraw(members: &Members, tasks: &[CassandraTask]) -> Vec<PodWrite> {
    let mut writes = Vec::new();
    for pod in members.racks.iter().flat_map(|rack| &rack.pods) {
        let (Some(uid), Some(request)) = (&pod.uid, &pod.request) else {
            continue;
        };
        let Some(run) = request.requested_by.as_deref().and_then(run_of) else {
            continue;
        };
        // What runs and cannot be stopped is left to its end: the engine would answer that, again and again.
        let can_end = request.status != OperationStatus::Ongoing || can_be_stopped(request.name);
        let is_wanted = tasks.iter().any(|task| wants(task, &pod.name, run));
        // What stands on the pod is then left from that one, and the request is somebody else's, by label.
        let mut of_run = pod
            .records
            .iter()
            .filter(|record| record.requested_by == request.requested_by);
        let has_ended = |record: &OperationRecord| {
            record.name == request.name && matches!(record.state, RecordState::Done | RecordState::Error)
        };
        let is_left = match asked_operation(run) {
            Some(operation) => operation != request.name.as_str() || of_run.any(has_ended),
            None => of_run.any(|record| record.name != request.name || has_ended(record)),
        };
        if is_open(request) && can_end && !pod.is_ending && !is_wanted && !is_left {
            writes.push(PodWrite {
                pod: pod.name.clone(),
                uid: uid.clone(),
                version: pod.version.clone(),
                patch: abort_patch(request.name),
            });
        }
    }
    writes
}

/// Whether a task waits for this very run on a pod.
fn wants(task: &CassandraTask, pod: &str, run: &str) -> bool {
    let Some(status) = &task.status else {
        return false;
    };
    let waits = status
        .pod_statuses
        .get(pod)
        .is_some_and(|pod| pod.status == Some(PodState::Running) && pod.job_id.as_deref() == Some(run));
    waits && status.completion_time.is_none() && task.metadata.deletion_timestamp.is_none()
}

/// Whether tasks have asked something of these pods that has not ended.
pub fn are_asking(pods: &[k8s_openapi::api::core::v1::Pod]) -> bool {
    let mut requests = pods
        .iter()
        .filter_map(|pod| OperationRequest::of(pod).ok().flatten());
    requests.any(|request| is_open(&request) && request.requested_by.as_deref().and_then(run_of).is_some())
}

fn is_open(request: &OperationRequest) -> bool {
    matches!(request.status, OperationStatus::ToDo | OperationStatus::Ongoing)
}

fn go_on(scene: TaskScene<'_>, plan: &mut TaskPlan) {
    let now = scene.now;
    if is_aborted(&scene.task.metadata) {
        for pod in plan.status.pod_statuses.values_mut() {
            if pod.status == Some(PodState::Running) {
                pod.status = Some(PodState::Error);
                pod.error = Some("aborted".to_owned());
                pod.completion_time = Some(Time(now));
            }
        }
        plan.count();
        return plan.end("aborted", now);
    }
    let (place, job) = match checked(scene) {
        Ok(checked) => checked,
        // It goes on once somebody has mended the spec, and so does what runs on its nodes.
        Err(why) if plan.status.start_time.is_none() || is_broken(scene) => return plan.refuse(&why, now),
        Err(why) => return plan.end(&format!("terminal error: {why}"), now),
    };
    condition::no_longer(&mut plan.status.conditions, TaskCondition::Invalid, now);
    if plan.status.start_time.is_none() {
        let scheduled = scene
            .task
            .spec
            .template
            .scheduled_time
            .as_ref()
            .map(|time| time.0);
        if let Some(start) = scheduled.filter(|start| *start > now) {
            condition::waits(
                &mut plan.status.conditions,
                "Scheduled",
                &format!("starts at {start}"),
                now,
            );
            return plan.look_again(start, now);
        }
        if let Err(ahead) = queue::turn(scene.task, scene.tasks, now) {
            let message = format!("waits for CassandraTask {ahead}");
            return condition::waits(&mut plan.status.conditions, "WaitingForTask", &message, now);
        }
        plan.status.start_time = Some(Time(now));
        let command = scene.task.spec.template.command();
        plan.tell(
            "TaskStarted",
            format!(
                "{} starts in datacenter {}",
                command.unwrap_or_default(),
                place.dc
            ),
        );
    }
    match job {
        Job::OnPods(work) => {
            condition::holds(&mut plan.status.conditions, TaskCondition::Running, "", now);
            work_on(scene, place, &work, plan);
        }
        Job::Refresh => {
            let message = "changes of the cluster are carried out as they are made";
            let conditions = &mut plan.status.conditions;
            condition::holds(conditions, TaskCondition::DatacenterUpdated, message, now);
            plan.end("", now);
        }
    }
}

fn is_broken(scene: TaskScene<'_>) -> bool {
    matches!(scene.place, Err(Misplaced::BrokenCluster(_)))
}

/// What can be told before anything is begun. All of it is looked at again in each pass.
fn checked(scene: TaskScene<'_>) -> Result<(Place<'_>, Job), String> {
    let job = job(&scene.task.spec.template)?;
    let place = scene.place.map_err(|misplaced| match misplaced {
        Misplaced::Unknown(why) | Misplaced::BrokenCluster(why) => why.to_owned(),
    })?;
    if let Job::OnPods(work) = &job {
        check_pods(scene, place, work)?;
    }
    Ok((place, job))
}

/// The rack and the pods that a job names are there.
fn check_pods(scene: TaskScene<'_>, place: Place<'_>, work: &Work) -> Result<(), String> {
    let racks: Vec<&Rack> = place.members.racks_of(place.dc).collect();
    if let Some(wanted) = &work.rack
        && !racks.iter().any(|rack| rack.id.rack.to_string() == *wanted)
    {
        let known: Vec<String> = racks.iter().map(|rack| rack.id.rack.to_string()).collect();
        return Err(format!(
            "{wanted} is not a valid rack name; datacenter {} has: {}",
            place.dc,
            known.join(", ")
        ));
    }
    // One that worked may have left with its node since.
    let has_begun = scene
        .task
        .status
        .as_ref()
        .is_some_and(|status| status.start_time.is_some());
    if let (Operation::Move(tokens), false) = (&work.operation, has_begun) {
        let pods = || place.members.racks.iter().flat_map(|rack| &rack.pods);
        if let Some(unknown) = tokens.keys().find(|pod| !pods().any(|known| known.name == **pod)) {
            return Err(format!(
                "invalid new_tokens argument: pod doesn't exist: {unknown} is none of CassandraCluster {}",
                place.members.cluster
            ));
        }
    }
    let on = |rack: &&Rack| rack.pods.iter().any(|pod| is_target(work, rack, pod));
    match &work.pod {
        Some(pod) if !has_begun && !racks.iter().any(on) => {
            Err(format!("no pod {pod} in datacenter {}", place.dc))
        }
        None if matches!(work.operation, Operation::Move(_)) && !has_begun && !racks.iter().any(on) => {
            Err(format!("args.new_tokens names no pod of datacenter {}", place.dc))
        }
        _ => Ok(()),
    }
}

fn work_on(scene: TaskScene<'_>, place: Place<'_>, work: &Work, plan: &mut TaskPlan) {
    let template = &scene.task.spec.template;
    let metadata = &scene.task.metadata;
    let retries = match template.restart_policy.as_deref() {
        None | Some("" | "OnFailure") => template.retries.unwrap_or(1),
        Some(_) => 0,
    };
    let at_once = template
        .max_concurrent_pods
        .unwrap_or(1)
        .clamp(1, i64::from(u16::MAX));
    let run = Run {
        task: metadata.name.as_deref().unwrap_or_default(),
        uid: metadata.uid.as_deref().unwrap_or_default(),
        work,
        at_once: u16::try_from(at_once)
            .ok()
            .and_then(NonZeroU16::new)
            .map_or(Parallelism::ONE, Parallelism::from),
        retries: i32::try_from(retries.max(0)).unwrap_or(i32::MAX),
        now: scene.now,
    };
    let racks: Vec<&Rack> = place.members.racks_of(place.dc).collect();
    let Advance {
        writes,
        again_at,
        failures,
    } = advance(&run, &racks, &mut plan.status.pod_statuses);
    plan.writes = writes;
    for (pod, why) in failures {
        plan.warn(
            "PodFailed",
            format!("{} failed on pod {pod}: {why}", work.operation.name()),
        );
    }
    if let Some(again_at) = again_at {
        plan.look_again(again_at, scene.now);
    }
    plan.count();
    if plan.status.pod_statuses.values().all(has_ended) {
        let failed = plan.status.failed;
        let verdict = if failed > 0 {
            format!("{failed} pods failed during processing")
        } else {
            String::new()
        };
        plan.end(&verdict, scene.now);
    }
}

/// What is kept of a task that ended, and when to look whether its time is over.
pub(super) fn keep(status: &TaskStatus, ttl_seconds: Option<i32>, now: Timestamp) -> (Fate, Wake) {
    match kept_until(status, ttl_seconds) {
        Some(until) if until <= now => (Fate::IsDeleted, Wake::OnEvent),
        Some(until) => (Fate::Stays, Wake::After(until.duration_since(now))),
        None => (Fate::Stays, Wake::OnEvent),
    }
}

/// Until when a task that ended is kept; `None` is for ever.
fn kept_until(status: &TaskStatus, ttl_seconds: Option<i32>) -> Option<Timestamp> {
    let ended = status.completion_time.as_ref()?.0;
    let kept = match ttl_seconds {
        Some(0) => return None,
        Some(seconds) => SignedDuration::from_secs(i64::from(seconds)),
        None if condition::is_true(&status.conditions, TaskCondition::Failed) => KEPT_FAILED,
        None => KEPT,
    };
    Some(ended.saturating_add(kept).unwrap_or(Timestamp::MAX))
}

impl TaskPlan {
    fn unchanged(task: &CassandraTask) -> Self {
        Self {
            status: task.status.clone().unwrap_or_default(),
            labels: BTreeMap::new(),
            writes: Vec::new(),
            notices: Vec::new(),
            fate: Fate::Stays,
            wake: Wake::OnEvent,
        }
    }

    /// The one place that says how a task ended: badly where there is a verdict.
    fn end(&mut self, verdict: &str, now: Timestamp) {
        let conditions = &mut self.status.conditions;
        condition::waits(conditions, TaskCondition::Running.as_str(), "", now);
        condition::holds(conditions, TaskCondition::Complete, "", now);
        self.status.completion_time = Some(Time(now));
        self.status.active = 0;
        if verdict.is_empty() {
            self.tell("TaskCompleted", format!("done on {} pods", self.status.succeeded));
        } else {
            condition::holds(&mut self.status.conditions, TaskCondition::Failed, verdict, now);
            self.status.failed = self.status.failed.max(1);
            self.warn("TaskFailed", verdict.to_owned());
        }
    }

    fn refuse(&mut self, why: &str, now: Timestamp) {
        condition::refuse(&mut self.status.conditions, &mut self.notices, why, now);
    }

    fn count(&mut self) {
        let pods = &self.status.pod_statuses;
        let count = |state| {
            i32::try_from(pods.values().filter(|pod| pod.status == Some(state)).count()).unwrap_or(i32::MAX)
        };
        (self.status.active, self.status.succeeded, self.status.failed) = (
            count(PodState::Running),
            count(PodState::Completed),
            count(PodState::Error),
        );
    }

    fn mirror(&mut self, scene: TaskScene<'_>) {
        let label = match (&self.status.start_time, &self.status.completion_time) {
            (_, Some(_)) => TaskLabel::Completed,
            (Some(_), None) => TaskLabel::Active,
            (None, None) => return,
        };
        self.labels.insert(STATUS, label.to_string());
        if let Ok(place) = scene.place {
            self.labels.insert(CLUSTER, place.members.cluster.clone());
            self.labels.insert(DATACENTER, place.dc.to_string());
        }
    }

    fn look_again(&mut self, at: Timestamp, now: Timestamp) {
        self.wake = Wake::After(at.duration_since(now));
    }

    fn tell(&mut self, reason: &'static str, note: String) {
        self.notices.push(Notice::normal(reason, note));
    }

    fn warn(&mut self, reason: &'static str, note: String) {
        self.notices.push(Notice::warning(reason, note));
    }
}

#[cfg(test)]
mod tests;
