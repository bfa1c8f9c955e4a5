use anyhow::Result;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::TWO_RACKS;
use super::plugin_run::Ended;
use super::stage::Stage;

fn flags(cluster: &casskop_types::CassandraCluster) -> Vec<Option<bool>> {
    let datacenters = cluster
        .spec
        .topology
        .iter()
        .flat_map(|topology| topology.dc.iter().flatten());
    datacenters
        .flat_map(|dc| dc.rack.iter().flatten())
        .map(|rack| rack.rolling_restart)
        .collect()
}

#[tokio::test]
async fn only_the_flags_are_written_and_casskops_lines_are_printed() -> Result<()> {
    let stage = Stage::set().await?;
    let before = stage.cluster("demo", TWO_RACKS).await?;
    let ended = stage
        .run(&["restart", "--crd", "demo", "--rack", "dc1.rack2"])
        .await?;
    let out = format!("Namespace {}\nTrigger restart of dc1.rack2\n", stage.namespace());
    assert_eq!(
        ended,
        Ended {
            code: 0,
            out,
            err: String::new()
        }
    );

    let mut after = stage.clusters().get("demo").await?;
    assert_eq!(flags(&after), [None, Some(true)]);
    let writers: Vec<_> = after
        .metadata
        .managed_fields
        .iter()
        .flatten()
        .filter_map(|entry| entry.manager.clone())
        .collect();
    assert!(writers.contains(&"kubectl-casskop".to_owned()), "{writers:?}");
    if let Some(topology) = &mut after.spec.topology {
        for rack in topology
            .dc
            .iter_mut()
            .flatten()
            .flat_map(|dc| dc.rack.iter_mut().flatten())
        {
            rack.rolling_restart = None;
        }
    }
    assert_eq!(after.spec, before.spec);
    Ok(())
}

#[tokio::test]
async fn asking_twice_writes_once() -> Result<()> {
    let stage = Stage::set().await?;
    stage.cluster("demo", TWO_RACKS).await?;
    stage.run(&["restart", "--crd", "demo", "--dc", "dc1"]).await?;
    let version = stage.version_of("demo").await?;
    let again = stage
        .run(&["restart", "--crd", "demo", "--full", "-o", "name"])
        .await?;
    assert_eq!(again.code, 0, "{}", again.err);
    assert_eq!(again.out, "cassandracluster.db.orange.com/demo\n");
    assert_eq!(
        again.err,
        "restart of dc1.rack1 is already asked for and has not begun; nothing written for it\n\
         restart of dc1.rack2 is already asked for and has not begun; nothing written for it\n"
    );
    assert_eq!(stage.version_of("demo").await?, version);
    Ok(())
}

#[tokio::test]
async fn a_busy_rack_refuses_all() -> Result<()> {
    let stage = Stage::set().await?;
    stage.cluster("demo", TWO_RACKS).await?;
    stage
        .action("demo", "dc1-rack2", "Ongoing", "2026-11-21T08:00:00Z")
        .await?;
    let version = stage.version_of("demo").await?;
    let ended = stage.run(&["restart", "--crd", "demo", "--full"]).await?;
    let namespace = stage.namespace();
    let err = format!(
        "error: rack dc1.rack2 of cassandracluster `demo` is busy: RollingRestart is Ongoing since 2026-11-21T08:00:00Z; \
         watch it with `kubectl get cassandracluster demo --namespace {namespace} --watch`\n"
    );
    assert_eq!(
        ended,
        Ended {
            code: 2,
            out: String::new(),
            err
        }
    );
    assert_eq!(stage.version_of("demo").await?, version);
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_leaves_its_topology_to_the_default_is_restarted_too() -> Result<()> {
    let stage = Stage::set().await?;
    stage.cluster("demo", r#"{"nodesPerRacks": 1}"#).await?;
    let ended = stage.run(&["restart", "--crd", "demo", "--full"]).await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(
        ended.err,
        "spec.topology of cassandracluster `demo` left dc1.rack1 to its default; it is written out now, to hold the request\n"
    );
    assert_eq!(flags(&stage.clusters().get("demo").await?), [Some(true)]);
    Ok(())
}

#[tokio::test]
async fn waiting_ends_with_this_restart_and_not_with_an_older_one() -> Result<()> {
    let stage = Stage::set().await?;
    stage.cluster("demo", TWO_RACKS).await?;
    stage
        .action("demo", "dc1-rack1", "Done", "2026-11-21T07:00:00Z")
        .await?;
    let running = stage.start(&[
        "restart",
        "--crd",
        "demo",
        "--rack",
        "dc1.rack1",
        "--wait",
        "--timeout",
        "60s",
    ])?;
    stage
        .until_cluster("demo", |cluster| flags(cluster) == [Some(true), None])
        .await?;
    // As the operator goes about it: record, take the flag back, work, record the end.
    stage
        .action("demo", "dc1-rack1", "ToDo", "2026-11-21T08:00:00Z")
        .await?;
    let racks = json!([{ "name": "rack1", "rollingRestart": false }, { "name": "rack2" }]);
    let taken = json!({ "spec": { "topology": { "dc": [{ "name": "dc1", "rack": racks }] } } });
    stage
        .clusters()
        .patch("demo", &PatchParams::default(), &Patch::Merge(taken))
        .await?;
    stage
        .action("demo", "dc1-rack1", "Ongoing", "2026-11-21T08:00:00Z")
        .await?;
    stage
        .action("demo", "dc1-rack1", "Done", "2026-11-21T08:00:00Z")
        .await?;
    let ended = running.end().await?;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(
        ended.out,
        format!(
            "Namespace {}\nTrigger restart of dc1.rack1\ncassandracluster.db.orange.com/demo restarted\n",
            stage.namespace()
        )
    );
    assert_eq!(
        ended.err,
        "rack dc1.rack1 asked: not taken up by the operator yet\n\
         rack dc1.rack1 queued: waits for its turn\n\
         rack dc1.rack1 running: 0 nodes ready\n\
         rack dc1.rack1 done: restarted\n"
    );
    Ok(())
}

#[tokio::test]
async fn waiting_can_time_out_be_interrupted_and_lose_its_object() -> Result<()> {
    let stage = Stage::set().await?;
    let watch = format!(
        "watch it with `kubectl get cassandracluster demo --namespace {} --watch`",
        stage.namespace()
    );
    stage.cluster("demo", TWO_RACKS).await?;
    let ended = stage
        .run(&[
            "restart",
            "--crd",
            "demo",
            "--rack",
            "dc1.rack1",
            "--wait",
            "--timeout",
            "1s",
        ])
        .await?;
    assert_eq!(ended.code, 124);
    assert!(
        ended.err.ends_with(&format!(
            "error: timed out after 1s waiting for rack dc1.rack1; the request stays: {watch}\n"
        )),
        "{}",
        ended.err
    );

    let interrupted = stage.start(&["restart", "--crd", "demo", "--rack", "dc1.rack2", "--wait"])?;
    stage
        .until_cluster("demo", |cluster| flags(cluster) == [Some(true), Some(true)])
        .await?;
    let interrupted = interrupted.until_it_says("rack dc1.rack2 asked").await?;
    interrupted.interrupt()?;
    let ended = interrupted.end().await?;
    assert_eq!(ended.code, 130);
    assert!(
        ended.err.ends_with(&format!(
            "error: stopped waiting for rack dc1.rack2; the request stays: {watch}\n"
        )),
        "{}",
        ended.err
    );

    let deleted = stage.start(&["restart", "--crd", "demo", "--rack", "dc1.rack1", "--wait"])?;
    let deleted = deleted.until_it_says("rack dc1.rack1 asked").await?;
    stage
        .clusters()
        .delete("demo", &kube::api::DeleteParams::default())
        .await?;
    let ended = deleted.end().await?;
    assert_eq!(ended.code, 1);
    assert!(
        ended
            .err
            .ends_with("error: rack dc1.rack1: cassandracluster `demo` was deleted\n"),
        "{}",
        ended.err
    );
    Ok(())
}

#[tokio::test]
async fn single_nodes_are_asked_for_on_their_pods_and_the_racks_are_left_alone() -> Result<()> {
    let stage = Stage::set().await?;
    let before = stage.cluster("demo", TWO_RACKS).await?;
    let pods = ["demo-dc1-rack1-0", "demo-dc1-rack2-0", "demo-dc1-rack2-1"];
    stage.pod("demo", "dc1-rack1", 0, "10.0.0.1").await?;
    stage.pod("demo", "dc1-rack2", 0, "10.0.0.2").await?;
    stage.pod("demo", "dc1-rack2", 1, "10.0.0.3").await?;
    let namespace = stage.namespace();
    let said = |lines: &str| Ended {
        code: 0,
        out: format!("Namespace {namespace}\n{lines}"),
        err: String::new(),
    };
    let two = format!("{},{}", pods[0], pods[1]);
    assert_eq!(
        stage.run(&["restart", "--pod", &two]).await?,
        said(
            "Set status of operation restart on pod demo-dc1-rack1-0 to ToDo\n\
             Set status of operation restart on pod demo-dc1-rack2-0 to ToDo\n"
        )
    );
    assert_eq!(stage.request_of(pods[0]).await?, "restart ToDo -");
    assert_eq!(stage.request_of(pods[1]).await?, "restart ToDo -");
    assert_eq!(stage.request_of(pods[2]).await?, "- - -");
    assert_eq!(
        stage.run(&["restart", "abort", "--pod", pods[1]]).await?,
        said("Trigger abort of operation restart on pod demo-dc1-rack2-0\n")
    );
    let again = stage.run(&["restart", "--prefix", "demo-dc1-rack1"]).await?;
    assert_eq!(
        again.err,
        "pod `demo-dc1-rack1-0` was asked for this restart before, which is ToDo; nothing written for it\n"
    );
    let table = stage
        .run(&["restart", "status", "--crd", "demo", "-o", "json"])
        .await?;
    assert!(table.out.contains("\"name\": \"restart\""), "{}", table.out);
    let after = stage.clusters().get("demo").await?;
    assert_eq!(after.spec, before.spec);
    let unknown = stage.run(&["restart", "--pod", "demo-dc1-rack9-0"]).await?;
    assert_eq!(unknown.code, 2, "{}", unknown.err);
    Ok(())
}
