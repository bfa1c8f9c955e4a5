//! Conditions of a cluster, and when two statuses say the same.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::status::CassandraClusterStatus;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// What a condition is about.
    ConditionType {
        /// Every node that is wanted is ready.
        Ready = "Ready",
        /// A change is being made.
        Progressing = "Progressing",
        /// The spec can work.
        Valid = "Valid",
        /// Something has to happen before work goes on; the message says what.
        Waiting = "Waiting",
    }
}

vocabulary! {
    /// Why a condition is as it is.
    ConditionReason {
        /// All nodes are ready.
        AllNodesReady = "AllNodesReady",
        /// Some node is not ready.
        NodesNotReady = "NodesNotReady",
        /// The cluster comes up for the first time.
        Initializing = "Initializing",
        /// An action on a rack is under way.
        ActionOngoing = "ActionOngoing",
        /// Operations on pods are under way.
        OperationOngoing = "OperationOngoing",
        /// Nothing is under way.
        Settled = "Settled",
        /// The spec can work.
        Accepted = "Accepted",
        /// The spec cannot work; the message says why.
        InvalidSpec = "InvalidSpec",
        /// Nothing keeps work from going on.
        NothingPending = "NothingPending",
        /// A node is not ready, so no other may go down.
        NodeNotReady = "NodeNotReady",
        /// A node is joining the ring, so nothing else may move.
        NodeJoining = "NodeJoining",
        /// Another rack is being worked on.
        OtherRackBusy = "OtherRackBusy",
        /// No node answers Jolokia's calls.
        NodesUnreachable = "NodesUnreachable",
        /// A pod cannot be started (image, scheduling, volume).
        PodBlocked = "PodBlocked",
        /// A Kubernetes object is missing or was refused.
        ObjectRefused = "ObjectRefused",
        /// Data would be lost; the message says what would help.
        DataAtRisk = "DataAtRisk",
        /// A user has paused the cluster.
        Paused = "Paused",
        /// No keyspace replicates to a datacenter that was added.
        NoReplicas = "NoReplicas",
        /// A request on a pod's labels lacks its argument.
        RequestIncomplete = "RequestIncomplete",
        /// Another operator holds CassKop's lock.
        OtherOperatorRuns = "OtherOperatorRuns",
    }
}

vocabulary! {
    /// Whether a condition holds.
    ConditionStatus {
        /// It does.
        True = "True",
        /// It does not.
        False = "False",
        /// Nobody can tell.
        Unknown = "Unknown",
    }
}

/// A condition, except since when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConditionFact {
    /// What it is about.
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why.
    pub reason: ConditionReason,
    /// The same for people: names the objects, and what to do.
    pub message: String,
}

/// Puts a condition into a list, in place of the one of its type. The time of the last transition stays unless the status changes.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    fact: ConditionFact,
    generation: Option<i64>,
    now: Timestamp,
) {
    let previous = conditions
        .iter()
        .position(|condition| condition.type_ == fact.kind.as_str());
    let since = previous
        .and_then(|index| conditions.get(index))
        .filter(|condition| condition.status == fact.status.as_str())
        .map_or(Time(now), |condition| condition.last_transition_time.clone());
    let condition = Condition {
        type_: fact.kind.to_string(),
        status: fact.status.to_string(),
        reason: fact.reason.to_string(),
        message: fact.message,
        observed_generation: generation,
        last_transition_time: since,
    };
    match previous.and_then(|index| conditions.get_mut(index)) {
        Some(slot) => *slot = condition,
        None => conditions.push(condition),
    }
}

/// The condition of a type.
pub fn condition(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str())
}

/// Whether two statuses say the same, whenever their conditions changed last. Times of actions and operations count: they are
/// set once, when something happens.
pub fn say_the_same(one: &CassandraClusterStatus, other: &CassandraClusterStatus) -> bool {
    without_transition_times(one) == without_transition_times(other)
}

fn without_transition_times(status: &CassandraClusterStatus) -> CassandraClusterStatus {
    let mut status = status.clone();
    for condition in &mut status.conditions {
        condition.last_transition_time = Time(Timestamp::UNIX_EPOCH);
    }
    status
        .conditions
        .sort_by(|one, other| one.type_.cmp(&other.type_));
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn ready(status: ConditionStatus, message: &str) -> ConditionFact {
        ConditionFact {
            kind: ConditionType::Ready,
            status,
            reason: ConditionReason::NodesNotReady,
            message: message.to_owned(),
        }
    }

    #[test]
    fn the_transition_time_moves_with_the_status_only() {
        let mut conditions = Vec::new();
        set_condition(
            &mut conditions,
            ready(ConditionStatus::False, "0/3"),
            Some(1),
            at("2026-11-21T08:00:00Z"),
        );
        set_condition(
            &mut conditions,
            ready(ConditionStatus::False, "1/3"),
            Some(2),
            at("2026-11-21T08:01:00Z"),
        );
        let [only] = conditions.as_slice() else {
            panic!("{conditions:?}")
        };
        assert_eq!(only.last_transition_time.0, at("2026-11-21T08:00:00Z"));
        assert_eq!(
            (only.message.as_str(), only.observed_generation),
            ("1/3", Some(2))
        );
        set_condition(
            &mut conditions,
            ready(ConditionStatus::True, "3/3"),
            Some(2),
            at("2026-11-21T08:02:00Z"),
        );
        let only = condition(&conditions, ConditionType::Ready).unwrap();
        assert_eq!(only.last_transition_time.0, at("2026-11-21T08:02:00Z"));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn statuses_that_differ_in_times_and_order_of_conditions_say_the_same() {
        let mut one = CassandraClusterStatus::default();
        let valid = ConditionFact {
            kind: ConditionType::Valid,
            ..ready(ConditionStatus::True, "")
        };
        set_condition(
            &mut one.conditions,
            ready(ConditionStatus::False, "0/3"),
            None,
            at("2026-11-21T08:00:00Z"),
        );
        set_condition(
            &mut one.conditions,
            valid.clone(),
            None,
            at("2026-11-21T08:00:00Z"),
        );
        let mut other = CassandraClusterStatus::default();
        set_condition(&mut other.conditions, valid, None, at("2026-11-21T09:00:00Z"));
        set_condition(
            &mut other.conditions,
            ready(ConditionStatus::False, "0/3"),
            None,
            at("2026-11-21T09:00:00Z"),
        );
        assert!(say_the_same(&one, &other));
        set_condition(
            &mut other.conditions,
            ready(ConditionStatus::False, "1/3"),
            None,
            at("2026-11-21T09:00:00Z"),
        );
        assert!(!say_the_same(&one, &other));
    }
}
