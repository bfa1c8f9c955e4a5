//! What counts as a difference.

use rstest::rstest;

use super::super::tests::{EVERYTHING, MINIMAL, TWO_DATACENTERS, again, new_statefulset, validated};
use super::*;

/// Changes one thing of a template, given as JSON pointers under `/spec/template`.
fn changed(statefulset: &StatefulSet, change: impl FnOnce(&mut Value)) -> StatefulSet {
    let mut value = serde_json::to_value(statefulset).unwrap();
    change(&mut value["spec"]["template"]);
    serde_json::from_value(value).unwrap()
}

#[rstest]
#[case(MINIMAL, "dc1-rack1")]
#[case(TWO_DATACENTERS, "dc1-rack2")]
#[case(EVERYTHING, "dc1-rack1")]
fn a_template_does_not_differ_from_itself(#[case] yaml: &str, #[case] rack: &str) {
    let cluster = validated(yaml);
    let made = new_statefulset(&cluster, rack);
    assert_eq!(template_differs(&made, &made), None);
    assert_eq!(template_differs(&again(&cluster, &made, None), &made), None);
}

/// The stored ones were made by `kubectl create` on Kubernetes 1.34.4 from the snapshots of [`super::super::tests`].
#[rstest]
#[case(MINIMAL, include_str!("../fixtures/stored-minimal.json"))]
#[case(EVERYTHING, include_str!("../fixtures/stored-everything.json"))]
fn what_an_api_server_stored_does_not_differ(#[case] yaml: &str, #[case] stored: &str) {
    let stored: StatefulSet = serde_json::from_str(stored).unwrap();
    let cluster = validated(yaml);
    assert_eq!(
        template_differs(&new_statefulset(&cluster, "dc1-rack1"), &stored),
        None
    );
    assert_eq!(template_differs(&again(&cluster, &stored, None), &stored), None);
}

#[test]
fn every_difference_is_named() {
    let made = new_statefulset(&validated(EVERYTHING), "dc1-rack1");
    let stored = changed(&made, |template| {
        template["metadata"]["annotations"]["was.there/before"] = "x".into();
        template["metadata"]["labels"]["dc-rack"] = "other".into();
        let pod = &mut template["spec"];
        pod["hostNetwork"] = true.into();
        pod["tolerations"][0]["effect"] = "NoExecute".into();
        pod["volumes"].as_array_mut().unwrap().remove(0);
        let cassandra = &mut pod["containers"][1];
        cassandra["image"] = "cassandra:3".into();
        cassandra["resources"]["limits"]["memory"] = "4G".into();
        cassandra["env"].as_array_mut().unwrap().remove(0);
        cassandra["livenessProbe"]["failureThreshold"] = 3.into();
        cassandra["ports"][0]["containerPort"] = 7009.into();
    });
    assert_eq!(
        template_differs(&made, &stored).unwrap(),
        [
            "spec.template.metadata.annotations[was.there/before]",
            "spec.template.metadata.labels[dc-rack]",
            "spec.template.spec.containers[cassandra].env[CASSANDRA_AUTH_JOLOKIA]",
            "spec.template.spec.containers[cassandra].image",
            "spec.template.spec.containers[cassandra].livenessProbe.failureThreshold",
            "spec.template.spec.containers[cassandra].ports[7000/TCP]",
            "spec.template.spec.containers[cassandra].ports[7009/TCP]",
            "spec.template.spec.containers[cassandra].resources.limits[memory]",
            "spec.template.spec.hostNetwork",
            "spec.template.spec.tolerations[0].effect",
            "spec.template.spec.volumes[bootstrap]",
        ]
    );
}

#[test]
fn other_spellings_and_orders_are_no_differences() {
    let made = new_statefulset(&validated(EVERYTHING), "dc1-rack1");
    let stored = changed(&made, |template| {
        template["metadata"]["creationTimestamp"] = Value::Null;
        let pod = &mut template["spec"];
        pod["containers"].as_array_mut().unwrap().reverse();
        pod["containers"][1]["resources"]["limits"]["cpu"] = "1.5".into();
        pod["containers"][1]["env"].as_array_mut().unwrap().reverse();
        pod["initContainers"][0]["resources"]["requests"]["memory"] = "512Mi".into();
        pod["affinity"]["nodeAffinity"] = Value::Null;
        pod["schedulerName"] = "default-scheduler".into();
    });
    assert_eq!(template_differs(&made, &stored), None);
}

#[test]
fn init_containers_run_in_their_order() {
    let made = new_statefulset(&validated(MINIMAL), "dc1-rack1");
    let stored = changed(&made, |template| {
        template["spec"]["initContainers"]
            .as_array_mut()
            .unwrap()
            .swap(1, 2);
    });
    assert!(template_differs(&made, &stored).is_some());
}

#[test]
fn a_restart_by_kubectl_is_left_alone() {
    let cluster = validated(MINIMAL);
    let stored = changed(&new_statefulset(&cluster, "dc1-rack1"), |template| {
        template["metadata"]["annotations"] = serde_json::json!({
            "kubectl.kubernetes.io/restartedAt": "2026-11-21T08:00:00Z",
        });
    });
    assert_eq!(template_differs(&again(&cluster, &stored, None), &stored), None);
}

#[test]
fn the_update_strategy_counts() {
    let made = new_statefulset(&validated(TWO_DATACENTERS), "dc1-rack1");
    let mut stored = made.clone();
    stored.spec.as_mut().unwrap().update_strategy = None;
    assert_eq!(
        template_differs(&made, &stored).unwrap(),
        ["spec.updateStrategy.rollingUpdate.partition"]
    );
}

/// What neither CassKop nor the spec knows is left alone as long as CassKop was the last to write; what CassKop knew and the spec
/// no longer has is a difference.
#[test]
fn on_casskops_statefulset_only_what_it_put_there_counts() {
    let wanted = new_statefulset(&validated(MINIMAL), "dc1-rack1");
    let made = changed(&wanted, |template| {
        template["metadata"]["annotations"] = serde_json::json!({"dropped": "x"});
        let cassandra = &mut template["spec"]["containers"][0];
        cassandra["env"]
            .as_array_mut()
            .unwrap()
            .push(serde_json::json!({"name": "DROPPED", "value": "x"}));
    });
    let mut stored = changed(&made, |template| {
        template["metadata"]["annotations"]["foreign"] = "x".into();
        let cassandra = &mut template["spec"]["containers"][0];
        cassandra["env"]
            .as_array_mut()
            .unwrap()
            .push(serde_json::json!({"name": "FOREIGN", "value": "x"}));
    });
    assert_eq!(
        template_differs(&wanted, &stored).unwrap().len(),
        4,
        "all counts where nobody else wrote"
    );
    let annotation = serde_json::to_string(&made).unwrap();
    stored.metadata.annotations = Some([("banzaicloud.com/last-applied".to_owned(), annotation)].into());
    assert_eq!(
        template_differs(&wanted, &stored).unwrap(),
        [
            "spec.template.metadata.annotations[dropped]",
            "spec.template.spec.containers[cassandra].env[DROPPED]",
        ]
    );
}
