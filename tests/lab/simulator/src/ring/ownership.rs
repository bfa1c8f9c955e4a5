//! Who owns what, and how data moves when that changes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::identity::HostId;
use super::keyspace::RingEntry;
use super::node::{Membership, Process};
use super::operation::Operation;
use super::partitions::{Partitions, Token, tokens_of};
use super::{Node, Ring};

/// A token range with its replicas, as `describeRing` lists them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingRange {
    /// Exclusive start.
    pub start: Token,
    /// Inclusive end.
    pub end: Token,
    /// Replicas, nearest first.
    pub replicas: Vec<HostId>,
}

/// Data in flight towards or away from a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// What the stream is for: `Bootstrap`, `Rebuild`, `Unbootstrap`, `Restore replica count`.
    pub description: String,
    /// The other side, where one can be named.
    pub peer: IpAddr,
}

impl Ring {
    /// Partitions each member owns of a keyspace, written or not. Local keyspaces are owned by nobody.
    pub fn owned(&self, keyspace: &str) -> BTreeMap<HostId, Partitions> {
        self.owned_among(keyspace, |_, node| node.membership.owns_data())
    }

    /// What members will own once all that are leaving have left.
    pub(super) fn owned_after_leaving(&self, keyspace: &str) -> BTreeMap<HostId, Partitions> {
        self.owned_among(keyspace, |_, node| node.membership == Membership::Normal)
    }

    /// What nodes that satisfy `counts` would own if they were the ring.
    pub(super) fn owned_among(
        &self,
        keyspace: &str,
        counts: impl Fn(HostId, &Node) -> bool,
    ) -> BTreeMap<HostId, Partitions> {
        let mut owned = BTreeMap::new();
        let Some(known) = self.keyspaces.get(keyspace) else {
            return owned;
        };
        if known.replication.is_local() {
            return owned;
        }
        let ring = self.entries(counts);
        for (partition, token) in Partitions::each() {
            for host in known.replication.replicas(&ring, token) {
                let sum: &mut Partitions = owned.entry(host).or_default();
                *sum = sum.union(partition);
            }
        }
        owned
    }

    /// Token ranges of a keyspace with their replicas.
    pub fn ranges(&self, keyspace: &str) -> Vec<RingRange> {
        let Some(known) = self.keyspaces.get(keyspace) else {
            return Vec::new();
        };
        let ring = self.entries(|_, node| node.membership.owns_data());
        let previous = ring.iter().cycle().skip(ring.len().saturating_sub(1));
        ring.iter()
            .zip(previous)
            .map(|(entry, before)| RingRange {
                start: before.token,
                end: entry.token,
                replicas: known.replication.replicas(&ring, entry.token),
            })
            .collect()
    }

    /// Tokens of a node, in order.
    pub fn tokens(&self, host: HostId) -> Vec<Token> {
        let Some(node) = self.nodes.get(&host) else {
            return Vec::new();
        };
        let mut tokens: Vec<Token> = tokens_of(node.tokens_of).collect();
        tokens.sort_unstable();
        tokens
    }

    fn entries(&self, counts: impl Fn(HostId, &Node) -> bool) -> Vec<RingEntry<'_>> {
        let mut entries: Vec<RingEntry<'_>> = self
            .nodes()
            .filter(|(host, node)| counts(*host, node))
            .flat_map(|(host, node)| {
                let location = &node.location;
                tokens_of(node.tokens_of).map(move |token| RingEntry {
                    token,
                    host,
                    location,
                })
            })
            .collect();
        entries.sort_unstable_by_key(|entry| (entry.token, entry.host));
        entries
    }

    /// Partitions of a keyspace held by members that are up and satisfy `counts`: what can be streamed from them.
    pub(super) fn streamable(&self, keyspace: &str, counts: impl Fn(HostId, &Node) -> bool) -> Partitions {
        self.nodes()
            .filter(|(host, node)| {
                node.process == Process::Up && node.membership.owns_data() && counts(*host, node)
            })
            .fold(Partitions::NONE, |sum, (_, node)| sum.union(node.held(keyspace)))
    }

    /// Whether membership changes under way will give the node more of a keyspace: Cassandra's pending ranges.
    pub(super) fn has_pending_ranges(&self, keyspace: &str, host: HostId) -> bool {
        let Some(node) = self.nodes.get(&host) else {
            return false;
        };
        if matches!(node.membership, Membership::Joining | Membership::Replacing(_)) {
            return true;
        }
        let of = |owned: BTreeMap<HostId, Partitions>| owned.get(&host).copied().unwrap_or_default();
        !of(self.owned(keyspace)).contains(of(self.owned_after_leaving(keyspace)))
    }

    /// Streams a node takes part in at the moment.
    pub fn streams(&self, host: HostId) -> Vec<Stream> {
        let Some(node) = self.nodes.get(&host) else {
            return Vec::new();
        };
        let peer = self
            .nodes()
            .find(|(other, node)| *other != host && node.membership.owns_data());
        let peer = peer.map_or(node.address, |(_, node)| node.address);
        let stream = |description: &str| Stream {
            description: description.to_owned(),
            peer,
        };
        let mut streams = Vec::new();
        if matches!(node.membership, Membership::Joining | Membership::Replacing(_)) {
            streams.push(stream("Bootstrap"));
        }
        for call in self.calls_on(host) {
            match &call.operation {
                Operation::Rebuild { .. } => streams.push(stream("Rebuild")),
                Operation::Decommission { .. } => streams.push(stream("Unbootstrap")),
                _ => {}
            }
        }
        streams
    }
}
