//! Removing a lost node from the ring, from another node (removenode).
//!
//! Which node is lost is settled and recorded before anything is done: afterwards neither the ring nor the pod can
//! tell. Its claim and pod go only once another node says that the host id is no member any more.

use std::net::IpAddr;

use casskop_types::operation::{LostNode, OperationRecord, RemoveTarget};

use super::run::Transition;
use super::{Scene, claims, replace};
use crate::blocker::Blocker;
use crate::effect::Effect;
use crate::fact::Fact;
use crate::licence;
use crate::observed::{NodeFacts, RingView};
use crate::rack::PodView;
use casskop_types::conditions::ConditionReason;

/// Finds the member that a request means, as the asked node sees the ring; refuses what Cassandra would refuse, and
/// what is not certain.
pub(super) fn resolve(
    target: &RemoveTarget,
    from: &PodView<'_>,
    view: &RingView,
    scene: Scene<'_>,
) -> Result<LostNode, String> {
    let asked = format!("as pod {} sees the ring", from.name);
    let (pod, address) = match target {
        RemoveTarget::HostId(wanted) => {
            let member = view
                .host_ids
                .iter()
                .find(|(_, host_id)| host_id.eq_ignore_ascii_case(wanted.as_str()));
            let Some((address, _)) = member else {
                return Err(format!("host id {wanted} is no member, {asked}"));
            };
            (None, *address)
        }
        RemoveTarget::Address(address) => (None, *address),
        RemoveTarget::Pod { name, address } => {
            let address = address.or_else(|| address_of(name, view, scene)).ok_or_else(|| {
                format!("the address of the node of pod {name} is not known: name it, or its host id, in the request")
            })?;
            (Some(name.clone()), address)
        }
    };
    let Some(host_id) = view.host_ids.get(&address) else {
        return Err(format!("no member has the address {address}, {asked}"));
    };
    if from.address == Some(address) {
        return Err(format!(
            "pod {} cannot remove itself: ask another node",
            from.name
        ));
    }
    if view.live.contains(&address) {
        return Err(format!(
            "node {host_id} at {address} is alive, {asked}: a live node is decommissioned, not removed"
        ));
    }
    if replace::host_ids(scene).contains(host_id) {
        return Err(format!("node {host_id} at {address} is being replaced"));
    }
    // Claim and pod go by their name: it has to be the name of this very node's.
    if let Some(other) = pod
        .as_deref()
        .and_then(|name| runs_another(name, host_id, view, scene))
    {
        return Err(format!(
            "pod {} runs node {other}, a member, and not {host_id} at {address}: name the address alone, or the host id",
            pod.as_deref().unwrap_or_default()
        ));
    }
    let object = pod.as_deref().and_then(|name| scene.pod_named(name));
    if let Some(ready) = object.filter(|known| known.is_ready()) {
        return Err(format!("pod {} is ready: its node is not lost", ready.name));
    }
    Ok(LostNode {
        pod,
        pod_uid: object.map(|known| known.uid.to_owned()),
        host_id: Some(host_id.clone()),
        address: Some(address.to_string()),
        claim_uid: None,
    })
}

/// The member that a pod runs, or last ran, if that is not the one meant.
fn runs_another(pod: &str, host_id: &str, view: &RingView, scene: Scene<'_>) -> Option<String> {
    let now = scene
        .pod_named(pod)
        .and_then(|pod| pod.address)
        .and_then(|address| view.host_ids.get(&address));
    let status = scene.observed.kube.cluster.status.as_ref();
    let recorded = status
        .and_then(|status| status.cassandra_node_status.get(pod))
        .and_then(|recorded| recorded.host_id.as_ref())
        .filter(|recorded| {
            view.host_ids
                .values()
                .any(|member| member.eq_ignore_ascii_case(recorded))
        });
    let mut nodes = now.into_iter().chain(recorded);
    nodes.find(|other| !other.eq_ignore_ascii_case(host_id)).cloned()
}

/// The address of a pod's node: where the ring has the host id that was recorded for the pod, else the pod's own.
fn address_of(pod: &str, view: &RingView, scene: Scene<'_>) -> Option<IpAddr> {
    let recorded = scene
        .observed
        .kube
        .cluster
        .status
        .as_ref()
        .and_then(|status| status.cassandra_node_status.get(pod));
    let by_host_id = recorded.and_then(|recorded| {
        view.host_ids
            .iter()
            .find(|(_, host_id)| Some(*host_id) == recorded.host_id.as_ref())
            .map(|(address, _)| *address)
    });
    let own = || scene.pod_named(pod)?.address;
    by_host_id.or_else(own)
}

/// How the ring stands to the lost node.
pub(super) enum Outcome {
    /// It is no member any more.
    Left,
    /// It is on its way out.
    Leaving(Blocker),
    /// It still is a member.
    Member,
    /// The asked node does not say.
    Unknown(Blocker),
}

/// Asks the node's view what became of the removal.
pub(super) fn outcome(record: &OperationRecord, from: &PodView<'_>, node: &NodeFacts) -> Outcome {
    let view = match &node.ring {
        Fact::Known(view) => view,
        Fact::Unknown(why) => {
            let note = format!("pod {} does not tell the ring: {why}", from.name);
            return Outcome::Unknown(Blocker::new(ConditionReason::NodesUnreachable, note));
        }
    };
    let Some(host_id) = lost_host_id(record) else {
        return Outcome::Member;
    };
    let member = view.host_ids.iter().find(|(_, known)| **known == host_id);
    match member {
        None => Outcome::Left,
        Some((address, _)) if view.leaving.contains(address) => {
            let note = format!("node {host_id} at {address} is leaving the ring");
            Outcome::Leaving(Blocker::new(ConditionReason::OperationOngoing, note))
        }
        Some(_) => Outcome::Member,
    }
}

/// Whether the node's view proves that the lost node left.
pub(super) fn has_left(record: &OperationRecord, node: &NodeFacts) -> bool {
    let host_id = lost_host_id(record);
    host_id.is_some_and(|host_id| {
        node.ring
            .is_known_and(|view| !view.host_ids.values().any(|known| *known == host_id))
    })
}

/// The call succeeded: once the ring confirms it, what belonged to the lost node is recorded, to go next.
pub(super) fn finalize(
    scene: Scene<'_>,
    record: &OperationRecord,
    from: &PodView<'_>,
    node: &NodeFacts,
) -> Transition {
    if !has_left(record, node) {
        let host_id = lost_host_id(record).unwrap_or_default();
        let note = format!(
            "pod {} does not yet tell that node {host_id} left the ring",
            from.name
        );
        return Transition::AskAgain(Blocker::new(ConditionReason::OperationOngoing, note));
    }
    let Some(pod) = record.lost_node.as_ref().and_then(|lost| lost.pod.as_deref()) else {
        return Transition::End(Ok(()));
    };
    match &scene.observed.kube.claims {
        Fact::Unknown(why) => {
            let note = format!("the claims of pod {pod} are not known: {why}");
            Transition::AskAgain(Blocker::new(ConditionReason::ObjectRefused, note))
        }
        Fact::Known(stored) => Transition::Finalize {
            lost: LostNode {
                claim_uid: claims::data_claim_uid(pod, stored, scene),
                ..record.lost_node.clone().unwrap_or_default()
            },
        },
    }
}

/// Deletes the recorded claim and pod, and ends once both are gone. The StatefulSet then makes the pod anew, and a
/// fresh node joins.
pub(super) fn clean_up(
    scene: Scene<'_>,
    record: &OperationRecord,
    from: &PodView<'_>,
    node: &NodeFacts,
) -> Transition {
    let Some(lost) = &record.lost_node else {
        return Transition::End(Ok(()));
    };
    let Fact::Known(stored) = &scene.observed.kube.claims else {
        let note = format!("the claims of cluster {} were not read", scene.cluster.name);
        return Transition::AskAgain(Blocker::new(ConditionReason::ObjectRefused, note));
    };
    let claim = claims::recorded(lost, stored);
    let pod = scene
        .racks
        .iter()
        .flat_map(|rack| &rack.pods)
        .find(|pod| Some(pod.uid) == lost.pod_uid.as_deref() && !pod.is_ready());
    if claim.is_none() && pod.is_none() {
        return Transition::End(Ok(()));
    }
    let licence = lost
        .host_id
        .as_deref()
        .zip(node.ring.known())
        .and_then(|(host_id, view)| licence::left_the_ring(host_id, &from.name, view));
    let Some(licence) = licence else {
        let note = format!("pod {} does not tell that the lost node left the ring", from.name);
        return Transition::AskAgain(Blocker::new(ConditionReason::NodesUnreachable, note));
    };
    let mut effects = Vec::new();
    effects.extend(claim.and_then(|claim| claims::delete(claim, licence)));
    // The claim stays until no pod uses it (the finalizer kubernetes.io/pvc-protection), so the pod has to go too.
    if let Some(pod) = pod {
        effects.push(Effect::DeletePod {
            pod: pod.name.clone(),
            uid: pod.uid.to_owned(),
            grace_seconds: 0,
        });
    }
    let lost_pod = lost.pod.clone().unwrap_or_default();
    let waits = Blocker::new(
        ConditionReason::OperationOngoing,
        format!("the claim and pod of lost node {lost_pod} go away"),
    );
    Transition::act(effects, waits)
}

fn lost_host_id(record: &OperationRecord) -> Option<String> {
    record.lost_node.as_ref()?.host_id.clone()
}
