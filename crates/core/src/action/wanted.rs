//! What the spec asks of a rack that it does not have yet.

use std::iter::once_with;

use casskop_types::status::{
    ActionStatus, CassandraClusterStatus, ClusterAction, LastAction, Phase, RackStatus,
};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{is_initializing, new_datacenter, rolling, scale_down, seed_list, storage, unfinished};
use crate::desired::{self, TemplateInputs};
use crate::effect::Effect;
use crate::observed::KubeState;
use crate::operations::Scene;
use crate::rack::{PodView, Rack};
use crate::steps::Steps;
use crate::validate::ValidatedCluster;

/// Queues what is newly wanted of a rack, and resets the flag of a restart that is queued.
pub(super) fn accept(scene: Scene<'_>, rack: &Rack<'_>, rack_status: &mut RackStatus, steps: &mut Steps) {
    if scale_down::supersedes(rack, rack_status) {
        rack_status.phase = Some(Phase::Pending);
        rack_status.initializing_sub_phase = None;
        return queue(scene, rack_status, ClusterAction::ScaleDown);
    }
    withdraw(scene, rack, rack_status);
    let (Some(stored), false) = (rack.statefulset, is_initializing(rack_status)) else {
        return;
    };
    if unfinished(rack_status).is_none() {
        for name in newly_wanted(scene.cluster, rack, stored) {
            // What may not begin is not queued: it would hold back all that could.
            let may_begin = match name {
                ClusterAction::ScaleDown => scale_down::may_begin(scene, rack, steps),
                ClusterAction::StorageUpsize => storage::may_begin(scene, rack),
                _ => Ok(()),
            };
            match may_begin {
                Ok(()) => {
                    take_up(scene, rack, rack_status, name);
                    break;
                }
                Err(blocker) => steps.wait_for(blocker),
            }
        }
    }
    reset_flag(rack, rack_status, steps);
}

fn take_up(scene: Scene<'_>, rack: &Rack<'_>, rack_status: &mut RackStatus, name: ClusterAction) {
    if name == ClusterAction::UpdateSeedList {
        return hold_back(rack_status);
    }
    if name == ClusterAction::ScaleUp && new_datacenter::is_new(scene, rack) {
        rack_status.awaits_rebuild = Some(true);
    }
    queue(scene, rack_status, name);
}

/// A change that was queued and that somebody thought better of.
fn withdraw(scene: Scene<'_>, rack: &Rack<'_>, rack_status: &mut RackStatus) {
    let queued = rack_status.cassandra_last_action.as_mut();
    let waits = [Some(ActionStatus::ToDo), Some(ActionStatus::Configuring)];
    let Some(action) = queued.filter(|action| waits.contains(&action.status)) else {
        return;
    };
    let change = || {
        let stored = rack.statefulset?;
        rolling::template_change(scene.cluster, rack, stored)
    };
    let still_wanted = match action.name {
        Some(ClusterAction::ScaleUp) => rack.replicas() < rack.desired.nodes,
        Some(ClusterAction::ScaleDown) => scale_down::is_wanted(rack),
        Some(ClusterAction::UpdateSeedList) => seed_list::is_wanted(scene.cluster, rack),
        Some(ClusterAction::StorageUpsize) => storage::is_wanted(rack),
        None => true,
        Some(ClusterAction::RollingRestart) if rack.desired.rolling_restart => true,
        Some(ClusterAction::RollingRestart) => {
            // A new template restarts the pods as well.
            action.name = change().or(action.name);
            true
        }
        Some(_) => {
            let change = change();
            action.name = change.or(action.name);
            change.is_some()
        }
    };
    if !still_wanted {
        action.status = Some(ActionStatus::Done);
        action.end_time = Some(Time(scene.now));
    }
}

fn queue(scene: Scene<'_>, rack_status: &mut RackStatus, name: ClusterAction) {
    rack_status.cassandra_last_action = Some(LastAction {
        name: Some(name),
        status: Some(ActionStatus::ToDo),
        start_time: Some(Time(scene.now)),
        ..LastAction::default()
    });
}

/// A new seed list waits until every rack is ready for it.
fn hold_back(rack_status: &mut RackStatus) {
    rack_status.cassandra_last_action = Some(LastAction {
        name: Some(ClusterAction::UpdateSeedList),
        status: Some(ActionStatus::Configuring),
        ..LastAction::default()
    });
}

/// The actions that bring a settled rack closer to its spec, in the order in which `CassKop` detects them.
fn newly_wanted(
    cluster: &ValidatedCluster,
    rack: &Rack<'_>,
    stored: &StatefulSet,
) -> impl Iterator<Item = ClusterAction> {
    let change = || rolling::template_change(cluster, rack, stored);
    // A rack that cannot start is repaired before its size changes.
    let cannot_start = rack.pods.iter().any(PodView::cannot_start);
    once_with(move || cannot_start.then(change).flatten())
        .chain(once_with(|| {
            storage::is_wanted(rack).then_some(ClusterAction::StorageUpsize)
        }))
        .chain(once_with(|| {
            (rack.replicas() < rack.desired.nodes).then_some(ClusterAction::ScaleUp)
        }))
        .chain(once_with(|| {
            scale_down::is_wanted(rack).then_some(ClusterAction::ScaleDown)
        }))
        .chain(once_with(change))
        .chain(once_with(|| {
            seed_list::is_wanted(cluster, rack).then_some(ClusterAction::UpdateSeedList)
        }))
        .chain(once_with(|| {
            rack.desired
                .rolling_restart
                .then_some(ClusterAction::RollingRestart)
        }))
        .flatten()
}

/// Everything that a rack's spec asks for and its StatefulSet does not have, in the order in which it would be done.
pub(crate) fn wanted_of(
    cluster: &ValidatedCluster,
    rack: &Rack<'_>,
    stored: &StatefulSet,
) -> Vec<ClusterAction> {
    let mut actions = Vec::new();
    for action in newly_wanted(cluster, rack, stored) {
        // A new template restarts the pods as well.
        let rolled =
            action == ClusterAction::RollingRestart && actions.iter().copied().any(rolling::restarts_pods);
        if !rolled && !actions.contains(&action) {
            actions.push(action);
        }
    }
    actions
}

/// The queued record stands for the flag from now on. The status is written before this effect.
fn reset_flag(rack: &Rack<'_>, rack_status: &RackStatus, steps: &mut Steps) {
    let queued = rack_status.cassandra_last_action.as_ref().is_some_and(|action| {
        action.name == Some(ClusterAction::RollingRestart) && action.status == Some(ActionStatus::ToDo)
    });
    if queued && rack.desired.rolling_restart {
        steps.effects.push(Effect::ResetRollingRestart {
            dc: rack.desired.dc_index,
            dc_name: rack.desired.id.dc.to_string(),
            rack: rack.desired.rack_index,
            rack_name: rack.desired.id.rack.to_string(),
        });
    }
}

/// The StatefulSet of a rack that has none: one pod, or as many as pods of its name still run.
pub(super) fn first_statefulset(scene: Scene<'_>, rack: &Rack<'_>, seeds: &[String]) -> StatefulSet {
    let running = rack.pods.last().map_or(0, |pod| pod.ordinal + 1);
    let inputs = TemplateInputs {
        seeds,
        restart: None,
        replicas: running.max(1),
        stored: None,
    };
    desired::statefulset(scene.cluster, rack.desired, &inputs)
}

/// Whether anything is asked for or under way, so that the ring has to be asked.
pub(crate) fn anything_wanted(cluster: &ValidatedCluster, kube: &KubeState, racks: &[Rack<'_>]) -> bool {
    let empty = CassandraClusterStatus::default();
    let status = kube.cluster.status.as_ref().unwrap_or(&empty);
    racks.iter().any(|rack| {
        let Some(rack_status) = status.rack(&rack.desired.id) else {
            return true;
        };
        let settled = !is_initializing(rack_status) && unfinished(rack_status).is_none();
        !settled
            || rack
                .statefulset
                .is_none_or(|stored| newly_wanted(cluster, rack, stored).next().is_some())
    })
}
