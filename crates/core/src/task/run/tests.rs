use casskop_types::operation::{OperationCommand, OperationName, RecordState, TableWork};
use casskop_types::task::PodState;
use serde_json::json;

use super::super::testing::{Ring, job};

const POD: &str = "demo-dc1-rack1-0";

fn progress(ring: &Ring, pod: &str) -> casskop_types::task::PodProgress {
    ring.tasks[0].status.as_ref().unwrap().pod_statuses[pod].clone()
}

/// cass-operator #861: one pod at a time is impossible for hundreds, and two racks at once are never safe.
#[test]
fn pods_of_one_rack_run_at_once_and_rack_comes_after_rack() {
    let mut ring = Ring::new(&[3, 12]);
    let mut spec = job("cleanup", &json!({}));
    spec["maxConcurrentPods"] = json!(2);
    ring.task("t", &spec);
    ring.pass(0);
    assert_eq!(
        ring.in_state(0, PodState::Running),
        ["demo-dc1-rack1-0", "demo-dc1-rack1-1"]
    );
    ring.ends("demo-dc1-rack1-0", RecordState::Done, "");
    ring.ends("demo-dc1-rack1-1", RecordState::Done, "");
    ring.pass(0);
    assert_eq!(
        ring.in_state(0, PodState::Running),
        ["demo-dc1-rack1-2"],
        "rack1 has not ended"
    );
    ring.ends("demo-dc1-rack1-2", RecordState::Done, "");
    ring.pass(0);
    // By ordinal, not as text: 10 comes after 2.
    assert_eq!(
        ring.in_state(0, PodState::Running),
        ["demo-dc1-rack2-0", "demo-dc1-rack2-1"]
    );
    assert!(ring.drive(0) <= 2);
    assert_eq!(ring.tasks[0].status.as_ref().unwrap().succeeded, 15);
}

/// cass-operator's 0 never starts anything.
#[test]
fn fewer_than_one_pod_at_once_is_one() {
    for count in [0, -3] {
        let mut ring = Ring::new(&[2]);
        let mut spec = job("flush", &json!({}));
        spec["maxConcurrentPods"] = json!(count);
        ring.task("t", &spec);
        assert_eq!(ring.drive(0), 1);
    }
}

/// cass-operator #841: a node that goes down goes alone, whatever was asked for.
#[test]
fn nodes_are_replaced_one_at_a_time_and_need_not_live() {
    let mut ring = Ring::new(&[3]);
    ring.goes_down(POD);
    let mut spec = job("replacenode", &json!({ "rack": "rack1" }));
    spec["maxConcurrentPods"] = json!(3);
    ring.task("t", &spec);
    ring.pass(0);
    assert_eq!(
        ring.in_state(0, PodState::Running),
        [POD],
        "cass-operator #628: a dead node is what is replaced"
    );
    assert_eq!(ring.drive(0), 1);
}

#[test]
fn each_pod_that_is_named_moves_to_its_own_token_one_at_a_time_and_is_not_tried_again() {
    let mut ring = Ring::new(&[3]);
    let mut spec = job(
        "move",
        &json!({ "new_tokens": { "demo-dc1-rack1-0": "-5", "demo-dc1-rack1-2": "5" } }),
    );
    spec["maxConcurrentPods"] = json!(3);
    spec["retries"] = json!(5);
    ring.task("t", &spec);
    let plan = ring.pass(0);
    assert_eq!(ring.in_state(0, PodState::Running), [POD]);
    let annotations = &plan.writes[0].patch.annotations;
    assert_eq!(
        annotations[casskop_types::labels::OPERATION_ARGUMENT_ANNOTATION].as_deref(),
        Some("-5")
    );
    ring.ends(POD, RecordState::Error, "Stream failed");
    let plan = ring.pass(0);
    assert_eq!(progress(&ring, POD).status, Some(PodState::Error));
    assert_eq!(ring.in_state(0, PodState::Running), ["demo-dc1-rack1-2"]);
    let labels = &plan.writes[0].patch.labels;
    assert_eq!(
        labels[casskop_types::labels::OPERATION_ARGUMENT].as_deref(),
        Some("5")
    );
    ring.ends("demo-dc1-rack1-2", RecordState::Done, "");
    ring.pass(0);
    let status = ring.tasks[0].status.as_ref().unwrap();
    assert_eq!(
        (status.succeeded, status.failed, status.pod_statuses.len()),
        (1, 1, 2)
    );
    assert!(status.completion_time.is_some());
}

#[test]
fn a_move_of_a_pod_that_is_not_there_is_invalid() {
    for (tokens, why) in [
        (
            json!({ "demo-dc1-rack1-0": "1", "demo-dc1-rack1-9": "2" }),
            "pod doesn't exist: demo-dc1-rack1-9",
        ),
        (
            json!({ "demo-dc2-rack1-0": "1" }),
            "pod doesn't exist: demo-dc2-rack1-0",
        ),
    ] {
        let mut ring = Ring::new(&[3]);
        ring.task("t", &job("move", &json!({ "new_tokens": tokens })));
        let plan = ring.pass(0);
        assert!(plan.writes.is_empty());
        let said = &plan.status.conditions[0];
        assert!(said.type_ == "Invalid" && said.message.contains(why), "{said:?}");
    }
}

/// cass-operator #748: complete is what the engine says once the new node is in the ring, whichever pod it is in by then.
#[test]
fn a_replacement_is_complete_when_its_record_is_and_not_when_the_pod_went() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("replacenode", &json!({ "pod_name": POD })));
    ring.pass(0);
    ring.pod(POD).uid = Some("uid-of-the-new-pod".to_owned());
    ring.pod(POD).request = None;
    ring.goes_down(POD);
    ring.after(3600);
    ring.pass(0);
    assert_eq!(ring.in_state(0, PodState::Running), [POD]);
    ring.pod(POD).records[0].state = RecordState::Done;
    ring.pass(0);
    assert_eq!(ring.conditions(0), [("Complete", "")]);
}

/// Never repeated blindly.
#[test]
fn a_replacement_of_which_nothing_is_recorded_is_not_begun_again() {
    let mut ring = Ring::new(&[1]);
    let mut spec = job("replacenode", &json!({ "pod_name": POD }));
    spec["retries"] = json!(5);
    ring.task("t", &spec);
    ring.pass(0);
    let pod = ring.pod(POD);
    (pod.uid, pod.request) = (Some("uid-of-another".to_owned()), None);
    pod.records.clear();
    let plan = ring.pass(0);
    assert!(plan.writes.is_empty());
    let error = progress(&ring, POD).error.unwrap();
    assert!(error.starts_with("outcome unknown: "), "{error}");
    assert_eq!(ring.conditions(0)[1].0, "Failed");
}

/// cass-operator #850, #885: retried as often as asked, with a pause that grows; then counted, with the pod's own words.
#[test]
fn a_failed_pod_is_retried_with_back_off_and_then_counted() {
    let mut ring = Ring::new(&[2]);
    let mut spec = job("cleanup", &json!({}));
    spec["retries"] = json!(2);
    ring.task("t", &spec);
    ring.pass(0);
    for (retry, pause) in [(1, 10), (2, 20)] {
        ring.ends(POD, RecordState::Error, "disk full");
        ring.pass(0);
        let waiting = progress(&ring, POD);
        assert_eq!(
            (waiting.retries, waiting.error.as_deref()),
            (Some(retry), Some("disk full"))
        );
        // Meanwhile the next pod has its turn.
        if retry == 1 {
            assert_eq!(ring.in_state(0, PodState::Running), ["demo-dc1-rack1-1"]);
            ring.ends("demo-dc1-rack1-1", RecordState::Done, "");
        }
        ring.after(pause - 1);
        assert!(ring.pass(0).writes.is_empty(), "still within the pause");
        ring.after(1);
        assert_eq!(ring.pass(0).writes.len(), 1);
    }
    ring.ends(POD, RecordState::Error, "disk full");
    let plan = ring.pass(0);
    let failed = progress(&ring, POD);
    assert_eq!(
        (failed.status, failed.error.as_deref()),
        (Some(PodState::Error), Some("disk full"))
    );
    assert_eq!(
        ring.conditions(0),
        [("Complete", ""), ("Failed", "1 pods failed during processing")]
    );
    assert_eq!(
        plan.notices[0].note, "cleanup failed on pod demo-dc1-rack1-0: disk full",
        "cass-operator #612"
    );
    let status = ring.tasks[0].status.as_ref().unwrap();
    assert_eq!((status.active, status.succeeded, status.failed), (0, 1, 1));
}

#[test]
fn any_other_restart_policy_retries_nothing() {
    let mut ring = Ring::new(&[1]);
    let mut spec = job("cleanup", &json!({}));
    spec["restartPolicy"] = json!("Never");
    spec["retries"] = json!(4);
    ring.task("t", &spec);
    ring.pass(0);
    ring.ends(POD, RecordState::Error, "no");
    ring.pass(0);
    assert_eq!(ring.in_state(0, PodState::Error), [POD]);
}

/// cass-operator #945: a lost job is a normal outcome.
#[test]
fn a_lost_job_is_retried() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("cleanup", &json!({})));
    ring.pass(0);
    let pod = ring.pod(POD);
    (pod.uid, pod.request) = (Some("uid-of-the-next".to_owned()), None);
    pod.records.clear();
    ring.pass(0);
    assert_eq!(progress(&ring, POD).retries, Some(1));
    ring.after(10);
    assert_eq!(ring.pass(0).writes[0].uid, "uid-of-the-next");
}

/// No pod is waited for for ever, and none holds up the others.
#[test]
fn an_unreachable_pod_never_blocks_the_others() {
    let mut ring = Ring::new(&[2, 2]);
    ring.goes_down(POD);
    ring.task("t", &job("cleanup", &json!({})));
    for pod in ["demo-dc1-rack1-1", "demo-dc1-rack2-0", "demo-dc1-rack2-1"] {
        ring.pass(0);
        assert_eq!(ring.in_state(0, PodState::Running), [pod]);
        assert_eq!(
            progress(&ring, POD).error.as_deref(),
            Some("pod demo-dc1-rack1-0 is not ready")
        );
        ring.after(3600);
        ring.ends(pod, RecordState::Done, "");
    }
    let plan = ring.pass(0);
    assert_eq!(
        plan.wake,
        crate::effect::Wake::After(super::PATIENCE),
        "its time begins when it alone is left"
    );
    ring.after(15 * 60);
    ring.pass(0);
    assert_eq!(
        progress(&ring, POD).error.as_deref(),
        Some("pod demo-dc1-rack1-0 is not ready; given up after 15 min")
    );
    assert_eq!(
        ring.conditions(0)[1],
        ("Failed", "1 pods failed during processing")
    );
}

#[test]
fn a_pod_that_goes_down_in_the_middle_is_given_up_in_time() {
    let mut ring = Ring::new(&[2]);
    ring.task("t", &job("cleanup", &json!({})));
    ring.pass(0);
    ring.pod(POD).records[0].state = RecordState::ToDo;
    ring.after(60);
    ring.goes_down(POD);
    ring.after(15 * 60 - 1);
    assert!(ring.pass(0).writes.is_empty());
    ring.after(1);
    ring.pass(0);
    assert_eq!(
        ring.aborted,
        [POD],
        "what was not begun is not to begin behind the task's back"
    );
    assert_eq!(ring.in_state(0, PodState::Running), ["demo-dc1-rack1-1"]);
}

#[test]
fn what_somebody_aborts_is_not_begun_again() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("cleanup", &json!({})));
    ring.pass(0);
    ring.pod(POD).records[0].abort_time =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(ring.now));
    ring.ends(POD, RecordState::Error, "aborted");
    ring.pass(0);
    assert_eq!(ring.in_state(0, PodState::Error), [POD]);
}

#[test]
fn a_pod_on_which_something_else_is_done_is_waited_for() {
    let mut ring = Ring::new(&[2]);
    ring.ask(POD, &OperationCommand::on_all_tables(TableWork::UpgradeSstables));
    ring.task("t", &job("cleanup", &json!({})));
    ring.pass(0);
    assert_eq!(ring.in_state(0, PodState::Running), ["demo-dc1-rack1-1"]);
    assert_eq!(
        progress(&ring, POD).error.as_deref(),
        Some("waits for upgradesstables, asked for by ann@example.com, to end on pod demo-dc1-rack1-0")
    );
    ring.after(24 * 3600);
    ring.ends("demo-dc1-rack1-1", RecordState::Done, "");
    ring.pass(0);
    ring.ends(POD, RecordState::Done, "");
    ring.pass(0);
    assert_eq!(
        ring.pod(POD).request.as_ref().unwrap().name,
        OperationName::Cleanup
    );
}

/// casskop #370: the intent is in the status before it is on the pod, and written once.
#[test]
fn an_operator_that_dies_between_status_and_request_asks_once() {
    let mut ring = Ring::new(&[1]);
    ring.task("t", &job("cleanup", &json!({})));
    let planned = ring.pass_cut_short(0);
    assert_eq!(ring.in_state(0, PodState::Running), [POD]);
    assert!(ring.pod(POD).request.is_none());
    let again = ring.pass(0);
    assert_eq!(again.writes, planned.writes);
    // Already there: nothing is asked a second time.
    assert!(ring.pass(0).writes.is_empty());
}

/// cass-operator #902: a scale-down during a cleanup left a task that could not end.
#[test]
fn a_pod_that_left_with_its_node_is_no_longer_waited_for() {
    let mut ring = Ring::new(&[2]);
    ring.task("t", &job("cleanup", &json!({})));
    ring.pass(0);
    ring.ends(POD, RecordState::Done, "");
    ring.pass(0);
    assert_eq!(ring.in_state(0, PodState::Running), ["demo-dc1-rack1-1"]);
    ring.members.racks[0].pods.pop();
    ring.pass(0);
    assert_eq!(ring.conditions(0), [("Complete", "")]);
}

/// Three datacenters of this size are three tasks.
#[test]
fn thirty_pods_end_in_order() {
    let mut ring = Ring::new(&[10, 10, 10]);
    let mut spec = job("flush", &json!({}));
    spec["maxConcurrentPods"] = json!(5);
    ring.task("t", &spec);
    assert_eq!(ring.drive(0), 5);
    assert_eq!(ring.tasks[0].status.as_ref().unwrap().succeeded, 30);
}
