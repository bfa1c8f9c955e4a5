//! Whole objects, as CassKop makes them.

use casskop_types::CassandraCluster;
use k8s_openapi::api::apps::v1::StatefulSet;

use super::*;
use crate::validate::validate;

pub(super) const MINIMAL: &str = include_str!("fixtures/minimal.yaml");
pub(super) const TWO_DATACENTERS: &str = include_str!("fixtures/two-datacenters.yaml");
pub(super) const EVERYTHING: &str = include_str!("fixtures/everything.yaml");

pub(super) fn validated(yaml: &str) -> ValidatedCluster {
    let cluster: CassandraCluster = serde_yaml::from_str(yaml).unwrap();
    validate(&cluster).unwrap()
}

/// The StatefulSet of a rack of a new cluster.
pub(super) fn new_statefulset(cluster: &ValidatedCluster, rack: &str) -> StatefulSet {
    let rack = cluster.rack(&rack.parse().unwrap()).unwrap();
    let seeds = seeds::initial(cluster);
    statefulset(
        cluster,
        rack,
        &TemplateInputs {
            seeds: &seeds,
            restart: None,
            replicas: 1,
            stored: None,
        },
    )
}

/// The same StatefulSet when it is made again from what is there.
pub(super) fn again(cluster: &ValidatedCluster, stored: &StatefulSet, restart: Option<&str>) -> StatefulSet {
    let name = stored.metadata.name.as_deref().unwrap();
    let rack = cluster
        .racks
        .iter()
        .find(|rack| cluster.stateful_set_name(&rack.id) == name)
        .unwrap();
    let seeds = seeds::of_statefulset(cluster, stored);
    statefulset(
        cluster,
        rack,
        &TemplateInputs {
            seeds: &seeds,
            restart,
            replicas: 1,
            stored: Some(stored),
        },
    )
}

#[test]
fn statefulset_of_a_cluster_that_says_nothing() {
    insta::assert_yaml_snapshot!(new_statefulset(&validated(MINIMAL), "dc1-rack1"));
}

#[test]
fn statefulset_of_a_rack_with_labels_and_configuration() {
    insta::assert_yaml_snapshot!(new_statefulset(&validated(TWO_DATACENTERS), "dc1-rack2"));
}

#[test]
fn statefulset_of_a_datacenter_with_its_own_size() {
    insta::assert_yaml_snapshot!(new_statefulset(&validated(TWO_DATACENTERS), "dc2-rack1"));
}

#[test]
fn statefulset_of_a_cluster_that_says_everything() {
    insta::assert_yaml_snapshot!(new_statefulset(&validated(EVERYTHING), "dc1-rack1"));
}

#[test]
fn services_and_budget() {
    let cluster = validated(EVERYTHING);
    insta::assert_yaml_snapshot!((services(&cluster), disruption_budget(&cluster)));
}

#[test]
fn what_is_there_keeps_its_selector_labels_and_claims() {
    let cluster = validated(TWO_DATACENTERS);
    let stored = {
        let mut stored = new_statefulset(&cluster, "dc1-rack1");
        stored.metadata.uid = Some("0b7a".to_owned());
        stored.metadata.resource_version = Some("42".to_owned());
        let annotations = [("banzaicloud.com/last-applied", "UEsDB"), ("theirs", "kept")];
        stored.metadata.annotations = Some(
            annotations
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        );
        let spec = stored.spec.as_mut().unwrap();
        spec.revision_history_limit = Some(3);
        let labels = spec.template.metadata.as_mut().unwrap().labels.as_mut().unwrap();
        labels.insert("rolling-restart".to_owned(), "20200101T000000".to_owned());
        stored
    };
    let mut relabelled = cluster;
    relabelled.labels = [("team".to_owned(), "storage".to_owned())].into();
    relabelled.racks[0].data = None;

    let made = again(&relabelled, &stored, None);
    assert_eq!(diff::template_differs(&made, &stored), None);
    let (before, after) = (stored.spec.as_ref().unwrap(), made.spec.as_ref().unwrap());
    assert_eq!(before.selector, after.selector);
    assert_eq!(before.volume_claim_templates, after.volume_claim_templates);
    assert_eq!(before.revision_history_limit, after.revision_history_limit);
    assert_eq!(before.template.metadata, after.template.metadata);
    assert_eq!(made.metadata.uid, stored.metadata.uid);
    assert_eq!(made.metadata.resource_version, stored.metadata.resource_version);
    assert_eq!(made.metadata.owner_references.as_ref().unwrap().len(), 1);
    let annotations: Vec<&String> = made.metadata.annotations.as_ref().unwrap().keys().collect();
    assert_eq!(annotations, ["theirs"]);

    let restarted = again(&relabelled, &stored, Some("20261121T080102"));
    let labels = restarted.spec.unwrap().template.metadata.unwrap().labels.unwrap();
    assert_eq!(labels["rolling-restart"], "20261121T080102");
    assert_eq!(labels["cluster"], "k8s.pic");
}

#[test]
fn data_that_a_datacenter_alone_sizes_is_mounted_in_new_statefulsets_only() {
    let yaml = r"
apiVersion: db.orange.com/v2
kind: CassandraCluster
metadata: {name: demo, namespace: cassandra, uid: 3f0c}
spec: {topology: {dc: [{name: dc1, dataCapacity: 1Gi}]}}
";
    let cluster = validated(yaml);
    let mounts = |statefulset: &StatefulSet| -> usize {
        let pod = statefulset.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
        let mounts = pod
            .containers
            .iter()
            .flat_map(|container| container.volume_mounts.iter().flatten());
        mounts
            .filter(|mount| mount.mount_path == "/var/lib/cassandra")
            .count()
    };
    let mut stored = new_statefulset(&cluster, "dc1-rack1");
    assert_eq!(mounts(&stored), 2, "Cassandra and backups");
    assert_eq!(mounts(&again(&cluster, &stored, None)), 2);

    let pod = stored.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    for container in &mut pod.containers {
        container
            .volume_mounts
            .as_mut()
            .unwrap()
            .retain(|mount| mount.name != "data");
    }
    assert_eq!(mounts(&again(&cluster, &stored, None)), 0, "as CassKop left it");
}

#[test]
fn a_cluster_first_seen_keeps_what_it_runs() {
    let cluster: CassandraCluster = serde_yaml::from_str(MINIMAL).unwrap();
    let fresh = defaults::pin(&cluster, None);
    assert_eq!(fresh.cassandra_image.as_deref(), Some(defaults::CASSANDRA_IMAGE));
    assert_eq!(fresh.without_limits, None);

    let mut stored = new_statefulset(&validated(MINIMAL), "dc1-rack1");
    let pod = stored.spec.as_mut().unwrap().template.spec.as_mut().unwrap();
    for container in pod
        .containers
        .iter_mut()
        .chain(pod.init_containers.iter_mut().flatten())
    {
        let name = if container.name == "base-config-builder" {
            "cassandra"
        } else {
            &container.name
        };
        container.image = Some(format!("theirs/{name}:1"));
        if container.name == "cassandra" {
            container.resources = serde_yaml::from_str("requests: {cpu: 1}").unwrap();
        }
    }
    let mut adopted = cluster;
    adopted.spec.resources = serde_yaml::from_str("requests: {cpu: 1}").unwrap();
    adopted.status = Some(casskop_types::CassandraClusterStatus {
        pinned: Some(defaults::pin(&adopted, Some(&stored))),
        ..Default::default()
    });
    assert_eq!(
        diff::template_differs(&again(&validate(&adopted).unwrap(), &stored, None), &stored)
            .unwrap_or_default(),
        // The tag of Cassandra's image is where its version comes from.
        ["spec.template.spec.initContainers[1].env[PRODUCT_VERSION].value"]
    );
    adopted.spec.cassandra_image = Some("cassandra:4.1.4".to_owned());
    assert_eq!(
        validate(&adopted).unwrap().pod.images.cassandra,
        "cassandra:4.1.4",
        "the spec wins"
    );
}
