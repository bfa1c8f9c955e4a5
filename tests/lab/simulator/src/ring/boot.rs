//! A node's process starts, joins and stops.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::identity::{HostId, Location, Release};
use super::node::{Membership, Node, OperationMode, Process};
use super::operation::{Call, CallId};
use super::partitions::tokens_of;
use super::{Ring, Transport};

/// What a process brings along when it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// The host id on its disk, or drawn for a fresh one.
    pub host: HostId,
    /// Its address, this time.
    pub address: IpAddr,
    /// Where its snitch says it stands.
    pub location: Location,
    /// What it runs.
    pub release: Release,
    /// How many tokens it takes when it joins (`num_tokens`).
    pub num_tokens: u64,
    /// `replace_address_first_boot`: the address of the dead node to replace. Ignored when the disk is not fresh.
    pub replace: Option<IpAddr>,
}

/// How far a start got at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booted {
    /// The node is NORMAL: it was a member before, or it is the first of its ring.
    Normal,
    /// It is JOINING, until [`Ring::finish_joining`].
    Joining,
}

/// Why Cassandra gives up starting. The messages are its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootRefused {
    /// The disk is that of a decommissioned node.
    #[error(
        "This node was decommissioned and will not rejoin the ring unless cassandra.override_decommission=true \
         has been set, or all existing data is removed and the node is bootstrapped again"
    )]
    Decommissioned,
    /// Another node, not known to have left, has that address.
    #[error(
        "A node with address /{0}:7000 already exists, cancelling join. Use cassandra.replace_address if you want \
         to replace this node."
    )]
    AddressTaken(IpAddr),
    /// Cassandra lets one node in at a time (`cassandra.consistent.rangemovement`).
    #[error(
        "Other bootstrapping/leaving/moving nodes detected, cannot bootstrap while \
         cassandra.consistent.rangemovement is true. Nodes detected, bootstrapping: {joining}; leaving: {leaving}; \
         moving: {moving};"
    )]
    RangeMovement {
        /// Addresses of nodes that bootstrap.
        joining: String,
        /// Addresses of nodes that leave.
        leaving: String,
        /// Addresses of nodes that move.
        moving: String,
    },
    /// The disk comes from another data centre.
    #[error(
        "Cannot start node if snitch's data center ({now}) differs from previous data center ({before})."
    )]
    OtherDc {
        /// Announced by the snitch.
        now: String,
        /// Stored on disk.
        before: String,
    },
    /// The disk comes from another rack.
    #[error("Cannot start node if snitch's rack ({now}) differs from previous rack ({before}).")]
    OtherRack {
        /// Announced by the snitch.
        now: String,
        /// Stored on disk.
        before: String,
    },
    /// The address to replace belongs to nobody.
    #[error("Cannot replace_address /{0}:7000 because it doesn't exist in gossip")]
    NothingToReplace(IpAddr),
    /// The node to replace runs.
    #[error("Cannot replace a live node...")]
    ReplacedIsAlive,
}

impl Ring {
    /// Starts a process. A node that was a member comes back with its data; a fresh one starts joining, unless it is
    /// the first of all.
    pub fn boot(&mut self, boot: Boot) -> Result<Booted, BootRefused> {
        let known = self
            .nodes
            .get(&boot.host)
            .map(|node| (node.membership, node.location.clone()));
        match known {
            Some((membership, before))
                if !matches!(membership, Membership::Joining | Membership::Replacing(_)) =>
            {
                self.come_back(&boot, membership, before)
            }
            _ => self.bootstrap(boot),
        }
    }

    fn come_back(
        &mut self,
        boot: &Boot,
        membership: Membership,
        before: Location,
    ) -> Result<Booted, BootRefused> {
        if membership == Membership::Decommissioned {
            return Err(BootRefused::Decommissioned);
        }
        if before.dc != boot.location.dc {
            return Err(BootRefused::OtherDc {
                now: boot.location.dc.clone(),
                before: before.dc,
            });
        }
        if before.rack != boot.location.rack {
            return Err(BootRefused::OtherRack {
                now: boot.location.rack.clone(),
                before: before.rack,
            });
        }
        if let Some(node) = self.nodes.get_mut(&boot.host) {
            node.address = boot.address;
            node.release = boot.release;
            node.process = Process::Up;
            node.native_transport = Transport::On;
            // A node that died while leaving, or was removed behind its back, announces its tokens again.
            node.mode = OperationMode::Normal;
            node.membership = Membership::Normal;
            node.moves_to = None;
        }
        Ok(Booted::Normal)
    }

    fn bootstrap(&mut self, boot: Boot) -> Result<Booted, BootRefused> {
        // Half a bootstrap leaves nothing behind: the node streams again from the start.
        self.nodes.remove(&boot.host);
        let replaced = match boot.replace {
            Some(address) => Some(self.replaceable(address)?),
            None => None,
        };
        if replaced.is_none() && self.at_address(boot.address).is_some() {
            return Err(BootRefused::AddressTaken(boot.address));
        }
        self.refuse_range_movement()?;
        let first = !self.nodes.values().any(|node| node.membership.owns_data());
        let (mode, membership, booted) = match replaced {
            Some(host) => (
                OperationMode::Joining,
                Membership::Replacing(host),
                Booted::Joining,
            ),
            None if first => (OperationMode::Normal, Membership::Normal, Booted::Normal),
            None => (OperationMode::Joining, Membership::Joining, Booted::Joining),
        };
        let node = Node {
            address: boot.address,
            location: boot.location,
            release: boot.release,
            process: Process::Up,
            mode,
            membership,
            native_transport: Transport::On,
            tokens: tokens_of(boot.host, boot.num_tokens),
            moves_to: None,
            holdings: std::collections::BTreeMap::new(),
        };
        self.nodes.insert(boot.host, node);
        if booted == Booted::Normal {
            self.found(boot.host);
        }
        Ok(booted)
    }

    /// The first node of a ring holds whatever its keyspaces are said to contain.
    fn found(&mut self, host: HostId) {
        let names: Vec<String> = self.keyspaces.keys().cloned().collect();
        for name in names {
            let written = self.keyspaces[&name].written;
            let owned = self.owned(&name).get(&host).copied().unwrap_or_default();
            if let Some(node) = self.nodes.get_mut(&host) {
                node.store(&name, owned.intersection(written));
            }
        }
    }

    fn replaceable(&self, address: IpAddr) -> Result<HostId, BootRefused> {
        let host = self
            .at_address(address)
            .ok_or(BootRefused::NothingToReplace(address))?;
        match self.node(host) {
            Some(node) if node.process == Process::Up => Err(BootRefused::ReplacedIsAlive),
            _ => Ok(host),
        }
    }

    fn refuse_range_movement(&self) -> Result<(), BootRefused> {
        let addresses = |matching: fn(&Node) -> bool| {
            let found = self.nodes.values().filter(|node| matching(node));
            found
                .map(|node| format!("/{}:7000", node.address))
                .collect::<Vec<_>>()
                .join(",")
        };
        let joining =
            addresses(|node| matches!(node.membership, Membership::Joining | Membership::Replacing(_)));
        let leaving =
            addresses(|node| matches!(node.membership, Membership::Leaving | Membership::BeingRemoved));
        let moving = addresses(|node| node.moves_to.is_some());
        if joining.is_empty() && leaving.is_empty() && moving.is_empty() {
            return Ok(());
        }
        Err(BootRefused::RangeMovement {
            joining,
            leaving,
            moving,
        })
    }

    /// A joining node has streamed all it will own, and becomes a member.
    pub fn finish_joining(&mut self, host: HostId) {
        let replaced = match self.nodes.get(&host).map(|node| node.membership) {
            Some(Membership::Joining) => None,
            Some(Membership::Replacing(replaced)) => Some(replaced),
            _ => return,
        };
        if let Some(node) = replaced.and_then(|replaced| self.nodes.remove(&replaced)) {
            let tokens = node.tokens;
            if let Some(node) = self.nodes.get_mut(&host) {
                node.tokens = tokens;
            }
        }
        let names: Vec<String> = self.keyspaces.keys().cloned().collect();
        for name in names {
            let owned = self.owned_among(&name, |other, node| other == host || node.membership.owns_data());
            let streamed = self
                .streamable(&name, |_, _| true)
                .intersection(owned.get(&host).copied().unwrap_or_default());
            if let Some(node) = self.nodes.get_mut(&host) {
                node.store(&name, streamed);
            }
        }
        if let Some(node) = self.nodes.get_mut(&host) {
            node.mode = OperationMode::Normal;
            node.membership = Membership::Normal;
        }
    }

    /// A process ends, whatever the reason. Its calls in flight end with it and are returned.
    pub fn stop(&mut self, host: HostId) -> Vec<(CallId, Call)> {
        let lost: Vec<CallId> = self
            .calls()
            .filter(|(_, call)| call.host == host)
            .map(|(id, _)| id)
            .collect();
        let lost = lost
            .into_iter()
            .filter_map(|id| self.calls.remove(&id).map(|call| (id, call)))
            .collect();
        if let Some(node) = self.nodes.get_mut(&host) {
            node.process = Process::Down;
            if matches!(node.membership, Membership::Joining | Membership::Replacing(_)) {
                // Gossip forgets a node that never had tokens (a "fat client") soon after it is gone.
                self.nodes.remove(&host);
            }
        }
        lost
    }
}
