//! The one ring of real Cassandra that end-to-end tests share: two datacenters, one of three racks and one of a single one,
//! with one node in each rack.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::time::Duration;

use anyhow::{Result, ensure};
use casskop_lab::images::cassandra::Release;
use casskop_lab::state::Nodes;
use casskop_lab::wait::{Answer, until};
use casskop_types::cluster::CassandraCluster;
use casskop_types::status::{ActionStatus, Phase};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use crate::site::{NAMESPACE, PATIENCE, Site, manifest};

/// The cluster's name: the one whose ConfigMap the manifests let its pods read.
pub const NAME: &str = "demo";

/// The racks of the first datacenter, one node each.
pub const RACKS: [&str; 3] = ["rack1", "rack2", "rack3"];

/// The pod of the second datacenter, which no keyspace has replicas in at first.
pub const OTHER_DC: &str = "demo-dc2-rack1-0";

/// All nodes.
pub const NODES: usize = RACKS.len() + 1;

/// How long the nodes may take to form a ring, one after the other: half a minute each on two idle cores.
const FORMATION: Duration = Duration::from_mins(10);

/// Held by the test whose turn it is; whether the ring was created.
static TURN: Mutex<bool> = Mutex::const_new(false);

/// The ring, whole, with nothing under way, and for one test alone: what one does to it would disturb the others.
pub struct Ring {
    site: Site,
    _turn: MutexGuard<'static, bool>,
}

/// What can be done at its site can be done with the ring.
impl Deref for Ring {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Ring {
    /// The ring all tests of one program share; the first that asks brings it up. The tests take turns, in whatever
    /// order: none relies on what another has done.
    pub async fn shared(nodes: Nodes) -> Result<Self> {
        let mut turn = TURN.lock().await;
        let site = Site::open(nodes).await?;
        let created = *turn;
        if !created {
            create(&site)?;
            *turn = true;
        }
        let ring = Self { site, _turn: turn };
        ring.settled(if created { PATIENCE } else { FORMATION }).await?;
        if !created {
            ring.agrees().await?;
        }
        Ok(ring)
    }

    /// The host ids of the members, once every node sees the same ones up and normal: to be waited for by whoever took a node
    /// down, before anything is done that counts on all of them.
    pub async fn agrees(&self) -> Result<BTreeSet<String>> {
        let members = self.members(OTHER_DC, NODES).await?;
        for pod in self.pods() {
            let seen = self.members(&pod, NODES).await?;
            ensure!(seen == members, "{pod} sees {seen:?}, {OTHER_DC} {members:?}");
        }
        Ok(members)
    }

    /// Waits until all nodes are ready and nothing is under way.
    pub async fn settled(&self, patience: Duration) -> Result<()> {
        let ready = format!("{NODES}/{NODES}");
        until("the ring is whole", patience, async || {
            let status = self.status(NAME).await?;
            let whole = status.phase == Some(Phase::Running)
                && status.nodes_ready.as_deref() == Some(&ready)
                && status.last_cluster_action_status == Some(ActionStatus::Done);
            Ok(if whole {
                Answer::Yes(())
            } else {
                Answer::not_yet(json!(status))
            })
        })
        .await
    }

    /// Pods of the first datacenter, rack by rack.
    pub fn pods(&self) -> [String; 3] {
        RACKS.map(|rack| format!("{NAME}-dc1-{rack}-0"))
    }

    /// The uids of its pods by name.
    pub async fn uids(&self) -> Result<BTreeMap<String, String>> {
        let ours = ListParams::default().labels(&format!("cassandracluster={NAME}"));
        let pods = Api::<Pod>::namespaced(self.client.clone(), NAMESPACE)
            .list(&ours)
            .await?;
        let identity = |pod: Pod| Some((pod.metadata.name?, pod.metadata.uid?));
        Ok(pods.items.into_iter().filter_map(identity).collect())
    }

    /// The cluster as it is now.
    pub async fn cluster(&self) -> Result<CassandraCluster> {
        Ok(Api::namespaced(self.client.clone(), NAMESPACE).get(NAME).await?)
    }

    /// Makes a keyspace with a table `rows`, with a replica on every node of the first datacenter, and writes so many
    /// rows to all of them.
    pub async fn write_rows(&self, keyspace: &str, count: usize) -> Result<()> {
        let pods = self.pods();
        let [_, from, _] = &pods;
        self.cql(
            from,
            &format!(
                "DROP KEYSPACE IF EXISTS {keyspace}; \
                 CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', 'dc1': 3}}; \
                 CREATE TABLE {keyspace}.rows (id int PRIMARY KEY, value int);"
            ),
        )?;
        self.all_know_the_table(keyspace, &pods.each_ref().map(String::as_str))
            .await?;
        let rows =
            (0..count).map(|id| format!("INSERT INTO {keyspace}.rows (id, value) VALUES ({id}, {id});"));
        let statements: Vec<String> = ["CONSISTENCY ALL;".to_owned()].into_iter().chain(rows).collect();
        self.cql_in_time(from, &statements.join("\n")).await.map(drop)
    }

    /// Gives the second datacenter a replica of a keyspace, which holds nothing yet.
    pub async fn extend_to_other_dc(&self, keyspace: &str) -> Result<()> {
        let [first, ..] = &self.pods();
        self.replicate(keyspace, &[("dc1", 3), ("dc2", 1)], &[first, OTHER_DC])
            .await
    }
}

fn create(site: &Site) -> Result<()> {
    let racks = RACKS.iter().enumerate().map(|(index, rack)| {
        json!({ "name": rack, "labels": { "topology.kubernetes.io/zone": format!("zone-{}", index + 1) } })
    });
    let datacenters = json!([
        { "name": "dc1", "rack": racks.collect::<Vec<_>>() },
        { "name": "dc2", "rack": [{ "name": "rack1" }] },
    ]);
    site.apply(&manifest(NAME, Release::V5_0, &datacenters))
}
