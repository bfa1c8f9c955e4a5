//! Which secret holds user and password of a node's Jolokia.

use casskop_types::CassandraCluster;
use k8s_openapi::api::core::v1::Pod;

use crate::rack;

/// Variable of Cassandra's container that takes the user from the secret.
const USER: &str = "JOLOKIA_USER";

/// The secret that a pod's Cassandra was started with, which another one in the spec does not change.
pub fn of_pod(pod: &Pod) -> Option<String> {
    let mut variables = rack::cassandra(pod)?.env.iter().flatten();
    let user = variables.find(|variable| variable.name == USER)?;
    let source = user.value_from.as_ref()?.secret_key_ref.as_ref()?;
    Some(source.name.clone())
}

/// The secret that the spec of a cluster names.
pub fn of_cluster(cluster: &CassandraCluster) -> Option<String> {
    let reference = cluster.spec.image_jolokia_secret.as_ref()?;
    reference.named().map(str::to_owned)
}
