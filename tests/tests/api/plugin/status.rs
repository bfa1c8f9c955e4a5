use std::collections::BTreeMap;

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::stage::{PATIENCE, Stage};

const SPEC: &str = r#"{"nodesPerRacks": 2, "topology": {"dc": [{"name": "dc1", "rack": [{"name": "rack1"}, {"name": "rack2"}]}]}}"#;

/// A cluster with one node too few, on which a cleanup waits.
async fn demo() -> Result<Stage> {
    let stage = Stage::set().await?;
    stage.cluster("demo", SPEC).await?;
    stage.pod("demo", "dc1-rack1", 0, "10.0.0.1").await?;
    stage.pod("demo", "dc1-rack1", 1, "10.0.0.2").await?;
    stage.pod("demo", "dc1-rack2", 0, "10.0.0.3").await?;
    let cleanup = json!({ "operation-name": "cleanup", "operation-status": "ToDo" });
    stage.label("demo-dc1-rack1-1", cleanup).await?;
    Ok(stage)
}

#[tokio::test]
async fn a_cluster_is_shown_and_its_health_is_an_exit_code() -> Result<()> {
    let stage = demo().await?;
    let ended = stage.run(&["status", "demo", "--exit-code"]).await?;
    assert_eq!(ended.code, 3, "{}", ended.err);
    for line in [
        "Health:     not healthy: no operator has taken it up",
        "Nodes:      3 of 4 ready",
        "dc1.rack2   <none>   1/2     <none>   <none>",
        "demo-dc1-rack1-1   ready   10.0.0.2   <none>    0          cleanup ToDo",
    ] {
        assert!(ended.out.contains(line), "no line `{line}` in\n{}", ended.out);
    }
    let ended = stage
        .run(&["status", "--crd", "demo", "--rack", "dc1.rack2", "-o", "json"])
        .await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let shown: Value = serde_json::from_str(&ended.out)?;
    let nodes = shown["clusters"][0]["nodes"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    assert_eq!(nodes.len(), 1, "{shown}");
    assert_eq!(nodes[0]["pod"], "demo-dc1-rack2-0");

    let ended = stage.run(&["status", "demmo"]).await?;
    assert_eq!(ended.code, 2);
    assert_eq!(
        ended.err,
        "error: cassandracluster `demmo` not found; the namespace has demo\n"
    );

    stage.cluster("prod", SPEC).await?;
    let ended = stage.run(&["status"]).await?;
    let rows: Vec<&str> = ended
        .out
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(rows, ["NAME", "demo", "prod"]);
    let ended = stage.run(&["status", "-A", "-o", "name"]).await?;
    assert!(
        ended.out.contains("cassandracluster.db.orange.com/prod\n"),
        "{}",
        ended.out
    );
    Ok(())
}

#[tokio::test]
async fn a_ring_nobody_tells_of_is_one_line() -> Result<()> {
    let stage = demo().await?;
    let ended = stage.run(&["status", "demo", "--ring"]).await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let told: Vec<&str> = ended
        .out
        .lines()
        .filter(|line| line.starts_with("Ring of demo: not known: "))
        .collect();
    assert_eq!(told.len(), 1, "{}", ended.out);
    Ok(())
}

#[tokio::test]
async fn a_pipe_is_told_what_changes() -> Result<()> {
    let stage = demo().await?;
    let mut running = stage.start(&["status", "demo", "--watch"])?;
    running.until_it_shows("Cluster:    demo").await?;
    let ongoing = json!({ "operation-status": "Ongoing" });
    stage.label("demo-dc1-rack1-1", ongoing).await?;
    running
        .until_it_shows("cleanup on demo-dc1-rack1-1: Ongoing")
        .await?;
    stage
        .pods()
        .delete(
            "demo-dc1-rack2-0",
            &kube::api::DeleteParams::default().grace_period(0),
        )
        .await?;
    running.until_it_shows("pod demo-dc1-rack2-0: gone").await?;
    running.interrupt()?;
    let ended = running.end().await?;
    assert_eq!((ended.code, ended.err.as_str()), (130, ""));
    assert!(!ended.out.contains('\u{1b}'), "{}", ended.out);
    Ok(())
}

/// The budget: one list of clusters and one of pods, however many there are.
#[tokio::test]
async fn three_hundred_pods_take_two_requests() -> Result<()> {
    let stage = Stage::set().await?;
    stage.cluster("demo", SPEC).await?;
    stream::iter(0..300)
        .map(|ordinal| stage.pod("demo", "dc1-rack1", ordinal, "10.0.0.1"))
        .buffer_unordered(32)
        .try_collect::<Vec<()>>()
        .await?;
    let mut requests = stage.requests_from_now()?;
    let ended = stage.run(&["status"]).await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.out.contains("300 pods, all ready; -v shows every pod"),
        "{}",
        ended.out
    );
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    // The log is written after the answer has been sent.
    until("both lists are in the audit log", PATIENCE, async || {
        for request in requests.read()? {
            let about = request.object_ref.clone().unwrap_or_default();
            let is_ours =
                request.user_agent.starts_with("kubectl-casskop/") && about.namespace == stage.namespace();
            if is_ours && request.is_complete() {
                *seen
                    .entry(format!("{} {}", request.verb, about.resource))
                    .or_default() += 1;
            }
        }
        Ok(if seen.len() >= 2 {
            Answer::Yes(())
        } else {
            Answer::not_yet(format!("{seen:?}"))
        })
    })
    .await?;
    let lists = ["list cassandraclusters", "list pods"].map(|request| (request.to_owned(), 1));
    assert_eq!(seen, lists.into());
    Ok(())
}
