//! What becomes of the volumes when a cluster object is deleted.
//!
//! With `deletePVC` a finalizer holds the object until its claims are on their way out; Kubernetes' garbage collector takes
//! the rest. A claim goes only if it is proved to be this cluster's, by uid: one of the same name may be left from an earlier
//! cluster (casskop #316), and a stale list proves nothing. While the cluster lives its claims are stamped, since at its end
//! the pods and StatefulSets that prove the rest may be gone before (`kubectl delete --cascade=foreground`).

use casskop_types::cluster::CassandraCluster;
use casskop_types::labels::{CLUSTER_UID, DELETE_PVC_FINALIZER};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use crate::effect::{Effect, Notice, Wake};
use crate::fact::Fact;
use crate::licence;
use crate::observed::KubeState;
use crate::operations::Scene;
use crate::plan::Plan;
use crate::steps::Steps;

/// Whether the cluster object carries our finalizer.
pub fn has_finalizer(cluster: &CassandraCluster) -> bool {
    let finalizers = cluster.metadata.finalizers.iter().flatten();
    finalizers
        .into_iter()
        .any(|finalizer| finalizer == DELETE_PVC_FINALIZER)
}

/// Whether the claims are to go with the cluster object.
fn claims_go(cluster: &CassandraCluster) -> bool {
    cluster.spec.delete_pvc == Some(true)
}

/// Whether the claims have to be read: to be stamped before the finalizer is set, or to be deleted.
pub(crate) fn needs_claims(cluster: &CassandraCluster, new_nodes: impl FnOnce() -> bool) -> bool {
    claims_go(cluster)
        && if cluster.metadata.deletion_timestamp.is_some() {
            has_finalizer(cluster)
        } else {
            !has_finalizer(cluster) || new_nodes()
        }
}

/// While the cluster lives: stamps on its claims, and then the finalizer; neither without `deletePVC`.
pub(crate) fn prepare(scene: Scene<'_>, steps: &mut Steps) {
    let kube = &scene.observed.kube;
    let cluster = &kube.cluster;
    if !claims_go(cluster) {
        if has_finalizer(cluster) {
            steps.effects.push(Effect::RemoveFinalizer);
        }
        return;
    }
    let Fact::Known(claims) = &kube.claims else { return };
    let unstamped = ours(kube, claims, &scene.cluster.uid).filter(|claim| stamp(claim).is_none());
    steps.effects.extend(unstamped.map(|claim| Effect::StampClaim {
        name: claim.metadata.name.clone().unwrap_or_default(),
        uid: claim.metadata.uid.clone().unwrap_or_default(),
    }));
    if !has_finalizer(cluster) {
        steps.effects.push(Effect::AddFinalizer);
    }
}

fn stamp(claim: &PersistentVolumeClaim) -> Option<&String> {
    claim.metadata.annotations.as_ref()?.get(CLUSTER_UID)
}

fn ours<'a>(
    kube: &'a KubeState,
    claims: &'a [PersistentVolumeClaim],
    cluster_uid: &'a str,
) -> impl Iterator<Item = &'a PersistentVolumeClaim> {
    claims
        .iter()
        .filter(move |claim| licence::is_ours(claim, cluster_uid, &kube.statefulsets, &kube.pods))
}

/// The plan for a cluster object that is being deleted, whatever its spec says besides.
pub fn plan(kube: &KubeState) -> Plan {
    let cluster = &kube.cluster;
    let mut plan = Plan {
        first: Vec::new(),
        status: cluster.status.clone().unwrap_or_default(),
        effects: Vec::new(),
        notices: Vec::new(),
        wake: Wake::OnEvent,
    };
    if !has_finalizer(cluster) {
        return plan;
    }
    let (Some(licence), Some(uid)) = (licence::cluster_deleted(cluster), cluster.metadata.uid.as_deref())
    else {
        plan.effects.push(Effect::RemoveFinalizer);
        return plan;
    };
    // Without a reading nothing goes, the finalizer neither.
    let Fact::Known(claims) = &kube.claims else {
        return plan;
    };
    let going = ours(kube, claims, uid).filter(|claim| claim.metadata.deletion_timestamp.is_none());
    plan.effects.extend(going.map(|claim| Effect::DeleteClaim {
        name: claim.metadata.name.clone().unwrap_or_default(),
        uid: claim.metadata.uid.clone().unwrap_or_default(),
        resource_version: claim.metadata.resource_version.clone().unwrap_or_default(),
        licence: licence.clone(),
    }));
    let name = |claim: &PersistentVolumeClaim| claim.metadata.name.clone().unwrap_or_default();
    let stay = claims
        .iter()
        .filter(|claim| !licence::is_ours(claim, uid, &kube.statefulsets, &kube.pods));
    let stay: Vec<String> = stay.map(name).collect();
    if !stay.is_empty() {
        let note = format!(
            "not proved to be of this cluster, so kept although deletePVC is set: claims {}; delete them by hand",
            stay.join(", ")
        );
        plan.notices.push(Notice::warning("ClaimsKept", note));
    }
    plan.effects.push(Effect::RemoveFinalizer);
    plan
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn kube(spec: &Value, metadata: &Value, claims: Option<&Value>) -> KubeState {
        let mut meta = json!({"name": "ring", "namespace": "ns", "uid": "cluster-uid"});
        for (key, value) in metadata.as_object().unwrap() {
            meta[key] = value.clone();
        }
        let object = |value: Value| serde_json::from_value(value).unwrap();
        KubeState {
            hooks: Fact::default(),
            cluster: serde_json::from_value(json!({
                "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster", "metadata": meta, "spec": spec,
            }))
            .unwrap(),
            statefulsets: vec![object(json!({"metadata": {"name": "ring-dc1-rack1", "uid": "set-uid",
                "ownerReferences": [{"apiVersion": "v2", "kind": "C", "name": "ring", "uid": "cluster-uid", "controller": true}]}}))],
            pods: vec![
                serde_json::from_value(json!({"metadata": {"name": "ring-dc1-rack1-0", "uid": "pod-uid",
                    "ownerReferences": [{"apiVersion": "v1", "kind": "S", "name": "s", "uid": "set-uid", "controller": true}]},
                    "spec": {"containers": [], "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-ring-dc1-rack1-0"}}]}}))
                .unwrap(),
            ],
            services: Fact::default(),
            disruption_budget: Fact::default(),
            failed_creations: std::collections::BTreeMap::default(),
            growth: std::collections::BTreeMap::default(),
            scheduled_backups: Vec::new(),
            claims: claims.map_or_else(Fact::default, |claims| Fact::Known(serde_json::from_value(claims.clone()).unwrap())),
        }
    }

    fn claims() -> Value {
        json!([
            {"metadata": {"name": "data-ring-dc1-rack1-0", "uid": "a", "resourceVersion": "1"}},
            {"metadata": {"name": "data-ring-dc1-rack1-1", "uid": "b", "resourceVersion": "1",
                "annotations": {CLUSTER_UID: "cluster-uid"}}},
            {"metadata": {"name": "data-ring-dc1-rack1-2", "uid": "c", "resourceVersion": "1",
                "annotations": {CLUSTER_UID: "an-earlier-cluster"}}},
            {"metadata": {"name": "data-ring-dc1-rack1-3", "uid": "d", "resourceVersion": "1"}},
        ])
    }

    fn deleted(effects: &[Effect]) -> Vec<&str> {
        let uid = |effect: &'_ Effect| matches!(effect, Effect::DeleteClaim { .. });
        effects
            .iter()
            .filter(|effect| uid(effect))
            .map(|effect| match effect {
                Effect::DeleteClaim { uid, .. } => uid.as_str(),
                _ => "",
            })
            .collect()
    }

    const GOING: &str = "2026-11-21T08:00:00Z";

    #[test]
    fn claims_that_are_proved_ours_go_before_the_finalizer_and_the_others_are_named() {
        let metadata = json!({"deletionTimestamp": GOING, "finalizers": ["else", DELETE_PVC_FINALIZER]});
        let plan = plan(&kube(&json!({"deletePVC": true}), &metadata, Some(&claims())));
        assert_eq!(deleted(&plan.effects), ["a", "b"]);
        assert_eq!(plan.effects.last(), Some(&Effect::RemoveFinalizer));
        assert!(
            plan.notices[0]
                .note
                .contains("data-ring-dc1-rack1-2, data-ring-dc1-rack1-3")
        );
    }

    #[test]
    fn unread_claims_keep_the_finalizer() {
        let metadata = json!({"deletionTimestamp": GOING, "finalizers": [DELETE_PVC_FINALIZER]});
        assert_eq!(
            plan(&kube(&json!({"deletePVC": true}), &metadata, None)).effects,
            []
        );
    }

    #[test]
    fn without_delete_pvc_only_the_finalizer_goes() {
        let metadata = json!({"deletionTimestamp": GOING, "finalizers": [DELETE_PVC_FINALIZER]});
        for spec in [json!({}), json!({"deletePVC": false})] {
            let plan = plan(&kube(&spec, &metadata, Some(&claims())));
            assert_eq!(plan.effects, [Effect::RemoveFinalizer]);
        }
        let plain = json!({"deletionTimestamp": GOING, "finalizers": ["else"]});
        assert_eq!(
            plan(&kube(&json!({"deletePVC": true}), &plain, Some(&claims()))).effects,
            []
        );
    }

    #[test]
    fn claims_are_read_only_when_something_is_to_be_done_to_them() {
        let needs = |spec: Value, metadata: Value, new: bool| {
            needs_claims(&kube(&spec, &metadata, None).cluster, || new)
        };
        let with = json!({"finalizers": [DELETE_PVC_FINALIZER]});
        assert!(needs(json!({"deletePVC": true}), json!({}), false));
        assert!(!needs(json!({"deletePVC": true}), with.clone(), false));
        assert!(needs(json!({"deletePVC": true}), with.clone(), true));
        assert!(!needs(json!({}), with, true));
        let ended = json!({"deletionTimestamp": GOING});
        assert!(!needs(json!({"deletePVC": true}), ended, true));
    }
}
