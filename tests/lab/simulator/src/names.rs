//! How pods and clusters are named, and what a pod's labels say of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ring::Location;

/// Label with the constant value [`APP`] on every pod of a Cassandra cluster.
const APP_LABEL: &str = "app";
const APP: &str = "cassandracluster";
const CLUSTER_LABEL: &str = "cassandracluster";
const DC_LABEL: &str = "cassandraclusters.db.orange.com.dc";
const RACK_LABEL: &str = "cassandraclusters.db.orange.com.rack";

/// A Cassandra cluster: its namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClusterId {
    /// Namespace.
    pub namespace: String,
    /// Name of the `CassandraCluster`.
    pub name: String,
}

impl ClusterId {
    /// A cluster by namespace and name.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A pod: its namespace and name. Successive pods of a `StatefulSet` share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodId {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl PodId {
    /// A pod by namespace and name.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for PodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The cluster and location a pod's labels give, or `None` for a pod that is no Cassandra node.
pub(crate) fn cassandra_node(
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Option<(ClusterId, Location)> {
    if labels.get(APP_LABEL).is_none_or(|app| app != APP) {
        return None;
    }
    let location = Location {
        dc: labels.get(DC_LABEL)?.clone(),
        rack: labels.get(RACK_LABEL)?.clone(),
    };
    Some((ClusterId::new(namespace, labels.get(CLUSTER_LABEL)?), location))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pods_with_a_cluster_a_dc_and_a_rack_are_nodes() {
        let mut labels: BTreeMap<String, String> = [
            (APP_LABEL, APP),
            (CLUSTER_LABEL, "demo"),
            (DC_LABEL, "dc1"),
            (RACK_LABEL, "rack1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let location = Location {
            dc: "dc1".to_owned(),
            rack: "rack1".to_owned(),
        };
        assert_eq!(
            cassandra_node("ns", &labels),
            Some((ClusterId::new("ns", "demo"), location))
        );
        labels.remove(RACK_LABEL);
        assert_eq!(cassandra_node("ns", &labels), None);
    }
}
