//! Work on nodes that an action leaves to be done: asked for with autoPilot, else suggested.

use casskop_types::conditions::ConditionReason;
use casskop_types::labels::{OPERATION_ENDED_OPTIONS, OPERATION_NAME, OPERATION_OPTIONS, OPERATION_STATUS};
use casskop_types::operation::{
    OperationName, OperationRecord, OperationRequest, OperationStatus, Parallelism, RecordState,
};
use casskop_types::status::RackStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::blocker::Blocker;
use crate::effect::PodLabels;
use crate::operations::Scene;
use crate::operations::labels::ask;
use crate::rack::{PodView, Rack};
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
    for pod in &free {
        steps.label(request(pod, follow_up, wanted));
    }
    if !free.is_empty() {
        return Queued::NotYet;
    }
    let displaced = busy.into_iter().filter_map(|pod| {
        let other = pending(pod)?;
        let which = match (other == follow_up.name.as_str(), is_narrowed(pod)) {
            (true, false) => return None,
            (true, true) => " of some tables",
            (false, _) => "",
        };
        Some(format!(
            "pod {} should get a {}, and has {other}{which} asked for",
            pod.name, follow_up.name
        ))
    });
    Queued::Yes {
        displaced: displaced.collect(),
    }
}

/// Work that is kept in mind until every pod of a rack has had it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pursuit<'a> {
    /// The work.
    pub(super) follow_up: FollowUp<'a>,
    /// What was done before is other work.
    pub(super) since: Option<&'a Time>,
}

impl Pursuit<'_> {
    /// Whether every pod has had it.
    pub(super) fn is_over(&self, rack: &Rack<'_>, rack_status: &RackStatus) -> bool {
        rack.pods.iter().all(|pod| self.was_had(pod, rack_status))
    }

    /// Gives the request to pods that lack it, also to those that were made anew since; what stands in its way is waited for.
    pub(super) fn queue(
        &self,
        scene: Scene<'_>,
        rack: &Rack<'_>,
        rack_status: &RackStatus,
        steps: &mut Steps,
    ) -> Queued {
        let due = |pod: &&PodView<'_>| self.status(pod).is_none() && !self.was_had(pod, rack_status);
        let queued = queue(scene, rack.pods.iter().filter(due), self.follow_up, steps);
        if let Queued::Yes { displaced } = &queued {
            for note in displaced {
                let note = format!("{note}: it follows once that has ended, or was taken back");
                steps.wait_for(Blocker::new(ConditionReason::OperationOngoing, note));
            }
        }
        queued
    }

    /// Whether the node has had it, also if its pod was made anew afterwards.
    fn was_had(&self, pod: &PodView<'_>, rack_status: &RackStatus) -> bool {
        let done = |record: &OperationRecord| {
            record.name == self.follow_up.name
                && record.options.is_none()
                && record.state == RecordState::Done
                && record.pod == pod.name.to_string()
                && self.since.is_none_or(|since| record.start_time >= *since)
        };
        self.status(pod) == Some(OperationStatus::Done.as_str()) || rack_status.operations.iter().any(done)
    }

    /// Where the request stands by the pod's labels; `None` if it has not been made, or not since the pod was made. One for some
    /// tables alone is another.
    fn status<'p>(&self, pod: &PodView<'p>) -> Option<&'p str> {
        if is_narrowed(pod) {
            return None;
        }
        let labels = pod.object.metadata.labels.as_ref()?;
        let is_it = labels.get(OPERATION_NAME)? == self.follow_up.name.as_str();
        is_it.then(|| labels.get(OPERATION_STATUS).map_or("", String::as_str))
    }
}

/// Whether what is asked for on a pod, or has ended there, is for some tables alone, or done in a way of its own.
fn is_narrowed(pod: &PodView<'_>) -> bool {
    let annotations = pod.object.metadata.annotations.as_ref();
    annotations.is_some_and(|annotations| {
        [OPERATION_OPTIONS, OPERATION_ENDED_OPTIONS]
            .iter()
            .any(|key| annotations.contains_key(*key))
    })
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

fn request(pod: &PodView<'_>, follow_up: FollowUp<'_>, status: OperationStatus) -> PodLabels {
    ask(
        pod,
        &OperationRequest {
            name: follow_up.name,
            status,
            argument: follow_up.argument.map(str::to_owned),
            options: None,
            requested_by: None,
            parallelism: Parallelism::ONE,
        },
    )
}
