//! Objects as CassKop's users have them can be read, and lose nothing that has a meaning.

use std::collections::BTreeMap;

use casskop_types::operation::{
    LostNode, OperationName, OperationProgress, OperationRecord, OperationStatus, RecordState,
};
use casskop_types::status::{ActionStatus, ClusterAction, Phase, RackStatus, SubPhase};
use casskop_types::{CassandraCluster, CassandraClusterStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

const FULL: &str = include_str!("fixtures/full.yaml");

/// Every leaf of a value by its path; empty objects, empty texts and nulls count as absent.
fn leaves(path: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                leaves(&format!("{path}/{key}"), value, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(&format!("{path}/{index}"), item, found);
            }
        }
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        leaf => drop(found.insert(path.to_owned(), leaf.clone())),
    }
}

#[test]
fn every_known_field_of_a_spec_is_read_and_written_under_its_name() {
    let original: Value = serde_yaml::from_str(FULL).unwrap();
    let cluster: CassandraCluster = serde_yaml::from_str(FULL).unwrap();
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    leaves("", &original["spec"], &mut before);
    leaves("", &serde_json::to_value(&cluster.spec).unwrap(), &mut after);
    let lost: Vec<&String> = before.keys().filter(|path| !after.contains_key(*path)).collect();
    assert_eq!(lost, ["/baseImage", "/gcStdout", "/imagePullPolicy", "/version"]);
    for (path, value) in after {
        let read = &before[&path];
        // Quantities may be written as numbers and are kept as texts.
        let same = *read == value || value.as_str() == Some(read.to_string().as_str());
        assert!(same, "{path}: {read} became {value}");
    }
}

#[test]
fn a_status_written_by_casskop_is_read() {
    let cluster: CassandraCluster = serde_yaml::from_str(FULL).unwrap();
    let status = cluster.status.unwrap();
    assert_eq!(status.phase, Some(Phase::Running));
    assert_eq!(status.initializing_sub_phase, None, "an empty word is none");
    assert_eq!(status.last_cluster_action, Some(ClusterAction::ScaleDown));
    assert_eq!(status.last_cluster_action_status, Some(ActionStatus::Continue));
    assert_eq!(
        status.seed_list,
        ["cassandra-demo-dc1-rack1-0.cassandra-demo.cassandra"]
    );
    assert_eq!(
        status.cassandra_node_status["cassandra-demo-dc1-rack1-0"]
            .node_ip
            .as_deref(),
        Some("10.0.0.1")
    );

    let rack = status.rack(&"dc1-rack1".parse().unwrap()).unwrap();
    let operation = rack.pod_last_operation.as_ref().unwrap();
    assert_eq!(operation.name, Some(OperationName::Cleanup));
    assert_eq!(operation.status, Some(OperationStatus::Done));
    assert!(operation.pods.is_empty());
    assert_eq!(operation.pods_ok, ["cassandra-demo-dc1-rack1-0"]);
    assert_eq!(operation.pods_ko, ["cassandra-demo-dc1-rack1-1"]);

    let rack = status.rack(&"dc1-rack2".parse().unwrap()).unwrap();
    assert_eq!(rack.initializing_sub_phase, Some(SubPhase::NextPodPerRack));
    let action = rack.cassandra_last_action.as_ref().unwrap();
    assert_eq!(
        (action.name, action.status),
        (None, Some(ActionStatus::Done)),
        "an unknown word is none"
    );
}

#[test]
fn a_status_keeps_casskops_keys_and_writes_no_empty_ones() {
    let original: Value = serde_yaml::from_str(FULL).unwrap();
    let cluster: CassandraCluster = serde_yaml::from_str(FULL).unwrap();
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    leaves("", &original["status"], &mut before);
    leaves(
        "",
        &serde_json::to_value(cluster.status.unwrap()).unwrap(),
        &mut after,
    );
    let lost: Vec<&String> = before.keys().filter(|path| !after.contains_key(*path)).collect();
    assert_eq!(lost, ["/cassandraRackStatus/dc1-rack2/cassandraLastAction/name"]);
    assert!(after.iter().all(|(path, value)| before[path] == *value));
    assert_eq!(
        serde_json::to_value(CassandraClusterStatus::default()).unwrap(),
        serde_json::json!({})
    );
}

#[test]
fn a_record_survives_the_status() {
    let record = OperationRecord {
        id: "demo-dc1-rack1-0.7".to_owned(),
        name: OperationName::Remove,
        argument: Some("demo-dc1-rack1-1_10.0.0.7".to_owned()),
        options: None,
        pod: "demo-dc1-rack1-0".to_owned(),
        pod_uid: "0b7a".to_owned(),
        host_id: Some("5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1".to_owned()),
        address: Some("10.0.0.1".to_owned()),
        requested_by: Some("ann@example.com".to_owned()),
        parallelism: Some(3),
        abort_time: None,
        attempt: 2,
        state: RecordState::Ongoing,
        start_time: Time("2026-11-21T08:01:02Z".parse().unwrap()),
        end_time: None,
        message: None,
        lost_node: Some(LostNode {
            pod_uid: None,
            claim_uid: None,
            pod: Some("demo-dc1-rack1-1".to_owned()),
            host_id: None,
            address: Some("10.0.0.7".to_owned()),
        }),
        former_pod_uid: None,
        progress: Some(OperationProgress {
            keyspaces_done: vec!["ks1".to_owned()],
            completed: Some(3_000_000_000),
            total: Some(4_000_000_000),
            unit: Some("bytes".to_owned()),
            percent: Some(75),
        }),
    };
    let rack = RackStatus {
        operations: vec![record],
        ..RackStatus::default()
    };
    let written = serde_json::to_value(&rack).unwrap();
    assert_eq!(written["operations"][0]["lostNode"]["address"], "10.0.0.7");
    assert_eq!(written["operations"][0]["podUid"], "0b7a");
    assert_eq!(serde_json::from_value::<RackStatus>(written).unwrap(), rack);
}

#[test]
fn a_cluster_needs_no_field_at_all() {
    let cluster: CassandraCluster = serde_json::from_value(serde_json::json!({
        "apiVersion": "db.orange.com/v2",
        "kind": "CassandraCluster",
        "metadata": { "name": "demo" },
        "spec": {},
    }))
    .unwrap();
    assert_eq!(cluster.spec, casskop_types::CassandraClusterSpec::default());
    assert_eq!(
        serde_json::to_value(&cluster.spec).unwrap(),
        serde_json::json!({})
    );
}
