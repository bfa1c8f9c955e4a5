//! `CONFIG_FILE_DATA`: the cluster's configuration as the init container `config-builder` reads it.

use casskop_types::cluster::FreeForm;
use serde_json::{Map, Value, json};

use super::go_json;
use crate::validate::{PodSettings, ValidatedCluster, ValidatedRack};

const JVM_OPTIONS: &str = "jvm-options";
const JVM_SERVER_OPTIONS: &str = "jvm-server-options";

/// Who the node is, the user's configuration over that, and defaults where it says nothing.
pub(super) fn config_file_data(cluster: &ValidatedCluster, rack: &ValidatedRack, seeds: &str) -> String {
    let mut config = Map::new();
    merge(
        &mut config,
        object(json!({
            "cluster-info": { "name": cluster.name.as_str(), "seeds": seeds },
            "datacenter-info": { "name": rack.id.dc.as_str() },
        })),
    );
    let version = product_version(&cluster.pod);
    for layer in &rack.config {
        merge(&mut config, with_jvm_options_of(&version, layer));
    }
    let jvm_options = match &cluster.pod.server_version {
        // CassKop looks at the version in the spec here, and not at the image's tag as above.
        Some(version) if version.starts_with('4') => JVM_SERVER_OPTIONS,
        _ => JVM_OPTIONS,
    };
    let heap = Heap::of(cluster.pod.heap_memory_limit);
    fill_in(
        &mut config,
        "cassandra-yaml",
        json!({
            "read_request_timeout_in_ms": 5000,
            "write_request_timeout_in_ms": 5000,
            "counter_write_request_timeout_in_ms": 5000,
        }),
    );
    fill_in(&mut config, "logback-xml", json!({ "debuglog-enabled": false }));
    fill_in(
        &mut config,
        jvm_options,
        json!({
            "initial_heap_size": heap.initial,
            "max_heap_size": heap.max,
            "cassandra_ring_delay_ms": 30000,
            "jmx-connection-type": "remote-no-auth",
        }),
    );
    go_json::marshal(&Value::Object(config))
}

/// The seeds in a configuration made by [`config_file_data`].
pub(super) fn seeds_of(config_file_data: &str) -> Option<String> {
    let config: Value = serde_json::from_str(config_file_data).ok()?;
    config.pointer("/cluster-info/seeds")?.as_str().map(str::to_owned)
}

/// `PRODUCT_VERSION`: the version in the spec, else what the image's tag looks like. A tag such as `3.11.10-debian` counts as
/// version `3.11.10.0`, as in CassKop.
pub(super) fn product_version(pod: &PodSettings) -> String {
    if let Some(version) = &pod.server_version {
        return version.clone();
    }
    let Some((_, tag)) = pod.images.cassandra.rsplit_once(':') else {
        return String::new();
    };
    match tag.split_once('-') {
        Some((version, _)) => format!("{version}.0"),
        None => tag.to_owned(),
    }
}

/// Heap sizes in megabytes, for the JVM.
struct Heap {
    initial: String,
    max: String,
}

impl Heap {
    /// A quarter of the memory limit, and a quarter of that to begin with.
    fn of(memory_limit: Option<i128>) -> Self {
        match memory_limit {
            Some(bytes) => {
                let max = bytes / 4 / (1024 * 1024);
                Self {
                    initial: format!("{}M", max / 4),
                    max: format!("{max}M"),
                }
            }
            None => Self {
                initial: "512M".to_owned(),
                max: "2048M".to_owned(),
            },
        }
    }
}

/// Cassandra 4 split `jvm.options`; the options both JDKs share are now those of the server.
fn with_jvm_options_of(version: &str, layer: &FreeForm) -> FreeForm {
    let mut layer = layer.clone();
    if version.starts_with('4')
        && let Some(options) = layer.remove(JVM_OPTIONS)
    {
        layer.insert(JVM_SERVER_OPTIONS.to_owned(), options);
    }
    layer
}

/// Objects are merged key by key, anything else is replaced.
fn merge(under: &mut FreeForm, over: FreeForm) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Object(under)), Value::Object(over)) => merge(under, over),
            (_, value) => drop(under.insert(key, value)),
        }
    }
}

/// Sets what a section lacks or has as null. A section that is no object is left alone.
fn fill_in(config: &mut FreeForm, section: &str, defaults: Value) {
    let section = config.entry(section).or_insert(Value::Null);
    if section.is_null() {
        *section = json!({});
    }
    let Value::Object(section) = section else { return };
    for (key, default) in object(defaults) {
        let value = section.entry(key).or_insert(Value::Null);
        if value.is_null() {
            *value = default;
        }
    }
}

fn object(value: Value) -> FreeForm {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
