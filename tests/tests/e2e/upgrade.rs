//! From Cassandra 4.1 to 5.0 under traffic, and everything restarted at once afterwards.

use anyhow::{Result, ensure};
use casskop_lab::images::cassandra::Release;
use casskop_lab::wait::{Answer, until};
use casskop_tests::ring::{NAMESPACE, PATIENCE, RACKS, Ring, manifest};
use casskop_tests::traffic::{Client, TRIES};
use casskop_types::cluster::CassandraCluster;
use casskop_types::status::{ActionStatus, CassandraClusterStatus, ClusterAction, Phase};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::json;

use crate::NODES;

const NAME: &str = "old";

const TABLE: &str = "shop.rows";

#[tokio::test]
async fn a_major_upgrade_under_traffic_loses_nothing_and_rewrites_the_sstables() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let racks: Vec<_> = RACKS.iter().map(|rack| json!({ "name": rack })).collect();
    let mut cluster = manifest(NAME, Release::V4_1, &json!([{ "name": "dc1", "rack": racks }]));
    cluster["spec"]["autoPilot"] = json!(true);
    cluster["spec"]["deletePVC"] = json!(true);
    ring.apply(&cluster.to_string())?;
    let pods = RACKS.map(|rack| format!("{NAME}-dc1-{rack}-0"));
    status_is(&ring, "the old ring is whole", |status| {
        status.phase == Some(Phase::Running) && status.nodes_ready.as_deref() == Some("3/3")
    })
    .await?;
    let [first, ..] = &pods;
    ring.cql(
        first,
        "CREATE KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3}; \
         CREATE TABLE shop.rows (id int PRIMARY KEY, value int); \
         CONSISTENCY ALL; INSERT INTO shop.rows (id, value) VALUES (-1, -1);",
    )?;
    for pod in &pods {
        ring.inside(pod, &["nodetool", "flush", "shop"])?;
        let formats = formats(&ring, pod)?;
        ensure!(formats == ["nb"], "{pod} writes {formats:?}");
    }
    let client = Client::start(ring.kubectl_from_anywhere(), pods.to_vec(), TABLE);

    let patch = json!({ "spec": {
        "cassandraImage": Release::V5_0.image(),
        "config": { "cassandra-yaml": { "storage_compatibility_mode": "NONE" } },
    } });
    ring.typed(&format!(
        "kubectl patch cassandracluster {NAME} --type merge --patch '{patch}'"
    ))?;
    status_is(&ring, "every rack runs the new release", |status| {
        RACKS.iter().all(|rack| {
            let rack = &status.cassandra_rack_status[&format!("dc1-{rack}")];
            let done = rack.cassandra_last_action.as_ref().is_some_and(|action| {
                action.name == Some(ClusterAction::UpdateDockerImage)
                    && action.status == Some(ActionStatus::Done)
            });
            done && rack.release_version.as_deref() == Some(Release::V5_0.version)
        })
    })
    .await?;
    for pod in &pods {
        ring.operation_done(pod).await?;
        let labels = ring.pod(pod).await?.metadata.labels.unwrap_or_default();
        ensure!(labels["operation-name"] == "upgradesstables", "{labels:?}");
        // What the client wrote since is in the new format anyway.
        ensure!(
            !formats(&ring, pod)?.iter().any(|format| format == "nb"),
            "{pod} has files of 4.1"
        );
    }
    let traffic = client.stop()?;
    ensure!(traffic.most_tries < TRIES, "a batch took all its {TRIES} tries");

    restart_all(&ring, &pods).await?;
    for pod in &pods {
        let status = ring.inside(pod, &["nodetool", "status"])?;
        let up = status.lines().filter(|line| line.starts_with("UN ")).count();
        ensure!(up == pods.len(), "{pod} sees {up} nodes: {status}");
    }
    let rows = ring.count_rows(first, "shop", "ALL")?;
    ensure!(
        rows > traffic.acknowledged,
        "{rows} of {} rows are left",
        traffic.acknowledged
    );
    ring.typed(&format!("kubectl delete cassandracluster {NAME} --timeout 3m"))
        .map(drop)
}

/// As after a power cut: every pod goes at once.
async fn restart_all(ring: &Ring, pods: &[String]) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(ring.client.clone(), NAMESPACE);
    let mut before = Vec::new();
    for pod in pods {
        before.push(ring.pod(pod).await?.metadata.uid);
        api.delete(pod, &DeleteParams::default().grace_period(0)).await?;
    }
    until("all pods are new and ready", PATIENCE, async || {
        let mut ready = 0;
        for (pod, before) in pods.iter().zip(&before) {
            let Some(pod) = api.get_opt(pod).await? else {
                continue;
            };
            let conditions = pod
                .status
                .and_then(|status| status.conditions)
                .unwrap_or_default();
            let is_ready = conditions
                .iter()
                .any(|one| one.type_ == "Ready" && one.status == "True");
            ready += usize::from(is_ready && pod.metadata.uid != *before);
        }
        Ok(if ready == pods.len() {
            Answer::Yes(())
        } else {
            Answer::not_yet(ready)
        })
    })
    .await
}

/// Formats of a node's data files of the keyspace, as their names have them: `nb` of 4.x, `oa` of 5.0.
fn formats(ring: &Ring, pod: &str) -> Result<Vec<String>> {
    let files = ring.inside(
        pod,
        &[
            "find",
            "/var/lib/cassandra/data/shop",
            "-name",
            "*-Data.db",
            "-printf",
            "%f\\n",
        ],
    )?;
    let mut formats: Vec<_> = files
        .lines()
        .filter_map(|file| file.split('-').next())
        .map(str::to_owned)
        .collect();
    formats.sort();
    formats.dedup();
    Ok(formats)
}

async fn status_is(ring: &Ring, what: &str, test: impl Fn(&CassandraClusterStatus) -> bool) -> Result<()> {
    let clusters: Api<CassandraCluster> = Api::namespaced(ring.client.clone(), NAMESPACE);
    // Three nodes one after the other.
    until(what, 2 * PATIENCE, async || {
        let status = clusters.get(NAME).await?.status.unwrap_or_default();
        Ok(if test(&status) {
            Answer::Yes(())
        } else {
            Answer::not_yet(json!(status))
        })
    })
    .await
}
