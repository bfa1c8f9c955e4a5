//! Who a cluster object is.

use casskop_types::CassandraCluster;
use casskop_types::names::ClusterName;

use super::Problems;

pub(super) struct Identity {
    pub(super) name: ClusterName,
    pub(super) namespace: String,
    pub(super) uid: String,
}

pub(super) fn identity(cluster: &CassandraCluster, problems: &mut Problems) -> Option<Identity> {
    let metadata = &cluster.metadata;
    let name = problems.note(
        "metadata.name",
        metadata.name.as_deref().unwrap_or_default().parse(),
    );
    // Only an object that never was in an API server lacks these; without the uid nothing could be owned.
    let namespace = problems.note(
        "metadata.namespace",
        metadata.namespace.clone().ok_or("is missing"),
    );
    let uid = problems.note("metadata.uid", metadata.uid.clone().ok_or("is missing"));
    Some(Identity {
        name: name?,
        namespace: namespace?,
        uid: uid?,
    })
}
