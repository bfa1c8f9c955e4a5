//! Environment variables of the containers.

use std::collections::BTreeMap;

use casskop_types::cluster::JmxConfiguration;
use casskop_types::labels;
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, SecretKeySelector};

use super::config;
use crate::validate::{PodSettings, ValidatedCluster, ValidatedRack};

/// The configuration, as JSON.
pub(super) const CONFIG_FILE_DATA: &str = "CONFIG_FILE_DATA";
/// The seed list, separated by commas.
pub(super) const CASSANDRA_SEEDS: &str = "CASSANDRA_SEEDS";

/// Of the init container `config-builder`, in CassKop's order.
pub(super) fn of_config_builder(
    cluster: &ValidatedCluster,
    rack: &ValidatedRack,
    seeds: &[String],
) -> Vec<EnvVar> {
    vec![
        value(
            "CONFIG_FILE_DATA",
            config::config_file_data(cluster, rack, &seeds.join(",")),
        ),
        value("CONFIG_OUTPUT_DIRECTORY", "/bootstrap"),
        label("RACK_NAME", labels::RACK),
        value("PRODUCT_NAME", cluster.pod.product_name.clone()),
        value("PRODUCT_VERSION", config::product_version(&cluster.pod)),
        field("POD_IP", "status.podIP"),
        field("HOST_IP", "status.hostIP"),
    ]
}

/// Of the init container `bootstrap`, and of every container but Cassandra's after its own.
pub(super) fn of_bootstrap(cluster: &ValidatedCluster, seeds: &[String]) -> Vec<EnvVar> {
    let mut variables = vec![
        value("CASSANDRA_CLUSTER_NAME", cluster.name.as_str()),
        value(CASSANDRA_SEEDS, seeds.join(",")),
        label("CASSANDRA_DC", labels::DC),
        label("CASSANDRA_RACK", labels::RACK),
    ];
    variables.extend(shared(&cluster.pod));
    variables.extend(cluster.pod.bootstrap_environment.iter().cloned());
    sorted(variables)
}

/// Of Cassandra's container.
pub(super) fn of_cassandra(pod: &PodSettings) -> Vec<EnvVar> {
    let mut variables = shared(pod);
    // nodetool cannot parse its own JMX address with a JDK that validates it (CASSANDRA-17581).
    variables.push(value("JAVA_TOOL_OPTIONS", "-Dcom.sun.jndi.rmiURLParsing=legacy"));
    let jmx = pod
        .jmx
        .as_ref()
        .map(jvm_opts)
        .filter(|options| !options.is_empty());
    variables.extend(jmx.map(|options| value("JVM_OPTS", options)));
    variables.extend(pod.environment.iter().cloned());
    sorted(variables)
}

fn shared(pod: &PodSettings) -> Vec<EnvVar> {
    let mut variables = vec![
        field("POD_IP", "status.podIP"),
        value("CASSANDRA_LOG_DIR", "/var/log/cassandra"),
    ];
    if let Some(secret) = &pod.jolokia_secret {
        variables.push(secret_key("JOLOKIA_USER", secret, "username"));
        variables.push(secret_key("JOLOKIA_PASSWORD", secret, "password"));
        variables.push(value("CASSANDRA_AUTH_JOLOKIA", "true"));
    }
    variables
}

/// One variable of each name, the last one given, sorted by name.
fn sorted(variables: Vec<EnvVar>) -> Vec<EnvVar> {
    let by_name: BTreeMap<String, EnvVar> = variables
        .into_iter()
        .map(|variable| (variable.name.clone(), variable))
        .collect();
    by_name.into_values().collect()
}

/// Each option is followed by a blank.
fn jvm_opts(jmx: &JmxConfiguration) -> String {
    let flag = |value: Option<bool>| value.map(|value| value.to_string());
    let port = |value: Option<i32>| value.filter(|port| *port != 0).map(|port| port.to_string());
    let options = [
        ("jmxremote", flag(jmx.jmx_remote_enable)),
        ("jmxremote.ssl", flag(jmx.jmx_remote_ssl)),
        ("jmxremote.authenticate", flag(jmx.jmx_remote_authenticate)),
        ("jmxremote.port", port(jmx.jmx_remote_port)),
        ("jmxremote.rmi.port", port(jmx.jmx_remote_rmi_port)),
    ];
    options
        .into_iter()
        .filter_map(|(option, value)| Some(format!("-Dcom.sun.management.{option}={} ", value?)))
        .collect()
}

fn value(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.into()),
        value_from: None,
    }
}

fn label(name: &str, label: &str) -> EnvVar {
    field(name, &format!("metadata.labels['{label}']"))
}

fn field(name: &str, path: &str) -> EnvVar {
    let source = EnvVarSource {
        field_ref: Some(ObjectFieldSelector {
            api_version: Some("v1".to_owned()),
            field_path: path.to_owned(),
        }),
        ..EnvVarSource::default()
    };
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(source),
    }
}

fn secret_key(name: &str, secret: &str, key: &str) -> EnvVar {
    let source = EnvVarSource {
        secret_key_ref: Some(SecretKeySelector {
            name: secret.to_owned(),
            key: key.to_owned(),
            optional: None,
        }),
        ..EnvVarSource::default()
    };
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(source),
    }
}
