//! Who owns what, and how data moves when that changes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::identity::{HostId, derived_uuid};
use super::keyspace::RingEntry;
use super::node::{Membership, Process};
use super::operation::Operation;
use super::partitions::{Partitions, Token};
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

/// A stream plan, as one of its nodes sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The plan's id, the same on all nodes that take part.
    pub plan: String,
    /// What it is for: `Bootstrap`, `Rebuild`, `Relocation`, `Unbootstrap`.
    pub description: String,
    /// The other nodes.
    pub sessions: Vec<Session>,
}

/// What one stream plan moves between two nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The other node's address.
    pub peer: IpAddr,
    /// Partitions that come in, by keyspace.
    pub receives: BTreeMap<String, Partitions>,
    /// Partitions that go out, by keyspace.
    pub sends: BTreeMap<String, Partitions>,
}

impl Ring {
    /// Partitions each member owns of a keyspace, written or not. Local keyspaces are owned by nobody.
    pub fn owned(&self, keyspace: &str) -> BTreeMap<HostId, Partitions> {
        self.owned_among(keyspace, |_, node| node.membership.owns_data())
    }

    /// What members will own once all that are leaving have left, and all that are moving are there.
    pub(super) fn owned_after_changes(&self, keyspace: &str) -> BTreeMap<HostId, Partitions> {
        let there = |node: &Node| {
            node.moves_to
                .map_or_else(|| node.tokens.clone(), |token| vec![token])
        };
        self.owned_at(keyspace, |_, node| node.membership == Membership::Normal, there)
    }

    /// What nodes that satisfy `counts` would own if they were the ring.
    pub(super) fn owned_among(
        &self,
        keyspace: &str,
        counts: impl Fn(HostId, &Node) -> bool,
    ) -> BTreeMap<HostId, Partitions> {
        self.owned_at(keyspace, counts, |node| node.tokens.clone())
    }

    /// The same with tokens that may be others than the nodes have.
    fn owned_at(
        &self,
        keyspace: &str,
        counts: impl Fn(HostId, &Node) -> bool,
        tokens: impl Fn(&Node) -> Vec<Token>,
    ) -> BTreeMap<HostId, Partitions> {
        let mut owned = BTreeMap::new();
        let Some(known) = self.keyspaces.get(keyspace) else {
            return owned;
        };
        if known.replication.is_local() {
            return owned;
        }
        let ring = self.entries(counts, tokens);
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
        let ring = self.entries(|_, node| node.membership.owns_data(), |node| node.tokens.clone());
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
        node.tokens.clone()
    }

    fn entries(
        &self,
        counts: impl Fn(HostId, &Node) -> bool,
        tokens: impl Fn(&Node) -> Vec<Token>,
    ) -> Vec<RingEntry<'_>> {
        let mut entries: Vec<RingEntry<'_>> = self
            .nodes()
            .filter(|(host, node)| counts(*host, node))
            .flat_map(|(host, node)| {
                let location = &node.location;
                tokens(node).into_iter().map(move |token| RingEntry {
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
        !of(self.owned(keyspace)).contains(of(self.owned_after_changes(keyspace)))
    }

    /// Streams a node takes part in at the moment.
    pub fn streams(&self, host: HostId) -> Vec<Stream> {
        let mut streams = Vec::new();
        for (joining, node) in self.nodes() {
            if matches!(node.membership, Membership::Joining | Membership::Replacing(_)) {
                let owned = |keyspace: &str| {
                    self.owned_among(keyspace, |other, node| {
                        other == joining || node.membership.owns_data()
                    })
                };
                streams.extend(self.stream_into("Bootstrap", joining, host, owned, |_| true));
            }
        }
        for (_, call) in self.calls() {
            match &call.operation {
                Operation::Rebuild { source_dc, .. } => {
                    let from = |other| self.is_source(other, source_dc.as_deref());
                    let owned = |keyspace: &str| self.owned(keyspace);
                    streams.extend(self.stream_into("Rebuild", call.host, host, owned, from));
                }
                Operation::Decommission { .. } => {
                    streams.extend(self.stream_out_of("Unbootstrap", call.host, host));
                }
                Operation::Move { .. } => {
                    let owned = |keyspace: &str| self.owned_after_changes(keyspace);
                    streams.extend(self.stream_into("Relocation", call.host, host, owned, |_| true));
                    streams.extend(self.stream_out_of("Relocation", call.host, host));
                }
                _ => {}
            }
        }
        streams
    }

    /// A plan that brings `target` what it will own, as `observer` sees it.
    fn stream_into(
        &self,
        description: &str,
        target: HostId,
        observer: HostId,
        owned: impl Fn(&str) -> BTreeMap<HostId, Partitions>,
        from: impl Fn(HostId) -> bool,
    ) -> Option<Stream> {
        let mut coming: BTreeMap<HostId, BTreeMap<String, Partitions>> = BTreeMap::new();
        for name in self.keyspaces.keys() {
            let mut missing = owned(name).get(&target).copied().unwrap_or_default();
            for (source, node) in self.nodes() {
                let streams = source != target && node.process == Process::Up && node.membership.owns_data();
                let part = missing.intersection(node.held(name));
                if streams && from(source) && !part.is_empty() {
                    missing = missing.minus(part);
                    coming.entry(source).or_default().insert(name.clone(), part);
                }
            }
        }
        let sessions = if observer == target {
            let session = |(source, receives)| self.session(source, receives, BTreeMap::new());
            coming.into_iter().filter_map(session).collect()
        } else {
            let sends = coming.remove(&observer)?;
            self.session(target, BTreeMap::new(), sends).into_iter().collect()
        };
        Some(plan(description, target, sessions))
    }

    /// The plan of a node that hands on what it will own no more, as `observer` sees it.
    fn stream_out_of(&self, description: &str, leaving: HostId, observer: HostId) -> Option<Stream> {
        let held = |name: &str| {
            self.nodes
                .get(&leaving)
                .map(|node| node.held(name))
                .unwrap_or_default()
        };
        let mut going: BTreeMap<HostId, BTreeMap<String, Partitions>> = BTreeMap::new();
        for name in self.keyspaces.keys() {
            let before = self.owned(name);
            for (host, after) in self.owned_after_changes(name) {
                let gained = after.minus(before.get(&host).copied().unwrap_or_default());
                let part = gained.intersection(held(name));
                if !part.is_empty() {
                    going.entry(host).or_default().insert(name.clone(), part);
                }
            }
        }
        let sessions = if observer == leaving {
            let session = |(target, sends)| self.session(target, BTreeMap::new(), sends);
            going.into_iter().filter_map(session).collect()
        } else {
            let receives = going.remove(&observer)?;
            self.session(leaving, receives, BTreeMap::new())
                .into_iter()
                .collect()
        };
        Some(plan(description, leaving, sessions))
    }

    fn session(
        &self,
        peer: HostId,
        receives: BTreeMap<String, Partitions>,
        sends: BTreeMap<String, Partitions>,
    ) -> Option<Session> {
        let peer = self.nodes.get(&peer)?.address;
        Some(Session {
            peer,
            receives,
            sends,
        })
    }
}

fn plan(description: &str, of: HostId, sessions: Vec<Session>) -> Stream {
    let plan = derived_uuid(&format!("{description} {of}"));
    Stream {
        plan,
        description: description.to_owned(),
        sessions,
    }
}
