//! Blocking calls: what a node refuses, what it does meanwhile, and what has changed when the call returns.

use serde::{Deserialize, Serialize};

use super::identity::{HostId, Release};
use super::node::{Membership, OperationMode, Process};
use super::partitions::{Partitions, Token};
use super::refusal::Refusal;
use super::{Moment, Node, Ring, Transport};

/// A call a node is asked to carry out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "camelCase")]
pub enum Operation {
    /// `forceKeyspaceCleanup`: drop data the node does not own.
    Cleanup {
        /// Keyspace to clean.
        keyspace: String,
    },
    /// `upgradeSSTables`: rewrite what an older release wrote.
    UpgradeSstables {
        /// Keyspace to rewrite.
        keyspace: String,
    },
    /// `rebuild`: stream all the node owns from another data centre.
    Rebuild {
        /// The data centre to stream from; any where there is none.
        source_dc: Option<String>,
        /// The keyspace to rebuild; all where there is none.
        keyspace: Option<String>,
    },
    /// `removeNode`: take over the ranges of a dead node.
    RemoveNode {
        /// Who is to go, as given: it may not be a host id at all.
        host: String,
    },
    /// `decommission`: stream all away and leave.
    Decommission {
        /// Whether replication is checked first.
        force: Force,
    },
    /// `move`: take another token.
    Move {
        /// The token, as given.
        token: String,
    },
    /// `drain`: stop accepting anything.
    Drain,
    /// Any other work on the `SSTables` of one keyspace, which changes nothing this model can see.
    Maintain {
        /// The operation of `StorageService`.
        name: String,
        /// Keyspace worked on.
        keyspace: String,
    },
}

/// Whether a decommission may break the replication factor of a keyspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Force {
    /// It may not.
    Checked,
    /// It may. What `decommission()` of 3.11 always means.
    Forced,
}

/// Names a call for as long as it is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(pub u64);

/// A call in flight.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Call {
    /// The node that carries it out.
    pub host: HostId,
    /// What it does.
    pub operation: Operation,
    /// When it began.
    pub begun: Moment,
    /// Whether another call has pushed it aside: it will fail.
    pub interrupted: bool,
    /// Whether somebody has stopped it: it fails now.
    pub stopped: bool,
}

/// `CompactionManager.AllSSTableOpStatus`, which calls over `SSTables` return as an int.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CompactionStatus {
    /// 0
    Successful,
    /// 1
    Aborted,
    /// 2
    UnableToCancel,
}

impl CompactionStatus {
    /// The int a caller gets.
    pub fn code(self) -> i32 {
        match self {
            Self::Successful => 0,
            Self::Aborted => 1,
            Self::UnableToCancel => 2,
        }
    }
}

/// What a call returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Returned {
    /// Nothing (`void`).
    Nothing,
    /// A status int.
    Status(CompactionStatus),
}

/// What became of a call a node accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is in flight.
    InFlight(CallId),
    /// It is over already: there is nothing to do, or somebody else is at it.
    Over(Returned),
}

impl Ring {
    /// A node accepts or refuses a call. One in flight is so until [`Ring::finish`], [`Ring::abort`] or the node's end.
    pub fn begin(&mut self, host: HostId, operation: Operation, now: Moment) -> Result<Begun, Refusal> {
        let node = self
            .nodes
            .get(&host)
            .filter(|node| node.process == Process::Up)
            .ok_or(Refusal::Down)?;
        match &operation {
            Operation::Cleanup { keyspace } => {
                self.check_cleanup(host, keyspace)?;
                let newer = node.release.at_least(5, 0);
                let other = self.calls.values_mut().find(|call| {
                    call.host == host && matches!(&call.operation, Operation::Cleanup { keyspace: other } if other == keyspace)
                });
                match other {
                    // It waits for the other one for a minute at most, and gives up.
                    Some(_) if newer => {
                        return Ok(Begun::Over(Returned::Status(CompactionStatus::UnableToCancel)));
                    }
                    Some(other) => other.interrupted = true,
                    None => {}
                }
            }
            Operation::UpgradeSstables { keyspace } | Operation::Maintain { keyspace, .. } => {
                self.known(keyspace)?;
            }
            Operation::Rebuild { source_dc, keyspace } => {
                self.check_rebuild(host, source_dc.as_deref(), keyspace.as_deref())?;
            }
            Operation::RemoveNode { host: gone } => {
                let gone = self.check_remove(host, gone)?;
                self.set_membership(gone, Membership::BeingRemoved);
            }
            Operation::Decommission { force } => {
                let newer = node.release.at_least(5, 0);
                let leaving = matches!(node.mode, OperationMode::Leaving | OperationMode::Decommissioned);
                if newer && leaving {
                    return Ok(Begun::Over(Returned::Nothing));
                }
                self.check_decommission(host, node)?;
                if let Err(refusal) = self.check_replication(host, node, *force) {
                    // A refusal this late is a failed decommission to 5.0, and stays one until the node restarts.
                    if newer {
                        self.set_mode(host, OperationMode::DecommissionFailed);
                    }
                    return Err(refusal);
                }
                self.set_mode(host, OperationMode::Leaving);
                self.set_membership(host, Membership::Leaving);
            }
            Operation::Move { token } => {
                let token = self.check_move(host, node, token)?;
                self.set_mode(host, OperationMode::Moving);
                if let Some(node) = self.nodes.get_mut(&host) {
                    node.moves_to = Some(token);
                }
            }
            Operation::Drain => {
                self.set_mode(host, OperationMode::Draining);
                self.set_native_transport(host, Transport::Off);
            }
        }
        let id = CallId(self.next_call);
        self.next_call += 1;
        self.calls.insert(
            id,
            Call {
                host,
                operation,
                begun: now,
                interrupted: false,
                stopped: false,
            },
        );
        Ok(Begun::InFlight(id))
    }

    /// A call in flight comes to its end. `None` when it is not in flight any more.
    pub fn finish(&mut self, id: CallId) -> Option<Result<Returned, Refusal>> {
        let Call {
            host,
            operation,
            interrupted,
            ..
        } = self.calls.remove(&id)?;
        if interrupted && let Some((task, keyspace)) = operation.compaction() {
            let tables = self.keyspaces.get(keyspace).map(|known| known.tables.as_slice());
            return Some(Err(Refusal::Interrupted {
                what: task.description(self.is_five(host)),
                keyspace: keyspace.to_owned(),
                table: tables.and_then(<[String]>::first).cloned().unwrap_or_default(),
            }));
        }
        let returned = match operation {
            Operation::Cleanup { keyspace } => self.clean(host, &keyspace),
            Operation::UpgradeSstables { keyspace } => self.upgrade(host, &keyspace),
            Operation::Rebuild { source_dc, keyspace } => {
                self.rebuild(host, source_dc.as_deref(), keyspace.as_deref());
                Returned::Nothing
            }
            Operation::RemoveNode { host: gone } => {
                if let Ok(gone) = gone.parse() {
                    self.hand_over(gone, |_, _| true);
                    self.set_membership(gone, Membership::Removed);
                }
                Returned::Nothing
            }
            Operation::Decommission { .. } => {
                self.hand_over(host, |streaming, _| streaming == host);
                self.set_membership(host, Membership::Decommissioned);
                self.set_mode(host, OperationMode::Decommissioned);
                self.set_native_transport(host, Transport::Off);
                Returned::Nothing
            }
            Operation::Move { .. } => {
                self.relocate(host);
                Returned::Nothing
            }
            Operation::Drain => {
                self.set_mode(host, OperationMode::Drained);
                Returned::Nothing
            }
            Operation::Maintain { name, .. } => match name.as_str() {
                "forceKeyspaceCompaction" | "forceKeyspaceCompactionForTokenRange" | "forceKeyspaceFlush" => {
                    Returned::Nothing
                }
                _ => Returned::Status(CompactionStatus::Successful),
            },
        };
        Some(Ok(returned))
    }

    /// A call in flight fails half-way: nothing it was to achieve has happened. A node that failed to leave stays LEAVING in
    /// the eyes of the others, until it succeeds or is restarted, and one that failed to move stays MOVING.
    pub fn abort(&mut self, id: CallId) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        if self.is_five(call.host) && matches!(call.operation, Operation::Decommission { .. }) {
            self.set_mode(call.host, OperationMode::DecommissionFailed);
        }
        Some(call)
    }

    /// The tasks of a kind (`OperationType`) that run on a node are told to stop: what was asked for them fails at once.
    pub fn stop_compactions(&mut self, host: HostId, kind: &str) {
        let five = self.is_five(host);
        for call in self.calls.values_mut().filter(|call| call.host == host) {
            let task = call.operation.compaction().map(|(task, _)| task);
            if task.is_some_and(|task| task.operation_type(five) == kind) {
                call.interrupted = true;
                call.stopped = true;
            }
        }
    }

    /// Whether a call in flight was told to stop.
    pub fn is_stopped(&self, id: CallId) -> bool {
        self.calls.get(&id).is_some_and(|call| call.stopped)
    }

    fn is_five(&self, host: HostId) -> bool {
        let node = self.nodes.get(&host);
        node.is_some_and(|node| node.release.at_least(5, 0))
    }

    fn known(&self, keyspace: &str) -> Result<(), Refusal> {
        let found = self.keyspaces.contains_key(keyspace);
        found
            .then_some(())
            .ok_or_else(|| Refusal::NoKeyspace(keyspace.to_owned()))
    }

    fn check_cleanup(&self, host: HostId, keyspace: &str) -> Result<(), Refusal> {
        self.known(keyspace)?;
        if self.keyspaces[keyspace].replication.is_local() {
            return Err(Refusal::LocalKeyspace);
        }
        if self.has_pending_ranges(keyspace, host) {
            return Err(Refusal::MembershipChange);
        }
        Ok(())
    }

    fn check_rebuild(
        &self,
        host: HostId,
        source_dc: Option<&str>,
        keyspace: Option<&str>,
    ) -> Result<(), Refusal> {
        let members = || self.nodes.values().filter(|node| node.membership.owns_data());
        if let Some(dc) = source_dc
            && !members().any(|node| node.location.dc == dc)
        {
            let mut dcs: Vec<&str> = members().map(|node| node.location.dc.as_str()).collect();
            dcs.sort_unstable();
            dcs.dedup();
            return Err(Refusal::NoSuchDc(dc.to_owned(), dcs.join(",")));
        }
        if self
            .calls_on(host)
            .any(|call| matches!(call.operation, Operation::Rebuild { .. }))
        {
            return Err(Refusal::Rebuilding);
        }
        for name in self.rebuilt(keyspace) {
            self.check_sources(host, source_dc, name)?;
        }
        Ok(())
    }

    /// Every range needs a live replica in the source. Where there is but one replica in all, Cassandra only warns.
    fn check_sources(&self, host: HostId, source_dc: Option<&str>, keyspace: &str) -> Result<(), Refusal> {
        let Some(node) = self.nodes.get(&host) else {
            return Ok(());
        };
        let owned = self.owned(keyspace);
        let wanted = owned.get(&host).copied().unwrap_or_default();
        let sources = owned
            .iter()
            .filter(|(other, _)| **other != host && self.is_source(**other, source_dc))
            .fold(Partitions::NONE, |sum, (_, partitions)| sum.union(*partitions));
        let replicas: u32 = match &self.keyspaces[keyspace].replication {
            super::Replication::NetworkTopologyStrategy { replicas } => replicas.values().sum(),
            other => other.factor_in(&node.location.dc),
        };
        if replicas > 1 && !sources.contains(wanted) {
            return Err(Refusal::NoSource(keyspace.to_owned()));
        }
        Ok(())
    }

    pub(super) fn is_source(&self, host: HostId, dc: Option<&str>) -> bool {
        self.nodes
            .get(&host)
            .is_some_and(|node| node.process == Process::Up && dc.is_none_or(|dc| node.location.dc == dc))
    }

    fn rebuilt<'a>(&'a self, keyspace: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        self.keyspaces
            .iter()
            .filter(move |(name, known)| {
                !known.replication.is_local() && keyspace.is_none_or(|only| only == name.as_str())
            })
            .map(|(name, _)| name.as_str())
    }

    fn check_remove(&self, host: HostId, gone: &str) -> Result<HostId, Refusal> {
        let gone: HostId = gone
            .parse()
            .map_err(|_| Refusal::InvalidHostId(gone.to_owned()))?;
        let node = self.nodes.get(&gone).filter(|node| node.membership.in_gossip());
        let node = node.ok_or(Refusal::UnknownHost)?;
        if !node.membership.owns_data() {
            return Err(Refusal::NotMember);
        }
        if gone == host {
            return Err(Refusal::RemoveSelf);
        }
        if self.view(host).is_some_and(|view| view.sees(gone)) {
            return Err(Refusal::Alive(node.address));
        }
        if self
            .calls_on(host)
            .any(|call| matches!(call.operation, Operation::RemoveNode { .. }))
        {
            return Err(Refusal::Removing);
        }
        Ok(gone)
    }

    fn check_decommission(&self, host: HostId, node: &Node) -> Result<(), Refusal> {
        if self
            .calls_on(host)
            .any(|call| matches!(call.operation, Operation::Decommission { .. }))
        {
            return Err(Refusal::Decommissioning);
        }
        if node.mode == OperationMode::Leaving {
            // An earlier attempt failed half-way; before 5.0 that shows in nothing but the mode.
            return Ok(());
        }
        if !node.membership.owns_data() {
            return Err(Refusal::NotInRing);
        }
        let others = self
            .nodes()
            .filter(|(other, node)| *other != host && node.membership == Membership::Normal);
        if others.count() == 0 {
            return Err(Refusal::LastNode);
        }
        if !matches!(
            node.mode,
            OperationMode::Normal | OperationMode::DecommissionFailed
        ) {
            return Err(Refusal::NotNormal(node.mode));
        }
        Ok(())
    }

    fn check_move(&self, host: HostId, node: &Node, token: &str) -> Result<Token, Refusal> {
        let token: Token = token
            .parse()
            .map_err(|_| Refusal::InvalidToken(token.to_owned()))?;
        let mut members = self.nodes.values().filter(|node| node.membership.owns_data());
        if members.any(|member| member.tokens.contains(&token)) {
            return Err(Refusal::TokenTaken(token));
        }
        if node.tokens.len() > 1 {
            return Err(Refusal::SeveralTokens);
        }
        let mut keyspaces = self.keyspaces.keys();
        if node.moves_to.is_some() || keyspaces.any(|name| self.has_pending_ranges(name, host)) {
            return Err(Refusal::DataMoving);
        }
        Ok(token)
    }

    fn check_replication(&self, host: HostId, node: &Node, force: Force) -> Result<(), Refusal> {
        if force == Force::Forced {
            return Ok(());
        }
        for (name, keyspace) in self
            .keyspaces
            .iter()
            .filter(|(_, keyspace)| !keyspace.replication.is_local())
        {
            let by_dc = matches!(
                keyspace.replication,
                super::Replication::NetworkTopologyStrategy { .. }
            );
            let nodes = self
                .nodes
                .values()
                .filter(|other| other.membership.owns_data())
                .filter(|other| !by_dc || other.location.dc == node.location.dc)
                .count();
            let factor = match &keyspace.replication {
                super::Replication::EverywhereStrategy => 0,
                other => other.factor_in(&node.location.dc),
            };
            if nodes <= usize::try_from(factor).unwrap_or(usize::MAX) {
                return Err(Refusal::Replication {
                    keyspace: name.clone(),
                    factor,
                    nodes,
                });
            }
            if self.has_pending_ranges(name, host) {
                return Err(Refusal::DataMoving);
            }
        }
        Ok(())
    }

    fn clean(&mut self, host: HostId, keyspace: &str) -> Returned {
        let owned = self.owned(keyspace).get(&host).copied().unwrap_or_default();
        let Some(node) = self
            .nodes
            .get_mut(&host)
            .filter(|node| node.membership.owns_data())
        else {
            return Returned::Status(CompactionStatus::Aborted);
        };
        if let Some(holding) = node.holdings.get_mut(keyspace) {
            holding.partitions = holding.partitions.intersection(owned);
        }
        Returned::Status(CompactionStatus::Successful)
    }

    fn upgrade(&mut self, host: HostId, keyspace: &str) -> Returned {
        if let Some(node) = self.nodes.get_mut(&host) {
            let release: Release = node.release;
            if let Some(holding) = node.holdings.get_mut(keyspace) {
                holding.format = release;
            }
        }
        Returned::Status(CompactionStatus::Successful)
    }

    fn rebuild(&mut self, host: HostId, source_dc: Option<&str>, keyspace: Option<&str>) {
        let names: Vec<String> = self.rebuilt(keyspace).map(str::to_owned).collect();
        for name in names {
            let streamed = self.streamable(&name, |other, _| {
                other != host && self.is_source(other, source_dc)
            });
            let owned = self.owned(&name).get(&host).copied().unwrap_or_default();
            if let Some(node) = self.nodes.get_mut(&host) {
                node.store(&name, streamed.intersection(owned));
            }
        }
    }

    /// The others take over what `gone` owns, streamed from the nodes that satisfy `streams`.
    fn hand_over(&mut self, gone: HostId, streams: impl Fn(HostId, &Node) -> bool) {
        let names: Vec<String> = self.keyspaces.keys().cloned().collect();
        for name in names {
            let before = self.owned(&name);
            let after = self.owned_among(&name, |host, node| host != gone && node.membership.owns_data());
            let streamed = self.streamable(&name, &streams);
            for (host, owned) in after {
                let gained = owned.minus(before.get(&host).copied().unwrap_or_default());
                if let Some(node) = self.nodes.get_mut(&host) {
                    node.store(&name, gained.intersection(streamed));
                }
            }
        }
    }

    /// A node is where it was moving to: it has fetched what it owns there, and handed on what it owned.
    fn relocate(&mut self, host: HostId) {
        let names: Vec<String> = self.keyspaces.keys().cloned().collect();
        for name in names {
            let before = self.owned(&name);
            let after = self.owned_after_changes(&name);
            let streamed = self.streamable(&name, |_, _| true);
            for (gaining, owned) in after {
                let gained = owned.minus(before.get(&gaining).copied().unwrap_or_default());
                if let Some(node) = self.nodes.get_mut(&gaining) {
                    node.store(&name, gained.intersection(streamed));
                }
            }
        }
        if let Some(node) = self.nodes.get_mut(&host)
            && let Some(token) = node.moves_to.take()
        {
            node.tokens = vec![token];
        }
        self.set_mode(host, OperationMode::Normal);
    }

    fn set_mode(&mut self, host: HostId, mode: OperationMode) {
        if let Some(node) = self.nodes.get_mut(&host) {
            node.mode = mode;
        }
    }

    fn set_membership(&mut self, host: HostId, membership: Membership) {
        if let Some(node) = self.nodes.get_mut(&host) {
            node.membership = membership;
        }
    }
}
