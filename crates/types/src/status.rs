//! What the operator reports of a cluster: CassKop's status, word for word, and what it lacked.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::names::RackId;
use crate::operation::{OperationName, OperationRecord, OperationStatus};
use crate::vocabulary::{known, vocabulary};

vocabulary! {
    /// Phase of a cluster or a rack.
    Phase {
        /// Comes up for the first time.
        Initializing = "Initializing",
        /// Has all its nodes.
        Running = "Running",
        /// Lacks nodes, or is changing their number.
        Pending = "Pending",
    }
}

vocabulary! {
    /// How far a cluster or a rack that comes up is.
    SubPhase {
        /// Only the first pod of each rack is wanted.
        FirstPodPerRack = "FirstPodPerRack",
        /// The other pods are wanted too.
        NextPodPerRack = "NextPodPerRack",
    }
}

vocabulary! {
    /// A change being made to a cluster or a rack.
    ClusterAction {
        /// The rack comes up.
        Initializing = "Initializing",
        /// `configMapName` has changed, or the content of the ConfigMap it names.
        UpdateConfigMap = "UpdateConfigMap",
        /// Cassandra's image has changed.
        UpdateDockerImage = "UpdateDockerImage",
        /// The seed list has changed.
        UpdateSeedList = "UpdateSeedList",
        /// A restart was asked for.
        RollingRestart = "RollingRestart",
        /// `resources` has changed.
        UpdateResources = "UpdateResources",
        /// Something else of the pod template has changed.
        UpdateStatefulSet = "UpdateStatefulSet",
        /// Nodes are added.
        ScaleUp = "ScaleUp",
        /// Nodes leave.
        ScaleDown = "ScaleDown",
        /// A datacenter was taken away.
        ActionDeleteDc = "ActionDeleteDC",
        /// A rack was taken away; no operator does it, old statuses may have it.
        ActionDeleteRack = "ActionDeleteRack",
        /// A change that cannot be made was put back.
        CorrectCrdConfig = "CorrectCRDConfig",
        /// Data volumes grow.
        StorageUpsize = "StorageUpsize",
    }
}

vocabulary! {
    /// How far an action is.
    ActionStatus {
        /// Wanted.
        ToDo = "ToDo",
        /// Being made.
        Ongoing = "Ongoing",
        /// Scale-down only: more nodes are to leave.
        Continue = "Continue",
        /// New seed list only: waits for the other racks.
        Configuring = "Configuring",
        /// Nearly made; old statuses may have it.
        Finalizing = "Finalizing",
        /// Made.
        Done = "Done",
    }
}

/// Status of a `CassandraCluster`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CassandraClusterStatus {
    /// Phase of the cluster.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub phase: Option<Phase>,
    /// How far the cluster is while its phase is `Initializing`.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub initializing_sub_phase: Option<SubPhase>,
    /// Last action on the cluster.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_cluster_action: Option<ClusterAction>,
    /// How far that action is.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_cluster_action_status: Option<ActionStatus>,
    /// Seeds of the cluster, `<pod>.<cluster>.<namespace>` each. Editing the list asks for a new one.
    #[serde(
        rename = "seedlist",
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub seed_list: Vec<String>,
    /// Nodes by the name of their pod.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub cassandra_node_status: BTreeMap<String, NodeStatus>,
    /// Racks by `<dc>-<rack>`.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub cassandra_rack_status: BTreeMap<String, RackStatus>,
    /// Generation of the object that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions, see [`crate::conditions::ConditionType`].
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Nodes ready and nodes wanted, as `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes_ready: Option<String>,
    /// Defaults as they were when the cluster was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<PinnedDefaults>,
    /// Whether the ConfigMap `<cluster>-bootstrap` tells starting pods that the ring has formed. Never taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_recorded: Option<bool>,
    /// Content of the ConfigMap that `spec.configMapName` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_content: Option<ConfigMapContent>,
}

impl CassandraClusterStatus {
    /// Status of a rack.
    pub fn rack(&self, rack: &RackId) -> Option<&RackStatus> {
        self.cassandra_rack_status.get(&rack.to_string())
    }

    /// The recorded operations of all racks.
    pub fn operations(&self) -> impl Iterator<Item = &OperationRecord> {
        let racks = self.cassandra_rack_status.values();
        racks.flat_map(|rack| &rack.operations)
    }
}

/// What a ConfigMap held, as digests. A pod template says in an annotation what its pods run with, but only once it has changed.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapContent {
    /// Name of the ConfigMap.
    pub name: String,
    /// When it was first looked at: what pods whose template has no annotation run with.
    pub first_seen: String,
    /// When it was last looked at: what pods are to run with.
    pub last_seen: String,
}

/// Images a cluster uses where its spec names none. They are pinned, so that a new operator with newer defaults rolls nothing.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PinnedDefaults {
    /// Stands for `spec.cassandraImage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cassandra_image: Option<String>,
    /// Stands for `spec.bootstrapImage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_image: Option<String>,
    /// Stands for `spec.configBuilderImage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_builder_image: Option<String>,
    /// Stands for `spec.backRestSidecar.image`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_rest_sidecar_image: Option<String>,
    /// Whether the cluster was found with requests and no limits: then limits that its spec leaves out stay out, while
    /// otherwise they equal the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_limits: Option<bool>,
}

/// What is known of a node: kept to notice a pod that came up under another node's address.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Host id of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// Address of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_ip: Option<String>,
}

/// Status of one rack.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RackStatus {
    /// Phase of the rack.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub phase: Option<Phase>,
    /// How far the rack is while its phase is `Initializing`.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub initializing_sub_phase: Option<SubPhase>,
    /// Last action on the rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cassandra_last_action: Option<LastAction>,
    /// Last operation on pods of the rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_last_operation: Option<PodLastOperation>,
    /// The StatefulSet as JSON while it is made anew for larger volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateful_set_snapshot_before_storage_resize: Option<String>,
    /// Cassandra release that the nodes of the rack run, as they say, for example `5.0.9`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_version: Option<String>,
    /// Since when the rack runs a new major release, if its sstables have to be upgraded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaits_upgradesstables: Option<Time>,
    /// Whether the rack's datacenter was added to a ring that holds data, and its nodes have to be rebuilt once keyspaces
    /// replicate there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaits_rebuild: Option<bool>,
    /// Operations on nodes of the rack: those under way, and the last ones that ended.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub operations: Vec<OperationRecord>,
}

/// Last action on a rack.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastAction {
    /// The action.
    #[serde(
        default,
        alias = "Name",
        deserialize_with = "known",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub name: Option<ClusterAction>,
    /// How far it is.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub status: Option<ActionStatus>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// Never written; kept because old objects may have it.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub updated_nodes: Vec<String>,
}

/// Last operation on pods of a rack.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodLastOperation {
    /// The operation.
    #[serde(
        default,
        alias = "Name",
        deserialize_with = "known",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub name: Option<OperationName>,
    /// How far it is.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub status: Option<OperationStatus>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// Pods on which it runs.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub pods: Vec<String>,
    /// Pods on which it ended well.
    #[serde(
        rename = "podsOK",
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub pods_ok: Vec<String>,
    /// Pods on which it ended badly.
    #[serde(
        rename = "podsKO",
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub pods_ko: Vec<String>,
    /// The operator's pod that carried it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_name: Option<String>,
}

/// Reads null as nothing: so Go writes an empty list or map.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
