//! Where an action has got to, and when it is done.

use casskop_types::status::{ActionStatus, ClusterAction, LastAction, Phase, RackStatus, SubPhase};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    ASK_AGAIN, Way, is_initializing, new_datacenter, release, rolling, scale_down, scale_up, storage, way,
};
use crate::operations::Scene;
use crate::rack::Rack;
use crate::ring;
use crate::steps::Steps;

/// Updates the phase of a rack, and ends its action if the cluster shows that it is done.
pub(super) fn conclude(scene: Scene<'_>, rack: &Rack<'_>, rack_status: &mut RackStatus, steps: &mut Steps) {
    if is_initializing(rack_status) {
        return conclude_initializing(scene, rack, rack_status, steps);
    }
    let complete = rack.desired.nodes == 0 || rack.complete().is_ok();
    rack_status.phase = Some(if complete { Phase::Running } else { Phase::Pending });
    rack_status.initializing_sub_phase = None;
    let Some(action) = &rack_status.cassandra_last_action else {
        return;
    };
    if action.status != Some(ActionStatus::Ongoing) {
        return release::note(scene, rack, rack_status);
    }
    let done = match action.name.map(way) {
        Some(Way::Grow) => scale_up::is_done(scene, rack, steps),
        Some(Way::Leave) => scale_down::is_done(rack, rack_status),
        Some(Way::Upsize) => storage::is_done(scene, rack, rack_status, steps),
        Some(Way::Roll | Way::Come) | None => {
            rolling::is_done(scene, rack, rack_status) && release::is_settled(scene, rack, rack_status, steps)
        }
    };
    if done {
        release::note(scene, rack, rack_status);
        finish(rack_status, rack, scene, steps);
    }
}

fn conclude_initializing(scene: Scene<'_>, rack: &Rack<'_>, rack_status: &mut RackStatus, steps: &mut Steps) {
    let up = rack.desired.nodes == 0 || has_joined(scene, rack, steps);
    if !up {
        return;
    }
    if rack.replicas() < rack.desired.nodes {
        rack_status.initializing_sub_phase = Some(SubPhase::NextPodPerRack);
        return;
    }
    rack_status.phase = Some(Phase::Running);
    rack_status.initializing_sub_phase = None;
    release::note(scene, rack, rack_status);
    if let Some(action) = &mut rack_status.cassandra_last_action {
        action.status = Some(ActionStatus::Done);
        action.end_time = Some(Time(scene.now));
    }
}

/// Whether all pods of a rack are ready and their nodes members for the others, who hear of it a moment after the pod
/// is ready. That is nothing a watch tells, so the ring is asked again.
pub(super) fn has_joined(scene: Scene<'_>, rack: &Rack<'_>, steps: &mut Steps) -> bool {
    if rack.complete().is_err() {
        return false;
    }
    match ring::has(rack, &scene.observed.nodes) {
        Ok(()) => true,
        Err(blocker) => {
            steps.look_again_after(ASK_AGAIN);
            steps.wait_for(blocker);
            false
        }
    }
}

fn finish(rack_status: &mut RackStatus, rack: &Rack<'_>, scene: Scene<'_>, steps: &mut Steps) {
    let Some(action) = &mut rack_status.cassandra_last_action else {
        return;
    };
    action.status = Some(ActionStatus::Done);
    action.end_time = Some(Time(scene.now));
    let name = action.name.map_or("action", ClusterAction::as_str);
    steps.tell("ActionDone", format!("{name} done on rack {}", rack.desired.id));
}

/// A rack that came after the others.
pub(super) fn added(scene: Scene<'_>, rack: &Rack<'_>) -> RackStatus {
    RackStatus {
        awaits_rebuild: new_datacenter::is_new(scene, rack).then_some(true),
        ..initializing(scene)
    }
}

/// The status of a rack that comes up.
pub(crate) fn initializing(scene: Scene<'_>) -> RackStatus {
    RackStatus {
        phase: Some(Phase::Initializing),
        initializing_sub_phase: Some(SubPhase::FirstPodPerRack),
        cassandra_last_action: Some(LastAction {
            name: Some(ClusterAction::Initializing),
            status: Some(ActionStatus::Ongoing),
            start_time: Some(Time(scene.now)),
            ..LastAction::default()
        }),
        ..RackStatus::default()
    }
}
