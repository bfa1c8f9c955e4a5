//! Whether one node of each rack of a datacenter may leave the ring: racks of a datacenter have as many nodes each, and the last
//! one of a rack leaves first.

use super::loss::Loss;
use super::pods::node_of;
use super::restart::check_datacenter;
use super::{RackAt, Refusal, cluster};
use crate::view::{ClusterView, RackRef, RackView};

/// Nodes that are to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecommissionRequest {
    /// The cluster, or the only one.
    pub cluster: Option<String>,
    /// Which of its nodes.
    pub leaving: Leaving,
}

/// Which nodes are to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaving {
    /// The last one of each rack of this datacenter.
    Datacenter(String),
    /// That of this pod, and of the others that are the last ones of the racks of its datacenter.
    Pod(String),
}

/// A smaller datacenter that may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecommissionPlan {
    /// The cluster.
    pub cluster: String,
    /// The datacenter.
    pub dc: String,
    /// Nodes of each of its racks then.
    pub nodes: usize,
    /// The racks, and the pods whose nodes leave.
    pub leaving: Vec<(RackRef, String)>,
    /// Whether that is to be written.
    pub turn: Turn,
}

/// Whether something is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The number is to be lowered.
    Ask,
    /// It was lowered before, and the nodes are on their way out.
    Asked,
}

/// Why no node leaves. The texts name the object first and end with what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecommissionRefusal {
    /// Nodes with higher ordinals leave first.
    #[error("pod `{pod}` is not the last one of its rack; the next node to leave is that of pod `{last}`")]
    NotLast {
        /// The pod.
        pod: String,
        /// The last one.
        last: String,
    },
    /// The datacenter has no nodes.
    #[error(
        "datacenter `{dc}` of cassandracluster `{cluster}` has no nodes left; take it out of spec.topology.dc"
    )]
    Empty {
        /// The cluster.
        cluster: String,
        /// The datacenter.
        dc: String,
    },
    /// The nodes are the last ones of the cluster.
    #[error(
        "datacenter `{dc}` is the last one of cassandracluster `{cluster}` with nodes, and has one a rack; to give the cluster up, delete it"
    )]
    LastOfCluster {
        /// The cluster.
        cluster: String,
        /// The datacenter.
        dc: String,
    },
}

impl DecommissionRefusal {
    pub(super) fn category(&self) -> &'static str {
        match self {
            Self::NotLast { .. } => "pod",
            Self::Empty { .. } | Self::LastOfCluster { .. } => "datacenter",
        }
    }
}

impl DecommissionPlan {
    /// What goes with it.
    pub fn loss(&self) -> Loss {
        Loss::Decommissioned {
            dc: self.dc.clone(),
            pods: self.leaving.iter().map(|(_, pod)| pod.clone()).collect(),
            left: self.nodes,
        }
    }
}

/// Looks at the racks of the datacenter. Whether the replication holds without the nodes is not in the object: the operator asks
/// the ring before the first one leaves.
pub fn decommission(
    clusters: &[ClusterView],
    request: &DecommissionRequest,
) -> Result<DecommissionPlan, Refusal> {
    let (of, dc, named) = match &request.leaving {
        Leaving::Datacenter(dc) => (cluster(clusters, request.cluster.as_deref())?, dc.as_str(), None),
        Leaving::Pod(pod) => {
            let (of, node) = node_of(clusters, request.cluster.as_deref(), pod)?;
            (of, node.rack.dc.as_str(), Some(node))
        }
    };
    check_datacenter(of, dc)?;
    let racks: Vec<&RackView> = of.racks.iter().filter(|rack| rack.rack.dc == dc).collect();
    let wanted = racks.iter().map(|rack| rack.nodes.wanted).max().unwrap_or(0);
    let plan = |nodes: usize, turn| DecommissionPlan {
        cluster: of.name.clone(),
        dc: dc.to_owned(),
        nodes,
        leaving: racks
            .iter()
            .map(|rack| (rack.rack.clone(), pod_name(of, &rack.rack, nodes)))
            .collect(),
        turn,
    };
    let ordinal = |ordinal: Option<i32>| ordinal.and_then(|ordinal| usize::try_from(ordinal).ok());
    let leaves = |at: Option<i32>| ordinal(at).is_some_and(|at| at >= wanted);
    let mut nodes = of.nodes.iter().filter(|node| node.rack.dc == dc);
    let is_shrinking = nodes.any(|node| leaves(node.ordinal));
    match named {
        Some(node) if leaves(node.ordinal) => return Ok(plan(wanted, Turn::Asked)),
        None if is_shrinking => return Ok(plan(wanted, Turn::Asked)),
        _ => {}
    }
    if let Some((rack, action)) = racks
        .iter()
        .find_map(|rack| Some((rack, rack.action.as_ref().filter(|action| action.is_pending())?)))
    {
        return Err(Refusal::RackInAction {
            at: Box::new(RackAt {
                namespace: of.namespace.clone(),
                cluster: of.name.clone(),
                rack: rack.rack.clone(),
            }),
            action: action.name,
            status: action.status,
            started: action.started,
        });
    }
    let at = |dc: &str| (of.name.clone(), dc.to_owned());
    let Some(left) = wanted.checked_sub(1) else {
        let (cluster, dc) = at(dc);
        return Err(DecommissionRefusal::Empty { cluster, dc }.into());
    };
    if let Some(node) = named.filter(|node| ordinal(node.ordinal) != Some(left)) {
        return Err(DecommissionRefusal::NotLast {
            pod: node.pod.clone(),
            last: pod_name(of, &node.rack, left),
        }
        .into());
    }
    let others_have_nodes = of
        .racks
        .iter()
        .any(|rack| rack.rack.dc != dc && rack.nodes.wanted > 0);
    if left == 0 && !others_have_nodes {
        let (cluster, dc) = at(dc);
        return Err(DecommissionRefusal::LastOfCluster { cluster, dc }.into());
    }
    Ok(plan(left, Turn::Ask))
}

fn pod_name(cluster: &ClusterView, rack: &RackRef, ordinal: usize) -> String {
    format!("{}-{}-{}-{ordinal}", cluster.name, rack.dc, rack.rack)
}

#[cfg(test)]
mod tests {
    use casskop_types::CassandraCluster;
    use insta::assert_snapshot;
    use k8s_openapi::api::core::v1::Pod;

    use super::*;

    /// Datacenters with two racks and with one, and as many nodes in each rack as pods.
    fn views(dc1: usize, dc2: usize, action: &str) -> Vec<ClusterView> {
        let cluster: CassandraCluster = serde_yaml::from_str(&format!(
            "{{metadata: {{name: demo, namespace: data}}, spec: {{nodesPerRacks: {dc1}, topology: {{dc: [
               {{name: dc1, rack: [{{name: rack1}}, {{name: rack2}}]}}, {{name: dc2, nodesPerRacks: {dc2}, rack: [{{name: rack1}}]}}]}}}},
               status: {{cassandraRackStatus: {{dc1-rack2: {{cassandraLastAction: {{{action}}}}}}}}}}}"
        ))
        .unwrap();
        let pods = ["dc1-rack1", "dc1-rack2", "dc2-rack1"]
            .iter()
            .flat_map(|rack| (0..2).map(move |ordinal| pod(rack, ordinal)));
        vec![ClusterView::of(&cluster, &pods.collect::<Vec<_>>())]
    }

    fn pod(rack: &str, ordinal: i32) -> Pod {
        let (dc, name) = rack.split_once('-').unwrap();
        serde_yaml::from_str(&format!(
            "{{metadata: {{name: demo-{rack}-{ordinal}, uid: {rack}-{ordinal}, labels: {{cassandracluster: demo,
               cassandraclusters.db.orange.com.dc: {dc}, cassandraclusters.db.orange.com.rack: {name}}}}}}}"
        ))
        .unwrap()
    }

    fn of(views: &[ClusterView], leaving: Leaving) -> Result<DecommissionPlan, Refusal> {
        decommission(
            views,
            &DecommissionRequest {
                cluster: None,
                leaving,
            },
        )
    }

    fn dc(name: &str) -> Leaving {
        Leaving::Datacenter(name.to_owned())
    }

    fn named(pod: &str) -> Leaving {
        Leaving::Pod(pod.to_owned())
    }

    #[test]
    fn one_node_of_each_rack_leaves() {
        let views = views(2, 2, "");
        let plan = of(&views, dc("dc1")).unwrap();
        assert_eq!((plan.nodes, plan.turn), (1, Turn::Ask));
        assert_eq!(of(&views, named("demo-dc1-rack2-1")), Ok(plan.clone()));
        assert_snapshot!(plan.loss(), @"the nodes of pods demo-dc1-rack1-1, demo-dc1-rack2-1, the last one of each rack of datacenter dc1, will leave the ring one after the other: each streams its data to the others first, then its pod and its claim are deleted");
    }

    #[test]
    fn nodes_on_their_way_out_are_not_asked_again() {
        let views = views(1, 2, "name: ScaleDown, status: Ongoing");
        let plan = of(&views, dc("dc1")).unwrap();
        assert_eq!((plan.nodes, plan.turn), (1, Turn::Asked));
        assert_eq!(of(&views, named("demo-dc1-rack1-1")), Ok(plan));
        assert_snapshot!(of(&views, named("demo-dc1-rack1-0")).unwrap_err(), @"rack dc1.rack2 of cassandracluster `demo` is busy: ScaleDown is Ongoing; watch it with `kubectl get cassandracluster demo --namespace data --watch`");
    }

    /// The first node of each rack, of dc2 only if it is to have any.
    fn first_nodes(dc2: usize) -> Vec<ClusterView> {
        let mut views = views(1, dc2, "");
        for view in &mut views {
            view.nodes
                .retain(|node| node.ordinal == Some(0) && (node.rack.dc == "dc1" || dc2 > 0));
        }
        views
    }

    #[test]
    fn a_datacenter_is_emptied_unless_it_is_the_last_one() {
        let plan = of(&first_nodes(1), dc("dc1")).unwrap();
        assert_eq!(plan.nodes, 0);
        assert_snapshot!(plan.loss(), @"the nodes of pods demo-dc1-rack1-0, demo-dc1-rack2-0, the last one of each rack of datacenter dc1, will leave the ring one after the other: each streams its data to the others first, then its pod and its claim are deleted; no node of the datacenter is left then");
        assert_snapshot!(of(&first_nodes(0), dc("dc1")).unwrap_err(), @"datacenter `dc1` is the last one of cassandracluster `demo` with nodes, and has one a rack; to give the cluster up, delete it");
        assert_snapshot!(of(&first_nodes(0), dc("dc2")).unwrap_err(), @"datacenter `dc2` of cassandracluster `demo` has no nodes left; take it out of spec.topology.dc");
    }

    #[test]
    fn what_may_not_leave_is_refused() {
        let views = views(2, 2, "name: RollingRestart, status: Ongoing");
        assert_snapshot!(of(&views, dc("dc1")).unwrap_err(), @"rack dc1.rack2 of cassandracluster `demo` is busy: RollingRestart is Ongoing; watch it with `kubectl get cassandracluster demo --namespace data --watch`");
        assert_snapshot!(of(&views, dc("dc7")).unwrap_err(), @"cassandracluster `demo` has no datacenter `dc7`; it has dc1, dc2");
        assert_snapshot!(of(&views, named("demo-dc2-rack1-0")).unwrap_err(), @"pod `demo-dc2-rack1-0` is not the last one of its rack; the next node to leave is that of pod `demo-dc2-rack1-1`");
        assert_snapshot!(of(&views, named("demo-dc2-rack1-7")).unwrap_err(), @"pod `demo-dc2-rack1-7` is not a Cassandra pod of this namespace; the namespace has demo-dc1-rack1-0, demo-dc1-rack1-1, demo-dc1-rack2-0, demo-dc1-rack2-1, demo-dc2-rack1-0, demo-dc2-rack1-1");
    }
}
