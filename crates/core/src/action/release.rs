//! The Cassandra release that a rack's nodes run. After a new major one they have data files in the old format, which
//! `upgradesstables` rewrites.

use casskop_types::operation::OperationName;
use casskop_types::status::RackStatus;

use super::follow_up::{self, FollowUp};
use crate::operations::Scene;
use crate::rack::Rack;
use crate::steps::Steps;

/// Whether nothing is left to be done for the release that a rolled rack runs now, which is recorded then.
///
/// While a canary runs another release than the rest, the rack has none.
pub(super) fn is_settled(
    scene: Scene<'_>,
    rack: &Rack<'_>,
    rack_status: &mut RackStatus,
    steps: &mut Steps,
) -> bool {
    if rack.desired.partition > 0 {
        return true;
    }
    let Some(now) = of(scene, rack) else {
        return true;
    };
    let is_newer = rack_status
        .release_version
        .as_deref()
        .and_then(major)
        .zip(major(now))
        .is_some_and(|(before, now)| before < now);
    let upgrade = FollowUp {
        name: OperationName::UpgradeSstables,
        argument: None,
    };
    if is_newer && !follow_up::is_queued(scene, rack.pods.iter(), upgrade, steps) {
        return false;
    }
    rack_status.release_version = Some(now.to_owned());
    true
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
