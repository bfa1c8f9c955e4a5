//! A node of one token gets another one (move).
//!
//! It fetches what it is to own and hands on what it owns no more; its neighbours hold ranges meanwhile that are not theirs yet, which a
//! cleanup there deletes (Cassandra before CASSANDRA-16418 lets it). So a move has the cluster to itself: it waits until nothing else is at
//! work, with every node up, and whatever is asked for after it waits for its end.
//!
//! Where nobody heard how it ended, the node's own token tells. A node whose streams failed stays MOVING, and keeps the ring from agreeing
//! to anything but its restart, which brings it back with its former token.

use casskop_types::conditions::ConditionReason;
use casskop_types::operation::{OperationCommand, OperationName, OperationRecord};
use casskop_types::status::CassandraClusterStatus;

use super::line::oldest_queued;
use super::queue::{Prepared, unreachable};
use super::run::{ATTEMPTS, Transition, call_key};
use super::{Scene, is_running, other_racks};
use crate::blocker::Blocker;
use crate::call::{CallState, storage_service_operation};
use crate::fact::Fact;
use crate::observed::{NodeFacts, OperationMode};
use crate::rack::{self, PodView, Rack};
use crate::ring;

/// What a move waits for before it begins. One that can never be is refused.
pub(super) fn may_begin(
    scene: Scene<'_>,
    pod: &PodView<'_>,
    node: &NodeFacts,
    alone: Result<(), &Blocker>,
) -> Result<(), Prepared> {
    match &node.tokens {
        Fact::Unknown(why) => return Err(Prepared::Waits(unreachable(pod, why))),
        Fact::Known(tokens) if tokens.len() != 1 => {
            let why = format!(
                "the node of pod {} has {} tokens, and only one of a single token (num_tokens: 1) can be moved",
                pod.name,
                tokens.len()
            );
            return Err(Prepared::Refused(why));
        }
        Fact::Known(_) => {}
    }
    let ready = alone.map_err(Clone::clone).and_then(|()| all_are_up(scene));
    ready.map_err(|Blocker { reason, note }| {
        Prepared::Waits(Blocker::new(
            reason,
            format!("move on pod {} waits: {note}", pod.name),
        ))
    })
}

/// Every pod ready, every node NORMAL and seen UP.
fn all_are_up(scene: Scene<'_>) -> Result<(), Blocker> {
    rack::all_complete(scene.racks)?;
    ring::agrees(scene.racks, &scene.observed.nodes, &[])
}

/// Whether nothing runs in any other rack: its own has no place for two.
pub(crate) fn alone(
    racks: &[Rack<'_>],
    rack: &Rack<'_>,
    status: &CassandraClusterStatus,
) -> Result<(), Blocker> {
    let mut others = other_racks(racks, rack, status).flat_map(|rack| &rack.operations);
    others.find(|record| is_running(record)).map_or(Ok(()), |record| {
        let note = format!("{} runs on pod {}", record.name, record.pod);
        Err(Blocker::new(ConditionReason::OperationOngoing, note))
    })
}

/// Why nothing else is begun in the cluster: a node moves.
pub(crate) fn holds(status: &CassandraClusterStatus) -> Result<(), Blocker> {
    under_way(status).map_or(Ok(()), |record| {
        let note = format!(
            "move runs on pod {}, and nothing else is begun meanwhile",
            record.pod
        );
        Err(Blocker::new(ConditionReason::OperationOngoing, note))
    })
}

/// Why nothing is begun in a rack: a move that is next in another one was asked for earlier, and would never find the cluster quiet.
pub(crate) fn earlier(
    racks: &[Rack<'_>],
    rack: &Rack<'_>,
    status: &CassandraClusterStatus,
) -> Result<(), Blocker> {
    let mine = status.rack(&rack.desired.id).and_then(oldest_queued);
    let mine = mine.map(|mine| mine.start_time.0);
    let mut next = other_racks(racks, rack, status)
        .filter(|other| !other.operations.iter().any(is_running))
        .filter_map(oldest_queued);
    next.find(|next| is_move(next) && mine.is_none_or(|mine| next.start_time.0 < mine))
        .map_or(Ok(()), |next| {
            let note = format!("move on pod {} was asked for earlier", next.pod);
            Err(Blocker::new(ConditionReason::OperationOngoing, note))
        })
}

/// The move that runs in the cluster.
fn under_way(status: &CassandraClusterStatus) -> Option<&OperationRecord> {
    status
        .operations()
        .find(|record| is_move(record) && is_running(record))
}

/// What a removal, a replacement and actions wait for: the node that moves, unless it is down, or cannot start, itself.
pub(crate) fn stands_in_the_way(scene: Scene<'_>, status: &CassandraClusterStatus) -> Result<(), Blocker> {
    let pod = under_way(status).and_then(|record| scene.pod_named(&record.pod));
    let is_up = |pod: &PodView<'_>| !pod.cannot_start() && !ring::is_seen_down(pod, &scene.observed.nodes);
    if pod.is_some_and(is_up) {
        holds(status)
    } else {
        Ok(())
    }
}

/// What becomes of a running move.
pub(super) fn step(
    scene: Scene<'_>,
    record: &OperationRecord,
    pod: &PodView<'_>,
    node: &NodeFacts,
) -> Transition {
    let known = scene.observed.calls.get(&call_key(record));
    match known {
        Some(CallState::Running { .. }) => {
            return Transition::GoOn {
                keyspaces_done: Vec::new(),
                waits: Some(streams(record)),
            };
        }
        Some(CallState::Succeeded { .. }) => return Transition::End(Ok(())),
        Some(CallState::Failed { .. } | CallState::Lost { .. }) | None => {}
    }
    let (mode, tokens) = match (&node.in_flight, &node.mode, &node.tokens) {
        (Fact::Unknown(why), ..) | (_, Fact::Unknown(why), _) | (.., Fact::Unknown(why)) => {
            return Transition::AskAgain(unreachable(pod, why));
        }
        _ if is_at_it(node) => return Transition::AskAgain(streams(record)),
        (_, Fact::Known(mode), Fact::Known(tokens)) => (mode, tokens),
    };
    let Ok(OperationCommand::Move { token }) = record.command() else {
        return Transition::End(Err("the token it was to move to was not recorded".to_owned()));
    };
    let failure = match known {
        Some(CallState::Failed { reason, .. }) => Some(reason.as_str()),
        _ => None,
    };
    match (mode, failure) {
        (OperationMode::Normal, _) if *tokens == [token] => Transition::End(Ok(())),
        (OperationMode::Moving, _) => {
            let why = failure.unwrap_or("nobody heard why");
            Transition::End(Err(format!(
                "the node broke it off ({why}) and stays MOVING, with its former token: {}",
                ring::brought_back(&record.pod)
            )))
        }
        (_, Some(why)) => Transition::End(Err(why.to_owned())),
        _ if record.attempt >= ATTEMPTS => Transition::End(Err(format!(
            "the node has its former token still after {} tries",
            record.attempt
        ))),
        // Others may have gone down since.
        _ => match all_are_up(scene) {
            Ok(()) => Transition::RunAgain {
                keyspaces_done: Vec::new(),
            },
            Err(blocker) => Transition::AskAgain(blocker),
        },
    }
}

/// Whether a thread of the node may be carrying a move out.
pub(super) fn is_at_it(node: &NodeFacts) -> bool {
    let operation = storage_service_operation(OperationName::Move);
    match (&node.in_flight, operation) {
        (Fact::Known(operations), Some(operation)) => operations.contains(operation),
        _ => true,
    }
}

/// Whether the node of a pod was left MOVING by a move that is over.
pub(super) fn is_left_moving(scene: Scene<'_>, pod: &PodView<'_>) -> bool {
    let nodes = &scene.observed.nodes;
    ring::is_moving(pod, nodes) && nodes.get(&pod.name).is_some_and(|node| !is_at_it(node))
}

fn streams(record: &OperationRecord) -> Blocker {
    let note = format!(
        "the node of pod {} moves to another token: {}",
        record.pod,
        ring::how_far(&record.pod)
    );
    Blocker::new(ConditionReason::OperationOngoing, note)
}

fn is_move(record: &OperationRecord) -> bool {
    record.name == OperationName::Move
}
