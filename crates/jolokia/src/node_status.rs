//! All that decides about a node, read in one round trip.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::bulk::{Answers, Bulk};
use crate::compaction_manager::{Compaction, compactions};
use crate::error::{CallError, Category};
use crate::storage_service::{
    HostId, OperationMode, RemovalStatus, host_ids, joining_nodes, leaving_nodes, live_nodes, local_host_id,
    moving_nodes, native_transport_running, operation_mode, release_version, removal_status,
    unreachable_nodes,
};
use crate::stream_manager::{StreamPlan, current_streams};
use crate::version::ReleaseVersion;

/// A node and the ring as it sees it, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// The version it runs.
    pub version: ReleaseVersion,
    /// Where it is in its life.
    pub mode: OperationMode,
    /// Its own host id, once it has one.
    pub host_id: Option<HostId>,
    /// Host ids of the members of the ring and of nodes that are joining it, by address.
    pub host_ids: BTreeMap<IpAddr, HostId>,
    /// Nodes it takes for alive, itself included.
    pub live: BTreeSet<IpAddr>,
    /// Nodes it takes for dead; among them those that left the ring up to three days ago.
    pub unreachable: BTreeSet<IpAddr>,
    /// Nodes that are about to join.
    pub joining: BTreeSet<IpAddr>,
    /// Nodes that are leaving.
    pub leaving: BTreeSet<IpAddr>,
    /// Nodes that are moving.
    pub moving: BTreeSet<IpAddr>,
    /// Whether it answers CQL.
    pub native_transport_running: bool,
    /// Whether it is removing another node.
    pub removal: RemovalStatus,
    /// What its compaction executor works on; nothing while it starts.
    pub compactions: Vec<Compaction>,
    /// What it streams; nothing while it starts.
    pub streams: Vec<StreamPlan>,
}

impl NodeStatus {
    /// The members of the ring that this node takes for dead.
    pub fn down_members(&self) -> BTreeSet<IpAddr> {
        self.unreachable
            .iter()
            .filter(|address| self.host_ids.contains_key(address))
            .copied()
            .collect()
    }

    /// The questions, for one round trip.
    pub fn question() -> Bulk {
        Bulk::new()
            .ask(&release_version())
            .ask(&operation_mode())
            .ask(&local_host_id())
            .ask(&host_ids())
            .ask(&live_nodes())
            .ask(&unreachable_nodes())
            .ask(&joining_nodes())
            .ask(&leaving_nodes())
            .ask(&moving_nodes())
            .ask(&native_transport_running())
            .ask(&removal_status())
            .ask(&compactions())
            .ask(&current_streams())
    }

    /// Reads the answers.
    ///
    /// # Errors
    /// That of the first question without a usable answer.
    pub fn parse(answers: &Answers) -> Result<Self, CallError> {
        Ok(Self {
            version: answers.to(&release_version())?,
            mode: answers.to(&operation_mode())?,
            host_id: answers.to(&local_host_id())?,
            host_ids: answers.to(&host_ids())?,
            live: answers.to(&live_nodes())?,
            unreachable: answers.to(&unreachable_nodes())?,
            joining: answers.to(&joining_nodes())?,
            leaving: answers.to(&leaving_nodes())?,
            moving: answers.to(&moving_nodes())?,
            native_transport_running: answers.to(&native_transport_running())?,
            removal: answers.to(&removal_status())?,
            compactions: none_if_missing(answers.to(&compactions()))?,
            streams: none_if_missing(answers.to(&current_streams()))?,
        })
    }
}

/// A node that starts registers `StorageService` before the MBeans of what it does not do yet.
fn none_if_missing<T>(answer: Result<Vec<T>, CallError>) -> Result<Vec<T>, CallError> {
    match answer {
        Err(error) if error.category() == Category::Missing => Ok(Vec::new()),
        other => other,
    }
}
