//! Work on tables, asked for through the plugin: what it leaves in a node's data files, that it is held back and let go, and
//! that it is stopped when somebody says so.

use anyhow::{Context, Result, bail, ensure};
use casskop_lab::wait::{Answer, until};
use casskop_tests::ring::{NAME, Ring};
use casskop_tests::site::PATIENCE;
use casskop_types::conditions::{ConditionReason, ConditionType, condition};
use casskop_types::labels::OPERATION_STATUS;
use casskop_types::operation::{OperationName, OperationRecord, OperationStatus, RecordState};

use crate::NODES;

const ROWS: usize = 50;

/// A partition that is deleted.
const DELETED: usize = 7;

/// The keyspace worked on, and the one whose work is held back.
const KEYSPACE: &str = "kept";
const HELD: &str = "held";

#[tokio::test]
async fn tables_are_flushed_compacted_collected_and_scrubbed_on_one_node_alone() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let [node, other, _] = &ring.pods();
    ring.write_rows(KEYSPACE, ROWS).await?;
    let before = ring.data_files(other, KEYSPACE)?;
    ensure!(
        ring.data_files(node, KEYSPACE)?.is_empty(),
        "something was flushed already"
    );

    work(&ring, node, "flush", KEYSPACE)?;
    ensure!(ring.data_files(node, KEYSPACE)?.len() == 1, "nothing was flushed");

    // The deletion in a file of its own.
    ring.cql(
        other,
        &format!("CONSISTENCY ALL; DELETE FROM {KEYSPACE}.rows WHERE id = {DELETED};"),
    )?;
    work(&ring, node, "flush", KEYSPACE)?;
    ensure!(
        ring.data_files(node, KEYSPACE)?.len() == 2,
        "the deletion was not flushed"
    );
    let times_deleted = || -> Result<usize> {
        let keys = ring.keys_on_disk(node, KEYSPACE)?;
        Ok(keys.iter().filter(|key| **key == DELETED.to_string()).count())
    };
    assert_eq!(times_deleted()?, 2, "the row, and that it is deleted");

    work(&ring, node, "garbagecollect", KEYSPACE)?;
    // Each is rewritten, and none is merged with another one.
    ring.data_files_become(node, KEYSPACE, 2).await?;
    assert_eq!(times_deleted()?, 1, "the deleted row is there still");

    work(&ring, node, "compact", KEYSPACE)?;
    let compacted = ring.data_files_become(node, KEYSPACE, 1).await?;

    let taken = snapshots(&ring, node)?;
    work(&ring, node, "scrub", KEYSPACE)?;
    let scrubbed = ring.data_files_become(node, KEYSPACE, 1).await?;
    ensure!(scrubbed != compacted, "no file was rewritten");
    ensure!(
        snapshots(&ring, node)? > taken,
        "no snapshot was made before the scrub"
    );

    // What is of this release already is not rewritten.
    ring.typed(&format!(
        "kubectl casskop upgradesstables start --pod {node} --wait --timeout 5m"
    ))?;
    assert_eq!(ring.data_files(node, KEYSPACE)?, scrubbed);

    // Nothing of it happened elsewhere, and nothing is lost.
    assert_eq!(ring.data_files(other, KEYSPACE)?, before);
    assert_eq!(ring.count_rows(other, KEYSPACE, "ALL").await?, ROWS - 1);
    ring.inside(node, &["nodetool", "clearsnapshot", "--all"])?;
    ring.cql(node, &format!("DROP KEYSPACE {KEYSPACE};")).map(drop)
}

/// Of two nodes asked while nobody works on the cluster, one is held back: it begins when it is let go, and no sooner.
#[tokio::test]
async fn what_is_held_back_begins_when_it_is_let_go() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let [held, free, _] = &ring.pods();
    ring.write_rows(HELD, ROWS).await?;
    ring.typed(&format!("kubectl casskop reconcile pause --crd {NAME}"))?;
    until("the operator holds still", PATIENCE, async || {
        let status = ring.status(NAME).await?;
        let waiting = condition(&status.conditions, ConditionType::Waiting);
        Ok(match waiting {
            Some(waiting) if waiting.reason == ConditionReason::Paused.as_str() => Answer::Yes(()),
            other => Answer::not_yet(format!("{other:?}")),
        })
    })
    .await?;
    ring.typed(&format!(
        "kubectl casskop flush start --pod {held} --pod {free} --keyspace {HELD}"
    ))?;
    ring.typed(&format!("kubectl casskop pause flush --pod {held}"))?;
    ensure!(
        ring.data_files(free, HELD)?.is_empty(),
        "a cluster that was paused was worked on"
    );

    ring.typed(&format!("kubectl casskop reconcile resume --crd {NAME}"))?;
    // Asked for before: nothing is written, and the end is waited for.
    work(&ring, free, "flush", HELD)?;
    ensure!(ring.data_files(free, HELD)?.len() == 1, "nothing was flushed");
    ensure!(
        ring.data_files(held, HELD)?.is_empty(),
        "what was held back was carried out"
    );
    let labels = ring.pod(held).await?.metadata.labels.unwrap_or_default();
    let status = labels.get(OPERATION_STATUS).map(String::as_str);
    assert_eq!(status, Some(OperationStatus::Paused.as_str()));

    ring.typed(&format!(
        "kubectl casskop unpause flush --pod {held} --wait --timeout 5m"
    ))?;
    ensure!(ring.data_files(held, HELD)?.len() == 1, "nothing was flushed");
    ring.cql(held, &format!("DROP KEYSPACE {HELD};")).map(drop)
}

/// A scrub that takes its time: 20 MB, of which the node may read one a second.
#[tokio::test]
async fn a_scrub_is_stopped_in_the_node_and_tells_how_far_it_was() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let pods = ring.pods();
    let [other, _, node] = &pods;
    // It has to be seen while it lasts.
    let _operator = ring.the_operator_stays().await;
    ring.cql(
        node,
        "DROP KEYSPACE IF EXISTS large; \
         CREATE KEYSPACE large WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3}; \
         CREATE TABLE large.rows (id int PRIMARY KEY, value text) WITH compression = {'enabled': false};",
    )?;
    ring.all_know_the_table("large", &pods.each_ref().map(String::as_str))
        .await?;
    let rows = "value=$(printf %0100000d 0); (echo 'CONSISTENCY ALL;'; \
                for id in $(seq 200); do echo \"INSERT INTO large.rows (id, value) VALUES ($id, '$value');\"; done) | cqlsh --connect-timeout=60 --request-timeout=60";
    ring.inside(node, &["bash", "-c", rows])?;
    ring.inside(node, &["nodetool", "flush", "large"])?;
    ring.inside(node, &["nodetool", "setcompactionthroughput", "1"])?;

    ring.typed(&format!(
        "kubectl casskop scrub start --pod {node} --keyspace large"
    ))?;
    until("the record tells how far it is", PATIENCE, async || {
        let Some(record) = scrub_of(&ring, node, "large").await? else {
            return Ok(Answer::not_yet("no record"));
        };
        let progress = record.progress.clone().unwrap_or_default();
        if record.end_time.is_some() {
            bail!("it ended before anybody could look: {record:?}");
        }
        Ok(match (progress.total, progress.unit.as_deref()) {
            (Some(1..), Some("bytes")) => Answer::Yes(()),
            _ => Answer::not_yet(format!("{record:?}")),
        })
    })
    .await?;
    let told = ring.typed(&format!(
        "kubectl casskop scrub abort --pod {node} --wait --timeout 5m"
    ))?;
    ensure!(
        told.stdout.contains(&format!("pod/{node} scrub ended")),
        "{told:?}"
    );
    let ended = scrub_of(&ring, node, "large").await?;
    let ended = ended.context("the record is gone")?;
    assert_eq!(ended.state, RecordState::Error, "{ended:?}");
    let why = ended.message.clone().unwrap_or_default();
    ensure!(why.starts_with("aborted"), "{ended:?}");
    let running = ring.inside(node, &["nodetool", "compactionstats"])?;
    ensure!(!running.contains("Scrub"), "{running}");
    ring.inside(node, &["nodetool", "setcompactionthroughput", "64"])?;
    assert_eq!(ring.count_rows(other, "large", "ALL").await?, 200);
    ring.inside(node, &["nodetool", "clearsnapshot", "--all"])?;
    ring.cql(node, "DROP KEYSPACE large;").map(drop)
}

/// Asks for it through the plugin, and follows it to its end.
fn work(ring: &Ring, pod: &str, verb: &str, keyspace: &str) -> Result<()> {
    ring.typed(&format!(
        "kubectl casskop {verb} start --pod {pod} --keyspace {keyspace} --wait --timeout 5m"
    ))
    .map(drop)
}

/// What is on record of the scrub, once the operator has taken it up.
async fn scrub_of(ring: &Ring, pod: &str, keyspace: &str) -> Result<Option<OperationRecord>> {
    let status = ring.status(NAME).await?;
    let records = status.cassandra_rack_status.into_values();
    let of_it = records.flat_map(|rack| rack.operations).filter(|record| {
        record.name == OperationName::Scrub
            && record.pod == pod
            && record.argument.as_deref() == Some(keyspace)
    });
    Ok(of_it.max_by_key(|record| record.start_time.0))
}

/// How many snapshots a scrub has made of the table.
fn snapshots(ring: &Ring, pod: &str) -> Result<usize> {
    let directory = format!("/var/lib/cassandra/data/{KEYSPACE}");
    let found = ring.inside(pod, &["find", &directory, "-type", "d", "-name", "pre-scrub-*"])?;
    Ok(found.lines().count())
}
