//! The word of a job.

use crate::operation::TableWork;
use crate::vocabulary::vocabulary;

vocabulary! {
    /// What a job does; the words of `spec.jobs[].command`.
    TaskCommand {
        /// Drop the data of tokens the nodes no longer own.
        Cleanup = "cleanup",
        /// Stream the nodes' data from another datacenter.
        Rebuild = "rebuild",
        /// Restart the nodes, rack by rack.
        Restart = "restart",
        /// Rewrite data files (`SSTables`) of an older version.
        UpgradeSstables = "upgradesstables",
        /// Give the place of nodes to fresh ones, on fresh disks.
        ReplaceNode = "replacenode",
        /// Merge the data files of each table.
        Compact = "compact",
        /// Rewrite data files, and see whether what is in them can be read.
        Scrub = "scrub",
        /// Give nodes of one token another one.
        Move = "move",
        /// Rewrite data files without what was deleted or overwritten.
        GarbageCollect = "garbagecollect",
        /// Write what is in memory to data files.
        Flush = "flush",
        /// Let changes of the spec that wait take effect: here none does. Not nodetool's refresh.
        Refresh = "refresh",
        /// Read keys and certificates of encrypted connections again.
        TsReload = "tsreload",
    }
}

impl TaskCommand {
    /// The work on tables that a command is, if it is any.
    pub fn table_work(self) -> Option<TableWork> {
        match self {
            Self::Cleanup => Some(TableWork::Cleanup),
            Self::UpgradeSstables => Some(TableWork::UpgradeSstables),
            Self::Scrub => Some(TableWork::Scrub),
            Self::Compact => Some(TableWork::Compact),
            Self::Flush => Some(TableWork::Flush),
            Self::GarbageCollect => Some(TableWork::GarbageCollect),
            Self::Rebuild
            | Self::Restart
            | Self::ReplaceNode
            | Self::Move
            | Self::Refresh
            | Self::TsReload => None,
        }
    }
}
