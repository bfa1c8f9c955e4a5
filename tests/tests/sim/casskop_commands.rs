//! The commands of CassKop's documentation, pasted as they stand there: its users know them by heart.

use std::collections::BTreeMap;

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_simulator::CallQuery;
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::operation::OperationStatus;

use crate::NODES;

#[tokio::test]
async fn labels_are_listed_and_a_cleanup_and_a_rebuild_asked_for_by_label() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let topology: [(&str, &[&str]); 2] = [("dc1", &["rack1", "rack2"]), ("dc2", &["rack1"])];
    let cluster = Cluster::create(&ground, "cassandra-demo", spec(&topology, 1)).await?;
    cluster.settled(3).await?;
    let (simulator, id) = cluster.simulator()?;
    let replication = Replication::by_dc([("dc1", 2), ("dc2", 1)]);
    simulator
        .put_keyspace(&id, "shop", Keyspace::full(replication))
        .await?;

    let listed = ground.typed(
        r#"kubectl label pod $(kubectl get pods -l app=cassandracluster -o jsonpath='{range .items[*]}{.metadata.name}{" "}') --list"#,
    )?;
    for line in [
        "Listing labels for Pod./cassandra-demo-dc1-rack1-0:",
        " dc-rack=dc1-rack1",
        " statefulset.kubernetes.io/pod-name=cassandra-demo-dc1-rack1-0",
        " app=cassandracluster",
        " cassandracluster=cassandra-demo",
        " cassandraclusters.db.orange.com.dc=dc1",
        " cassandraclusters.db.orange.com.rack=rack1",
    ] {
        assert!(
            listed.stdout.lines().any(|found| found == line),
            "no {line:?} in\n{}",
            listed.stdout
        );
    }

    ground.typed(
        "kubectl label pod cassandra-demo-dc1-rack2-0 operation-name=cleanup --overwrite
kubectl label pod cassandra-demo-dc1-rack2-0 operation-status=ToDo --overwrite",
    )?;
    cluster
        .operations_end(&["cassandra-demo-dc1-rack2-0"], "Done")
        .await?;
    let status = cluster
        .status_is("the rack tells of its cleanup", |status| {
            let last = status.cassandra_rack_status["dc1-rack2"]
                .pod_last_operation
                .as_ref();
            last.is_some_and(|last| last.status == Some(OperationStatus::Done))
        })
        .await?;
    let last = status.cassandra_rack_status["dc1-rack2"]
        .pod_last_operation
        .clone();
    assert_eq!(last.unwrap_or_default().pods_ok, ["cassandra-demo-dc1-rack2-0"]);
    let cleanups = simulator
        .calls(&CallQuery::of(id.clone(), "forceKeyspaceCleanup"))
        .await?;
    assert!(!cleanups.is_empty());

    ground.typed(
        "kubectl label pod cassandra-demo-dc2-rack1-0 operation-name=rebuild --overwrite
kubectl label pod cassandra-demo-dc2-rack1-0 operation-status=ToDo --overwrite
kubectl label pod cassandra-demo-dc2-rack1-0 operation-argument=dc1 --overwrite",
    )?;
    cluster
        .operations_end(&["cassandra-demo-dc2-rack1-0"], "Done")
        .await?;
    assert_eq!(
        simulator
            .calls(&CallQuery::of(id.clone(), "rebuild"))
            .await?
            .len(),
        1
    );

    for asked in ["--pod cassandra-demo-dc2-rack1-0", "--prefix cassandra-demo-dc2"] {
        ground.typed(&format!("kubectl casskop rebuild {asked} dc1"))?;
        cluster
            .operations_end(&["cassandra-demo-dc2-rack1-0"], "Done")
            .await?;
    }
    assert_eq!(
        simulator
            .calls(&CallQuery::of(id.clone(), "rebuild"))
            .await?
            .len(),
        3
    );

    ground.typed("kubectl casskop cleanup start")?;
    let pods = cluster.pod_names().await?;
    let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
    cluster.operations_end(&pods, "Done").await?;
    Ok(())
}

#[tokio::test]
async fn racks_restart_by_name_by_datacenter_and_all_together() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let topology: [(&str, &[&str]); 2] = [("dc1", &["rack1", "rack2"]), ("dc2", &["rack1"])];
    let cluster = Cluster::create(&ground, "cassandra-e2e", spec(&topology, 1)).await?;
    cluster.settled(3).await?;
    let racks = ["dc1.rack1", "dc1.rack2", "dc2.rack1"];
    for (line, restarted) in [
        (
            "kubectl casskop restart --crd cassandra-e2e --rack dc1.rack1 dc2.rack1",
            &["dc1.rack1", "dc2.rack1"][..],
        ),
        (
            "kubectl casskop restart --crd cassandra-e2e --dc dc1",
            &racks[..2],
        ),
        ("kubectl casskop restart --crd cassandra-e2e --full", &racks[..]),
    ] {
        let before = cluster.uids().await?;
        let told = ground.typed(line)?;
        let triggers = restarted
            .iter()
            .map(|rack| format!("Trigger restart of {rack}\n"));
        let expected = format!("Namespace {}\n{}", ground.namespace, triggers.collect::<String>());
        assert_eq!(told.stdout, expected, "{line}");
        let renewed = |uids: &BTreeMap<String, String>, rack: &str| {
            let pod = cluster.pod(&rack.replace('.', "-"), 0);
            uids.get(&pod).is_some_and(|uid| before.get(&pod) != Some(uid))
        };
        until(&format!("`{line}` is carried out"), PATIENCE, async || {
            let uids = cluster.uids().await?;
            Ok(if restarted.iter().all(|rack| renewed(&uids, rack)) {
                Answer::Yes(())
            } else {
                Answer::not_yet(format!("{uids:?}"))
            })
        })
        .await?;
        cluster.settled(3).await?;
        let after = cluster.uids().await?;
        for rack in racks {
            assert_eq!(renewed(&after, rack), restarted.contains(&rack), "{line}: {rack}");
        }
    }
    Ok(())
}
