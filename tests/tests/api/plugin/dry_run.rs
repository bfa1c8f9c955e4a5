//! `--dry-run`: what would be written is shown, and is not.

use anyhow::Result;
use serde_json::{Value, json};

use super::TWO_RACKS;
use super::plugin_run::Ended;
use super::stage::Stage;

async fn demo() -> Result<Stage> {
    let stage = Stage::set().await?;
    stage.cluster("demo", TWO_RACKS).await?;
    stage.pod("demo", "dc1-rack1", 0, "10.0.0.1").await?;
    Ok(stage)
}

#[tokio::test]
async fn nothing_is_written_to_pods() -> Result<()> {
    let stage = demo().await?;
    for (dry_run, mark) in [
        ("--dry-run=client", "dry run"),
        ("--dry-run=server", "server dry run"),
    ] {
        assert_eq!(
            stage.run(&["cleanup", "start", dry_run]).await?,
            Ended {
                code: 0,
                out: format!(
                    "Namespace {}\nSet status of operation cleanup on pod demo-dc1-rack1-0 to ToDo ({mark})\n",
                    stage.namespace()
                ),
                err: String::new()
            }
        );
        let shown = stage
            .run(&[
                "rebuild",
                "start",
                "--crd",
                "demo",
                "--rack",
                "dc1.rack1",
                "dc1",
                dry_run,
                "-o",
                "json",
            ])
            .await?;
        let pod: Value = serde_json::from_str(&shown.out)?;
        assert_eq!(pod["kind"], "Pod");
        assert_eq!(pod["metadata"]["labels"]["operation-argument"], "dc1");
        assert_eq!(stage.request_of("demo-dc1-rack1-0").await?, "- - -");
    }
    let waited = stage.run(&["cleanup", "start", "--dry-run", "--wait"]).await?;
    assert_eq!(
        (waited.code, waited.err.as_str()),
        (0, "nothing was written, so there is nothing to wait for\n")
    );
    Ok(())
}

#[tokio::test]
async fn nothing_is_written_to_clusters() -> Result<()> {
    let stage = demo().await?;
    let before = stage.version_of("demo").await?;
    for (dry_run, mark) in [
        ("--dry-run=client", "dry run"),
        ("--dry-run=server", "server dry run"),
    ] {
        let restart = ["restart", "--crd", "demo", "--rack", "dc1.rack1", dry_run];
        let ended = stage.run(&restart).await?;
        assert_eq!(
            ended.out,
            format!(
                "Namespace {}\nTrigger restart of dc1.rack1 ({mark})\n",
                stage.namespace()
            )
        );
        let template = "-ojsonpath={.spec.topology.dc[0].rack[*].rollingRestart}";
        let ended = stage.run(&[&restart[..], &[template]].concat()).await?;
        assert_eq!((ended.code, ended.out.as_str()), (0, "true"), "{}", ended.err);
    }
    assert_eq!(stage.version_of("demo").await?, before);
    Ok(())
}

#[tokio::test]
async fn a_cluster_is_not_paused() -> Result<()> {
    let stage = demo().await?;
    let before = stage.version_of("demo").await?;
    for (dry_run, mark) in [
        ("--dry-run=client", "dry run"),
        ("--dry-run=server", "server dry run"),
    ] {
        let ended = stage.run(&["reconcile", "pause", dry_run]).await?;
        assert_eq!(
            (ended.code, ended.out),
            (
                0,
                format!("cassandracluster.db.orange.com/demo paused ({mark})\n")
            ),
            "{}",
            ended.err
        );
    }
    assert_eq!(stage.version_of("demo").await?, before);
    Ok(())
}

/// What a dry run refuses is what the request itself would be refused for.
#[tokio::test]
async fn a_dry_run_is_refused_as_the_request_would_be() -> Result<()> {
    let stage = demo().await?;
    let busy = json!({ "operation-name": "rebuild", "operation-status": "Ongoing" });
    stage.label("demo-dc1-rack1-0", busy).await?;
    let ended = stage.run(&["cleanup", "start", "--dry-run"]).await?;
    assert_eq!(ended.code, 2, "{}", ended.err);
    Ok(())
}
