//! Operations on nodes, by the plugin and by plain labels; the effect is looked for in the ring.

use anyhow::Result;
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_simulator::{CallPattern, CallQuery, CallRule, Ending, Scope, Span};
use casskop_tests::cluster::{Cluster, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::operation::{OperationStatus, RecordState};
use serde_json::json;

use crate::NODES;

#[tokio::test]
async fn a_cleanup_drops_what_a_grown_ring_took_over() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 1)).await?;
    cluster.settled(1).await?;
    let (simulator, id) = cluster.simulator()?;
    simulator
        .put_keyspace(&id, "shop", Keyspace::full(Replication::by_dc([("dc1", 1)])))
        .await?;
    cluster.edit(json!({ "nodesPerRacks": 2 })).await?;
    cluster.settled(2).await?;
    let surplus = simulator.ring(&id).await?.surplus("shop");
    assert!(
        surplus.values().any(|partitions| !partitions.is_empty()),
        "nothing to clean up: {surplus:?}"
    );
    assert_eq!(
        cluster
            .label("demo-dc1-rack1-0", "operation-status")
            .await?
            .as_deref(),
        Some("Manual")
    );
    cluster.casskop(["cleanup", "start", "--wait", "--timeout", "2m"])?;
    cluster
        .operations_end(&["demo-dc1-rack1-0", "demo-dc1-rack1-1"], "Done")
        .await?;
    let surplus = simulator.ring(&id).await?.surplus("shop");
    assert!(
        surplus.values().all(|partitions| partitions.is_empty()),
        "{surplus:?}"
    );
    let status = cluster
        .status_is("the batch is closed", |status| {
            let last = status.cassandra_rack_status["dc1-rack1"]
                .pod_last_operation
                .as_ref();
            last.is_some_and(|last| last.status == Some(OperationStatus::Done))
        })
        .await?;
    let last = status.cassandra_rack_status["dc1-rack1"]
        .pod_last_operation
        .clone()
        .unwrap_or_default();
    assert_eq!(last.pods_ok, ["demo-dc1-rack1-0", "demo-dc1-rack1-1"]);
    assert_eq!((last.pods.len(), last.pods_ko.len()), (0, 0));
    Ok(())
}

#[tokio::test]
async fn a_rebuild_by_plain_labels_brings_the_data_to_a_new_datacenter() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 1)).await?;
    cluster.settled(1).await?;
    let (simulator, id) = cluster.simulator()?;
    simulator
        .put_keyspace(&id, "shop", Keyspace::full(Replication::by_dc([("dc1", 1)])))
        .await?;
    let racks = |name: &str| json!({ "name": name, "rack": [{ "name": "rack1" }] });
    cluster
        .edit(json!({ "topology": { "dc": [racks("dc1"), racks("dc2")] } }))
        .await?;
    cluster.settled(2).await?;
    let mut wider = simulator.ring(&id).await?.ring.keyspaces()["shop"].clone();
    wider.replication = Replication::by_dc([("dc1", 1), ("dc2", 1)]);
    simulator.put_keyspace(&id, "shop", wider).await?;
    let pod = "demo-dc2-rack1-0";
    for label in [
        "operation-name=rebuild",
        "operation-argument=dc1",
        "operation-status=ToDo",
    ] {
        let outcome = ground
            .kubectl()?
            .arguments(["label", "pod", pod, label, "--overwrite"])
            .run()?;
        assert!(outcome.success, "{outcome:?}");
    }
    cluster.operations_end(&[pod], "Done").await?;
    let ring = simulator.ring(&id).await?;
    assert!(ring.ring.lost("shop").is_empty());
    let held = ring.held("shop");
    assert!(
        held.values().all(|partitions| !partitions.is_empty()) && held.len() == 2,
        "{held:?}"
    );
    Ok(())
}

#[tokio::test]
async fn upgradesstables_calls_every_keyspace_once() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 1)).await?;
    cluster.settled(1).await?;
    let (simulator, id) = cluster.simulator()?;
    cluster.casskop(["upgradesstables", "--pod", "demo-dc1-rack1-0"])?;
    cluster.operations_end(&["demo-dc1-rack1-0"], "Done").await?;
    let calls = simulator
        .calls(&CallQuery::of(id.clone(), "upgradeSSTables"))
        .await?;
    let keyspaces = simulator.ring(&id).await?.ring.keyspaces().len();
    assert_eq!(calls.len(), keyspaces, "{calls:?}");
    Ok(())
}

#[tokio::test]
async fn a_failing_node_ends_its_operation_as_error_with_the_nodes_words() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1", "rack2"])], 1)).await?;
    cluster.settled(2).await?;
    let (simulator, id) = cluster.simulator()?;
    let pod = casskop_simulator::PodId::new(&ground.namespace, "demo-dc1-rack1-0");
    simulator
        .add_call_rule(CallRule {
            scope: Scope::Pod(pod),
            calls: CallPattern::named("forceKeyspaceCleanup"),
            takes: Span::default(),
            ends: Ending::Exception {
                class: "java.io.IOException".to_owned(),
                message: "No space left on device".to_owned(),
            },
            times: None,
        })
        .await?;
    simulator
        .put_keyspace(&id, "shop", Keyspace::full(Replication::by_dc([("dc1", 2)])))
        .await?;
    cluster.casskop(["cleanup", "start", "--crd", "demo"])?;
    cluster.operations_end(&["demo-dc1-rack1-0"], "Error").await?;
    cluster.operations_end(&["demo-dc1-rack2-0"], "Done").await?;
    let status = cluster.status().await?;
    let record = status.cassandra_rack_status["dc1-rack1"].operations[0].clone();
    assert_eq!(record.state, RecordState::Error);
    assert!(
        record
            .message
            .unwrap_or_default()
            .contains("No space left on device")
    );
    Ok(())
}
