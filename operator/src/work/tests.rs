//! What a node says of its work, and what it is told to stop.

use std::sync::Arc;

use casskop_jolokia::JolokiaClient;
use serde_json::{Value, json};

use super::*;
use crate::metrics::Metrics;
use crate::test_agent::{Agent, Reply};

fn node(agent: &Agent) -> Node {
    Node::new(JolokiaClient::new(agent.clone()), &Arc::new(Metrics::default()))
}

fn bytes(completed: u64, total: u64) -> Work {
    Work {
        completed,
        total,
        unit: "bytes".to_owned(),
    }
}

fn task(kind: &str, completed: u64, unit: &str) -> Value {
    json!({
        "taskType": kind, "keyspace": "shop", "columnfamily": "carts",
        "completed": completed.to_string(), "total": "100", "unit": unit,
    })
}

fn plan(description: &str, received: u64, sent: u64) -> Value {
    json!({
        "planId": "p", "description": description, "sessions": [],
        "currentRxBytes": received, "totalRxBytes": 100, "currentTxBytes": sent, "totalTxBytes": 200,
    })
}

#[tokio::test]
async fn work_is_the_sum_of_what_the_operation_causes() {
    let agent = Agent::new(|request| {
        Reply::Answer(match request["attribute"].as_str() {
            Some("Compactions") => json!([
                task("Scrub", 10, "bytes"),
                task("Compaction", 99, "bytes"),
                task("Scrub", 20, "bytes"),
                task("Scrub", 7, "keys"),
            ]),
            Some("CurrentStreams") => json!([
                plan("Rebuild", 30, 0),
                plan("Repair", 99, 99),
                plan("Rebuild", 40, 0),
                plan("Unbootstrap", 0, 50),
            ]),
            other => panic!("{other:?}"),
        })
    });
    let node = node(&agent);
    for (operation, work) in [
        (OperationName::Scrub, Some(bytes(30, 200))),
        (OperationName::Compact, Some(bytes(99, 100))),
        (OperationName::Cleanup, None),
        (OperationName::Rebuild, Some(bytes(70, 200))),
        (OperationName::Decommission, Some(bytes(50, 200))),
    ] {
        assert_eq!(node.work(operation).await.unwrap(), work, "{operation}");
    }
    let asked = agent.requests().len();
    assert_eq!(node.work(OperationName::Flush).await.unwrap(), None);
    assert_eq!(agent.requests().len(), asked, "nothing counts a flush");
}

#[tokio::test]
async fn a_node_stops_the_tasks_of_the_operation_and_no_others() {
    let agent = Agent::new(|request| {
        Reply::Answer(match request["attribute"].as_str() {
            Some("ReleaseVersion") => json!("5.0.9"),
            _ => Value::Null,
        })
    });
    let node = node(&agent);
    for (operation, stopped) in [
        (OperationName::Cleanup, Some("CLEANUP")),
        (OperationName::UpgradeSstables, Some("UPGRADE_SSTABLES")),
        (OperationName::Scrub, Some("SCRUB")),
        (OperationName::Compact, Some("MAJOR_COMPACTION")),
        (OperationName::GarbageCollect, Some("GARBAGE_COLLECT")),
        (OperationName::Flush, None),
        (OperationName::Rebuild, None),
        (OperationName::Remove, None),
        (OperationName::Decommission, None),
        (OperationName::Replace, None),
        (OperationName::Restart, None),
    ] {
        let before = agent.requests().len();
        node.stop(operation).await.unwrap();
        let told: Vec<Value> = agent.requests()[before..]
            .iter()
            .filter(|request| request["type"] == "exec")
            .map(|request| json!([request["operation"], request["arguments"]]))
            .collect();
        let expected: Vec<Value> = stopped
            .map(|kind| json!(["stopCompaction(java.lang.String)", [kind]]))
            .into_iter()
            .collect();
        assert_eq!(told, expected, "{operation}");
        assert_eq!(stopped.is_some(), casskop_core::call::can_be_stopped(operation));
    }
}
