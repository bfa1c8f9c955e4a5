//! What keeps a cluster from being healthy.

use casskop_types::CassandraCluster;
use casskop_types::conditions::{self, ConditionStatus, ConditionType};
use casskop_types::status::Phase;

use super::{ClusterView, PodState};

/// Nothing for a cluster that has every node it should have, in service, and whose operator waits for nothing. A node that is
/// down because of a restart counts: the ring lacks it all the same.
pub(super) fn troubles(view: &ClusterView, cluster: &CassandraCluster) -> Vec<String> {
    let mut troubles = Vec::new();
    match view.phase {
        None => troubles.push("no operator has taken it up".to_owned()),
        Some(Phase::Running) => {}
        Some(phase) => troubles.push(format!("its phase is {phase}")),
    }
    troubles.extend(invalid_spec(cluster));
    let count = view.node_count;
    if count.ready < count.wanted {
        troubles.push(format!("{} of {} nodes are ready", count.ready, count.wanted));
    }
    let failing = view.nodes.iter().filter(|node| node.state != PodState::Ready);
    troubles
        .extend(failing.filter_map(|node| Some(format!("pod {} is {}", node.pod, node.trouble.as_ref()?))));
    troubles.extend(
        view.waiting
            .as_ref()
            .map(|waiting| format!("work waits: {}", waiting.reason)),
    );
    troubles
}

fn invalid_spec(cluster: &CassandraCluster) -> Option<String> {
    let conditions = &cluster.status.as_ref()?.conditions;
    let valid = conditions::condition(conditions, ConditionType::Valid)?;
    (valid.status == ConditionStatus::False.as_str())
        .then(|| format!("its spec cannot work: {}", valid.message))
}
