//! What a cluster is and does, as screens show it: one value for text, JSON, live views and the [`guard`](crate::guard).

mod operations;
mod rack_ref;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::net::IpAddr;

use casskop_types::CassandraCluster;
use casskop_types::conditions::{self, ConditionStatus, ConditionType};
use casskop_types::labels;
use casskop_types::operation::{OperationName, OperationProgress, OperationRequest, OperationStatus};
use casskop_types::status::{ActionStatus, ClusterAction, Phase, RackStatus};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;

use operations::operations;
pub use rack_ref::{RackRef, RackRefError};

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
    /// What work waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Its racks, in the order of the spec.
    pub racks: Vec<RackView>,
    /// Its pods, by rack and ordinal.
    pub nodes: Vec<NodeView>,
    /// The last request of each operation on each pod, in the order of `nodes`; those of pods that are gone follow.
    pub operations: Vec<OperationView>,
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

/// One rack.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RackView {
    /// Which rack.
    #[serde(flatten)]
    pub rack: RackRef,
    /// Its phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// What is, or was last, done to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionView>,
    /// A restart is asked for and the operator has not taken it up yet.
    pub restart_asked: bool,
    /// Operation that occupies nodes of the rack, from its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<RackOperation>,
}

/// What is done to a rack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionView {
    /// The action.
    pub name: ClusterAction,
    /// How far it is.
    pub status: ActionStatus,
    /// When it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

impl ActionView {
    /// Whether the action still holds the rack.
    pub fn is_pending(&self) -> bool {
        self.status != ActionStatus::Done
    }
}

/// An operation under way on nodes of a rack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RackOperation {
    /// The operation.
    pub name: OperationName,
    /// A pod it runs on, where the status names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
}

/// One Cassandra pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// Name of the pod.
    pub pod: String,
    /// Uid of the pod.
    pub uid: String,
    /// Version of the pod this view shows.
    pub resource_version: String,
    /// Its rack, by its labels.
    pub rack: RackRef,
    /// Its place in the StatefulSet.
    pub ordinal: Option<i32>,
    /// How far the pod is.
    pub state: PodState,
    /// Address of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Host id the node was last seen with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// What its labels ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestView>,
}

/// How far a pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PodState {
    /// Its containers do not run.
    NotRunning,
    /// It is being deleted.
    Terminating,
    /// It runs, and its readiness probe fails.
    NotReady,
    /// It serves.
    Ready,
}

impl PodState {
    /// Whether an operation can begin on it.
    pub fn runs(self) -> bool {
        matches!(self, Self::NotReady | Self::Ready)
    }
}

impl fmt::Display for PodState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotRunning => "not running",
            Self::Terminating => "being deleted",
            Self::NotReady => "not ready",
            Self::Ready => "ready",
        })
    }
}

/// What a pod's labels ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestView {
    /// The operation.
    pub name: OperationName,
    /// How far it is.
    pub status: OperationStatus,
    /// Its argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
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
    /// Its argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
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
        let name = cluster.metadata.name.clone().unwrap_or_default();
        let mut own: Vec<(NodeView, &Pod)> = pods
            .iter()
            .filter(|pod| label(pod, labels::CLUSTER) == Some(name.as_str()))
            .map(|pod| (node(cluster, pod), pod))
            .collect();
        let racks = racks(cluster);
        // By place in the spec, then ordinal: names alone would put -10 before -2.
        own.sort_by_key(|(node, _)| {
            let place = racks
                .iter()
                .position(|rack| rack.rack == node.rack)
                .unwrap_or(usize::MAX);
            (place, node.ordinal, node.pod.clone())
        });
        let operations = operations(cluster, &own);
        Self {
            name,
            namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
            phase: cluster.status.as_ref().and_then(|status| status.phase),
            waiting: waiting(cluster),
            racks,
            nodes: own.into_iter().map(|(node, _)| node).collect(),
            operations,
        }
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

/// The racks of a spec, with what is left out filled in: one datacenter `dc1`, one rack `rack1`.
fn spec_racks(cluster: &CassandraCluster) -> Vec<(RackRef, bool)> {
    let default_rack = |dc: &str| {
        (
            RackRef {
                dc: dc.to_owned(),
                rack: "rack1".to_owned(),
            },
            false,
        )
    };
    let datacenters = cluster
        .spec
        .topology
        .as_ref()
        .and_then(|topology| topology.dc.as_deref())
        .unwrap_or_default();
    if datacenters.is_empty() {
        return vec![default_rack("dc1")];
    }
    datacenters
        .iter()
        .flat_map(|dc| match dc.rack.as_deref() {
            None | Some([]) => vec![default_rack(&dc.name)],
            Some(racks) => racks
                .iter()
                .map(|rack| {
                    let name = RackRef {
                        dc: dc.name.clone(),
                        rack: rack.name.clone(),
                    };
                    (name, rack.rolling_restart == Some(true))
                })
                .collect(),
        })
        .collect()
}

fn racks(cluster: &CassandraCluster) -> Vec<RackView> {
    spec_racks(cluster)
        .into_iter()
        .map(|(rack, restart_asked)| {
            let key = format!("{}-{}", rack.dc, rack.rack);
            let status = cluster
                .status
                .as_ref()
                .and_then(|status| status.cassandra_rack_status.get(&key));
            RackView {
                rack,
                phase: status.and_then(|status| status.phase),
                action: status.and_then(action),
                restart_asked,
                operation: status.and_then(rack_operation),
            }
        })
        .collect()
}

fn action(status: &RackStatus) -> Option<ActionView> {
    let action = status.cassandra_last_action.as_ref()?;
    Some(ActionView {
        name: action.name?,
        status: action.status?,
        started: action.start_time.as_ref().map(|time| time.0),
        ended: action.end_time.as_ref().map(|time| time.0),
    })
}

/// CassKop's status has `podLastOperation` alone, ours both, and only `operations` tells pods apart.
fn rack_operation(status: &RackStatus) -> Option<RackOperation> {
    let recorded = status
        .operations
        .iter()
        .find(|record| crate::operations::is_running(record));
    if let Some(record) = recorded {
        return Some(RackOperation {
            name: record.name,
            pod: Some(record.pod.clone()),
            started: Some(record.start_time.0),
        });
    }
    let last = status.pod_last_operation.as_ref()?;
    // CassKop leaves `Ongoing` behind when an operation's last pod has ended, until the same operation is asked for again.
    let runs = matches!(
        last.status?,
        OperationStatus::Ongoing | OperationStatus::Finalizing
    ) && !last.pods.is_empty();
    runs.then_some(())?;
    Some(RackOperation {
        name: last.name?,
        pod: last.pods.first().cloned(),
        started: last.start_time.as_ref().map(|time| time.0),
    })
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

fn node(cluster: &CassandraCluster, pod: &Pod) -> NodeView {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let known = cluster
        .status
        .as_ref()
        .and_then(|status| status.cassandra_node_status.get(&name));
    NodeView {
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        resource_version: pod.metadata.resource_version.clone().unwrap_or_default(),
        rack: RackRef {
            dc: label(pod, labels::DC).unwrap_or_default().to_owned(),
            rack: label(pod, labels::RACK).unwrap_or_default().to_owned(),
        },
        ordinal: name
            .rsplit_once('-')
            .and_then(|(_, ordinal)| ordinal.parse().ok()),
        state: pod_state(pod),
        address: pod
            .status
            .as_ref()
            .and_then(|status| status.pod_ip.as_deref())
            .and_then(|ip| ip.parse().ok()),
        host_id: known.and_then(|known| known.host_id.clone()),
        request: request(pod),
        pod: name,
    }
}

fn pod_state(pod: &Pod) -> PodState {
    let status = pod.status.as_ref();
    let ready = status
        .and_then(|status| status.conditions.as_ref())
        .is_some_and(|conditions| {
            conditions
                .iter()
                .any(|c| c.type_ == "Ready" && c.status == "True")
        });
    if pod.metadata.deletion_timestamp.is_some() {
        PodState::Terminating
    } else if status.and_then(|status| status.phase.as_deref()) != Some("Running") {
        PodState::NotRunning
    } else if ready {
        PodState::Ready
    } else {
        PodState::NotReady
    }
}

/// Labels nobody understands ask for nothing; the operator says so in an event.
fn request(pod: &Pod) -> Option<RequestView> {
    let metadata = &pod.metadata;
    let request =
        OperationRequest::from_pod_metadata(metadata.labels.as_ref(), metadata.annotations.as_ref());
    request.ok().flatten().map(|request| RequestView {
        name: request.name,
        status: request.status,
        argument: request.argument,
    })
}

fn label<'a>(pod: &'a Pod, key: &str) -> Option<&'a str> {
    pod.metadata.labels.as_ref()?.get(key).map(String::as_str)
}
