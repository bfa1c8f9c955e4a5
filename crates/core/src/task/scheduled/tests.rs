use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;

/// A schedule, the tasks of its namespace, and a clock.
struct World {
    now: Timestamp,
    task: ScheduledTask,
    tasks: Vec<CassandraTask>,
}

impl World {
    fn new(spec: &Value) -> Self {
        let mut task = json!({
            "apiVersion": "control.k8ssandra.io/v1alpha1", "kind": "ScheduledTask",
            "metadata": { "name": "nightly", "namespace": "prod", "creationTimestamp": "2026-11-22T01:00:00Z" },
            "spec": {
                "schedule": "0 3 * * *",
                "taskDetails": { "name": "n", "datacenter": { "name": "dc1" }, "jobs": [{ "name": "j", "command": "flush" }] },
            },
        });
        json_patch::merge(&mut task["spec"], spec);
        Self {
            now: "2026-11-22T01:00:00Z".parse().unwrap(),
            task: serde_json::from_value(task).unwrap(),
            tasks: Vec::new(),
        }
    }

    fn plan(&self) -> SchedulePlan {
        step(ScheduleScene {
            task: &self.task,
            tasks: &self.tasks,
            now: self.now,
        })
    }

    fn pass(&mut self) -> SchedulePlan {
        let plan = self.plan();
        if let Some(made) = &plan.create {
            assert!(
                !self
                    .tasks
                    .iter()
                    .any(|task| task.metadata.name == made.metadata.name),
                "made twice"
            );
            self.tasks.push(made.clone());
        }
        self.task.status = Some(plan.status.clone());
        self.tasks
            .retain(|task| !plan.delete.contains(task.metadata.name.as_ref().unwrap()));
        plan
    }

    fn at(&mut self, time: &str) -> SchedulePlan {
        self.now = time.parse().unwrap();
        self.pass()
    }

    fn end_last(&mut self, condition: &str) {
        let now = self.now.to_string();
        let status = json!({ "completionTime": now, "conditions": [
            { "type": condition, "status": "True", "reason": condition, "message": "", "lastTransitionTime": now },
        ] });
        let last = self.tasks.last_mut().unwrap();
        last.metadata.creation_timestamp = Some(Time(self.now));
        last.status = Some(serde_json::from_value(status).unwrap());
    }
}

#[test]
fn a_run_is_made_when_it_is_due() {
    let mut world = World::new(&json!({}));
    let plan = world.pass();
    assert_eq!(
        (plan.create.is_none(), plan.wake),
        (true, Wake::After(SignedDuration::from_hours(2)))
    );
    assert_eq!(
        plan.status.next_schedule.unwrap().0.to_string(),
        "2026-11-22T03:00:00Z"
    );
    let plan = world.at("2026-11-22T03:00:00Z");
    let run = plan.create.unwrap();
    let second = "2026-11-22T03:00:00Z".parse::<Timestamp>().unwrap().as_second();
    assert_eq!(run.metadata.name, Some(format!("nightly-{second}")));
    assert_eq!(run.spec, world.task.spec.task_details.task);
    assert_eq!(plan.notices[0].reason, "CreateCassandraTask");
    assert_eq!(
        plan.status.last_execution.unwrap().0.to_string(),
        "2026-11-22T03:00:00Z"
    );
    assert_eq!(
        plan.status.next_schedule.unwrap().0.to_string(),
        "2026-11-23T03:00:00Z"
    );
}

/// Created first, so that no run is lost, and under a name that makes it one run.
#[test]
fn an_operator_that_dies_after_the_run_was_made_makes_no_second() {
    let mut world = World::new(&json!({}));
    world.now = "2026-11-22T03:00:00Z".parse().unwrap();
    let first = world.plan().create.unwrap();
    world.now += SignedDuration::from_secs(70);
    assert_eq!(world.plan().create.unwrap().metadata.name, first.metadata.name);
}

#[test]
fn missed_runs_are_made_up_for_by_one() {
    let mut world = World::new(&json!({}));
    let plan = world.at("2026-11-25T12:00:00Z");
    assert!(plan.create.is_some());
    assert_eq!(
        plan.status.next_schedule.unwrap().0.to_string(),
        "2026-11-26T03:00:00Z"
    );
    world.end_last("Complete");
    assert!(world.pass().create.is_none());
}

#[test]
fn runs_never_overlap_and_others_only_where_they_may() {
    let mut world = World::new(&json!({}));
    world.at("2026-11-22T03:00:00Z");
    let plan = world.at("2026-11-23T03:00:00Z");
    assert!(plan.create.is_none());
    let waits = &plan.status.conditions[0];
    assert_eq!(waits.reason, "WaitingForTask");
    assert!(
        waits
            .message
            .starts_with("the run of 2026-11-23T03:00:00Z waits for CassandraTask nightly-")
    );
    world.end_last("Complete");
    assert!(world.at("2026-11-23T04:00:00Z").create.is_some());

    let mut world = World::new(&json!({ "taskDetails": { "concurrencyPolicy": "Allow" } }));
    world.at("2026-11-22T03:00:00Z");
    assert!(
        world.at("2026-11-23T03:00:00Z").create.is_none(),
        "its own run goes on"
    );

    for (policy, runs) in [("Allow", true), ("Forbid", false)] {
        let mut world = World::new(&json!({ "taskDetails": { "concurrencyPolicy": policy } }));
        let mut other = CassandraTask::new("by-hand", world.task.spec.task_details.task.clone());
        other.metadata.namespace = Some("prod".to_owned());
        world.tasks.push(other);
        assert_eq!(
            world.at("2026-11-22T03:00:00Z").create.is_some(),
            runs,
            "{policy}"
        );
    }
}

#[test]
fn a_suspended_schedule_makes_no_run() {
    let mut world = World::new(&json!({ "suspend": true }));
    let plan = world.at("2026-11-25T12:00:00Z");
    assert_eq!(
        (plan.create.is_none(), plan.status.next_schedule, plan.wake),
        (true, None, Wake::OnEvent)
    );
    assert_eq!(plan.status.conditions[0].reason, "Suspended");
    world.task.spec.suspend = None;
    assert!(world.pass().create.is_some());
}

#[test]
fn old_runs_go_beyond_their_limits() {
    let mut world = World::new(&json!({ "successfulTasksHistoryLimit": 2, "failedTasksHistoryLimit": 0 }));
    world.tasks.push(CassandraTask::new(
        "somebody-elses",
        CassandraTask::default().spec,
    ));
    world.tasks[0].status =
        Some(serde_json::from_value(json!({ "completionTime": "2026-11-01T00:00:00Z" })).unwrap());
    let mut made = Vec::new();
    for (day, end) in [
        (22, "Complete"),
        (23, "Failed"),
        (24, "Complete"),
        (25, "Complete"),
    ] {
        let plan = world.at(&format!("2026-11-{day}T03:00:00Z"));
        made.push(plan.create.unwrap().metadata.name.unwrap());
        world.end_last(end);
    }
    world.pass();
    let left: Vec<_> = world
        .tasks
        .iter()
        .filter_map(|task| task.metadata.name.clone())
        .collect();
    assert_eq!(
        left,
        ["somebody-elses".to_owned(), made[2].clone(), made[3].clone()]
    );
}

#[test]
fn a_schedule_that_is_none_is_invalid_until_it_is_one() {
    let mut world = World::new(&json!({ "schedule": "every night" }));
    let plan = world.pass();
    let why = "`every night` has 2 fields; a schedule has five, as in 0 3 * * 1";
    assert_eq!(
        (plan.notices[0].reason, plan.notices[0].note.as_str()),
        ("InvalidSpec", why)
    );
    assert!(world.pass().notices.is_empty());
    world.task.spec.schedule = "@daily".to_owned();
    let plan = world.pass();
    assert_eq!(plan.status.conditions[0].status, "False");
    assert!(plan.status.next_schedule.is_some());
}
