//! The content of the ConfigMap that `spec.configMapName` names: scripts that run when a pod starts.
//!
//! New content reaches a node with a new pod only, so it has to roll the pods, and they are rolled by a template that differs:
//! by an annotation with a digest of the content. It appears with the first change. What is found when the ConfigMap is first
//! looked at is what pods without the annotation run with; it is recorded in the status and rolls nothing, or a cluster would
//! be restarted by being adopted.
//!
//! So the template of a StatefulSet tells what its pods run with, and the status what the ConfigMap holds: nothing else is
//! kept, and a rack whose two differ is to be rolled, whatever happened in between.

use std::collections::BTreeMap;

use casskop_types::conditions::ConditionReason;
use casskop_types::labels::CONFIG_MAP_CONTENT;
use casskop_types::status::{CassandraClusterStatus, ConfigMapContent};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::ConfigMap;

use crate::blocker::Blocker;
use crate::fact::Fact;
use crate::observed::KubeState;
use crate::operations::Scene;
use crate::validate::ValidatedCluster;

/// The cluster with the content as it is now, if that is not what its status says.
pub(crate) fn as_seen(cluster: &ValidatedCluster, kube: &KubeState) -> Option<ValidatedCluster> {
    let name = cluster.pod.hooks.as_ref()?;
    let now = kube.hooks.known()?.as_ref()?;
    let before = cluster.config_map_content.as_ref();
    if before.is_some_and(|before| before.last_seen == *now) {
        return None;
    }
    let content = ConfigMapContent {
        name: name.clone(),
        first_seen: before.map_or(now, |before| &before.first_seen).clone(),
        last_seen: now.clone(),
    };
    Some(ValidatedCluster {
        config_map_content: Some(content),
        ..cluster.clone()
    })
}

/// Keeps in the status what was seen: with the status, it is written before any template that follows from it.
pub(crate) fn record(cluster: &ValidatedCluster, status: &mut CassandraClusterStatus) {
    status.config_map_content.clone_from(&cluster.config_map_content);
}

/// Why no pod can start, if the ConfigMap is not there.
pub(crate) fn missing(scene: Scene<'_>) -> Option<Blocker> {
    let name = scene.cluster.pod.hooks.as_ref()?;
    let is_missing = scene.observed.kube.hooks == Fact::Known(None);
    is_missing.then(|| {
        let note = format!("configmap {name} (spec.configMapName) does not exist: no pod starts without it");
        Blocker::new(ConditionReason::ObjectRefused, note)
    })
}

/// The annotation that a rack's pod template is to have.
pub(crate) fn annotation(cluster: &ValidatedCluster, stored: Option<&StatefulSet>) -> Option<String> {
    let name = cluster.pod.hooks.as_ref()?;
    let has = stored
        .filter(|stored| mounts(stored, name))
        .and_then(annotation_of);
    let Some(content) = &cluster.config_map_content else {
        return has;
    };
    let runs_with = has.as_ref().unwrap_or(&content.first_seen);
    if *runs_with == content.last_seen {
        has
    } else {
        Some(content.last_seen.clone())
    }
}

/// The annotation that a template has.
pub(crate) fn annotation_of(set: &StatefulSet) -> Option<String> {
    let template = set.spec.as_ref()?.template.metadata.as_ref()?;
    template.annotations.as_ref()?.get(CONFIG_MAP_CONTENT).cloned()
}

/// Whether pods of a StatefulSet get the hooks from the ConfigMap of this name.
fn mounts(set: &StatefulSet, name: &str) -> bool {
    let pod = set.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    let mut volumes = pod.into_iter().flat_map(|pod| pod.volumes.iter().flatten());
    volumes.any(|volume| {
        volume
            .config_map
            .as_ref()
            .is_some_and(|source| source.name == name)
    })
}

/// A digest of what pods see of a ConfigMap: its files, whichever of the two maps they are in.
///
/// It is compared with those of earlier releases of the operator and must never change for the same content. FNV-1a of 128 bits is
/// that stable, needs no crate, and is long enough to tell any two contents apart that are not made to collide, which nobody
/// gains by: whoever may write the ConfigMap may leave it alone as well.
pub fn digest(config_map: &ConfigMap) -> String {
    let texts = config_map.data.iter().flatten();
    let bytes = config_map.binary_data.iter().flatten();
    let files: BTreeMap<&str, &[u8]> = texts
        .map(|(name, text)| (name.as_str(), text.as_bytes()))
        .chain(bytes.map(|(name, bytes)| (name.as_str(), bytes.0.as_slice())))
        .collect();
    let mut state = FNV_OFFSET_BASIS;
    let mut take = |bytes: &[u8]| {
        // With its length before it, no text can pass for two.
        let length = (bytes.len() as u64).to_be_bytes();
        for byte in length.iter().chain(bytes) {
            state = (state ^ u128::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    };
    for (name, content) in files {
        take(name.as_bytes());
        take(content);
    }
    format!("{state:032x}")
}

const FNV_OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn digest_of(object: &Value) -> String {
        digest(&serde_json::from_value(object.clone()).unwrap())
    }

    /// Another value would roll every cluster whose hooks have changed once.
    #[test]
    fn a_digest_is_the_same_in_every_release() {
        let of = digest_of(&json!({"data": {"pre_run.sh": "true\n", "post_run.sh": "echo done\n"}}));
        assert_eq!(of, "70fae6809e56bd0a4fd7a308d826bf31");
        assert_eq!(digest_of(&json!({})), format!("{FNV_OFFSET_BASIS:x}"));
    }

    #[rstest]
    #[case::another_script(json!({"data": {"pre_run.sh": "false"}}))]
    #[case::another_name(json!({"data": {"post_run.sh": "true"}}))]
    #[case::one_more(json!({"data": {"pre_run.sh": "true", "post_run.sh": ""}}))]
    #[case::none(json!({}))]
    #[case::moved_boundary(json!({"data": {"pre_run.s": "htrue"}}))]
    fn what_pods_see_counts(#[case] other: Value) {
        let one = json!({"data": {"pre_run.sh": "true"}});
        assert_ne!(digest_of(&other), digest_of(&one));
    }

    #[rstest]
    #[case::labels(json!({"metadata": {"labels": {"team": "blue"}, "resourceVersion": "7"}, "data": {"pre_run.sh": "true"}}))]
    #[case::as_bytes(json!({"binaryData": {"pre_run.sh": "dHJ1ZQ=="}}))]
    #[case::sealed(json!({"immutable": true, "data": {"pre_run.sh": "true"}}))]
    fn what_they_do_not_see_does_not(#[case] other: Value) {
        let one = json!({"data": {"pre_run.sh": "true"}});
        assert_eq!(digest_of(&other), digest_of(&one));
    }
}
