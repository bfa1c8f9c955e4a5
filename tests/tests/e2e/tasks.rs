//! Tasks on real Cassandra: in both datacenters, one after the other and together, with the operator killed in the middle.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use casskop_lab::wait::{Answer, until};
use casskop_tests::ring::{NAME, OTHER_DC, Ring};
use casskop_tests::site::NAMESPACE;
use casskop_types::task::{K8ssandraTask, K8ssandraTaskStatus, ScheduledTask};
use kube::Api;
use serde_json::json;

use crate::NODES;

const ROWS: usize = 50;
const KEYSPACE: &str = "tasks";
const MOVED: &str = "moved";
const NIGHTLY: &str = "nightly";

/// Until a task of a few minutes ends.
const PATIENCE: Duration = Duration::from_mins(8);

#[tokio::test]
async fn both_datacenters_are_flushed_in_turn_and_compacted_together() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let [first, ..] = &ring.pods();
    ring.write_rows(KEYSPACE, ROWS).await?;
    ring.typed(&format!(
        "kubectl casskop task create flush --crd {NAME} --dc dc2 dc1 --keyspace {KEYSPACE} --name flushed"
    ))?;
    ring.kill_the_operator()?;
    let status = ended(&ring, "flushed").await?;
    assert_eq!(
        (status.overall.succeeded, status.overall.failed),
        (4, 0),
        "{status:?}"
    );
    let times = |dc: &str| {
        let status = &status.datacenters[dc];
        (
            status.start_time.as_ref().map(|time| time.0),
            status.completion_time.as_ref().map(|time| time.0),
        )
    };
    ensure!(
        times("dc2").1 <= times("dc1").0,
        "in the order of the list: {status:?}"
    );
    for pod in &ring.pods() {
        ensure!(
            !ring.data_files(pod, KEYSPACE)?.is_empty(),
            "{pod} wrote nothing down"
        );
    }

    ring.cql(
        first,
        &format!("CONSISTENCY ALL; INSERT INTO {KEYSPACE}.rows (id, value) VALUES (1, 7);"),
    )?;
    ring.typed(&format!(
        "kubectl casskop task create flush --crd {NAME} --keyspace {KEYSPACE} --together --name again"
    ))?;
    ended(&ring, "again").await?;
    for pod in &ring.pods() {
        ensure!(
            ring.data_files(pod, KEYSPACE)?.len() > 1,
            "{pod} has one file alone"
        );
    }
    ring.typed(&format!(
        "kubectl casskop task create compact --crd {NAME} --keyspace {KEYSPACE} --together --name one-file"
    ))?;
    ring.kill_the_operator()?;
    let status = ended(&ring, "one-file").await?;
    assert_eq!(
        (status.overall.succeeded, status.overall.failed),
        (4, 0),
        "{status:?}"
    );
    for pod in &ring.pods() {
        ring.data_files_become(pod, KEYSPACE, 1).await?;
    }
    assert_eq!(ring.count_rows(first, KEYSPACE, "ALL").await?, ROWS);
    Ok(())
}

#[tokio::test]
async fn a_datacenter_is_restarted_and_the_other_is_left_alone() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let before = ring.uids().await?;
    let members = ring.agrees().await?;
    ring.typed(&format!(
        "kubectl casskop task create restart --crd {NAME} --dc dc2 --name restarted"
    ))?;
    ring.kill_the_operator()?;
    let status = ended(&ring, "restarted").await?;
    assert_eq!(
        (status.overall.succeeded, status.overall.failed),
        (1, 0),
        "{status:?}"
    );
    for (pod, uid) in &ring.uids().await? {
        assert_eq!(before.get(pod) != Some(uid), *pod == OTHER_DC, "{pod}");
    }
    assert_eq!(ring.agrees().await?, members, "it is up again, as who it was");
    Ok(())
}

/// The keys of rows go where they belong: to the second datacenter by a rebuild, and off the nodes that lost them by a cleanup.
#[tokio::test]
async fn a_datacenter_is_rebuilt_and_both_are_cleaned_up() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let pods = ring.pods();
    let [first, ..] = &pods;
    ring.write_rows(MOVED, ROWS).await?;
    ring.extend_to_other_dc(MOVED).await?;
    assert_eq!(ring.count_rows(OTHER_DC, MOVED, "LOCAL_ONE").await?, 0);
    ring.typed(&format!(
        "kubectl casskop task create rebuild --crd {NAME} --dc dc2 --from-dc dc1 --name rebuilt"
    ))?;
    ring.kill_the_operator()?;
    assert_eq!(done_on(&ring, "rebuilt").await?, 1);
    assert_eq!(ring.count_rows(OTHER_DC, MOVED, "LOCAL_ONE").await?, ROWS);

    // One replica instead of three: two thirds of what a node holds is another's now.
    for pod in &pods {
        ring.inside(pod, &["nodetool", "flush", MOVED])?;
    }
    let everyone: Vec<&str> = pods.iter().map(String::as_str).chain([OTHER_DC]).collect();
    ring.replicate(MOVED, &[("dc1", 1), ("dc2", 1)], &everyone)
        .await?;
    ring.typed(&format!(
        "kubectl casskop task create cleanup --crd {NAME} --keyspace {MOVED} --table rows --threads 1 --together --name tidied"
    ))?;
    ring.kill_the_operator()?;
    assert_eq!(done_on(&ring, "tidied").await?, 4);
    let mut held = Vec::new();
    for pod in &pods {
        held.extend(ring.keys_on_disk(pod, MOVED)?);
    }
    assert_eq!(held.len(), ROWS, "each row on one node");
    assert_eq!(ring.count_rows(first, MOVED, "ALL").await?, ROWS);
    ring.cql(first, &format!("DROP KEYSPACE {MOVED};")).map(drop)
}

/// The nodes of this ring have many tokens, as they say themselves.
#[tokio::test]
async fn a_node_of_several_tokens_is_not_moved() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    ring.typed(&format!(
        "kubectl casskop task create move --crd {NAME} --dc dc2 --new-token {OTHER_DC}=42 --name unmoved"
    ))?;
    let status = ended(&ring, "unmoved").await?;
    let why = status.datacenters["dc2"].pod_statuses[OTHER_DC].error.clone();
    let why = why.unwrap_or_default();
    ensure!(why.contains("has 16 tokens"), "{why}");
    Ok(())
}

/// A node without encryption has nothing to read, and it is asked all the same.
#[tokio::test]
async fn certificates_are_read_again_on_every_node() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    ring.typed(&format!(
        "kubectl casskop task create tsreload --crd {NAME} --name read-again"
    ))?;
    assert_eq!(done_on(&ring, "read-again").await?, 4);
    Ok(())
}

/// What is written after one run only the next one writes to disk.
#[tokio::test]
async fn a_schedule_has_a_node_write_its_rows_down_again_and_again() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let [first, ..] = &ring.pods();
    ring.write_rows(NIGHTLY, ROWS).await?;
    ring.typed(&format!(
        "kubectl casskop schedule create flush --crd {NAME} --dc dc1 --pod {first} --keyspace {NIGHTLY} --cron '@every 2s' --name nightly"
    ))?;
    has_files(&ring, first, 1).await?;
    ring.kill_the_operator()?;
    ring.cql(
        first,
        &format!("CONSISTENCY ALL; INSERT INTO {NIGHTLY}.rows (id, value) VALUES (1, 7);"),
    )?;
    has_files(&ring, first, 2).await?;
    let listed = ring.typed("kubectl casskop schedule list")?.stdout;
    ensure!(listed.contains("nightly"), "{listed}");
    ring.typed("kubectl casskop schedule delete nightly")?;
    let schedules = Api::<ScheduledTask>::namespaced(ring.client.clone(), NAMESPACE);
    assert!(schedules.get_opt("nightly").await?.is_none());
    Ok(())
}

/// Waits until a node has at least so many data files of the scheduled keyspace.
async fn has_files(ring: &Ring, pod: &str, count: usize) -> Result<()> {
    until(&format!("{count} data files"), PATIENCE, async || {
        let files = ring.data_files(pod, NIGHTLY)?;
        Ok(if files.len() >= count {
            Answer::Yes(())
        } else {
            Answer::not_yet(json!(files))
        })
    })
    .await
}

/// How many pods a task was done on, and it failed on none.
async fn done_on(ring: &Ring, name: &str) -> Result<i32> {
    let status = ended(ring, name).await?;
    ensure!(status.overall.failed == 0, "{status:?}");
    Ok(status.overall.succeeded)
}

async fn ended(ring: &Ring, name: &str) -> Result<K8ssandraTaskStatus> {
    let tasks = Api::<K8ssandraTask>::namespaced(ring.client.clone(), NAMESPACE);
    until(&format!("task {name} ends"), PATIENCE, async || {
        let task = tasks.get(name).await.context("the task is gone")?;
        let status = task.status.unwrap_or_default();
        Ok(if status.overall.completion_time.is_some() {
            Answer::Yes(status)
        } else {
            Answer::not_yet(serde_json::to_value(&status)?)
        })
    })
    .await
}
