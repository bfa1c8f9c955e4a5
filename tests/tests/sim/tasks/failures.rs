//! Pods that fail, pods that cannot be reached, and a task that is deleted, on three datacenters of thirty nodes.

use std::time::Duration;

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_simulator::{
    CallOutcome, CallQuery, Client, ClusterId, PodBehaviour, PodId, ProcessFate, Scope, Span,
};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::labels::OPERATION_STATUS;
use casskop_types::task::{CassandraTask, PodState, TaskStatus};

use super::{
    apply, calls_become, conditions, events, lines, no_room, slow_down, task, task_ends, task_is, tasks,
};
use crate::NODES;

const DATACENTERS: [&str; 3] = ["dc1", "dc2", "dc3"];
const NODES_EACH: usize = 30;

/// Beside other tests ninety nodes take more than the usual patience.
const FORMATION: Duration = Duration::from_mins(6);

fn in_state(status: &TaskStatus, state: PodState) -> usize {
    let pods = status.pod_statuses.values();
    pods.filter(|pod| pod.status == Some(state)).count()
}

#[tokio::test]
async fn no_pod_holds_up_the_others_of_three_datacenters_of_thirty() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let racks = DATACENTERS.map(|dc| (dc, ["rack1"]));
    let racks: Vec<(&str, &[&str])> = racks.iter().map(|(dc, racks)| (*dc, &racks[..])).collect();
    let cluster = Cluster::create(&ground, "demo", spec(&racks, 30)).await?;
    let nodes = DATACENTERS.len() * NODES_EACH;
    let all = format!("{nodes}/{nodes}");
    until(
        "all nodes have joined, one after the other",
        FORMATION,
        async || {
            let ready = cluster.status().await?.nodes_ready.unwrap_or_default();
            Ok(if ready == all {
                Answer::Yes(())
            } else {
                Answer::not_yet(ready)
            })
        },
    )
    .await?;
    cluster.settled(nodes).await?;
    let (simulator, id) = cluster.simulator()?;
    let shop = Keyspace::full(Replication::by_dc(DATACENTERS.map(|dc| (dc, 3))));
    simulator.put_keyspace(&id, "shop", shop).await?;

    one_that_fails_is_tried_again_and_counted(&ground, &simulator, &id).await?;
    one_that_is_down_is_waited_for_alone(&ground, &simulator).await?;
    nothing_is_begun_for_a_task_that_is_gone(&ground, &cluster, &simulator, &id).await
}

/// cass-operator #612, #850, #885.
async fn one_that_fails_is_tried_again_and_counted(
    ground: &Ground,
    simulator: &Client,
    id: &ClusterId,
) -> Result<()> {
    let broken = "demo-dc2-rack1-7";
    slow_down(simulator, id, "forceKeyspaceFlush", Span::Millis(100)).await?;
    no_room(
        simulator,
        PodId::new(&ground.namespace, broken),
        "forceKeyspaceFlush",
    )
    .await?;
    apply(
        ground,
        &task(
            "flush",
            "dc2",
            "flush",
            ", maxConcurrentPods: 5, retries: 1, restartPolicy: OnFailure",
        ),
    )?;
    let ended = task_ends(ground, "flush").await?;
    assert_eq!((ended.succeeded, ended.failed, ended.active), (29, 1, 0));
    let pod = &ended.pod_statuses[broken];
    assert_eq!(pod.status, Some(PodState::Error));
    let why = pod.error.clone().unwrap_or_default();
    assert!(why.contains("No space left on device"), "{why}");
    assert_eq!(
        conditions(&ended),
        [
            ("Running=False".to_owned(), String::new()),
            ("Complete=True".to_owned(), String::new()),
            (
                "Failed=True".to_owned(),
                "1 pods failed during processing".to_owned()
            )
        ]
    );
    let wanted = ["TaskStarted", "PodFailed", "TaskFailed"];
    until("all is told in events", PATIENCE, async || {
        let told = events(ground, "CassandraTask", "flush").await?;
        let is_told = |reason: &&str| told.iter().any(|(known, _)| known == reason);
        Ok(if wanted.iter().all(is_told) {
            Answer::Yes(())
        } else {
            Answer::not_yet(format!("{told:?}"))
        })
    })
    .await?;
    let calls = simulator
        .calls(&CallQuery::of(id.clone(), "forceKeyspaceFlush"))
        .await?;
    let mut failed = calls.records().iter();
    let mut failed = failed
        .by_ref()
        .filter(|call| matches!(call.outcome, CallOutcome::Failed(_)));
    let (Some(first), Some(again), None) = (failed.next(), failed.next(), failed.next()) else {
        anyhow::bail!("not tried once, and once again: {calls:?}");
    };
    let pause = again.begun.0.saturating_sub(first.begun.0);
    // Ten seconds from the end that the status tells, in whole seconds.
    assert!(pause >= 9_000, "tried again after {pause} ms");
    assert!(calls.repeats_of_done().is_empty());
    assert!(
        (2..=5).contains(&calls.max_concurrent()),
        "{}",
        calls.max_concurrent()
    );
    let shown = lines(ground, "cassandratask")?;
    assert_eq!(shown[1][..3], ["flush", "dc2", "flush"]);
    Ok(())
}

/// cass-operator waits for it without end, and for nothing else.
async fn one_that_is_down_is_waited_for_alone(ground: &Ground, simulator: &Client) -> Result<()> {
    let down = PodId::new(&ground.namespace, "demo-dc1-rack1-3");
    let process = |fate| PodBehaviour {
        process: Some(fate),
        ..PodBehaviour::default()
    };
    simulator
        .set_pod_behaviour(Scope::Pod(down.clone()), process(ProcessFate::Crashes))
        .await?;
    simulator.crash(&down).await?;
    until("the pod is not ready", PATIENCE, async || {
        let ready = ground.typed(&format!(
            "kubectl get pod {} -o jsonpath='{{.status.conditions[?(@.type==\"Ready\")].status}}'",
            down.name
        ))?;
        Ok(if ready.stdout == "False" {
            Answer::Yes(())
        } else {
            Answer::not_yet(ready.stdout)
        })
    })
    .await?;
    apply(
        ground,
        &task("gc", "dc1", "garbagecollect", ", maxConcurrentPods: 10"),
    )?;
    let waits = task_is(ground, "gc", "is done everywhere else", |status| {
        in_state(status, PodState::Completed) == NODES_EACH - 1
    })
    .await?;
    assert!(waits.completion_time.is_none());
    let why = waits.pod_statuses[&down.name].error.clone().unwrap_or_default();
    assert!(why.contains(&down.name), "{why}");
    simulator
        .set_pod_behaviour(Scope::Pod(down), process(ProcessFate::Runs))
        .await?;
    let ended = task_ends(ground, "gc").await?;
    assert_eq!((ended.succeeded, ended.failed), (30, 0));
    Ok(())
}

/// cass-operator lets what it began go on.
async fn nothing_is_begun_for_a_task_that_is_gone(
    ground: &Ground,
    cluster: &Cluster<'_>,
    simulator: &Client,
    id: &ClusterId,
) -> Result<()> {
    slow_down(simulator, id, "forceKeyspaceCleanup", Span::UntilReleased).await?;
    apply(
        ground,
        &task("cleanup", "dc3", "cleanup", ", maxConcurrentPods: 4"),
    )?;
    let cleanups = CallQuery::of(id.clone(), "forceKeyspaceCleanup");
    calls_become(simulator, &cleanups, 4).await?;
    tasks::<CassandraTask>(ground)
        .delete("cleanup", &kube::api::DeleteParams::default())
        .await?;
    until("nothing is asked for any more", PATIENCE, async || {
        let pods = cluster.pods().await?;
        let open: Vec<String> = pods
            .into_iter()
            .filter(|(_, pod)| {
                let status = pod
                    .metadata
                    .labels
                    .as_ref()
                    .and_then(|labels| labels.get(OPERATION_STATUS));
                status.is_some_and(|status| ["ToDo", "Ongoing"].contains(&status.as_str()))
            })
            .map(|(name, _)| name)
            .collect();
        Ok(if open.is_empty() {
            Answer::Yes(())
        } else {
            Answer::not_yet(open.join(", "))
        })
    })
    .await?;
    let calls = simulator.calls(&cleanups).await?;
    assert_eq!(calls.len(), 4, "none began after it: {calls:?}");
    assert!(
        calls.records().iter().all(|call| call.ended.is_some()),
        "each was stopped in its node"
    );
    Ok(())
}
