//! Which cluster: its namespace and name.

use std::fmt;

use casskop_types::cluster::CassandraCluster;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::ObjectRef;

/// A cluster object that may not be readable. One that somebody broke (`nodesPerRacks: "three"` under an older resource
/// definition) must not end the watch of all others.
pub type Guarded = DeserializeGuard<CassandraCluster>;

/// Namespace and name of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ClusterId {
    /// The cluster `name` of `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl From<&ClusterId> for ObjectRef<Guarded> {
    fn from(cluster: &ClusterId) -> Self {
        Self::new(&cluster.name).within(&cluster.namespace)
    }
}
