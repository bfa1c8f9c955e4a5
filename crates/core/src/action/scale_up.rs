//! Growing a rack, one joining node at a time, and queueing the cleanup that follows.

use casskop_types::labels::{
    OPERATION_ARGUMENT, OPERATION_END, OPERATION_NAME, OPERATION_START, OPERATION_STATUS,
};
use casskop_types::operation::{OperationName, OperationStatus};
use k8s_openapi::api::apps::v1::StatefulSet;

use crate::effect::Effect;
use crate::operations::Scene;
use crate::operations::labels::label;
use crate::rack::{PodView, Rack};
use crate::steps::Steps;

use super::has_joined;

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
    let wanted = if scene.cluster.auto_pilot {
        OperationStatus::ToDo
    } else {
        OperationStatus::Manual
    };
    // What a user has asked of a node is not overwritten: the cleanup can be asked for afterwards.
    let without: Vec<_> = older_nodes(scene, rack).filter(|pod| !has_request(pod)).collect();
    steps
        .effects
        .extend(without.iter().map(|pod| queue_cleanup(pod, wanted)));
    without.is_empty()
}

fn older_nodes<'a>(scene: Scene<'a>, rack: &Rack<'_>) -> impl Iterator<Item = &'a PodView<'a>> {
    let dc = rack.desired.id.dc.clone();
    scene
        .racks
        .iter()
        .filter(move |other| other.desired.id.dc == dc)
        .flat_map(|other| other.pods.iter().take(other.pods.len().saturating_sub(1)))
}

fn has_request(pod: &PodView<'_>) -> bool {
    let labels = pod.object.metadata.labels.as_ref();
    let status = labels.and_then(|labels| labels.get(OPERATION_STATUS));
    let pending = [
        OperationStatus::ToDo,
        OperationStatus::Manual,
        OperationStatus::Paused,
        OperationStatus::Ongoing,
    ];
    status.is_some_and(|status| pending.iter().any(|known| known.as_str() == status))
}

fn queue_cleanup(pod: &PodView<'_>, status: OperationStatus) -> Effect {
    label(
        pod,
        [
            (OPERATION_NAME, Some(OperationName::Cleanup.to_string())),
            (OPERATION_STATUS, Some(status.to_string())),
            (OPERATION_ARGUMENT, None),
            (OPERATION_START, None),
            (OPERATION_END, None),
        ],
    )
}
