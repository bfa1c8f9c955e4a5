//! Tasks beside each other, beside a scale-down and beside a rolling update: one rack is disturbed at a time, and who comes first is
//! served first.

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_simulator::ring::Moment;
use casskop_simulator::{CallQuery, Scope, Span};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::task::CassandraTask;
use serde_json::json;

use super::{apply, slow_down, task, task_ends, task_is, tasks};
use crate::NODES;

#[tokio::test]
async fn a_task_a_scale_down_and_a_rolling_update_wait_for_each_other() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1", "rack2"])], 2)).await?;
    cluster.settled(4).await?;
    let before = cluster.uids().await?;
    apply(&ground, &task("restart", "dc1", "restart", ""))?;
    task_is(&ground, "restart", "has begun", |status| status.active > 0).await?;
    let rolls = json!({ "pod": { "annotations": { "example.com/rolls": "all pods" } } });
    cluster.edit(rolls).await?;
    cluster.edit(json!({ "nodesPerRacks": 1 })).await?;
    let ended = task_ends(&ground, "restart").await?;
    assert_eq!(ended.failed, 0, "{ended:?}");
    // Those that left while the task waited are no business of it.
    assert!(ended.succeeded >= 2, "{ended:?}");
    cluster.settled(2).await?;
    for (name, pod) in cluster.pods().await? {
        let annotations = pod.metadata.annotations.unwrap_or_default();
        assert!(
            annotations.contains_key("example.com/rolls"),
            "{name} is of the revision before"
        );
    }
    let after = cluster.uids().await?;
    assert!(
        after.iter().all(|(pod, uid)| before[pod] != *uid),
        "{before:?} {after:?}"
    );
    let (simulator, id) = cluster.simulator()?;
    assert_eq!(simulator.max_down_since(&id, Moment(0)).await?, 1);
    Ok(())
}

/// First come, first served, and none starves.
#[tokio::test]
async fn tasks_that_let_no_other_run_take_their_turns() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 2)).await?;
    cluster.settled(2).await?;
    let (simulator, id) = cluster.simulator()?;
    slow_down(&simulator, &id, "forceKeyspaceFlush", Span::UntilReleased).await?;
    let names = ["a-first", "b-second", "c-third"];
    apply(&ground, &task(names[0], "dc1", "flush", ""))?;
    task_is(&ground, names[0], "has begun", |status| status.active > 0).await?;
    apply(
        &ground,
        &task(names[1], "dc1", "flush", ", concurrencyPolicy: Allow"),
    )?;
    apply(&ground, &task(names[2], "dc1", "flush", ""))?;
    let waits = task_is(&ground, names[2], "says what it waits for", |status| {
        status
            .conditions
            .iter()
            .any(|condition| condition.reason == "WaitingForTask")
    })
    .await?;
    let said = &waits.conditions[0].message;
    assert!(names[..2].iter().any(|name| said.contains(name)), "{said}");
    let mut ends = Vec::new();
    until("all have ended", PATIENCE, async || {
        let flushes = Scope::Cluster(id.clone());
        simulator.release_calls(flushes, "forceKeyspaceFlush").await?;
        let last = tasks::<CassandraTask>(&ground).get(names[2]).await?;
        let has_ended = last.status.is_some_and(|status| status.completion_time.is_some());
        Ok(if has_ended {
            Answer::Yes(())
        } else {
            Answer::not_yet("the last one has not")
        })
    })
    .await?;
    for name in names {
        let ended = task_ends(&ground, name).await?;
        assert_eq!((ended.succeeded, ended.failed), (2, 0), "{name}: {ended:?}");
        ends.push((
            ended.start_time.map(|time| time.0),
            ended.completion_time.map(|time| time.0),
        ));
    }
    assert!(
        ends.iter().all(|(start, end)| start.is_some() && end.is_some())
            && ends[0].1 <= ends[1].0
            && ends[1].1 <= ends[2].0,
        "{ends:?}"
    );
    let calls = simulator.calls(&CallQuery::of(id, "forceKeyspaceFlush")).await?;
    assert_eq!(calls.max_concurrent(), 1, "one pod at a time");
    Ok(())
}
