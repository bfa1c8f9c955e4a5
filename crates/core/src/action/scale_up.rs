//! Growing a rack, one joining node at a time, and queueing the cleanup that follows.

use casskop_types::operation::OperationName;
use k8s_openapi::api::apps::v1::StatefulSet;

use super::conclude::has_joined;
use super::follow_up::{self, FollowUp, Queued};
use crate::operations::Scene;
use crate::rack::{PodView, Rack};
use crate::steps::Steps;

/// The StatefulSet with one replica more and nothing else changed.
pub(super) fn one_more(rack: &Rack<'_>) -> Option<StatefulSet> {
    let mut grown = rack.statefulset?.clone();
    grown.spec.as_mut()?.replicas = Some(rack.replicas() + 1);
    Some(grown)
}

/// Every node joined, and every older node of the datacenter has its cleanup queued: those gave up tokens, and keep
/// the data until a cleanup.
pub(super) fn is_done(scene: Scene<'_>, rack: &Rack<'_>, steps: &mut Steps) -> bool {
    if rack.replicas() < rack.desired.nodes || !has_joined(scene, rack, steps) {
        return false;
    }
    let others_grow = scene
        .racks
        .iter()
        .any(|other| other.desired.id.dc == rack.desired.id.dc && other.replicas() < other.desired.nodes);
    if others_grow {
        return true;
    }
    let cleanup = FollowUp {
        name: OperationName::Cleanup,
        argument: None,
    };
    let Queued::Yes { displaced } = follow_up::queue(scene, older_nodes(scene, rack), cleanup, steps) else {
        return false;
    };
    for note in displaced {
        steps.warn("OperationNotQueued", format!("{note}: ask for it afterwards"));
    }
    true
}

fn older_nodes<'a>(scene: Scene<'a>, rack: &Rack<'_>) -> impl Iterator<Item = &'a PodView<'a>> {
    let dc = rack.desired.id.dc.clone();
    scene
        .racks
        .iter()
        .filter(move |other| other.desired.id.dc == dc)
        .flat_map(|other| other.pods.iter().take(other.pods.len().saturating_sub(1)))
}
