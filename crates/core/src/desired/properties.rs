//! What holds for the objects of any cluster that validates.

use std::collections::{BTreeMap, BTreeSet};

use casskop_types::CassandraCluster;
use casskop_types::cluster::{CassandraClusterSpec, JmxConfiguration, SecretReference, StorageConfig};
use casskop_types::names::STATEFUL_SET_NAME_MAX;
use casskop_types::topology::{Datacenter, Rack, Topology};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::EnvVar;
use proptest::option::of as maybe;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{again, new_statefulset};
use super::*;
use crate::validate::validate;

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    proptest::collection::btree_map("[a-z]{1,3}(\\.x/[a-z]{1,3})?", "[a-z0-9]{0,3}", 0..3)
}

fn variables() -> impl Strategy<Value = Vec<EnvVar>> {
    let names = prop_oneof![
        Just("CASSANDRA_SEEDS"),
        Just("POD_IP"),
        Just("JVM_OPTS"),
        Just("MINE"),
        Just("A")
    ];
    let variable = (names, maybe("[a-z<&> ]{0,4}")).prop_map(|(name, value)| EnvVar {
        name: name.to_owned(),
        value,
        value_from: None,
    });
    proptest::collection::vec(variable, 0..4)
}

fn config() -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no other numbers", |number| number.is_finite())
            .prop_map(Value::from),
        "[ -~é\u{2028}]{0,6}".prop_map(Value::from),
    ];
    let section = prop_oneof![
        Just(Value::Null),
        proptest::collection::btree_map("[a-z_]{1,6}", leaf, 0..3).prop_map(|section| json!(section)),
    ];
    let name = prop_oneof![
        Just("cassandra-yaml"),
        Just("jvm-options"),
        Just("jvm-server-options"),
        Just("logback-xml")
    ];
    proptest::collection::btree_map(name.prop_map(str::to_owned), section, 0..3)
        .prop_map(|sections| sections.into_iter().collect())
}

fn topology() -> impl Strategy<Value = Topology> {
    let rack = (labels(), maybe(config()), maybe(0..3_i32));
    let dc = (
        labels(),
        maybe(config()),
        maybe(0..4_i32),
        maybe(Just("5Gi".to_owned())),
        proptest::collection::vec(rack, 0..5),
    );
    proptest::collection::vec(dc, 0..3).prop_map(|dcs| {
        let dc = dcs.into_iter().enumerate().map(
            |(index, (labels, config, nodes_per_racks, data_capacity, racks))| {
                let rack =
                    racks
                        .into_iter()
                        .enumerate()
                        .map(|(index, (labels, config, rolling_partition))| Rack {
                            name: format!("r{index}"),
                            labels: Some(labels),
                            config,
                            rolling_partition,
                            ..Rack::default()
                        });
                Datacenter {
                    name: format!("dc{index}"),
                    labels: Some(labels),
                    config,
                    nodes_per_racks,
                    data_capacity,
                    rack: Some(rack.collect()),
                    ..Datacenter::default()
                }
            },
        );
        Topology {
            dc: Some(dc.collect()),
        }
    })
}

fn storage() -> impl Strategy<Value = Vec<StorageConfig>> {
    let path = prop_oneof![Just("/var/log/cassandra"), Just("/tmp"), Just("/extra")];
    maybe(path).prop_map(|path| {
        path.map(|path| StorageConfig {
            name: "other".to_owned(),
            mount_path: path.to_owned(),
            ..StorageConfig::default()
        })
        .into_iter()
        .collect()
    })
}

prop_compose! {
    fn spec()(
        nodes_per_racks in maybe(1..5_i32),
        data_capacity in maybe(Just("10Gi".to_owned())),
        server_version in maybe(prop_oneof![Just("3.11.9"), Just("4.0.1"), Just("5.0.2")]),
        image in maybe(prop_oneof![Just("cassandra"), Just("r:5/cassandra:4.1-x"), Just("dse:6.8")]),
        env_vars in maybe(variables()),
        bootstrap_environment in maybe(variables()),
        config in maybe(config()),
        topology in maybe(topology()),
        storage in storage(),
        secret in maybe("[a-z]{0,3}"),
        hooks in maybe("[a-z]{0,3}"),
        back_rest in maybe(any::<bool>()),
        hard_anti_affinity in maybe(any::<bool>()),
        port in maybe(0..2_i32),
        threshold in maybe(0..3_i32),
    ) -> CassandraClusterSpec {
        CassandraClusterSpec {
            nodes_per_racks,
            storage_configs: data_capacity.is_some().then_some(storage),
            data_capacity,
            server_version: server_version.map(str::to_owned),
            cassandra_image: image.map(str::to_owned),
            env_vars,
            config,
            topology,
            image_jolokia_secret: Some(SecretReference { name: secret }),
            config_map_name: hooks,
            back_rest_sidecar: Some(casskop_types::cluster::BackRestSidecar {
                enabled: back_rest,
                env_vars: bootstrap_environment,
                ..Default::default()
            }),
            hard_anti_affinity,
            jmx_configuration: port.map(|port| JmxConfiguration {
                jmx_remote_port: Some(port),
                ..JmxConfiguration::default()
            }),
            liveness_failure_threshold: threshold,
            ..CassandraClusterSpec::default()
        }
    }
}

fn cluster(spec: CassandraClusterSpec) -> ValidatedCluster {
    let mut object = CassandraCluster::new("demo", spec);
    object.metadata.namespace = Some("ns".to_owned());
    object.metadata.uid = Some("u".to_owned());
    validate(&object).unwrap()
}

/// Every volume a container mounts is there, and no path has two.
fn mounts_are_sound(statefulset: &StatefulSet) -> bool {
    let spec = statefulset.spec.as_ref().unwrap();
    let pod = spec.template.spec.as_ref().unwrap();
    let claims = spec
        .volume_claim_templates
        .iter()
        .flatten()
        .filter_map(|claim| claim.metadata.name.clone());
    let volumes = pod.volumes.iter().flatten().map(|volume| volume.name.clone());
    let there: BTreeSet<String> = claims.chain(volumes).collect();
    pod.containers
        .iter()
        .chain(pod.init_containers.iter().flatten())
        .all(|container| {
            let mounts = container.volume_mounts.as_deref().unwrap_or_default();
            let paths: BTreeSet<&String> = mounts.iter().map(|mount| &mount.mount_path).collect();
            paths.len() == mounts.len() && mounts.iter().all(|mount| there.contains(&mount.name))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_made_again_from_what_is_there_is_the_same(spec in spec()) {
        let cluster = cluster(spec);
        for rack in &cluster.racks {
            let made = new_statefulset(&cluster, &rack.id.to_string());
            let written = serde_json::to_value(&made).unwrap();
            let stored: StatefulSet = serde_json::from_value(written).unwrap();
            prop_assert_eq!(diff::template_differs(&made, &stored), None);
            prop_assert_eq!(diff::template_differs(&again(&cluster, &stored, None), &stored), None);
            let restarted = again(&cluster, &stored, Some("20261121T080102"));
            prop_assert_eq!(
                diff::template_differs(&restarted, &stored),
                Some(vec!["spec.template.metadata.labels[rolling-restart]".to_owned()])
            );
        }
    }

    #[test]
    fn pods_can_be_made(spec in spec()) {
        let cluster = cluster(spec);
        for rack in &cluster.racks {
            let made = new_statefulset(&cluster, &rack.id.to_string());
            prop_assert!(made.metadata.name.as_ref().unwrap().len() <= STATEFUL_SET_NAME_MAX);
            prop_assert!(mounts_are_sound(&made), "{:?}", made.spec.unwrap().template.spec);
            let pod = made.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
            for name in [defaults::CASSANDRA, defaults::BOOTSTRAP] {
                let environment = defaults::container(pod, name).unwrap().env.as_ref().unwrap();
                prop_assert!(environment.is_sorted_by(|one, other| one.name < other.name), "{name}");
            }
            let builder = defaults::container(pod, defaults::CONFIG_BUILDER).unwrap();
            let config = builder.env.as_ref().unwrap()[0].value.as_ref().unwrap();
            let config: Value = serde_json::from_str(config).unwrap();
            prop_assert_eq!(&config["datacenter-info"]["name"], rack.id.dc.as_str());
        }
    }

    #[test]
    fn a_datacenter_has_at_most_three_seeds(spec in spec()) {
        let cluster = cluster(spec);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for seed in seeds::initial(&cluster) {
            let pod: casskop_types::names::PodName = seed.split('.').next().unwrap().parse().unwrap();
            prop_assert!(cluster.rack(&pod.rack).is_some());
            *counts.entry(pod.rack.dc.to_string()).or_default() += 1;
        }
        prop_assert!(counts.values().all(|count| *count <= 3), "{counts:?}");
    }
}
