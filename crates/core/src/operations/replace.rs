//! A lost node's place is taken by a fresh one, on a fresh disk, under the same pod's name (replace).
//!
//! Cassandra is told by `replace_address_first_boot`, which the pod's init container sets when the ConfigMap
//! `<cluster>-bootstrap` has an entry for the pod. So first the lost node is recorded, host id and address; then the entry is
//! written, and only after that claim and pod go; the StatefulSet's controller makes both anew, on whatever machine has room.
//! The entry goes before the end is recorded.
//!
//! A pod that would start without heeding the entry would join as one node more, and the lost one would stay. So nothing is
//! begun unless a pod of the same image has said that it reads the ConfigMap, and a pod that started without is made anew.

mod prepare;

use std::net::IpAddr;

use casskop_types::names::PodName;
use casskop_types::operation::{LostNode, OperationName, OperationRecord};
use casskop_types::status::CassandraClusterStatus;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use super::run::{Counts, Transition};
use super::{Scene, claims, is_running};
use crate::blocker::Blocker;
use crate::effect::Effect;
use crate::fact::Fact;
use crate::licence::{self, Licence};
use crate::observed::RingView;
use crate::rack::{PodView, Rack, Readiness};
use crate::ring;
use crate::ring_record;
use casskop_types::conditions::ConditionReason;

pub(super) use prepare::prepare;

/// What becomes of a running replacement.
pub(super) fn step(scene: Scene<'_>, rack: &Rack<'_>, record: &OperationRecord) -> Transition {
    let Some(lost) = Lost::of(record) else {
        return Transition::End(Err("which node is lost was not recorded".to_owned()));
    };
    // The pod could not be told, nor could that be taken back.
    if let Some(refusal) = ring_record::refusal(scene) {
        return Transition::Await(refusal);
    }
    let Fact::Known(stored) = &scene.observed.kube.claims else {
        let note = format!("the claims of cluster {} were not read", scene.cluster.name);
        return Transition::AskAgain(Blocker::new(ConditionReason::ObjectRefused, note));
    };
    let views = ring::views_of_others(&scene.observed.nodes, &record.pod);
    // A view without a single member is no testimony.
    if views.is_empty() || views.iter().any(|(_, view)| view.host_ids.is_empty()) {
        return Transition::AskAgain(no_witness(record));
    }
    let pod = rack.pod_named(&record.pod);
    let claim = claims::recorded(lost.node, stored);
    let is_old = |pod: &PodView<'_>| Some(pod.uid) == lost.node.pod_uid.as_deref();
    if claim.is_some() || pod.is_some_and(is_old) {
        return take_down(scene, record, &lost, pod, claim, &views);
    }
    match pod {
        Some(pod) => follow_fresh(scene, record, &lost, pod, &views),
        None => Transition::Await(waits(record, "its pod is being made anew")),
    }
}

/// The lost node's claim and pod go, once what the next pod is told is written.
fn take_down(
    scene: Scene<'_>,
    record: &OperationRecord,
    lost: &Lost<'_>,
    pod: Option<&PodView<'_>>,
    claim: Option<&PersistentVolumeClaim>,
    views: &[View<'_>],
) -> Transition {
    let mut effects = Vec::new();
    if !is_going(lost, claim) {
        let ground = still_lost(lost, pod, views);
        if claim.is_some_and(|claim| claims::is_kept(claim, record)) {
            // Whatever this operation sent is refused, and it sends nothing any more: the node may come and go.
            let came_back = || "the lost node came back meanwhile; nothing was deleted".to_owned();
            return Transition::End(Err(ground.err().unwrap_or_else(came_back)));
        }
        match ground {
            Ok(licence) => effects.extend(claim.and_then(|claim| claims::delete(claim, licence))),
            Err(why) => return spare(record, lost, claim, why, views),
        }
    }
    // The claim stays until no pod uses it (the finalizer kubernetes.io/pvc-protection), so the pod has to go too; after it, lest
    // the next pod gets the same disk. Nothing of it is to be stopped: its machine may be gone, and nobody would say that it has
    // stopped.
    effects.extend(pod.map(|pod| delete(pod, 0)));
    let note = format!("the claim and pod of lost node {} go away", lost.pod);
    Transition::Act {
        first: Some(Box::new(tell(scene, lost.pod, Some(lost.address)))),
        effects,
        waits: Blocker::new(ConditionReason::OperationOngoing, note),
        counts: Counts::AsTheTurn,
    }
}

/// What was lost is not, or no more, and an operator before this one may have sent the deletion: it has to be refused when it
/// arrives, before anybody counts on the claim. If it has arrived, the claim is seen going then.
///
/// The same before any deletion: should this operator die, its word to the pod that it replaces nobody may arrive after the next
/// one, to which the node is lost again, has said whom.
fn spare(
    record: &OperationRecord,
    lost: &Lost<'_>,
    claim: Option<&PersistentVolumeClaim>,
    why: String,
    views: &[View<'_>],
) -> Transition {
    match claim {
        Some(claim) => Transition::act(vec![claims::keep(claim, record)], waits(record, &why)),
        None if is_lost_no_more(lost, views) => Transition::End(Err(why)),
        None => Transition::Await(waits(record, &why)),
    }
}

/// Whether some node sees the lost one alive, or none has it as a member.
fn is_lost_no_more(lost: &Lost<'_>, views: &[View<'_>]) -> bool {
    let alive = |view: &RingView| {
        let mut addresses = view.addresses_of(lost.host_id);
        addresses.any(|address| view.live.contains(address))
    };
    let is_gone = |view: &RingView| !view.has_member(lost.host_id);
    views.iter().any(|(_, view)| alive(view)) || views.iter().all(|(_, view)| is_gone(view))
}

/// The ground for deleting the claim: the pod is not ready, and every node that was asked has the lost one down, where it was when
/// it was recorded.
fn still_lost(lost: &Lost<'_>, pod: Option<&PodView<'_>>, views: &[View<'_>]) -> Result<Licence, String> {
    if let Some(pod) = pod.filter(|pod| pod.is_ready()) {
        return Err(format!("pod {} is ready again", pod.name));
    }
    let mut licence = None;
    for (witness, view) in views {
        let proof = licence::replaced(lost.host_id, lost.address, witness, view).ok_or_else(|| {
            format!(
                "the lost node {} is not, or no longer, down at {}, as pod {witness} sees the ring; nothing was deleted",
                lost.host_id, lost.address
            )
        })?;
        licence = Some(proof);
    }
    licence.ok_or_else(|| "no other node tells".to_owned())
}

/// Whether the claim was deleted already. Then there is no way back, also for a node that has come back meanwhile: with the next
/// start of its pod it would have lost its disk.
fn is_going(lost: &Lost<'_>, claim: Option<&PersistentVolumeClaim>) -> bool {
    match claim {
        Some(claim) => claim.metadata.deletion_timestamp.is_some(),
        None => lost.node.claim_uid.is_some(),
    }
}

/// The pod was made anew: its node streams what the lost one held, and joins in its place.
fn follow_fresh(
    scene: Scene<'_>,
    record: &OperationRecord,
    lost: &Lost<'_>,
    pod: &PodView<'_>,
    views: &[View<'_>],
) -> Transition {
    let joined: Vec<_> = views.iter().filter(|(_, view)| is_member(view, pod)).collect();
    let remains = |view: &RingView| {
        let mut addresses = view.addresses_of(lost.host_id);
        addresses.any(|address| pod.address != Some(*address))
    };
    if !joined.is_empty() && joined.iter().all(|(_, view)| !remains(view)) {
        return match ring::sees_up(pod, &scene.observed.nodes) {
            _ if !pod.is_ready() => {
                Transition::Await(waits(record, &format!("its pod is {}", pod.readiness)))
            }
            Ok(()) => Transition::End(match pod.bootstrap_message() {
                // It was told to no more, since somebody had taken the lost node out of the ring.
                Some(heard) if ring_record::replaces(heard).is_none() => Err(joined_anew(lost, pod)),
                _ => Ok(()),
            }),
            Err(blocker) => Transition::AskAgain(waits(record, &blocker.note)),
        };
    }
    if pod.is_ready() && !joined.is_empty() && joined.iter().all(|(_, view)| remains(view)) {
        return Transition::End(Err(format!(
            "the node of pod {} joined beside the lost one: remove node {} from the ring",
            pod.name, lost.host_id
        )));
    }
    if pod.is_ready() {
        return Transition::AskAgain(waits(record, "the other nodes have not heard of it yet"));
    }
    let is_gone = views.iter().all(|(_, view)| !view.has_member(lost.host_id));
    let is_on_its_way = views.iter().any(|(_, view)| {
        let address = pod.address.as_ref();
        address.is_some_and(|address| view.joining.contains(address) || view.live.contains(address))
    });
    if is_gone && !is_on_its_way {
        return start_over(scene, record, lost, pod);
    }
    hear(scene, record, lost, pod, views)
}

/// Somebody took the lost node out of the ring, so that there is no place to take: the pod starts without being told to.
fn start_over(scene: Scene<'_>, record: &OperationRecord, lost: &Lost<'_>, pod: &PodView<'_>) -> Transition {
    let heard = pod.bootstrap_message();
    if heard.is_some_and(|heard| ring_record::replaces(heard).is_none()) {
        return Transition::End(Err(joined_anew(lost, pod)));
    }
    // What it was told is in its configuration, which is made once in a pod's life.
    let told = heard.is_some();
    Transition::Act {
        first: Some(Box::new(tell(scene, lost.pod, None))),
        effects: told.then(|| delete(pod, GRACE_SECONDS)).into_iter().collect(),
        waits: waits(
            record,
            "it is no member any more, and the pod is to join as a new node",
        ),
        counts: Counts::No,
    }
}

fn joined_anew(lost: &Lost<'_>, pod: &PodView<'_>) -> String {
    format!(
        "the lost node {} is no member any more: pod {} joins as a new node",
        lost.host_id, pod.name
    )
}

/// Whether the pod knows whose place it takes. One that does not is made anew, a few times.
fn hear(
    scene: Scene<'_>,
    record: &OperationRecord,
    lost: &Lost<'_>,
    pod: &PodView<'_>,
    views: &[View<'_>],
) -> Transition {
    let address = lost.address.to_string();
    let heard = pod.bootstrap_message();
    let was_told = heard.is_none_or(|heard| ring_record::replaces(heard) == Some(&address));
    if let Some(heard) = heard.filter(|_| !was_told) {
        if pod.readiness == Readiness::Terminating {
            return Transition::Await(waits(
                record,
                "its pod was not told, and is on its way to be made anew",
            ));
        }
        if record.attempt > DEAF_PODS {
            let note = format!(
                "pod {} was made anew {DEAF_PODS} times and does not start in the place of {address}: its init container says `{heard}`; \
                 see that its service account may read configmap {}, and that pre_run.sh exports no CASSANDRA_REPLACE_NODE",
                pod.name,
                scene.cluster.name.bootstrap_config_map()
            );
            return Transition::Await(Blocker::new(ConditionReason::PodBlocked, note));
        }
        return Transition::Act {
            first: Some(Box::new(tell(scene, lost.pod, Some(lost.address)))),
            effects: vec![delete(pod, GRACE_SECONDS)],
            waits: waits(record, "its pod was not told and is made anew"),
            counts: Counts::AsATry,
        };
    }
    // Cassandra does not replace a live node.
    let is_back = |view: &RingView| view.live.contains(&lost.address) && pod.address != Some(lost.address);
    if views.iter().any(|(_, view)| is_back(view)) {
        let what = format!("the lost node runs again at {address}: stop its machine");
        return Transition::Await(waits(record, &what));
    }
    Transition::Await(waits(record, &format!("its pod is {}", pod.readiness)))
}

/// Keeps the record at its pod's name.
pub(super) fn follow(rack: &Rack<'_>, record: &mut OperationRecord) {
    if let Some(pod) = rack.pod_named(&record.pod) {
        pod.uid.clone_into(&mut record.pod_uid);
    }
}

/// Takes back what the pod of a record was told.
pub(super) fn untold(scene: Scene<'_>, record: &OperationRecord) -> Option<Effect> {
    Lost::of(record).map(|lost| tell(scene, lost.pod, None))
}

/// Host ids of the nodes that are being replaced.
pub(crate) fn host_ids(scene: Scene<'_>) -> Vec<String> {
    running(scene)
        .filter_map(|record| record.host_id.clone())
        .collect()
}

fn running(scene: Scene<'_>) -> impl Iterator<Item = &OperationRecord> {
    let status = scene.observed.kube.cluster.status.as_ref();
    let records = status.into_iter().flat_map(CassandraClusterStatus::operations);
    records.filter(|record| record.name == OperationName::Replace && is_running(record))
}

/// The lost node as it was recorded.
struct Lost<'a> {
    node: &'a LostNode,
    pod: &'a str,
    host_id: &'a str,
    address: IpAddr,
}

impl<'a> Lost<'a> {
    fn of(record: &'a OperationRecord) -> Option<Self> {
        let node = record.lost_node.as_ref()?;
        Some(Self {
            node,
            pod: node.pod.as_deref()?,
            host_id: node.host_id.as_deref()?,
            address: node.address.as_deref()?.parse().ok()?,
        })
    }
}

/// Pods that did not heed what they were told and were made anew, after which the next one is left alone.
const DEAF_PODS: i32 = 3;

/// How long the container of such a pod is given to stop.
const GRACE_SECONDS: u32 = 30;

type View<'a> = (&'a PodName, &'a RingView);

fn is_member(view: &RingView, pod: &PodView<'_>) -> bool {
    pod.address
        .is_some_and(|address| view.host_ids.contains_key(&address) && !view.joining.contains(&address))
}

fn no_witness(record: &OperationRecord) -> Blocker {
    let note = format!("no other node tells how the node of pod {} stands", record.pod);
    Blocker::new(ConditionReason::NodesUnreachable, note)
}

fn waits(record: &OperationRecord, what: &str) -> Blocker {
    let lost = record.host_id.as_deref().unwrap_or("the lost node");
    let note = format!("the node of pod {} takes the place of {lost}: {what}", record.pod);
    Blocker::new(ConditionReason::OperationOngoing, note)
}

fn tell(scene: Scene<'_>, pod: &str, replaces: Option<IpAddr>) -> Effect {
    Effect::TellPod {
        record: Box::new(ring_record::config_map(scene.cluster)),
        pod: pod.to_owned(),
        replaces,
    }
}

fn delete(pod: &PodView<'_>, grace_seconds: u32) -> Effect {
    Effect::DeletePod {
        pod: pod.name.clone(),
        uid: pod.uid.to_owned(),
        grace_seconds,
    }
}
