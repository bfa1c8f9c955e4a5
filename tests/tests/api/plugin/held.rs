//! `pause` and `unpause`, and pods chosen by labels.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;

use super::TWO_RACKS;
use super::plugin_run::Ended;
use super::stage::Stage;

/// The cluster `demo` with two pods: the cleanup of one runs, that of the other waits for its turn.
async fn demo() -> Result<Stage> {
    let stage = Stage::set().await?;
    stage.cluster("demo", TWO_RACKS).await?;
    for (ordinal, status) in [(0, "Ongoing"), (1, "ToDo")] {
        stage.pod("demo", "dc1-rack1", ordinal, "10.0.0.1").await?;
        let labels = json!({ "operation-name": "cleanup", "operation-status": status, "turn": status });
        stage.label(&format!("demo-dc1-rack1-{ordinal}"), labels).await?;
    }
    Ok(stage)
}

#[tokio::test]
async fn what_waits_is_held_back_and_let_go() -> Result<()> {
    let stage = demo().await?;
    let said = |status: &str| Ended {
        code: 0,
        out: format!(
            "Namespace {}\nSet status of operation cleanup on pod demo-dc1-rack1-1 to {status}\n",
            stage.namespace()
        ),
        err: String::new(),
    };
    assert_eq!(
        stage.run(&["pause", "cleanup", "--prefix", "demo"]).await?,
        said("Paused")
    );
    assert_eq!(stage.request_of("demo-dc1-rack1-1").await?, "cleanup Paused -");
    assert_eq!(stage.request_of("demo-dc1-rack1-0").await?, "cleanup Ongoing -");
    assert_eq!(
        stage
            .run(&["unpause", "cleanup", "--pod", "demo-dc1-rack1-1"])
            .await?,
        said("ToDo")
    );
    assert_eq!(
        stage.run(&["cleanup", "pause", "-l", "turn in (ToDo)"]).await?,
        said("Paused")
    );
    assert_eq!(
        stage.run(&["cleanup", "pause", "--crd", "demo"]).await?.err,
        "cleanup on pod `demo-dc1-rack1-1` is Paused already; nothing written for it\n"
    );
    Ok(())
}

#[tokio::test]
async fn what_has_not_ended_is_ended_and_followed_to_its_end() -> Result<()> {
    let stage = demo().await?;
    let running = stage.start(&["cleanup", "abort", "--crd", "demo", "--wait", "--timeout", "60s"])?;
    for ordinal in 0..2 {
        let pod = format!("demo-dc1-rack1-{ordinal}");
        let is_told = |notes: &BTreeMap<String, String>| {
            notes
                .get("cassandraclusters.db.orange.com/operation-abort")
                .map(String::as_str)
                == Some("cleanup")
        };
        stage.until_annotated(&pod, is_told).await?;
        stage.label(&pod, json!({ "operation-status": "Error" })).await?;
    }
    let ended = running.end().await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(
        ended.out,
        format!(
            "Namespace {}\nTrigger abort of operation cleanup on pod demo-dc1-rack1-0\n\
             Trigger abort of operation cleanup on pod demo-dc1-rack1-1\n\
             pod/demo-dc1-rack1-0 cleanup ended\npod/demo-dc1-rack1-1 cleanup ended\n",
            stage.namespace()
        )
    );
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_held_back_is_said() -> Result<()> {
    let stage = demo().await?;
    for (args, said) in [
        (
            ["pause", "cleanup", "--pod", "demo-dc1-rack1-0"],
            "pod `demo-dc1-rack1-0` has no cleanup that is ToDo: it is Ongoing; see `kubectl get pod demo-dc1-rack1-0 \
             --label-columns operation-name,operation-status`",
        ),
        (
            ["unpause", "upgradesstables", "--prefix", "demo"],
            "--prefix demo selects no pod whose upgradesstables is Paused; see `kubectl get pods --selector operation-name=upgradesstables \
             --label-columns operation-status`",
        ),
        (
            ["cleanup", "pause", "-l", "turn=nobodys"],
            "--selector turn=nobodys selects no running Cassandra pod; the namespace has demo-dc1-rack1-0, demo-dc1-rack1-1",
        ),
    ] {
        let ended = stage.run(&args).await?;
        assert_eq!((ended.code, ended.err), (2, format!("error: {said}\n")));
    }
    let ended = stage.run(&["cleanup", "status", "-l", "turn=("]).await?;
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(
        ended.err.starts_with("error: --selector turn=(: "),
        "{}",
        ended.err
    );
    Ok(())
}
