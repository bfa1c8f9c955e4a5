//! Whether a fresh node may take the place of a pod's lost one.

use casskop_types::operation::{Member, OperationCommand, OperationName, OperationStatus};

use super::Refusal;
use super::loss::Loss;
use super::pods::{PodPlan, busy, node_of, target};
use crate::view::{ClusterView, NodeView, PodState};

/// A lost node whose place is to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacementRequest {
    /// The pod it ran in.
    pub pod: String,
    /// The cluster the pod has to be of.
    pub cluster: Option<String>,
    /// The lost node, where it is another than the one last seen in the pod.
    pub lost: Option<Member>,
}

/// A replacement that may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplacementPlan {
    /// The pod to ask, or that was asked.
    pub pods: PodPlan,
    /// What goes with it.
    pub loss: Loss,
}

/// Why a node is not replaced. The texts name the pod first and end with what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplacementRefusal {
    /// The node is in service.
    #[error(
        "pod `{pod}` is ready: replacing a node in service would delete its data; to restart it use `kubectl casskop restart`"
    )]
    Live {
        /// Its pod.
        pod: String,
    },
    /// The lost node is named, and is the node of another pod.
    #[error("{member} is the node of pod `{other}`, not of pod `{pod}`; name pod `{other}` to replace it")]
    OfOtherPod {
        /// The pod to be made anew.
        pod: String,
        /// The node.
        member: Member,
        /// The pod it runs in.
        other: String,
    },
    /// Nobody knows which node of the ring the pod had.
    #[error("which node pod `{pod}` had is not on record; give its --previous-ip or its --host-id")]
    Unknown {
        /// The pod.
        pod: String,
    },
}

impl ReplacementRefusal {
    pub(super) fn category(&self) -> &'static str {
        match self {
            Self::Live { .. } | Self::OfOtherPod { .. } => "live-node",
            Self::Unknown { .. } => "address",
        }
    }
}

/// Looks at the pod, and at what is known of its node.
pub fn replacement(
    clusters: &[ClusterView],
    request: &ReplacementRequest,
) -> Result<ReplacementPlan, Refusal> {
    let (of, node) = node_of(clusters, request.cluster.as_deref(), &request.pod)?;
    let pods = if let Some(status) = asked(of, node, request)? {
        PodPlan {
            asked: vec![(target(of, node), status)],
            ..PodPlan::default()
        }
    } else {
        check_lost(of, node, request)?;
        PodPlan {
            ask: vec![target(of, node)],
            ..PodPlan::default()
        }
    };
    let lost = request.lost.as_ref().map(ToString::to_string);
    let loss = Loss::Replaced {
        pod: node.pod.clone(),
        node: lost.or_else(|| node.host_id.clone()),
    };
    Ok(ReplacementPlan { pods, loss })
}

/// How far the same request is already. Another operation on a lost node ends with it, and is in nobody's way.
fn asked(
    of: &ClusterView,
    node: &NodeView,
    request: &ReplacementRequest,
) -> Result<Option<OperationStatus>, Refusal> {
    let Some(known) = node
        .request
        .as_ref()
        .filter(|known| known.name == OperationName::Replace)
    else {
        return Ok(None);
    };
    let command = OperationCommand::Replace {
        lost: request.lost.clone(),
    };
    match known.status {
        OperationStatus::Done
        | OperationStatus::Error
        | OperationStatus::Manual
        | OperationStatus::Paused => Ok(None),
        status if known.argument == command.argument() => Ok(Some(status)),
        // Not begun: the new request takes its place.
        OperationStatus::ToDo => Ok(None),
        _ => Err(busy(of, node, known)),
    }
}

fn check_lost(
    of: &ClusterView,
    node: &NodeView,
    request: &ReplacementRequest,
) -> Result<(), ReplacementRefusal> {
    let pod = || node.pod.clone();
    if node.state == PodState::Ready {
        return Err(ReplacementRefusal::Live { pod: pod() });
    }
    let Some(member) = &request.lost else {
        return match node.host_id {
            Some(_) => Ok(()),
            None => Err(ReplacementRefusal::Unknown { pod: pod() }),
        };
    };
    let is_it = |other: &&NodeView| {
        other.uid != node.uid
            && match member {
                // An address of a pod that does not serve may be that of a node before it.
                Member::Address(address) => other.state == PodState::Ready && other.address == Some(*address),
                Member::HostId(host_id) => other.host_id.as_deref() == Some(host_id.as_str()),
            }
    };
    match of.nodes.iter().find(is_it) {
        Some(other) => Err(ReplacementRefusal::OfOtherPod {
            pod: pod(),
            member: member.clone(),
            other: other.pod.clone(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use k8s_openapi::api::core::v1::Pod;
    use rstest::rstest;

    use super::*;
    use crate::view::tests::{cluster as demo, pod};

    const HOST_ID: &str = "5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1";

    /// Node 0 is on record and down, node 1 is in service.
    fn of(lost: Pod, request: &ReplacementRequest) -> Result<ReplacementPlan, Refusal> {
        let views = vec![ClusterView::of(&demo(), &[lost, pod(1, "u1", "", "ready")])];
        replacement(&views, request)
    }

    fn request(pod: &str, lost: Option<&str>) -> ReplacementRequest {
        ReplacementRequest {
            pod: pod.to_owned(),
            cluster: None,
            lost: lost.map(|lost| lost.parse().unwrap()),
        }
    }

    fn of_first(labels: &str, state: &str, lost: Option<&str>) -> Result<ReplacementPlan, Refusal> {
        of(pod(0, "u0", labels, state), &request("demo-dc1-rack1-0", lost))
    }

    #[rstest]
    #[case::not_ready("", "not ready", None)]
    #[case::nowhere_to_run("", "pending", None)]
    #[case::on_a_machine_that_is_gone("", "deleted", None)]
    #[case::named("", "pending", Some(HOST_ID))]
    #[case::asked_for_something_else("operation-name: cleanup, operation-status: Ongoing", "pending", None)]
    #[case::tried_before("operation-name: replace, operation-status: Error", "pending", None)]
    fn a_lost_node_is_replaced(#[case] labels: &str, #[case] state: &str, #[case] lost: Option<&str>) {
        let plan = of_first(labels, state, lost).unwrap();
        assert_eq!(plan.pods.ask[0].pod, "demo-dc1-rack1-0");
    }

    #[test]
    fn what_will_be_lost_is_named() {
        assert_snapshot!(of_first("", "pending", None).unwrap().loss, @"claim data-demo-dc1-rack1-0 with the data of node h-1-0 and pod demo-dc1-rack1-0 will be deleted; a fresh node streams the data from the other replicas, and there is no way back");
        assert_snapshot!(of_first("", "pending", Some("10.0.9.9")).unwrap().loss, @"claim data-demo-dc1-rack1-0 with the data of node 10.0.9.9 and pod demo-dc1-rack1-0 will be deleted; a fresh node streams the data from the other replicas, and there is no way back");
    }

    #[test]
    fn a_replacement_that_runs_is_not_asked_for_again() {
        let runs = "operation-name: replace, operation-status: Ongoing";
        let plan = of_first(runs, "pending", None).unwrap();
        assert!(plan.pods.ask.is_empty());
        assert_eq!(plan.pods.asked[0].1, OperationStatus::Ongoing);
        assert_snapshot!(of_first(runs, "pending", Some(HOST_ID)).unwrap_err(), @"pod `demo-dc1-rack1-0` is busy: replace is Ongoing; wait for its end, or choose other pods");
    }

    #[test]
    fn replacements_that_would_do_harm_are_refused() {
        assert_snapshot!(of_first("", "ready", None).unwrap_err(), @"pod `demo-dc1-rack1-0` is ready: replacing a node in service would delete its data; to restart it use `kubectl casskop restart`");
        assert_snapshot!(of_first("", "pending", Some("10.0.0.2")).unwrap_err(), @"10.0.0.2 is the node of pod `demo-dc1-rack1-1`, not of pod `demo-dc1-rack1-0`; name pod `demo-dc1-rack1-1` to replace it");
        let lost = pod(2, "u2", "", "pending");
        assert_snapshot!(of(lost.clone(), &request("demo-dc1-rack1-2", None)).unwrap_err(), @"which node pod `demo-dc1-rack1-2` had is not on record; give its --previous-ip or its --host-id");
        assert_snapshot!(of(lost.clone(), &request("demo-dc1-rack1-7", None)).unwrap_err(), @"pod `demo-dc1-rack1-7` is not a Cassandra pod of this namespace; the namespace has demo-dc1-rack1-1, demo-dc1-rack1-2");
        let of_other = ReplacementRequest {
            cluster: Some("prod".to_owned()),
            ..request("demo-dc1-rack1-2", None)
        };
        assert_snapshot!(of(lost, &of_other).unwrap_err(), @"cassandracluster `prod` not found; the namespace has demo");
    }
}
