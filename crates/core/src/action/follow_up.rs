//! Work on nodes that an action leaves to be done: asked for with autoPilot, else suggested.

use casskop_types::conditions::ConditionReason;
use casskop_types::labels::{
    OPERATION_ARGUMENT, OPERATION_END, OPERATION_NAME, OPERATION_START, OPERATION_STATUS,
};
use casskop_types::operation::{OperationName, OperationStatus};

use crate::blocker::Blocker;
use crate::effect::Effect;
use crate::operations::Scene;
use crate::operations::labels::label;
use crate::rack::PodView;
use crate::steps::Steps;

/// An operation that pods are to get.
#[derive(Debug, Clone, Copy)]
pub(super) struct FollowUp<'a> {
    /// The operation.
    pub(super) name: OperationName,
    /// Its argument.
    pub(super) argument: Option<&'a str>,
}

/// What came of queueing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Queued {
    /// Some pods get the request only now.
    NotYet,
    /// Every pod has it, but for these, of which something else is asked: a line for each.
    Yes { displaced: Vec<String> },
}

/// Gives every pod the request. What a user has asked of a pod is not overwritten.
pub(super) fn queue<'a>(
    scene: Scene<'_>,
    pods: impl Iterator<Item = &'a PodView<'a>>,
    follow_up: FollowUp<'_>,
    steps: &mut Steps,
) -> Queued {
    let (busy, free): (Vec<_>, Vec<_>) = pods.partition(|pod| pending(pod).is_some());
    let wanted = if scene.cluster.auto_pilot {
        OperationStatus::ToDo
    } else {
        OperationStatus::Manual
    };
    steps
        .effects
        .extend(free.iter().map(|pod| request(pod, follow_up, wanted)));
    if !free.is_empty() {
        return Queued::NotYet;
    }
    let displaced = busy.into_iter().filter_map(|pod| {
        let other = pending(pod).filter(|name| *name != follow_up.name.as_str())?;
        Some(format!(
            "pod {} should get a {}, and has {other} asked for",
            pod.name, follow_up.name
        ))
    });
    Queued::Yes {
        displaced: displaced.collect(),
    }
}

/// The same for work that is kept in mind until every pod has had it: what stands in its way is waited for.
pub(super) fn queue_for_good<'a>(
    scene: Scene<'_>,
    pods: impl Iterator<Item = &'a PodView<'a>>,
    follow_up: FollowUp<'_>,
    steps: &mut Steps,
) -> Queued {
    let queued = queue(scene, pods, follow_up, steps);
    if let Queued::Yes { displaced } = &queued {
        for note in displaced {
            let note = format!("{note}: it follows once that has ended, or was taken back");
            steps.wait_for(Blocker::new(ConditionReason::OperationOngoing, note));
        }
    }
    queued
}

/// The operation that is asked for on a pod and has not ended.
fn pending<'a>(pod: &'a PodView<'_>) -> Option<&'a str> {
    let labels = pod.object.metadata.labels.as_ref()?;
    let status = labels.get(OPERATION_STATUS)?;
    let pending = [
        OperationStatus::ToDo,
        OperationStatus::Manual,
        OperationStatus::Paused,
        OperationStatus::Ongoing,
    ];
    let is_pending = pending.iter().any(|known| known.as_str() == status);
    is_pending.then(|| labels.get(OPERATION_NAME).map_or("an operation", String::as_str))
}

fn request(pod: &PodView<'_>, follow_up: FollowUp<'_>, status: OperationStatus) -> Effect {
    label(
        pod,
        [
            (OPERATION_NAME, Some(follow_up.name.to_string())),
            (OPERATION_STATUS, Some(status.to_string())),
            (OPERATION_ARGUMENT, follow_up.argument.map(str::to_owned)),
            (OPERATION_START, None),
            (OPERATION_END, None),
        ],
    )
}
