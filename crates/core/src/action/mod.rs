//! Actions on racks: bringing them up, growing them, rolling their pods.
//!
//! One step in a pass at most, and only when the whole cluster is well: one disrupted rack per cluster, one joining
//! node per ring. What is wanted and may not happen yet queues up, first come, first served.

mod follow_up;
mod new_datacenter;
mod release;
mod rolling;
mod scale_down;
mod scale_up;
mod seed_list;
mod storage;
mod wanted;

use casskop_types::conditions::ConditionReason;
use casskop_types::names::PodName;
use casskop_types::status::{
    ActionStatus, CassandraClusterStatus, ClusterAction, LastAction, Phase, RackStatus, SubPhase,
};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::blocker::Blocker;
use crate::call::Replicas;
use crate::effect::Effect;
use crate::operations::{Scene, decommission};
use crate::rack::{PodView, Rack};
use crate::ring;
use crate::ring_record;
use crate::steps::Steps;

pub(crate) use new_datacenter::awaiting as awaiting_rebuild;
pub(crate) use scale_down::{asks_for_replication, may_be_emptied};
pub(crate) use storage::{
    all_may as may_grow, needs_claims as grows_volumes, refused as refused_growth,
    snapshot as copied_statefulset, trials as growth_trials,
};
pub(crate) use wanted::anything_wanted;

/// How soon the ring is asked again while it does not agree: no watch tells.
const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// Advances every rack's action by what was observed and takes the next step, if one is wanted and possible.
pub fn advance(scene: Scene<'_>, status: &mut CassandraClusterStatus, steps: &mut Steps) {
    adopt_words(status);
    seed_list::follow_topology(scene, status, steps);
    for rack in scene.racks {
        let rack_status = status
            .cassandra_rack_status
            .entry(rack.desired.id.to_string())
            .or_insert_with(|| added(scene, rack));
        conclude(scene, rack, rack_status, steps);
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
    let Some(step) = next_step(scene, status) else {
        await_nodes(scene, status, steps);
        return new_datacenter::follow_up(scene, status, steps);
    };
    if step.kind == StepKind::Leave {
        return leave(scene, &step, status, steps);
    }
    match gate(scene, &step, status) {
        Ok(()) => take(scene, &step, status, steps),
        Err(blocker) => {
            if matches!(
                blocker.reason,
                ConditionReason::NodeJoining | ConditionReason::NodesUnreachable
            ) || scene
                .racks
                .iter()
                .all(|rack| rack.statefulset.is_none() || rack.complete().is_ok())
            {
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
        if let Err(blocker) = rack
            .complete()
            .and_then(|()| ring::has(rack, &scene.observed.nodes))
        {
            look_for_a_reason(scene, steps);
            steps.wait_for(blocker);
        }
    }
}

/// The event that says why a pod cannot be created follows on the controller's status, and no watch tells of it.
fn look_for_a_reason(scene: Scene<'_>, steps: &mut Steps) {
    if scene.racks.iter().any(Rack::lacks_a_reason) {
        steps.look_again_after(ASK_AGAIN);
    }
}

/// The last node of the rack leaves, once everything else is well.
fn leave(scene: Scene<'_>, step: &Step<'_>, status: &mut CassandraClusterStatus, steps: &mut Steps) {
    match scale_down::gate(scene, step.rack, status, steps) {
        Err(blocker) => {
            // What data is at risk by has delays of its own.
            if blocker.reason != ConditionReason::DataAtRisk {
                steps.look_again_after(ASK_AGAIN);
            }
            steps.wait_for(blocker);
        }
        Ok((pod, replicas)) => {
            let rack_status = status
                .cassandra_rack_status
                .entry(step.rack.desired.id.to_string())
                .or_default();
            begin(rack_status, step.rack, scene, steps);
            if replicas == Replicas::MayFall {
                let note = format!(
                    "the node of pod {} leaves although system_distributed or system_traces lose replicas by it",
                    pod.name
                );
                steps.warn("DecommissionForced", note);
            }
            decommission::begin(scene, pod, replicas, rack_status, steps);
        }
    }
}

/// The one step that may come next.
#[derive(Debug, Clone)]
struct Step<'a> {
    rack: &'a Rack<'a>,
    kind: StepKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepKind {
    /// Create the StatefulSet with its first pod.
    Create,
    /// One replica more.
    Grow,
    /// The last node leaves.
    Leave,
    /// Write the new template, which rolls the pods.
    Roll,
    /// The data volumes grow.
    Upsize,
    /// Wait for what is under way.
    Await,
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

/// What is under way goes first; then first pods, in the order of the racks; then further pods; then what was asked
/// for, in the order it was asked for.
fn next_step<'a>(scene: Scene<'a>, status: &CassandraClusterStatus) -> Option<Step<'a>> {
    let racks = || {
        scene
            .racks
            .iter()
            .filter_map(|rack| Some((rack, status.rack(&rack.desired.id)?)))
    };
    // A node on its way out: its record tells what is waited for.
    if racks().any(|(_, rack_status)| decommission::under_way(rack_status).is_some()) {
        return None;
    }
    let upsizing = || racks().find(|(_, rack_status)| storage::is_ongoing_in(rack_status));
    let upsize = |rack| Step {
        rack,
        kind: StepKind::Upsize,
    };
    // Nobody looks after the pods of a rack that has no StatefulSet just now.
    if let Some((rack, _)) = upsizing().filter(|(rack, _)| rack.statefulset.is_none()) {
        return Some(upsize(rack));
    }
    // A rack whose pods cannot start is repaired before anything else goes on: what goes on may be waiting for it.
    let broken = racks().find(|(rack, rack_status)| {
        let due = is_initializing(rack_status) || queued_action(rack_status).is_some();
        let change = |stored| rolling::template_change(scene.cluster, rack, stored);
        due && rack.pods.iter().any(PodView::cannot_start) && rack.statefulset.and_then(change).is_some()
    });
    if let Some((rack, _)) = broken {
        return Some(Step {
            rack,
            kind: StepKind::Roll,
        });
    }
    if let Some((rack, _)) = upsizing() {
        return Some(upsize(rack));
    }
    let rolling = racks().find(|(rack, status)| rolling::is_rolling(status) && rack.statefulset.is_some());
    if let Some((rack, rack_status)) = rolling {
        let written = rolling::next_template(scene, rack, rack_status).is_none();
        return Some(Step {
            rack,
            kind: if written { StepKind::Await } else { StepKind::Roll },
        });
    }
    let first = racks().find(|(rack, _)| rack.statefulset.is_none() && rack.desired.nodes > 0);
    if let Some((rack, _)) = first {
        return Some(Step {
            rack,
            kind: StepKind::Create,
        });
    }
    let next = racks().find(|(rack, rack_status)| {
        rack.replicas() < rack.desired.nodes
            && (is_initializing(rack_status) || is_ongoing(rack_status, ClusterAction::ScaleUp))
    });
    if let Some((rack, _)) = next {
        return Some(Step {
            rack,
            kind: StepKind::Grow,
        });
    }
    let shrinking = racks().find(|(rack, rack_status)| {
        scale_down::is_wanted(rack) && is_ongoing(rack_status, ClusterAction::ScaleDown)
    });
    if let Some((rack, _)) = shrinking {
        return Some(Step {
            rack,
            kind: StepKind::Leave,
        });
    }
    let queued = racks().filter_map(|(rack, rack_status)| Some((rack, queued_action(rack_status)?)));
    let (rack, action) = queued.min_by_key(|(rack, action)| {
        let is_well = !rack.pods.iter().any(PodView::cannot_start);
        (is_well, action.start_time.as_ref().map(|time| time.0))
    })?;
    let kind = match action.name.map(way) {
        Some(Way::Grow) => StepKind::Grow,
        Some(Way::Leave) => StepKind::Leave,
        Some(Way::Upsize) => StepKind::Upsize,
        Some(Way::Roll | Way::Come) | None => StepKind::Roll,
    };
    // A restart starts once its flag is reset: from then on a set flag is a new request.
    let waits_for_reset = action.name == Some(ClusterAction::RollingRestart) && rack.desired.rolling_restart;
    Some(Step {
        rack,
        kind: if waits_for_reset { StepKind::Await } else { kind },
    })
}

/// Every pod ready, every node NORMAL and seen UP.
fn gate(scene: Scene<'_>, step: &Step<'_>, status: &CassandraClusterStatus) -> Result<(), Blocker> {
    if step.kind == StepKind::Await {
        return step
            .rack
            .rolled_out()
            .and_then(|()| ring::has(step.rack, &scene.observed.nodes));
    }
    if step.kind == StepKind::Roll {
        let none = RackStatus::default();
        let rack_status = status.rack(&step.rack.desired.id).unwrap_or(&none);
        return rolling::gate(scene, step.rack, rack_status);
    }
    let begun = |rack_status| step.kind == StepKind::Upsize && storage::is_ongoing_in(rack_status);
    if status.rack(&step.rack.desired.id).is_some_and(begun) {
        return Ok(());
    }
    for rack in scene.racks.iter().filter(|rack| rack.statefulset.is_some()) {
        rack.complete()?;
    }
    ring::agrees_on_return(scene.racks, &scene.observed.nodes, &returning(scene))?;
    ring_record::allows_another_node(scene.racks, status)
}

/// Host ids of nodes whose pods are to be made again: members still, that somebody took the pods from. Where more pods are to
/// come, that these are down is no reason to wait, for they are what comes.
fn returning(scene: Scene<'_>) -> Vec<String> {
    let status = scene.observed.kube.cluster.status.as_ref();
    let missing = scene.racks.iter().flat_map(|rack| {
        (rack.replicas()..rack.desired.nodes).map(|ordinal| scene.cluster.pod_name(&rack.desired.id, ordinal))
    });
    let recorded = |pod: PodName| {
        let node = status?.cassandra_node_status.get(&pod.to_string())?;
        node.host_id.clone()
    };
    missing.filter_map(recorded).collect()
}

fn take(scene: Scene<'_>, step: &Step<'_>, status: &mut CassandraClusterStatus, steps: &mut Steps) {
    let seeds = status.seed_list.clone();
    let rack_status = status
        .cassandra_rack_status
        .entry(step.rack.desired.id.to_string())
        .or_default();
    match step.kind {
        StepKind::Await | StepKind::Leave => {}
        StepKind::Create => {
            let object = wanted::first_statefulset(scene, step.rack, &seeds);
            steps.effects.push(Effect::CreateStatefulSet(Box::new(object)));
        }
        StepKind::Grow => {
            begin(rack_status, step.rack, scene, steps);
            if let Some(object) = scale_up::one_more(step.rack) {
                steps.effects.push(Effect::UpdateStatefulSet(Box::new(object)));
            }
        }
        StepKind::Upsize => {
            begin(rack_status, step.rack, scene, steps);
            storage::advance(scene, step.rack, rack_status, steps);
        }
        StepKind::Roll => {
            if rolling::same_second(scene, step.rack, rack_status) {
                return steps.look_again_after(ASK_AGAIN);
            }
            begin(rack_status, step.rack, scene, steps);
            match rolling::next_template(scene, step.rack, rack_status) {
                Some(object) => steps.effects.push(Effect::UpdateStatefulSet(Box::new(object))),
                None => steps.look_again_after(SignedDuration::ZERO),
            }
        }
    }
}

/// A queued action starts.
fn begin(rack_status: &mut RackStatus, rack: &Rack<'_>, scene: Scene<'_>, steps: &mut Steps) {
    let Some(action) = &mut rack_status.cassandra_last_action else {
        return;
    };
    if action.status != Some(ActionStatus::ToDo) {
        return;
    }
    action.status = Some(ActionStatus::Ongoing);
    action.start_time = Some(Time(scene.now));
    let name = action.name.map_or("action", ClusterAction::as_str);
    steps.tell(
        "ActionStarted",
        format!("{name} started on rack {}", rack.desired.id),
    );
}

/// Updates the phase of a rack, and ends its action if the cluster shows that it is done.
fn conclude(scene: Scene<'_>, rack: &Rack<'_>, rack_status: &mut RackStatus, steps: &mut Steps) {
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
        Some(Way::Upsize) => storage::is_done(scene, rack, rack_status),
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
fn has_joined(scene: Scene<'_>, rack: &Rack<'_>, steps: &mut Steps) -> bool {
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
fn added(scene: Scene<'_>, rack: &Rack<'_>) -> RackStatus {
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

/// Why no node operation may start in this cluster now: actions and operations do not mix, and first come, first
/// served keeps either from starving.
pub fn quiet(scene: Scene<'_>, status: &CassandraClusterStatus) -> Result<(), Blocker> {
    for rack in scene.racks {
        let Some(rack_status) = status.rack(&rack.desired.id) else {
            continue;
        };
        if let Some(action) = unfinished(rack_status) {
            let name = action.name.map_or("an action", ClusterAction::as_str);
            let note = format!("{name} is under way on rack {}", rack.desired.id);
            return Err(Blocker::new(ConditionReason::ActionOngoing, note));
        }
    }
    Ok(())
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
