//! Calls of `StorageService` that tell who owns what of the ring, and how much each node holds.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use crate::address::endpoint_address;
use crate::answer::{by_address, string};
use crate::call::{Call, Pace};
use crate::error::Unexpected;

const MBEAN: &str = "org.apache.cassandra.db:type=StorageService";

/// How much each member has on its disk, in Cassandra's words (`19.98 MiB`), as gossip carries it: up to a minute old. A node that
/// has just started has none yet.
pub fn loads() -> Call<BTreeMap<IpAddr, String>> {
    Call::attribute(MBEAN, "LoadMap", |value| by_address(value, string))
}

/// The member at each token, by token in the order of its text.
pub fn token_owners() -> Call<BTreeMap<String, IpAddr>> {
    Call::attribute(MBEAN, "TokenToEndpointMap", |value| {
        let entries = value.as_object().ok_or_else(|| Unexpected::new("a map", value))?;
        let owner = |(token, value): (&String, &Value)| {
            let address = value.as_str().and_then(endpoint_address);
            let address = address.ok_or_else(|| Unexpected::new("an address", value))?;
            Ok((token.clone(), address))
        };
        entries.iter().map(owner).collect()
    })
}

/// The share of the tokens each member owns, from 0 to 1, replicas left aside.
pub fn token_shares() -> Call<BTreeMap<IpAddr, f64>> {
    Call::attribute(MBEAN, "Ownership", shares)
}

/// The share of the data each member owns as a replica, from 0 to 1: that of all user keyspaces, where they are replicated alike.
///
/// Where they are not, the node refuses, since there is no one share; `nodetool status` tells [`token_shares`] then.
pub fn effective_shares() -> Call<BTreeMap<IpAddr, f64>> {
    let operation = "effectiveOwnership(java.lang.String)";
    Call::operation(Pace::Prompt, MBEAN, operation, vec![json!(null)], shares)
}

fn shares(value: &Value) -> Result<BTreeMap<IpAddr, f64>, Unexpected> {
    by_address(value, |share| {
        share.as_f64().ok_or_else(|| Unexpected::new("a share", share))
    })
}
