//! Calls of `StreamManager`: data on its way between nodes.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

use crate::address::endpoint_address;
use crate::answer::{list, string, whole_number};
use crate::call::Call;
use crate::error::Unexpected;

const MBEAN: &str = "org.apache.cassandra.net:type=StreamManager";

/// The streams this node sends or receives.
pub fn current_streams() -> Call<Vec<StreamPlan>> {
    Call::attribute(MBEAN, "CurrentStreams", |value| {
        list(value)?.iter().map(stream_plan).collect()
    })
}

/// One stream plan, seen from the node asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    /// The plan's id, the same on all nodes that take part.
    pub id: String,
    /// Why it streams, in Cassandra's words: `Rebuild`, `Bootstrap`, `Unbootstrap`, `Repair`...
    pub description: String,
    /// The other nodes.
    pub peers: BTreeSet<IpAddr>,
    /// Bytes received so far.
    pub received: u64,
    /// Bytes to receive, as far as announced.
    pub to_receive: u64,
    /// Bytes sent so far.
    pub sent: u64,
    /// Bytes to send, as far as announced.
    pub to_send: u64,
}

fn stream_plan(value: &Value) -> Result<StreamPlan, Unexpected> {
    let field = |key: &str| value.get(key).ok_or_else(|| Unexpected::new(key, value));
    Ok(StreamPlan {
        id: string(field("planId")?)?,
        description: string(field("description")?)?,
        peers: list(field("sessions")?)?
            .iter()
            .map(peer)
            .collect::<Result<_, _>>()?,
        received: whole_number(field("currentRxBytes")?)?,
        to_receive: whole_number(field("totalRxBytes")?)?,
        sent: whole_number(field("currentTxBytes")?)?,
        to_send: whole_number(field("totalTxBytes")?)?,
    })
}

fn peer(session: &Value) -> Result<IpAddr, Unexpected> {
    session
        .get("peer")
        .and_then(Value::as_str)
        .and_then(endpoint_address)
        .ok_or_else(|| Unexpected::new("a session with the address of its peer", session))
}
