//! The pods' operation labels, which mirror the records.

use std::collections::BTreeMap;

use casskop_types::labels::{
    OPERATION_ABORT, OPERATION_END, OPERATION_ENDED_OPTIONS, OPERATION_NAME, OPERATION_OPTIONS,
    OPERATION_PARALLELISM, OPERATION_REQUESTED_BY, OPERATION_START, OPERATION_STATUS,
};
use casskop_types::operation::{
    MetadataPatch, OperationName, OperationRecord, OperationRequest, OperationStatus, RecordState,
    request_metadata,
};
use casskop_types::status::RackStatus;
use casskop_types::time::label_time;

use super::{Scene, abort, is_running, queue};
use crate::effect::PodLabels;
use crate::rack::{PodView, Rack};
use crate::steps::Steps;

/// Brings the labels of every pod of the rack in line with its newest record.
pub(super) fn mirror(scene: Scene<'_>, rack: &Rack<'_>, status: &RackStatus, steps: &mut Steps) {
    for record in status.operations.iter().filter(|record| is_running(record)) {
        if is_unlabelled(rack, record) {
            mark_ongoing(rack, record, steps);
        }
    }
    for pod in &rack.pods {
        let Ok(Some(request)) = queue::request_of(pod) else {
            continue;
        };
        let of_name = status
            .operations
            .iter()
            .filter(|record| record.pod_uid == pod.uid && record.name == request.name);
        // The last of the maxima: of those that the labels are about one that runs, or else the newest.
        let Some(record) = of_name.max_by_key(|record| (!is_another(&request, record), is_running(record)))
        else {
            continue;
        };
        if is_another(&request, record) {
            continue;
        }
        match record.state {
            RecordState::ToDo => {}
            RecordState::Ongoing | RecordState::Finalizing => {
                let starts_now = record.start_time.0 == scene.now;
                if request.status == OperationStatus::Paused {
                    let note = format!(
                        "{} on pod {} is not paused, for it runs: abort it, or let it end",
                        record.name, record.pod
                    );
                    steps.warn("OperationNotPaused", note);
                }
                if request.status != OperationStatus::Ongoing && !starts_now {
                    mark_ongoing(rack, record, steps);
                }
            }
            // A request made after the end is a new one, and none of this record's business.
            RecordState::Done | RecordState::Error => {
                if request.status == OperationStatus::Ongoing || ends_now(scene, pod, record) {
                    steps.label(ended(pod, record));
                }
            }
        }
    }
}

/// Whether a record ends in this pass, and its pod's labels are about it.
pub(super) fn ends_now(scene: Scene<'_>, pod: &PodView<'_>, record: &OperationRecord) -> bool {
    let request = queue::request_of(pod).ok().flatten();
    request.is_some_and(|request| request.name == record.name && !is_another(&request, record))
        && record.end_time.as_ref().is_some_and(|end| end.0 == scene.now)
}

/// Whether the pod of a running record is labelled as if nobody had taken its request up yet: the operator died, or was
/// refused, before it could write the label.
pub(super) fn asks_still(rack: &Rack<'_>, record: &OperationRecord) -> bool {
    request_on(rack, record).is_some_and(|request| {
        request.name == record.name
            && request.status == OperationStatus::ToDo
            && !is_another(&request, record)
    })
}

/// What else the pod of a record is asked for by now.
pub(super) fn another(rack: &Rack<'_>, record: &OperationRecord) -> Option<OperationName> {
    let request = request_on(rack, record)?;
    let is_other = request.name != record.name || is_another(&request, record);
    (request.status == OperationStatus::ToDo && is_other).then_some(request.name)
}

/// Whether the labels of a record's pod say that its operation runs.
pub(super) fn say_ongoing(rack: &Rack<'_>, record: &OperationRecord) -> bool {
    request_on(rack, record)
        .is_some_and(|request| request.name == record.name && request.status == OperationStatus::Ongoing)
}

fn request_on(rack: &Rack<'_>, record: &OperationRecord) -> Option<OperationRequest> {
    let pod = rack.pod(&record.pod_uid)?;
    queue::request_of(pod).ok().flatten()
}

/// Whether a request of the record's name was made while that ran, for another keyspace for example. What an argument of a node that
/// leaves says is no request's.
pub(super) fn is_another(request: &OperationRequest, record: &OperationRecord) -> bool {
    request.status == OperationStatus::ToDo
        && record.name != OperationName::Decommission
        && !asks_the_same(request, record)
}

/// Whether a request of the record's name is for the same.
pub(super) fn asks_the_same(request: &OperationRequest, record: &OperationRecord) -> bool {
    request.argument == record.argument && request.options == record.options
}

/// Whether a record has outlived the pod that asked for it, and its present pod shows nothing of it.
pub(super) fn is_unlabelled(rack: &Rack<'_>, record: &OperationRecord) -> bool {
    let pod = rack.pod(&record.pod_uid);
    let labels = pod.and_then(|pod| pod.object.metadata.labels.as_ref());
    record.name.makes_its_pod_anew() && labels.is_some_and(|labels| !labels.contains_key(OPERATION_NAME))
}

/// Labels the pod of a record that starts. CassKop empties the end as it writes the start.
pub(super) fn mark_ongoing(rack: &Rack<'_>, record: &OperationRecord, steps: &mut Steps) {
    debug_assert!(is_running(record));
    let Some(pod) = rack.pod(&record.pod_uid) else {
        return;
    };
    steps.label(label(
        pod,
        [
            (OPERATION_NAME, Some(record.name.to_string())),
            (OPERATION_STATUS, Some(OperationStatus::Ongoing.to_string())),
            (OPERATION_START, Some(label_time(record.start_time.0))),
            (OPERATION_END, Some(String::new())),
        ],
    ));
}

fn ended(pod: &PodView<'_>, record: &OperationRecord) -> PodLabels {
    let outcome = if record.state == RecordState::Done {
        OperationStatus::Done
    } else {
        OperationStatus::Error
    };
    let end = record
        .end_time
        .as_ref()
        .map(|end| label_time(end.0))
        .unwrap_or_default();
    let mut annotations = BTreeMap::new();
    if abort::is_asked(pod, record.name) {
        // In one write: a request that is told to end and lost that word would begin again.
        annotations.insert(OPERATION_ABORT.to_owned(), None);
    }
    // These were said of this request, and a later one by label may be somebody else's, mean all tables, or move data.
    let held = |key| pod.object.metadata.annotations.as_ref()?.get(key);
    for key in [OPERATION_PARALLELISM, OPERATION_REQUESTED_BY] {
        if held(key).is_some() {
            annotations.insert(key.to_owned(), None);
        }
    }
    // Others are of a request to come.
    if held(OPERATION_OPTIONS).is_some_and(|options| record.options.as_ref() == Some(options)) {
        annotations.insert(OPERATION_OPTIONS.to_owned(), None);
    }
    if held(OPERATION_ENDED_OPTIONS) != record.options.as_ref() {
        annotations.insert(OPERATION_ENDED_OPTIONS.to_owned(), record.options.clone());
    }
    let labels = [(OPERATION_STATUS, outcome.to_string()), (OPERATION_END, end)];
    let labels = labels.map(|(key, value)| (key.to_owned(), Some(value)));
    change(pod, labels.into(), annotations)
}

/// Asks a pod for an operation. Whatever an earlier request left is taken away.
pub(crate) fn ask(pod: &PodView<'_>, request: &OperationRequest) -> PodLabels {
    let MetadataPatch { labels, annotations } = request.to_patch();
    let owned = |changes: BTreeMap<&'static str, Option<String>>| {
        let changes = changes.into_iter();
        changes.map(|(key, value)| (key.to_owned(), value)).collect()
    };
    change(pod, owned(labels), owned(annotations))
}

/// Sets labels of a pod, or takes them away.
pub(crate) fn label<const N: usize>(pod: &PodView<'_>, labels: [(&str, Option<String>); N]) -> PodLabels {
    let labels = labels.map(|(key, value)| (key.to_owned(), value));
    change(pod, labels.into(), [].into())
}

/// A change to a pod as it was read.
pub(super) fn change(
    pod: &PodView<'_>,
    labels: BTreeMap<String, Option<String>>,
    annotations: BTreeMap<String, Option<String>>,
) -> PodLabels {
    let metadata = &pod.object.metadata;
    PodLabels {
        pod: pod.name.clone(),
        uid: pod.uid.to_owned(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
        asked: request_metadata(metadata),
        labels,
        annotations,
    }
}
