//! Whose turn it is in a rack, and whether it has a place for it.

use casskop_types::operation::{OperationName, OperationRecord, Parallelism, RecordState};
use casskop_types::status::RackStatus;

use super::{is_queued, is_running};
use crate::blocker::Blocker;
use crate::rack::Rack;

/// The queued record that may start next; why not, if nothing may.
///
/// First come, first served, but for what others may be waiting for: a replacement, where an action, a restart or a move is in the way a
/// removal, and where a move is, here or in another rack, a restart.
pub(super) fn next_in_line<'a>(
    rack: &Rack<'_>,
    status: &RackStatus,
    quiet: Result<(), &'a Blocker>,
    later: Result<(), &'a Blocker>,
) -> Result<Option<usize>, &'a Blocker> {
    let Some(index) = oldest(rack, status) else {
        return Ok(None);
    };
    if let Some(replacement) = replacement(rack, status) {
        return Ok(Some(replacement));
    }
    let oldest = status.operations[index].name;
    let queued = |name| {
        let is_it = |record: &OperationRecord| is_queued(record) && record.name == name;
        status.operations.iter().position(is_it)
    };
    if let Some(removal) = queued(OperationName::Remove)
        && (quiet.is_err()
            || later.is_err()
            || matches!(oldest, OperationName::Restart | OperationName::Move))
    {
        return Ok(Some(removal));
    }
    let restart = queued(OperationName::Restart).filter(|_| later.is_err() || oldest == OperationName::Move);
    quiet.map(|()| restart.or(Some(index)))
}

/// The record of a rack that waits longest.
pub(super) fn oldest_queued(status: &RackStatus) -> Option<&OperationRecord> {
    let queued = status.operations.iter().filter(|record| is_queued(record));
    queued.min_by_key(|record| record.start_time.0)
}

/// First come, first served; requests seen in the same pass go by ordinal.
fn oldest(rack: &Rack<'_>, status: &RackStatus) -> Option<usize> {
    let queued = status
        .operations
        .iter()
        .enumerate()
        .filter(|(_, record)| is_queued(record));
    queued
        .min_by_key(|(_, record)| (record.start_time.0, ordinal(rack, record)))
        .map(|(index, _)| index)
}

/// A queued replacement, which the rack and what else waits may be waiting for. Pods are made in their order.
fn replacement(rack: &Rack<'_>, status: &RackStatus) -> Option<usize> {
    let is_it = |record: &OperationRecord| is_queued(record) && record.name == OperationName::Replace;
    let queued = status.operations.iter().enumerate();
    queued
        .filter(|(_, record)| is_it(record))
        .min_by_key(|(_, record)| ordinal(rack, record))
        .map(|(index, _)| index)
}

fn ordinal(rack: &Rack<'_>, record: &OperationRecord) -> i32 {
    let pod = rack.pod(&record.pod_uid);
    pod.map_or(i32::MAX, |pod| pod.ordinal)
}

/// Whether fewer operations run in the rack than may when this one starts, but for what runs on the pod whose lost node is to be
/// replaced.
pub(super) fn has_place(status: &RackStatus, index: usize) -> bool {
    let next = &status.operations[index];
    let running = status
        .operations
        .iter()
        .filter(|record| is_running(record) && !is_lost_with(next, record) && !is_passed_by(next, record));
    let (mut count, mut alone) = (0, wants_the_rack(next.name));
    for record in running {
        count += 1;
        alone |= wants_the_rack(record.name);
    }
    let places = if alone {
        Parallelism::ONE
    } else {
        Parallelism::from_record(next.parallelism)
    };
    count < places.get()
}

/// Whether nothing else runs in the rack meanwhile, however many operations may: a node is down, or the ring changes.
fn wants_the_rack(operation: OperationName) -> bool {
    match operation {
        OperationName::Move
        | OperationName::Remove
        | OperationName::Decommission
        | OperationName::Replace
        | OperationName::Restart => true,
        OperationName::Cleanup
        | OperationName::UpgradeSstables
        | OperationName::Scrub
        | OperationName::Compact
        | OperationName::Flush
        | OperationName::GarbageCollect
        | OperationName::Rebuild
        | OperationName::ReloadSsl => false,
    }
}

/// A node whose pod does not come back may be lost, so that it is removed although its restart has not ended. Whether one that was moving
/// is down is for the ring to say.
fn is_passed_by(removal: &OperationRecord, record: &OperationRecord) -> bool {
    removal.name == OperationName::Remove
        && (record.name == OperationName::Move
            || record.name == OperationName::Restart && record.state == RecordState::Finalizing)
}

pub(super) fn is_lost_with(replacement: &OperationRecord, record: &OperationRecord) -> bool {
    replacement.name == OperationName::Replace
        && record.name != OperationName::Replace
        && record.pod == replacement.pod
}
