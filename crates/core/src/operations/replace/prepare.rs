//! Whether a node is lost, and another may take its place.

use std::net::IpAddr;

use casskop_types::names::PodName;
use casskop_types::operation::{LostNode, Member, OperationName, OperationRecord};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use super::{no_witness, running};
use crate::blocker::Blocker;
use crate::desired::defaults::BOOTSTRAP;
use crate::fact::Fact;
use crate::licence;
use crate::observed::RingView;
use crate::operations::queue::{Prepared, is_asked_for};
use crate::operations::{Scene, claims};
use crate::rack::{PodView, Rack};
use crate::ring;
use crate::ring_record;
use casskop_types::conditions::ConditionReason;

/// Settles which node is lost and whether another may take its place.
pub(in crate::operations) fn prepare(
    scene: Scene<'_>,
    rack: &Rack<'_>,
    record: &OperationRecord,
    asked: Option<&Member>,
) -> Prepared {
    let Some(pod) = rack.pod_named(&record.pod) else {
        return Prepared::Refused(format!("pod {} went away", record.pod));
    };
    if pod.is_ready() {
        return Prepared::Refused(format!("pod {} is ready: its node is not lost", pod.name));
    }
    if let Some(blocker) = first_things(scene, rack, pod) {
        return Prepared::Waits(blocker);
    }
    let views = ring::views_of_others(&scene.observed.nodes, &record.pod);
    let Some((witness, view)) = views.first() else {
        return Prepared::Waits(no_witness(record));
    };
    let (address, host_id) = match member(scene, pod, asked, view) {
        Ok(found) => found,
        Err(why) => return Prepared::Refused(format!("{why}, as pod {witness} sees the ring")),
    };
    for (witness, view) in &views {
        let as_seen = |why| format!("{why}, as pod {witness} sees the ring");
        if let Err(why) = is_lost(pod, address, &host_id, view) {
            return Prepared::Refused(as_seen(why));
        }
        let calm = is_seen_down(&host_id, address, witness, view)
            .and_then(|()| is_calm(pod, address, asked, view).map_err(as_seen));
        if let Err(note) = calm {
            let note = format!("replace on pod {} waits: {note}", pod.name);
            return Prepared::Waits(Blocker::new(ConditionReason::DataAtRisk, note));
        }
    }
    if let Some(other) = others(scene, pod, address, &host_id) {
        return Prepared::Refused(format!(
            "node {host_id} at {address} is that of pod {other}: ask for its replacement there"
        ));
    }
    if let Err(why) = reads_what_it_is_told(scene, rack, pod) {
        return Prepared::Refused(why);
    }
    let Fact::Known(stored) = &scene.observed.kube.claims else {
        let note = format!("the claims of pod {} are not known", pod.name);
        return Prepared::Waits(Blocker::new(ConditionReason::ObjectRefused, note));
    };
    let name = pod.name.data_claim();
    let claim_uid = claims::data_claim_uid(&pod.name.to_string(), stored, scene);
    let is_there = |claim: &PersistentVolumeClaim| claim.metadata.name.as_ref() == Some(&name);
    if claim_uid.is_none() && stored.iter().any(is_there) {
        return Prepared::Refused(format!(
            "claim {name} is not proved to be this cluster's: delete it by hand if it may go"
        ));
    }
    let mut prepared = record.clone();
    prepared.host_id = Some(host_id.clone());
    prepared.address = Some(address.to_string());
    prepared.lost_node = Some(LostNode {
        pod: Some(pod.name.to_string()),
        pod_uid: Some(pod.uid.to_owned()),
        claim_uid,
        host_id: Some(host_id),
        address: Some(address.to_string()),
    });
    Prepared::Ready(Box::new(prepared))
}

/// What comes before: that pods can be told, another replacement, and pods of the rack that are made before this one.
fn first_things(scene: Scene<'_>, rack: &Rack<'_>, pod: &PodView<'_>) -> Option<Blocker> {
    let status = scene.observed.kube.cluster.status.as_ref();
    let is_recorded = status.is_some_and(|status| status.ring_recorded == Some(true));
    ring_record::refusal(scene)
        .or_else(|| {
            let note = format!("replace on pod {} waits: the ring is not recorded yet", pod.name);
            (!is_recorded).then(|| Blocker::new(ConditionReason::NodeNotReady, note))
        })
        .or_else(|| {
            // The StatefulSet's controller makes no pod before those of lower ordinals are ready.
            let mut lower = rack.pods.iter();
            let lower = lower.find(|other| other.ordinal < pod.ordinal && !other.is_ready())?;
            let note = format!(
                "replace on pod {} waits: pod {}, which comes before it, is {}",
                pod.name, lower.name, lower.readiness
            );
            Some(Blocker::new(ConditionReason::NodeNotReady, note))
        })
        .or_else(|| other_comes_first(scene, pod))
}

/// One node joins at a time: the one that is on its way, else that of the first pod asked for.
fn other_comes_first(scene: Scene<'_>, pod: &PodView<'_>) -> Option<Blocker> {
    let under_way = running(scene).map(|record| record.pod.clone()).next();
    let first = || {
        let mut pods = scene.racks.iter().flat_map(|rack| &rack.pods);
        pods.find(|other| is_asked_for(other, OperationName::Replace) && !other.is_ready())
            .map(|other| other.name.to_string())
    };
    let other = under_way
        .or_else(first)
        .filter(|other| *other != pod.name.to_string())?;
    let note = format!("replace on pod {} waits for that on pod {other}", pod.name);
    Some(Blocker::new(ConditionReason::OperationOngoing, note))
}

/// The member that was the pod's node: the one named, else the one last seen in it.
fn member(
    scene: Scene<'_>,
    pod: &PodView<'_>,
    asked: Option<&Member>,
    view: &RingView,
) -> Result<(IpAddr, String), String> {
    let status = scene.observed.kube.cluster.status.as_ref();
    let recorded = status.and_then(|status| status.cassandra_node_status.get(&pod.name.to_string()));
    let by_host_id = |wanted: &str| {
        let mut members = view.host_ids.iter();
        members
            .find(|(_, host_id)| host_id.eq_ignore_ascii_case(wanted))
            .map(|(address, host_id)| (*address, host_id.clone()))
            .ok_or_else(|| format!("host id {wanted} is no member"))
    };
    let found = match asked {
        Some(Member::HostId(wanted)) => by_host_id(wanted.as_str()),
        Some(Member::Address(address)) => match view.host_ids.get(address) {
            Some(host_id) => Ok((*address, host_id.clone())),
            None => Err(format!("no member has the address {address}")),
        },
        None => match recorded.and_then(|recorded| recorded.host_id.as_deref()) {
            Some(host_id) => by_host_id(host_id),
            None => Err(format!(
                "no node of pod {} is on record: name the lost one in the label operation-argument, by host id or address",
                pod.name
            )),
        },
    }?;
    // The claim is that of the node that ran in the pod last.
    let last = recorded.and_then(|recorded| recorded.host_id.as_deref());
    match last.filter(|last| !last.eq_ignore_ascii_case(&found.1) && view.has_member(last)) {
        Some(last) => Err(format!(
            "pod {} ran node {last} last, a member, and not {}",
            pod.name, found.1
        )),
        None => Ok(found),
    }
}

/// Whether a node sees the member down, and the pod run no other one.
fn is_lost(pod: &PodView<'_>, address: IpAddr, host_id: &str, view: &RingView) -> Result<(), String> {
    let is_it = |known: &String| known.eq_ignore_ascii_case(host_id);
    if view.leaving.contains(&address) {
        return Err(format!(
            "node {host_id} at {address} is leaving the ring: remove it instead (kubectl casskop removenode)"
        ));
    }
    if view.moving.contains(&address) {
        return Err(format!(
            "node {host_id} at {address} was moving to another token: remove it instead (kubectl casskop removenode)"
        ));
    }
    let mut homes = view.addresses_of(host_id);
    if let Some(home) = homes.find(|home| view.live.contains(*home)) {
        return Err(format!("node {host_id} at {home} is alive"));
    }
    let runs = pod.address.and_then(|address| view.host_ids.get(&address));
    match runs.filter(|runs| !is_it(runs)) {
        Some(other) => Err(format!(
            "pod {} runs node {other}, a member, and not {host_id}",
            pod.name
        )),
        None => Ok(()),
    }
}

/// Whether a node has the member down there. One that has started while the member was away has it neither up nor down, until it
/// hears of it. Of a member that fell without a word it never does, and has to be started anew itself: `Gossiper.markAlive` waits
/// for an echo that nobody sends, and `convict` passes over what was never alive.
fn is_seen_down(host_id: &str, address: IpAddr, witness: &PodName, view: &RingView) -> Result<(), String> {
    match licence::replaced(host_id, address, witness, view) {
        Some(_) => Ok(()),
        None => Err(format!(
            "node {host_id} is not down at {address} yet, as pod {witness} sees the ring; if that stays so, {witness} has started \
             without hearing of it: delete that pod, and its node comes back with what it has saved of the ring"
        )),
    }
}

/// Whether the ring has all it takes: nobody else is on the way, and there is somebody to stream from. Who names the lost node
/// knows what else is down.
fn is_calm(pod: &PodView<'_>, lost: IpAddr, asked: Option<&Member>, view: &RingView) -> Result<(), String> {
    let mut changing = view
        .joining
        .iter()
        .chain(&view.leaving)
        .chain(view.moving_members());
    if let Some(address) = changing.find(|address| pod.address != Some(**address)) {
        return Err(format!("node {address} joins, leaves or moves"));
    }
    let is_down = |address: &&IpAddr| **address != lost && view.host_ids.contains_key(*address);
    match view.unreachable.iter().find(is_down) {
        Some(address) if asked.is_none() => Err(format!(
            "node {address} is down as well, and may hold the only other replica: bring it back, or name the lost node in the label \
             operation-argument if it may be replaced all the same"
        )),
        _ => Ok(()),
    }
}

/// The other pod whose node this is, or was when it was last seen.
fn others(scene: Scene<'_>, lost: &PodView<'_>, address: IpAddr, host_id: &str) -> Option<String> {
    let mut pods = scene.racks.iter().flat_map(|rack| &rack.pods);
    let has_it = pods.find(|pod| pod.name != lost.name && pod.address == Some(address));
    let status = scene.observed.kube.cluster.status.as_ref();
    let mut recorded = status
        .into_iter()
        .flat_map(|status| &status.cassandra_node_status);
    let mut had_it = || {
        recorded.find(|(pod, node)| {
            let known = node.host_id.as_ref();
            **pod != lost.name.to_string() && known.is_some_and(|known| known.eq_ignore_ascii_case(host_id))
        })
    };
    has_it
        .map(|pod| pod.name.to_string())
        .or_else(|| had_it().map(|(pod, _)| pod.clone()))
}

/// Whether pods of the image that the next pod starts with have said that they read the ConfigMap.
fn reads_what_it_is_told(scene: Scene<'_>, rack: &Rack<'_>, pod: &PodView<'_>) -> Result<(), String> {
    let template = rack
        .statefulset
        .and_then(|set| set.spec.as_ref()?.template.spec.as_ref());
    let containers = template.and_then(|template| template.init_containers.as_ref());
    let bootstrap =
        containers.and_then(|containers| containers.iter().find(|container| container.name == BOOTSTRAP));
    let Some(image) = bootstrap.and_then(|container| container.image.as_deref()) else {
        return Err(format!(
            "the template of pod {} has no init container {BOOTSTRAP}, which would tell Cassandra whose place to take",
            pod.name
        ));
    };
    // Below a partition, and while a rack rolls, the pod may be of the revision before.
    if !rack.has_one_revision() && pod.bootstrap_image() != Some(image) {
        return Err(format!(
            "pod {} and its template have different images of init container {BOOTSTRAP}: let the rack roll first, or remove the node",
            pod.name
        ));
    }
    let mut pods = scene.racks.iter().flat_map(|rack| &rack.pods);
    let reads = pods.any(|other| {
        other.bootstrap_image() == Some(image) && other.bootstrap_message().is_some_and(ring_record::was_read)
    });
    if reads {
        return Ok(());
    }
    Err(format!(
        "no pod with the init image {image} has read configmap {}, by which its successor is told: remove the node instead, or \
         have its service account read the ConfigMap and restart one pod",
        scene.cluster.name.bootstrap_config_map()
    ))
}
