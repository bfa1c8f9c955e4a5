//! What is written on pods: a request, or a word about one that is there.

use casskop_types::labels::OPERATION_STATUS;
use casskop_types::operation::{
    MetadataPatch, OperationCommand, OperationName, OperationRequest, OperationStatus, Parallelism,
    abort_patch,
};

use super::held::held;
use super::replacement::{ReplacementRequest, replacement};
use super::{PodPlan, PodScope, PodSelection, Refusal, pod_operation};
use crate::view::ClusterView;

/// What is written on pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodChange {
    /// A request, and how many operations may run at once in the rack when it begins.
    Ask(OperationCommand, Parallelism),
    /// A request that has not begun is held back.
    Pause(OperationName),
    /// A request that is held back may begin.
    Unpause(OperationName),
    /// A request that has not ended is to end.
    Abort(OperationName),
}

impl PodChange {
    /// A request, to be carried out one after the other.
    pub fn ask(command: OperationCommand) -> Self {
        Self::Ask(command, Parallelism::ONE)
    }

    /// The operation it is about.
    pub fn operation(&self) -> OperationName {
        match self {
            Self::Ask(command, _) => command.name(),
            Self::Pause(name) | Self::Unpause(name) | Self::Abort(name) => *name,
        }
    }

    /// The status of the operation that it writes.
    pub fn status(&self) -> Option<OperationStatus> {
        match self {
            Self::Ask(..) | Self::Unpause(_) => Some(OperationStatus::ToDo),
            Self::Pause(_) => Some(OperationStatus::Paused),
            Self::Abort(_) => None,
        }
    }

    /// What of a pod changes.
    pub fn patch(&self, requested_by: Option<String>) -> MetadataPatch {
        match self {
            Self::Ask(command, parallelism) => OperationRequest::to_do(command, requested_by)
                .with_parallelism(*parallelism)
                .to_patch(),
            Self::Pause(_) | Self::Unpause(_) => MetadataPatch {
                labels: [(OPERATION_STATUS, self.status().map(|status| status.to_string()))].into(),
                ..MetadataPatch::default()
            },
            Self::Abort(name) => abort_patch(*name),
        }
    }
}

/// Looks at every pod of the selection before any is written to.
pub fn pod_change(
    clusters: &[ClusterView],
    selection: &PodSelection,
    change: &PodChange,
) -> Result<PodPlan, Refusal> {
    // A lost node's pod need not run.
    if let PodChange::Ask(OperationCommand::Replace { lost }, _) = change
        && let PodScope::Named(pods) = &selection.scope
        && let [pod] = pods.as_slice()
    {
        let request = ReplacementRequest {
            pod: pod.clone(),
            cluster: selection.cluster.clone(),
            lost: lost.clone(),
        };
        return replacement(clusters, &request).map(|plan| plan.pods);
    }
    match change {
        PodChange::Ask(command, _) => pod_operation(clusters, selection, command),
        PodChange::Pause(_) | PodChange::Unpause(_) | PodChange::Abort(_) => {
            held(clusters, selection, change)
        }
    }
}
