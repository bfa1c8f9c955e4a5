//! Whether a stored pod template is the wanted one. A difference restarts every node of the rack, so only real ones count.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Map, Value};

use super::server_defaults;
use crate::quantity::same_amount;

/// The fields in which the stored template differs from the wanted one, as in
/// `spec.template.spec.containers[cassandra].image`; `None` when in none. Counted are fields that are missing on either side;
/// not counted are what the API server fills in, other spellings of the same quantity, and the order of what has names.
pub fn template_differs(desired: &StatefulSet, stored: &StatefulSet) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let (desired, stored) = (normalized(desired), normalized(stored));
    compare("spec.template", &desired, &stored, &mut found);
    (!found.is_empty()).then_some(found)
}

/// The template as the API server stores it. It is idempotent, and so does no harm to one that was stored.
fn normalized(statefulset: &StatefulSet) -> Value {
    let mut template: PodTemplateSpec = statefulset
        .spec
        .as_ref()
        .map(|spec| spec.template.clone())
        .unwrap_or_default();
    server_defaults::fill_in(&mut template);
    if let Some(metadata) = &mut template.metadata {
        metadata.creation_timestamp = None;
    }
    let mut value = serde_json::to_value(template).unwrap_or_default();
    drop_empty(&mut value);
    value
}

/// Drops nulls, and texts, lists and objects that are empty or become so: the API server stores the one or the other.
fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(drop_empty);
            object.retain(|_, value| !is_empty(value));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn compare(path: &str, desired: &Value, stored: &Value, found: &mut Vec<String>) {
    match (desired, stored) {
        (Value::Object(desired), Value::Object(stored)) => compare_objects(path, desired, stored, found),
        (Value::Array(desired), Value::Array(stored)) => compare_lists(path, desired, stored, found),
        _ if desired == stored => {}
        (Value::String(desired), Value::String(stored))
            if is_quantity(path) && same_amount(desired, stored) => {}
        _ => found.push(path.to_owned()),
    }
}

fn compare_objects(
    path: &str,
    desired: &Map<String, Value>,
    stored: &Map<String, Value>,
    found: &mut Vec<String>,
) {
    let mut keys: Vec<&String> = desired.keys().chain(stored.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let path = if is_map(path) {
            format!("{path}[{key}]")
        } else {
            format!("{path}.{key}")
        };
        match (desired.get(key), stored.get(key)) {
            (Some(desired), Some(stored)) => compare(&path, desired, stored, found),
            _ => found.push(path),
        }
    }
}

/// Lists of named things are compared by name, as Kubernetes merges them: a user who reorders sidecars asks for no restart.
fn compare_lists(path: &str, desired: &[Value], stored: &[Value], found: &mut Vec<String>) {
    if let Some(keys) = merge_keys(path)
        && let (Some(desired), Some(stored)) = (by_name(desired, keys), by_name(stored, keys))
    {
        let mut names: Vec<&String> = desired.keys().chain(stored.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let path = format!("{path}[{name}]");
            match (desired.get(name), stored.get(name)) {
                (Some(desired), Some(stored)) => compare(&path, desired, stored, found),
                _ => found.push(path),
            }
        }
    } else if desired.len() == stored.len() {
        for (index, (desired, stored)) in desired.iter().zip(stored).enumerate() {
            compare(&format!("{path}[{index}]"), desired, stored, found);
        }
    } else {
        found.push(path.to_owned());
    }
}

/// By which fields things of a list are told apart.
fn merge_keys(path: &str) -> Option<&'static [&'static str]> {
    match path.rsplit('.').next()? {
        "containers" | "env" | "volumes" | "imagePullSecrets" => Some(&["name"]),
        "volumeMounts" => Some(&["mountPath"]),
        "ports" => Some(&["containerPort", "protocol"]),
        _ => None,
    }
}

/// The things by name, or `None` when two have the same one (as a sidecar's own variable and one of `bootstrap` may).
fn by_name<'a>(items: &'a [Value], keys: &[&str]) -> Option<BTreeMap<String, &'a Value>> {
    let mut named = BTreeMap::new();
    for item in items {
        let parts: Vec<String> = keys.iter().map(|key| text(&item[*key])).collect();
        if named.insert(parts.join("/"), item).is_some() {
            return None;
        }
    }
    Some(named)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether an object's keys are data, and may have dots.
fn is_map(path: &str) -> bool {
    [
        ".labels",
        ".annotations",
        ".matchLabels",
        ".limits",
        ".requests",
        ".nodeSelector",
    ]
    .iter()
    .any(|end| path.ends_with(end))
}

fn is_quantity(path: &str) -> bool {
    path.contains(".limits[") || path.contains(".requests[") || path.ends_with(".divisor")
}

#[cfg(test)]
mod tests;
