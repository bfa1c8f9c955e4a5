//! Rolling restarts, asked for through the plugin.

use anyhow::Result;
use casskop_simulator::ring::Moment;
use casskop_tests::cluster::{Cluster, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::status::ClusterAction;

use crate::NODES;

#[tokio::test]
async fn a_rack_restarts_and_the_others_do_not() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1", "rack2", "rack3"])], 1)).await?;
    cluster.settled(3).await?;
    let before = cluster.uids().await?;
    let (simulator, id) = cluster.simulator()?;
    let since = simulator.ring(&id).await?.now;
    let outcome = cluster.casskop([
        "restart",
        "--crd",
        "demo",
        "--rack",
        "dc1.rack2",
        "--wait",
        "--timeout",
        "2m",
    ])?;
    assert!(
        outcome.stdout.starts_with(&format!(
            "Namespace {}\nTrigger restart of dc1.rack2\n",
            ground.namespace
        )),
        "{outcome:?}"
    );
    cluster
        .action_done("dc1-rack2", ClusterAction::RollingRestart)
        .await?;
    for (pod, uid) in cluster.uids().await? {
        assert_eq!(pod == "demo-dc1-rack2-0", before[&pod] != uid, "{pod}");
    }
    assert_eq!(simulator.max_down_since(&id, since).await?, 1);
    Ok(())
}

#[tokio::test]
async fn all_racks_of_all_datacenters_restart_one_node_at_a_time() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(
        &ground,
        "demo",
        spec(&[("dc1", &["rack1", "rack2"]), ("dc2", &["rack1"])], 2),
    )
    .await?;
    cluster.settled(6).await?;
    let before = cluster.uids().await?;
    let (simulator, id) = cluster.simulator()?;
    let outcome = cluster.casskop(["restart", "--crd", "demo", "--full"])?;
    let lines = ["dc1.rack1", "dc1.rack2", "dc2.rack1"].map(|rack| format!("Trigger restart of {rack}"));
    assert_eq!(
        outcome.stdout,
        format!("Namespace {}\n{}\n", ground.namespace, lines.join("\n"))
    );
    for rack in ["dc1-rack1", "dc1-rack2", "dc2-rack1"] {
        cluster.action_done(rack, ClusterAction::RollingRestart).await?;
    }
    let after = cluster.uids().await?;
    assert!(
        before.iter().all(|(pod, uid)| after[pod] != *uid),
        "{before:?} {after:?}"
    );
    assert_eq!(simulator.max_down_since(&id, Moment(0)).await?, 1);
    Ok(())
}
