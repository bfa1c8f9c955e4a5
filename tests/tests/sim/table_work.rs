//! Work on tables: several at once, how far it is, and its end before it is done.

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_simulator::{CallOutcome, CallPattern, CallQuery, CallRule, Scope, Span};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::ground::Ground;
use casskop_tests::kubectl::Kubectl;
use casskop_tests::operator::Operator;
use casskop_types::operation::OperationStatus;
use serde_json::json;

use crate::NODES;

const PODS: [&str; 3] = ["demo-dc1-rack1-0", "demo-dc1-rack1-1", "demo-dc1-rack1-2"];

fn kubectl<const N: usize>(ground: &Ground, arguments: [&str; N]) -> Result<()> {
    let outcome = ground.kubectl()?.arguments(arguments).run()?;
    assert!(outcome.success, "{outcome:?}");
    Ok(())
}

fn ask(ground: &Ground, pod: &str, operation: &str) -> Result<()> {
    let name = format!("operation-name={operation}");
    let argument = "operation-argument=shop";
    kubectl(
        ground,
        [
            "label",
            "pod",
            pod,
            &name,
            argument,
            "operation-status=ToDo",
            "--overwrite",
        ],
    )
}

#[tokio::test]
async fn two_compactions_at_once_of_which_one_is_stopped_in_its_node() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 3)).await?;
    cluster.settled(3).await?;
    let (simulator, id) = cluster.simulator()?;
    simulator
        .put_keyspace(&id, "shop", Keyspace::full(Replication::by_dc([("dc1", 3)])))
        .await?;
    simulator
        .add_call_rule(CallRule {
            scope: Scope::Cluster(id.clone()),
            calls: CallPattern::named("forceKeyspaceCompaction"),
            takes: Span::UntilReleased,
            ..CallRule::default()
        })
        .await?;
    for pod in PODS {
        kubectl(
            &ground,
            [
                "annotate",
                "pod",
                pod,
                "cassandraclusters.db.orange.com/operation-parallelism=2",
            ],
        )?;
        ask(&ground, pod, "compact")?;
    }
    let compactions = CallQuery::of(id.clone(), "forceKeyspaceCompaction");
    cluster
        .status_is("two compactions say how far they are", |status| {
            let records = &status.cassandra_rack_status["dc1-rack1"].operations;
            let told = records
                .iter()
                .filter_map(|record| record.progress.as_ref()?.total);
            told.filter(|total| *total > 0).count() == 2
        })
        .await?;
    assert_eq!(simulator.calls(&compactions).await?.len(), 2);
    kubectl(
        &ground,
        [
            "annotate",
            "pod",
            PODS[0],
            "cassandraclusters.db.orange.com/operation-abort=compact",
        ],
    )?;
    cluster.operations_end(&[PODS[0]], "Error").await?;
    until("the others end", PATIENCE, async || {
        simulator
            .release_calls(Scope::Cluster(id.clone()), "forceKeyspaceCompaction")
            .await?;
        let last = cluster.status().await?.cassandra_rack_status["dc1-rack1"]
            .pod_last_operation
            .clone()
            .unwrap_or_default();
        Ok(if last.status == Some(OperationStatus::Done) {
            Answer::Yes(last)
        } else {
            Answer::not_yet(format!("{last:?}"))
        })
    })
    .await
    .map(|last| {
        assert_eq!(last.pods_ok, PODS[1..]);
        assert_eq!(last.pods_ko, PODS[..1]);
        assert!(last.pods.is_empty(), "{last:?}");
    })?;
    let calls = simulator.calls(&compactions).await?;
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert_eq!(calls.max_concurrent(), 2);
    let of_first = calls.records().iter().find(|call| call.pod.name == PODS[0]);
    let outcome = of_first.map(|call| call.outcome.clone());
    assert!(
        matches!(&outcome, Some(CallOutcome::Failed(why)) if why.contains("Compaction interrupted")),
        "{outcome:?}"
    );
    Ok(())
}

#[tokio::test]
async fn each_work_on_tables_is_asked_of_the_node_once_for_its_keyspace() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 1)).await?;
    cluster.settled(1).await?;
    let (simulator, id) = cluster.simulator()?;
    let shop = Keyspace {
        tables: vec!["carts".to_owned()],
        ..Keyspace::full(Replication::by_dc([("dc1", 1)]))
    };
    simulator.put_keyspace(&id, "shop", shop).await?;
    for (operation, method) in [
        ("flush", "forceKeyspaceFlush"),
        ("scrub", "scrub"),
        ("garbagecollect", "garbageCollect"),
        ("compact", "forceKeyspaceCompaction"),
    ] {
        ask(&ground, PODS[0], operation)?;
        until("the work is done", PATIENCE, async || {
            let label = async |key| cluster.label(PODS[0], key).await;
            let (name, status) = (label("operation-name").await?, label("operation-status").await?);
            let done = name.as_deref() == Some(operation) && status.as_deref() == Some("Done");
            Ok(if done {
                Answer::Yes(())
            } else {
                Answer::not_yet(format!("{name:?} {status:?}"))
            })
        })
        .await?;
        let calls = simulator.calls(&CallQuery::of(id.clone(), method)).await?;
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert!(
            calls.records()[0]
                .arguments
                .iter()
                .any(|argument| argument == "shop")
        );
    }
    // Through the plugin, of one table and with one thread.
    ground.typed(
        "kubectl casskop cleanup start --keyspace shop --table carts --threads 1 --wait --timeout 2m",
    )?;
    let calls = simulator
        .calls(&CallQuery::of(id, "forceKeyspaceCleanup"))
        .await?;
    let asked: Vec<_> = calls.records().iter().map(|call| &call.arguments).collect();
    assert_eq!(asked, [&vec![json!(1), json!("shop"), json!(["carts"])]]);
    // What is not there the node says itself.
    let line = "kubectl casskop flush start --keyspace shop --table cart --wait --timeout 2m";
    let refused = Kubectl::typed(&ground.lab.kubeconfig(), &ground.namespace, line)?.run()?;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("Unknown keyspace/cf pair (shop.cart)"),
        "{refused:?}"
    );
    Ok(())
}
