//! `decommission`: fewer nodes in each rack of a datacenter.

use anyhow::Result;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::plugin_run::Ended;
use super::stage::Stage;

const SPEC: &str = r#"{"nodesPerRacks": 2, "topology": {"dc": [
    {"name": "dc1", "nodesPerRacks": 2, "rack": [{"name": "rack1"}, {"name": "rack2"}]}, {"name": "dc2", "rack": [{"name": "rack1"}]}
]}}"#;

const LOSS: &str = "warning: the nodes of pods demo-dc1-rack1-1, demo-dc1-rack2-1, the last one of each rack of datacenter dc1, will leave the \
    ring one after the other: each streams its data to the others first, then its pod and its claim are deleted\n";

async fn demo() -> Result<Stage> {
    let stage = Stage::set().await?;
    stage.cluster("demo", SPEC).await?;
    for rack in ["dc1-rack1", "dc1-rack2", "dc2-rack1"] {
        for ordinal in 0..2 {
            stage.pod("demo", rack, ordinal, "10.0.0.1").await?;
        }
    }
    Ok(stage)
}

/// What the spec says of dc1 and dc2.
async fn numbers(stage: &Stage) -> Result<Vec<Option<i32>>> {
    let spec = stage.clusters().get("demo").await?.spec;
    let datacenters = spec.topology.and_then(|topology| topology.dc).unwrap_or_default();
    Ok(datacenters.iter().map(|dc| dc.nodes_per_racks).collect())
}

#[tokio::test]
async fn only_the_datacenter_shrinks_and_only_with_a_yes() -> Result<()> {
    let stage = demo().await?;
    let line = |pod: &str, mark: &str| format!("Trigger decommission of the node of pod {pod}{mark}\n");
    let both = |mark: &str| {
        format!(
            "Namespace {}\n{}{}",
            stage.namespace(),
            line("demo-dc1-rack1-1", mark),
            line("demo-dc1-rack2-1", mark)
        )
    };
    let decommission = ["decommission", "--crd", "demo", "--dc", "dc1"];
    assert_eq!(
        stage.run(&decommission).await?,
        Ended {
            code: 2,
            out: String::new(),
            err: format!(
                "{LOSS}error: nobody can be asked whether to have the nodes of pods demo-dc1-rack1-1, demo-dc1-rack2-1 leave the ring, \
                 since standard input is no terminal; add --yes\n"
            )
        }
    );
    for (dry_run, mark) in [
        ("--dry-run=client", " (dry run)"),
        ("--dry-run=server", " (server dry run)"),
    ] {
        let ended = stage.run(&[&decommission[..], &[dry_run]].concat()).await?;
        assert_eq!((ended.code, ended.out), (0, both(mark)), "{}", ended.err);
    }
    assert_eq!(numbers(&stage).await?, [Some(2), None], "nothing was written");

    let ended = stage
        .run(&["decommission", "--pod", "demo-dc1-rack2-1", "--yes"])
        .await?;
    assert_eq!((ended.code, ended.out, ended.err.as_str()), (0, both(""), LOSS));
    assert_eq!(numbers(&stage).await?, [Some(1), None]);
    let again = stage.run(&decommission).await?;
    assert_eq!(again.code, 0);
    assert_eq!(
        again.err,
        "nodesPerRacks of datacenter dc1 is 1 already, and the nodes of demo-dc1-rack1-1, demo-dc1-rack2-1 are to leave; nothing written\n"
    );

    // A datacenter without a number of its own gets one: the cluster's is that of others too.
    let ended = stage
        .run(&["decommission", "--pod", "demo-dc2-rack1-1", "--yes"])
        .await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(numbers(&stage).await?, [Some(1), Some(1)]);
    Ok(())
}

#[tokio::test]
async fn what_may_not_leave_is_refused() -> Result<()> {
    let stage = demo().await?;
    stage
        .action("demo", "dc2-rack1", "Ongoing", "2026-11-21T08:00:00Z")
        .await?;
    for (of, said) in [
        (
            ["--pod", "demo-dc1-rack1-0"],
            "pod `demo-dc1-rack1-0` is not the last one of its rack; the next node to leave is that of pod `demo-dc1-rack1-1`",
        ),
        (
            ["--dc", "dc7"],
            "cassandracluster `demo` has no datacenter `dc7`; it has dc1, dc2",
        ),
    ] {
        let ended = stage.run(&[&["decommission", "--yes"], &of[..]].concat()).await?;
        assert_eq!((ended.code, ended.err), (2, format!("error: {said}\n")));
    }
    let busy = stage.run(&["decommission", "--yes", "--dc", "dc2"]).await?;
    assert_eq!(busy.code, 2);
    assert!(
        busy.err.starts_with(
            "error: rack dc2.rack1 of cassandracluster `demo` is busy: RollingRestart is Ongoing"
        ),
        "{}",
        busy.err
    );
    assert_eq!(numbers(&stage).await?, [Some(2), None]);
    Ok(())
}

#[tokio::test]
async fn waiting_ends_when_the_nodes_and_their_pods_are_gone() -> Result<()> {
    let stage = demo().await?;
    let wait = [
        "decommission",
        "--dc",
        "dc2",
        "--yes",
        "--wait",
        "--timeout",
        "60s",
    ];
    let running = stage.start(&wait)?;
    stage
        .until_cluster("demo", |cluster| {
            let dc = cluster
                .spec
                .topology
                .as_ref()
                .and_then(|topology| topology.dc.as_ref());
            dc.is_some_and(|dc| dc[1].nodes_per_racks == Some(1))
        })
        .await?;
    scale_down(&stage, "Ongoing").await?;
    let running = running.until_it_says("pod demo-dc2-rack1-1 running").await?;
    let now = DeleteParams::default().grace_period(0);
    stage.pods().delete("demo-dc2-rack1-1", &now).await?;
    scale_down(&stage, "Done").await?;
    let ended = running.end().await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended
            .out
            .ends_with("cassandracluster.db.orange.com/demo datacenter dc2 scaled down\n"),
        "{}",
        ended.out
    );
    Ok(())
}

/// As an operator writes it.
async fn scale_down(stage: &Stage, status: &str) -> Result<()> {
    let action = json!({ "name": "ScaleDown", "status": status, "startTime": "2026-11-21T08:00:00Z" });
    let status =
        json!({ "status": { "cassandraRackStatus": { "dc2-rack1": { "cassandraLastAction": action } } } });
    stage
        .clusters()
        .patch_status("demo", &PatchParams::default(), &Patch::Merge(status))
        .await?;
    Ok(())
}
