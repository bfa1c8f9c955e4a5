//! Which pods to ask for an operation.

use std::fmt;

use casskop_types::operation::{OperationCommand, OperationName, OperationStatus};

use super::restart::{check_datacenter, check_racks};
use super::{RackSelection, Refusal, cluster};
use crate::view::{ClusterView, NodeView, PodState, RackRef, RequestView};

/// Pods by what people know of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodSelection {
    /// Only pods of this cluster.
    pub cluster: Option<String>,
    /// Which of them.
    pub scope: PodScope,
}

/// Which pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodScope {
    /// These.
    Named(Vec<String>),
    /// Those whose names begin so.
    Prefix(String),
    /// Those of these racks of the cluster.
    Racks(Vec<RackRef>),
    /// Those of these datacenters of the cluster.
    Datacenters(Vec<String>),
    /// Those whose labels are as asked for.
    Labelled {
        /// As asked.
        selector: String,
        /// Which pods those are, as the API server says.
        pods: Vec<String>,
    },
    /// All of the cluster.
    All,
}

/// As the flags say it.
impl fmt::Display for PodScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(pods) => write!(f, "--pod {}", pods.join(", ")),
            Self::Prefix(prefix) => write!(f, "--prefix {prefix}"),
            Self::Racks(racks) => {
                let racks: Vec<String> = racks.iter().map(ToString::to_string).collect();
                write!(f, "--rack {}", racks.join(", "))
            }
            Self::Datacenters(names) => write!(f, "--dc {}", names.join(", ")),
            Self::Labelled { selector, .. } => write!(f, "--selector {selector}"),
            Self::All => f.write_str("the whole cluster"),
        }
    }
}

/// A pod as it was looked at: what is written holds for this pod and no later one of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodTarget {
    /// The cluster.
    pub cluster: String,
    /// Name of the pod.
    pub pod: String,
    /// Its uid.
    pub uid: String,
    /// Its version.
    pub resource_version: String,
}

/// An operation that may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodPlan {
    /// Pods to ask.
    pub ask: Vec<PodTarget>,
    /// Pods that are asked the same already, and how far they are: once is enough.
    pub asked: Vec<(PodTarget, OperationStatus)>,
    /// Pods of the selection that do not run, so that nothing can begin on them.
    pub left_out: Vec<LeftOut>,
}

/// A pod of a selection that is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Name of the pod.
    pub pod: String,
    /// Why.
    pub state: PodState,
}

/// Looks at every pod of the selection before any is asked.
pub fn pod_operation(
    clusters: &[ClusterView],
    selection: &PodSelection,
    command: &OperationCommand,
) -> Result<PodPlan, Refusal> {
    let mut plan = PodPlan::default();
    for (cluster, node) in selected(clusters, selection)? {
        let drains = *command == OperationCommand::Restart;
        if drains && node.state == PodState::NotReady && matches!(selection.scope, PodScope::Named(_)) {
            return Err(Refusal::CannotDrain {
                namespace: cluster.namespace.clone(),
                pod: node.pod.clone(),
            });
        }
        if !node.state.runs() || drains && node.state != PodState::Ready {
            if matches!(selection.scope, PodScope::Named(_)) {
                return Err(not_running(cluster, node, command.name()));
            }
            plan.left_out.push(LeftOut {
                pod: node.pod.clone(),
                state: node.state,
            });
            continue;
        }
        match turn(cluster, node, command)? {
            None => plan.ask.push(target(cluster, node)),
            Some(status) => plan.asked.push((target(cluster, node), status)),
        }
    }
    if plan.ask.is_empty() && plan.asked.is_empty() {
        return Err(nothing_selected(clusters, selection));
    }
    Ok(plan)
}

/// The pods of a selection, whatever their state.
pub fn selected<'a>(
    clusters: &'a [ClusterView],
    selection: &PodSelection,
) -> Result<Vec<(&'a ClusterView, &'a NodeView)>, Refusal> {
    let crd = selection.cluster.as_deref();
    match &selection.scope {
        PodScope::Named(pods) => {
            let mut found: Vec<(&ClusterView, &NodeView)> = Vec::new();
            for pod in pods {
                let (of, node) = node_of(clusters, crd, pod)?;
                // A pod that is named twice is asked once.
                if !found.iter().any(|(_, known)| known.uid == node.uid) {
                    found.push((of, node));
                }
            }
            Ok(found)
        }
        PodScope::Prefix(prefix) => among(clusters, selection, |node| node.pod.starts_with(prefix.as_str())),
        PodScope::Labelled { pods, .. } => among(clusters, selection, |node| pods.contains(&node.pod)),
        PodScope::Racks(racks) => {
            let of = cluster(clusters, crd)?;
            check_racks(of, &RackSelection::Racks(racks.clone()))?;
            Ok(nodes(std::slice::from_ref(of))
                .filter(|(_, node)| racks.contains(&node.rack))
                .collect())
        }
        PodScope::Datacenters(names) => {
            let of = cluster(clusters, crd)?;
            names.iter().try_for_each(|dc| check_datacenter(of, dc))?;
            Ok(nodes(std::slice::from_ref(of))
                .filter(|(_, node)| names.contains(&node.rack.dc))
                .collect())
        }
        PodScope::All => Ok(nodes(std::slice::from_ref(cluster(clusters, crd)?)).collect()),
    }
}

/// Those of all clusters, or of the one that is named; there has to be one.
fn among<'a>(
    clusters: &'a [ClusterView],
    selection: &PodSelection,
    is_meant: impl Fn(&NodeView) -> bool,
) -> Result<Vec<(&'a ClusterView, &'a NodeView)>, Refusal> {
    let crd = selection.cluster.as_deref();
    let among = match crd {
        Some(_) => std::slice::from_ref(cluster(clusters, crd)?),
        None => clusters,
    };
    let found: Vec<_> = nodes(among).filter(|(_, node)| is_meant(node)).collect();
    if found.is_empty() {
        Err(nothing_selected(among, selection))
    } else {
        Ok(found)
    }
}

/// Whether the clusters of a plan have the datacenter a rebuild is to stream from.
pub fn source_datacenter(
    clusters: &[ClusterView],
    plan: &PodPlan,
    command: &OperationCommand,
) -> Result<(), Refusal> {
    let OperationCommand::Rebuild { from_dc } = command else {
        return Ok(());
    };
    let concerned = |cluster: &&ClusterView| plan.ask.iter().any(|target| target.cluster == cluster.name);
    clusters.iter().filter(concerned).try_for_each(|cluster| {
        check_datacenter(cluster, from_dc).map_err(|_| Refusal::NoSuchSource {
            cluster: cluster.name.clone(),
            dc: from_dc.clone(),
            known: cluster.datacenters().into_iter().map(str::to_owned).collect(),
        })
    })
}

/// What a pod's labels allow: `None` to ask, or how far the same request is already.
fn turn(
    cluster: &ClusterView,
    node: &NodeView,
    command: &OperationCommand,
) -> Result<Option<OperationStatus>, Refusal> {
    let Some(request) = &node.request else {
        return Ok(None);
    };
    let same = request.name == command.name()
        && request.argument == command.argument()
        && request.options == command.options();
    match request.status {
        OperationStatus::Done | OperationStatus::Error | OperationStatus::Manual => Ok(None),
        // Asking for what is held back is the way to start it.
        OperationStatus::Paused if same => Ok(None),
        status if same && status != OperationStatus::Paused => Ok(Some(status)),
        _ => Err(busy(cluster, node, request)),
    }
}

/// A pod that may be asked for an operation now, whatever was asked before.
pub(super) fn is_free(node: &NodeView) -> bool {
    let ended = |status| {
        matches!(
            status,
            OperationStatus::Done | OperationStatus::Error | OperationStatus::Manual
        )
    };
    node.request.as_ref().is_none_or(|request| ended(request.status))
}

/// A pod that carries out a request must be free for it.
pub(super) fn check_free(
    cluster: &ClusterView,
    node: &NodeView,
    command: &OperationCommand,
) -> Result<(), Refusal> {
    if !node.state.runs() {
        return Err(not_running(cluster, node, command.name()));
    }
    match &node.request {
        Some(request) if !is_free(node) => Err(busy(cluster, node, request)),
        _ => Ok(()),
    }
}

/// A pod that is asked for something else.
pub(super) fn busy(cluster: &ClusterView, node: &NodeView, request: &RequestView) -> Refusal {
    Refusal::PodBusy {
        pod: node.pod.clone(),
        operation: request.name,
        status: request.status,
        started: cluster
            .operation(&node.uid, request.name)
            .and_then(|operation| operation.started),
    }
}

/// The pod of that name, and its cluster, which has to be the one that is named, if one is.
pub(super) fn node_of<'a>(
    clusters: &'a [ClusterView],
    named: Option<&str>,
    pod: &str,
) -> Result<(&'a ClusterView, &'a NodeView), Refusal> {
    let (of, node) = node(clusters, pod)?;
    match named {
        Some(name) if name != of.name => Err(Refusal::PodOfOtherCluster {
            pod: node.pod.clone(),
            cluster: cluster(clusters, named)?.name.clone(),
        }),
        _ => Ok((of, node)),
    }
}

/// The pod of that name, and its cluster.
pub(super) fn node<'a>(
    clusters: &'a [ClusterView],
    pod: &str,
) -> Result<(&'a ClusterView, &'a NodeView), Refusal> {
    nodes(clusters)
        .find(|(_, node)| node.pod == pod)
        .ok_or_else(|| Refusal::NoSuchPod {
            pod: pod.to_owned(),
            known: pods(clusters),
        })
}

pub(super) fn target(cluster: &ClusterView, node: &NodeView) -> PodTarget {
    PodTarget {
        cluster: cluster.name.clone(),
        pod: node.pod.clone(),
        uid: node.uid.clone(),
        resource_version: node.resource_version.clone(),
    }
}

fn nodes(clusters: &[ClusterView]) -> impl Iterator<Item = (&ClusterView, &NodeView)> {
    clusters
        .iter()
        .flat_map(|cluster| cluster.nodes.iter().map(move |node| (cluster, node)))
}

fn pods(clusters: &[ClusterView]) -> Vec<String> {
    nodes(clusters).map(|(_, node)| node.pod.clone()).collect()
}

fn not_running(cluster: &ClusterView, node: &NodeView, operation: OperationName) -> Refusal {
    Refusal::PodNotRunning {
        namespace: cluster.namespace.clone(),
        pod: node.pod.clone(),
        state: node.state,
        operation,
    }
}

fn nothing_selected(clusters: &[ClusterView], selection: &PodSelection) -> Refusal {
    Refusal::NothingSelected {
        what: selection.scope.to_string(),
        known: pods(clusters),
    }
}
