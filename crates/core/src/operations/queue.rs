//! Requests: taken up from labels in a stable order, started one after the other.

use casskop_types::labels::{Labels, OPERATION_STATUS};
use casskop_types::operation::{
    ArgumentError, OperationCommand, OperationName, OperationRecord, OperationRequest, OperationStatus,
    Parallelism, RecordState,
};
use casskop_types::status::{CassandraClusterStatus, RackStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::labels::{asks_the_same, is_another, label};
use super::line::{has_place, is_lost_with, next_in_line};
use super::{
    ASK_AGAIN, MayStart, Scene, abort, is_queued, is_running, last_operation, moving, remove, replace,
    restart, run,
};
use crate::blocker::Blocker;
use crate::fact::Fact;
use crate::observed::NodeFacts;
use crate::rack::{PodView, Rack};
use crate::replication;
use crate::ring;
use crate::steps::Steps;
use casskop_types::conditions::ConditionReason;

/// Makes a record of every request that has none, and drops queued records whose request was withdrawn.
pub(super) fn take_up(scene: Scene<'_>, rack: &Rack<'_>, status: &mut RackStatus, steps: &mut Steps) {
    status.operations.retain(|record| {
        let stays = !is_queued(record) || still_asked_for(rack, record);
        let has_pod = rack.pod(&record.pod_uid).is_some();
        if !stays && !has_pod {
            // Its labels went with it.
            steps.warn("OperationForgotten", forgotten(record.name, &record.pod));
        }
        stays
    });
    for pod in &rack.pods {
        match request_of(pod) {
            Ok(Some(request)) => {
                adjust(pod, &request, status);
                take_up_request(scene, pod, &request, status, steps);
            }
            Ok(None) => {}
            Err(why) => refuse_label(pod, &why, steps),
        }
    }
}

/// What is said of a request that goes with the pod whose labels it is on.
pub(super) fn forgotten(operation: OperationName, pod: &str) -> String {
    format!(
        "{operation} on pod {pod} was not begun and is forgotten, for the pod went away: ask for it again"
    )
}

/// How many may run at once can be changed while a request waits.
fn adjust(pod: &PodView<'_>, request: &OperationRequest, status: &mut RackStatus) {
    let mut records = status.operations.iter_mut();
    if let Some(record) = records.find(|record| is_queued(record) && record.pod_uid == pod.uid) {
        record.parallelism = recorded(request);
    }
}

fn recorded(request: &OperationRequest) -> Option<i32> {
    (request.parallelism != Parallelism::ONE).then(|| request.parallelism.to_record())
}

fn take_up_request(
    scene: Scene<'_>,
    pod: &PodView<'_>,
    request: &OperationRequest,
    status: &mut RackStatus,
    steps: &mut Steps,
) {
    let of_pod = || {
        status
            .operations
            .iter()
            .filter(|record| record.pod_uid == pod.uid)
    };
    let is_open = |record: &&OperationRecord| is_queued(record) || is_running(record);
    // What waits behind another one, and is to end, does not wait for that: it needs a record to end.
    let ends_early = abort::is_asked(pod, request.name)
        && !of_pod()
            .filter(is_open)
            .any(|record| record.name == request.name && !is_another(request, record));
    let state = match request.status {
        // One request at a time on a pod: the labels hold no more. A record on a lost node does not hold up its replacement.
        OperationStatus::ToDo
            if ends_early
                || !of_pod().any(|record| {
                    is_queued(record)
                        || is_running(record)
                            && (request.name != OperationName::Replace || record.name == request.name)
                }) =>
        {
            RecordState::ToDo
        }
        // A label alone makes no node leave: that its node is leaving is for the ring to say.
        OperationStatus::Ongoing
            if request.name == OperationName::Decommission
                && !ring::is_leaving(pod, &scene.observed.nodes) =>
        {
            return;
        }
        // Nor does it move a node: where it goes, and whether it may, was for a record to say.
        OperationStatus::Ongoing
            if request.name == OperationName::Move && !ring::is_moving(pod, &scene.observed.nodes) =>
        {
            return;
        }
        // Left by another operator, CassKop's for one, which kept no records: the node knows how it stands.
        OperationStatus::Ongoing
            if !request.name.makes_its_pod_anew() && !of_pod().any(|record| record.name == request.name) =>
        {
            RecordState::Ongoing
        }
        // Held back, and to end: it needs a record for that.
        OperationStatus::Paused | OperationStatus::Manual if ends_early => RecordState::ToDo,
        _ => return,
    };
    // `kubectl label` may set the status in one call and the argument in the next.
    if let Err(
        error @ (ArgumentError::NoSourceDatacenter | ArgumentError::NoToken | ArgumentError::NoLostNode),
    ) = request.command()
        && state == RecordState::ToDo
        && !abort::is_asked(pod, request.name)
    {
        let note = format!("{} on pod {} waits: {error}", request.name, pod.name);
        return steps.wait_for(Blocker::new(ConditionReason::RequestIncomplete, note));
    }
    status.operations.push(OperationRecord {
        id: super::new_id(scene, request.name, pod, status),
        name: request.name,
        argument: request.argument.clone(),
        options: request.options.clone(),
        pod: pod.name.to_string(),
        pod_uid: pod.uid.to_owned(),
        host_id: None,
        address: pod.address.map(|address| address.to_string()),
        requested_by: request.requested_by.clone(),
        parallelism: recorded(request),
        abort_time: None,
        attempt: i32::from(state == RecordState::ToDo),
        state,
        start_time: Time(scene.now),
        end_time: None,
        message: None,
        lost_node: None,
        former_pod_uid: None,
        progress: None,
    });
}

fn still_asked_for(rack: &Rack<'_>, record: &OperationRecord) -> bool {
    let pod = rack.pod(&record.pod_uid);
    pod.is_some_and(|pod| {
        matches!(request_of(pod), Ok(Some(request)) if request.name == record.name
            && asks_the_same(&request, record)
            && request.status == OperationStatus::ToDo)
    })
}

/// Whether somebody waits for an operation of this name, so that what it is decided by has to be known.
pub(crate) fn is_due(name: OperationName, racks: &[Rack<'_>], status: &CassandraClusterStatus) -> bool {
    let mut records = status.operations().filter(|record| record.name == name);
    let mut pods = racks.iter().flat_map(|rack| &rack.pods);
    records.any(|record| is_running(record) || is_queued(record)) || pods.any(|pod| is_asked_for(pod, name))
}

/// Whether a pod is asked for an operation of this name that has not begun.
pub(super) fn is_asked_for(pod: &PodView<'_>, name: OperationName) -> bool {
    let request = request_of(pod).ok().flatten();
    request.is_some_and(|request| request.name == name && request.status == OperationStatus::ToDo)
}

/// The request on a pod's labels.
pub(crate) fn request_of(pod: &PodView<'_>) -> Result<Option<OperationRequest>, String> {
    OperationRequest::of(pod.object).map_err(|error| error.to_string())
}

/// Answers labels that ask for something nobody knows; labels that merely look odd are left alone.
fn refuse_label(pod: &PodView<'_>, why: &str, steps: &mut Steps) {
    let empty = Labels::new();
    let labels = pod.object.metadata.labels.as_ref().unwrap_or(&empty);
    if labels.get(OPERATION_STATUS).map(String::as_str) != Some(OperationStatus::ToDo.as_str()) {
        return;
    }
    steps.warn("OperationRefused", format!("pod {}: {why}", pod.name));
    let error = OperationStatus::Error.to_string();
    steps.label(label(pod, [(OPERATION_STATUS, Some(error))]));
}

/// Starts the oldest queued record if the rack is quiet and has a free place.
pub(super) fn start_next(
    scene: Scene<'_>,
    rack: &Rack<'_>,
    status: &mut RackStatus,
    may_start: MayStart<'_>,
    steps: &mut Steps,
) {
    loop {
        let mending = mending(scene, rack, status).filter(|_| may_start.mending.is_ok());
        let index = match mending.map_or_else(
            || next_in_line(rack, status, may_start.any, may_start.later),
            |restart| Ok(Some(restart)),
        ) {
            Ok(Some(index)) => index,
            Ok(None) => return,
            Err(blocker) => return steps.wait_for(blocker.clone()),
        };
        if !has_place(status, index) {
            let waiting = &status.operations[index];
            if waiting.name.makes_its_pod_anew() {
                let note = format!(
                    "{} on pod {} waits until the operation that runs in its rack has ended",
                    waiting.name, waiting.pod
                );
                steps.wait_for(Blocker::new(ConditionReason::OperationOngoing, note));
            }
            return;
        }
        let record = &status.operations[index];
        match prepare(scene, rack, record, may_start) {
            Prepared::Ready(prepared) => {
                status.operations[index] = *prepared;
                status.operations[index].state = RecordState::Ongoing;
                status.operations[index].start_time = Time(scene.now);
                give_up_lost(scene, status, index, steps);
                let record = status.operations[index].clone();
                last_operation::started(status, &record, scene);
                steps.tell(
                    "OperationStarted",
                    format!("{} started on pod {}", record.name, record.pod),
                );
                super::labels::mark_ongoing(rack, &record, steps);
                run::start_call(scene, rack, &record, steps);
            }
            Prepared::Waits(blocker) => {
                let is_replacement = record.name == OperationName::Replace;
                // What it waits for mostly shows in pods, or is a person.
                steps.look_again_after(if is_replacement {
                    run::LOOK_AGAIN
                } else {
                    ASK_AGAIN
                });
                return steps.wait_for(blocker);
            }
            Prepared::Refused(why) => run::end(scene, status, index, Err(why), steps),
        }
    }
}

/// A queued restart of a node that broke its move off: all else may be waiting for it.
fn mending(scene: Scene<'_>, rack: &Rack<'_>, status: &RackStatus) -> Option<usize> {
    status.operations.iter().position(|record| {
        is_queued(record)
            && record.name == OperationName::Restart
            && rack
                .pod(&record.pod_uid)
                .is_some_and(|pod| moving::is_left_moving(scene, pod))
    })
}

/// What ran on a node that is replaced ended with it.
fn give_up_lost(scene: Scene<'_>, status: &mut RackStatus, index: usize, steps: &mut Steps) {
    for other in 0..status.operations.len() {
        if is_running(&status.operations[other])
            && is_lost_with(&status.operations[index], &status.operations[other])
        {
            run::end(scene, status, other, Err("its node was lost".to_owned()), steps);
        }
    }
}

/// Whether a queued record can start.
pub(super) enum Prepared {
    /// With all that is needed to find it again.
    Ready(Box<OperationRecord>),
    /// Not yet.
    Waits(Blocker),
    /// It never will.
    Refused(String),
}

/// Completes a queued record with all that is needed to start it and to find it again.
fn prepare(scene: Scene<'_>, rack: &Rack<'_>, record: &OperationRecord, may_start: MayStart<'_>) -> Prepared {
    let command = match record.command() {
        Ok(command) => command,
        Err(error) => return Prepared::Refused(error.to_string()),
    };
    let Some(pod) = rack.pod(&record.pod_uid) else {
        return Prepared::Refused(format!("pod {} went away", record.pod));
    };
    if matches!(
        command,
        OperationCommand::Replace { .. } | OperationCommand::Remove { .. }
    ) && let Err(blocker) = may_start.mover
    {
        return Prepared::Waits(blocker.clone());
    }
    let brings_back = matches!(
        command,
        OperationCommand::Replace { .. } | OperationCommand::Remove { .. } | OperationCommand::Restart
    );
    if let (false, Err(blocker)) = (brings_back, may_start.later) {
        return Prepared::Waits(blocker.clone());
    }
    if let OperationCommand::Replace { lost } = &command {
        return replace::prepare(scene, rack, record, lost.as_ref());
    }
    let (true, Some(address)) = (pod.is_ready(), pod.address) else {
        let Blocker { reason, note } = pod.blocker();
        return Prepared::Waits(Blocker::new(reason, format!("{} waits: {note}", record.name)));
    };
    let nobody = NodeFacts::default();
    let node = scene.observed.nodes.get(&pod.name).unwrap_or(&nobody);
    let mut prepared = record.clone();
    let lost_node = match command {
        OperationCommand::OnTables(..) | OperationCommand::ReloadSsl | OperationCommand::Replace { .. } => {
            None
        }
        OperationCommand::Restart => {
            if let Err(blocker) = restart::may_begin(scene, pod, may_start.restart) {
                return Prepared::Waits(blocker);
            }
            prepared.former_pod_uid = Some(pod.uid.to_owned());
            None
        }
        OperationCommand::Move { .. } => {
            if let Err(not_yet) = moving::may_begin(scene, pod, node, may_start.alone) {
                return not_yet;
            }
            None
        }
        OperationCommand::Decommission => {
            return Prepared::Refused(
                "decommission is not asked for by label: lower nodesPerRacks, and the last node of the rack leaves".to_owned(),
            );
        }
        OperationCommand::Rebuild { from_dc } => match &node.replication {
            Fact::Known(known) if replication::datacenters(known).contains(from_dc.as_str()) => None,
            Fact::Known(known) => {
                let known = replication::datacenters(known)
                    .into_iter()
                    .collect::<Vec<_>>()
                    .join(", ");
                return Prepared::Refused(format!(
                    "no keyspace has replicas in datacenter {from_dc} to rebuild from; there are some in: {known}"
                ));
            }
            Fact::Unknown(why) => return Prepared::Waits(unreachable(pod, why)),
        },
        OperationCommand::Remove { target } => match &node.ring {
            Fact::Unknown(why) => return Prepared::Waits(unreachable(pod, why)),
            Fact::Known(view) => match remove::resolve(&target, pod, view, scene) {
                Ok(lost) => Some(lost),
                Err(why) => return Prepared::Refused(why),
            },
        },
    };
    prepared.host_id = node.host_id.known().cloned();
    prepared.address = Some(address.to_string());
    prepared.lost_node = lost_node;
    Prepared::Ready(Box::new(prepared))
}

pub(super) fn unreachable(pod: &PodView<'_>, why: &str) -> Blocker {
    Blocker::new(
        ConditionReason::NodesUnreachable,
        format!("pod {} does not answer: {why}", pod.name),
    )
}
