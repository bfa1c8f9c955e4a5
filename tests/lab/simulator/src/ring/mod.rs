//! A Cassandra ring as a pure value: no clock, no I/O, no randomness. Whoever drives it says what happens and when.
//!
//! The model is as deep as an operator can see. Nodes have a host id, an address, a location, a mode, and per
//! keyspace the set of partitions they hold on disk; replication decides which they own. That is enough to tell a
//! node that was cleaned up from one that was not, a rebuilt data centre from an empty one, and lost data from data
//! that moved. Rules are those of Cassandra's `StorageService`, with its own messages.

mod boot;
mod identity;
mod keyspace;
mod node;
mod operation;
mod ownership;
mod partitions;
mod refusal;
mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use boot::{Boot, BootRefused, Booted};
pub use identity::{HostId, InvalidHostId, InvalidRelease, Location, Release, derived_uuid};
pub use keyspace::{Holding, Keyspace, Replication};
pub use node::{Membership, Node, NodeView, OperationMode, Process};
pub use operation::{Begun, Call, CallId, CompactionStatus, Force, Operation, Returned};
pub use ownership::{RingRange, Session, Stream};
pub use partitions::{NUM_TOKENS, Partitions, Token};
pub use refusal::Refusal;
pub use task::Task;

use keyspace::system_keyspaces;

/// A point in time, in milliseconds since whatever the driver counts from (the simulator: the Unix epoch).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Moment(pub u64);

/// One cluster's ring.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ring {
    name: String,
    nodes: BTreeMap<HostId, Node>,
    keyspaces: BTreeMap<String, Keyspace>,
    calls: BTreeMap<CallId, Call>,
    next_call: u64,
    /// Pairs (observer, subject): the observer's failure detector has convicted the subject although it runs.
    blind: BTreeSet<(HostId, HostId)>,
}

impl Ring {
    /// A ring that has no node yet, and the system keyspaces alone.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            nodes: BTreeMap::new(),
            keyspaces: system_keyspaces(),
            calls: BTreeMap::new(),
            next_call: 1,
            blind: BTreeSet::new(),
        }
    }

    /// `cluster_name` of the nodes' configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every node with a trace in this model: also those that left but whose process or disk is still there.
    pub fn nodes(&self) -> impl Iterator<Item = (HostId, &Node)> {
        self.nodes.iter().map(|(&host, node)| (host, node))
    }

    /// The node with this host id.
    pub fn node(&self, host: HostId) -> Option<&Node> {
        self.nodes.get(&host)
    }

    /// Keyspaces by name.
    pub fn keyspaces(&self) -> &BTreeMap<String, Keyspace> {
        &self.keyspaces
    }

    /// Calls in flight anywhere in the ring.
    pub fn calls(&self) -> impl Iterator<Item = (CallId, &Call)> {
        self.calls.iter().map(|(&id, call)| (id, call))
    }

    /// Calls in flight on one node, oldest first.
    pub fn calls_on(&self, host: HostId) -> impl Iterator<Item = &Call> {
        self.calls.values().filter(move |call| call.host == host)
    }

    /// The node that gossip knows under an address, if it is a member or on its way in or out.
    pub fn at_address(&self, address: IpAddr) -> Option<HostId> {
        self.nodes()
            .find(|(_, node)| node.address == address && node.membership.in_gossip())
            .map(|(id, _)| id)
    }

    /// Members of the ring that do not serve at the moment: their process is gone, drained, or does not accept CQL. Nodes that never joined, or have left, do not count.
    pub fn down(&self) -> impl Iterator<Item = HostId> {
        self.nodes()
            .filter(|(_, node)| node.membership.owns_data() && !node.serves())
            .map(|(host, _)| host)
    }

    /// Makes `observer` see `subject` as down, or stop doing so, whatever the subject's process does.
    pub fn set_sight(&mut self, observer: HostId, subject: HostId, sight: Sight) {
        match sight {
            Sight::Blind => self.blind.insert((observer, subject)),
            Sight::Clear => self.blind.remove(&(observer, subject)),
        };
    }

    /// Turns a node's native transport on or off, as `nodetool enablebinary` and `disablebinary` do.
    pub fn set_native_transport(&mut self, host: HostId, transport: Transport) {
        if let Some(node) = self.nodes.get_mut(&host) {
            node.native_transport = transport;
        }
    }

    /// All disks are gone, and the ring with them: whoever starts next founds another.
    pub fn forget(&mut self) {
        let calls_so_far = self.next_call;
        *self = Self::new(std::mem::take(&mut self.name));
        self.next_call = calls_so_far;
    }

    /// Creates a keyspace with data in `written`, held by its present replicas, or alters an existing one. As with
    /// ALTER KEYSPACE, new replicas of existing data get nothing until a rebuild or repair brings it.
    pub fn put_keyspace(&mut self, name: &str, keyspace: Keyspace) {
        let fresh = self
            .keyspaces
            .get(name)
            .map_or(Partitions::NONE, |old| old.written);
        let added = keyspace.written.minus(fresh);
        self.keyspaces.insert(name.to_owned(), keyspace);
        self.write(name, added);
    }

    /// Drops a keyspace and its data.
    pub fn drop_keyspace(&mut self, name: &str) {
        self.keyspaces.remove(name);
        for node in self.nodes.values_mut() {
            node.holdings.remove(name);
        }
    }

    /// Writes to some partitions of a keyspace: replicas that are up get the data (hints are not modelled).
    pub fn write(&mut self, keyspace: &str, partitions: Partitions) {
        let Some(known) = self.keyspaces.get_mut(keyspace) else {
            return;
        };
        known.written = known.written.union(partitions);
        let owned = self.owned(keyspace);
        for (host, owned) in owned {
            if let Some(node) = self
                .nodes
                .get_mut(&host)
                .filter(|node| node.process == Process::Up)
            {
                node.store(keyspace, owned.intersection(partitions));
            }
        }
    }

    /// Partitions of a keyspace that were written and that no member holds any more: lost data.
    pub fn lost(&self, keyspace: &str) -> Partitions {
        let Some(known) = self.keyspaces.get(keyspace) else {
            return Partitions::NONE;
        };
        let held = self
            .nodes
            .values()
            .filter(|node| node.membership.owns_data())
            .fold(Partitions::NONE, |held, node| held.union(node.held(keyspace)));
        known.written.minus(held)
    }
}

/// Whether one node's failure detector sees another that is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Sight {
    /// It does, as is normal.
    Clear,
    /// It does not: a broken link.
    Blind,
}

/// Whether a node accepts CQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Transport {
    /// It does.
    On,
    /// It does not, though the node may be NORMAL.
    Off,
}
