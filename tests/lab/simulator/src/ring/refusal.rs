//! Why a node refuses a call, in Cassandra's words.

use super::node::OperationMode;
use super::partitions::Token;

/// Why a node refuses a call. The messages are Cassandra's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No process answers.
    #[error("node is down")]
    Down,
    /// The keyspace is not in the schema.
    #[error("Keyspace {0} does not exist")]
    NoKeyspace(String),
    /// `system` and `system_schema` are never cleaned.
    #[error("Cleanup of the system keyspace is neither necessary nor wise")]
    LocalKeyspace,
    /// The node has pending ranges.
    #[error("Node is involved in cluster membership changes. Not safe to run cleanup.")]
    MembershipChange,
    /// The source of a rebuild is not in the topology.
    #[error("Provided datacenter '{0}' is not a valid datacenter, available datacenters are: {1}")]
    NoSuchDc(String, String),
    /// One rebuild at a time.
    #[error("Node is still rebuilding. Check nodetool netstats.")]
    Rebuilding,
    /// No replica of a range in the source data centre.
    #[error("Unable to find sufficient sources for streaming range in keyspace {0}")]
    NoSource(String),
    /// The host id is no UUID.
    #[error("Invalid UUID string: {0}")]
    InvalidHostId(String),
    /// The host id belongs to nobody.
    #[error("Host ID not found.")]
    UnknownHost,
    /// The host id is that of a node without tokens.
    #[error("Node to be removed is not a member of the token ring")]
    NotMember,
    /// The host id is the node's own.
    #[error("Cannot remove self")]
    RemoveSelf,
    /// The host id is that of a running node.
    #[error("Node /{0}:7000 is alive and owns this ID. Use decommission command to remove it from the ring")]
    Alive(std::net::IpAddr),
    /// One removal at a time.
    #[error(
        "This node is already processing a removal. Wait for it to complete, or use 'removenode force' if this \
         has failed."
    )]
    Removing,
    /// The token to move to cannot be read.
    #[error(
        "Invalid token for Murmur3Partitioner. Got {0} but expected a long value (unsigned 8 bytes integer)."
    )]
    InvalidToken(String),
    /// Somebody has the token to move to, maybe the node itself.
    #[error("target token {0} is already owned by another node.")]
    TokenTaken(Token),
    /// Only a node of one token moves.
    #[error("This node has more than one token and cannot be moved thusly.")]
    SeveralTokens,
    /// The node has no tokens to give away.
    #[error("local node is not a member of the token ring yet")]
    NotInRing,
    /// The last node cannot leave.
    #[error("no other normal nodes in the ring; decommission would be pointless")]
    LastNode,
    /// Only a NORMAL node can leave.
    #[error("Node in {0} state; wait for status to become normal or restart")]
    NotNormal(OperationMode),
    /// It was stopped, or a second cleanup has pushed this one aside (before 5.0).
    #[error(
        "java.util.concurrent.ExecutionException: \
         org.apache.cassandra.db.compaction.CompactionInterruptedException: Compaction interrupted: \
         {what}(0 / 0 bytes)@({keyspace}, {table})"
    )]
    Interrupted {
        /// What was done.
        what: &'static str,
        /// The keyspace worked on.
        keyspace: String,
        /// Its table.
        table: String,
    },
    /// One decommission at a time.
    #[error("Node is still decommissioning. Check nodetool netstats.")]
    Decommissioning,
    /// Somebody else's departure brings this node data.
    #[error("data is currently moving to this node; unable to leave the ring")]
    DataMoving,
    /// Too few nodes would remain.
    #[error(
        "Not enough live nodes to maintain replication factor in keyspace {keyspace} (RF = {factor}, N = {nodes}). \
         Perform a forceful decommission to ignore."
    )]
    Replication {
        /// The first keyspace that objects.
        keyspace: String,
        /// Its replication factor.
        factor: u32,
        /// Nodes before the decommission.
        nodes: usize,
    },
}

impl Refusal {
    /// The Java exception Cassandra throws.
    pub fn java_class(&self) -> &'static str {
        match self {
            Self::NoKeyspace(_) | Self::NoSuchDc(..) | Self::InvalidHostId(_) | Self::InvalidToken(_) => {
                "java.lang.IllegalArgumentException"
            }
            Self::Rebuilding | Self::Decommissioning | Self::NoSource(_) => "java.lang.IllegalStateException",
            Self::TokenTaken(_) => "java.io.IOException",
            Self::LocalKeyspace | Self::MembershipChange | Self::Down | Self::Interrupted { .. } => {
                "java.lang.RuntimeException"
            }
            Self::UnknownHost
            | Self::NotMember
            | Self::RemoveSelf
            | Self::Alive(_)
            | Self::Removing
            | Self::SeveralTokens
            | Self::NotInRing
            | Self::LastNode
            | Self::NotNormal(_)
            | Self::DataMoving
            | Self::Replication { .. } => "java.lang.UnsupportedOperationException",
        }
    }
}
