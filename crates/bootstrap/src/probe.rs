//! What makes a node ready, and what makes it alive.
//!
//! The two are not the same question. A node is **ready** when it serves: it is NORMAL, takes CQL connections and finds
//! itself among the live nodes. It is **alive** as long as its JVM takes connections at all: a node that joins, replays its
//! commit log, drains or collects garbage must not be killed for it. `CassKop` asked both times whether the list of live nodes
//! contains the address as a piece of text, so that 10.0.0.1 was found in 10.0.0.11, and a long collection cost a node its life.

use crate::seed_list::same_address;
use crate::yaml::Document;
use serde_json::{Value, json};
use std::fmt;

/// The attributes of `StorageService` that readiness is read from, in one call.
pub fn readiness_request() -> Value {
    json!({
        "type": "read",
        "mbean": "org.apache.cassandra.db:type=StorageService",
        "attribute": ["OperationMode", "NativeTransportRunning", "LiveNodes"],
    })
}

/// The modes of full members. A node that moves serves what it owned before, also after it failed to; a refused decommission leaves
/// a 5.0 node in the last one until it is restarted, though it goes on serving as before.
const SERVING: [&str; 3] = ["NORMAL", "MOVING", "DECOMMISSION_FAILED"];

/// Judges the answer to [`readiness_request`] for the node at `address`.
pub fn readiness(answer: &Value, address: &str) -> Readiness {
    let mode = answer["OperationMode"].as_str().unwrap_or("unknown");
    let live = answer["LiveNodes"].as_array().is_some_and(|nodes| {
        nodes
            .iter()
            .filter_map(Value::as_str)
            .any(|node| same_address(host(node), address))
    });
    if !SERVING.contains(&mode) {
        Readiness::NotNormal {
            mode: mode.to_owned(),
        }
    } else if answer["NativeTransportRunning"].as_bool() != Some(true) {
        Readiness::NoNativeTransport
    } else if !live {
        Readiness::NotInGossip
    } else {
        Readiness::Ready
    }
}

/// Whether the node that gave `answer` has seen another one: there is a ring that it can be parted from.
pub fn sees_others(answer: &Value) -> bool {
    answer["LiveNodes"]
        .as_array()
        .is_some_and(|nodes| nodes.len() > 1)
}

/// An address as JMX prints it: `/10.0.0.1` in some releases, `10.0.0.1` in others.
fn host(node: &str) -> &str {
    node.trim_start_matches('/')
}

/// The verdict of the readiness probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It serves.
    Ready,
    /// It is joining, leaving, drained or something else but a full member.
    NotNormal {
        /// `OperationMode`.
        mode: String,
    },
    /// It takes no CQL connections.
    NoNativeTransport,
    /// It does not count itself among the live nodes: gossip is off.
    NotInGossip,
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::NotNormal { mode } => write!(f, "not ready: the node is {mode}, not NORMAL"),
            Self::NoNativeTransport => f.write_str("not ready: the native transport does not run"),
            Self::NotInGossip => f.write_str("not ready: the node is not among its own live nodes"),
        }
    }
}

/// The ports of a node, from its `cassandra.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// For other nodes.
    pub storage: u16,
    /// For other nodes, encrypted, where the two are apart.
    pub ssl_storage: u16,
    /// For clients.
    pub native_transport: u16,
    /// For operations.
    pub jolokia: u16,
}

impl Ports {
    /// Reads the ports, or Cassandra's defaults. Jolokia's is no setting of Cassandra's.
    pub fn of(yaml: &Document, jolokia: u16) -> Self {
        let port = |key: &str, default: u16| {
            yaml.value(key)
                .and_then(|value| value.as_u64())
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or(default)
        };
        Self {
            storage: port("storage_port", 7000),
            ssl_storage: port("ssl_storage_port", 7001),
            native_transport: port("native_transport_port", 9042),
            jolokia,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_member_that_serves_is_ready() {
        let answer = |mode: &str, native: bool, live: Value| json!({"OperationMode": mode, "NativeTransportRunning": native, "LiveNodes": live});
        let not_normal = |mode: &str| Readiness::NotNormal { mode: mode.into() };
        for (answer, verdict) in [
            (
                answer("NORMAL", true, json!(["10.0.0.2", "10.0.0.1"])),
                Readiness::Ready,
            ),
            (answer("NORMAL", true, json!(["/10.0.0.1"])), Readiness::Ready),
            (answer("MOVING", true, json!(["10.0.0.1"])), Readiness::Ready),
            (
                answer("DECOMMISSION_FAILED", true, json!(["10.0.0.1"])),
                Readiness::Ready,
            ),
            (
                answer("NORMAL", true, json!(["10.0.0.11", "110.0.0.1"])),
                Readiness::NotInGossip,
            ),
            (answer("NORMAL", true, json!([])), Readiness::NotInGossip),
            (
                answer("NORMAL", false, json!(["10.0.0.1"])),
                Readiness::NoNativeTransport,
            ),
            (
                answer("JOINING", true, json!(["10.0.0.1"])),
                not_normal("JOINING"),
            ),
            (
                answer("LEAVING", true, json!(["10.0.0.1"])),
                not_normal("LEAVING"),
            ),
            (json!({}), not_normal("unknown")),
            (Value::Null, not_normal("unknown")),
        ] {
            assert_eq!(readiness(&answer, "10.0.0.1"), verdict, "{answer}");
        }
        let v6 = answer("NORMAL", true, json!(["fd00:0:0:0:0:0:0:1"]));
        assert_eq!(readiness(&v6, "fd00::1"), Readiness::Ready);
    }

    #[test]
    fn ports_default_to_cassandras() {
        let ports = Ports::of(&Document::parse("storage_port: 17000\n"), 8778);
        assert_eq!(
            ports,
            Ports {
                storage: 17000,
                ssl_storage: 7001,
                native_transport: 9042,
                jolokia: 8778
            }
        );
    }
}
