//! Actions on racks: bringing them up, growing and shrinking them, rolling their pods, enlarging their volumes.
//!
//! One step in a pass at most, and only when the whole cluster is well: one disrupted rack per cluster, one joining
//! node per ring. What is wanted and may not happen yet queues up, first come, first served.

mod conclude;
mod follow_up;
mod new_datacenter;
mod release;
mod rolling;
mod scale_down;
mod scale_up;
mod seed_list;
mod step;
mod storage;
mod wanted;

use casskop_types::conditions::ConditionReason;
use casskop_types::status::{
    ActionStatus, CassandraClusterStatus, ClusterAction, LastAction, Phase, RackStatus,
};
use jiff::SignedDuration;

use crate::blocker::Blocker;
use crate::operations::{self, Scene};
use crate::rack::{self, Rack};
use crate::ring;
use crate::steps::Steps;

use step::StepKind;

pub(crate) use conclude::initializing;
pub(crate) use new_datacenter::awaiting as awaiting_rebuild;
pub(crate) use rolling::{changed_fields, restarts_pods};
pub(crate) use scale_down::{asks_for_replication, may_be_emptied};
pub(crate) use storage::{
    all_may as may_grow, needs_claims as grows_volumes, refused as refused_growth,
    snapshot as copied_statefulset, trials as growth_trials,
};
pub(crate) use wanted::{anything_wanted, wanted_of};

/// How soon the ring is asked again while it does not agree: no watch tells.
const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(1);
/// Time after which somebody has said why a pod is not created, if it is not.
const REASON_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// Advances every rack's action by what was observed and takes the next step, if one is wanted and possible.
pub fn advance(scene: Scene<'_>, status: &mut CassandraClusterStatus, steps: &mut Steps) {
    adopt_words(status);
    seed_list::follow_topology(scene, status, steps);
    for rack in scene.racks {
        let rack_status = status
            .cassandra_rack_status
            .entry(rack.desired.id.to_string())
            .or_insert_with(|| conclude::added(scene, rack));
        conclude::conclude(scene, rack, rack_status, steps);
        wanted::accept(scene, rack, rack_status, steps);
    }
    seed_list::release(scene, status);
    for rack in scene.racks {
        let rack_status = status.rack(&rack.desired.id);
        let under_way = rack_status.is_some_and(|rack| is_initializing(rack) || rolling::is_rolling(rack));
        if under_way {
            rolling::unstick(scene, rack, steps);
        }
    }
    let Some(step) = step::next(scene, status) else {
        look_for_a_reason(scene, steps);
        await_nodes(scene, status, steps);
        release::follow_up(scene, status, steps);
        return new_datacenter::follow_up(scene, status, steps);
    };
    let held =
        operations::restart_holds(scene.racks, status).and_then(|()| operations::mover_holds(scene, status));
    if let (true, Err(blocker)) = (step.kind.disturbs(), held) {
        return steps.wait_for(blocker);
    }
    if step.kind == StepKind::Leave {
        return step::leave(scene, &step, status, steps);
    }
    match step::gate(scene, &step, status) {
        Ok(()) => step::take(scene, &step, status, steps),
        Err(blocker) => {
            let ask_again = match blocker.reason {
                ConditionReason::NodeJoining | ConditionReason::NodesUnreachable => true,
                // What was refused has a delay of its own.
                ConditionReason::ObjectRefused => false,
                _ => rack::all_complete(scene.racks).is_ok(),
            };
            if ask_again {
                steps.look_again_after(ASK_AGAIN);
            }
            look_for_a_reason(scene, steps);
            steps.wait_for(blocker);
        }
    }
}

/// `CassKop` leaves actions in states that are not ours (`Continue` between two nodes of a scale-down, `Finalizing`): they are
/// under way.
fn adopt_words(status: &mut CassandraClusterStatus) {
    for rack_status in status.cassandra_rack_status.values_mut() {
        let Some(action) = &mut rack_status.cassandra_last_action else {
            continue;
        };
        let known = [
            ActionStatus::ToDo,
            ActionStatus::Configuring,
            ActionStatus::Ongoing,
            ActionStatus::Done,
        ];
        if action.name.is_some() && !action.status.is_some_and(|status| known.contains(&status)) {
            action.status = Some(ActionStatus::Ongoing);
        }
    }
}

/// Nothing more is to be done but to wait for nodes that come up.
fn await_nodes(scene: Scene<'_>, status: &CassandraClusterStatus, steps: &mut Steps) {
    let comes_up = |rack: &&Rack<'_>| {
        let rack_status = status.rack(&rack.desired.id);
        rack.desired.nodes > 0
            && rack_status.is_some_and(|rack_status| {
                is_initializing(rack_status) || is_ongoing(rack_status, ClusterAction::ScaleUp)
            })
    };
    for rack in scene.racks.iter().filter(comes_up) {
        // That its node joins says more of a pod than that it is not ready.
        let in_ring = ring::has(rack, &scene.observed.nodes);
        let waits = match in_ring {
            Err(joins) if joins.reason == ConditionReason::NodeJoining => Err(joins),
            in_ring => rack.complete().and(in_ring),
        };
        if let Err(blocker) = waits {
            look_for_a_reason(scene, steps);
            steps.wait_for(blocker);
        }
    }
}

/// The event that says why a pod cannot be created follows on the controller's status, and no watch tells of it.
fn look_for_a_reason(scene: Scene<'_>, steps: &mut Steps) {
    if scene.racks.iter().any(Rack::lacks_a_reason) {
        steps.look_again_after(REASON_AFTER);
    }
}

/// How an action is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Come,
    Grow,
    Leave,
    Upsize,
    Roll,
}

fn way(action: ClusterAction) -> Way {
    match action {
        ClusterAction::Initializing => Way::Come,
        ClusterAction::ScaleUp => Way::Grow,
        ClusterAction::ScaleDown => Way::Leave,
        ClusterAction::StorageUpsize => Way::Upsize,
        ClusterAction::UpdateConfigMap
        | ClusterAction::UpdateDockerImage
        | ClusterAction::UpdateSeedList
        | ClusterAction::RollingRestart
        | ClusterAction::UpdateResources
        | ClusterAction::UpdateStatefulSet
        // These are no racks' actions; a status that has them has its template looked at.
        | ClusterAction::ActionDeleteDc
        | ClusterAction::ActionDeleteRack
        | ClusterAction::CorrectCrdConfig => Way::Roll,
    }
}

/// Why no node operation may start in this cluster now: actions and operations do not mix, and first come, first
/// served keeps either from starving.
pub fn quiet(scene: Scene<'_>, status: &CassandraClusterStatus) -> Result<(), Blocker> {
    no_action(scene, status, |_| true)
}

/// The same, but that actions may wait to begin.
pub fn none_has_begun(scene: Scene<'_>, status: &CassandraClusterStatus) -> Result<(), Blocker> {
    no_action(scene, status, |action| action.status != Some(ActionStatus::ToDo))
}

/// Whether no rack has such an action that has not ended.
fn no_action(
    scene: Scene<'_>,
    status: &CassandraClusterStatus,
    such: impl Fn(&LastAction) -> bool,
) -> Result<(), Blocker> {
    for rack in scene.racks {
        let action = status.rack(&rack.desired.id).and_then(unfinished);
        if let Some(action) = action.filter(|action| such(action)) {
            let name = action.name.map_or("an action", ClusterAction::as_str);
            let note = format!("{name} is under way on rack {}", rack.desired.id);
            return Err(Blocker::new(ConditionReason::ActionOngoing, note));
        }
    }
    Ok(())
}

/// Whether no rack comes up, or has an action that has not ended.
fn all_settled(racks: &[Rack<'_>], status: &CassandraClusterStatus) -> bool {
    let settled =
        |rack_status: &RackStatus| !is_initializing(rack_status) && unfinished(rack_status).is_none();
    racks
        .iter()
        .all(|rack| status.rack(&rack.desired.id).is_some_and(settled))
}

/// The rack's action, if it has not ended.
pub fn unfinished(rack_status: &RackStatus) -> Option<&LastAction> {
    let action = rack_status.cassandra_last_action.as_ref()?;
    (action.name.is_some() && action.status != Some(ActionStatus::Done)).then_some(action)
}

fn queued_action(rack_status: &RackStatus) -> Option<&LastAction> {
    unfinished(rack_status).filter(|action| action.status == Some(ActionStatus::ToDo))
}

fn is_initializing(rack_status: &RackStatus) -> bool {
    rack_status.phase == Some(Phase::Initializing)
}

fn is_ongoing(rack_status: &RackStatus, name: ClusterAction) -> bool {
    let action = rack_status.cassandra_last_action.as_ref();
    action.is_some_and(|action| action.name == Some(name) && action.status == Some(ActionStatus::Ongoing))
}
