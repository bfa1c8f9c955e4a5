use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn edited(before: &Value, now: &Value) -> CassandraCluster {
    let object = |spec: &Value| -> CassandraCluster {
        serde_json::from_value(json!({
            "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
            "metadata": {"name": "ring", "namespace": "ns", "uid": "u"}, "spec": spec,
        }))
        .unwrap()
    };
    let mut cluster = object(now);
    let kept = to_keep(&object(before)).unwrap();
    cluster.metadata.annotations = Some([(LAST_APPLIED_CONFIGURATION.to_owned(), kept)].into());
    cluster
}

/// What the spec is after everything was put back.
fn put_back(cluster: &CassandraCluster, found: &[Correction]) -> Value {
    let mut object = serde_json::to_value(cluster).unwrap();
    for correction in found {
        let patch: json_patch::Patch = serde_json::from_value(json!(correction.patch)).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
    }
    object["spec"].clone()
}

fn topology(dcs: &[(&str, &[&str])]) -> Value {
    let racks = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
    let dcs: Vec<_> = dcs
        .iter()
        .map(|(dc, names)| json!({"name": dc, "rack": racks(names)}))
        .collect();
    json!({ "dc": dcs })
}

#[rstest]
#[case::nodes(json!({"nodesPerRacks": 2}), json!({"nodesPerRacks": 0}), "spec.nodesPerRacks")]
#[case::no_nodes_said(json!({}), json!({"nodesPerRacks": 0}), "spec.nodesPerRacks")]
#[case::smaller(json!({"dataCapacity": "2Gi"}), json!({"dataCapacity": "1Gi"}), "dataCapacity of datacenter dc1")]
#[case::no_volume_any_more(json!({"dataCapacity": "2Gi"}), json!({}), "dataCapacity of datacenter dc1")]
#[case::a_volume_after_all(json!({}), json!({"dataCapacity": "2Gi"}), "dataCapacity of datacenter dc1")]
#[case::class(json!({"dataCapacity": "2Gi"}), json!({"dataCapacity": "2Gi", "dataStorageClass": "fast"}), "dataStorageClass of datacenter dc1")]
#[case::further_volumes(json!({}), json!({"storageConfigs": [{"name": "logs", "mountPath": "/logs", "pvcSpec": {}}]}), "spec.storageConfigs")]
#[case::rack(json!({"topology": topology(&[("dc1", &["r1", "r2"])])}), json!({"topology": topology(&[("dc1", &["r1"])])}), "spec.topology")]
#[case::renamed_rack(json!({"topology": topology(&[("dc1", &["r1"])])}), json!({"topology": topology(&[("dc1", &["ra"])])}), "spec.topology")]
#[case::dc_with_nodes(json!({"topology": topology(&[("dc1", &["r1"]), ("dc2", &["r1"])])}), json!({"topology": topology(&[("dc2", &["r1"])])}), "spec.topology")]
#[case::the_last_dc_if_it_is_dc1(json!({"topology": topology(&[("dc2", &["r1"]), ("dc1", &["r1"])])}), json!({"topology": topology(&[("dc2", &["r1"])])}), "spec.topology")]
#[case::all(json!({"topology": topology(&[("a", &["r1"])])}), json!({}), "spec.topology")]
fn an_edit_that_cannot_be_carried_out_is_put_back(
    #[case] before: Value,
    #[case] now: Value,
    #[case] field: &str,
) {
    let cluster = edited(&before, &now);
    let found = corrections(&cluster, |_| Emptiness::Nodes);
    assert_eq!(
        found.iter().map(|one| one.field.as_str()).collect::<Vec<_>>(),
        [field]
    );
    let expected = edited(&before, &before);
    assert_eq!(
        put_back(&cluster, &found),
        serde_json::to_value(&expected.spec).unwrap()
    );
}

#[rstest]
#[case::image(json!({"cassandraImage": "cassandra:5.0.1"}), json!({"cassandraImage": "cassandra:5.0.2"}))]
#[case::written_otherwise(json!({"dataCapacity": "1Gi"}), json!({"dataCapacity": "1024Mi"}))]
#[case::another_dc(json!({"topology": topology(&[("dc1", &["r1"])])}), json!({"topology": topology(&[("new", &["r1"]), ("dc1", &["r1"])])}))]
#[case::another_dc_with_a_smaller_volume_of_another_class(
    json!({"dataCapacity": "9Gi", "topology": {"dc": [{"name": "dc1"}]}}),
    json!({"dataCapacity": "9Gi", "topology": {"dc": [{"name": "dc1"}, {"name": "dc2", "dataCapacity": "1Gi", "dataStorageClass": "slow"}]}})
)]
#[case::another_rack(json!({"topology": topology(&[("dc1", &["r1"])])}), json!({"topology": topology(&[("dc1", &["r1", "r2"])])}))]
#[case::the_default_written_out(json!({}), json!({"topology": topology(&[("dc1", &["rack1"])])}))]
#[case::empty_dc(json!({"topology": topology(&[("dc1", &["r1"]), ("gone", &["r1"])])}), json!({"topology": topology(&[("dc1", &["r1"])])}))]
fn other_edits_stay(#[case] before: Value, #[case] now: Value) {
    let empty = |dc: &str| {
        if dc == "gone" {
            Emptiness::Empty
        } else {
            Emptiness::Nodes
        }
    };
    assert_eq!(corrections(&edited(&before, &now), empty), []);
}

#[test]
fn a_datacenters_own_volume_counts_and_is_put_back_at_its_new_place() {
    let dc = |name: &str, capacity: &str| json!({"name": name, "dataCapacity": capacity, "rack": [{"name": "r1"}]});
    let before = json!({"dataCapacity": "1Gi", "topology": {"dc": [dc("dc1", "4Gi")]}});
    let now = json!({"dataCapacity": "9Gi", "topology": {"dc": [dc("dc0", "1Gi"), dc("dc1", "3Gi")]}});
    let cluster = edited(&before, &now);
    let found = corrections(&cluster, |_| Emptiness::Nodes);
    assert_eq!(
        put_back(&cluster, &found)["topology"]["dc"],
        json!([dc("dc0", "1Gi"), dc("dc1", "4Gi")])
    );
    assert_eq!(
        found[0].to_string(),
        "dataCapacity of datacenter dc1 was put back: a volume of 4Gi does not shrink to 3Gi; \
         add a datacenter with dataCapacity and dataStorageClass of its own, and remove this one once it has the data"
    );
}

#[test]
fn a_datacenter_that_may_not_be_emptied_keeps_its_size() {
    let dc = |nodes: Option<i32>| match nodes {
        Some(nodes) => json!({"name": "dc1", "nodesPerRacks": nodes}),
        None => json!({"name": "dc1"}),
    };
    for before in [Some(2), None] {
        let cluster = edited(
            &json!({"topology": {"dc": [dc(before)]}}),
            &json!({"topology": {"dc": [dc(Some(0))]}}),
        );
        let correction = keep_nodes(&cluster, "dc1", "data").unwrap();
        assert_eq!(put_back(&cluster, &[correction])["topology"]["dc"][0], dc(before));
    }
}

#[test]
fn flags_the_operator_resets_are_not_kept() {
    let rack = |flag: bool| json!({"unlockNextOperation": flag, "topology": {"dc": [{"name": "dc1", "rack": [{"name": "r1", "rollingRestart": flag}]}]}});
    assert_eq!(to_keep(&edited(&rack(false), &rack(true))), None);
    assert!(to_keep(&edited(&rack(false), &json!({}))).is_some());
}

#[test]
fn without_a_kept_spec_nothing_is_put_back() {
    let mut cluster = edited(&json!({"nodesPerRacks": 2}), &json!({"nodesPerRacks": 0}));
    for annotation in ["", "{", "{}", "{\"spec\": 7}"] {
        cluster.metadata.annotations =
            Some([(LAST_APPLIED_CONFIGURATION.to_owned(), annotation.to_owned())].into());
        assert_eq!(corrections(&cluster, |_| Emptiness::Nodes), []);
    }
}
