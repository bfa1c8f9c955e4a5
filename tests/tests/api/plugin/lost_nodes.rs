//! What is lost for good is named, and asked about.

use anyhow::Result;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;

use super::TWO_RACKS;
use super::plugin_run::Ended;
use super::stage::Stage;

const LOST: &str = "demo-dc1-rack1-1";
const HOST_ID: &str = "5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1";

/// The cluster `demo`, whose node 1 of dc1.rack1 is lost.
async fn demo() -> Result<Stage> {
    let stage = Stage::set().await?;
    stage.cluster("demo", TWO_RACKS).await?;
    stage.pod("demo", "dc1-rack1", 0, "10.0.0.1").await?;
    stage.pod("demo", "dc1-rack1", 1, "10.0.0.2").await?;
    stage.lose("demo", LOST, HOST_ID).await?;
    Ok(stage)
}

fn refused(said: &str) -> Ended {
    Ended {
        code: 2,
        out: String::new(),
        err: said.to_owned(),
    }
}

#[tokio::test]
async fn a_replacement_is_written_only_with_a_yes() -> Result<()> {
    let stage = demo().await?;
    let loss = format!(
        "warning: claim data-{LOST} with the data of node {HOST_ID} and pod {LOST} will be deleted; a fresh node streams the data \
         from the other replicas, and there is no way back\n"
    );
    assert_eq!(
        stage.run(&["replace", "--pod", LOST]).await?,
        refused(&format!(
            "{loss}error: nobody can be asked whether to replace the node of pod {LOST}, since standard input is no terminal; add --yes\n"
        ))
    );
    assert_eq!(stage.request_of(LOST).await?, "- - -", "nothing was written");
    let namespace = stage.namespace();
    let out = format!(
        "Namespace {namespace}\nTrigger replace of the node of pod {LOST}\n\
         Set status of operation replace on pod {LOST} to ToDo\n"
    );
    assert_eq!(
        stage.run(&["replace", "--pod", LOST, "-y"]).await?,
        Ended {
            code: 0,
            out,
            err: loss
        }
    );
    assert_eq!(stage.request_of(LOST).await?, "replace ToDo -");
    let again = stage.run(&["replace", "--pod", LOST]).await?;
    assert_eq!(
        again,
        Ended {
            code: 0,
            out: String::new(),
            err: format!(
                "pod `{LOST}` was asked for this replace before, which is ToDo; nothing written for it\n"
            )
        }
    );
    Ok(())
}

#[tokio::test]
async fn casskops_spelling_asks_nobody_where_nobody_is() -> Result<()> {
    let stage = demo().await?;
    let ended = stage
        .run(&["replace", "--pod", LOST, "--previous-ip", "10.0.9.9"])
        .await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(stage.request_of(LOST).await?, "replace ToDo 10.0.9.9");

    let ours = stage
        .run(&["removenode", "--previous-ip", "10.0.9.9", "--crd", "demo"])
        .await?;
    assert_eq!(
        ours,
        refused(
            "warning: node 10.0.9.9 will leave the ring for good; the other replicas take over what it held\n\
             error: nobody can be asked whether to remove node 10.0.9.9 from the ring, since standard input is no terminal; add --yes\n"
        )
    );
    let casskops = stage
        .run(&[
            "remove",
            "--pod",
            LOST,
            "--previous-ip",
            "10.0.9.9",
            "--crd",
            "demo",
        ])
        .await?;
    assert_eq!(casskops.code, 0, "{}", casskops.err);
    assert_eq!(
        stage.request_of("demo-dc1-rack1-0").await?,
        format!("remove ToDo {LOST}_10.0.9.9")
    );
    Ok(())
}

#[tokio::test]
async fn a_node_in_service_is_not_replaced() -> Result<()> {
    let stage = demo().await?;
    assert_eq!(
        stage.run(&["replace", "--pod", "demo-dc1-rack1-0", "-y"]).await?,
        refused(
            "error: pod `demo-dc1-rack1-0` is ready: replacing a node in service would delete its data; \
             to restart it use `kubectl casskop restart`\n"
        )
    );
    let unknown = stage.run(&["replace", "--pod", "demo-dc1-rack1-7", "-y"]).await?;
    assert_eq!(unknown.code, 2, "{}", unknown.err);
    assert_eq!(stage.request_of("demo-dc1-rack1-0").await?, "- - -");
    Ok(())
}

#[tokio::test]
async fn a_replacement_is_followed_to_the_next_pod() -> Result<()> {
    let stage = demo().await?;
    let running = stage.start(&["replace", "--pod", LOST, "-y", "--wait", "--timeout", "60s"])?;
    stage.until_asked(LOST).await?;
    let uid = stage.pods().get(LOST).await?.uid();
    let mut record = json!({
        "id": "1", "name": "replace", "pod": LOST, "podUid": uid, "attempt": 1, "state": "Finalizing",
        "startTime": "2026-11-21T08:00:00Z",
    });
    stage.record("demo", "dc1-rack1", &record).await?;
    stage
        .label(LOST, json!({ "operation-status": "Ongoing" }))
        .await?;
    let running = running.until_it_says(&format!("pod {LOST} running")).await?;
    stage
        .pods()
        .delete(LOST, &DeleteParams::default().grace_period(0))
        .await?;
    stage.pod("demo", "dc1-rack1", 1, "10.0.0.9").await?;
    record["podUid"] = json!(stage.pods().get(LOST).await?.uid());
    record["state"] = json!("Done");
    record["endTime"] = json!("2026-11-21T08:10:00Z");
    stage.record("demo", "dc1-rack1", &record).await?;
    let ended = running.end().await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.out.ends_with(&format!("pod/{LOST} replace done\n")),
        "{}",
        ended.out
    );
    Ok(())
}
