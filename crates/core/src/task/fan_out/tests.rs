use serde_json::json;

use casskop_types::task::labels::ABORT;

use super::*;

const NOW: &str = "2026-11-22T03:00:00Z";

/// A cluster of three datacenters, a task on it, and the tasks it makes.
struct World {
    now: Timestamp,
    cluster: Option<CassandraCluster>,
    task: K8ssandraTask,
    tasks: Vec<CassandraTask>,
}

impl World {
    fn new(spec: &serde_json::Value) -> Self {
        let cluster = json!({
            "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
            "metadata": { "name": "demo", "namespace": "prod" },
            "spec": { "topology": { "dc": [{ "name": "dc1" }, { "name": "dc2" }, { "name": "dc3" }] } },
        });
        let mut task = json!({
            "apiVersion": "control.k8ssandra.io/v1alpha1", "kind": "K8ssandraTask",
            "metadata": { "name": "task1", "namespace": "prod", "uid": "uid-task1" },
            "spec": { "cluster": { "name": "demo" }, "template": { "jobs": [{ "name": "job1", "command": "flush" }] } },
        });
        json_patch::merge(&mut task["spec"], spec);
        Self {
            now: NOW.parse().unwrap(),
            cluster: Some(serde_json::from_value(cluster).unwrap()),
            task: serde_json::from_value(task).unwrap(),
            tasks: Vec::new(),
        }
    }

    fn plan(&self) -> FanOutPlan {
        step(FanOutScene {
            task: &self.task,
            cluster: self.cluster.as_ref(),
            tasks: &self.tasks,
            now: self.now,
        })
    }

    fn pass(&mut self) -> FanOutPlan {
        let plan = self.plan();
        if plan.hold == Hold::IsTaken {
            self.task.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        }
        self.task.status = Some(plan.status.clone());
        self.tasks.extend(plan.create.iter().cloned());
        self.tasks
            .retain(|task| !plan.delete.contains(task.metadata.name.as_ref().unwrap()));
        plan
    }

    fn names(&self) -> Vec<&str> {
        self.tasks
            .iter()
            .filter_map(|task| task.metadata.name.as_deref())
            .collect()
    }

    /// The task of a datacenter begins, or ends.
    fn becomes(&mut self, name: &str, status: serde_json::Value) {
        let task = self
            .tasks
            .iter_mut()
            .find(|task| task.metadata.name.as_deref() == Some(name));
        task.unwrap().status = Some(serde_json::from_value(status).unwrap());
    }

    fn conditions(&self) -> Vec<(&str, &str, &str)> {
        let status = self.task.status.as_ref().unwrap();
        let conditions = status.overall.conditions.iter();
        conditions
            .map(|one| (one.type_.as_str(), one.status.as_str(), one.message.as_str()))
            .collect()
    }
}

fn condition(kind: &str, message: &str) -> serde_json::Value {
    json!({ "type": kind, "status": "True", "reason": kind, "message": message, "lastTransitionTime": NOW })
}

fn runs() -> serde_json::Value {
    json!({ "startTime": NOW, "active": 1, "conditions": [condition("Running", "")] })
}

fn done(end: &str) -> serde_json::Value {
    json!({ "startTime": NOW, "completionTime": end, "succeeded": 3, "conditions": [condition("Complete", "")] })
}

fn failed(end: &str) -> serde_json::Value {
    json!({
        "startTime": NOW, "completionTime": end, "succeeded": 2, "failed": 1,
        "conditions": [condition("Complete", ""), condition("Failed", "1 pods failed during processing")],
    })
}

#[test]
fn datacenters_come_one_after_the_other_and_their_statuses_are_summed_up() {
    let mut world = World::new(&json!({}));
    let first = world.pass();
    assert_eq!((first.hold, world.names()), (Hold::IsTaken, vec!["task1-dc1"]));
    assert_eq!(first.notices[0].reason, "CreateCassandraTask");
    assert_eq!(first.notices[0].note, "Created CassandraTask prod.task1-dc1");
    let made = &world.tasks[0];
    assert_eq!(
        made.spec.datacenter.as_ref().unwrap().name.as_deref(),
        Some("dc1")
    );
    assert_eq!(made.spec.template.ttl_seconds_after_finished, Some(0));
    let labels = made.metadata.labels.as_ref().unwrap();
    assert_eq!(
        (labels[TASK_NAME].as_str(), labels[TASK_NAMESPACE].as_str()),
        ("task1", "prod")
    );
    world.becomes("task1-dc1", runs());
    assert!(world.pass().create.is_empty());
    assert_eq!(
        world.conditions(),
        [("Running", "True", ""), ("Failed", "False", "")]
    );
    for (dc, next, end) in [
        ("task1-dc1", Some("task1-dc2"), "2026-11-22T03:10:00Z"),
        ("task1-dc2", Some("task1-dc3"), "2026-11-22T03:20:00Z"),
        ("task1-dc3", None, "2026-11-22T03:30:00Z"),
    ] {
        world.becomes(dc, done(end));
        let made = world.pass().create;
        assert_eq!(made.first().and_then(|task| task.metadata.name.as_deref()), next);
    }
    let status = world.task.status.as_ref().unwrap();
    assert_eq!((status.overall.succeeded, status.overall.active), (9, 0));
    assert_eq!(
        status.overall.completion_time.as_ref().unwrap().0.to_string(),
        "2026-11-22T03:30:00Z"
    );
    assert_eq!(
        status.datacenters.keys().collect::<Vec<_>>(),
        ["dc1", "dc2", "dc3"]
    );
    let ended = [
        ("Running", "False", ""),
        ("Failed", "False", ""),
        ("Complete", "True", ""),
    ];
    assert_eq!(world.conditions(), ended);
}

/// K8ssandra's operator goes through the list from its end.
#[test]
fn listed_datacenters_come_in_the_order_of_the_list() {
    let mut world = World::new(&json!({ "datacenters": ["dc3", "dc1", "dc3"] }));
    world.pass();
    assert_eq!(world.names(), ["task1-dc3"]);
    world.becomes("task1-dc3", done("2026-11-22T03:10:00Z"));
    world.pass();
    assert_eq!(world.names(), ["task1-dc3", "task1-dc1"]);
}

/// As K8ssandra documents it, and as its operator does not.
#[test]
fn nothing_is_begun_after_a_datacenter_that_failed() {
    let mut world = World::new(&json!({}));
    world.pass();
    world.becomes("task1-dc1", failed("2026-11-22T03:10:00Z"));
    world.pass();
    assert_eq!(world.names(), ["task1-dc1"]);
    let verdict = ("Failed", "True", "1 pods failed during processing");
    assert_eq!(
        world.conditions(),
        [("Running", "False", ""), verdict, ("Complete", "True", "")]
    );
}

#[test]
fn datacenters_at_once_go_on_when_one_fails() {
    let mut world = World::new(&json!({ "dcConcurrencyPolicy": "Allow" }));
    world.pass();
    assert_eq!(world.names(), ["task1-dc1", "task1-dc2", "task1-dc3"]);
    world.becomes("task1-dc1", failed("2026-11-22T03:10:00Z"));
    world.becomes("task1-dc2", runs());
    world.pass();
    assert!(
        world
            .task
            .status
            .as_ref()
            .unwrap()
            .overall
            .completion_time
            .is_none()
    );
    world.becomes("task1-dc2", done("2026-11-22T03:40:00Z"));
    world.becomes("task1-dc3", done("2026-11-22T03:20:00Z"));
    world.pass();
    let status = &world.task.status.as_ref().unwrap().overall;
    assert_eq!(
        status.completion_time.as_ref().unwrap().0.to_string(),
        "2026-11-22T03:40:00Z"
    );
    assert_eq!((status.succeeded, status.failed), (8, 1));
}

/// T10: upstream never takes it back.
#[test]
fn a_spec_that_cannot_work_is_invalid_until_it_can() {
    for (spec, why) in [
        (
            json!({ "datacenters": ["dc1", "dc4", "dc5"] }),
            "unknown datacenters: dc4, dc5",
        ),
        (
            json!({ "cluster": { "namespace": "test" } }),
            "cluster.namespace is test: a task is made in the namespace of its cluster, this one is in prod",
        ),
        (
            json!({ "template": { "jobs": [{ "name": "j", "command": "move" }] } }),
            "move needs args.new_tokens: the new token of each pod to move",
        ),
        (
            json!({ "datacenters": ["dc1"], "template": { "jobs": [{ "name": "j", "command": "move", "args": {
                "new_tokens": { "demo-dc1-rack1-0": "1", "demo-dc2-rack1-0": "2" } } }] } }),
            "invalid new_tokens argument: pod doesn't exist: demo-dc2-rack1-0 is in no datacenter that is asked for",
        ),
    ] {
        let mut world = World::new(&spec);
        let plan = world.pass();
        assert_eq!(world.conditions(), [("Invalid", "True", why)]);
        assert_eq!(
            (plan.notices[0].reason, plan.notices[0].note.as_str()),
            ("InvalidSpec", why)
        );
        assert!(world.pass().notices.is_empty() && world.tasks.is_empty());
    }
    let mut world = World::new(&json!({}));
    let cluster = world.cluster.take();
    world.pass();
    assert_eq!(
        world.conditions(),
        [("Invalid", "True", "unknown CassandraCluster prod.demo")]
    );
    world.cluster = cluster;
    world.pass();
    assert_eq!(world.conditions()[0], ("Invalid", "False", ""));
    assert_eq!(world.names(), ["task1-dc1"]);
}

/// K8ssandra's operator takes it over in silence.
#[test]
fn a_task_of_somebody_else_is_not_taken_over() {
    let mut world = World::new(&json!({}));
    let mut foreign = CassandraTask::new("task1-dc2", CassandraTaskSpec::default());
    foreign.metadata.namespace = Some("prod".to_owned());
    world.tasks.push(foreign);
    world.pass();
    let (kind, _, why) = world.conditions()[0];
    assert_eq!(kind, "Invalid");
    assert!(
        why.starts_with("CassandraTask task1-dc2 is there already"),
        "{why}"
    );
}

/// T10: what was made is found by its labels, whatever became of the datacenters.
#[test]
fn deletion_takes_every_task_that_was_made() {
    let mut world = World::new(&json!({ "dcConcurrencyPolicy": "Allow" }));
    world.pass();
    world.cluster = None;
    world.task.metadata.deletion_timestamp = Some(Time(world.now));
    let plan = world.pass();
    assert_eq!(plan.delete, ["task1-dc1", "task1-dc2", "task1-dc3"]);
    assert_eq!(plan.hold, Hold::Stays, "not before they are gone");
    assert_eq!(world.pass().hold, Hold::IsReleased);
}

#[test]
fn a_datacenter_that_leaves_in_the_middle_keeps_nothing_from_ending() {
    let mut world = World::new(&json!({ "datacenters": ["dc1", "dc2"] }));
    world.pass();
    world.becomes("task1-dc1", done("2026-11-22T03:10:00Z"));
    world.pass();
    let cluster = world.cluster.as_mut().unwrap();
    cluster
        .spec
        .topology
        .as_mut()
        .unwrap()
        .dc
        .as_mut()
        .unwrap()
        .remove(0);
    world.becomes("task1-dc2", done("2026-11-22T03:20:00Z"));
    world.pass();
    assert!(
        world
            .task
            .status
            .as_ref()
            .unwrap()
            .overall
            .completion_time
            .is_some()
    );
}

#[test]
fn a_task_that_was_to_be_made_is_made_after_a_crash() {
    let mut world = World::new(&json!({}));
    world.task.status = Some(world.plan().status);
    assert_eq!(world.pass().create.len(), 1);
}

/// A recorded end is never repeated, and what a person deleted in the middle is not made again.
#[test]
fn a_task_that_somebody_deleted_is_not_made_again() {
    let mut world = World::new(&json!({}));
    world.pass();
    world.becomes("task1-dc1", done("2026-11-22T03:10:00Z"));
    world.pass();
    world.tasks.remove(0);
    world.becomes("task1-dc2", runs());
    assert!(world.pass().create.is_empty());
    world.tasks.clear();
    assert!(world.pass().create.is_empty());
    let why = "CassandraTask task1-dc2 was deleted before it ended";
    assert_eq!(world.conditions()[1], ("Failed", "True", why));
    assert!(
        world
            .task
            .status
            .as_ref()
            .unwrap()
            .overall
            .completion_time
            .is_some()
    );
}

#[test]
fn its_own_time_to_live_counts() {
    let mut world =
        World::new(&json!({ "datacenters": ["dc1"], "template": { "ttlSecondsAfterFinished": 60 } }));
    world.pass();
    world.becomes("task1-dc1", done("2026-11-22T03:00:30Z"));
    world.pass();
    assert_eq!(world.plan().fate, Fate::Stays);
    world.now += jiff::SignedDuration::from_secs(90);
    assert_eq!(world.plan().fate, Fate::IsDeleted);
}

#[test]
fn datacenters_without_the_rack_or_the_pod_are_left_out() {
    for (arguments, made) in [
        (json!({ "pod_name": "demo-dc2-rack1-0" }), vec!["task1-dc2"]),
        (
            json!({ "rack": "rack1" }),
            vec!["task1-dc1", "task1-dc2", "task1-dc3"],
        ),
        (json!({ "rack": "rack9" }), vec![]),
        (json!({ "pod_name": "demo-dc4-rack1-0" }), vec![]),
    ] {
        let job = json!({ "name": "j", "command": "flush", "args": arguments });
        let mut world = World::new(&json!({ "dcConcurrencyPolicy": "Allow", "template": { "jobs": [job] } }));
        world.pass();
        assert_eq!(world.names(), made, "{arguments}");
        if made.is_empty() {
            let (kind, status, why) = world.conditions()[0];
            assert_eq!((kind, status), ("Invalid", "True"));
            assert!(why.starts_with("no datacenter that is asked for has a "), "{why}");
        }
    }
}

/// What is wrong in a datacenter is told of the whole.
#[test]
fn a_part_that_cannot_work_makes_the_whole_invalid() {
    let mut world = World::new(&json!({}));
    world.pass();
    world.becomes(
        "task1-dc1",
        json!({ "conditions": [condition("Invalid", "unknown datacenter prod.dc1")] }),
    );
    world.pass();
    let invalid = ("Invalid", "True", "unknown datacenter prod.dc1");
    assert!(world.conditions().contains(&invalid), "{:?}", world.conditions());
    let before = world.task.status.clone();
    world.now += jiff::SignedDuration::from_mins(1);
    world.pass();
    assert_eq!(
        world.task.status, before,
        "nothing has happened, and nothing is written"
    );
    world.becomes("task1-dc1", runs());
    world.pass();
    assert!(
        world.conditions().contains(&("Invalid", "False", "")),
        "{:?}",
        world.conditions()
    );
}

#[test]
fn an_aborted_task_begins_in_no_other_datacenter() {
    let mut world = World::new(&json!({}));
    world.pass();
    world.becomes("task1-dc1", runs());
    world.pass();
    let annotations = BTreeMap::from([(ABORT.to_owned(), "true".to_owned())]);
    world.task.metadata.annotations = Some(annotations);
    world.pass();
    assert!(
        world
            .task
            .status
            .as_ref()
            .unwrap()
            .overall
            .completion_time
            .is_none(),
        "dc1 runs still"
    );
    world.becomes("task1-dc1", done(NOW));
    world.pass();
    assert_eq!(world.names(), ["task1-dc1"]);
    assert!(
        world.conditions().contains(&("Failed", "True", "aborted")),
        "{:?}",
        world.conditions()
    );
    assert!(
        world
            .task
            .status
            .as_ref()
            .unwrap()
            .overall
            .completion_time
            .is_some()
    );
}

#[test]
fn a_part_that_waited_and_was_deleted_is_not_made_again() {
    let mut world = World::new(&json!({}));
    world.pass();
    let waits = json!({ "type": "Running", "status": "False", "reason": "WaitingForTask", "message": "", "lastTransitionTime": NOW });
    world.becomes("task1-dc1", json!({ "conditions": [waits] }));
    world.pass();
    world.tasks.clear();
    world.pass();
    assert!(world.names().is_empty());
}

/// The finalizer was taken off by hand, and what it kept stayed.
#[test]
fn what_an_earlier_task_of_the_name_made_is_not_taken_for_its_own() {
    let mut world = World::new(&json!({}));
    world.pass();
    world.becomes("task1-dc1", done(NOW));
    world.task.metadata.uid = Some("uid-of-a-later-one".to_owned());
    world.task.status = None;
    world.pass();
    let (kind, status, why) = world.conditions()[0];
    assert_eq!((kind, status), ("Invalid", "True"), "{why}");
}

#[test]
fn a_task_that_cannot_work_is_aborted_all_the_same() {
    let mut world = World::new(&json!({ "datacenters": ["dc4"] }));
    world.pass();
    let annotations = BTreeMap::from([(ABORT.to_owned(), "true".to_owned())]);
    world.task.metadata.annotations = Some(annotations);
    let plan = world.pass();
    assert!(plan.status.overall.completion_time.is_some());
    assert!(world.conditions().contains(&("Failed", "True", "aborted")));
    assert!(world.conditions().contains(&("Invalid", "False", "")));
    assert_eq!(plan.notices[0].reason, "TaskFailed");
}

#[test]
fn no_datacenter_is_rebuilt_from_itself() {
    let rebuild = |datacenters: serde_json::Value| {
        let job = json!({ "name": "j", "command": "rebuild", "args": { "source_datacenter": "dc1" } });
        let spec = json!({ "dcConcurrencyPolicy": "Allow", "datacenters": datacenters, "template": { "jobs": [job] } });
        let mut world = World::new(&spec);
        world.pass();
        world
    };
    assert_eq!(rebuild(json!(null)).names(), ["task1-dc2", "task1-dc3"]);
    let listed = rebuild(json!(["dc1", "dc2"]));
    assert!(listed.names().is_empty());
    assert_eq!(listed.conditions()[0].0, "Invalid");
}
