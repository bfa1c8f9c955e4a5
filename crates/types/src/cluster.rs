//! `CassandraCluster` of `db.orange.com/v2`: what a user asks for.
//!
//! Field names, including the ones that break the camel-case rule (`imagepullpolicy`), are those of CassKop's resource: objects
//! made for CassKop apply unchanged. Everything optional is an `Option`: defaults are filled in memory, never into the object.

use std::collections::BTreeMap;

use crate::topology::Datacenter;
use k8s_openapi::api::core::v1::{
    Container, EnvVar, PersistentVolumeClaimSpec, ResourceRequirements, Toleration, VolumeMount,
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::CassandraClusterStatus;
use crate::topology::Topology;

/// API group of the resource.
pub const GROUP: &str = "db.orange.com";
/// Version of the resource.
pub const VERSION: &str = "v2";
/// Kind of the resource.
pub const KIND: &str = "CassandraCluster";
/// Plural name of the resource.
pub const PLURAL: &str = "cassandraclusters";

/// A JSON object of somebody else's design.
pub type FreeForm = serde_json::Map<String, serde_json::Value>;

/// Desired state of an Apache Cassandra cluster.
#[expect(clippy::duplicated_attributes, reason = "columns of the same type")]
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "db.orange.com",
    version = "v2",
    kind = "CassandraCluster",
    plural = "cassandraclusters",
    singular = "cassandracluster",
    shortname = "cassc",
    shortname = "casscs",
    namespaced,
    status = "CassandraClusterStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "An Apache Cassandra cluster with its datacenters and racks",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "Action",
        type_ = "string",
        description = "last action on the cluster",
        json_path = ".status.lastClusterAction"
    ),
    printcolumn(
        name = "Action-Status",
        type_ = "string",
        json_path = ".status.lastClusterActionStatus"
    ),
    printcolumn(
        name = "Nodes-Ready",
        type_ = "string",
        description = "nodes ready / nodes wanted",
        json_path = ".status.nodesReady"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct CassandraClusterSpec {
    /// Nodes in each rack of every datacenter that sets no number of its own; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub nodes_per_racks: Option<i32>,
    /// Image of Cassandra, of the official image's layout. Pinned in the status when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cassandra_image: Option<String>,
    /// Pull policy of Cassandra's container and of the init containers; `Always` when absent.
    #[serde(rename = "imagepullpolicy", default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// Environment of Cassandra's container, over what the operator sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::env_vars")]
    pub env_vars: Option<Vec<EnvVar>>,
    /// Image of the init container `bootstrap`. Pinned in the status when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_image: Option<String>,
    /// Image of the init container `config-builder`. Pinned in the status when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_builder_image: Option<String>,
    /// User id of the pod's processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("default" = 999))]
    pub run_as_user: Option<i64>,
    /// Group that owns the pod's volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1), extend("default" = 1))]
    pub fs_group: Option<i64>,
    /// Whether the root file system of Cassandra's container is read-only; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only_root_filesystem: Option<bool>,
    /// Resources of Cassandra's container. The memory limit sizes the JVM's heap. Limits equal requests when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::resources")]
    pub resources: Option<ResourceRequirements>,
    /// Whether two nodes of the cluster may never share a Kubernetes node, rather than only preferably not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard_anti_affinity: Option<bool>,
    /// Further properties of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodPolicy>,
    /// Further properties of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServicePolicy>,
    /// Whether the nodes' volumes are deleted together with this object.
    #[serde(rename = "deletePVC", default, skip_serializing_if = "Option::is_none")]
    pub delete_pvc: Option<bool>,
    /// Whether Cassandra's container idles instead of starting Cassandra.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    /// Whether the operations a change calls for (a cleanup after scaling up) start by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_pilot: Option<bool>,
    /// Accepted for compatibility; an unchanged StatefulSet is never written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_check_sts_are_equal: Option<bool>,
    /// Whether the seed list follows the topology.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_update_seed_list: Option<bool>,
    /// `maxUnavailable` of the cluster's disruption budget; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_pod_unavailable: Option<i32>,
    /// Restarts of Cassandra after which a pod whose address belongs to another host id is deleted; 0 is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_count_before_pod_deletion: Option<i32>,
    /// Asked `CassKop` to go on although an action is unfinished. Nothing has to be unlocked for this operator, which sets it back
    /// to false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlock_next_operation: Option<bool>,
    /// Size of the data volume of each node. Without it nodes keep their data in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"))]
    pub data_capacity: Option<String>,
    /// Storage class of the data volumes; the default class when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_storage_class: Option<String>,
    /// Further volumes of Cassandra's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_configs: Option<Vec<StorageConfig>>,
    /// Containers that run beside Cassandra.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::containers")]
    pub sidecar_configs: Option<Vec<Container>>,
    /// ConfigMap with the hooks `pre_run.sh` and `post_run.sh`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_name: Option<String>,
    /// Version of Cassandra; taken from the image's tag when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_version: Option<String>,
    /// Product in the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["cassandra", "dse"], "default" = "cassandra"))]
    pub server_type: Option<String>,
    /// Cassandra's configuration for all racks, by file (`cassandra-yaml`, `jvm-server-options`, `logback-xml`, ...).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::free_form")]
    pub config: Option<FreeForm>,
    /// Secret with which the images are pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_secret: Option<SecretReference>,
    /// Secret with `username` and `password` of Jolokia; naming one turns authentication on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_jolokia_secret: Option<SecretReference>,
    /// Threads a cleanup may use on a node; 0 is as many as the node compacts with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub keyspace_cleanup_threads: Option<i32>,
    /// Datacenters and racks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<Topology>,
    /// Seconds before the first liveness probe; 120 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_initial_delay_seconds: Option<i32>,
    /// Seconds a liveness probe may take; 20 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_health_check_timeout: Option<i32>,
    /// Seconds between liveness probes; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_health_check_period: Option<i32>,
    /// Failed liveness probes after which Cassandra is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_failure_threshold: Option<i32>,
    /// Liveness probes that must succeed after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_success_threshold: Option<i32>,
    /// Seconds before the first readiness probe; 60 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_initial_delay_seconds: Option<i32>,
    /// Seconds a readiness probe may take; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_health_check_timeout: Option<i32>,
    /// Seconds between readiness probes; 10 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_health_check_period: Option<i32>,
    /// Failed readiness probes after which the node counts as not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_failure_threshold: Option<i32>,
    /// Readiness probes that must succeed after a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_success_threshold: Option<i32>,
    /// Whether the containers of a pod see each other's processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_process_namespace: Option<bool>,
    /// The container that takes and restores backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_rest_sidecar: Option<BackRestSidecar>,
    /// Service account of the pods; `cassandra-cluster-node` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// JMX over the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jmx_configuration: Option<JmxConfiguration>,
}

/// Properties of the pods that the operator only passes on.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodPolicy {
    /// Annotations of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Taints the pods tolerate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::tolerations")]
    pub tolerations: Option<Vec<Toleration>>,
}

/// Properties of the Service that the operator only passes on.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePolicy {
    /// Annotations of the Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// A volume beside the data volume, one claim per node.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageConfig {
    /// Where Cassandra's container sees the volume.
    pub mount_path: String,
    /// Name of the volume; the claim of a pod is `<name>-<pod>`.
    #[schemars(regex(pattern = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"))]
    pub name: String,
    /// The claim.
    #[serde(rename = "pvcSpec")]
    #[schemars(schema_with = "crate::schema::claim_spec")]
    pub pvc_spec: PersistentVolumeClaimSpec,
}

impl CassandraClusterSpec {
    /// The datacenters as they are written; none where the topology is left to its default.
    pub fn datacenters(&self) -> &[Datacenter] {
        let topology = self.topology.as_ref();
        topology
            .and_then(|topology| topology.dc.as_deref())
            .unwrap_or_default()
    }
}

/// A Secret of the cluster's namespace. An empty name means none.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SecretReference {
    /// Name of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl SecretReference {
    /// The Secret's name, unless it is absent or empty (CassKop writes the whole object back with empty structs in it).
    pub fn named(&self) -> Option<&str> {
        self.name.as_deref().filter(|name| !name.is_empty())
    }
}

/// The container that takes and restores backups.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackRestSidecar {
    /// Whether pods have the container; true when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// Image of the container. Pinned in the status when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Pull policy of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,
    /// Environment of the init container `bootstrap` and of every container but Cassandra's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::env_vars")]
    pub env_vars: Option<Vec<EnvVar>>,
    /// Resources of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::resources")]
    pub resources: Option<ResourceRequirements>,
    /// Mounts before those the operator sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::volume_mounts")]
    pub volume_mount: Option<Vec<VolumeMount>>,
}

/// JMX over the network: becomes `JVM_OPTS` of Cassandra's container.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JmxConfiguration {
    /// `com.sun.management.jmxremote`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jmx_remote_enable: Option<bool>,
    /// `com.sun.management.jmxremote.port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jmx_remote_port: Option<i32>,
    /// `com.sun.management.jmxremote.rmi.port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jmx_remote_rmi_port: Option<i32>,
    /// `com.sun.management.jmxremote.ssl`.
    #[serde(rename = "jmxRemoteSSL", default, skip_serializing_if = "Option::is_none")]
    pub jmx_remote_ssl: Option<bool>,
    /// `com.sun.management.jmxremote.authenticate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jmx_remote_authenticate: Option<bool>,
}
