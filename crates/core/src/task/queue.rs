//! Which task of a datacenter goes first: first come, first served.

use casskop_types::task::labels::TaskCondition;
use casskop_types::task::{CassandraTask, TaskTemplate};
use jiff::Timestamp;

use super::condition;

/// Whether it is a task's turn among those of its datacenter, or the name of one that goes before it.
///
/// A task that lets no other run beside it waits for all that came earlier, and all that came later wait for it. So a stream of
/// tasks that may run together does not keep one waiting that may not.
pub(super) fn turn<'a>(
    task: &CassandraTask,
    tasks: &[&'a CassandraTask],
    now: Timestamp,
) -> Result<(), &'a str> {
    let alone = forbids(&task.spec.template);
    let in_the_way = |other: &&&CassandraTask| {
        other.metadata.uid != task.metadata.uid
            && (alone || forbids(&other.spec.template))
            && (is_active(other) || waits(other, now) && arrival(other) < arrival(task))
    };
    let first = tasks
        .iter()
        .filter(in_the_way)
        .min_by_key(|other| (!is_active(other), arrival(other)))
        .copied();
    match first {
        Some(other) => Err(other.metadata.name.as_deref().unwrap_or_default()),
        None => Ok(()),
    }
}

/// Whether no other task may run beside one.
pub(super) fn forbids(template: &TaskTemplate) -> bool {
    matches!(template.concurrency_policy.as_deref(), None | Some("" | "Forbid"))
}

fn is_active(task: &CassandraTask) -> bool {
    let status = task.status.as_ref();
    status.is_some_and(|status| status.start_time.is_some() && status.completion_time.is_none())
        && task.metadata.deletion_timestamp.is_none()
}

/// Whether a task would start if it were alone.
fn waits(task: &CassandraTask, now: Timestamp) -> bool {
    let status = task.status.as_ref();
    let is_new = status.is_none_or(|status| status.start_time.is_none() && status.completion_time.is_none());
    let is_valid =
        status.is_none_or(|status| !condition::is_true(&status.conditions, TaskCondition::Invalid));
    let is_due = task
        .spec
        .template
        .scheduled_time
        .as_ref()
        .is_none_or(|time| time.0 <= now);
    is_new && is_valid && is_due && task.metadata.deletion_timestamp.is_none()
}

/// Tasks made in the same second go by name.
fn arrival(task: &CassandraTask) -> (Option<Timestamp>, Option<&str>) {
    (
        task.metadata.creation_timestamp.as_ref().map(|time| time.0),
        task.metadata.name.as_deref(),
    )
}
