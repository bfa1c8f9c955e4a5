//! Which node to take out of the ring, and which node is to do it.

use casskop_types::names::PodName;
use casskop_types::operation::{OperationCommand, OperationName, RemoveTarget};

use super::pods::{check_free, is_free, node, target};
use super::{Loss, PodTarget, Refusal, cluster};
use crate::view::{ClusterView, NodeView, PodState};

/// A lost node to take out of the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovalRequest {
    /// The lost node.
    pub lost: RemoveTarget,
    /// Who is to do it.
    pub from: From,
}

impl RemovalRequest {
    /// What goes with it.
    pub fn loss(&self) -> Loss {
        match &self.lost {
            RemoveTarget::Pod { name, .. } => Loss::RemovedWithPod { pod: name.clone() },
            RemoveTarget::Address(address) => Loss::Removed {
                node: address.to_string(),
            },
            RemoveTarget::HostId(host_id) => Loss::Removed {
                node: host_id.to_string(),
            },
        }
    }
}

/// The node that carries a removal out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// This pod.
    Pod(String),
    /// Any free node of this cluster, or of the only cluster.
    AnyOf(Option<String>),
}

/// A removal that may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemovalPlan {
    /// Ask this pod.
    Ask(PodTarget),
    /// This pod has the same request already.
    Asked(PodTarget),
}

/// Looks at the lost node and at the one that is to remove it.
///
/// A removal ends with the lost pod's volume deleted, so one that is about a node in service is refused here, long before
/// Cassandra says so.
pub fn removal(clusters: &[ClusterView], request: &RemovalRequest) -> Result<RemovalPlan, Refusal> {
    let (of, named) = match &request.from {
        From::Pod(pod) => node(clusters, pod).map(|(cluster, node)| (cluster, Some(node)))?,
        From::AnyOf(name) => (cluster(clusters, name.as_deref())?, None),
    };
    if let Some(node) = named.filter(|node| lost_pod(&request.lost) == Some(node.pod.as_str())) {
        return Err(Refusal::RemovesItself {
            pod: node.pod.clone(),
        });
    }
    check_lost(of, &request.lost)?;
    let command = OperationCommand::Remove {
        target: request.lost.clone(),
    };
    if let Some(asked) = of
        .nodes
        .iter()
        .find(|node| asks_for(node, &command) && !is_free(node))
    {
        return Ok(RemovalPlan::Asked(target(of, asked)));
    }
    let from = match named {
        Some(node) => {
            check_free(of, node, &command)?;
            node
        }
        None => any_free(of, &request.lost)?,
    };
    Ok(RemovalPlan::Ask(target(of, from)))
}

fn check_lost(cluster: &ClusterView, lost: &RemoveTarget) -> Result<(), Refusal> {
    if let RemoveTarget::Pod { name, address } = lost {
        if name
            .parse::<PodName>()
            .ok()
            .is_none_or(|pod| pod.cluster.as_str() != cluster.name)
        {
            return Err(Refusal::NotAPodOfCluster {
                pod: name.clone(),
                cluster: cluster.name.clone(),
            });
        }
        let pod = cluster.nodes.iter().find(|node| node.pod == *name);
        // Whatever its address was before: the pod of that name serves data now, and its volume would be deleted.
        if let Some(node) = pod.filter(|node| node.state == PodState::Ready) {
            return Err(live(node));
        }
        let known = address.is_some()
            || pod.is_some_and(|node| node.address.is_some())
            || cluster.host_ids.contains_key(name);
        if !known {
            return Err(Refusal::NoAddress { pod: name.clone() });
        }
    }
    let in_service = |node: &&NodeView| {
        node.state == PodState::Ready
            && match lost {
                RemoveTarget::Pod { address, .. } => address.is_some() && node.address == *address,
                RemoveTarget::Address(address) => node.address == Some(*address),
                RemoveTarget::HostId(host_id) => node.host_id.as_deref() == Some(host_id.as_str()),
            }
    };
    cluster
        .nodes
        .iter()
        .find(in_service)
        .map_or(Ok(()), |node| Err(live(node)))
}

fn live(node: &NodeView) -> Refusal {
    Refusal::RemovesLiveNode {
        pod: node.pod.clone(),
        address: node.address.map(|address| address.to_string()),
    }
}

/// The first ready node, in the order of racks and ordinals, that has nothing else to do.
fn any_free<'a>(cluster: &'a ClusterView, lost: &RemoveTarget) -> Result<&'a NodeView, Refusal> {
    cluster
        .nodes
        .iter()
        .find(|node| {
            node.state == PodState::Ready && is_free(node) && lost_pod(lost) != Some(node.pod.as_str())
        })
        .ok_or_else(|| Refusal::NoFreeNode {
            namespace: cluster.namespace.clone(),
            cluster: cluster.name.clone(),
        })
}

fn asks_for(node: &NodeView, command: &OperationCommand) -> bool {
    node.request.as_ref().is_some_and(|request| {
        request.name == OperationName::Remove && request.argument == command.argument()
    })
}

fn lost_pod(lost: &RemoveTarget) -> Option<&str> {
    match lost {
        RemoveTarget::Pod { name, .. } => Some(name),
        RemoveTarget::Address(_) | RemoveTarget::HostId(_) => None,
    }
}
