//! The Cassandra release that a rack's nodes run. After a new major one they have data files in the old format, which
//! `upgradesstables` rewrites.

use casskop_types::conditions::ConditionReason;
use casskop_types::operation::OperationName;
use casskop_types::status::{CassandraClusterStatus, RackStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::follow_up::{FollowUp, Pursuit};
use super::{ASK_AGAIN, all_settled};
use crate::blocker::Blocker;
use crate::operations::Scene;
use crate::rack::Rack;
use crate::steps::Steps;

/// Whether the release that a rolled rack runs now is known; it is recorded then, and that sstables are to be upgraded.
///
/// While a canary runs another release than the rest, the rack has none.
pub(super) fn is_settled(
    scene: Scene<'_>,
    rack: &Rack<'_>,
    rack_status: &mut RackStatus,
    steps: &mut Steps,
) -> bool {
    if rack.desired.partition > 0 || rack.pods.is_empty() {
        return true;
    }
    let Some(now) = of(scene, rack) else {
        let note = format!("no node of rack {} tells its release yet", rack.desired.id);
        steps.wait_for(Blocker::new(ConditionReason::NodesUnreachable, note));
        steps.look_again_after(ASK_AGAIN);
        return false;
    };
    let before = rack_status.release_version.as_deref().and_then(major);
    if before.zip(major(now)).is_some_and(|(before, now)| before < now) {
        rack_status.awaits_upgradesstables = Some(Time(scene.now));
    }
    rack_status.release_version = Some(now.to_owned());
    true
}

/// Queues the upgrade of sstables once every rack runs its release, again for pods that were made anew since, until all have had it.
pub(super) fn follow_up(scene: Scene<'_>, status: &mut CassandraClusterStatus, steps: &mut Steps) {
    if !all_settled(scene.racks, status) {
        return;
    }
    for rack in scene.racks {
        let Some(rack_status) = status.cassandra_rack_status.get_mut(&rack.desired.id.to_string()) else {
            continue;
        };
        let Some(since) = rack_status.awaits_upgradesstables.clone() else {
            continue;
        };
        let upgrade = Pursuit {
            follow_up: FollowUp {
                name: OperationName::UpgradeSstables,
                argument: None,
            },
            since: Some(&since),
        };
        upgrade.queue(scene, rack, rack_status, steps);
        if upgrade.is_over(rack, rack_status) {
            rack_status.awaits_upgradesstables = None;
        }
    }
}

/// Records the release of a rack that has none recorded, as its nodes say it.
pub(super) fn note(scene: Scene<'_>, rack: &Rack<'_>, rack_status: &mut RackStatus) {
    if rack_status.release_version.is_none() {
        rack_status.release_version = of(scene, rack).map(str::to_owned);
    }
}

/// The release of all nodes of a rack that were asked; `None` if they differ, or nobody tells.
fn of<'a>(scene: Scene<'a>, rack: &Rack<'_>) -> Option<&'a str> {
    let mut releases = rack
        .pods
        .iter()
        .filter_map(|pod| scene.observed.nodes.get(&pod.name)?.release_version.known());
    let first = releases.next()?;
    releases.all(|other| other == first).then_some(first.as_str())
}

/// `4` of `4.1.10`: sstables of an earlier major release are to be rewritten before the next one comes.
fn major(release: &str) -> Option<u32> {
    release.split('.').next()?.parse().ok()
}
