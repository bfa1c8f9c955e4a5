//! A new seed list (`UpdateSeedList`). It is held back until every rack is ready to take it, and then rolled out rack after
//! rack: a list in the middle of its way would start some nodes with seeds that others do not know.

use casskop_types::status::{ActionStatus, CassandraClusterStatus, ClusterAction, RackStatus};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{is_initializing, unfinished};
use crate::desired;
use crate::operations::Scene;
use crate::rack::Rack;
use crate::steps::Steps;
use crate::validate::ValidatedCluster;

/// Keeps the list of the status in line with the topology, if that is asked for. Otherwise it stays, or is what a user makes it.
pub(super) fn follow_topology(scene: Scene<'_>, status: &mut CassandraClusterStatus, steps: &mut Steps) {
    if !scene.cluster.seeds.follows_topology {
        return;
    }
    let wanted = desired::seeds::initial(scene.cluster);
    let merged = desired::seeds::merge(&status.seed_list, &wanted);
    if merged != status.seed_list {
        status.seed_list = merged;
        // It is written first, and rolled out from then on.
        steps.look_again_after(SignedDuration::ZERO);
    }
}

/// Whether a rack's nodes start with another list than the status has.
pub(super) fn is_wanted(cluster: &ValidatedCluster, rack: &Rack<'_>) -> bool {
    let Some(stored) = rack.statefulset else {
        return false;
    };
    let (has, wanted) = (desired::stored_seeds(cluster, stored), &cluster.seeds.stored);
    !has.is_empty() && !wanted.is_empty() && has != *wanted
}

/// Lets the racks start once all that need the list are ready for it and nothing else is under way.
pub(super) fn release(scene: Scene<'_>, status: &mut CassandraClusterStatus) {
    let racks = || {
        scene
            .racks
            .iter()
            .filter_map(|rack| status.rack(&rack.desired.id))
    };
    if !racks().any(is_held_back) || racks().any(|rack| is_initializing(rack) || is_busy(rack)) {
        return;
    }
    if status.seed_list != scene.cluster.seeds.stored {
        return;
    }
    for rack in scene.racks {
        let rack_status = status.cassandra_rack_status.get_mut(&rack.desired.id.to_string());
        let held_back = rack_status.filter(|rack_status| is_held_back(rack_status));
        if let Some(action) = held_back.and_then(|rack_status| rack_status.cassandra_last_action.as_mut()) {
            action.status = Some(ActionStatus::ToDo);
            action.start_time = Some(Time(scene.now));
        }
    }
}

fn is_held_back(rack_status: &RackStatus) -> bool {
    unfinished(rack_status).is_some_and(|action| {
        action.name == Some(ClusterAction::UpdateSeedList) && action.status == Some(ActionStatus::Configuring)
    })
}

fn is_busy(rack_status: &RackStatus) -> bool {
    unfinished(rack_status).is_some() && !is_held_back(rack_status)
}
