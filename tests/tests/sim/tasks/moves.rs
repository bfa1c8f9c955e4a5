//! Nodes of one token that get other ones, by task.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use casskop_simulator::ring::{Keyspace, OperationMode, Replication, Token};
use casskop_simulator::{
    CallPattern, CallQuery, CallRecord, CallRule, Client, ClusterId, Ending, PodId, Scope, Span,
};
use casskop_tests::cluster::{Cluster, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use serde_json::json;

use super::{apply, calls_become, fan_out_ends, moving, slow_down, task_ends};
use crate::NODES;

const FIRST: &str = "demo-dc1-rack1-0";
const SECOND: &str = "demo-dc1-rack2-0";
const OTHER: &str = "demo-dc2-rack1-0";
const PODS: [&str; 3] = [FIRST, SECOND, OTHER];

/// Three nodes, each with one token.
async fn demo(ground: &Ground) -> Result<Cluster<'_>> {
    let mut wanted = spec(&[("dc1", &["rack1", "rack2"]), ("dc2", &["rack1"])], 1);
    wanted["config"] = json!({ "cassandra-yaml": { "num_tokens": 1 } });
    let cluster = Cluster::create(ground, "demo", wanted).await?;
    cluster.settled(3).await?;
    let (simulator, id) = cluster.simulator()?;
    let shop = Keyspace::full(Replication::by_dc([("dc1", 1), ("dc2", 1)]));
    simulator.put_keyspace(&id, "shop", shop).await?;
    Ok(cluster)
}

/// Mode and tokens of each pod's node.
async fn nodes(
    cluster: &Cluster<'_>,
    simulator: &Client,
    id: &ClusterId,
) -> Result<BTreeMap<String, (OperationMode, Vec<Token>)>> {
    let ring = simulator.ring(id).await?;
    let pods = cluster.pods().await?.into_iter();
    pods.map(|(name, pod)| {
        let address = pod
            .status
            .and_then(|status| status.pod_ip)
            .context("no address")?;
        let (_, node) = ring.at(address.parse()?).context("no node")?;
        Ok((name, (node.mode, node.tokens.clone())))
    })
    .collect()
}

#[tokio::test]
async fn nodes_get_their_tokens_one_at_a_time_and_nothing_else_is_done_meanwhile() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let mut operator = Operator::start(&ground)?;
    let cluster = demo(&ground).await?;
    let (simulator, id) = cluster.simulator()?;
    let before = nodes(&cluster, &simulator, &id).await?;
    slow_down(&simulator, &id, "move", Span::UntilReleased).await?;
    apply(
        &ground,
        &moving(
            "balance",
            &format!("{{{FIRST}: \"-4611686018427387904\", {SECOND}: \"42\"}}"),
        ),
    )?;
    let calls = CallQuery::of(id.clone(), "move");
    calls_become(&simulator, &calls, 1).await?;
    operator.kill()?;
    operator = Operator::start(&ground)?;
    cluster.casskop(["cleanup", "start", "--pod", OTHER])?;
    ground.typed("kubectl wait cassandracluster demo --for condition=Waiting --timeout 60s")?;
    let amid = nodes(&cluster, &simulator, &id).await?;
    assert_eq!(amid[FIRST].0, OperationMode::Moving);
    // While the second node moves, and once it has.
    for _ in 0..2 {
        simulator
            .release_calls(Scope::Cluster(id.clone()), "move")
            .await?;
        calls_become(&simulator, &calls, 2).await?;
        operator.kill()?;
        operator = Operator::start(&ground)?;
    }
    let done = fan_out_ends(&ground, "balance").await?.status.unwrap_or_default();
    assert_eq!((done.overall.succeeded, done.overall.failed), (2, 0), "{done:?}");
    assert_eq!(done.datacenters.keys().collect::<Vec<_>>(), ["dc1"], "{done:?}");
    cluster.operations_end(&[OTHER], "Done").await?;

    let after = nodes(&cluster, &simulator, &id).await?;
    assert_eq!(
        after[FIRST],
        (OperationMode::Normal, vec![-4_611_686_018_427_387_904])
    );
    assert_eq!(after[SECOND], (OperationMode::Normal, vec![42]));
    assert_eq!(after[OTHER], before[OTHER]);
    let made = simulator.calls(&calls).await?;
    assert_eq!((made.len(), made.max_concurrent()), (2, 1));
    let cleanups = simulator
        .calls(&CallQuery::of(id.clone(), "forceKeyspaceCleanup"))
        .await?;
    ensure!(!cleanups.is_empty(), "nothing was cleaned up");
    let apart = |one: &CallRecord, other: &CallRecord| one.ended_as.is_some_and(|end| end < other.began_as);
    for cleanup in cleanups.records() {
        for moved in made.records() {
            ensure!(
                apart(cleanup, moved) || apart(moved, cleanup),
                "cleaned up while a node moved: {cleanup:?} {moved:?}"
            );
        }
    }
    ensure!(
        simulator.ring(&id).await?.ring.lost("shop").is_empty(),
        "data was lost"
    );
    drop(operator);
    Ok(())
}

#[tokio::test]
async fn a_node_that_breaks_its_move_off_is_brought_back_by_its_restart() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = demo(&ground).await?;
    let (simulator, id) = cluster.simulator()?;
    let before = nodes(&cluster, &simulator, &id).await?;
    let rule = CallRule {
        scope: Scope::Pod(PodId::new(&ground.namespace, SECOND)),
        calls: CallPattern::named("move"),
        ends: Ending::Exception {
            class: "java.lang.RuntimeException".to_owned(),
            message: "Interrupted while waiting for stream/fetch ranges to finish: Stream failed".to_owned(),
        },
        ..CallRule::default()
    };
    simulator.add_call_rule(rule).await?;
    apply(&ground, &moving("broken", &format!("{{{SECOND}: \"42\"}}")))?;
    fan_out_ends(&ground, "broken").await?;
    let ended = task_ends(&ground, "broken-dc1").await?;
    let why = ended.pod_statuses[SECOND].error.clone().unwrap_or_default();
    ensure!(
        why.contains("Stream failed") && why.contains(&format!("kubectl casskop restart --pod {SECOND}")),
        "{why}"
    );
    let left = nodes(&cluster, &simulator, &id).await?;
    assert_eq!(left[SECOND], (OperationMode::Moving, before[SECOND].1.clone()));

    // The command as it was told.
    let uids = cluster.uids().await?;
    ground.typed(&format!(
        "kubectl casskop restart --pod {SECOND} --wait --timeout 2m"
    ))?;
    let now = cluster.uids().await?;
    for pod in PODS {
        assert_eq!(uids[pod] != now[pod], pod == SECOND, "{pod}");
    }
    assert_eq!(nodes(&cluster, &simulator, &id).await?, before);
    cluster.settled(3).await.map(drop)
}

#[tokio::test]
async fn what_cannot_be_moved_is_left_alone() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 1)).await?;
    cluster.settled(1).await?;
    apply(&ground, &moving("several", &format!("{{{FIRST}: \"42\"}}")))?;
    fan_out_ends(&ground, "several").await?;
    let ended = task_ends(&ground, "several-dc1").await?;
    let why = ended.pod_statuses[FIRST].error.clone().unwrap_or_default();
    ensure!(
        why.contains("has 16 tokens") && why.contains("num_tokens: 1"),
        "{why}"
    );
    let outcome = cluster.casskop([
        "task",
        "create",
        "move",
        "--crd",
        "demo",
        "--dc",
        "dc1",
        "--new-token",
        "demo-dc1-rack1-7=42",
        "--wait",
        "--timeout",
        "60s",
    ]);
    ensure!(outcome.is_err(), "a pod that is not there was moved");
    let (simulator, id) = cluster.simulator()?;
    assert!(simulator.calls(&CallQuery::of(id, "move")).await?.is_empty());
    Ok(())
}
