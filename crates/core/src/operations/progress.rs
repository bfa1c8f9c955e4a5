//! How far a running operation is, as its node counts it.

use casskop_types::operation::{OperationProgress, OperationRecord};

use super::{Scene, call_key, is_running};
use crate::call::CallState;
use crate::rack::Rack;
use crate::work::Work;

/// Writes how far the node is into the record, if that is news.
pub(super) fn note(scene: Scene<'_>, rack: &Rack<'_>, record: &mut OperationRecord) {
    if !is_running(record) {
        return;
    }
    let work = match scene.observed.calls.get(&call_key(record)) {
        Some(CallState::Running { work, .. }) => work.as_ref(),
        Some(CallState::Succeeded { .. } | CallState::Failed { .. }) => None,
        // The node goes on with what an earlier operator asked of it.
        Some(CallState::Lost { .. }) | None => told_by_the_node(scene, rack, record),
    };
    let Some(work) = work else { return };
    let known = record.progress.as_ref().and_then(Work::recorded);
    if work.is_news(known.as_ref()) {
        work.record(record.progress.get_or_insert_default());
    }
}

fn told_by_the_node<'a>(scene: Scene<'a>, rack: &Rack<'_>, record: &OperationRecord) -> Option<&'a Work> {
    let pod = rack.pod(&record.pod_uid)?;
    scene.observed.nodes.get(&pod.name)?.work.known()?.as_ref()
}

/// Takes away what the node counted: it is at something else now, or has ended.
pub(super) fn forget(progress: &mut Option<OperationProgress>) {
    let done = progress.take().unwrap_or_default().keyspaces_done;
    if !done.is_empty() {
        *progress = Some(OperationProgress {
            keyspaces_done: done,
            ..OperationProgress::default()
        });
    }
}
