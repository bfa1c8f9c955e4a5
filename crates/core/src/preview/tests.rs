use casskop_types::labels::LAST_APPLIED_CONFIGURATION;
use serde_json::{Value, json};

use super::*;
use crate::desired::{self, TemplateInputs};
use crate::fact::Fact;

fn cluster(spec: &Value) -> CassandraCluster {
    let kept = json!({ "spec": spec_of_three() }).to_string();
    serde_json::from_value(json!({
        "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
        "metadata": { "name": "demo", "namespace": "ns", "uid": "u", "annotations": { LAST_APPLIED_CONFIGURATION: kept } },
        "spec": spec,
    }))
    .unwrap()
}

fn spec_of_three() -> Value {
    json!({
        "nodesPerRacks": 2, "cassandraImage": "cassandra:5.0", "dataCapacity": "10Gi",
        "topology": { "dc": [
            { "name": "dc1", "rack": [{ "name": "rack1" }, { "name": "rack2", "rollingPartition": 1 }] },
            { "name": "dc2", "rack": [{ "name": "rack1" }] },
        ] },
    })
}

/// The edited cluster, with its children as they were made for the spec before.
fn edited(spec: &Value) -> KubeState {
    let before = validate::validate(&cluster(&spec_of_three())).unwrap();
    let statefulsets = before.racks.iter().map(|rack| {
        let inputs = TemplateInputs {
            seeds: &[],
            restart: None,
            replicas: rack.nodes,
            stored: None,
        };
        desired::statefulset(&before, rack, &inputs)
    });
    KubeState {
        statefulsets: statefulsets.collect(),
        cluster: cluster(spec),
        pods: Vec::new(),
        services: Fact::Known(desired::services(&before)),
        disruption_budget: Fact::Known(Some(desired::disruption_budget(&before))),
        failed_creations: std::collections::BTreeMap::new(),
        growth: std::collections::BTreeMap::new(),
        claims: Fact::default(),
        hooks: Fact::default(),
        scheduled_backups: Vec::new(),
    }
}

fn previewed(edit: impl FnOnce(&mut Value)) -> Result<Preview, Vec<Problem>> {
    let mut spec = spec_of_three();
    edit(&mut spec);
    preview(edited(&spec), Timestamp::UNIX_EPOCH)
}

#[test]
fn a_spec_that_is_there_already_changes_nothing() {
    let preview = previewed(|_| {}).unwrap();
    assert!(preview.is_empty(), "{preview:?}");
}

#[test]
fn another_image_rolls_every_rack_in_the_order_of_the_spec() {
    let preview = previewed(|spec| spec["cassandraImage"] = json!("cassandra:5.0.6")).unwrap();
    let changes: Vec<_> = preview
        .racks
        .iter()
        .map(|rack| (rack.rack.to_string(), rack.actions.clone(), rack.restarts))
        .collect();
    let rolls = |rack: &str, restarts| (rack.to_owned(), vec![ClusterAction::UpdateDockerImage], restarts);
    // Of rack2 one node is kept back by its partition.
    assert_eq!(
        changes,
        [
            rolls("dc1.rack1", 2),
            rolls("dc1.rack2", 1),
            rolls("dc2.rack1", 2)
        ]
    );
    assert_eq!(
        preview.racks[0].fields,
        [
            "spec.template.spec.containers[cassandra].image",
            "spec.template.spec.initContainers[0].image",
            "spec.template.spec.initContainers[1].env[PRODUCT_VERSION].value",
        ]
    );
}

#[test]
fn another_size_restarts_nothing() {
    let preview = previewed(|spec| spec["nodesPerRacks"] = json!(3)).unwrap();
    let changes: Vec<_> = preview
        .racks
        .iter()
        .map(|rack| {
            (
                rack.rack.to_string(),
                rack.actions.clone(),
                rack.nodes,
                rack.wanted,
                rack.restarts,
            )
        })
        .collect();
    let grows = |rack: &str| (rack.to_owned(), vec![ClusterAction::ScaleUp], 2, 3, 0);
    assert_eq!(
        changes,
        [grows("dc1.rack1"), grows("dc1.rack2"), grows("dc2.rack1")]
    );
}

#[test]
fn what_cannot_be_is_put_back_or_refused() {
    let preview = previewed(|spec| spec["dataCapacity"] = json!("5Gi")).unwrap();
    assert_eq!(
        preview
            .put_back
            .iter()
            .map(|edit| edit.field.as_str())
            .collect::<Vec<_>>(),
        ["dataCapacity of datacenter dc1"]
    );
    let problems = previewed(|spec| spec["topology"]["dc"][0]["name"] = json!("DC-1")).unwrap_err();
    assert_eq!(problems[0].field, "spec.topology.dc[0].name");
}

#[test]
fn a_new_rack_comes_up_and_a_datacenter_that_is_taken_away_goes() {
    let preview = previewed(|spec| {
        spec["topology"]["dc"] = json!([{ "name": "dc1", "rack": [{ "name": "rack1" }, { "name": "rack2", "rollingPartition": 1 }, { "name": "rack3" }] }]);
    })
    .unwrap();
    assert_eq!(preview.removed, ["demo-dc2-rack1"]);
    let new: Vec<_> = preview
        .racks
        .iter()
        .map(|rack| (rack.rack.to_string(), rack.actions.clone()))
        .collect();
    assert_eq!(new, [("dc1.rack3".to_owned(), vec![ClusterAction::Initializing])]);
}
