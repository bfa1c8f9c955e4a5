//! What pods are told in the ConfigMap `<cluster>-bootstrap`: the ring's past, and whose place one takes; and how they say that they
//! have read it.
//!
//! The first seed on an empty disk founds a ring where none has been, and must not where one has: it lost its disk then, and
//! the others may just be out of reach. It cannot tell which, and reads the ConfigMap (`crates/bootstrap/src/seeds.rs` decides
//! with it). So the record is made once a node of the cluster has been NORMAL and before a second one is started: a ring of
//! one that loses its disk has nothing to be parted from, and starts over.
//!
//! It is written once and never taken back as long as the cluster object lives, with which it goes. The status says that it
//! is written, and is written after it: there is no pass in between that would have to know.
//!
//! Where the API server refuses it, no further node is started, and everything else goes on.

use std::collections::BTreeMap;

use casskop_types::conditions::ConditionReason;
use casskop_types::status::CassandraClusterStatus;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::blocker::Blocker;
use crate::desired;
use crate::effect::Effect;
use crate::observed::OperationMode;
use crate::operations::Scene;
use crate::rack::Rack;
use crate::steps::Steps;
use crate::validate::ValidatedCluster;

/// Key of the record: `true` once the ring has formed. A person may set it to `false`, to have a ring founded anew after
/// the data of all nodes was lost.
pub const RING_FORMED: &str = "ring-formed";

/// Key of what one pod alone is told: the address of the dead node whose place it takes.
pub fn replace_key(pod: &str) -> String {
    format!("replace.{pod}")
}

/// Whether a pod's init container says, by how it ended, that it has read the ConfigMap, or looked and found none.
pub fn was_read(message: &str) -> bool {
    words(message).is_some_and(|mut words| words.any(|word| word == "record=read"))
}

/// The address of the node whose place a pod takes, as its init container says it.
pub fn replaces(message: &str) -> Option<&str> {
    words(message)?.find_map(|word| word.strip_prefix("replaces="))
}

fn words(message: &str) -> Option<impl Iterator<Item = &str>> {
    let mut words = message.split_whitespace();
    (words.next() == Some("casskop-bootstrap")).then_some(words)
}

/// How soon a record that was refused is tried again: no watch tells of a Role or a quota that changed.
const TRY_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// Makes the record when it is due and a node says that it is a member, unless this pass has tried already.
pub(crate) fn keep(scene: Scene<'_>, status: &mut CassandraClusterStatus, steps: &mut Steps) {
    if refusal(scene).is_some() {
        return steps.look_again_after(TRY_AGAIN);
    }
    let mut nodes = scene.observed.nodes.values();
    if is_due(scene.racks, status) && nodes.any(|node| node.mode.is_known_and(OperationMode::serves)) {
        let record = config_map(scene.cluster);
        steps.first.push(Effect::RecordRing(Box::new(record)));
        status.ring_recorded = Some(true);
    }
}

/// Whether there is, or is to be, more than one node, and no record yet.
pub(crate) fn is_due(racks: &[Rack<'_>], status: &CassandraClusterStatus) -> bool {
    let wanted: i32 = racks.iter().map(|rack| rack.desired.nodes).sum();
    let there: usize = racks.iter().map(|rack| rack.pods.len()).sum();
    status.ring_recorded != Some(true) && (wanted > 1 || there > 1)
}

/// Why the record cannot be made, and what helps.
pub(crate) fn refusal(scene: Scene<'_>) -> Option<Blocker> {
    let why = scene.observed.refused_record.as_ref()?;
    let note = format!(
        "no further node is started before the ring is recorded in configmap {}, which the API server refuses: {why}; renew the \
         operator's Role from operator/deploy/, raise the quota, or let whatever else refuses it let it pass",
        scene.cluster.name.bootstrap_config_map()
    );
    Some(Blocker::new(ConditionReason::ObjectRefused, note))
}

/// No node joins a ring that is not recorded.
pub(crate) fn allows_another_node(scene: Scene<'_>, status: &CassandraClusterStatus) -> Result<(), Blocker> {
    if let Some(refusal) = refusal(scene) {
        return Err(refusal);
    }
    let pod = scene.racks.iter().flat_map(|rack| &rack.pods).next();
    match pod {
        Some(pod) if is_due(scene.racks, status) => Err(Blocker::new(
            ConditionReason::NodeNotReady,
            format!("node {} has not said yet that it is NORMAL", pod.name),
        )),
        _ => Ok(()),
    }
}

/// The record as it is created.
pub(crate) fn config_map(cluster: &ValidatedCluster) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(cluster.name.bootstrap_config_map()),
            namespace: Some(cluster.namespace.clone()),
            labels: Some(cluster.cluster_labels()),
            owner_references: Some(vec![desired::owner_reference(cluster)]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(RING_FORMED.to_owned(), "true".to_owned())])),
        ..ConfigMap::default()
    }
}

/// Whose a ConfigMap is that has the record's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// This cluster's: a pass that was interrupted made it.
    Ours,
    /// That of an earlier cluster of the same name, and about to go with it.
    Predecessors,
    /// A user's own. What it says counts, and it is left as it is.
    Users,
}

/// Tells by the owners.
pub fn whose(stored: &ConfigMap, wanted: &ConfigMap) -> Whose {
    let owners = |object: &ConfigMap| object.metadata.owner_references.clone().unwrap_or_default();
    let (stored, wanted) = (owners(stored), owners(wanted));
    let is_ours = |uid: &str| wanted.iter().any(|owner| owner.uid == uid);
    if stored.iter().any(|owner| is_ours(&owner.uid)) {
        Whose::Ours
    } else if stored.iter().any(|owner| {
        wanted
            .iter()
            .any(|ours| ours.kind == owner.kind && ours.name == owner.name)
    }) {
        Whose::Predecessors
    } else {
        Whose::Users
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_an_init_container_said_is_understood() {
        let table = [
            ("casskop-bootstrap record=read", true, None),
            (
                "casskop-bootstrap record=read replaces=10.0.0.9",
                true,
                Some("10.0.0.9"),
            ),
            ("casskop-bootstrap record=unread", false, None),
            ("record=read replaces=10.0.0.9", false, None),
            ("", false, None),
        ];
        for (message, read, address) in table {
            assert_eq!(
                (was_read(message), replaces(message)),
                (read, address),
                "{message:?}"
            );
        }
    }

    #[test]
    fn what_is_there_already_is_told_by_its_owner() {
        let owned_by = |kind: &str, uid: &str| -> ConfigMap {
            serde_json::from_value(json!({"metadata": {"name": "ring-bootstrap", "ownerReferences": [
                {"apiVersion": "db.orange.com/v2", "kind": kind, "name": "ring", "uid": uid},
            ]}}))
            .unwrap()
        };
        let wanted = owned_by("CassandraCluster", "new");
        assert_eq!(whose(&wanted, &wanted), Whose::Ours);
        assert_eq!(
            whose(&owned_by("CassandraCluster", "old"), &wanted),
            Whose::Predecessors
        );
        assert_eq!(whose(&owned_by("HelmRelease", "x"), &wanted), Whose::Users);
        assert_eq!(whose(&ConfigMap::default(), &wanted), Whose::Users);
    }
}
