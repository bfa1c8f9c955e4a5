//! What the operator would do with an edited cluster object: shown before it is applied.
//!
//! The same functions as in a pass, of what can be said without asking nodes. What only nodes know (whether one may leave, whether the
//! ring agrees) is decided when its turn comes, and may hold a step up.

use casskop_types::CassandraCluster;
use casskop_types::status::ClusterAction;
use jiff::Timestamp;
use serde::Serialize;

use crate::action;
use crate::children;
use crate::correct;
use crate::effect::Effect;
use crate::observed::{KubeState, Observed};
use crate::operations::Scene;
use crate::rack::{self, Rack};
use crate::removal;
use crate::steps::Steps;
use crate::validate::{self, Problem, ValidatedCluster};
use crate::view::RackRef;

/// What would become of an edit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// Edits that would be put back; as long as there is one, nothing else is done.
    pub put_back: Vec<PutBack>,
    /// Racks that change, in the order in which they would be worked on.
    pub racks: Vec<RackChange>,
    /// Racks that go with their datacenter.
    pub removed: Vec<String>,
    /// Services and disruption budgets that would be written, as `Kind/name`.
    pub applied: Vec<String>,
}

/// An edit that would be put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PutBack {
    /// The field.
    pub field: String,
    /// Why.
    pub why: String,
}

/// What a rack would go through.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RackChange {
    /// The rack.
    #[serde(flatten)]
    pub rack: RackRef,
    /// What would be done, one after the other.
    pub actions: Vec<ClusterAction>,
    /// Nodes it has.
    pub nodes: i32,
    /// Nodes it would have.
    pub wanted: i32,
    /// Nodes that would be restarted, one after the other.
    pub restarts: i32,
    /// Fields of the StatefulSet that would change.
    pub fields: Vec<String>,
}

impl Preview {
    /// Whether the operator would do nothing.
    pub fn is_empty(&self) -> bool {
        self.put_back.is_empty()
            && self.racks.is_empty()
            && self.removed.is_empty()
            && self.applied.is_empty()
    }
}

/// Previews the cluster object of `kube`, which is the edited one, with the status of the one that is there.
pub fn preview(kube: KubeState, now: Timestamp) -> Result<Preview, Vec<Problem>> {
    let cluster = first_seen(&kube)?;
    let observed = Observed {
        kube,
        nodes: std::collections::BTreeMap::new(),
        calls: std::collections::BTreeMap::new(),
        refused_record: None,
        leads_since: now,
        operator: String::new(),
    };
    let kube = &observed.kube;
    let corrections = correct::corrections(&kube.cluster, |dc| removal::emptiness(kube, dc));
    let put_back = corrections
        .into_iter()
        .map(|correction| PutBack {
            field: correction.field,
            why: correction.why,
        })
        .collect();
    let racks = rack::racks(&cluster, kube);
    let scene = Scene {
        cluster: &cluster,
        racks: &racks,
        observed: &observed,
        now,
    };
    let mut steps = Steps::default();
    children::apply(scene, &mut steps);
    Ok(Preview {
        put_back,
        racks: racks.iter().filter_map(|rack| change(&cluster, rack)).collect(),
        removed: removed(&cluster, kube),
        applied: steps.effects.iter().filter_map(applied).collect(),
    })
}

/// As in a pass: what another operator's cluster leaves out is as it is in its StatefulSets.
fn first_seen(kube: &KubeState) -> Result<ValidatedCluster, Vec<Problem>> {
    let cluster: &CassandraCluster = &kube.cluster;
    let stored = kube.statefulsets.first();
    stored
        .and_then(|stored| validate::at_first_sight(cluster, stored))
        .unwrap_or_else(|| validate::validate(cluster))
}

fn change(cluster: &ValidatedCluster, rack: &Rack<'_>) -> Option<RackChange> {
    let nodes = rack.replicas();
    let wanted = rack.desired.nodes;
    let (actions, fields) = match rack.statefulset {
        Some(stored) => (
            action::wanted_of(cluster, rack, stored),
            action::changed_fields(cluster, rack, stored),
        ),
        None if wanted > 0 => (vec![ClusterAction::Initializing], Vec::new()),
        None => (Vec::new(), Vec::new()),
    };
    if actions.is_empty() {
        return None;
    }
    // Nodes below the partition keep what they have; a node that leaves is not restarted before.
    let rolls = actions.iter().any(|action| action::restarts_pods(*action));
    let restarts = if rolls {
        (nodes.min(wanted) - rack.desired.partition).max(0)
    } else {
        0
    };
    Some(RackChange {
        rack: RackRef {
            dc: rack.desired.id.dc.to_string(),
            rack: rack.desired.id.rack.to_string(),
        },
        actions,
        nodes,
        wanted,
        restarts,
        fields,
    })
}

fn removed(cluster: &ValidatedCluster, kube: &KubeState) -> Vec<String> {
    let wanted: Vec<String> = cluster
        .racks
        .iter()
        .map(|rack| cluster.stateful_set_name(&rack.id))
        .collect();
    let names = kube
        .statefulsets
        .iter()
        .filter_map(|set| set.metadata.name.clone());
    names.filter(|name| !wanted.contains(name)).collect()
}

fn applied(effect: &Effect) -> Option<String> {
    let named = |kind: &str, name: &Option<String>| Some(format!("{kind}/{}", name.as_deref()?));
    match effect {
        Effect::ApplyService(service) => named("Service", &service.metadata.name),
        Effect::ApplyDisruptionBudget(budget) => named("PodDisruptionBudget", &budget.metadata.name),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
