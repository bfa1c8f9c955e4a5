//! What a cluster is and does, as screens show it: one value for text, JSON, live views and the [`guard`](crate::guard).

mod health;
mod nodes;
mod operations;
mod rack_ref;
mod racks;
pub mod ring;
pub mod seeds;
pub mod tasks;
#[cfg(test)]
pub(crate) mod tests;
pub mod tree;

use std::collections::BTreeMap;

use casskop_types::CassandraCluster;
use casskop_types::conditions::{self, ConditionStatus, ConditionType};
use casskop_types::labels;
use casskop_types::names::PodName;
use casskop_types::operation::{OperationName, OperationProgress, OperationStatus};
use casskop_types::status::{ActionStatus, ClusterAction, Phase};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;

use nodes::node;
pub use nodes::{NodeView, PodState, RequestView};
use operations::operations;
pub use rack_ref::{RackRef, RackRefError};
use racks::racks;
pub use racks::{ActionView, NodeCount, RackOperation, RackView};

/// One cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterView {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its phase, once the operator has seen it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// The last change of the cluster, and how far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<ClusterActionView>,
    /// Nodes that are ready, and that the spec asks for.
    #[serde(flatten)]
    pub node_count: NodeCount,
    /// Cassandra releases of the nodes, as they say; tags of their images where nobody has asked them.
    pub releases: Vec<String>,
    /// What keeps it from being healthy, one line each.
    pub troubles: Vec<String>,
    /// What work waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Its racks, in the order of the spec.
    pub racks: Vec<RackView>,
    /// Its pods, by rack and ordinal.
    pub nodes: Vec<NodeView>,
    /// Host ids last seen in its pods, by the pod's name, also of pods that are not there. `nodes` shows the others.
    #[serde(skip)]
    pub host_ids: BTreeMap<String, String>,
    /// The last request of each operation on each pod, in the order of `nodes`; those of pods that are gone follow.
    pub operations: Vec<OperationView>,
}

/// The last change of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterActionView {
    /// The change.
    pub name: ClusterAction,
    /// How far it is.
    pub status: ActionStatus,
}

/// Why nothing moves, from the condition `Waiting`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// One word.
    pub reason: String,
    /// What has to happen.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

/// The last request of one operation on one pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationView {
    /// Name of the pod.
    pub pod: String,
    /// Uid of the pod.
    pub pod_uid: String,
    /// The operation.
    pub name: OperationName,
    /// Its argument, as it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// Its options, as they were asked for: JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
    /// How far it is.
    pub status: OperationStatus,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Why it ended badly, or what it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How much of it is done, while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<OperationProgress>,
}

impl ClusterView {
    /// The view of a cluster; pods of other clusters are left out.
    pub fn of(cluster: &CassandraCluster, pods: &[Pod]) -> Self {
        let pods: Vec<&Pod> = pods.iter().filter(|pod| is_of(pod, cluster)).collect();
        let racks = racks(cluster, &pods);
        let mut own: Vec<(NodeView, &Pod)> = pods.iter().map(|pod| (node(cluster, pod), *pod)).collect();
        // By place in the spec, then ordinal: names alone would put -10 before -2.
        own.sort_by_cached_key(|(node, _)| {
            let place = racks
                .iter()
                .position(|rack| rack.rack == node.rack)
                .unwrap_or(usize::MAX);
            (place, node.ordinal, node.pod.clone())
        });
        let operations = operations(cluster, &own);
        let nodes: Vec<NodeView> = own.into_iter().map(|(node, _)| node).collect();
        let known = cluster
            .status
            .iter()
            .flat_map(|status| &status.cassandra_node_status);
        let mut view = Self {
            name: cluster.metadata.name.clone().unwrap_or_default(),
            namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
            phase: cluster.status.as_ref().and_then(|status| status.phase),
            created: cluster.metadata.creation_timestamp.as_ref().map(|time| time.0),
            action: cluster_action(cluster),
            node_count: NodeCount {
                ready: racks.iter().map(|rack| rack.nodes.ready).sum(),
                wanted: racks.iter().map(|rack| rack.nodes.wanted).sum(),
            },
            releases: releases(&racks, &nodes),
            troubles: Vec::new(),
            waiting: waiting(cluster),
            racks,
            nodes,
            host_ids: known
                .filter_map(|(pod, node)| Some((pod.clone(), node.host_id.clone()?)))
                .collect(),
            operations,
        };
        view.troubles = health::troubles(&view, cluster);
        view
    }

    /// Whether nothing keeps it from being healthy.
    pub fn is_healthy(&self) -> bool {
        self.troubles.is_empty()
    }

    /// The same with these racks alone, their nodes and their operations.
    #[must_use]
    pub fn only(mut self, racks: &[RackRef]) -> Self {
        // By names: the pod of an operation may be gone.
        let of_racks = |pod: &str| {
            let rack = pod.parse::<PodName>().map(|pod| pod.rack);
            rack.is_ok_and(|id| {
                racks
                    .iter()
                    .any(|rack| rack.dc == id.dc.as_str() && rack.rack == id.rack.as_str())
            })
        };
        self.racks.retain(|rack| racks.contains(&rack.rack));
        self.nodes.retain(|node| racks.contains(&node.rack));
        self.operations.retain(|operation| of_racks(&operation.pod));
        self
    }

    /// A rack of the spec.
    pub fn rack(&self, rack: &RackRef) -> Option<&RackView> {
        self.racks.iter().find(|known| known.rack == *rack)
    }

    /// Names of the datacenters, in the order of the spec.
    pub fn datacenters(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.racks.iter().map(|rack| rack.rack.dc.as_str()).collect();
        names.dedup();
        names
    }

    /// The last request of an operation on a pod.
    pub fn operation(&self, pod_uid: &str, name: OperationName) -> Option<&OperationView> {
        self.operations
            .iter()
            .find(|operation| operation.pod_uid == pod_uid && operation.name == name)
    }
}

/// Whether a pod belongs to a cluster: names are unique in a namespace only.
fn is_of(pod: &Pod, cluster: &CassandraCluster) -> bool {
    let same_namespace = match (&pod.metadata.namespace, &cluster.metadata.namespace) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    same_namespace && label(pod, labels::CLUSTER) == cluster.metadata.name.as_deref()
}

fn cluster_action(cluster: &CassandraCluster) -> Option<ClusterActionView> {
    let status = cluster.status.as_ref()?;
    Some(ClusterActionView {
        name: status.last_cluster_action?,
        status: status.last_cluster_action_status?,
    })
}

fn releases(racks: &[RackView], nodes: &[NodeView]) -> Vec<String> {
    let of_nodes = |rack: &RackView| {
        let of_rack = nodes.iter().filter(|node| node.rack == rack.rack);
        of_rack
            .filter_map(|node| node.image_tag.clone())
            .collect::<Vec<_>>()
    };
    let mut releases: Vec<String> = racks
        .iter()
        .flat_map(|rack| {
            rack.release
                .clone()
                .map_or_else(|| of_nodes(rack), |release| vec![release])
        })
        .collect();
    releases.sort();
    releases.dedup();
    releases
}

fn waiting(cluster: &CassandraCluster) -> Option<Waiting> {
    let conditions = &cluster.status.as_ref()?.conditions;
    let condition = conditions::condition(conditions, ConditionType::Waiting)?;
    (condition.status == ConditionStatus::True.as_str()).then(|| Waiting {
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        since: condition.last_transition_time.0,
    })
}

impl OperationView {
    /// Whether something may be happening on the node for it.
    pub fn is_running(&self) -> bool {
        matches!(
            self.status,
            OperationStatus::Ongoing | OperationStatus::Finalizing | OperationStatus::Continue
        )
    }

    /// Whether it is asked for and has not begun.
    pub fn is_queued(&self) -> bool {
        matches!(
            self.status,
            OperationStatus::ToDo | OperationStatus::Manual | OperationStatus::Paused
        )
    }
}

fn label<'a>(pod: &'a Pod, key: &str) -> Option<&'a str> {
    pod.metadata.labels.as_ref()?.get(key).map(String::as_str)
}
