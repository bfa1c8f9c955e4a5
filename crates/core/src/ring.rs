//! What the nodes agree on. A step that takes a node down, or lets one join, needs the whole ring to agree first.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use casskop_types::names::PodName;

use crate::blocker::Blocker;
use crate::observed::{NodeFacts, OperationMode, RingView};
use crate::rack::{PodView, Rack};
use casskop_types::conditions::ConditionReason;

/// Answers of the asked nodes, by pod.
pub type Nodes = BTreeMap<PodName, NodeFacts>;

/// Every node is NORMAL and seen UP by another node, none is joining, leaving or moving, and no member is down.
///
/// A ring without pods agrees. A ring of one node has no other witness than itself.
///
/// Members with the host ids of `returning` may be down: what waits for the agreement brings them back.
pub fn agrees(racks: &[Rack<'_>], nodes: &Nodes, returning: &[String]) -> Result<(), Blocker> {
    agrees_where(racks, nodes, |view| {
        let returns = |address: &IpAddr| {
            let host_id = view.host_ids.get(address);
            host_id.is_some_and(|host_id| returning.iter().any(|known| known.eq_ignore_ascii_case(host_id)))
        };
        let down = view.unreachable.iter().filter(|address| !returns(address));
        view.unreachable = down.copied().collect();
    })
}

/// The same, although the node of a pod is moving.
pub fn agrees_but_moving(racks: &[Rack<'_>], nodes: &Nodes, pod: &PodView<'_>) -> Result<(), Blocker> {
    agrees_where(racks, nodes, |view| {
        view.moving.retain(|address| pod.address != Some(*address));
    })
}

fn agrees_where(racks: &[Rack<'_>], nodes: &Nodes, overlook: impl Fn(&mut RingView)) -> Result<(), Blocker> {
    let pods: Vec<_> = racks.iter().flat_map(|rack| &rack.pods).collect();
    if pods.is_empty() {
        return Ok(());
    }
    are_up(&pods, &pods, nodes, overlook)
}

/// The same, whatever may be with the nodes of some pods.
///
/// Members with the host ids of `replaced` may be down: other nodes take their places.
pub fn agrees_but(
    racks: &[Rack<'_>],
    nodes: &Nodes,
    exempt: &[&PodView<'_>],
    replaced: &[String],
) -> Result<(), Blocker> {
    let all: Vec<_> = racks.iter().flat_map(|rack| &rack.pods).collect();
    let is_exempt = |pod: &PodView<'_>| exempt.iter().any(|other| other.name == pod.name);
    let others: Vec<_> = all.iter().copied().filter(|pod| !is_exempt(pod)).collect();
    are_up(&others, &all, nodes, |view| {
        for address in exempt.iter().filter_map(|pod| pod.address) {
            view.leaving.remove(&address);
        }
        let is_replaced = |address: &IpAddr| {
            let host_id = view.host_ids.get(address);
            host_id.is_some_and(|known| replaced.contains(known))
        };
        let down = view.unreachable.iter().filter(|address| !is_replaced(address));
        view.unreachable = down.copied().collect();
    })
}

/// The nodes of these pods are NORMAL and seen UP, and no view of the ring, but for what is overlooked in it, shows a change or a loss.
fn are_up(
    pods: &[&PodView<'_>],
    all: &[&PodView<'_>],
    nodes: &Nodes,
    overlook: impl Fn(&mut RingView),
) -> Result<(), Blocker> {
    let views = views(nodes);
    if views.is_empty() {
        return Err(no_answer(all, nodes));
    }
    for (witness, view) in &views {
        let mut view = (*view).clone();
        overlook(&mut view);
        membership_is_stable(witness, &view, all)?;
    }
    pods.iter().try_for_each(|pod| is_up(pod, &views, nodes))
}

/// The node of one pod is NORMAL and another sees it UP.
pub fn sees_up(pod: &PodView<'_>, nodes: &Nodes) -> Result<(), Blocker> {
    is_up(pod, &views(nodes), nodes)
}

/// Whether another node sees the node of a pod down, and none sees it up.
pub fn is_seen_down(pod: &PodView<'_>, nodes: &Nodes) -> bool {
    let Some(address) = pod.address else { return false };
    let views = views_of_others(nodes, &pod.name.to_string());
    let sees = |known: fn(&RingView) -> &BTreeSet<IpAddr>| {
        views.iter().any(|(_, view)| known(view).contains(&address))
    };
    sees(|view| &view.unreachable) && !sees(|view| &view.live)
}

/// Whether some node sees the node of a pod leaving the ring.
pub fn is_leaving(pod: &PodView<'_>, nodes: &Nodes) -> bool {
    let leaves = |address| {
        views(nodes)
            .iter()
            .any(|(_, view)| view.leaving.contains(address))
    };
    pod.address.as_ref().is_some_and(leaves)
}

/// Whether some node sees the node of a pod on its way to another token.
pub fn is_moving(pod: &PodView<'_>, nodes: &Nodes) -> bool {
    let moves = |address| views(nodes).iter().any(|(_, view)| view.moving.contains(address));
    pod.address.as_ref().is_some_and(moves)
}

/// Every node of one rack is NORMAL and seen UP, and none of its nodes is joining, leaving or moving.
pub fn has(rack: &Rack<'_>, nodes: &Nodes) -> Result<(), Blocker> {
    let pods: Vec<_> = rack.pods.iter().collect();
    let views = views(nodes);
    if views.is_empty() && !pods.is_empty() {
        return Err(no_answer(&pods, nodes));
    }
    for pod in &pods {
        let Some(address) = pod.address else { continue };
        let changes = |view: &RingView| {
            view.joining.contains(&address)
                || view.leaving.contains(&address)
                || view.moving_members().any(|moving| *moving == address)
        };
        if let Some((witness, _)) = views.iter().find(|(_, view)| changes(view)) {
            let note = format!(
                "node {} has not joined yet, as pod {witness} sees it: {}",
                pod.name,
                how_far(&pod.name.to_string())
            );
            return Err(Blocker::new(ConditionReason::NodeJoining, note));
        }
    }
    pods.iter().try_for_each(|pod| is_up(pod, &views, nodes))
}

/// The views of the ring that are known, with the pod that has each.
pub fn views(nodes: &Nodes) -> Vec<(&PodName, &RingView)> {
    nodes
        .iter()
        .filter_map(|(pod, facts)| Some((pod, facts.ring.known()?)))
        .collect()
}

/// The same without that of one pod.
pub fn views_of_others<'a>(nodes: &'a Nodes, pod: &str) -> Vec<(&'a PodName, &'a RingView)> {
    let mut views = views(nodes);
    views.retain(|(witness, _)| witness.to_string() != pod);
    views
}

fn no_answer(pods: &[&PodView<'_>], nodes: &Nodes) -> Blocker {
    let why = nodes.iter().find_map(|(pod, facts)| match &facts.ring {
        crate::fact::Fact::Unknown(why) => Some(format!("pod {pod}: {why}")),
        crate::fact::Fact::Known(_) => None,
    });
    let unready = pods.iter().find(|pod| !pod.is_ready());
    let note = why.or_else(|| Some(unready?.blocker().note));
    Blocker::new(
        ConditionReason::NodesUnreachable,
        note.unwrap_or_else(|| "no node was asked yet".to_owned()),
    )
}

/// What brings a node back that broke its move off.
pub fn brought_back(pod: &str) -> String {
    format!(
        "restart it with `kubectl casskop restart --pod {pod}`, or with `kubectl delete pod {pod}` if other nodes are down"
    )
}

/// Where somebody sees how far a node is that streams data.
pub fn how_far(pod: &str) -> String {
    format!(
        "it goes on when that has ended, `kubectl exec {pod} --container cassandra -- nodetool netstats` tells how far it is"
    )
}

fn membership_is_stable(witness: &PodName, view: &RingView, pods: &[&PodView<'_>]) -> Result<(), Blocker> {
    let changes = [
        (view.joining.iter().next(), "joining the ring"),
        (view.leaving.iter().next(), "leaving the ring"),
        (view.moving_members().next(), "moving to another token"),
    ];
    for (address, what) in changes {
        let Some(address) = address else { continue };
        let known = pods.iter().find(|pod| pod.address == Some(*address));
        let name = known.map_or_else(|| address.to_string(), |pod| pod.name.to_string());
        let who = known.map_or(witness, |pod| &pod.name).to_string();
        let mut note = format!(
            "node {name} is {what}, as pod {witness} sees it: {}",
            how_far(&who)
        );
        if let (Some(pod), true) = (known, view.moving.contains(address)) {
            let back = brought_back(&pod.name.to_string());
            note = format!("{note}; where it broke that off, {back}");
        }
        return Err(Blocker::new(ConditionReason::NodeJoining, note));
    }
    let lost = view.unreachable.iter().find(|address| {
        view.host_ids.contains_key(address) && pods.iter().all(|pod| pod.address != Some(**address))
    });
    lost.map_or(Ok(()), |address| {
        let host_id = view.host_ids.get(address).map_or("unknown", String::as_str);
        let note = format!(
            "member {host_id} at {address} is down and no pod runs it: bring it back, or take it out of the ring with \
             `kubectl casskop removenode --host-id {host_id} --crd {}`",
            witness.cluster
        );
        Err(Blocker::new(ConditionReason::DataAtRisk, note))
    })
}

fn is_up(pod: &PodView<'_>, views: &[(&PodName, &RingView)], nodes: &Nodes) -> Result<(), Blocker> {
    let Some(address) = pod.address else {
        return Err(Blocker::new(
            ConditionReason::NodeNotReady,
            format!("pod {} has no address yet", pod.name),
        ));
    };
    let own_mode = nodes.get(&pod.name).and_then(|facts| facts.mode.known());
    if let Some(mode) = own_mode.filter(|mode| !mode.serves()) {
        return Err(Blocker::new(
            ConditionReason::NodeNotReady,
            format!("node {} is {mode}: {}", pod.name, remedy(mode)),
        ));
    }
    let mut others = views
        .iter()
        .filter(|(witness, _)| **witness != pod.name)
        .peekable();
    if others.peek().is_none() {
        let alone = own_mode.is_some();
        return if alone { Ok(()) } else { Err(unseen(pod)) };
    }
    let mut seen_up = false;
    for (witness, view) in others {
        if view.unreachable.contains(&address) {
            return Err(Blocker::new(
                ConditionReason::NodeNotReady,
                format!(
                    "node {name} is down, as pod {witness} sees it: if it stays so, see `kubectl logs {name} --container cassandra`",
                    name = pod.name
                ),
            ));
        }
        seen_up |= view.live.contains(&address) && view.host_ids.contains_key(&address);
    }
    if seen_up { Ok(()) } else { Err(unseen(pod)) }
}

fn unseen(pod: &PodView<'_>) -> Blocker {
    Blocker::new(
        ConditionReason::NodeNotReady,
        format!("no other node sees node {} up yet", pod.name),
    )
}

/// What helps a node that does not serve.
fn remedy(mode: &OperationMode) -> &'static str {
    match mode {
        OperationMode::Starting | OperationMode::Joining => "it goes on when that has ended",
        OperationMode::Leaving | OperationMode::Decommissioned | OperationMode::DecommissionFailed => {
            "somebody has it leave the ring; lower nodesPerRacks, and its pod goes too"
        }
        OperationMode::Normal
        | OperationMode::Draining
        | OperationMode::Moving
        | OperationMode::Drained
        | OperationMode::Other(_) => "if it stays so, delete its pod, which restarts it",
    }
}

impl std::fmt::Display for OperationMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Starting => "STARTING",
            Self::Joining => "JOINING",
            Self::Normal => "NORMAL",
            Self::Leaving => "LEAVING",
            Self::Moving => "MOVING",
            Self::Decommissioned => "DECOMMISSIONED",
            Self::DecommissionFailed => "DECOMMISSION_FAILED",
            Self::Draining => "DRAINING",
            Self::Drained => "DRAINED",
            Self::Other(word) => word,
        })
    }
}
