//! Calls of `StorageService`: what the node is in the ring, and the work an operator asks of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::answer::{addresses, boolean, by_address, list, nothing, string, strings};
use crate::call::{Call, Pace};
use crate::error::Unexpected;
use crate::ring::TokenRange;
use crate::version::ReleaseVersion;

mod tables;

pub use tables::{
    Jobs, Output, Scrub, Tables, cleanup, compact, compact_tokens, flush, garbage_collect, scrub,
    upgrade_sstables,
};

const MBEAN: &str = "org.apache.cassandra.db:type=StorageService";

/// Where the node is in its life.
pub fn operation_mode() -> Call<OperationMode> {
    Call::attribute(MBEAN, "OperationMode", |value| {
        string(value).map(OperationMode::named)
    })
}

/// The version the node runs.
pub fn release_version() -> Call<ReleaseVersion> {
    Call::attribute(MBEAN, "ReleaseVersion", |value| {
        string(value)?
            .parse()
            .map_err(|_| Unexpected::new("a version", value))
    })
}

/// The node's own host id; `None` while it has none yet.
pub fn local_host_id() -> Call<Option<HostId>> {
    Call::attribute(MBEAN, "LocalHostId", |value| match value {
        Value::Null => Ok(None),
        _ => host_id(value).map(Some),
    })
}

/// Host ids by address: of the members of the ring, and of nodes that are joining it.
///
/// `HostIdMap`, which `CassKop` reads, is gone in 5.0; this attribute is in every version.
pub fn host_ids() -> Call<BTreeMap<IpAddr, HostId>> {
    Call::attribute(MBEAN, "EndpointToHostId", |value| by_address(value, host_id))
}

/// Nodes this node takes for alive, itself included.
pub fn live_nodes() -> Call<BTreeSet<IpAddr>> {
    Call::attribute(MBEAN, "LiveNodes", addresses)
}

/// Nodes this node takes for dead.
///
/// For three days a node that left the ring is among them, once its process has ended: gossip remembers it.
/// Only together with [`host_ids`] does it tell which members are down.
pub fn unreachable_nodes() -> Call<BTreeSet<IpAddr>> {
    Call::attribute(MBEAN, "UnreachableNodes", addresses)
}

/// Nodes that are about to join the ring.
pub fn joining_nodes() -> Call<BTreeSet<IpAddr>> {
    Call::attribute(MBEAN, "JoiningNodes", addresses)
}

/// Nodes that are leaving the ring.
pub fn leaving_nodes() -> Call<BTreeSet<IpAddr>> {
    Call::attribute(MBEAN, "LeavingNodes", addresses)
}

/// Nodes that are moving to another token.
pub fn moving_nodes() -> Call<BTreeSet<IpAddr>> {
    Call::attribute(MBEAN, "MovingNodes", addresses)
}

/// The node's own tokens.
pub fn tokens() -> Call<Vec<String>> {
    Call::attribute(MBEAN, "Tokens", strings)
}

/// All keyspaces, the node's own ones included.
pub fn keyspaces() -> Call<Vec<String>> {
    Call::attribute(MBEAN, "Keyspaces", strings)
}

/// The keyspaces that are replicated between nodes: the ones to clean up, and whose replication counts.
///
/// `NonSystemKeyspaces` gives the same: `system_auth` and its like, too, are not "system" to Cassandra.
pub fn non_local_keyspaces() -> Call<Vec<String>> {
    Call::attribute(MBEAN, "NonLocalStrategyKeyspaces", strings)
}

/// The version of the schema the node has: the same on all nodes once a change has come everywhere.
pub fn schema_version() -> Call<String> {
    Call::attribute(MBEAN, "SchemaVersion", string)
}

/// Whether the node answers CQL.
pub fn native_transport_running() -> Call<bool> {
    Call::attribute(MBEAN, "NativeTransportRunning", boolean)
}

/// Whether this node is removing another one (`removenode`).
pub fn removal_status() -> Call<RemovalStatus> {
    Call::attribute(MBEAN, "RemovalStatus", |value| {
        string(value).map(RemovalStatus::told)
    })
}

/// The token ranges of a replicated keyspace and the nodes that hold them.
pub fn describe_ring(keyspace: &str) -> Call<Vec<TokenRange>> {
    let read = |value: &Value| {
        list(value)?
            .iter()
            .map(|range| TokenRange::parse(&string(range)?))
            .collect()
    };
    let operation = "describeRingJMX(java.lang.String)";
    Call::operation(Pace::Prompt, MBEAN, operation, vec![json!(keyspace)], read)
}

/// Streams to this node what it owns, from the nodes of `datacenter`.
///
/// A node that has not yet heard that a keyspace is replicated to its own data centre rebuilds nothing of it
/// and reports success, and one that has heard of half the schema fails: compare [`schema_version`] first.
pub fn rebuild(datacenter: &str) -> Call<()> {
    Call::operation(
        Pace::Blocking,
        MBEAN,
        "rebuild(java.lang.String)",
        vec![json!(datacenter)],
        nothing,
    )
}

/// Gives the node another token: it fetches what it is to own, and hands on what it owns no more.
///
/// Cassandra refuses where the node has several tokens, and where the token is somebody's. After streams that failed the node stays MOVING, in
/// its own eyes and in those of the others, until its process is started anew; it has its former token then.
pub fn move_to(token: &str) -> Call<()> {
    Call::operation(
        Pace::Blocking,
        MBEAN,
        "move(java.lang.String)",
        vec![json!(token)],
        nothing,
    )
}

/// Takes the dead node `host_id` out of the ring; the others stream what it held among themselves.
pub fn remove_node(host_id: &HostId) -> Call<()> {
    Call::operation(
        Pace::Blocking,
        MBEAN,
        "removeNode(java.lang.String)",
        vec![json!(host_id.0)],
        nothing,
    )
}

/// Streams what this node holds to the others and takes it out of the ring.
///
/// That it returned does not say that the node left: a second call returns at once while the first one is
/// under way, and so does one on a node that has left. [`operation_mode`] tells.
///
/// 3.11 has no force, and leaves whatever the replication says; since 4.0 the node refuses, unless
/// forced, when fewer nodes would remain than a keyspace has replicas (CASSANDRA-12510).
pub fn decommission(version: ReleaseVersion, replication: Replication) -> Call<()> {
    if version < ReleaseVersion::V4_0 {
        return Call::operation(Pace::Blocking, MBEAN, "decommission()", vec![], nothing);
    }
    let force = json!(matches!(replication, Replication::MayFall));
    Call::operation(
        Pace::Blocking,
        MBEAN,
        "decommission(boolean)",
        vec![force],
        nothing,
    )
}

/// Reads the files of keys and certificates again, of connections between nodes and to clients (4.0 and newer).
pub fn reload_ssl() -> Call<()> {
    const MESSAGING_SERVICE: &str = "org.apache.cassandra.net:type=MessagingService";
    let operation = "reloadSslCertificates()";
    Call::operation(Pace::Prompt, MESSAGING_SERVICE, operation, vec![], nothing)
}

/// Stops taking requests and writes everything to sstables; the node must be restarted afterwards.
pub fn drain() -> Call<()> {
    Call::operation(Pace::Blocking, MBEAN, "drain()", vec![], nothing)
}

/// What a decommission may do to the number of replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// The node refuses when a keyspace would have fewer replicas than it asks for.
    MustHold,
    /// The node leaves all the same ("forced").
    MayFall,
}

/// A node's id in the ring: a UUID that stays the same when the address changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(String);

impl HostId {
    /// The id as Cassandra prints it: lowercase, with dashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that is not a host id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a host id: a uuid such as 5e4fb5ad-1bf0-4ab8-9ac8-9a1ae6a0a3ff is expected")]
pub struct NotAHostId(String);

impl FromStr for HostId {
    type Err = NotAHostId;

    fn from_str(text: &str) -> Result<Self, NotAHostId> {
        const DASHES: [usize; 4] = [8, 13, 18, 23];
        let is_uuid = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| {
                if DASHES.contains(&at) {
                    byte == b'-'
                } else {
                    byte.is_ascii_hexdigit()
                }
            });
        if is_uuid {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(NotAHostId(text.to_owned()))
        }
    }
}

/// The modes of `StorageService` that `nodetool netstats` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationMode {
    /// The JVM runs, the ring does not know the node yet.
    Starting,
    /// A member of the ring.
    Normal,
    /// Streaming what it is going to own.
    Joining,
    /// Joining failed and can be resumed (5.0).
    JoiningFailed,
    /// Streaming away what it owns.
    Leaving,
    /// Left the ring; the process goes on running.
    Decommissioned,
    /// Leaving failed, or was refused before it began; the node is a member and serves as before (5.0).
    DecommissionFailed,
    /// Moving to another token.
    Moving,
    /// Writing everything down before it stops.
    Draining,
    /// Does nothing more until it is restarted.
    Drained,
    /// A mode no known version has.
    Other(String),
}

impl OperationMode {
    /// Whether a node in this mode owns data: it has joined and has not left.
    pub fn is_member(&self) -> bool {
        matches!(
            self,
            Self::Normal
                | Self::Leaving
                | Self::DecommissionFailed
                | Self::Moving
                | Self::Draining
                | Self::Drained
        )
    }

    fn named(text: String) -> Self {
        match text.as_str() {
            "STARTING" => Self::Starting,
            "NORMAL" => Self::Normal,
            "JOINING" => Self::Joining,
            "JOINING_FAILED" => Self::JoiningFailed,
            "LEAVING" => Self::Leaving,
            "DECOMMISSIONED" => Self::Decommissioned,
            "DECOMMISSION_FAILED" => Self::DecommissionFailed,
            "MOVING" => Self::Moving,
            "DRAINING" => Self::Draining,
            "DRAINED" => Self::Drained,
            _ => Self::Other(text),
        }
    }
}

impl fmt::Display for OperationMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "STARTING",
            Self::Normal => "NORMAL",
            Self::Joining => "JOINING",
            Self::JoiningFailed => "JOINING_FAILED",
            Self::Leaving => "LEAVING",
            Self::Decommissioned => "DECOMMISSIONED",
            Self::DecommissionFailed => "DECOMMISSION_FAILED",
            Self::Moving => "MOVING",
            Self::Draining => "DRAINING",
            Self::Drained => "DRAINED",
            Self::Other(text) => text,
        })
    }
}

/// What `nodetool removenode status` shows on the node that carries a removal out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovalStatus {
    /// No removal under way.
    Idle,
    /// One under way, in Cassandra's words.
    Removing(String),
}

impl RemovalStatus {
    /// The wording of all versions: "No token removals in process." or "No token removals in progress."
    fn told(text: String) -> Self {
        if text.starts_with("No token removals") {
            Self::Idle
        } else {
            Self::Removing(text)
        }
    }
}

fn host_id(value: &Value) -> Result<HostId, Unexpected> {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Unexpected::new("a host id", value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decommission_has_the_signature_of_the_version() {
        let sent = |version: &str, replication| {
            decommission(version.parse().unwrap(), replication)
                .request()
                .to_json()
        };
        let old = sent("3.11.19", Replication::MustHold);
        assert_eq!(
            (&old["operation"], &old["arguments"]),
            (&json!("decommission()"), &json!([]))
        );
        for version in ["4.0.19", "4.1.10", "5.0.9"] {
            let held = sent(version, Replication::MustHold);
            assert_eq!(held["operation"], "decommission(boolean)");
            assert_eq!(held["arguments"], json!([false]));
            assert_eq!(sent(version, Replication::MayFall)["arguments"], json!([true]));
        }
    }

    #[test]
    fn a_host_id_is_a_uuid_in_either_case() {
        let id: HostId = "5E4FB5AD-1bf0-4ab8-9ac8-9a1ae6a0a3ff".parse().unwrap();
        assert_eq!(id.as_str(), "5e4fb5ad-1bf0-4ab8-9ac8-9a1ae6a0a3ff");
        for text in [
            "",
            "5e4fb5ad",
            "5e4fb5ad-1bf0-4ab8-9ac8-9a1ae6a0a3fg",
            "5e4fb5ad11bf0-4ab8-9ac8-9a1ae6a0a3ff",
        ] {
            assert_eq!(text.parse::<HostId>(), Err(NotAHostId(text.to_owned())));
        }
    }
}
