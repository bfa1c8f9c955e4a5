//! What tests can see of the simulated world.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::downs::DownHistory;
use crate::names::{ClusterId, PodId};
use crate::ring::{HostId, Moment, Node, Partitions, Ring};
use crate::world::State;

/// The pods that run Cassandra, and the number of changes so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorldView {
    /// Grows with every change of the world.
    pub revision: u64,
    /// The simulator's clock.
    pub now: Moment,
    /// Pods, by namespace and name.
    pub pods: Vec<PodView>,
}

/// A pod that runs Cassandra.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodView {
    /// Namespace and name.
    pub id: PodId,
    /// Uid.
    pub uid: String,
    /// The machine it runs on.
    pub node: String,
    /// Its cluster.
    pub cluster: ClusterId,
    /// The host id on its disk.
    pub host: HostId,
    /// Its address.
    pub address: IpAddr,
    /// Whether its kubelet has begun to stop it.
    pub stopping: bool,
}

/// A ring with its history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RingView {
    /// The simulator's clock.
    pub now: Moment,
    /// The ring.
    pub ring: Ring,
    /// Which members were down, and when.
    pub downs: DownHistory,
}

impl RingView {
    /// The node at an address.
    pub fn at(&self, address: IpAddr) -> Option<(HostId, &Node)> {
        self.ring.nodes().find(|(_, node)| node.address == address)
    }

    /// Partitions of a keyspace each node holds on disk.
    pub fn held(&self, keyspace: &str) -> BTreeMap<HostId, Partitions> {
        self.ring
            .nodes()
            .map(|(host, node)| (host, node.held(keyspace)))
            .collect()
    }

    /// Partitions each node holds and does not own: what a cleanup would drop.
    pub fn surplus(&self, keyspace: &str) -> BTreeMap<HostId, Partitions> {
        let owned = self.ring.owned(keyspace);
        let surplus = |(host, held): (HostId, Partitions)| {
            (host, held.minus(owned.get(&host).copied().unwrap_or_default()))
        };
        self.held(keyspace).into_iter().map(surplus).collect()
    }
}

pub(super) fn world(state: &State, revision: u64, now: Moment) -> WorldView {
    let mut pods: Vec<PodView> = state
        .pods
        .values()
        .map(|pod| PodView {
            id: pod.id.clone(),
            uid: pod.uid.clone(),
            node: pod.node.clone(),
            cluster: pod.cluster.clone(),
            host: pod.host,
            address: pod.address,
            stopping: pod.stopping,
        })
        .collect();
    pods.sort_by(|one, other| (&one.id, &one.uid).cmp(&(&other.id, &other.uid)));
    WorldView { revision, now, pods }
}

pub(super) fn ring(state: &State, cluster: &ClusterId, now: Moment) -> Option<RingView> {
    let cluster = state.clusters.get(cluster)?;
    Some(RingView {
        now,
        ring: cluster.ring.clone(),
        downs: cluster.downs.clone(),
    })
}
