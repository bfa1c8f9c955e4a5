//! Conditions of a task.

use casskop_types::task::labels::TaskCondition;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::effect::Notice;

/// The words of `status` of a condition.
const TRUE: &str = "True";
const FALSE: &str = "False";

/// Says that a condition holds. Its reason is its type, as clients of these resources expect.
pub(super) fn holds(conditions: &mut Vec<Condition>, kind: TaskCondition, message: &str, now: Timestamp) {
    set(conditions, kind, TRUE, kind.as_str(), message, now);
}

/// Says that a condition does not hold, and why.
pub(super) fn holds_not(
    conditions: &mut Vec<Condition>,
    kind: TaskCondition,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    set(conditions, kind, FALSE, reason, message, now);
}

/// Says why nothing is being done at the moment.
pub(super) fn waits(conditions: &mut Vec<Condition>, reason: &str, message: &str, now: Timestamp) {
    holds_not(conditions, TaskCondition::Running, reason, message, now);
}

/// Takes back that a condition holds, if anybody ever said so.
pub(super) fn no_longer(conditions: &mut Vec<Condition>, kind: TaskCondition, now: Timestamp) {
    if is_true(conditions, kind) {
        set(conditions, kind, FALSE, kind.as_str(), "", now);
    }
}

/// Says that an object cannot work as it is, and tells it when that is news.
pub(super) fn refuse(conditions: &mut Vec<Condition>, notices: &mut Vec<Notice>, why: &str, now: Timestamp) {
    let is_news = message(conditions, TaskCondition::Invalid) != Some(why);
    holds(conditions, TaskCondition::Invalid, why, now);
    if is_news {
        notices.push(Notice::warning("InvalidSpec", why));
    }
}

/// Whether a condition holds.
pub fn is_true(conditions: &[Condition], kind: TaskCondition) -> bool {
    message(conditions, kind).is_some()
}

/// The message of a condition that holds; it may be empty.
pub fn message(conditions: &[Condition], kind: TaskCondition) -> Option<&str> {
    said(conditions, kind, TRUE)
}

/// Why a condition does not hold; it may be empty.
pub fn why_not(conditions: &[Condition], kind: TaskCondition) -> Option<&str> {
    said(conditions, kind, FALSE)
}

fn said<'a>(conditions: &'a [Condition], kind: TaskCondition, status: &str) -> Option<&'a str> {
    let found = conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str() && condition.status == status);
    found.map(|condition| condition.message.as_str())
}

/// A condition keeps its place in the list, and the time of its last transition unless its status changes.
fn set(
    conditions: &mut Vec<Condition>,
    kind: TaskCondition,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let found = conditions
        .iter_mut()
        .find(|condition| condition.type_ == kind.as_str());
    if let Some(condition) = found {
        if condition.status != status {
            condition.last_transition_time = Time(now);
        }
        status.clone_into(&mut condition.status);
        reason.clone_into(&mut condition.reason);
        message.clone_into(&mut condition.message);
        return;
    }
    conditions.push(Condition {
        type_: kind.to_string(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: None,
        last_transition_time: Time(now),
    });
}
