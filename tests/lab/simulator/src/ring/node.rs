//! One node: its process, its place in the ring, and what lies on its disk.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::identity::{HostId, Location, Release};
use super::keyspace::Holding;
use super::partitions::{Partitions, Token};
use super::{Ring, Transport};

/// A node of the ring.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Node {
    /// Broadcast address.
    pub address: IpAddr,
    /// Where the node stands.
    pub location: Location,
    /// What it runs.
    pub release: Release,
    /// Whether its process runs.
    pub process: Process,
    /// What the node says of itself (`StorageService.OperationMode`).
    pub mode: OperationMode,
    /// What the others say of it.
    pub membership: Membership,
    /// Whether it accepts CQL.
    pub native_transport: Transport,
    /// Its tokens, in order: drawn when it joined, or those of the node it replaced.
    pub tokens: Vec<Token>,
    /// The token it is on its way to, as gossip has it.
    pub moves_to: Option<Token>,
    /// What is on disk, by keyspace.
    pub holdings: BTreeMap<String, Holding>,
}

impl Node {
    /// Whether clients get answers from it. A node that leaves or moves serves to the end, and one that failed to goes on.
    pub fn serves(&self) -> bool {
        let mode = matches!(
            self.mode,
            OperationMode::Normal
                | OperationMode::Leaving
                | OperationMode::Moving
                | OperationMode::DecommissionFailed
        );
        mode && self.process == Process::Up && self.native_transport == Transport::On
    }

    /// Partitions of a keyspace on its disk, owned or not.
    pub fn held(&self, keyspace: &str) -> Partitions {
        self.holdings
            .get(keyspace)
            .map_or(Partitions::NONE, |holding| holding.partitions)
    }

    pub(super) fn store(&mut self, keyspace: &str, partitions: Partitions) {
        if partitions.is_empty() {
            return;
        }
        let fresh = Holding {
            partitions: Partitions::NONE,
            format: self.release,
        };
        let holding = self.holdings.entry(keyspace.to_owned()).or_insert(fresh);
        holding.partitions = holding.partitions.union(partitions);
    }
}

/// Whether a node's JVM runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Process {
    /// It does.
    Up,
    /// It does not.
    Down,
}

/// `StorageService.OperationMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OperationMode {
    /// The JVM is up, the ring not joined yet.
    Starting,
    /// Streaming its data in.
    Joining,
    /// In service.
    Normal,
    /// Decommission is streaming its data away.
    Leaving,
    /// A move is streaming, or failed to.
    Moving,
    /// A decommission is over; the process idles until it is stopped.
    Decommissioned,
    /// A decommission failed (5.0; older releases fall back to NORMAL).
    DecommissionFailed,
    /// A drain is running.
    Draining,
    /// Drained: nothing but a restart brings it back.
    Drained,
}

impl fmt::Display for OperationMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "STARTING",
            Self::Joining => "JOINING",
            Self::Normal => "NORMAL",
            Self::Leaving => "LEAVING",
            Self::Moving => "MOVING",
            Self::Decommissioned => "DECOMMISSIONED",
            Self::DecommissionFailed => "DECOMMISSION_FAILED",
            Self::Draining => "DRAINING",
            Self::Drained => "DRAINED",
        })
    }
}

/// A node's status in gossip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Membership {
    /// Bootstrapping: its ranges are pending.
    Joining,
    /// Bootstrapping in the place of a dead node, whose tokens it takes.
    Replacing(HostId),
    /// A member with tokens.
    Normal,
    /// A member that is being decommissioned.
    Leaving,
    /// A dead member whose ranges the others are taking over (removenode).
    BeingRemoved,
    /// Decommissioned: its disk remembers, so that it can never come back by itself.
    Decommissioned,
    /// Removed by the others while it was down: its own disk does not know.
    Removed,
}

impl Membership {
    /// Whether it has tokens, and thereby data the ring counts on.
    pub fn owns_data(self) -> bool {
        matches!(self, Self::Normal | Self::Leaving | Self::BeingRemoved)
    }

    /// Whether gossip carries the node at all.
    pub fn in_gossip(self) -> bool {
        self.owns_data() || matches!(self, Self::Joining | Self::Replacing(_))
    }
}

/// The ring as one node sees it.
#[derive(Clone, Copy, Debug)]
pub struct NodeView<'a> {
    ring: &'a Ring,
    observer: HostId,
    node: &'a Node,
}

impl Ring {
    /// The ring as the node with this host id sees it.
    pub fn view(&self, observer: HostId) -> Option<NodeView<'_>> {
        self.nodes.get(&observer).map(|node| NodeView {
            ring: self,
            observer,
            node,
        })
    }
}

impl<'a> NodeView<'a> {
    /// The whole ring.
    pub fn ring(&self) -> &'a Ring {
        self.ring
    }

    /// The observing node's host id.
    pub fn host(&self) -> HostId {
        self.observer
    }

    /// The observing node.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// Nodes that gossip carries, and the observer itself.
    pub fn peers(self) -> impl Iterator<Item = (HostId, &'a Node)> {
        self.ring
            .nodes()
            .filter(move |(host, node)| *host == self.observer || node.membership.in_gossip())
    }

    /// Nodes that were decommissioned and whose process is gone. Gossip keeps their state (LEFT) for three days, and the
    /// failure detector counts them among the dead meanwhile. The dead that were removed by others are forgotten at once.
    fn departed(self) -> impl Iterator<Item = (HostId, &'a Node)> {
        self.ring.nodes().filter(|(_, node)| {
            node.membership == Membership::Decommissioned && node.process == Process::Down
        })
    }

    /// Whether the observer's failure detector holds a node for alive.
    pub fn sees(&self, host: HostId) -> bool {
        let up = self
            .ring
            .node(host)
            .is_some_and(|node| node.process == Process::Up);
        host == self.observer || (up && !self.ring.blind.contains(&(self.observer, host)))
    }

    /// Addresses of nodes that are alive.
    pub fn live(self) -> impl Iterator<Item = IpAddr> {
        self.peers()
            .filter(move |(host, _)| self.sees(*host))
            .map(|(_, node)| node.address)
    }

    /// Addresses of nodes that are not.
    pub fn unreachable(self) -> impl Iterator<Item = IpAddr> {
        let unseen = self.peers().filter(move |(host, _)| !self.sees(*host));
        unseen.chain(self.departed()).map(|(_, node)| node.address)
    }

    /// Addresses of nodes that are bootstrapping. A node that replaces another is not among them
    /// (`TokenMetadata` keeps replacements apart from bootstrap tokens until they are in).
    pub fn joining(self) -> impl Iterator<Item = IpAddr> {
        self.peers()
            .filter(|(_, node)| node.membership == Membership::Joining)
            .map(|(_, node)| node.address)
    }

    /// Addresses of nodes that are leaving, or being removed.
    pub fn leaving(self) -> impl Iterator<Item = IpAddr> {
        let leaves = |node: &Node| matches!(node.membership, Membership::Leaving | Membership::BeingRemoved);
        self.peers()
            .filter(move |(_, node)| leaves(node))
            .map(|(_, node)| node.address)
    }

    /// Addresses of nodes that are on their way to another token.
    pub fn moving(self) -> impl Iterator<Item = IpAddr> {
        self.peers()
            .filter(|(_, node)| node.moves_to.is_some())
            .map(|(_, node)| node.address)
    }

    /// Host ids and addresses of members.
    pub fn members(self) -> impl Iterator<Item = (HostId, IpAddr)> {
        self.peers()
            .filter(|(_, node)| node.membership.in_gossip())
            .map(|(host, node)| (host, node.address))
    }
}
