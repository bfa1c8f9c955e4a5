//! `K8ssandraTask`s: the manifests of their users, written for clusters of theirs, on clusters of ours.

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_simulator::ring::{Keyspace, Moment, Replication};
use casskop_simulator::{CallQuery, Scope, Span};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::task::K8ssandraTask;
use kube::ResourceExt;

use super::{apply, conditions, events, fan_out_ends, lines, over_all, slow_down, tasks};
use crate::NODES;

const PODS: [&str; 2] = ["demo-dc1-rack1-0", "demo-dc2-rack1-0"];

/// The cluster of K8ssandra's documents.
async fn demo(ground: &Ground) -> Result<Cluster<'_>> {
    let datacenters = spec(&[("dc1", &["rack1"]), ("dc2", &["rack1"])], 1);
    let cluster = Cluster::create(ground, "demo", datacenters).await?;
    cluster.settled(2).await?;
    Ok(cluster)
}

#[tokio::test]
async fn the_quick_start_restarts_one_datacenter_after_the_other() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = demo(&ground).await?;
    let before = cluster.uids().await?;
    apply(
        &ground,
        "
apiVersion: control.k8ssandra.io/v1alpha1
kind: K8ssandraTask
metadata:
  name: task1
spec:
  cluster:
    name: demo
  template:
    jobs:
    - name: job1
      command: restart
",
    )?;
    let done = fan_out_ends(&ground, "task1").await?;
    let status = done.status.clone().unwrap_or_default();
    assert_eq!(
        conditions(&status.overall),
        [
            ("Running=False".to_owned(), String::new()),
            ("Failed=False".to_owned(), String::new()),
            ("Complete=True".to_owned(), String::new())
        ]
    );
    assert_eq!((status.overall.succeeded, status.overall.failed), (2, 0));
    let of = |dc: &str| status.datacenters[dc].clone();
    assert!(of("dc1").completion_time <= of("dc2").start_time, "{status:?}");
    assert_eq!(status.overall.start_time, of("dc1").start_time);
    assert_eq!(status.overall.completion_time, of("dc2").completion_time);

    let after = cluster.uids().await?;
    assert!(PODS.iter().all(|pod| before[*pod] != after[*pod]));
    let (simulator, id) = cluster.simulator()?;
    assert_eq!(simulator.max_down_since(&id, Moment(0)).await?, 1);
    assert_eq!(simulator.calls(&CallQuery::of(id, "drain")).await?.len(), 2);

    let shown = lines(&ground, "K8ssandraTask")?;
    assert_eq!(shown[0], ["NAME", "JOB", "SCHEDULED", "STARTED", "COMPLETED"]);
    assert_eq!(
        (shown[1].len(), &shown[1][..2]),
        (4, &["task1".to_owned(), "restart".to_owned()][..])
    );
    let shown = lines(&ground, "CassandraTask")?;
    assert_eq!(
        shown[0],
        ["NAME", "DATACENTER", "JOB", "SCHEDULED", "STARTED", "COMPLETED"]
    );
    assert_eq!(shown.len(), 3, "{shown:?}");
    for (line, dc) in shown[1..].iter().zip(["dc1", "dc2"]) {
        assert_eq!(
            line[..3],
            [format!("task1-{dc}"), dc.to_owned(), "restart".to_owned()]
        );
        assert_eq!(line.len(), 5, "started and completed: {line:?}");
    }
    let told = events(&ground, "K8ssandraTask", "task1").await?;
    for dc in ["dc1", "dc2"] {
        let made = format!("Created CassandraTask {}.task1-{dc}", ground.namespace);
        let made = ("CreateCassandraTask".to_owned(), made);
        assert_eq!(told.iter().filter(|event| **event == made).count(), 1, "{told:?}");
    }

    // What it made goes with it, though it does not own it.
    tasks::<K8ssandraTask>(&ground)
        .delete("task1", &kube::api::DeleteParams::default())
        .await?;
    until("all of it is gone", PATIENCE, async || {
        let left = ground
            .typed("kubectl get k8ssandratasks,cassandratasks -o name")?
            .stdout;
        Ok(if left.is_empty() {
            Answer::Yes(())
        } else {
            Answer::not_yet(left)
        })
    })
    .await
}

#[tokio::test]
async fn what_a_cluster_does_not_have_is_invalid_until_it_has_it() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let wrong = |name: &str, cluster: &str, datacenters: &str| {
        format!(
            "{{apiVersion: control.k8ssandra.io/v1alpha1, kind: K8ssandraTask, metadata: {{name: {name}}}, spec: {{cluster: \
             {{name: {cluster}}}, datacenters: {datacenters}, template: {{jobs: [{{name: job1, command: flush}}]}}}}}}"
        )
    };
    apply(&ground, &wrong("early", "demo", "[dc2, dc1]"))?;
    until("the operator has seen it", PATIENCE, async || {
        let status = tasks::<K8ssandraTask>(&ground).get("early").await?.status;
        let conditions = conditions(&status.unwrap_or_default().overall);
        let is_invalid = conditions
            .iter()
            .any(|(condition, _)| condition == "Invalid=True");
        Ok(if is_invalid {
            Answer::Yes(())
        } else {
            Answer::not_yet(format!("{conditions:?}"))
        })
    })
    .await?;
    let cluster = demo(&ground).await?;
    // It was made before its cluster, and runs once that is there: in the order of its list.
    let early = fan_out_ends(&ground, "early").await?;
    let status = early.status.clone().unwrap_or_default();
    assert!(
        status.datacenters["dc2"].completion_time <= status.datacenters["dc1"].start_time,
        "{status:?}"
    );
    assert_eq!(early.owner_references().len(), 1);
    let conditions_now = conditions(&status.overall);
    assert!(
        conditions_now.contains(&("Invalid=False".to_owned(), String::new())),
        "{conditions_now:?}"
    );

    for (name, manifest, why) in [
        (
            "nowhere",
            wrong("nowhere", "demo2", "[]"),
            format!("unknown CassandraCluster {}.demo2", ground.namespace),
        ),
        (
            "elsewhere",
            wrong("elsewhere", "demo", "[dc4]"),
            "unknown datacenters: dc4".to_owned(),
        ),
    ] {
        apply(&ground, &manifest)?;
        let invalid = ("Invalid=True".to_owned(), why.clone());
        until("it is told", PATIENCE, async || {
            let task = tasks::<K8ssandraTask>(&ground).get(name).await?;
            let now = conditions(&task.status.unwrap_or_default().overall);
            let told = events(&ground, "K8ssandraTask", name).await?;
            let is_told = told.contains(&("InvalidSpec".to_owned(), why.clone()));
            Ok(if now.contains(&invalid) && is_told {
                Answer::Yes(())
            } else {
                Answer::not_yet(format!("{now:?} {told:?}"))
            })
        })
        .await?;
    }
    drop(cluster);
    Ok(())
}

#[tokio::test]
async fn datacenters_that_may_run_together_do_and_nodes_are_asked_once() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let mut operator = Operator::start(&ground)?;
    let cluster = demo(&ground).await?;
    let (simulator, id) = cluster.simulator()?;
    let shop = Keyspace::full(Replication::by_dc([("dc1", 1), ("dc2", 1)]));
    simulator.put_keyspace(&id, "shop", shop).await?;
    slow_down(&simulator, &id, "forceKeyspaceCleanup", Span::UntilReleased).await?;
    apply(&ground, &over_all("both", "Allow", "cleanup"))?;
    let cleanups = CallQuery::of(id.clone(), "forceKeyspaceCleanup");
    for _ in 0..3 {
        until("both nodes clean up", PATIENCE, async || {
            let calls = simulator.calls(&cleanups).await?;
            let running = calls.records().iter().filter(|call| call.ended.is_none()).count();
            Ok(if running == 2 {
                Answer::Yes(())
            } else {
                Answer::not_yet(format!("{running} run"))
            })
        })
        .await?;
        operator.kill()?;
        operator = Operator::start(&ground)?;
    }
    let status = until("both datacenters are done", PATIENCE, async || {
        let cleanups = Scope::Cluster(id.clone());
        simulator.release_calls(cleanups, "forceKeyspaceCleanup").await?;
        let task = tasks::<K8ssandraTask>(&ground).get("both").await?;
        let status = task.status.unwrap_or_default().overall;
        Ok(if status.completion_time.is_some() {
            Answer::Yes(status)
        } else {
            Answer::not_yet(serde_json::to_value(&status)?)
        })
    })
    .await?;
    assert_eq!((status.succeeded, status.failed), (2, 0), "{status:?}");
    let calls = simulator.calls(&cleanups).await?;
    assert_eq!(calls.max_concurrent_on_a_pod(), 1);
    drop(operator);
    Ok(())
}
