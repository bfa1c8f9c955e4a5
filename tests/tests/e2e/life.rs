//! The whole life of a ring, under a client that writes and reads at QUORUM all the while. Whatever is done to the ring, every
//! row whose write was acknowledged is there afterwards, and no request is refused in all the client's tries.

mod configuration;
mod datacenter;
mod power_cut;
mod sizes;
mod upgrade;

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use casskop_lab::images::cassandra::Release;
use casskop_lab::wait::{Answer, until};
use casskop_tests::ring::RACKS;
use casskop_tests::site::{NAMESPACE, PATIENCE, Site, manifest};
use casskop_tests::traffic::{Client, TRIES};
use casskop_types::status::{ActionStatus, CassandraClusterStatus, ClusterAction, Phase};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use serde_json::{Value, json};

use crate::NODES;

const NAME: &str = "life";

const KEYSPACE: &str = "shop";

/// The node of a second datacenter, as long as there is one.
const OTHER_DC: &str = "life-dc2-rack1-0";

/// A ring in use.
struct Life {
    site: Site,
    client: Client,
    /// The first node of each rack of the first datacenter: these the client talks to.
    pods: [String; 3],
}

#[tokio::test]
async fn a_ring_in_use_goes_through_everything_and_loses_nothing() -> Result<()> {
    let began = Instant::now();
    let site = Site::open(NODES).await?;
    let pods = RACKS.map(|rack| format!("{NAME}-dc1-{rack}-0"));
    create(&site, &pods).await?;
    let table = format!("{KEYSPACE}.rows");
    let life = Life {
        client: Client::start(site.kubectl_from_anywhere(), pods.to_vec(), &table),
        site,
        pods,
    };
    let tell = |step: &str, rows: usize| println!("{} s: {step}, {rows} rows", began.elapsed().as_secs());

    // Each step reads everything back at its end, row by row.
    tell("begins", 0);
    let rows = datacenter::comes_and_gets_the_data(&life).await?;
    tell("a datacenter has come", rows);
    let rows = upgrade::to_the_next_major_release(&life).await?;
    tell("upgraded", rows);
    let rows = datacenter::goes(&life).await?;
    tell("the datacenter has gone", rows);
    let rows = sizes::a_second_node_in_each_rack(&life, rows).await?;
    tell("grown", rows);
    let rows = sizes::one_node_in_each_rack_again(&life, rows).await?;
    tell("shrunk", rows);
    let rows = configuration::changes(&life).await?;
    tell("configured", rows);

    let traffic = life.client.stop()?;
    println!("{traffic:?}, of {TRIES} tries for each batch");
    power_cut::everywhere(&life.site, &life.pods).await?;
    intact(&life.site, &life.pods[0], traffic.acknowledged, "ALL").await?;
    tell("restarted at once", traffic.acknowledged);
    life.site
        .typed(&format!("kubectl delete cassandracluster {NAME} --timeout 3m"))
        .map(drop)
}

/// Three racks of a node each, of the release before, and a table with a replica in every rack.
async fn create(site: &Site, pods: &[String; 3]) -> Result<()> {
    let mut cluster = manifest(NAME, Release::V4_1, &json!([datacenter("dc1", &RACKS)]));
    cluster["spec"]["deletePVC"] = json!(true);
    site.apply(&cluster)?;
    settled(site, 3).await?;
    create_table(site, &pods.each_ref().map(String::as_str), KEYSPACE, "'dc1': 3").await
}

/// A table with a row that all replicas have, and no compaction on its own: files are looked at while the ring is in use.
async fn create_table(site: &Site, pods: &[&str], keyspace: &str, replicas: &str) -> Result<()> {
    let first = pods.first().context("no node to ask")?;
    site.cql(
        first,
        &format!(
            "CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', {replicas}}}; \
             CREATE TABLE {keyspace}.rows (id int PRIMARY KEY, value int) \
             WITH compaction = {{'class': 'SizeTieredCompactionStrategy', 'min_threshold': 32}};"
        ),
    )?;
    site.all_know_the_table(keyspace, pods).await?;
    let row = format!("CONSISTENCY ALL; INSERT INTO {keyspace}.rows (id, value) VALUES (-1, -1);");
    site.cql_in_time(first, &row).await.map(drop)
}

/// A datacenter as the spec has it.
fn datacenter(name: &str, racks: &[&str]) -> Value {
    let racks: Vec<_> = racks.iter().map(|rack| json!({ "name": rack })).collect();
    json!({ "name": name, "rack": racks })
}

impl Life {
    /// Merges into the spec, as a user does.
    fn change(&self, spec: &Value) -> Result<()> {
        let patch = json!({ "spec": spec });
        self.site
            .typed(&format!(
                "kubectl patch cassandracluster {NAME} --type merge --patch '{patch}'"
            ))
            .map(drop)
    }

    /// Waits until the last action of racks is this one, done.
    async fn action_done(&self, racks: &[&str], action: ClusterAction) -> Result<()> {
        let is_done = |status: &CassandraClusterStatus, rack: &str| {
            let last = status
                .cassandra_rack_status
                .get(rack)?
                .cassandra_last_action
                .as_ref()?;
            Some(last.name == Some(action) && last.status == Some(ActionStatus::Done))
        };
        status_is(&self.site, &format!("{action} is done"), |status| {
            racks.iter().all(|rack| is_done(status, rack) == Some(true))
        })
        .await
    }

    /// That every row acknowledged so far is there: how many. All replicas have them then, since a read at ALL brings each
    /// replica what it lacks.
    async fn intact(&self) -> Result<usize> {
        let traffic = self.client.seen()?;
        intact(&self.site, &self.pods[0], traffic.acknowledged, "ALL").await?;
        Ok(traffic.acknowledged)
    }

    /// A node comes to see so many nodes, all of them up and normal.
    async fn has_members(&self, count: usize) -> Result<()> {
        self.site.members(&self.pods[0], count).await.map(drop)
    }

    /// Whether a pod's data claim is there.
    async fn has_claim(&self, pod: &str) -> Result<bool> {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.site.client.clone(), NAMESPACE);
        Ok(claims.get_opt(&format!("data-{pod}")).await?.is_some())
    }
}

/// The racks of the first datacenter as the status has them.
fn racks() -> [String; 3] {
    RACKS.map(|rack| format!("dc1-{rack}"))
}

/// Reads the whole table and looks for every acknowledged row.
async fn intact(site: &Site, pod: &str, acknowledged: usize, consistency: &str) -> Result<()> {
    let rows = site.rows(pod, KEYSPACE, consistency).await?;
    let is_lost = |id: &i64| rows.get(id) != Some(id);
    let lost: Vec<i64> = (0..i64::try_from(acknowledged)?).filter(is_lost).collect();
    ensure!(
        lost.is_empty(),
        "of {acknowledged} acknowledged rows {pod} lacks {lost:?} at {consistency}"
    );
    Ok(())
}

/// Waits until so many nodes are ready and nothing is under way.
async fn settled(site: &Site, nodes: usize) -> Result<()> {
    let ready = format!("{nodes}/{nodes}");
    status_is(site, &format!("the ring of {nodes} is whole"), |status| {
        status.phase == Some(Phase::Running)
            && status.nodes_ready.as_deref() == Some(&ready)
            && status.last_cluster_action_status == Some(ActionStatus::Done)
    })
    .await
}

async fn status_is(site: &Site, what: &str, test: impl Fn(&CassandraClusterStatus) -> bool) -> Result<()> {
    // Three nodes one after the other.
    until(what, 2 * PATIENCE, async || {
        let status = site.status(NAME).await?;
        Ok(if test(&status) {
            Answer::Yes(())
        } else {
            Answer::not_yet(json!(status))
        })
    })
    .await
}
