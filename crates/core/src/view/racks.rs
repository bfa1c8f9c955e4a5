//! Racks: what the spec asks of them, what their status tells, and how many of their nodes are ready.

use std::fmt;

use casskop_types::CassandraCluster;
use casskop_types::operation::{OperationName, OperationStatus};
use casskop_types::status::{ActionStatus, ClusterAction, Phase, RackStatus};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;

use super::nodes::{pod_state, rack_of};
use super::{PodState, RackRef};
use crate::desired::defaults::{self, NODES_PER_RACK};

/// One rack.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RackView {
    /// Which rack.
    #[serde(flatten)]
    pub rack: RackRef,
    /// Its phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// What is, or was last, done to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionView>,
    /// Nodes that are ready, and that the spec asks for.
    #[serde(flatten)]
    pub nodes: NodeCount,
    /// Cassandra release the nodes run, as they say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// A restart is asked for and the operator has not taken it up yet.
    pub restart_asked: bool,
    /// Operation that occupies nodes of the rack, from its status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<RackOperation>,
}

/// What is done to a rack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionView {
    /// The action.
    pub name: ClusterAction,
    /// How far it is.
    pub status: ActionStatus,
    /// When it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
}

impl ActionView {
    /// Whether the action still holds the rack.
    pub fn is_pending(&self) -> bool {
        self.status != ActionStatus::Done
    }
}

/// An operation under way on nodes of a rack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RackOperation {
    /// The operation.
    pub name: OperationName,
    /// A pod it runs on, where the status names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
}

/// How many nodes there are and should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeCount {
    /// Nodes that are ready.
    pub ready: usize,
    /// Nodes that the spec asks for.
    pub wanted: usize,
}

impl fmt::Display for NodeCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.ready, self.wanted))
    }
}

/// A rack as the spec has it.
struct SpecRack {
    rack: RackRef,
    wanted: i32,
    restart_asked: bool,
}

/// The racks of a spec, with what is left out filled in: one datacenter, one rack.
fn spec_racks(cluster: &CassandraCluster) -> Vec<SpecRack> {
    let of_cluster = cluster.spec.nodes_per_racks.unwrap_or(NODES_PER_RACK);
    let default_rack = |dc: &str, wanted: i32| SpecRack {
        rack: RackRef {
            dc: dc.to_owned(),
            rack: defaults::RACK.to_owned(),
        },
        wanted,
        restart_asked: false,
    };
    let datacenters = cluster.spec.datacenters();
    if datacenters.is_empty() {
        return vec![default_rack(defaults::DC, of_cluster)];
    }
    datacenters
        .iter()
        .flat_map(|dc| {
            let wanted = dc.nodes_per_racks.unwrap_or(of_cluster);
            match dc.rack.as_deref() {
                None | Some([]) => vec![default_rack(&dc.name, wanted)],
                Some(racks) => racks
                    .iter()
                    .map(|rack| SpecRack {
                        rack: RackRef {
                            dc: dc.name.clone(),
                            rack: rack.name.clone(),
                        },
                        wanted,
                        restart_asked: rack.rolling_restart == Some(true),
                    })
                    .collect(),
            }
        })
        .collect()
}

/// The racks of a cluster with these pods.
pub(super) fn racks(cluster: &CassandraCluster, pods: &[&Pod]) -> Vec<RackView> {
    spec_racks(cluster)
        .into_iter()
        .map(
            |SpecRack {
                 rack,
                 wanted,
                 restart_asked,
             }| {
                let key = format!("{}-{}", rack.dc, rack.rack);
                let status = cluster
                    .status
                    .as_ref()
                    .and_then(|status| status.cassandra_rack_status.get(&key));
                let is_ready = |pod: &&&Pod| rack_of(pod) == rack && pod_state(pod) == PodState::Ready;
                let nodes = NodeCount {
                    ready: pods.iter().filter(is_ready).count(),
                    wanted: usize::try_from(wanted).unwrap_or(0),
                };
                RackView {
                    rack,
                    phase: status.and_then(|status| status.phase),
                    action: status.and_then(action),
                    nodes,
                    release: status.and_then(|status| status.release_version.clone()),
                    restart_asked,
                    operation: status.and_then(rack_operation),
                }
            },
        )
        .collect()
}

fn action(status: &RackStatus) -> Option<ActionView> {
    let action = status.cassandra_last_action.as_ref()?;
    Some(ActionView {
        name: action.name?,
        status: action.status?,
        started: action.start_time.as_ref().map(|time| time.0),
        ended: action.end_time.as_ref().map(|time| time.0),
    })
}

/// CassKop's status has `podLastOperation` alone, ours both, and only `operations` tells pods apart.
fn rack_operation(status: &RackStatus) -> Option<RackOperation> {
    let recorded = status
        .operations
        .iter()
        .find(|record| crate::operations::is_running(record));
    if let Some(record) = recorded {
        return Some(RackOperation {
            name: record.name,
            pod: Some(record.pod.clone()),
            started: Some(record.start_time.0),
        });
    }
    let last = status.pod_last_operation.as_ref()?;
    // CassKop leaves `Ongoing` behind when an operation's last pod has ended, until the same operation is asked for again.
    let runs = matches!(
        last.status?,
        OperationStatus::Ongoing | OperationStatus::Finalizing
    ) && !last.pods.is_empty();
    runs.then_some(())?;
    Some(RackOperation {
        name: last.name?,
        pod: last.pods.first().cloned(),
        started: last.start_time.as_ref().map(|time| time.0),
    })
}
