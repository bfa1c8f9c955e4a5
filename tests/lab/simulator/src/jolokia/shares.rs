//! Who owns how much of the ring: what `StorageService` tells of tokens, loads and shares.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::attributes::load;
use super::protocol::Failure;
use crate::ring::{HostId, Keyspace, NodeView, Partitions};

/// Bytes on the disk of each member.
pub(super) fn loads(view: NodeView<'_>) -> Value {
    let entry = |(host, address): (HostId, IpAddr)| {
        let node = view.ring().node(host)?;
        Some((address.to_string(), Value::from(load(node))))
    };
    owners(view)
        .into_iter()
        .filter_map(entry)
        .collect::<Map<_, _>>()
        .into()
}

/// The member at each token.
pub(super) fn token_owners(view: NodeView<'_>) -> Value {
    let of_node = |(host, address): (HostId, IpAddr)| {
        let tokens = view.ring().tokens(host);
        tokens
            .into_iter()
            .map(move |token| (token.to_string(), Value::from(address.to_string())))
    };
    owners(view)
        .into_iter()
        .flat_map(of_node)
        .collect::<Map<_, _>>()
        .into()
}

/// Shares of the tokens, by addresses as Java writes them.
pub(super) fn of_tokens(view: NodeView<'_>) -> Value {
    let mut tokens: Vec<(i64, HostId)> = owners(view)
        .into_iter()
        .flat_map(|(host, _)| {
            view.ring()
                .tokens(host)
                .into_iter()
                .map(move |token| (token, host))
        })
        .collect();
    tokens.sort_unstable();
    let mut owned: BTreeMap<HostId, f64> = BTreeMap::new();
    let before = tokens.iter().cycle().skip(tokens.len().saturating_sub(1));
    for ((token, host), (before, _)) in tokens.iter().zip(before) {
        // A node that is alone owns the whole ring, from its token round to it.
        let range = match token.wrapping_sub(*before).cast_unsigned() {
            0 => u64::MAX,
            range => range,
        };
        *owned.entry(*host).or_default() += share(range, u64::MAX);
    }
    by_address(view, &owned)
}

/// Shares of the data of a keyspace, or of all of users', which have to be replicated alike.
pub(super) fn of_data(view: NodeView<'_>, keyspace: Option<&str>) -> Result<Value, Failure> {
    let ring = view.ring();
    let users: Vec<(&String, &Keyspace)> = ring
        .keyspaces()
        .iter()
        .filter(|(name, known)| !name.starts_with("system") && !known.replication.is_local())
        .collect();
    let first = users.first();
    if users
        .iter()
        .any(|(_, known)| first.is_some_and(|(_, other)| other.replication != known.replication))
    {
        let message = "Non-system keyspaces don't have the same replication settings, effective ownership \
                       information is meaningless";
        return Err(Failure::thrown("java.lang.IllegalStateException", message));
    }
    let name = keyspace
        .or(first.map(|(name, _)| name.as_str()))
        .unwrap_or("system_traces");
    let all = f64::from(Partitions::ALL.len());
    let owned = ring.owned(name);
    let owned = owned
        .into_iter()
        .map(|(host, held)| (host, f64::from(held.len()) / all))
        .collect();
    Ok(by_address(view, &owned))
}

/// Members that have tokens.
fn owners(view: NodeView<'_>) -> Vec<(HostId, IpAddr)> {
    view.peers()
        .filter(|(_, node)| node.membership.owns_data())
        .map(|(host, node)| (host, node.address))
        .collect()
}

fn by_address(view: NodeView<'_>, shares: &BTreeMap<HostId, f64>) -> Value {
    let entry = |(host, address): (HostId, IpAddr)| {
        let share = shares.get(&host).copied().unwrap_or_default();
        (format!("/{address}"), json!(share))
    };
    owners(view).into_iter().map(entry).collect::<Map<_, _>>().into()
}

#[expect(clippy::cast_precision_loss, reason = "a share is told in percent")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
