//! The last request of each operation on each pod, from labels and from records.

use std::collections::BTreeMap;

use casskop_types::operation::{
    OperationCommand, OperationName, OperationProgress, OperationRecord, OperationStatus, RecordState,
};
use casskop_types::status::CassandraClusterStatus;
use casskop_types::time::parse_label_time;
use casskop_types::{CassandraCluster, labels};
use k8s_openapi::api::core::v1::Pod;

use crate::operations::is_running;

use super::{NodeView, OperationView, RequestView, label};

/// Those of pods that are gone follow those of pods that are there.
pub(super) fn operations(cluster: &CassandraCluster, nodes: &[(NodeView, &Pod)]) -> Vec<OperationView> {
    let mut records = last_records(cluster);
    let mut views = Vec::new();
    for (node, pod) in nodes {
        for name in OperationName::ALL {
            let record = records.remove(&(node.uid.clone(), *name));
            match node.request.as_ref().filter(|request| request.name == *name) {
                Some(request) => views.push(from_labels(node, pod, request, record)),
                None => views.extend(record.map(from_record)),
            }
        }
    }
    views.extend(records.into_values().map(from_record));
    views
}

/// The last record of each operation on each pod.
fn last_records(cluster: &CassandraCluster) -> BTreeMap<(String, OperationName), &OperationRecord> {
    let records = cluster.status.iter().flat_map(CassandraClusterStatus::operations);
    let mut last: BTreeMap<(String, OperationName), &OperationRecord> = BTreeMap::new();
    for record in records {
        let key = (record.pod_uid.clone(), record.name);
        let newer = last
            .get(&key)
            .is_none_or(|known| known.start_time.0 <= record.start_time.0);
        if newer {
            last.insert(key, record);
        }
    }
    last
}

/// The labels say which request is the last one: a `ToDo` is newer than any record that has ended. A record is written
/// before its labels; where it seems to be behind them, it was only read earlier, and its end is still to come.
fn from_labels(
    node: &NodeView,
    pod: &Pod,
    request: &RequestView,
    record: Option<&OperationRecord>,
) -> OperationView {
    let says_ended = matches!(request.status, OperationStatus::Done | OperationStatus::Error);
    if let Some(record) = record.filter(|record| says_ended && record.end_time.is_none()) {
        return from_record(record);
    }
    let record = record.filter(|record| status_of(record.state) == request.status);
    let time = |key: &str| label(pod, key).and_then(|text| parse_label_time(text).ok());
    OperationView {
        pod: node.pod.clone(),
        pod_uid: node.uid.clone(),
        name: request.name,
        argument: request.argument.clone(),
        options: request
            .options
            .clone()
            .or_else(|| record.and_then(|record| record.options.clone()))
            .or_else(|| ended_options(pod).filter(|_| says_ended)),
        status: request.status,
        started: record
            .map(|record| record.start_time.0)
            .or_else(|| time(labels::OPERATION_START)),
        ended: record
            .and_then(|record| record.end_time.as_ref().map(|time| time.0))
            .or_else(|| time(labels::OPERATION_END)),
        message: record.and_then(|record| record.message.clone()),
        progress: record.and_then(progress_of),
    }
}

fn ended_options(pod: &Pod) -> Option<String> {
    let annotations = pod.metadata.annotations.as_ref()?;
    annotations.get(labels::OPERATION_ENDED_OPTIONS).cloned()
}

impl OperationView {
    /// What it is about, on one line: which tables, and how, or its argument.
    pub fn about(&self) -> Option<String> {
        match OperationCommand::parse(self.name, self.argument.as_deref(), self.options.as_deref()) {
            Ok(OperationCommand::OnTables(_, options)) => {
                Some(options.to_string()).filter(|text| !text.is_empty())
            }
            Ok(_) | Err(_) => self.argument.clone(),
        }
    }
}

fn from_record(record: &OperationRecord) -> OperationView {
    OperationView {
        pod: record.pod.clone(),
        pod_uid: record.pod_uid.clone(),
        name: record.name,
        argument: record.argument.clone(),
        options: record.options.clone(),
        status: status_of(record.state),
        started: Some(record.start_time.0),
        ended: record.end_time.as_ref().map(|time| time.0),
        message: record.message.clone(),
        progress: progress_of(record),
    }
}

/// Of an operation that ended, the end is what counts.
fn progress_of(record: &OperationRecord) -> Option<OperationProgress> {
    let progress = record.progress.clone()?;
    is_running(record).then_some(progress)
}

fn status_of(state: RecordState) -> OperationStatus {
    match state {
        RecordState::ToDo => OperationStatus::ToDo,
        RecordState::Ongoing | RecordState::Finalizing => OperationStatus::Ongoing,
        RecordState::Done => OperationStatus::Done,
        RecordState::Error => OperationStatus::Error,
    }
}
