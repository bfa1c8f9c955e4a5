//! The validated cluster: no field of it needs a second look.

use std::collections::BTreeMap;

use casskop_types::cluster::{FreeForm, JmxConfiguration, StorageConfig};
use casskop_types::labels::{self, Labels};
use casskop_types::names::{ClusterName, PodName, RackId};
use casskop_types::status::{ConfigMapContent, PinnedDefaults};
use k8s_openapi::api::core::v1::{Container, EnvVar, ResourceRequirements, Toleration, VolumeMount};

/// A cluster object that can work, with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedCluster {
    /// Name of the cluster.
    pub name: ClusterName,
    /// Namespace of the cluster object and of everything made from it.
    pub namespace: String,
    /// Uid of the cluster object.
    pub uid: String,
    /// Generation of the cluster object that was validated.
    pub generation: i64,
    /// The cluster object's own labels.
    pub labels: Labels,
    /// Whether the cluster object is being deleted.
    pub being_deleted: bool,
    /// What happens to the volumes when the cluster object is deleted.
    pub claims_at_deletion: ClaimsAtDeletion,
    /// Racks in the order of the spec, datacenter after datacenter. Never empty.
    pub racks: Vec<ValidatedRack>,
    /// The seed list.
    pub seeds: SeedList,
    /// In which order a new cluster comes up.
    pub start_order: StartOrder,
    /// `maxUnavailable` of the disruption budget; 0 lets no node go down.
    pub max_unavailable: i32,
    /// Whether operations that a change calls for (a cleanup after scaling up) are asked for, rather than suggested.
    pub auto_pilot: bool,
    /// Restarts after which a pod under another node's address is deleted; `None` is never.
    pub restarts_before_pod_deletion: Option<i32>,
    /// Whether the user asked to go on although an action is unfinished.
    pub unlock_next_operation: bool,
    /// Threads of a cleanup; 0 is as many as the node compacts with.
    pub cleanup_threads: i32,
    /// Annotations of the Service.
    pub service_annotations: BTreeMap<String, String>,
    /// What stands for images that the spec leaves out: as pinned, else what is to be pinned now.
    pub pinned: PinnedDefaults,
    /// Content of the ConfigMap with the hooks as far as it is recorded, if it is of the one the spec names.
    pub config_map_content: Option<ConfigMapContent>,
    /// What all pods have in common.
    pub pod: PodSettings,
}

impl ValidatedCluster {
    /// The rack with an id.
    pub fn rack(&self, id: &RackId) -> Option<&ValidatedRack> {
        self.racks.iter().find(|rack| rack.id == *id)
    }

    /// The rack's pod with an ordinal.
    pub fn pod_name(&self, rack: &RackId, ordinal: i32) -> PodName {
        self.name.pod(rack, ordinal)
    }

    /// Name of a rack's StatefulSet.
    pub fn stateful_set_name(&self, rack: &RackId) -> String {
        self.name.stateful_set(rack)
    }

    /// Labels and selector of what belongs to the whole cluster.
    pub fn cluster_labels(&self) -> Labels {
        labels::cluster_labels(&self.labels, &self.name)
    }

    /// Labels of what belongs to one rack; a StatefulSet that exists keeps the selector it has.
    pub fn rack_labels(&self, rack: &RackId) -> Labels {
        labels::rack_labels(&self.labels, &self.name, rack)
    }

    /// Nodes wanted in all racks.
    pub fn nodes(&self) -> i32 {
        self.racks.iter().map(|rack| rack.nodes).sum()
    }
}

/// One rack, with what it takes from its datacenter and from the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidatedRack {
    /// Datacenter and rack.
    pub id: RackId,
    /// Nodes wanted.
    pub nodes: i32,
    /// Pods with a lower ordinal keep their template.
    pub partition: i32,
    /// Whether a rolling restart was asked for.
    pub rolling_restart: bool,
    /// Place of the datacenter in `spec.topology.dc`; 0 where the spec leaves it out.
    pub dc_index: usize,
    /// Place of the rack in its datacenter; 0 where the spec leaves it out.
    pub rack_index: usize,
    /// Labels a Kubernetes node must have to hold a node of this rack.
    pub node_labels: BTreeMap<String, String>,
    /// Resources of Cassandra's container.
    pub resources: ResourceRequirements,
    /// The data volume; `None` keeps data in the container.
    pub data: Option<DataVolume>,
    /// Configuration of the cluster, the datacenter and the rack, each merged over the one before it.
    pub config: [FreeForm; 3],
}

/// A node's data volume.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DataVolume {
    /// Size, a quantity.
    pub capacity: String,
    /// Storage class; `None` is the default one.
    pub storage_class: Option<String>,
}

/// The cluster's seed list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SeedList {
    /// The list in the status: a user may have edited it.
    pub stored: Vec<String>,
    /// Whether the list is computed anew when the topology changes.
    pub follows_topology: bool,
}

/// What happens to the volumes when the cluster object is deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClaimsAtDeletion {
    /// They stay.
    Keep,
    /// They go.
    Delete,
}

/// In which order a new cluster comes up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StartOrder {
    /// The first pod of every rack, then the others.
    FirstPodPerRack,
    /// All pods of a rack, then the next rack.
    RackAfterRack,
}

/// What all pods of a cluster have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct PodSettings {
    /// Images.
    pub images: Images,
    /// Pull policy of Cassandra's container and of the init containers.
    pub image_pull_policy: String,
    /// Secret with which images are pulled.
    pub image_pull_secret: Option<String>,
    /// Secret with `username` and `password` of Jolokia.
    pub jolokia_secret: Option<String>,
    /// `PRODUCT_NAME` of the configuration builder.
    pub product_name: String,
    /// `spec.serverVersion`.
    pub server_version: Option<String>,
    /// What Cassandra's container runs.
    pub main_process: MainProcess,
    /// Environment of Cassandra's container, over the operator's.
    pub environment: Vec<EnvVar>,
    /// JMX over the network.
    pub jmx: Option<JmxConfiguration>,
    /// Memory limit of the cluster's `resources`, in bytes: sizes the heap of all racks.
    pub heap_memory_limit: Option<i128>,
    /// Whether Cassandra's container has a read-only root file system.
    pub read_only_root_filesystem: bool,
    /// Probes of Cassandra's container.
    pub probes: Probes,
    /// User id of the processes.
    pub run_as_user: i64,
    /// Group of the volumes.
    pub fs_group: i64,
    /// How strictly nodes are kept off each other's Kubernetes nodes.
    pub anti_affinity: AntiAffinity,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// Whether containers see each other's processes.
    pub share_process_namespace: Option<bool>,
    /// Service account.
    pub service_account: String,
    /// ConfigMap with the hooks.
    pub hooks: Option<String>,
    /// Whether the spec, rather than a datacenter alone, sizes the data volume.
    pub mounts_data: bool,
    /// Volumes beside the data volume.
    pub storage: Vec<StorageConfig>,
    /// Containers beside Cassandra's.
    pub sidecars: Vec<Container>,
    /// Environment of the init container `bootstrap` and of all containers but Cassandra's, over the operator's.
    pub bootstrap_environment: Vec<EnvVar>,
    /// The backup container.
    pub back_rest: Option<BackRest>,
}

/// Images of a pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Images {
    /// Of Cassandra.
    pub cassandra: String,
    /// Of the init container `bootstrap`.
    pub bootstrap: String,
    /// Of the init container `config-builder`.
    pub config_builder: String,
}

/// What Cassandra's container runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MainProcess {
    /// Cassandra.
    Cassandra,
    /// Nothing, so that somebody can look around in the container.
    Idle,
}

/// How strictly nodes of a cluster are kept off each other's Kubernetes nodes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AntiAffinity {
    /// No two nodes may share one.
    Required,
    /// No two nodes should share one.
    Preferred,
}

/// Probes of Cassandra's container.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Probes {
    /// Liveness.
    pub liveness: Probe,
    /// Readiness.
    pub readiness: Probe,
}

/// One probe. Times are seconds; thresholds that are not set are Kubernetes' own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Probe {
    /// Before the first probe.
    pub initial_delay: i32,
    /// How long one may take.
    pub timeout: i32,
    /// Between two.
    pub period: i32,
    /// Failures that count.
    pub failure_threshold: Option<i32>,
    /// Successes that count.
    pub success_threshold: Option<i32>,
}

/// The backup container.
#[derive(Clone, Debug, PartialEq)]
pub struct BackRest {
    /// Image.
    pub image: String,
    /// Pull policy; Kubernetes' own when absent.
    pub image_pull_policy: Option<String>,
    /// Resources; ours when absent.
    pub resources: Option<ResourceRequirements>,
    /// Mounts before ours.
    pub mounts: Vec<VolumeMount>,
}
