//! Operations on pods: how one is asked for through a pod's labels, and the record kept of it.

mod command;
mod member;
mod parallelism;
mod record;
mod request;
mod tables;

pub use command::{ArgumentError, OperationCommand};
pub use member::{HostId, HostIdError, Member, RemoveTarget};
pub use parallelism::{Parallelism, ParallelismError};
pub use record::{LostNode, OperationProgress, OperationRecord, RecordState};
pub use request::{
    MetadataPatch, OperationRequest, RequestError, abort_asked, abort_patch, request_metadata,
};
pub use tables::{TableOptions, TableWork, TokenSpan};

use crate::vocabulary::vocabulary;

vocabulary! {
    /// What can be done to a node; the words are values of the label `operation-name`.
    OperationName {
        /// Drop the data of tokens the node no longer owns.
        Cleanup = "cleanup",
        /// Rewrite data files (`SSTables`) of an older version.
        UpgradeSstables = "upgradesstables",
        /// Rewrite data files, and see whether what is in them can be read.
        Scrub = "scrub",
        /// Merge the data files of each table.
        Compact = "compact",
        /// Write what is in memory to data files.
        Flush = "flush",
        /// Rewrite data files without what was deleted or overwritten.
        GarbageCollect = "garbagecollect",
        /// Stream the node's data from another datacenter.
        Rebuild = "rebuild",
        /// Read keys and certificates of encrypted connections again.
        ReloadSsl = "reloadssl",
        /// Give the node, which has one token, another one.
        Move = "move",
        /// Take another, lost node out of the ring (removenode), from this one.
        Remove = "remove",
        /// Make the node leave the ring.
        Decommission = "decommission",
        /// Give the place of the pod's lost node to a fresh one, on a fresh disk.
        Replace = "replace",
        /// Drain the node and make its pod anew, on the same disk.
        Restart = "restart",
    }
}

impl OperationName {
    /// Whether the pod that is asked goes, and is made anew under its name: the operation is over once the new one's node is up.
    pub fn makes_its_pod_anew(self) -> bool {
        match self {
            Self::Replace | Self::Restart => true,
            Self::Cleanup
            | Self::UpgradeSstables
            | Self::Scrub
            | Self::Compact
            | Self::Flush
            | Self::GarbageCollect
            | Self::Rebuild
            | Self::ReloadSsl
            | Self::Move
            | Self::Remove
            | Self::Decommission => false,
        }
    }
}

vocabulary! {
    /// How far an operation is; the words are values of the label `operation-status`.
    OperationStatus {
        /// Asked for.
        ToDo = "ToDo",
        /// Running.
        Ongoing = "Ongoing",
        /// Decommission only: the node has left, its pod has not.
        Finalizing = "Finalizing",
        /// Decommission only: more nodes are to leave.
        Continue = "Continue",
        /// Ended well.
        Done = "Done",
        /// Ended badly.
        Error = "Error",
        /// Suggested: starts when somebody sets it to `ToDo`.
        Manual = "Manual",
        /// Held back: starts when somebody sets it to `ToDo`.
        Paused = "Paused",
    }
}
