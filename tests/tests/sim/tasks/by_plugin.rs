//! `kubectl casskop task`, typed.

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_simulator::{CallQuery, Span};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use serde_json::Value;

use super::{calls_become, slow_down};
use crate::NODES;

#[tokio::test]
async fn a_task_is_made_watched_aborted_and_deleted() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let datacenters = spec(&[("dc1", &["rack1"]), ("dc2", &["rack1"])], 2);
    let cluster = Cluster::create(&ground, "demo", datacenters).await?;
    cluster.settled(4).await?;

    let told =
        ground.typed("kubectl casskop task create flush --name once --at-once 2 --wait --timeout 2m")?;
    assert_eq!(
        told.stdout,
        "k8ssandratask/once created\nk8ssandratask/once complete\n"
    );
    assert!(
        told.stderr.contains("datacenter dc2 done: 2 of 2 nodes done"),
        "{}",
        told.stderr
    );
    let shown = ground.typed("kubectl casskop task describe once")?.stdout;
    assert!(shown.contains("  State:    Complete"), "{shown}");
    assert!(shown.contains("  dc2          Complete   2/2"), "{shown}");

    let (simulator, id) = cluster.simulator()?;
    slow_down(&simulator, &id, "forceKeyspaceCleanup", Span::UntilReleased).await?;
    ground.typed("kubectl casskop task create cleanup --crd demo --dc dc2,dc1 --name long")?;
    let cleanups = CallQuery::of(id, "forceKeyspaceCleanup");
    calls_become(&simulator, &cleanups, 1).await?;
    let late = ground
        .kubectl()?
        .arguments(["casskop", "task", "wait", "long", "--timeout", "1s"])
        .run()?;
    assert_eq!(late.code, Some(124), "{late:?}");
    assert!(
        late.stderr.contains("see `kubectl casskop task describe long"),
        "{}",
        late.stderr
    );

    ground.typed("kubectl casskop task abort long")?;
    let ended = ground
        .kubectl()?
        .arguments(["casskop", "task", "wait", "long", "--timeout", "2m"])
        .run()?;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("k8ssandratask/long: aborted"),
        "{}",
        ended.stderr
    );
    let listed: Value = serde_json::from_str(&ground.typed("kubectl casskop task list -o json")?.stdout)?;
    let long = &listed["tasks"][1];
    assert_eq!(
        (&long["name"], &long["state"]),
        (&"long".into(), &"Failed".into())
    );
    assert_eq!(
        long["datacenters"].as_array().map(Vec::len),
        Some(1),
        "dc1 is not begun: {long}"
    );
    until("its node does something else again", PATIENCE, async || {
        let calls = simulator.calls(&cleanups).await?;
        Ok(if calls.records().iter().all(|call| call.ended.is_some()) {
            Answer::Yes(())
        } else {
            Answer::not_yet("it still cleans up")
        })
    })
    .await?;
    assert_eq!(simulator.calls(&cleanups).await?.len(), 1);

    // What has ended is deleted without a question.
    ground.typed("kubectl casskop task delete long")?;
    let gone = ground
        .kubectl()?
        .arguments(["casskop", "task", "describe", "nothing"])
        .run()?;
    assert_eq!(gone.code, Some(2));
    assert!(
        gone.stderr.contains("there is no task `nothing`"),
        "{}",
        gone.stderr
    );
    Ok(())
}
