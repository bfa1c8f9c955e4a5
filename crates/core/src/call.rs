//! Long calls to nodes, which run outside the reconcile pass.

use casskop_types::operation::{OperationName, TableOptions, TableWork};

use crate::work::Work;

/// Identifies one run of one request, across passes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallKey {
    /// Uid of the pod whose node is called.
    pub pod_uid: String,
    /// Id of the operation record.
    pub record: String,
    /// Attempt of the record, from 1.
    pub attempt: i32,
}

/// What a call does on the node. Blocks in Cassandra until the work is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeCall {
    /// Work on the tables of one keyspace, or of one keyspace after the other: of all replicated ones for a cleanup, else of all.
    Tables {
        /// What is done to them.
        work: TableWork,
        /// Which tables, and how.
        options: TableOptions,
        /// Keyspaces an earlier attempt finished.
        skip: Vec<String>,
    },
    /// `rebuild` from a datacenter.
    Rebuild {
        /// Source datacenter.
        from_dc: String,
    },
    /// `reloadSslCertificates` of `MessagingService`.
    ReloadSsl,
    /// `move` of the node itself, to another token.
    Move {
        /// The token.
        token: String,
    },
    /// `removeNode` of a dead member.
    RemoveNode {
        /// Host id of the dead member.
        host_id: String,
    },
    /// `decommission` of the node itself.
    Decommission {
        /// What it may do to the number of replicas.
        replicas: Replicas,
    },
    /// `drain` of the node itself, which serves nobody from then on.
    Drain,
}

/// What a decommission may do to the number of replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replicas {
    /// Cassandra looks too, and refuses (4.0 and newer).
    MustHold,
    /// They may fall: it was looked before, and only expendable keyspaces object.
    MayFall,
}

impl NodeCall {
    /// The `StorageService` operation under which a running call is seen in the node's thread dump.
    pub fn storage_service_operation(&self) -> &'static str {
        storage_service_operation(self.operation()).unwrap_or_default()
    }

    /// The operation this call carries out.
    pub fn operation(&self) -> OperationName {
        match self {
            Self::Tables { work, .. } => work.operation(),
            Self::Rebuild { .. } => OperationName::Rebuild,
            Self::ReloadSsl => OperationName::ReloadSsl,
            Self::Move { .. } => OperationName::Move,
            Self::RemoveNode { .. } => OperationName::Remove,
            Self::Decommission { .. } => OperationName::Decommission,
            Self::Drain => OperationName::Restart,
        }
    }
}

/// The `StorageService` method that carries out an operation (same names in Cassandra 3.11 to 5.0).
pub fn storage_service_operation(operation: OperationName) -> Option<&'static str> {
    match operation {
        OperationName::Cleanup => Some("forceKeyspaceCleanup"),
        OperationName::UpgradeSstables => Some("upgradeSSTables"),
        OperationName::Scrub => Some("scrub"),
        OperationName::Compact => Some("forceKeyspaceCompaction"),
        OperationName::Flush => Some("forceKeyspaceFlush"),
        OperationName::GarbageCollect => Some("garbageCollect"),
        OperationName::Rebuild => Some("rebuild"),
        OperationName::Move => Some("move"),
        OperationName::Remove => Some("removeNode"),
        OperationName::Decommission => Some("decommission"),
        OperationName::Restart => Some("drain"),
        // The fresh node does it by starting; certificates are another MBean's, in a moment.
        OperationName::Replace | OperationName::ReloadSsl => None,
    }
}

/// Whether Cassandra can stop a running operation: tasks of its compaction executor, by their kind. A stream, or a node that
/// leaves, goes on to its end.
pub fn can_be_stopped(operation: OperationName) -> bool {
    match operation {
        OperationName::Cleanup
        | OperationName::UpgradeSstables
        | OperationName::Scrub
        | OperationName::Compact
        | OperationName::GarbageCollect => true,
        // A flush, and what is read again, is over in a moment.
        OperationName::Flush
        | OperationName::Rebuild
        | OperationName::ReloadSsl
        | OperationName::Move
        | OperationName::Remove
        | OperationName::Decommission
        | OperationName::Replace
        | OperationName::Restart => false,
    }
}

/// A call as this operator process knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallState {
    /// Still running; `keyspaces_done` grows.
    Running {
        /// Keyspaces finished so far.
        keyspaces_done: Vec<String>,
        /// What the node is at, as it last said.
        work: Option<Work>,
    },
    /// The node answered that the work is done.
    Succeeded {
        /// Keyspaces finished.
        keyspaces_done: Vec<String>,
    },
    /// The node refused or failed the work: a certain end.
    Failed {
        /// Keyspaces finished before the failure.
        keyspaces_done: Vec<String>,
        /// What the node said, one line.
        reason: String,
    },
    /// The connection broke while the node may still be working: the outcome has to be asked of the node.
    Lost {
        /// Keyspaces finished before the connection broke.
        keyspaces_done: Vec<String>,
        /// Why the connection broke.
        reason: String,
    },
}
