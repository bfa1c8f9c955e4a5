use casskop_types::operation::{OperationCommand, OperationName, RecordState, TableWork};
use casskop_types::task::PodState;
use jiff::SignedDuration;
use serde_json::json;

use casskop_types::task::labels::ABORT;

use super::super::testing::{Ring, START, job};
use super::*;

const POD: &str = "demo-dc1-rack1-0";

fn notes(plan: &TaskPlan) -> Vec<&str> {
    plan.notices.iter().map(|notice| notice.reason).collect()
}

/// cass-operator #455: one place says how a task ended, and nothing stays true after it.
#[test]
fn a_task_ends_with_the_conditions_clients_expect() {
    let mut ring = Ring::new(&[2]);
    ring.task("t", &job("cleanup", &json!({})));
    let first = ring.pass(0);
    assert_eq!(notes(&first), ["TaskStarted"]);
    assert_eq!(first.labels[STATUS], "active");
    assert_eq!(
        (first.labels[CLUSTER].as_str(), first.labels[DATACENTER].as_str()),
        ("demo", "dc1")
    );
    assert_eq!(ring.conditions(0), [("Running", "")]);
    assert_eq!(first.status.active, 1, "pods that run, not tasks");
    ring.drive(0);
    let plan = ring.pass(0);
    assert_eq!(plan.labels[STATUS], "completed");
    let status = ring.tasks[0].status.clone().unwrap();
    let conditions: Vec<_> = status
        .conditions
        .iter()
        .map(|condition| {
            (
                condition.type_.as_str(),
                condition.status.as_str(),
                condition.reason.as_str(),
            )
        })
        .collect();
    assert_eq!(
        conditions,
        [("Running", "False", "Running"), ("Complete", "True", "Complete")]
    );
    assert_eq!((status.active, status.succeeded, status.failed), (0, 2, 0));
    assert_eq!(status.start_time.unwrap().0.to_string(), START);
}

#[test]
fn the_third_condition_of_a_failed_task_is_failed() {
    let mut ring = Ring::new(&[1]);
    let mut spec = job("cleanup", &json!({}));
    spec["retries"] = json!(0);
    ring.task("t", &spec);
    ring.pass(0);
    ring.ends(POD, RecordState::Error, "no");
    ring.pass(0);
    let status = ring.tasks[0].status.as_ref().unwrap();
    assert_eq!(status.conditions[2].type_, "Failed");
    assert_eq!(status.conditions[2].message, "1 pods failed during processing");
}

/// cass-operator #585, k8ssandra-operator #1598: said at once, begun never, and looked at again when the cluster changes.
#[test]
fn a_task_that_cannot_work_is_invalid_until_it_can() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("cleanup", &json!({ "rack": "rack2" })));
    let plan = ring.pass(0);
    let why = "rack2 is not a valid rack name; datacenter dc1 has: rack1";
    assert_eq!(ring.conditions(0), [("Invalid", why)]);
    assert_eq!(notes(&plan), ["InvalidSpec"]);
    assert!(plan.labels.is_empty() && plan.writes.is_empty() && plan.status.start_time.is_none());
    assert!(ring.pass(0).notices.is_empty(), "told once");
    let more = Ring::new(&[1, 1]);
    ring.members = more.members;
    ring.pass(0);
    assert_eq!(ring.conditions(0), [("Running", "")]);
    assert_eq!(
        ring.in_state(0, PodState::Running),
        ["demo-dc1-rack2-0"],
        "T1: the other rack is left alone"
    );
}

/// cass-operator completes such a task in silence.
#[test]
fn a_pod_that_is_not_there_is_no_success() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("flush", &json!({ "pod_name": "demo-dc1-rack1-7" })));
    ring.pass(0);
    assert_eq!(
        ring.conditions(0),
        [("Invalid", "no pod demo-dc1-rack1-7 in datacenter dc1")]
    );
}

#[test]
fn a_task_that_is_edited_into_one_that_cannot_work_ends() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("cleanup", &json!({})));
    ring.pass(0);
    ring.tasks[0].spec = serde_json::from_value(job("move", &json!({}))).unwrap();
    ring.pass(0);
    let conditions = ring.conditions(0);
    assert_eq!(conditions[0].0, "Complete");
    assert!(
        conditions[1]
            .1
            .starts_with("terminal error: move needs args.new_tokens"),
        "{conditions:?}"
    );
    assert_eq!(ring.tasks[0].status.as_ref().unwrap().failed, 1);
}

#[test]
fn a_task_starts_no_earlier_than_scheduled_and_says_so() {
    let mut ring = Ring::new(&[1]);
    let mut spec = job("cleanup", &json!({}));
    spec["scheduledTime"] = json!("2026-11-22T04:00:00Z");
    ring.task("t", &spec);
    let plan = ring.pass(0);
    assert_eq!(plan.wake, Wake::After(SignedDuration::from_hours(1)));
    let running = &plan.status.conditions[0];
    assert_eq!(
        (running.status.as_str(), running.reason.as_str()),
        ("False", "Scheduled")
    );
    ring.after(3600);
    ring.pass(0);
    assert_eq!(ring.conditions(0), [("Running", "")]);
}

/// First come, first served; a stream of tasks that may run together starves nobody.
#[test]
fn a_task_that_runs_alone_is_overtaken_by_none() {
    let mut ring = Ring::new(&[1]);
    let mut together = job("flush", &json!({}));
    together["concurrencyPolicy"] = json!("Allow");
    let first = ring.task("first", &together);
    ring.pass(first);
    let alone = ring.task("alone", &job("cleanup", &json!({})));
    let late = ring.task("late", &together);
    ring.after(60);
    for (task, ahead) in [(alone, "first"), (late, "alone")] {
        let plan = ring.pass(task);
        let running = &plan.status.conditions[0];
        assert_eq!(
            (running.reason.as_str(), running.message.clone()),
            ("WaitingForTask", format!("waits for CassandraTask {ahead}"))
        );
    }
    ring.drive(first);
    ring.pass(late);
    assert!(ring.tasks[late].status.as_ref().unwrap().start_time.is_none());
    ring.drive(alone);
    ring.drive(late);
}

#[test]
fn tasks_that_may_run_together_do() {
    let mut ring = Ring::new(&[2]);
    let mut together = job("flush", &json!({}));
    together["concurrencyPolicy"] = json!("Allow");
    for name in ["a", "b"] {
        let task = ring.task(name, &together);
        ring.pass(task);
    }
    assert_eq!(ring.in_state(0, PodState::Running), [POD]);
    assert_eq!(
        ring.in_state(1, PodState::Running),
        ["demo-dc1-rack1-1"],
        "one request at a time on a pod"
    );
}

#[test]
fn what_is_invalid_or_not_due_holds_up_nobody() {
    let mut ring = Ring::new(&[1]);
    ring.task("invalid", &job("cleanup", &json!({ "rack": "rack9" })));
    let mut later = job("cleanup", &json!({}));
    later["scheduledTime"] = json!("2027-01-01T00:00:00Z");
    ring.task("later", &later);
    let task = ring.task("now", &job("cleanup", &json!({})));
    ring.pass(0);
    ring.pass(1);
    ring.drive(task);
}

/// What waits is not begun, what runs is told to end, and nothing of other tasks is touched.
#[test]
fn deleting_a_task_in_the_middle_stops_new_work_and_leaves_no_orphan() {
    let mut ring = Ring::new(&[3]);
    let mut spec = job("cleanup", &json!({}));
    spec["maxConcurrentPods"] = json!(2);
    spec["concurrencyPolicy"] = json!("Allow");
    ring.task("gone", &spec);
    ring.pass(0);
    let mut other = job("flush", &json!({}));
    other["concurrencyPolicy"] = json!("Allow");
    let other = ring.task("stays", &other);
    ring.pass(other);
    assert!(withdraw(&ring.members, &ring.tasks).is_empty());
    let left = &ring.tasks[other..].to_vec();
    let withdrawn = withdraw(&ring.members, left);
    ring.write(&withdrawn);
    assert_eq!(ring.aborted, ["demo-dc1-rack1-0", "demo-dc1-rack1-1"]);
    // A finalizer of somebody else may keep the object for a while.
    ring.tasks[0].metadata.deletion_timestamp = Some(Time(ring.now));
    assert!(ring.plan(0).writes.is_empty());
    assert_eq!(withdraw(&ring.members, &ring.tasks), withdrawn);
}

/// A task made anew under the name of one that was deleted.
#[test]
fn a_task_of_the_same_name_is_another() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("cleanup", &json!({})));
    ring.drive(0);
    ring.tasks.clear();
    ring.task("t", &job("cleanup", &json!({})));
    ring.tasks[0].metadata.uid = Some("another".to_owned());
    assert_eq!(
        ring.pass(0).writes.len(),
        1,
        "the end of the first is not taken for its own"
    );
}

/// cass-operator #850: the evidence of a failure is kept longer.
#[test]
fn a_task_that_ended_is_kept_for_its_time() {
    for (ttl, failed, hours) in [
        (None, false, Some(24)),
        (None, true, Some(7 * 24)),
        (Some(3600), false, Some(1)),
        (Some(3600), true, Some(1)),
        (Some(0), true, None),
    ] {
        let mut ring = Ring::new(&[1]);
        let mut spec = job("cleanup", &json!({}));
        spec["retries"] = json!(0);
        spec["ttlSecondsAfterFinished"] = json!(ttl);
        ring.task("t", &spec);
        ring.pass(0);
        ring.ends(
            POD,
            if failed {
                RecordState::Error
            } else {
                RecordState::Done
            },
            "",
        );
        ring.pass(0);
        let plan = ring.pass(0);
        let Some(hours) = hours else {
            assert_eq!((plan.fate, plan.wake), (Fate::Stays, Wake::OnEvent));
            continue;
        };
        assert_eq!(plan.wake, Wake::After(SignedDuration::from_hours(hours)));
        ring.after(hours * 3600);
        assert_eq!(ring.plan(0).fate, Fate::IsDeleted);
    }
}

/// T5: the label follows from the status, so that a crash between the two is repaired.
#[test]
fn the_label_of_a_task_is_made_good_after_a_crash() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("cleanup", &json!({})));
    ring.pass_cut_short(0);
    assert_eq!(ring.pass(0).labels[STATUS], "active");
}

#[test]
fn a_task_that_is_aborted_ends_and_what_it_asked_for_is_taken_back() {
    let mut ring = Ring::new(&[2]);
    ring.task("t", &job("cleanup", &json!({})));
    ring.pass(0);
    let annotations = std::collections::BTreeMap::from([(ABORT.to_owned(), "true".to_owned())]);
    ring.tasks[0].metadata.annotations = Some(annotations);
    let plan = ring.pass(0);
    assert!(plan.writes.is_empty());
    assert_eq!(ring.conditions(0), [("Complete", ""), ("Failed", "aborted")]);
    assert_eq!(plan.status.pod_statuses[POD].status, Some(PodState::Error));
    assert_eq!((plan.status.active, plan.status.failed), (0, 1));
    let taken_back = withdraw(&ring.members, &ring.tasks);
    assert_eq!(taken_back.len(), 1);
    assert_eq!(taken_back[0].pod, POD);
    ring.pod(POD).is_ending = true;
    assert!(withdraw(&ring.members, &ring.tasks).is_empty(), "once is enough");
}

#[test]
fn a_spec_that_somebody_broke_ends_no_task_that_runs() {
    let mut ring = Ring::new(&[2]);
    ring.task("t", &job("cleanup", &json!({})));
    ring.pass(0);
    let tasks: Vec<&CassandraTask> = ring.tasks.iter().collect();
    let scene = |place| TaskScene {
        task: tasks[0],
        place,
        tasks: &tasks,
        now: ring.now,
    };
    let waits = step(scene(Err(Misplaced::BrokenCluster("nodesPerRacks is -1"))));
    assert!(waits.status.completion_time.is_none());
    assert_eq!(
        condition::message(&waits.status.conditions, TaskCondition::Invalid),
        Some("nodesPerRacks is -1")
    );
    let ends = step(scene(Err(Misplaced::Unknown("unknown datacenter prod.dc1"))));
    assert_eq!(
        condition::message(&ends.status.conditions, TaskCondition::Failed),
        Some("terminal error: unknown datacenter prod.dc1")
    );
}

/// The engine answers what it cannot do, and takes the word back: said again and again it would never rest.
#[test]
fn what_runs_and_cannot_be_stopped_is_left_to_its_end() {
    for (command, arguments, stops) in [
        ("cleanup", json!({}), true),
        ("rebuild", json!({ "source_datacenter": "dc2" }), false),
        ("restart", json!({}), false),
    ] {
        let mut ring = Ring::new(&[2]);
        ring.task("t", &job(command, &arguments));
        ring.pass(0);
        ring.tasks.clear();
        assert_eq!(
            withdraw(&ring.members, &ring.tasks).len(),
            1,
            "{command} has not begun"
        );
        let request = ring.pod(POD).request.as_mut().unwrap();
        request.status = OperationStatus::Ongoing;
        let taken_back = withdraw(&ring.members, &ring.tasks).len();
        assert_eq!(taken_back, usize::from(stops), "{command}");
    }
}

/// A kill between the two writes leaves the request on the pod.
#[test]
fn a_run_that_was_given_up_is_taken_back_though_its_task_goes_on() {
    let mut ring = Ring::new(&[2]);
    ring.task("t", &job("cleanup", &json!({})));
    ring.pass(0);
    assert!(withdraw(&ring.members, &ring.tasks).is_empty());
    let status = ring.tasks[0].status.as_mut().unwrap();
    status.pod_statuses.get_mut(POD).unwrap().status = Some(PodState::Error);
    assert_eq!(withdraw(&ring.members, &ring.tasks).len(), 1);
}

#[test]
fn a_task_that_ends_without_a_place_is_labelled_as_ended() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("cleanup", &json!({})));
    ring.pass(0);
    let plan = step(TaskScene {
        task: &ring.tasks[0],
        place: Err(Misplaced::Unknown("unknown datacenter prod.dc1")),
        tasks: &ring.tasks.iter().collect::<Vec<_>>(),
        now: ring.now,
    });
    assert_eq!(plan.labels[STATUS], "completed");
}

#[test]
fn a_refresh_is_complete_at_once() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("refresh", &json!({})));
    let plan = ring.pass(0);
    assert!(plan.writes.is_empty());
    assert_eq!(notes(&plan), ["TaskStarted", "TaskCompleted"]);
    let conditions = ring.conditions(0);
    assert_eq!(
        conditions,
        [
            (
                "DatacenterUpdated",
                "changes of the cluster are carried out as they are made"
            ),
            ("Complete", "")
        ]
    );
}

/// Somebody labels a pod, on which an annotation still says which task asked for the work of its record.
fn asks_by_label(ring: &mut Ring, command: &OperationCommand) {
    let pod = ring.pod(POD);
    let left = pod.records[0].requested_by.clone();
    assert!(left.is_some());
    pod.request = Some(OperationRequest::to_do(command, left));
}

/// A request made by label finds on its pod who asked for the one before, if an earlier operator left that there.
#[test]
fn what_somebody_asks_for_by_label_after_a_task_is_not_withdrawn_with_it() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("flush", &json!({})));
    ring.pass(0);
    ring.ends(POD, RecordState::Done, "");
    ring.pass(0);
    assert!(ring.tasks[0].status.as_ref().unwrap().completion_time.is_some());
    let cleanup = OperationCommand::on_all_tables(TableWork::Cleanup);
    asks_by_label(&mut ring, &cleanup);
    assert!(withdraw(&ring.members, &ring.tasks).is_empty());
}

/// The same while the task's own work goes on: its node is lost in the middle, and somebody has it replaced.
#[test]
fn what_somebody_asks_for_by_label_amid_the_work_of_a_task_that_is_gone_is_not_withdrawn() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("flush", &json!({})));
    ring.pass(0);
    ring.tasks.clear();
    assert_eq!(ring.pod(POD).records[0].state, RecordState::Ongoing);
    asks_by_label(&mut ring, &OperationCommand::Replace { lost: None });
    assert!(withdraw(&ring.members, &ring.tasks).is_empty());
}

/// The same before the task's work has begun: what is queued gives way to what is asked for later, and the task waits.
#[test]
fn what_somebody_asks_for_by_label_over_a_request_of_a_task_is_neither_withdrawn_nor_the_tasks() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("flush", &json!({})));
    ring.pass(0);
    asks_by_label(&mut ring, &OperationCommand::Replace { lost: None });
    ring.pod(POD).records.clear();
    ring.pass(0);
    assert_eq!(ring.in_state(0, PodState::Waiting), [POD]);
    assert!(withdraw(&ring.members, &ring.tasks).is_empty());
    ring.pod(POD).request.as_mut().unwrap().status = OperationStatus::Done;
    ring.pass(0);
    assert_eq!(
        ring.in_state(0, PodState::Running),
        [POD],
        "its own work is done after it"
    );
    assert_eq!(ring.pod(POD).records[0].name, OperationName::Flush);
}
