//! Calls of `CompactionManager`: what the node compacts, cleans up or rewrites at this moment.

use serde_json::Value;

use crate::answer::{list, string, whole_number};
use crate::call::Call;
use crate::error::Unexpected;

const MBEAN: &str = "org.apache.cassandra.db:type=CompactionManager";

/// The tasks that run in the compaction executor.
pub fn compactions() -> Call<Vec<Compaction>> {
    Call::attribute(MBEAN, "Compactions", |value| {
        list(value)?.iter().map(compaction).collect()
    })
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
