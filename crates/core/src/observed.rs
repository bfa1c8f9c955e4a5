//! Everything one pass has read, as values.
//!
//! The operator fills [`KubeState`] from the API server first, asks [`crate::questions::questions`] which nodes have
//! to be asked for what, and completes [`Observed`] with the answers. Nothing in here is older than the pass.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use casskop_types::cluster::CassandraCluster;
use casskop_types::names::PodName;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use crate::call::{CallKey, CallState};
use crate::fact::Fact;
use crate::replication::Replication;
use crate::work::Work;

/// The cluster object and its children, as the API server has them.
#[derive(Debug, Clone)]
pub struct KubeState {
    /// The cluster object, read in this pass (never from a cache).
    pub cluster: CassandraCluster,
    /// StatefulSets that carry the cluster's labels.
    pub statefulsets: Vec<StatefulSet>,
    /// Pods that carry the cluster's labels.
    pub pods: Vec<Pod>,
    /// The cluster's Services. `Unknown` when this pass had no reason to read them.
    pub services: Fact<Vec<Service>>,
    /// The cluster's disruption budget. `Unknown` when this pass had no reason to read it.
    pub disruption_budget: Fact<Option<PodDisruptionBudget>>,
    /// Why pods of a StatefulSet are not created, by its name, as the StatefulSet controller's latest event says it. Only of
    /// those that [`crate::questions::lacks_pods`] names, once they have lacked them for some seconds.
    pub failed_creations: BTreeMap<String, String>,
    /// Whether the API server would let claims grow, by name: what it says to a dry run. Only of those that
    /// [`crate::questions::growth_trials`] names.
    pub growth: BTreeMap<String, Result<(), String>>,
    /// Claims that carry the cluster's labels. `Unknown` unless [`crate::questions::needs_claims`] asked for them.
    pub claims: Fact<Vec<PersistentVolumeClaim>>,
    /// Digest of the content of the ConfigMap that the spec names, see [`crate::hooks::digest`]; none if there is no such ConfigMap.
    /// `Unknown` when this pass had no reason to read it.
    pub hooks: Fact<Option<String>>,
    /// Names of CassKop's backups of this cluster that have a schedule. Read only of a cluster that is
    /// [new](crate::questions::is_new).
    pub scheduled_backups: Vec<String>,
}

/// A claim of which has to be known whether it may grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrowthTrial {
    /// Name of the claim.
    pub claim: String,
    /// Size it would have, a quantity.
    pub capacity: String,
}

/// How long what an operator sent a node may be on its way after that operator died. The kernel goes on sending what it has taken,
/// and sends a lost packet again after 0.2 s, 0.6 s and 1.4 s (Linux, TCP).
pub const CALLS_ARRIVE_WITHIN: SignedDuration = SignedDuration::from_secs(2);

/// The complete input of [`crate::plan::plan`] besides the validated cluster and the time.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What the API server says.
    pub kube: KubeState,
    /// What the asked nodes say, by pod. A pod that was not asked is absent.
    pub nodes: BTreeMap<PodName, NodeFacts>,
    /// Long calls that this operator process started and has not forgotten yet.
    pub calls: BTreeMap<CallKey, CallState>,
    /// Why the API server does not let the record be made that [`crate::effect::Effect::RecordRing`] makes, if it was tried in this
    /// pass and refused.
    pub refused_record: Option<String>,
    /// Since when this operator process leads.
    pub leads_since: Timestamp,
    /// Name of the running operator pod (`POD_NAME`), written into `podLastOperation.operatorName`.
    pub operator: String,
}

/// What one Cassandra node answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// `StorageService.OperationMode`.
    pub mode: Fact<OperationMode>,
    /// `StorageService.ReleaseVersion`, for example `5.0.6`.
    pub release_version: Fact<String>,
    /// `StorageService.LocalHostId`.
    pub host_id: Fact<String>,
    /// The ring as this node sees it.
    pub ring: Fact<RingView>,
    /// Names of the `StorageService` operations (`forceKeyspaceCleanup`, `rebuild`, ...) that a thread of this node
    /// is executing right now, whoever called them.
    pub in_flight: Fact<BTreeSet<String>>,
    /// What the node is at for the operation it was asked about; `None` if it counts nothing of the kind.
    pub work: Fact<Option<Work>>,
    /// Replicas of the keyspaces that are replicated between nodes, as `describeRingJMX` tells.
    pub replication: Fact<Replication>,
    /// `StorageService.Tokens`: the node's own.
    pub tokens: Fact<Vec<String>>,
}

/// `StorageService.OperationMode`, as Cassandra 3.11 to 5.0 spell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationMode {
    /// `STARTING`
    Starting,
    /// `JOINING`
    Joining,
    /// `NORMAL`
    Normal,
    /// `LEAVING`
    Leaving,
    /// `MOVING`: it streams what another token brings and takes, and serves as before. A node whose streams failed stays so until its
    /// process is started anew.
    Moving,
    /// `DECOMMISSIONED`
    Decommissioned,
    /// `DECOMMISSION_FAILED`: the mode of 5.0 after a decommission that failed, or was refused before it began.
    DecommissionFailed,
    /// `DRAINING`: it writes down what it has in memory, and serves nobody any more.
    Draining,
    /// `DRAINED`: it does nothing until its process is started again.
    Drained,
    /// Any other word, as answered.
    Other(String),
}

impl OperationMode {
    /// Whether a node in this mode is a full member of the ring that serves.
    ///
    /// A refused decommission leaves a 5.0 node in `DECOMMISSION_FAILED` until it is restarted; it stays what it was,
    /// its native transport included (recorded in `tests/lab/traces/5.0.9`).
    pub fn serves(&self) -> bool {
        matches!(self, Self::Normal | Self::Moving | Self::DecommissionFailed)
    }
}

impl From<&str> for OperationMode {
    fn from(text: &str) -> Self {
        match text {
            "STARTING" => Self::Starting,
            "JOINING" => Self::Joining,
            "NORMAL" => Self::Normal,
            "LEAVING" => Self::Leaving,
            "MOVING" => Self::Moving,
            "DECOMMISSIONED" => Self::Decommissioned,
            "DRAINING" => Self::Draining,
            "DRAINED" => Self::Drained,
            "DECOMMISSION_FAILED" => Self::DecommissionFailed,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// The ring as one node sees it. Addresses carry no port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RingView {
    /// Nodes seen UP (the answering node included).
    pub live: BTreeSet<IpAddr>,
    /// Nodes seen DOWN.
    pub unreachable: BTreeSet<IpAddr>,
    /// Nodes that are bootstrapping.
    pub joining: BTreeSet<IpAddr>,
    /// Nodes that are being decommissioned or removed.
    pub leaving: BTreeSet<IpAddr>,
    /// Nodes that are moving.
    pub moving: BTreeSet<IpAddr>,
    /// Host id of every member.
    pub host_ids: BTreeMap<IpAddr, String>,
}

impl RingView {
    /// Members that are moving. Cassandra goes on listing the address of one that was removed meanwhile, or came back under another
    /// (`TokenMetadata.removeEndpoint` leaves it among the moving, up to 5.0).
    pub fn moving_members(&self) -> impl Iterator<Item = &IpAddr> {
        self.moving
            .iter()
            .filter(|address| self.host_ids.contains_key(*address))
    }

    /// Whether a node with this host id is a member, up or down.
    pub fn has_member(&self, host_id: &str) -> bool {
        self.addresses_of(host_id).next().is_some()
    }

    /// Where the member with this host id is: at one address, and for a moment at two while it moves.
    pub fn addresses_of(&self, host_id: &str) -> impl Iterator<Item = &IpAddr> {
        let members = self.host_ids.iter();
        let is_it = move |(_, known): &(&IpAddr, &String)| known.eq_ignore_ascii_case(host_id);
        members.filter(is_it).map(|(address, _)| address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_decommission_takes_no_node_out_of_service() {
        for (word, serves) in [
            ("NORMAL", true),
            ("DECOMMISSION_FAILED", true),
            ("MOVING", true),
            ("STARTING", false),
            ("JOINING", false),
            ("LEAVING", false),
            ("DECOMMISSIONED", false),
            ("DRAINED", false),
        ] {
            let mode = OperationMode::from(word);
            assert_eq!((mode.serves(), mode.to_string().as_str()), (serves, word));
        }
    }
}
