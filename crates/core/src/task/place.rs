//! Which cluster and datacenter a task means. A datacenter is no object here, so its name is looked for in the clusters.

use casskop_types::CassandraCluster;
use casskop_types::names::{DcName, PodName};
use casskop_types::task::CassandraTask;
use casskop_types::task::labels::CLUSTER;
use k8s_openapi::api::core::v1::ObjectReference;

use crate::desired::defaults;

/// The cluster, by its place among those given, and the datacenter that a task means: `<dc>`, or `<cluster>-<dc>` where several
/// clusters of the namespace have one of that name. A task made for a cluster's names that in a label.
pub fn datacenter(task: &CassandraTask, clusters: &[CassandraCluster]) -> Result<(usize, DcName), String> {
    let reference = task.spec.datacenter.as_ref();
    let namespace = task.metadata.namespace.as_deref().unwrap_or_default();
    let wanted = reference
        .and_then(|reference| reference.name.as_deref())
        .unwrap_or_default();
    if wanted.is_empty() {
        return Err("name the datacenter in datacenter.name".to_owned());
    }
    own_namespace(reference, namespace, "datacenter")?;
    let labelled = task
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(CLUSTER));
    let named = |index: usize, cluster: &CassandraCluster| {
        let prefix = cluster.metadata.name.as_deref().unwrap_or_default();
        if labelled.is_some_and(|labelled| labelled != prefix) {
            return None;
        }
        let in_full = wanted
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('-'))
            .unwrap_or_default();
        let found = names(cluster)
            .into_iter()
            .find(|dc| *dc == wanted || *dc == in_full);
        found.and_then(|dc| dc.parse().ok()).map(|dc| (index, dc))
    };
    let found: Vec<(usize, DcName)> = clusters
        .iter()
        .enumerate()
        .filter_map(|(index, cluster)| named(index, cluster))
        .collect();
    match <[_; 1]>::try_from(found) {
        Ok([only]) => Ok(only),
        Err(none) if none.is_empty() => Err(format!("unknown datacenter {namespace}.{wanted}")),
        Err(several) => {
            let full = several.iter().filter_map(|(index, dc)| {
                let cluster = clusters.get(*index)?.metadata.name.as_deref()?;
                Some(format!("{cluster}-{dc}"))
            });
            let full: Vec<String> = full.collect();
            Err(format!(
                "several clusters have a datacenter {wanted}: write {}",
                full.join(" or ")
            ))
        }
    }
}

/// Owners are of the namespace of what they own.
pub(super) fn own_namespace(
    reference: Option<&ObjectReference>,
    namespace: &str,
    field: &str,
) -> Result<(), String> {
    match reference.and_then(|reference| reference.namespace.as_deref()) {
        Some(other) if !other.is_empty() && other != namespace => Err(format!(
            "{field}.namespace is {other}: a task is made in the namespace of its cluster, this one is in {namespace}"
        )),
        _ => Ok(()),
    }
}

/// Whether a datacenter has a rack of this name, and may have a pod of this one.
pub(super) fn may_hold(cluster: &CassandraCluster, dc: &str, rack: Option<&str>, pod: Option<&str>) -> bool {
    let topology = cluster.spec.topology.as_ref();
    let datacenters = topology
        .and_then(|topology| topology.dc.as_deref())
        .unwrap_or_default();
    let found = datacenters.iter().find(|known| known.name == dc);
    let racks = found.and_then(|dc| dc.rack.as_deref()).unwrap_or_default();
    let has_rack = |wanted: &str| match racks {
        [] => wanted == defaults::RACK,
        racks => racks.iter().any(|rack| rack.name == wanted),
    };
    let is_of = |pod: &str| {
        let pod = pod.parse::<PodName>();
        pod.is_ok_and(|pod| pod.rack.dc.as_str() == dc && has_rack(pod.rack.rack.as_str()))
    };
    rack.is_none_or(has_rack) && pod.is_none_or(is_of)
}

/// Names of a cluster's datacenters, in the order of its topology.
pub(super) fn names(cluster: &CassandraCluster) -> Vec<&str> {
    let topology = cluster
        .spec
        .topology
        .as_ref()
        .and_then(|topology| topology.dc.as_deref());
    match topology.unwrap_or_default() {
        [] => vec![defaults::DC],
        datacenters => datacenters.iter().map(|dc| dc.name.as_str()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cluster(name: &str, datacenters: &[&str]) -> CassandraCluster {
        let dc: Vec<_> = datacenters.iter().map(|name| json!({ "name": name })).collect();
        serde_json::from_value(json!({
            "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
            "metadata": { "name": name, "namespace": "prod" },
            "spec": { "topology": { "dc": dc } },
        }))
        .unwrap()
    }

    fn find(name: &str, namespace: Option<&str>, label: Option<&str>) -> Result<(usize, String), String> {
        let clusters = [
            cluster("demo", &["dc1", "dc2"]),
            cluster("shop", &["dc1"]),
            cluster("new", &[]),
        ];
        let labels = label.map(|label| json!({ "cassandra.datastax.com/cluster": label }));
        let task: CassandraTask = serde_json::from_value(json!({
            "apiVersion": "control.k8ssandra.io/v1alpha1", "kind": "CassandraTask",
            "metadata": { "name": "t", "namespace": "prod", "labels": labels },
            "spec": { "datacenter": { "name": name, "namespace": namespace } },
        }))
        .unwrap();
        datacenter(&task, &clusters).map(|(index, dc)| (index, dc.to_string()))
    }

    #[test]
    fn a_datacenter_is_found_by_its_name_or_with_its_clusters() {
        for (name, namespace, found) in [
            ("dc2", None, (0, "dc2")),
            ("demo-dc1", Some("prod"), (0, "dc1")),
            ("shop-dc1", Some(""), (1, "dc1")),
            ("new-dc1", None, (2, "dc1")),
        ] {
            assert_eq!(
                find(name, namespace, None),
                Ok((found.0, found.1.to_owned())),
                "{name}"
            );
        }
    }

    #[test]
    fn a_task_made_for_a_cluster_means_that_one() {
        assert_eq!(find("dc1", None, Some("shop")), Ok((1, "dc1".to_owned())));
    }

    #[test]
    fn a_datacenter_that_is_none_or_several_is_refused() {
        for (name, namespace, why) in [
            ("dc4", None, "unknown datacenter prod.dc4"),
            ("shop-dc2", None, "unknown datacenter prod.shop-dc2"),
            (
                "dc1",
                None,
                "several clusters have a datacenter dc1: write demo-dc1 or shop-dc1 or new-dc1",
            ),
            (
                "dc2",
                Some("test"),
                "datacenter.namespace is test: a task is made in the namespace of its cluster, this one is in prod",
            ),
            ("", None, "name the datacenter in datacenter.name"),
        ] {
            assert_eq!(find(name, namespace, None), Err(why.to_owned()));
        }
        assert_eq!(
            find("dc2", None, Some("shop")),
            Err("unknown datacenter prod.dc2".to_owned())
        );
    }
}
