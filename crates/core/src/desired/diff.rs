//! Whether a stored StatefulSet is the wanted one. A difference of the pod template restarts every node of the rack, so only real
//! ones count.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Map, Value};

use super::{last_applied, server_defaults};
use crate::quantity::same_amount;

/// The fields of the pod template and the update strategy in which the stored StatefulSet differs from the wanted one, as in
/// `spec.template.spec.containers[cassandra].image`; `None` when in none. Counted are fields that are missing on either side;
/// not counted are what the API server fills in, other spellings of the same quantity, the order of what has names, and, on a
/// StatefulSet that CassKop wrote last, what neither CassKop nor this operator put there.
pub fn template_differs(desired: &StatefulSet, stored: &StatefulSet) -> Option<Vec<String>> {
    let memory = last_applied::of(stored).map(|made| (template(&made), update_strategy(&made)));
    let (made_template, made_strategy) = match &memory {
        Some((template, strategy)) => (Memory::Had(Some(template)), Memory::Had(Some(strategy))),
        None => (Memory::None, Memory::None),
    };
    let mut found = Vec::new();
    compare(
        "spec.template",
        &template(desired),
        &template(stored),
        made_template,
        &mut found,
    );
    compare(
        "spec.updateStrategy",
        &update_strategy(desired),
        &update_strategy(stored),
        made_strategy,
        &mut found,
    );
    (!found.is_empty()).then_some(found)
}

/// What is known of who put a stored field there.
#[derive(Clone, Copy)]
enum Memory<'a> {
    /// Nothing: all of it is the operator's.
    None,
    /// The last writer had this value, or had none.
    Had(Option<&'a Value>),
}

impl Memory<'_> {
    fn of_field(self, key: &str) -> Self {
        match self {
            Self::None => Self::None,
            Self::Had(value) => Self::Had(value.and_then(|value| value.get(key))),
        }
    }

    fn is_foreign(self) -> bool {
        matches!(self, Self::Had(None))
    }
}

/// The template as the API server stores it. It is idempotent, and so does no harm to one that was stored.
fn template(statefulset: &StatefulSet) -> Value {
    let mut template: PodTemplateSpec = statefulset
        .spec
        .as_ref()
        .map(|spec| spec.template.clone())
        .unwrap_or_default();
    server_defaults::fill_in(&mut template);
    if let Some(metadata) = &mut template.metadata {
        metadata.creation_timestamp = None;
    }
    without_empty(serde_json::to_value(template))
}

fn update_strategy(statefulset: &StatefulSet) -> Value {
    let mut strategy: StatefulSetUpdateStrategy = statefulset
        .spec
        .as_ref()
        .and_then(|spec| spec.update_strategy.clone())
        .unwrap_or_default();
    server_defaults::fill_in_update_strategy(&mut strategy);
    without_empty(serde_json::to_value(strategy))
}

/// Kubernetes' own types always have a JSON value: they have no maps but those keyed by texts.
fn without_empty(value: serde_json::Result<Value>) -> Value {
    let mut value = value.unwrap_or_default();
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

fn compare(path: &str, desired: &Value, stored: &Value, made: Memory<'_>, found: &mut Vec<String>) {
    match (desired, stored) {
        (Value::Object(desired), Value::Object(stored)) => {
            compare_objects(path, desired, stored, made, found);
        }
        (Value::Array(desired), Value::Array(stored)) => compare_lists(path, desired, stored, made, found),
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
    made: Memory<'_>,
    found: &mut Vec<String>,
) {
    let desired = desired.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let stored = stored.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let path_of = |key: &str| {
        if is_map(path) {
            format!("{path}[{key}]")
        } else {
            format!("{path}.{key}")
        }
    };
    compare_named(&desired, &stored, path_of, |key| made.of_field(key), found);
}

/// Lists of named things are compared by name, as Kubernetes merges them: a user who reorders sidecars asks for no restart.
fn compare_lists(path: &str, desired: &[Value], stored: &[Value], made: Memory<'_>, found: &mut Vec<String>) {
    if let Some(keys) = merge_keys(path)
        && let (Some(desired), Some(stored)) = (by_name(desired, keys), by_name(stored, keys))
    {
        let made_items = match made {
            Memory::Had(Some(Value::Array(items))) => by_name(items, keys).unwrap_or_default(),
            _ => BTreeMap::new(),
        };
        let memory_of = |name: &str| match made {
            Memory::None => Memory::None,
            Memory::Had(_) => Memory::Had(made_items.get(name).copied()),
        };
        let desired = desired
            .iter()
            .map(|(name, item)| (name.as_str(), *item))
            .collect();
        let stored = stored.iter().map(|(name, item)| (name.as_str(), *item)).collect();
        compare_named(
            &desired,
            &stored,
            |name| format!("{path}[{name}]"),
            memory_of,
            found,
        );
    } else if desired.len() == stored.len() {
        for (index, (desired, stored)) in desired.iter().zip(stored).enumerate() {
            let made = match made {
                Memory::None => Memory::None,
                Memory::Had(items) => Memory::Had(items.and_then(|items| items.get(index))),
            };
            compare(&format!("{path}[{index}]"), desired, stored, made, found);
        }
    } else {
        found.push(path.to_owned());
    }
}

type Named<'a> = BTreeMap<&'a str, &'a Value>;

fn compare_named<'m>(
    desired: &Named<'_>,
    stored: &Named<'_>,
    path_of: impl Fn(&str) -> String,
    memory_of: impl Fn(&str) -> Memory<'m>,
    found: &mut Vec<String>,
) {
    let mut names: Vec<&str> = desired.keys().chain(stored.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        match (desired.get(name), stored.get(name)) {
            (Some(desired), Some(stored)) => compare(&path_of(name), desired, stored, memory_of(name), found),
            (None, Some(_)) if memory_of(name).is_foreign() => {}
            // Of a map that only the last writer put there, some entries may be foreign.
            (None, Some(stored @ Value::Object(_))) if is_map(&path_of(name)) => {
                compare(
                    &path_of(name),
                    &Value::Object(Map::new()),
                    stored,
                    memory_of(name),
                    found,
                );
            }
            _ => found.push(path_of(name)),
        }
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
