//! Tasks as K8ssandra's users have them can be read, and lose nothing.

use casskop_types::task::{
    CassandraTask, K8ssandraTask, K8ssandraTaskStatus, PodProgress, PodState, ScheduledTask, TaskCommand,
    TaskStatus,
};
use serde::Deserialize as _;
use serde_json::{Value, json};

const TASKS: &str = include_str!("fixtures/tasks.yaml");

fn documents() -> Result<Vec<Value>, serde_yaml::Error> {
    serde_yaml::Deserializer::from_str(TASKS)
        .map(Value::deserialize)
        .collect()
}

fn through_the_type(document: Value) -> serde_json::Result<Value> {
    match document["kind"].as_str() {
        Some("CassandraTask") => serde_json::to_value(serde_json::from_value::<CassandraTask>(document)?),
        Some("K8ssandraTask") => serde_json::to_value(serde_json::from_value::<K8ssandraTask>(document)?),
        Some("ScheduledTask") => serde_json::to_value(serde_json::from_value::<ScheduledTask>(document)?),
        _ => Ok(Value::Null),
    }
}

#[test]
fn every_field_of_a_task_is_read_and_written_under_its_name() {
    for document in documents().unwrap() {
        let written = through_the_type(document.clone()).unwrap();
        assert_eq!(written["spec"], document["spec"]);
        assert_eq!(written["metadata"]["name"], document["metadata"]["name"]);
    }
}

#[test]
fn the_fixture_has_every_command() {
    let documents = documents().unwrap();
    let mut found: Vec<TaskCommand> = Vec::new();
    for document in &documents {
        let spec = &document["spec"];
        let jobs = [
            &spec["jobs"],
            &spec["template"]["jobs"],
            &spec["taskDetails"]["jobs"],
        ];
        for command in jobs.into_iter().filter_map(|jobs| jobs[0]["command"].as_str()) {
            found.push(command.parse().unwrap());
        }
    }
    found.sort();
    found.dedup();
    let mut all = TaskCommand::ALL.to_vec();
    all.sort();
    assert_eq!(found, all);
}

#[test]
fn a_status_written_by_cass_operator_is_read() {
    let task = documents()
        .unwrap()
        .into_iter()
        .find(|document| document.get("status").is_some());
    let task: CassandraTask = serde_json::from_value(task.unwrap()).unwrap();
    let status = task.status.unwrap();
    assert_eq!((status.active, status.succeeded, status.failed), (0, 1, 0));
    assert_eq!(status.conditions[1].type_, "Complete");
    let pod = &status.pod_statuses["demo-dc1-rack1-sts-0"];
    assert_eq!((pod.status, pod.retries), (Some(PodState::Completed), Some(1)));
}

#[test]
fn counters_are_written_when_they_are_0() {
    let written = json!(K8ssandraTaskStatus {
        overall: TaskStatus::default(),
        datacenters: [("dc1".to_owned(), TaskStatus::default())].into(),
    });
    let zeros = json!({ "active": 0, "succeeded": 0, "failed": 0 });
    assert_eq!(written["datacenters"]["dc1"], zeros);
    for counter in ["active", "succeeded", "failed"] {
        assert_eq!(written[counter], 0, "{written}");
    }
}

/// One object that cannot be parsed would hide all others of its list.
#[test]
fn words_nobody_knows_do_not_keep_a_task_from_being_read() {
    let task: CassandraTask = serde_json::from_value(json!({
        "apiVersion": "control.k8ssandra.io/v1alpha1",
        "kind": "CassandraTask",
        "metadata": { "name": "old" },
        "spec": {
            "restartPolicy": "Sometimes",
            "jobs": [{ "name": "job", "command": "CREATE KEYSPACE shop" }, { "name": "job2", "command": "cleanup" }],
        },
        "status": { "podStatuses": { "demo-dc1-rack1-0": { "status": "PONDERING" } } },
    }))
    .unwrap();
    let jobs = task.spec.template.jobs.unwrap();
    let error = jobs[0].command().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("`CREATE KEYSPACE shop` is not one of cleanup, "),
        "{error}"
    );
    assert_eq!(jobs[1].command(), Ok(TaskCommand::Cleanup));
    assert_eq!(
        task.status.unwrap().pod_statuses["demo-dc1-rack1-0"],
        PodProgress::default()
    );
}
