//! The configuration as the configuration builder gets it.

use rstest::rstest;

use super::*;
use crate::validate::validate;

fn cluster(spec: &str) -> ValidatedCluster {
    let yaml = format!(
        "apiVersion: db.orange.com/v2\nkind: CassandraCluster\nmetadata: {{name: cassandra-demo, namespace: ns, uid: u}}\nspec: {spec}\n"
    );
    validate(&serde_yaml::from_str(&yaml).unwrap()).unwrap()
}

fn data(spec: &str) -> String {
    let cluster = cluster(spec);
    config_file_data(&cluster, &cluster.racks[0], "s1,s2")
}

#[test]
fn a_spec_that_says_nothing_gets_the_defaults() {
    assert_eq!(
        data("{cassandraImage: 'cassandra:3.11.7', resources: {limits: {memory: 2Gi}}}"),
        r#"{"cassandra-yaml":{"counter_write_request_timeout_in_ms":5000,"read_request_timeout_in_ms":5000,"write_request_timeout_in_ms":5000},"cluster-info":{"name":"cassandra-demo","seeds":"s1,s2"},"datacenter-info":{"name":"dc1"},"jvm-options":{"cassandra_ring_delay_ms":30000,"initial_heap_size":"128M","jmx-connection-type":"remote-no-auth","max_heap_size":"512M"},"logback-xml":{"debuglog-enabled":false}}"#
    );
}

#[test]
fn the_rack_wins_over_the_datacenter_and_that_over_the_cluster() {
    let spec = r#"{serverVersion: 3.11.9,
        config: {cassandra-yaml: {a: 1, b: 1, c: 1, list: [1, 2], read_request_timeout_in_ms: 10000}, jvm-options: {max_heap_size: 4G}},
        topology: {dc: [{name: dc1, config: {cassandra-yaml: {b: 2, c: 2, list: [3]}, jvm-options: {resize_tlb: "true"}},
            rack: [{name: rack1, config: {cassandra-yaml: {c: 3}, cluster-info: {name: mine}}}]}]}}"#;
    let config: Value = serde_json::from_str(&data(spec)).unwrap();
    assert_eq!(
        config["cassandra-yaml"],
        json!({"a": 1, "b": 2, "c": 3, "list": [3], "read_request_timeout_in_ms": 10000,
            "write_request_timeout_in_ms": 5000, "counter_write_request_timeout_in_ms": 5000})
    );
    assert_eq!(config["cluster-info"], json!({"name": "mine", "seeds": "s1,s2"}));
    assert_eq!(
        config["jvm-options"],
        json!({"max_heap_size": "4G", "resize_tlb": "true", "initial_heap_size": "512M",
            "cassandra_ring_delay_ms": 30000, "jmx-connection-type": "remote-no-auth"})
    );
}

/// The user's block moves by the version found in spec or image, the defaults by the spec's alone.
#[rstest]
#[case::three("{serverVersion: 3.11.9, config: {jvm-options: {x: 1}}}", &["jvm-options"])]
#[case::four("{serverVersion: 4.0.1, config: {jvm-options: {x: 1}}}", &["jvm-server-options"])]
#[case::four_by_image("{cassandraImage: 'cassandra:4.1', config: {jvm-options: {x: 1}}}", &["jvm-options", "jvm-server-options"])]
#[case::five("{serverVersion: 5.0.2, config: {jvm-server-options: {x: 1}}}", &["jvm-options", "jvm-server-options"])]
fn jvm_options_are_under_the_key_of_their_version(#[case] spec: &str, #[case] keys: &[&str]) {
    let config: FreeForm = serde_json::from_str(&data(spec)).unwrap();
    let found: Vec<&str> = config
        .keys()
        .map(String::as_str)
        .filter(|key| key.starts_with("jvm"))
        .collect();
    assert_eq!(found, keys);
}

#[test]
fn null_stands_for_the_default_and_other_values_stay() {
    let spec = "{config: {logback-xml: null, cassandra-yaml: {read_request_timeout_in_ms: null, x: null}, jvm-options: off}}";
    let config: Value = serde_json::from_str(&data(spec)).unwrap();
    assert_eq!(config["logback-xml"], json!({"debuglog-enabled": false}));
    assert_eq!(config["cassandra-yaml"]["read_request_timeout_in_ms"], 5000);
    assert_eq!(config["cassandra-yaml"]["x"], Value::Null);
    assert_eq!(config["jvm-options"], "off");
}

#[rstest]
#[case::spec("{serverVersion: 6.8.4, cassandraImage: 'cassandra:4.1'}", "6.8.4")]
#[case::tag("{cassandraImage: 'registry:5000/repo/cassandra:3.11.10'}", "3.11.10")]
#[case::suffix("{cassandraImage: 'cassandra:3.11.10-debian-11'}", "3.11.10.0")]
#[case::no_tag("{cassandraImage: cassandra}", "")]
fn the_version_is_the_specs_or_the_tags(#[case] spec: &str, #[case] version: &str) {
    assert_eq!(product_version(&cluster(spec).pod), version);
}

#[rstest]
#[case::a_quarter("{resources: {limits: {memory: 2Gi}}}", "512M", "128M")]
#[case::rounded_down("{resources: {limits: {memory: 3G}}}", "715M", "178M")]
#[case::limits_equal_requests("{resources: {requests: {memory: 8Gi}}}", "2048M", "512M")]
#[case::unlimited("{resources: {limits: {cpu: 1}}}", "2048M", "512M")]
#[case::datacenter_does_not_count(
    "{topology: {dc: [{name: dc1, resources: {limits: {memory: 64Gi}}}]}}",
    "2048M",
    "512M"
)]
fn the_heap_follows_the_clusters_memory_limit(#[case] spec: &str, #[case] max: &str, #[case] initial: &str) {
    let config: Value = serde_json::from_str(&data(spec)).unwrap();
    assert_eq!(config["jvm-options"]["max_heap_size"], max);
    assert_eq!(config["jvm-options"]["initial_heap_size"], initial);
}
