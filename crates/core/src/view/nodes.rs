//! Nodes: the pods of a cluster, and what is known of the nodes in them.

use std::fmt;
use std::net::IpAddr;

use casskop_types::CassandraCluster;
use casskop_types::labels;
use casskop_types::operation::{OperationName, OperationRequest, OperationStatus};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;

use super::{RackRef, label};
use crate::rack::{self, Readiness, readiness_of};

/// One Cassandra pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    /// Name of the pod.
    pub pod: String,
    /// Uid of the pod.
    pub uid: String,
    /// Version of the pod this view shows.
    pub resource_version: String,
    /// Its rack, by its labels.
    pub rack: RackRef,
    /// Its place in the StatefulSet.
    pub ordinal: Option<i32>,
    /// How far the pod is.
    pub state: PodState,
    /// Whether it is one of the seeds.
    pub seed: bool,
    /// Why it will not get ready by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// How often Cassandra's container was started again.
    pub restarts: i32,
    /// Tag of Cassandra's image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_tag: Option<String>,
    /// The machine it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// When the pod was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Address of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Host id the node was last seen with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// What its labels ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestView>,
}

/// How far a pod is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PodState {
    /// Its containers do not run.
    NotRunning,
    /// It is being deleted.
    Terminating,
    /// It runs, and its readiness probe fails.
    NotReady,
    /// It serves.
    Ready,
}

impl PodState {
    /// Whether an operation can begin on it.
    pub fn runs(self) -> bool {
        matches!(self, Self::NotReady | Self::Ready)
    }
}

impl fmt::Display for PodState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotRunning => "not running",
            Self::Terminating => "being deleted",
            Self::NotReady => "not ready",
            Self::Ready => "ready",
        })
    }
}

/// What a pod's labels ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestView {
    /// The operation.
    pub name: OperationName,
    /// How far it is.
    pub status: OperationStatus,
    /// Its argument.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// Which tables it is about, and how it is done, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
}

/// The view of one pod.
pub(super) fn node(cluster: &CassandraCluster, pod: &Pod) -> NodeView {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let known = cluster
        .status
        .as_ref()
        .and_then(|status| status.cassandra_node_status.get(&name));
    NodeView {
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        resource_version: pod.metadata.resource_version.clone().unwrap_or_default(),
        rack: rack_of(pod),
        ordinal: name
            .rsplit_once('-')
            .and_then(|(_, ordinal)| ordinal.parse().ok()),
        state: pod_state(pod),
        seed: is_seed(cluster, &name),
        trouble: trouble(pod),
        restarts: rack::restarts(pod),
        image_tag: image_tag(pod),
        machine: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        created: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
        address: pod
            .status
            .as_ref()
            .and_then(|status| status.pod_ip.as_deref())
            .and_then(|ip| ip.parse().ok()),
        host_id: known.and_then(|known| known.host_id.clone()),
        request: request(pod),
        pod: name,
    }
}

/// The rack a pod belongs to by its labels.
pub(super) fn rack_of(pod: &Pod) -> RackRef {
    RackRef {
        dc: label(pod, labels::DC).unwrap_or_default().to_owned(),
        rack: label(pod, labels::RACK).unwrap_or_default().to_owned(),
    }
}

/// Seeds are listed as `<pod>.<cluster>.<namespace>`.
fn is_seed(cluster: &CassandraCluster, pod: &str) -> bool {
    let mut seeds = cluster.status.iter().flat_map(|status| &status.seed_list);
    seeds.any(|seed| seed.split('.').next() == Some(pod))
}

fn trouble(pod: &Pod) -> Option<String> {
    match readiness_of(pod) {
        Readiness::Failing(trouble) => Some(trouble.to_string()),
        Readiness::Ready | Readiness::NotReady | Readiness::Terminating => None,
    }
}

/// `5.0.9` of `registry:5000/cassandra:5.0.9@sha256:...`.
fn image_tag(pod: &Pod) -> Option<String> {
    let image = rack::cassandra(pod)?.image.as_deref()?;
    let (image, _digest) = image.split_once('@').unwrap_or((image, ""));
    let (_, name) = image.rsplit_once('/').unwrap_or(("", image));
    name.split_once(':').map(|(_, tag)| tag.to_owned())
}

/// How far a pod is.
pub(super) fn pod_state(pod: &Pod) -> PodState {
    let status = pod.status.as_ref();
    let ready = status
        .and_then(|status| status.conditions.as_ref())
        .is_some_and(|conditions| {
            conditions
                .iter()
                .any(|c| c.type_ == "Ready" && c.status == "True")
        });
    if pod.metadata.deletion_timestamp.is_some() {
        PodState::Terminating
    } else if status.and_then(|status| status.phase.as_deref()) != Some("Running") {
        PodState::NotRunning
    } else if ready {
        PodState::Ready
    } else {
        PodState::NotReady
    }
}

/// Labels nobody understands ask for nothing; the operator says so in an event.
fn request(pod: &Pod) -> Option<RequestView> {
    OperationRequest::of(pod)
        .ok()
        .flatten()
        .map(|request| RequestView {
            name: request.name,
            status: request.status,
            argument: request.argument,
            options: request.options,
        })
}
