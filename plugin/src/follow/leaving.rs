//! Waiting until the last node of a rack has left the ring, and its pod has gone.

use casskop_core::view::{ClusterView, NodeView, PodState, RackRef};
use casskop_types::operation::OperationName;
use casskop_types::status::{ActionStatus, ClusterAction};

use super::goal::{Item, ItemState};

/// A rack that is to have fewer nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeavingGoal {
    /// The rack.
    pub(crate) rack: RackRef,
    /// Pod whose node leaves.
    pub(crate) pod: String,
    /// Nodes of the rack then.
    pub(crate) nodes: usize,
}

impl LeavingGoal {
    pub(super) fn look(&self, cluster: &ClusterView) -> Item {
        let item = |state, detail: String, since| Item {
            what: format!("pod {}", self.pod),
            state,
            detail,
            since,
        };
        let Some(rack) = cluster.rack(&self.rack) else {
            let detail = format!("cassandracluster `{}` has its rack no more", cluster.name);
            return item(ItemState::Failed, detail, None);
        };
        if rack.nodes.wanted > self.nodes {
            let detail = format!(
                "nodesPerRacks is {} again; see why with `kubectl describe cassandracluster {} --namespace {}`",
                rack.nodes.wanted, cluster.name, cluster.namespace
            );
            return item(ItemState::Failed, detail, None);
        }
        let action = rack.action.as_ref().filter(|action| action.is_pending());
        let leaving = cluster.nodes.iter().find(|node| self.has_to_leave(node));
        match (action, leaving) {
            (Some(action), _)
                if (action.name, action.status) == (ClusterAction::ScaleDown, ActionStatus::ToDo) =>
            {
                item(ItemState::Queued, "waits for its turn".to_owned(), action.started)
            }
            (Some(action), leaving) if action.name == ClusterAction::ScaleDown => {
                item(ItemState::Running, how_far(cluster, leaving), action.started)
            }
            (_, None) => item(ItemState::Done, "left the ring".to_owned(), None),
            (Some(action), Some(_)) => {
                let detail = format!("after {}, which is {}", action.name, action.status);
                item(ItemState::Asked, detail, None)
            }
            (None, Some(_)) => item(
                ItemState::Asked,
                "not taken up by the operator yet".to_owned(),
                None,
            ),
        }
    }

    fn has_to_leave(&self, node: &NodeView) -> bool {
        let ordinal = node.ordinal.and_then(|ordinal| usize::try_from(ordinal).ok());
        node.rack == self.rack && ordinal.is_some_and(|ordinal| ordinal >= self.nodes)
    }
}

fn how_far(cluster: &ClusterView, leaving: Option<&NodeView>) -> String {
    let Some(node) = leaving else {
        return "its claim goes".to_owned();
    };
    let operation = cluster.operation(&node.uid, OperationName::Decommission);
    match operation {
        _ if node.state == PodState::Terminating => "its pod goes".to_owned(),
        Some(operation) => operation
            .message
            .clone()
            .unwrap_or_else(|| "streams its data to the others".to_owned()),
        None => "its node is about to leave".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use casskop_types::CassandraCluster;
    use k8s_openapi::api::core::v1::Pod;
    use rstest::rstest;

    use super::*;

    fn view(nodes: usize, action: &str, ordinals: &[i32]) -> ClusterView {
        let cluster: CassandraCluster = serde_yaml::from_str(&format!(
            "{{metadata: {{name: demo, namespace: data}},
               spec: {{topology: {{dc: [{{name: dc1, nodesPerRacks: {nodes}, rack: [{{name: rack1}}]}}]}}}},
               status: {{cassandraRackStatus: {{dc1-rack1: {{cassandraLastAction: {{{action}}}}}}}}}}}"
        ))
        .unwrap();
        let pods: Vec<Pod> = ordinals
            .iter()
            .map(|ordinal| {
                serde_yaml::from_str(&format!(
                    "{{metadata: {{name: demo-dc1-rack1-{ordinal}, uid: u{ordinal}, labels: {{cassandracluster: demo,
                       cassandraclusters.db.orange.com.dc: dc1, cassandraclusters.db.orange.com.rack: rack1}}}},
                       status: {{phase: Running}}}}"
                ))
                .unwrap()
            })
            .collect();
        ClusterView::of(&cluster, &pods)
    }

    const OLD: &str = "name: RollingRestart, status: Done, startTime: '2026-11-21T07:00:00Z'";
    const OTHER: &str = "name: RollingRestart, status: Ongoing, startTime: '2026-11-21T07:00:00Z'";
    const TO_DO: &str = "name: ScaleDown, status: ToDo, startTime: '2026-11-21T08:00:00Z'";
    const ONGOING: &str = "name: ScaleDown, status: Ongoing, startTime: '2026-11-21T08:00:00Z'";
    const DONE: &str = "name: ScaleDown, status: Done, startTime: '2026-11-21T08:00:00Z'";

    #[rstest]
    #[case::asked(2, OLD, &[0, 1, 2], ItemState::Asked)]
    #[case::something_else_first(2, OTHER, &[0, 1, 2], ItemState::Asked)]
    #[case::taken_up(2, TO_DO, &[0, 1, 2], ItemState::Queued)]
    #[case::leaving(2, ONGOING, &[0, 1, 2], ItemState::Running)]
    #[case::its_pod_is_gone(2, ONGOING, &[0, 1], ItemState::Running)]
    #[case::done(2, DONE, &[0, 1], ItemState::Done)]
    #[case::done_but_news_of_the_pod_are_late(2, DONE, &[0, 1, 2], ItemState::Asked)]
    #[case::something_else_afterwards(2, OTHER, &[0, 1], ItemState::Done)]
    #[case::raised_again(3, OLD, &[0, 1, 2], ItemState::Failed)]
    fn a_rack_shrinks(
        #[case] nodes: usize,
        #[case] action: &str,
        #[case] ordinals: &[i32],
        #[case] state: ItemState,
    ) {
        let goal = LeavingGoal {
            rack: "dc1.rack1".parse().unwrap(),
            pod: "demo-dc1-rack1-2".to_owned(),
            nodes: 2,
        };
        let item = goal.look(&view(nodes, action, ordinals));
        assert_eq!(item.state, state, "{item:?}");
    }
}
