//! A `ScheduledTask`, one pass further: whether a run is due, and which tasks of earlier runs are kept.

use std::collections::BTreeMap;

use casskop_types::task::labels::{SCHEDULE_NAME, TaskCondition};
use casskop_types::task::{CassandraTask, ScheduledTask, ScheduledTaskStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::schedule::Schedule;
use super::{condition, queue, work};
use crate::effect::{Notice, Wake};

/// What one pass over a `ScheduledTask` looks at.
#[derive(Debug, Clone, Copy)]
pub struct ScheduleScene<'a> {
    /// The object.
    pub task: &'a ScheduledTask,
    /// The `CassandraTask`s of its namespace.
    pub tasks: &'a [CassandraTask],
    /// The time of the pass.
    pub now: Timestamp,
}

/// What a pass wants done, in this order: a run that the status tells of has been made.
#[derive(Debug, Clone, PartialEq)]
pub struct SchedulePlan {
    /// The task of a run. "Already exists" means that it was made, and the status not written.
    pub create: Option<CassandraTask>,
    /// Written under the resourceVersion that was read.
    pub status: ScheduledTaskStatus,
    /// Names of tasks that are not kept any longer.
    pub delete: Vec<String>,
    /// Events of the object.
    pub notices: Vec<Notice>,
    /// When to look again.
    pub wake: Wake,
}

/// Takes a schedule one pass further.
pub fn step(scene: ScheduleScene<'_>) -> SchedulePlan {
    let mut plan = SchedulePlan {
        create: None,
        status: scene.task.status.clone().unwrap_or_default(),
        delete: forgotten(scene),
        notices: Vec::new(),
        wake: Wake::OnEvent,
    };
    if scene.task.metadata.deletion_timestamp.is_none() {
        let spec = &scene.task.spec;
        let schedule = Schedule::parse(&spec.schedule, spec.time_zone.as_deref());
        let checked = work::job(&spec.task_details.task.template).and(schedule);
        match checked {
            Ok(schedule) => {
                condition::no_longer(&mut plan.status.conditions, TaskCondition::Invalid, scene.now);
                go_on(scene, &schedule, &mut plan);
            }
            Err(why) => plan.refuse(&why, scene.now),
        }
    }
    plan
}

fn go_on(scene: ScheduleScene<'_>, schedule: &Schedule, plan: &mut SchedulePlan) {
    if scene.task.spec.suspend == Some(true) {
        plan.status.next_schedule = None;
        return condition::waits(
            &mut plan.status.conditions,
            "Suspended",
            "spec.suspend is set",
            scene.now,
        );
    }
    let created = scene
        .task
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(scene.now, |time| time.0);
    let last = plan.status.last_execution.as_ref().map_or(created, |time| time.0);
    let Some(due) = schedule.next(last) else {
        plan.status.next_schedule = None;
        return condition::waits(
            &mut plan.status.conditions,
            "NeverDue",
            "the schedule is never due",
            scene.now,
        );
    };
    if due > scene.now {
        plan.status.next_schedule = Some(Time(due));
        condition::waits(&mut plan.status.conditions, "Scheduled", "", scene.now);
        plan.wake = Wake::After(due.duration_since(scene.now));
        return;
    }
    if let Some(other) = overlaps(scene) {
        plan.status.next_schedule = Some(Time(due));
        let message = format!("the run of {due} waits for CassandraTask {other}");
        return condition::waits(&mut plan.status.conditions, "WaitingForTask", &message, scene.now);
    }
    // Runs that were missed are made up for by one.
    plan.run(scene.task, due);
    plan.status.last_execution = Some(Time(scene.now));
    let next = schedule.next(scene.now);
    plan.status.next_schedule = next.map(Time);
    condition::waits(&mut plan.status.conditions, "Scheduled", "", scene.now);
    if let Some(next) = next {
        plan.wake = Wake::After(next.duration_since(scene.now));
    }
}

/// A run of the schedule that has not ended; where no other may run beside it, also another task that does the same there.
fn overlaps<'a>(scene: ScheduleScene<'a>) -> Option<&'a str> {
    let details = &scene.task.spec.task_details.task;
    let datacenter = details
        .datacenter
        .as_ref()
        .and_then(|datacenter| datacenter.name.as_deref());
    let is_open = |task: &CassandraTask| {
        task.status
            .as_ref()
            .is_none_or(|status| status.completion_time.is_none())
            && task.metadata.deletion_timestamp.is_none()
    };
    let forbids = queue::forbids(&details.template);
    let in_the_way = |task: &&'a CassandraTask| {
        let there = task
            .spec
            .datacenter
            .as_ref()
            .and_then(|datacenter| datacenter.name.as_deref());
        // Also where others may run beside it: never two of its own.
        let is_same =
            forbids && there == datacenter && task.spec.template.command() == details.template.command();
        is_open(task) && (is_run_of(scene.task, task) || is_same)
    };
    let found = scene.tasks.iter().find(in_the_way);
    found.and_then(|task| task.metadata.name.as_deref())
}

/// Tasks of earlier runs beyond what is to be kept, the oldest first.
fn forgotten(scene: ScheduleScene<'_>) -> Vec<String> {
    let spec = &scene.task.spec;
    let failed = |task: &&CassandraTask| {
        let status = task.status.as_ref();
        status.is_some_and(|status| condition::is_true(&status.conditions, TaskCondition::Failed))
    };
    let ended = |task: &&CassandraTask| {
        let end = task
            .status
            .as_ref()
            .and_then(|status| status.completion_time.as_ref());
        end.is_some() && is_run_of(scene.task, task)
    };
    let beyond = |limit: Option<i32>, of: &dyn Fn(&&CassandraTask) -> bool| {
        let mut runs: Vec<&CassandraTask> = scene.tasks.iter().filter(ended).filter(of).collect();
        runs.sort_by_key(|task| task.metadata.creation_timestamp.as_ref().map(|time| time.0));
        let kept = limit
            .and_then(|limit| usize::try_from(limit).ok())
            .unwrap_or(usize::MAX);
        let surplus = runs.len().saturating_sub(kept);
        runs.into_iter()
            .take(surplus)
            .filter_map(|task| task.metadata.name.clone())
            .collect::<Vec<_>>()
    };
    let mut names = beyond(spec.successful_tasks_history_limit, &|task| !failed(task));
    names.extend(beyond(spec.failed_tasks_history_limit, &failed));
    names
}

fn is_run_of(task: &ScheduledTask, run: &CassandraTask) -> bool {
    let labels = run.metadata.labels.as_ref();
    let named = labels.and_then(|labels| labels.get(SCHEDULE_NAME));
    named.is_some() && named == label_of(task).as_ref()
}

/// A name that no label can hold is found by nothing, and then neither are the runs.
fn label_of(task: &ScheduledTask) -> Option<String> {
    task.metadata
        .name
        .clone()
        .filter(|name| casskop_types::labels::is_label_value(name))
}

impl SchedulePlan {
    /// Named after the time at which it was due, so that a pass that is repeated makes no second one.
    fn run(&mut self, task: &ScheduledTask, due: Timestamp) {
        let name = format!(
            "{}-{}",
            task.metadata.name.as_deref().unwrap_or_default(),
            due.as_second()
        );
        let mut run = CassandraTask::new(&name, task.spec.task_details.task.clone());
        run.metadata.namespace.clone_from(&task.metadata.namespace);
        run.metadata.labels = label_of(task).map(|label| BTreeMap::from([(SCHEDULE_NAME.to_owned(), label)]));
        self.create = Some(run);
        let note = format!("Created CassandraTask {name}");
        self.notices.push(Notice::normal("CreateCassandraTask", note));
    }

    fn refuse(&mut self, why: &str, now: Timestamp) {
        condition::refuse(&mut self.status.conditions, &mut self.notices, why, now);
        self.status.next_schedule = None;
    }
}

#[cfg(test)]
mod tests;
