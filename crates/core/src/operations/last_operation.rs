//! `podLastOperation`: the rack's last operation in CassKop's words, with exact lists.

use casskop_types::operation::{OperationName, OperationRecord, OperationStatus, RecordState};
use casskop_types::status::{PodLastOperation, RackStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Scene, is_queued, is_running};

/// An operation started: it joins the batch of its name that is under way, or opens a new one.
pub(super) fn started(status: &mut RackStatus, record: &OperationRecord, scene: Scene<'_>) {
    let under_way = status
        .pod_last_operation
        .as_ref()
        .is_some_and(|last| last.name == Some(record.name) && last.status == Some(OperationStatus::Ongoing));
    if !under_way {
        // Of the same name, and left from before an operation of another name opened its batch.
        let others = status
            .operations
            .iter()
            .filter(|other| is_running(other) && other.name == record.name && other.pod != record.pod);
        let pods = others.map(|other| other.pod.clone()).collect();
        status.pod_last_operation = Some(PodLastOperation {
            name: Some(record.name),
            status: Some(OperationStatus::Ongoing),
            start_time: Some(Time(scene.now)),
            pods,
            ..PodLastOperation::default()
        });
    }
    let Some(last) = &mut status.pod_last_operation else {
        return;
    };
    last.operator_name = Some(scene.observed.operator.clone());
    last.end_time = None;
    for list in [&mut last.pods_ok, &mut last.pods_ko] {
        list.retain(|pod| *pod != record.pod);
    }
    if !last.pods.contains(&record.pod) {
        last.pods.push(record.pod.clone());
    }
}

/// The node left the ring. `CassKop` knows this state of decommissions only.
pub(super) fn finalizing(status: &mut RackStatus, record: &OperationRecord) {
    let last = status.pod_last_operation.as_mut();
    if let Some(last) = last.filter(|last| last.name == Some(record.name))
        && record.name == OperationName::Decommission
    {
        last.status = Some(OperationStatus::Finalizing);
    }
}

/// An operation ended: its pod moves to the list of its outcome, once. A batch that is closed keeps its lists when a request of its
/// name ends that was never begun.
pub(super) fn ended(status: &mut RackStatus, record: &OperationRecord) {
    let Some(last) = status
        .pod_last_operation
        .as_mut()
        .filter(|last| last.name == Some(record.name))
    else {
        return;
    };
    if !is_under_way(last) && !last.pods.contains(&record.pod) {
        return;
    }
    for list in [&mut last.pods, &mut last.pods_ok, &mut last.pods_ko] {
        list.retain(|pod| *pod != record.pod);
    }
    let outcome = if record.state == RecordState::Done {
        &mut last.pods_ok
    } else {
        &mut last.pods_ko
    };
    outcome.push(record.pod.clone());
    outcome.sort();
}

/// Closes the batch once nothing of it runs or waits.
pub(super) fn close(scene: Scene<'_>, status: &mut RackStatus) {
    let open = |name| {
        status
            .operations
            .iter()
            .any(|record| Some(record.name) == name && (is_running(record) || is_queued(record)))
    };
    let Some(last) = &status.pod_last_operation else {
        return;
    };
    if !is_under_way(last) || open(last.name) {
        return;
    }
    let now = Time(scene.now);
    if let Some(last) = &mut status.pod_last_operation {
        // Pods that a former operator left behind and nobody works on.
        let left: Vec<_> = last.pods.drain(..).collect();
        last.pods_ko.extend(left);
        last.status = Some(OperationStatus::Done);
        last.end_time = Some(now);
    }
}

fn is_under_way(last: &PodLastOperation) -> bool {
    // The first and the last are CassKop's, of decommissions: no record, no decommission.
    let under_way = [
        OperationStatus::ToDo,
        OperationStatus::Ongoing,
        OperationStatus::Finalizing,
        OperationStatus::Continue,
    ];
    last.status.is_some_and(|status| under_way.contains(&status))
}
