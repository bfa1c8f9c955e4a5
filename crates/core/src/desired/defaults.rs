//! What stands in for what a spec leaves out.

use casskop_types::CassandraCluster;
use casskop_types::status::PinnedDefaults;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Container, PodSpec};

/// Name of the datacenter of a cluster without any.
pub const DC: &str = "dc1";
/// Name of the rack of a datacenter without any.
pub const RACK: &str = "rack1";
/// Nodes of a rack.
pub const NODES_PER_RACK: i32 = 1;
/// `maxUnavailable` of the disruption budget.
pub const MAX_UNAVAILABLE: i32 = 1;

/// Image of Cassandra.
pub const CASSANDRA_IMAGE: &str = "cassandra:5.0.6";
/// Image of the init container `bootstrap`.
pub const BOOTSTRAP_IMAGE: &str = concat!(
    "ghcr.io/kubectl-casskop/casskop-bootstrap:",
    env!("CARGO_PKG_VERSION")
);
/// Image of the init container `config-builder`.
pub const CONFIG_BUILDER_IMAGE: &str = concat!(
    "ghcr.io/kubectl-casskop/casskop-config-builder:",
    env!("CARGO_PKG_VERSION")
);
/// Image of the backup container.
pub const BACK_REST_IMAGE: &str = "ghcr.io/cscetbon/instaclustr-icarus:1.1.3";
/// Pull policy of Cassandra's container and of the init containers.
pub const IMAGE_PULL_POLICY: &str = "Always";

/// User id of the processes.
pub const RUN_AS_USER: i64 = 999;
/// Group of the volumes.
pub const FS_GROUP: i64 = 1;
/// Service account of the pods.
pub const SERVICE_ACCOUNT: &str = "cassandra-cluster-node";

/// Name of Cassandra's container.
pub const CASSANDRA: &str = "cassandra";
/// Name of the backup container.
pub const BACK_REST: &str = "backrest-sidecar";
/// Name of the init container that copies the image's own configuration.
pub const BASE_CONFIG_BUILDER: &str = "base-config-builder";
/// Name of the init container that renders the configuration.
pub const CONFIG_BUILDER: &str = "config-builder";
/// Name of the init container that finishes the configuration.
pub const BOOTSTRAP: &str = "bootstrap";
/// All containers a pod has of itself.
pub const CONTAINERS: [&str; 5] = [
    CASSANDRA,
    BACK_REST,
    BASE_CONFIG_BUILDER,
    CONFIG_BUILDER,
    BOOTSTRAP,
];

/// What to pin for a cluster that is seen for the first time: what its StatefulSet has where another operator made one, else
/// our defaults of today. Only fields that the spec leaves out are pinned for good; a spec's own value always wins.
pub fn pin(cluster: &CassandraCluster, stored: Option<&StatefulSet>) -> PinnedDefaults {
    let pod = stored.and_then(|stored| stored.spec.as_ref()?.template.spec.as_ref());
    let image = |name: &str, default: &str| {
        let found = pod
            .and_then(|pod| container(pod, name))
            .and_then(|container| container.image.clone());
        Some(found.unwrap_or_else(|| default.to_owned()))
    };
    let without_limits = pod.and_then(|pod| container(pod, CASSANDRA)).map(|cassandra| {
        let resources = cassandra.resources.clone().unwrap_or_default();
        resources.requests.is_some() && resources.limits.is_none()
    });
    PinnedDefaults {
        cassandra_image: image(CASSANDRA, CASSANDRA_IMAGE),
        bootstrap_image: image(BOOTSTRAP, BOOTSTRAP_IMAGE),
        config_builder_image: image(CONFIG_BUILDER, CONFIG_BUILDER_IMAGE),
        back_rest_sidecar_image: image(BACK_REST, BACK_REST_IMAGE),
        without_limits: without_limits.filter(|without| {
            *without
                && cluster
                    .spec
                    .resources
                    .as_ref()
                    .is_none_or(|own| own.limits.is_none())
        }),
    }
}

/// A pod's container or init container.
pub(crate) fn container<'a>(pod: &'a PodSpec, name: &str) -> Option<&'a Container> {
    pod.containers
        .iter()
        .chain(pod.init_containers.iter().flatten())
        .find(|container| container.name == name)
}
