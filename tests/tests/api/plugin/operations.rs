use anyhow::Result;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::json;

use super::plugin_run::Ended;
use super::stage::Stage;

const SPEC: &str = r#"{"topology": {"dc": [
    {"name": "dc1", "rack": [{"name": "rack1"}]}, {"name": "dc2", "rack": [{"name": "rack1"}]}
]}}"#;

/// The cluster `demo` with two pods in dc1 and one in dc2.
async fn demo() -> Result<Stage> {
    let stage = Stage::set().await?;
    stage.cluster("demo", SPEC).await?;
    stage.pod("demo", "dc1-rack1", 0, "10.0.0.1").await?;
    stage.pod("demo", "dc1-rack1", 1, "10.0.0.2").await?;
    stage.pod("demo", "dc2-rack1", 0, "10.0.0.3").await?;
    Ok(stage)
}

#[tokio::test]
async fn casskops_command_lines_do_what_they_did() -> Result<()> {
    let stage = demo().await?;
    let namespace = stage.namespace();
    let said = |lines: &str| Ended {
        code: 0,
        out: format!("Namespace {namespace}\n{lines}"),
        err: String::new(),
    };
    assert_eq!(
        stage.run(&["cleanup", "--prefix", "demo-dc1"]).await?,
        said(
            "Set status of operation cleanup on pod demo-dc1-rack1-0 to ToDo\n\
             Set status of operation cleanup on pod demo-dc1-rack1-1 to ToDo\n"
        )
    );
    assert_eq!(
        stage
            .run(&["rebuild", "--pod", "demo-dc2-rack1-0", "dc1"])
            .await?,
        said("Set status of operation rebuild on pod demo-dc2-rack1-0 to ToDo\n")
    );
    assert_eq!(stage.request_of("demo-dc1-rack1-0").await?, "cleanup ToDo -");
    assert_eq!(stage.request_of("demo-dc1-rack1-1").await?, "cleanup ToDo -");
    assert_eq!(stage.request_of("demo-dc2-rack1-0").await?, "rebuild ToDo dc1");
    Ok(())
}

#[tokio::test]
async fn operations_on_keyspaces_are_asked_for_by_name() -> Result<()> {
    let stage = demo().await?;
    for verb in ["scrub", "compact", "flush", "garbagecollect"] {
        let ended = stage
            .run(&[verb, "start", "--dc", "dc2", "--keyspace", "orders"])
            .await?;
        assert_eq!(
            ended,
            Ended {
                code: 0,
                out: format!(
                    "Namespace {}\nSet status of operation {verb} on pod demo-dc2-rack1-0 to ToDo\n",
                    stage.namespace()
                ),
                err: String::new()
            }
        );
        assert_eq!(
            stage.request_of("demo-dc2-rack1-0").await?,
            format!("{verb} ToDo orders")
        );
        stage
            .label("demo-dc2-rack1-0", json!({ "operation-status": "Done" }))
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn several_at_once_are_asked_for_with_a_number() -> Result<()> {
    let stage = demo().await?;
    let start = ["cleanup", "start", "--dc", "dc1", "--parallel", "2", "-o"];
    let path =
        r"jsonpath={.items[*].metadata.annotations.cassandraclusters\.db\.orange\.com/operation-parallelism}";
    let ended = stage.run(&[&start[..], &[path]].concat()).await?;
    assert_eq!((ended.code, ended.out.as_str()), (0, "2 2"), "{}", ended.err);
    Ok(())
}

#[tokio::test]
async fn an_argument_of_an_earlier_operation_is_taken_away() -> Result<()> {
    let stage = demo().await?;
    let old = json!({ "operation-name": "rebuild", "operation-status": "Done", "operation-argument": "dc1" });
    stage.label("demo-dc2-rack1-0", old).await?;
    let ended = stage
        .run(&["upgradesstables", "start", "--crd", "demo", "--dc", "dc2"])
        .await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(
        stage.request_of("demo-dc2-rack1-0").await?,
        "upgradesstables ToDo -"
    );
    Ok(())
}

#[tokio::test]
async fn one_busy_pod_refuses_all_and_asked_pods_are_left_alone() -> Result<()> {
    let stage = demo().await?;
    stage
        .label(
            "demo-dc1-rack1-0",
            json!({ "operation-name": "cleanup", "operation-status": "Ongoing" }),
        )
        .await?;
    let ended = stage.run(&["cleanup", "start"]).await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(
        ended.err,
        "pod `demo-dc1-rack1-0` was asked for this cleanup before, which is Ongoing; nothing written for it\n"
    );
    assert_eq!(stage.request_of("demo-dc1-rack1-0").await?, "cleanup Ongoing -");
    assert_eq!(stage.request_of("demo-dc1-rack1-1").await?, "cleanup ToDo -");

    stage
        .label("demo-dc1-rack1-1", json!({ "operation-status": "Done" }))
        .await?;
    let ended = stage.run(&["upgradesstables", "start"]).await?;
    assert_eq!(ended.code, 2);
    assert_eq!(
        ended.err,
        "error: pod `demo-dc1-rack1-0` is busy: cleanup is Ongoing; wait for its end, or choose other pods\n"
    );
    assert_eq!(
        stage.request_of("demo-dc1-rack1-1").await?,
        "cleanup Done -",
        "nothing was written"
    );
    Ok(())
}

#[tokio::test]
async fn removals_are_written_on_the_pod_that_does_them() -> Result<()> {
    let stage = demo().await?;
    let namespace = stage.namespace();
    let remove = [
        "remove",
        "--pod",
        "demo-dc1-rack1-7",
        "--previous-ip",
        "10.0.9.9",
        "--from-pod",
        "demo-dc1-rack1-0",
    ];
    let out = format!(
        "Namespace {namespace}\nTrigger remove of pod demo-dc1-rack1-7 from pod demo-dc1-rack1-0\n\
         Set status of operation remove on pod demo-dc1-rack1-0 to ToDo\n"
    );
    assert_eq!(
        stage.run(&remove).await?,
        Ended {
            code: 0,
            out,
            err: "warning: the node of pod demo-dc1-rack1-7 will leave the ring for good, and claim data-demo-dc1-rack1-7 with its \
                  data and the pod will be deleted; the other replicas take over what it held\n"
                .to_owned()
        }
    );
    assert_eq!(
        stage.request_of("demo-dc1-rack1-0").await?,
        "remove ToDo demo-dc1-rack1-7_10.0.9.9"
    );

    // The first free node is the next one; no label holds a colon.
    let ended = stage
        .run(&[
            "removenode",
            "--previous-ip",
            "2001:db8::9",
            "--crd",
            "demo",
            "--yes",
            "-o",
            "name",
        ])
        .await?;
    assert_eq!(
        ended,
        Ended {
            code: 0,
            out: "pod/demo-dc1-rack1-1\n".to_owned(),
            err: "warning: node 2001:db8::9 will leave the ring for good; the other replicas take over what it held\n".to_owned()
        }
    );
    let asked = stage.pods().get("demo-dc1-rack1-1").await?;
    assert_eq!(stage.request_of("demo-dc1-rack1-1").await?, "remove ToDo -");
    assert_eq!(
        asked
            .annotations()
            .get("cassandraclusters.db.orange.com/operation-argument")
            .map(String::as_str),
        Some("2001:db8::9")
    );

    let ended = stage
        .run(&[
            "removenode",
            "--pod",
            "demo-dc2-rack1-0",
            "--previous-ip",
            "10.0.9.8",
        ])
        .await?;
    assert_eq!(ended.code, 2);
    assert!(
        ended
            .err
            .starts_with("error: pod `demo-dc2-rack1-0` is ready at 10.0.0.3: removing a node in service"),
        "{}",
        ended.err
    );
    Ok(())
}

#[tokio::test]
async fn waiting_ends_when_every_pod_has_ended() -> Result<()> {
    let stage = demo().await?;
    for pod in ["demo-dc1-rack1-0", "demo-dc1-rack1-1"] {
        stage
            .label(
                pod,
                json!({ "operation-name": "cleanup", "operation-status": "Done" }),
            )
            .await?;
    }
    let running = stage.start(&["cleanup", "--prefix", "demo-dc1", "--wait", "--timeout", "60s"])?;
    for pod in ["demo-dc1-rack1-0", "demo-dc1-rack1-1"] {
        stage.until_asked(pod).await?;
        stage.label(pod, json!({ "operation-status": "Ongoing" })).await?;
        stage.label(pod, json!({ "operation-status": "Done" })).await?;
    }
    let ended = running.end().await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended
            .out
            .ends_with("pod/demo-dc1-rack1-0 cleanup done\npod/demo-dc1-rack1-1 cleanup done\n"),
        "{}",
        ended.out
    );
    Ok(())
}

#[tokio::test]
async fn an_operation_that_fails_ends_the_waiting_with_its_reason() -> Result<()> {
    let stage = demo().await?;
    let running = stage.start(&["cleanup", "--pod", "demo-dc2-rack1-0", "--wait"])?;
    stage.until_asked("demo-dc2-rack1-0").await?;
    let uid = stage.pods().get("demo-dc2-rack1-0").await?.uid();
    let mut record = json!({
        "id": "1", "name": "cleanup", "pod": "demo-dc2-rack1-0", "podUid": uid, "attempt": 1, "state": "Ongoing",
        "startTime": "2026-11-21T08:00:00Z",
    });
    stage.record("demo", "dc2-rack1", &record).await?;
    stage
        .label("demo-dc2-rack1-0", json!({ "operation-status": "Ongoing" }))
        .await?;
    let running = running.until_it_says("pod demo-dc2-rack1-0 running").await?;
    record["state"] = json!("Error");
    record["endTime"] = json!("2026-11-21T08:00:01Z");
    record["message"] = json!("the disk is full");
    stage.record("demo", "dc2-rack1", &record).await?;
    stage
        .label("demo-dc2-rack1-0", json!({ "operation-status": "Error" }))
        .await?;
    let ended = running.end().await?;
    assert_eq!(ended.code, 1);
    assert!(
        ended
            .err
            .ends_with("error: pod demo-dc2-rack1-0: the disk is full\n"),
        "{}",
        ended.err
    );
    Ok(())
}

#[tokio::test]
async fn status_shows_every_pod() -> Result<()> {
    let stage = demo().await?;
    let labels = json!({
        "operation-name": "cleanup", "operation-status": "Done",
        "operation-start": "20261121T080000", "operation-end": "20261121T080130",
    });
    stage.label("demo-dc1-rack1-1", labels).await?;
    let ended = stage.run(&["cleanup", "status"]).await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let rows: Vec<Vec<&str>> = ended
        .out
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0],
        ["POD", "RACK", "STATUS", "STARTED", "AGO", "TOOK", "MESSAGE"]
    );
    assert_eq!(rows[1][..3], ["demo-dc1-rack1-0", "dc1.rack1", "<none>"]);
    assert_eq!(rows[2][..3], ["demo-dc1-rack1-1", "dc1.rack1", "Done"]);
    assert_eq!(rows[2][4], "1m30s");
    assert_eq!(rows[3][..3], ["demo-dc2-rack1-0", "dc2.rack1", "<none>"]);
    Ok(())
}

/// The budget: one list and many patches at once, at most a second for 300 pods.
#[tokio::test]
async fn three_hundred_pods_are_asked_at_once() -> Result<()> {
    use futures::{StreamExt, TryStreamExt, stream};
    let stage = Stage::set().await?;
    stage.cluster("demo", SPEC).await?;
    stream::iter(0..300)
        .map(|ordinal| stage.pod("demo", "dc1-rack1", ordinal, "10.0.0.1"))
        .buffer_unordered(32)
        .try_collect::<Vec<()>>()
        .await?;
    let ended = stage.run(&["cleanup", "start", "-o", "name"]).await?;
    assert_eq!((ended.code, ended.out.lines().count()), (0, 300), "{}", ended.err);
    let asked = ListParams::default().labels("operation-name=cleanup,operation-status=ToDo");
    assert_eq!(stage.pods().list(&asked).await?.items.len(), 300);
    Ok(())
}
