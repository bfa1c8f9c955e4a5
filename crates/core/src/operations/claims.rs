//! The data claim of a node that left the ring or is replaced, recorded by uid before it goes.

use casskop_types::labels::KEPT_BY_OPERATION;
use casskop_types::names::DATA_VOLUME;
use casskop_types::operation::{LostNode, OperationRecord};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use super::Scene;
use crate::effect::Effect;
use crate::licence::{self, Licence};

/// The uid of the pod's data claim, if it is proved to be this cluster's.
pub(super) fn data_claim_uid(
    pod: &str,
    claims: &[PersistentVolumeClaim],
    scene: Scene<'_>,
) -> Option<String> {
    let name = format!("{DATA_VOLUME}-{pod}");
    let claim = claims
        .iter()
        .find(|claim| claim.metadata.name.as_deref() == Some(name.as_str()))?;
    let kube = &scene.observed.kube;
    licence::is_ours(claim, &scene.cluster.uid, &kube.statefulsets, &kube.pods)
        .then(|| claim.metadata.uid.clone())?
}

/// The claim that was recorded for a node, while it is there.
pub(super) fn recorded<'a>(
    lost: &LostNode,
    claims: &'a [PersistentVolumeClaim],
) -> Option<&'a PersistentVolumeClaim> {
    claims
        .iter()
        .find(|claim| lost.claim_uid.is_some() && claim.metadata.uid == lost.claim_uid)
}

/// Whether nothing that was sent for an operation can delete a claim any more.
pub(super) fn is_kept(claim: &PersistentVolumeClaim, record: &OperationRecord) -> bool {
    let annotations = claim.metadata.annotations.as_ref();
    annotations.and_then(|annotations| annotations.get(KEPT_BY_OPERATION)) == Some(&record.id)
}

/// Sees to that.
pub(super) fn keep(claim: &PersistentVolumeClaim, record: &OperationRecord) -> Effect {
    Effect::KeepClaim {
        name: claim.metadata.name.clone().unwrap_or_default(),
        uid: claim.metadata.uid.clone().unwrap_or_default(),
        record: record.id.clone(),
    }
}

/// Deletes a claim, unless that is under way.
pub(super) fn delete(claim: &PersistentVolumeClaim, licence: Licence) -> Option<Effect> {
    claim
        .metadata
        .deletion_timestamp
        .is_none()
        .then(|| Effect::DeleteClaim {
            name: claim.metadata.name.clone().unwrap_or_default(),
            uid: claim.metadata.uid.clone().unwrap_or_default(),
            resource_version: claim.metadata.resource_version.clone().unwrap_or_default(),
            licence,
        })
}
