//! Calls of `CompactionManager`: what the node compacts, cleans up or rewrites at this moment.

use serde_json::{Value, json};

use crate::answer::{list, nothing, string, whole_number};
use crate::call::{Call, Pace};
use crate::error::Unexpected;
use crate::version::ReleaseVersion;

const MBEAN: &str = "org.apache.cassandra.db:type=CompactionManager";

/// The tasks that run in the compaction executor.
pub fn compactions() -> Call<Vec<Compaction>> {
    Call::attribute(MBEAN, "Compactions", |value| {
        list(value)?.iter().map(compaction).collect()
    })
}

/// Stops the tasks of a kind that run at this moment, whoever asked for them (`nodetool stop`); those still in line are not stopped.
/// What was asked for them fails. `None` for a kind that is not stopped so.
pub fn stop(task: &CompactionTask, version: ReleaseVersion) -> Option<Call<()>> {
    let kind = json!(task.operation_type(version)?);
    let operation = "stopCompaction(java.lang.String)";
    Some(Call::operation(
        Pace::Prompt,
        MBEAN,
        operation,
        vec![kind],
        nothing,
    ))
}

/// One running task of the compaction executor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// What kind of task it is.
    pub task: CompactionTask,
    /// Keyspace worked on.
    pub keyspace: String,
    /// Table worked on.
    pub table: String,
    /// Work done, in `unit`.
    pub completed: u64,
    /// Work there is, in `unit`; an estimate.
    pub total: u64,
    /// `bytes`, `keys`, `ranges` or `token range`.
    pub unit: String,
}

/// Kinds of compaction tasks (`OperationType`), as far as an operation of ours causes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompactionTask {
    /// Dropping the keys a node no longer owns.
    Cleanup,
    /// Rewriting sstables in the format of the running version.
    UpgradeSstables,
    /// Rewriting sstables, leaving out what cannot be read.
    Scrub,
    /// Removing deleted data without merging sstables.
    GarbageCollect,
    /// Merging sstables, on the node's own account or a user's.
    Compaction,
    /// Building an index or a view, validating for a repair, and so on: the node's own word for it.
    Other(String),
}

impl CompactionTask {
    fn named(text: String) -> Self {
        match text.as_str() {
            "Cleanup" => Self::Cleanup,
            "Upgrade sstables" => Self::UpgradeSstables,
            "Scrub" => Self::Scrub,
            "Remove deleted data" => Self::GarbageCollect,
            "Compaction" | "Major compaction" => Self::Compaction,
            _ => Self::Other(text),
        }
    }

    /// The name among the `OperationType`s. A compaction that was asked for is a kind of its own since 5.0; before, all are one.
    fn operation_type(&self, version: ReleaseVersion) -> Option<&'static str> {
        match self {
            Self::Cleanup => Some("CLEANUP"),
            Self::UpgradeSstables => Some("UPGRADE_SSTABLES"),
            Self::Scrub => Some("SCRUB"),
            Self::GarbageCollect => Some("GARBAGE_COLLECT"),
            Self::Compaction if version < ReleaseVersion::V5_0 => Some("COMPACTION"),
            Self::Compaction => Some("MAJOR_COMPACTION"),
            Self::Other(_) => None,
        }
    }
}

/// Cassandra gives each task as a map of strings, numbers included.
fn compaction(value: &Value) -> Result<Compaction, Unexpected> {
    let field = |key: &str| value.get(key).ok_or_else(|| Unexpected::new(key, value));
    Ok(Compaction {
        task: CompactionTask::named(string(field("taskType")?)?),
        keyspace: string(field("keyspace")?)?,
        table: string(field("columnfamily")?)?,
        completed: whole_number(field("completed")?)?,
        total: whole_number(field("total")?)?,
        unit: string(field("unit")?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stopped_has_the_name_of_the_version() {
        let named = |task: &CompactionTask, version: &str| {
            let call = stop(task, version.parse().unwrap())?;
            Some(call.request().to_json()["arguments"][0].clone())
        };
        for version in ["3.11.19", "4.0.19", "4.1.10"] {
            assert_eq!(
                named(&CompactionTask::Compaction, version),
                Some(json!("COMPACTION"))
            );
        }
        assert_eq!(
            named(&CompactionTask::Compaction, "5.0.9"),
            Some(json!("MAJOR_COMPACTION"))
        );
        assert_eq!(
            named(&CompactionTask::GarbageCollect, "5.0.9"),
            Some(json!("GARBAGE_COLLECT"))
        );
        assert_eq!(
            named(&CompactionTask::Other("Validation".to_owned()), "5.0.9"),
            None
        );
    }
}
