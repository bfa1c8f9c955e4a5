//! Data volumes that grow (`StorageUpsize`), one rack after the other, and no pod restarts.
//!
//! First the claims are asked for more: that is what the API server refuses when their class does not allow it, and then nothing
//! has happened. The claim template of a StatefulSet cannot be changed, so the StatefulSet is deleted with its pods left running,
//! and made anew from a copy in the rack's status, which is written before. Its controller takes the pods back: their revision
//! is that of the same template.

use casskop_types::conditions::ConditionReason;
use casskop_types::names::DATA_VOLUME;
use casskop_types::status::{CassandraClusterStatus, ClusterAction, RackStatus};
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimCondition, PersistentVolumeClaimSpec,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{unfinished, wanted};
use crate::blocker::Blocker;
use crate::correct::{self, Correction};
use crate::effect::Effect;
use crate::fact::Fact;
use crate::observed::{GrowthTrial, KubeState};
use crate::operations::Scene;
use crate::quantity::is_less;
use crate::rack::Rack;
use crate::steps::Steps;

/// Claims are not watched: only while they grow is there anything to see.
const CLAIMS_AGAIN: SignedDuration = SignedDuration::from_secs(3);

const STORAGE: &str = "storage";

/// Whether the spec asks for larger data volumes than the rack's StatefulSet makes.
pub(super) fn is_wanted(rack: &Rack<'_>) -> bool {
    let stored = rack.statefulset.and_then(data_template).and_then(requested);
    stored.is_some_and(|stored| wanted_by(rack).is_some_and(|wanted| is_less(stored, wanted)))
}

/// Whether the rack's action is this one, and has not ended.
pub(super) fn is_under_way(rack_status: &RackStatus) -> bool {
    unfinished(rack_status).is_some_and(|action| action.name == Some(ClusterAction::StorageUpsize))
}

/// Claims for which it has to be tried whether they may grow: one of each rack before that is accepted, and then all that are
/// to be asked for more.
pub(crate) fn trials(
    racks: &[Rack<'_>],
    status: &CassandraClusterStatus,
    claims: &Fact<Vec<PersistentVolumeClaim>>,
) -> Vec<GrowthTrial> {
    let mut trials = Vec::new();
    for rack in racks {
        let Some(wanted) = wanted_by(rack) else { continue };
        let trial = |claim: String| GrowthTrial {
            claim,
            capacity: wanted.to_owned(),
        };
        if status.rack(&rack.desired.id).is_some_and(is_under_way) {
            // A quota may have room for some only.
            let known = claims.known().map_or(&[][..], Vec::as_slice);
            trials.extend(small_claims(rack, known, wanted).map(name_of).map(trial));
        } else if is_wanted(rack) {
            trials.extend(rack.pods.first().map(|pod| pod.name.data_claim()).map(trial));
        }
    }
    trials
}

/// Whether the volumes of a rack may grow, as the API server says it.
pub(super) fn may_begin(scene: Scene<'_>, rack: &Rack<'_>) -> Result<(), Blocker> {
    if rack.desired.partition > 0 && !rack.has_one_revision() {
        let note = format!(
            "the volumes of rack {} grow once its pods are of one revision: its StatefulSet is made anew for it, which would end the \
             canary; lower rollingPartition first",
            rack.desired.id
        );
        return Err(Blocker::new(ConditionReason::ActionOngoing, note));
    }
    let Some(pod) = rack.pods.first() else {
        return Ok(());
    };
    let claim = pod.name.data_claim();
    let refused = |why: &str| {
        let note = format!("the volumes of rack {} cannot grow: {why}", rack.desired.id);
        Err(Blocker::new(ConditionReason::ObjectRefused, note))
    };
    match scene.observed.kube.growth.get(&claim) {
        Some(Ok(())) => Ok(()),
        Some(Err(why)) => refused(why),
        None => refused(&format!("nobody tried whether claim {claim} may")),
    }
}

/// Puts a capacity back that the API server refuses.
pub(crate) fn refused(scene: Scene<'_>) -> Option<Correction> {
    let racks = scene.racks.iter().filter(|rack| is_wanted(rack));
    racks.into_iter().find_map(|rack| {
        let claim = rack.pods.first()?.name.data_claim();
        let why = scene.observed.kube.growth.get(&claim)?.as_ref().err()?;
        let why = format!("claim {claim} cannot grow: {why}; put that right, and raise it again");
        correct::keep_capacity(&scene.observed.kube.cluster, rack.desired.id.dc.as_str(), &why)
    })
}

/// Whether it is known of all volumes that are to grow that they may.
pub(crate) fn all_may(scene: Scene<'_>) -> bool {
    let status = scene.observed.kube.cluster.status.as_ref();
    let accepted = |rack: &Rack<'_>| {
        status
            .and_then(|status| status.rack(&rack.desired.id))
            .is_some_and(is_under_way)
    };
    let mut racks = scene
        .racks
        .iter()
        .filter(|rack| is_wanted(rack) && !accepted(rack));
    racks.all(|rack| may_begin(scene, rack).is_ok())
}

/// Whether the pass has to read the claims.
pub(crate) fn needs_claims(kube: &KubeState) -> bool {
    let status = kube.cluster.status.as_ref();
    status.is_some_and(|status| status.cassandra_rack_status.values().any(is_under_way))
}

/// The next step of a rack whose volumes grow.
pub(super) fn advance(scene: Scene<'_>, rack: &Rack<'_>, rack_status: &mut RackStatus, steps: &mut Steps) {
    steps.look_again_after(CLAIMS_AGAIN);
    let (Fact::Known(claims), Some(wanted)) = (&scene.observed.kube.claims, wanted_by(rack)) else {
        return;
    };
    let mut complete = true;
    for claim in small_claims(rack, claims, wanted) {
        complete = false;
        match scene.observed.kube.growth.get(&name_of(claim)) {
            Some(Ok(())) => steps.effects.push(grow(claim, wanted)),
            Some(Err(why)) => {
                let note = format!(
                    "claim {} cannot grow to {wanted}: {why}; it is tried again once that is put right",
                    name_of(claim)
                );
                steps.wait_for(Blocker::new(ConditionReason::ObjectRefused, note));
            }
            // The action begins in this pass: from the next one on all claims are tried.
            None => {}
        }
    }
    if !complete {
        return;
    }
    match rack.statefulset {
        Some(stored) if stored.metadata.deletion_timestamp.is_some() => {}
        Some(stored) if is_wanted(rack) => {
            rack_status.stateful_set_snapshot_before_storage_resize =
                serde_json::to_string(&copy_of(stored)).ok();
            steps.effects.push(Effect::OrphanStatefulSet {
                name: stored.metadata.name.clone().unwrap_or_default(),
                uid: stored.metadata.uid.clone().unwrap_or_default(),
                resource_version: stored.metadata.resource_version.clone().unwrap_or_default(),
            });
        }
        Some(_) => {
            if let Some(claim) = claims_of(rack, claims).find(|claim| !has_grown(claim, wanted)) {
                steps.wait_for(grows(claim, wanted));
            }
        }
        None => {
            let seeds = &scene.cluster.seeds.stored;
            let mut set =
                snapshot(rack_status).unwrap_or_else(|| wanted::first_statefulset(scene, rack, seeds));
            request(&mut set, wanted);
            steps.effects.push(Effect::CreateStatefulSet(Box::new(set)));
        }
    }
}

/// Every volume has grown, as far as it can while its pod runs, and the StatefulSet is there again.
pub(super) fn is_done(
    scene: Scene<'_>,
    rack: &Rack<'_>,
    rack_status: &mut RackStatus,
    steps: &mut Steps,
) -> bool {
    let Fact::Known(claims) = &scene.observed.kube.claims else {
        return false;
    };
    let grown =
        |wanted| claims_of(rack, claims).all(|claim| has_grown(claim, wanted) || waits_for_restart(claim));
    let done = rack.seen_by_controller().is_ok() && !is_wanted(rack) && wanted_by(rack).is_none_or(grown);
    if done {
        rack_status.stateful_set_snapshot_before_storage_resize = None;
        if claims_of(rack, claims).any(waits_for_restart) {
            let note = format!(
                "volumes of rack {} have their new size once its pods restart",
                rack.desired.id
            );
            steps.warn("RestartToGrow", note);
        }
    }
    done
}

/// The volume is larger, and its file system grows when it is next mounted (`FileSystemResizePending`).
fn waits_for_restart(claim: &PersistentVolumeClaim) -> bool {
    let conditions = claim
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let is_pending = |condition: &PersistentVolumeClaimCondition| {
        condition.type_ == "FileSystemResizePending" && condition.status == "True"
    };
    conditions.into_iter().any(is_pending)
}

/// The StatefulSet that was copied before it was deleted, here or by CassKop.
pub(crate) fn snapshot(rack_status: &RackStatus) -> Option<StatefulSet> {
    let kept = rack_status.stateful_set_snapshot_before_storage_resize.as_ref()?;
    let stored: StatefulSet = serde_json::from_str(kept).ok()?;
    Some(copy_of(&stored))
}

/// What of a StatefulSet makes another one like it.
fn copy_of(stored: &StatefulSet) -> StatefulSet {
    StatefulSet {
        metadata: ObjectMeta {
            name: stored.metadata.name.clone(),
            namespace: stored.metadata.namespace.clone(),
            labels: stored.metadata.labels.clone(),
            annotations: stored.metadata.annotations.clone(),
            owner_references: stored.metadata.owner_references.clone(),
            ..ObjectMeta::default()
        },
        spec: stored.spec.clone(),
        status: None,
    }
}

fn wanted_by<'a>(rack: &'a Rack<'_>) -> Option<&'a str> {
    rack.desired.data.as_ref().map(|data| data.capacity.as_str())
}

fn data_template(set: &StatefulSet) -> Option<&PersistentVolumeClaimSpec> {
    let templates = set.spec.as_ref()?.volume_claim_templates.as_ref()?;
    let data = templates
        .iter()
        .find(|claim| claim.metadata.name.as_deref() == Some(DATA_VOLUME))?;
    data.spec.as_ref()
}

fn requested(claim: &PersistentVolumeClaimSpec) -> Option<&str> {
    let requests = claim.resources.as_ref()?.requests.as_ref()?;
    Some(requests.get(STORAGE)?.0.as_str())
}

fn request(set: &mut StatefulSet, capacity: &str) {
    let templates = set
        .spec
        .as_mut()
        .and_then(|spec| spec.volume_claim_templates.as_mut());
    for claim in templates
        .into_iter()
        .flatten()
        .filter(|claim| claim.metadata.name.as_deref() == Some(DATA_VOLUME))
    {
        let resources = claim
            .spec
            .get_or_insert_default()
            .resources
            .get_or_insert_default();
        resources
            .requests
            .get_or_insert_default()
            .insert(STORAGE.to_owned(), Quantity(capacity.to_owned()));
    }
}

fn claims_of<'a>(
    rack: &'a Rack<'_>,
    claims: &'a [PersistentVolumeClaim],
) -> impl Iterator<Item = &'a PersistentVolumeClaim> {
    let of_pod = |name: &str| rack.pods.iter().any(|pod| pod.name.data_claim() == name);
    claims
        .iter()
        .filter(move |claim| claim.metadata.name.as_deref().is_some_and(of_pod))
}

/// The claims that ask for less than is wanted.
fn small_claims<'a>(
    rack: &'a Rack<'_>,
    claims: &'a [PersistentVolumeClaim],
    wanted: &'a str,
) -> impl Iterator<Item = &'a PersistentVolumeClaim> {
    claims_of(rack, claims).filter(move |claim| {
        let asks = claim.spec.as_ref().and_then(requested);
        asks.is_some_and(|asks| is_less(asks, wanted))
    })
}

fn name_of(claim: &PersistentVolumeClaim) -> String {
    claim.metadata.name.clone().unwrap_or_default()
}

fn grow(claim: &PersistentVolumeClaim, capacity: &str) -> Effect {
    Effect::GrowClaim {
        name: claim.metadata.name.clone().unwrap_or_default(),
        uid: claim.metadata.uid.clone().unwrap_or_default(),
        capacity: capacity.to_owned(),
    }
}

fn has_grown(claim: &PersistentVolumeClaim, wanted: &str) -> bool {
    capacity(claim).is_some_and(|has| !is_less(has, wanted))
}

fn capacity(claim: &PersistentVolumeClaim) -> Option<&str> {
    let capacity = claim.status.as_ref()?.capacity.as_ref()?;
    Some(capacity.get(STORAGE)?.0.as_str())
}

/// What a claim still lacks, with what its conditions say of it (`Resizing`, `FileSystemResizePending`, an error of the driver).
fn grows(claim: &PersistentVolumeClaim, wanted: &str) -> Blocker {
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    let has = capacity(claim).unwrap_or("nothing");
    let conditions = claim
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let said: Vec<_> = conditions
        .map(|condition| match condition.message.as_deref() {
            Some(message) if !message.is_empty() => format!("{}: {message}", condition.type_),
            _ => condition.type_.clone(),
        })
        .collect();
    let said = said.join(", ");
    let said = said.trim_end();
    let so_far = if said.is_empty() {
        String::new()
    } else {
        format!(" ({said})")
    };
    let note = format!(
        "claim {name} has {has} of {wanted}{so_far}: if it stays so, see `kubectl describe persistentvolumeclaim {name}`"
    );
    Blocker::new(ConditionReason::ActionOngoing, note)
}
