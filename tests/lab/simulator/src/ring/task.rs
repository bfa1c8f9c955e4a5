//! The tasks of the compaction executor, as operations cause them.

use super::Operation;

/// What a task of the compaction executor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// `CLEANUP`
    Cleanup,
    /// `UPGRADE_SSTABLES`
    UpgradeSstables,
    /// `SCRUB`
    Scrub,
    /// `GARBAGE_COLLECT`
    GarbageCollect,
    /// `MAJOR_COMPACTION`, which is `COMPACTION` before 5.0
    Compaction,
}

impl Task {
    /// As `Compactions` calls it.
    pub fn description(self, five: bool) -> &'static str {
        match self {
            Self::Cleanup => "Cleanup",
            Self::UpgradeSstables => "Upgrade sstables",
            Self::Scrub => "Scrub",
            Self::GarbageCollect => "Remove deleted data",
            Self::Compaction if five => "Major compaction",
            Self::Compaction => "Compaction",
        }
    }

    /// As `OperationType` names it.
    pub(crate) fn operation_type(self, five: bool) -> &'static str {
        match self {
            Self::Cleanup => "CLEANUP",
            Self::UpgradeSstables => "UPGRADE_SSTABLES",
            Self::Scrub => "SCRUB",
            Self::GarbageCollect => "GARBAGE_COLLECT",
            Self::Compaction if five => "MAJOR_COMPACTION",
            Self::Compaction => "COMPACTION",
        }
    }
}

impl Operation {
    /// The task and the keyspace under which `CompactionManager` lists it, if it does.
    pub fn compaction(&self) -> Option<(Task, &str)> {
        match self {
            Self::Cleanup { keyspace } => Some((Task::Cleanup, keyspace)),
            Self::UpgradeSstables { keyspace } => Some((Task::UpgradeSstables, keyspace)),
            Self::Maintain { name, keyspace } => {
                let task = match name.as_str() {
                    "scrub" => Task::Scrub,
                    "garbageCollect" => Task::GarbageCollect,
                    "forceKeyspaceCompaction" | "forceKeyspaceCompactionForTokenRange" => Task::Compaction,
                    _ => return None,
                };
                Some((task, keyspace))
            }
            _ => None,
        }
    }
}
