use std::collections::BTreeMap;

use casskop_types::cluster::CassandraCluster;
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::{Value, json};

use super::*;
use crate::desired::TemplateInputs;
use crate::observed::{KubeState, Observed};
use crate::rack;
use crate::validate::validate;

#[test]
fn stored_objects_may_have_more_but_not_less() {
    let stored = json!({"spec": {"clusterIP": "None", "ports": [{"port": 9042, "protocol": "TCP"}]}});
    assert!(value_contains(
        &stored,
        &json!({"spec": {"ports": [{"port": 9042}]}})
    ));
    assert!(!value_contains(
        &stored,
        &json!({"spec": {"ports": [{"port": 9043}]}})
    ));
    assert!(!value_contains(&stored, &json!({"spec": {"ports": []}})));
    assert!(!value_contains(
        &stored,
        &json!({"spec": {"selector": {"app": "x"}}})
    ));
}

fn cluster(labels: &Value, spec: &Value) -> CassandraCluster {
    serde_json::from_value(json!({
        "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
        "metadata": {"name": "demo", "namespace": "ns", "uid": "u", "labels": labels}, "spec": spec,
    }))
    .unwrap()
}

/// The Services, the budget and the StatefulSet of a cluster that was made with these labels.
fn made(labels: &Value) -> (Vec<Service>, PodDisruptionBudget, StatefulSet) {
    let cluster = validate(&cluster(labels, &json!({}))).unwrap();
    let inputs = TemplateInputs {
        seeds: &[],
        restart: None,
        replicas: 1,
        stored: None,
    };
    (
        desired::services(&cluster),
        desired::disruption_budget(&cluster),
        desired::statefulset(&cluster, &cluster.racks[0], &inputs),
    )
}

/// What is applied to a cluster of one rack, made with the label `team: a`, after an edit.
fn applied(labels: &Value, spec: &Value) -> Vec<Effect> {
    let (services, budget, set) = made(&json!({"team": "a"}));
    let object = cluster(labels, spec);
    let validated = validate(&object).unwrap();
    let observed = Observed {
        refused_record: None,
        leads_since: jiff::Timestamp::UNIX_EPOCH,
        kube: KubeState {
            hooks: Fact::default(),
            cluster: object,
            statefulsets: vec![set],
            pods: Vec::new(),
            services: Fact::Known(services),
            disruption_budget: Fact::Known(Some(budget)),
            failed_creations: BTreeMap::new(),
            growth: BTreeMap::new(),
            claims: Fact::default(),
            scheduled_backups: Vec::new(),
        },
        nodes: BTreeMap::new(),
        calls: BTreeMap::new(),
        operator: "operator-0".to_owned(),
    };
    let racks = rack::racks(&validated, &observed.kube);
    let scene = Scene {
        cluster: &validated,
        racks: &racks,
        observed: &observed,
        now: "2026-11-21T08:00:00Z".parse().unwrap(),
    };
    let mut steps = Steps::default();
    apply(scene, &mut steps);
    steps.effects
}

fn selectors(effects: &[Effect]) -> Vec<Labels> {
    let of = |effect: &Effect| match effect {
        Effect::ApplyService(service) => service.spec.as_ref()?.selector.clone(),
        Effect::ApplyDisruptionBudget(budget) => {
            budget.spec.as_ref()?.selector.as_ref()?.match_labels.clone()
        }
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

#[test]
fn what_is_as_it_should_be_is_not_applied_again() {
    assert_eq!(applied(&json!({"team": "a"}), &json!({})), []);
}

/// Whoever changes a label of the cluster object (a chart's version, an Argo instance) does not change the pods.
#[test]
fn another_label_of_the_cluster_object_hides_no_pod_from_its_services() {
    let identity: Labels = [("app", "cassandracluster"), ("cassandracluster", "demo")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    for labels in [json!({"team": "b"}), json!({"team": "a", "chart": "2"})] {
        let selectors = selectors(&applied(&labels, &json!({})));
        assert_eq!(selectors.len(), 3, "{labels}");
        let (_, _, set) = made(&json!({"team": "a"}));
        let pod = set.spec.unwrap().template.metadata.unwrap().labels.unwrap();
        for selector in selectors {
            assert!(
                selects(Some(&selector), std::slice::from_ref(&pod)),
                "{selector:?}"
            );
            assert!(
                identity
                    .iter()
                    .all(|(key, value)| selector.get(key) == Some(value))
            );
        }
    }
    // A datacenter that is added then has pods with other labels than those that are there: both are found.
    let spec = json!({"topology": {"dc": [{"name": "dc1", "rack": [{"name": "rack1"}]}, {"name": "dc2"}]}});
    let selectors = selectors(&applied(&json!({"team": "b"}), &spec));
    assert_eq!(selectors, [identity.clone(), identity.clone(), identity]);
}

/// casskop #321: the budget went and came anew with every change of it, and nodes were without one in between.
#[test]
fn a_changed_budget_is_changed_in_place() {
    let effects = applied(&json!({"team": "a"}), &json!({"maxPodUnavailable": 2}));
    let [Effect::ApplyDisruptionBudget(budget)] = &effects[..] else {
        panic!("{effects:?}")
    };
    let spec = serde_json::to_value(&budget.spec).unwrap();
    assert_eq!(spec["maxUnavailable"], 2);
}
