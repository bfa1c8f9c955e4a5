//! Field by field what CassKop's operator generates. A line that changed would restart every node of every cluster that is taken
//! over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::tests::{new_statefulset, validated};
use super::{disruption_budget, services};
use crate::validate::ValidatedCluster;

const TABLE: &str = include_str!("fixtures/casskop-fields.yaml");

#[derive(Deserialize)]
struct Table {
    /// By the part of the StatefulSet: a spec, a path, a value.
    fields: BTreeMap<String, Vec<(Value, String, Value)>>,
    /// Of the Services and the budget: a path, a value.
    others: Vec<(String, Value)>,
}

fn table() -> Table {
    serde_yaml::from_str(TABLE).unwrap()
}

fn cluster(spec: &Value) -> ValidatedCluster {
    let metadata = "{name: demo, namespace: ns, uid: u, labels: {team: a}}";
    let head = "apiVersion: db.orange.com/v2\nkind: CassandraCluster";
    validated(&format!("{head}\nmetadata: {metadata}\nspec: {spec}\n"))
}

/// What is at a path: a thing of a list is given by its number or its name.
fn at<'a>(value: &'a Value, path: &str) -> &'a Value {
    let steps = path.split('/').filter(|step| !step.is_empty());
    steps.fold(value, |value, step| match value {
        Value::Array(items) => {
            let is_named = |item: &&Value| item["name"] == step || item["metadata"]["name"] == step;
            let numbered = step.parse().ok().and_then(|index: usize| items.get(index));
            let named = items.iter().find(is_named);
            numbered.or(named).unwrap_or(&Value::Null)
        }
        _ => &value[step],
    })
}

#[test]
fn every_field_of_a_statefulset_is_what_casskop_makes_it() {
    for (part, fields) in table().fields {
        for (spec, path, expected) in fields {
            let made = serde_json::to_value(new_statefulset(&cluster(&spec), "dc1-rack1")).unwrap();
            let path = format!("{part}/{path}");
            assert_eq!(*at(&made, &path), expected, "{path} of {spec}");
        }
    }
}

#[test]
fn the_services_and_the_budget_are_what_casskop_makes_them() {
    let spec = serde_json::json!({"maxPodUnavailable": 2, "service": {"annotations": {"external": "yes"}}});
    let cluster = cluster(&spec);
    let made = serde_json::to_value((services(&cluster), disruption_budget(&cluster))).unwrap();
    for (path, expected) in table().others {
        assert_eq!(*at(&made, &path), expected, "{path}");
    }
}
