//! Why a request is refused, in words that say what to do next.

use std::fmt::Display;

use casskop_types::operation::{OperationName, OperationStatus};
use casskop_types::status::{ActionStatus, ClusterAction};
use jiff::Timestamp;

use super::decommission::DecommissionRefusal;
use super::replacement::ReplacementRefusal;
use crate::view::{PodState, RackRef};

/// A request that is not written. The texts name the object first and end with what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// One of Cassandra's own tools is not run.
    #[error(transparent)]
    Tool(#[from] super::ToolRefusal),
    /// The namespace has no cluster of that name.
    #[error("cassandracluster `{name}` not found; {}", clusters_here(known))]
    NoSuchCluster {
        /// The name.
        name: String,
        /// Clusters of the namespace.
        known: Vec<String>,
    },
    /// The namespace has no cluster.
    #[error("there is no cassandracluster in this namespace; choose another with --namespace")]
    NoCluster,
    /// No cluster is named, and there are several.
    #[error(
        "this namespace has several cassandraclusters; choose one with --crd: {}",
        list(known)
    )]
    SeveralClusters {
        /// Clusters of the namespace.
        known: Vec<String>,
    },
    /// The cluster has no such datacenter.
    #[error(
        "cassandracluster `{cluster}` has no datacenter `{dc}`; it has {}",
        list(known)
    )]
    NoSuchDatacenter {
        /// The cluster.
        cluster: String,
        /// The name.
        dc: String,
        /// Its datacenters.
        known: Vec<String>,
    },
    /// The cluster has no such datacenter to stream from.
    #[error(
        "cassandracluster `{cluster}` has no datacenter `{dc}` to rebuild from; it has {}; \
         add --force if another Kubernetes cluster holds `{dc}`",
        list(known)
    )]
    NoSuchSource {
        /// The cluster.
        cluster: String,
        /// The name.
        dc: String,
        /// Its datacenters.
        known: Vec<String>,
    },
    /// The cluster has no such rack.
    #[error("cassandracluster `{cluster}` has no rack `{rack}`; it has {}", list(known))]
    NoSuchRack {
        /// The cluster.
        cluster: String,
        /// The name.
        rack: RackRef,
        /// Its racks.
        known: Vec<RackRef>,
    },
    /// The rack is being changed.
    #[error(
        "rack {rack} of cassandracluster `{cluster}` is busy: {action} is {status}{}; \
         watch it with `kubectl get cassandracluster {cluster} --namespace {namespace} --watch`",
        since(*started), rack = at.rack, cluster = at.cluster, namespace = at.namespace
    )]
    RackInAction {
        /// The rack.
        at: Box<RackAt>,
        /// What is done to it.
        action: ClusterAction,
        /// How far that is.
        status: ActionStatus,
        /// Since when.
        started: Option<Timestamp>,
    },
    /// An operation runs on nodes of the rack.
    #[error(
        "rack {rack} of cassandracluster `{cluster}` is busy: {operation} runs{}{}; \
         watch it with `{}`",
        on_pod(pod.as_deref()), since(*started), watch(*operation, at),
        rack = at.rack, cluster = at.cluster
    )]
    RackInOperation {
        /// The rack.
        at: Box<RackAt>,
        /// The operation.
        operation: OperationName,
        /// A pod it runs on.
        pod: Option<String>,
        /// Since when.
        started: Option<Timestamp>,
    },
    /// The namespace has no such Cassandra pod.
    #[error("pod `{pod}` is not a Cassandra pod of this namespace; {}", pods_here(known))]
    NoSuchPod {
        /// The name.
        pod: String,
        /// Cassandra pods of the namespace, as many as fit a line.
        known: Vec<String>,
    },
    /// The pod belongs to another cluster.
    #[error(
        "pod `{pod}` does not belong to cassandracluster `{cluster}`; name a pod of that cluster, or change --crd"
    )]
    PodOfOtherCluster {
        /// The pod.
        pod: String,
        /// The cluster asked for.
        cluster: String,
    },
    /// No pod is left to work on.
    #[error("{what} selects no running Cassandra pod; {}", pods_here(known))]
    NothingSelected {
        /// The selection in words.
        what: String,
        /// Cassandra pods of the namespace, as many as fit a line.
        known: Vec<String>,
    },
    /// The pod does not run.
    #[error(
        "pod `{pod}` is {state}, so {operation} cannot begin; see `kubectl describe pod {pod} --namespace {namespace}`"
    )]
    PodNotRunning {
        /// The namespace.
        namespace: String,
        /// The pod.
        pod: String,
        /// How far it is.
        state: PodState,
        /// The operation asked for.
        operation: OperationName,
    },
    /// The node cannot be drained, for it does not serve.
    #[error(
        "pod `{pod}` is not ready, so its node cannot be drained; `kubectl delete pod {pod} --namespace {namespace}` restarts it without"
    )]
    CannotDrain {
        /// The namespace.
        namespace: String,
        /// The pod.
        pod: String,
    },
    /// The pod has another request.
    #[error(
        "pod `{pod}` is busy: {operation} is {status}{}; wait for its end, or choose other pods",
        since(*started)
    )]
    PodBusy {
        /// The pod.
        pod: String,
        /// The other operation.
        operation: OperationName,
        /// How far it is.
        status: OperationStatus,
        /// Since when.
        started: Option<Timestamp>,
    },
    /// The named pod has no request that could be held back, let go or ended.
    #[error(
        "pod `{pod}` has no {operation} that is {wanted}{}; see `kubectl get pod {pod} --label-columns operation-name,operation-status`",
        instead(*status)
    )]
    PodNotHeld {
        /// The pod.
        pod: String,
        /// The operation.
        operation: OperationName,
        /// What it would have to be.
        wanted: &'static str,
        /// How far it is, if it was asked for.
        status: Option<OperationStatus>,
    },
    /// No pod of the selection has such a request.
    #[error(
        "{what} selects no pod whose {operation} is {wanted}; see `kubectl get pods --selector operation-name={operation} --label-columns operation-status`"
    )]
    NothingHeld {
        /// The selection in words.
        what: String,
        /// The operation.
        operation: OperationName,
        /// What it would have to be.
        wanted: &'static str,
    },
    /// No node may leave.
    #[error(transparent)]
    Decommission(#[from] DecommissionRefusal),
    /// The place of a node may not be taken.
    #[error(transparent)]
    Replacement(#[from] ReplacementRefusal),
    /// The node to take out of the ring is in service.
    #[error(
        "pod `{pod}` is ready{}: removing a node in service would delete its data; \
         to shrink the rack lower nodesPerRacks, to remove a node that is gone give its --previous-ip alone",
        at(address.as_deref())
    )]
    RemovesLiveNode {
        /// Its pod.
        pod: String,
        /// Its address.
        address: Option<String>,
    },
    /// A node cannot take itself out of the ring.
    #[error(
        "pod `{pod}` cannot remove itself; ask another node with --from-pod, or leave the choice to --crd"
    )]
    RemovesItself {
        /// The pod.
        pod: String,
    },
    /// The pod to remove cannot be one of the cluster.
    #[error(
        "pod `{pod}` cannot be a pod of cassandracluster `{cluster}`, whose pods are named {cluster}-<dc>-<rack>-<n>"
    )]
    NotAPodOfCluster {
        /// The pod.
        pod: String,
        /// The cluster.
        cluster: String,
    },
    /// Nobody knows which node of the ring the lost pod was.
    #[error(
        "the address pod `{pod}` had is not known; give it with --previous-ip, or give the node's --host-id alone"
    )]
    NoAddress {
        /// The pod.
        pod: String,
    },
    /// No node can carry out the removal.
    #[error(
        "cassandracluster `{cluster}` has no ready node without another operation; see `kubectl get pods --selector cassandracluster={cluster} --namespace {namespace}`"
    )]
    NoFreeNode {
        /// The namespace.
        namespace: String,
        /// The cluster.
        cluster: String,
    },
}

/// Where a rack is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RackAt {
    /// The namespace.
    pub namespace: String,
    /// The cluster.
    pub cluster: String,
    /// The rack.
    pub rack: RackRef,
}

impl Refusal {
    /// The refusal as one word, for results read by programs.
    pub fn category(&self) -> &'static str {
        match self {
            Self::NoSuchCluster { .. } | Self::NoCluster | Self::SeveralClusters { .. } => "cluster",
            Self::NoSuchDatacenter { .. } | Self::NoSuchSource { .. } => "datacenter",
            Self::NoSuchRack { .. } => "rack",
            Self::RackInAction { .. } | Self::RackInOperation { .. } | Self::PodBusy { .. } => "busy",
            Self::NoSuchPod { .. }
            | Self::PodOfOtherCluster { .. }
            | Self::NothingSelected { .. }
            | Self::NotAPodOfCluster { .. } => "pod",
            Self::PodNotHeld { .. } | Self::NothingHeld { .. } => "not-waiting",
            Self::Decommission(refusal) => refusal.category(),
            Self::Replacement(refusal) => refusal.category(),
            Self::PodNotRunning { .. } | Self::CannotDrain { .. } | Self::NoFreeNode { .. } => "not-running",
            Self::RemovesLiveNode { .. } | Self::RemovesItself { .. } => "live-node",
            Self::NoAddress { .. } => "address",
            Self::Tool(_) => "tool",
        }
    }
}

/// Longest list in a message; more would not be read.
const LISTED: usize = 10;

fn list<T: Display>(items: &[T]) -> String {
    let mut text: Vec<String> = items.iter().take(LISTED).map(ToString::to_string).collect();
    if items.len() > LISTED {
        text.push(format!("and {} more", items.len() - LISTED));
    }
    text.join(", ")
}

fn clusters_here(known: &[String]) -> String {
    if known.is_empty() {
        "the namespace has none, choose another with --namespace".to_owned()
    } else {
        format!("the namespace has {}", list(known))
    }
}

fn pods_here(known: &[String]) -> String {
    if known.is_empty() {
        "the namespace has none, choose another with --namespace".to_owned()
    } else {
        format!("the namespace has {}", list(known))
    }
}

fn since(time: Option<Timestamp>) -> String {
    time.map(|time| format!(" since {time:.0}")).unwrap_or_default()
}

fn instead(status: Option<OperationStatus>) -> String {
    status
        .map(|status| format!(": it is {status}"))
        .unwrap_or_default()
}

fn on_pod(pod: Option<&str>) -> String {
    pod.map(|pod| format!(" on pod {pod}")).unwrap_or_default()
}

fn at(address: Option<&str>) -> String {
    address
        .map(|address| format!(" at {address}"))
        .unwrap_or_default()
}

/// The command that shows how an operation goes on: the plugin's verb for it, where that one has `status`.
fn watch(operation: OperationName, at: &RackAt) -> String {
    let RackAt {
        cluster, namespace, ..
    } = at;
    let verb = match operation {
        OperationName::Cleanup
        | OperationName::UpgradeSstables
        | OperationName::Scrub
        | OperationName::Compact
        | OperationName::Flush
        | OperationName::GarbageCollect
        | OperationName::Rebuild
        | OperationName::Restart => operation,
        OperationName::ReloadSsl
        | OperationName::Move
        | OperationName::Remove
        | OperationName::Decommission
        | OperationName::Replace => {
            return format!("kubectl describe cassandracluster {cluster} --namespace {namespace}");
        }
    };
    format!("kubectl casskop {verb} status --crd {cluster} --namespace {namespace}")
}
