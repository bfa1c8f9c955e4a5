//! A node is lost with its machine, taken out of the ring, and a fresh one joins. Another is lost, and a fresh one takes its place.

use anyhow::{Result, ensure};
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_tests::cluster::{Cluster, spec};
use casskop_tests::faults::stage::Faults;
use casskop_tests::ground::Ground;
use casskop_tests::loss::LostNode;

use super::{formed, operation};
use crate::NODES;

/// Lives through it under faults, and tells what happened.
pub(super) async fn live_through(faults: Faults) -> Result<String> {
    let ground = Ground::alone(NODES).await?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1", "rack2", "rack3"])], 1)).await?;
    let mut stage = formed(&ground, &cluster, faults, 3).await?;
    let (simulator, id) = cluster.simulator()?;
    let keyspace = Keyspace::full(Replication::by_dc([("dc1", 2)]));
    simulator.put_keyspace(&id, "shop", keyspace).await?;
    let lost = LostNode::of(&cluster, &ground.namespace, "demo-dc1-rack3-0").await?;
    let address = lost.address.to_string();
    let remover = "demo-dc1-rack1-0";
    let remove = operation("remove", 6, &["removeNode"]);
    stage
        .carry_out(remove, async || {
            cluster.casskop([
                "removenode",
                "--yes",
                "--pod",
                &lost.pod,
                "--previous-ip",
                &address,
                "--from-pod",
                remover,
            ])?;
            cluster.operations_end(&[remover], "Done").await?;
            cluster.settled(3).await.map(drop)
        })
        .await?;
    ensure!(!lost.is_member().await?, "the ring still counts on the lost node");
    let ring = simulator.ring(&id).await?;
    let members = ring.ring.nodes().filter(|(_, node)| node.membership.owns_data());
    ensure!(members.count() == 3, "{ring:?}");
    ensure!(ring.ring.lost("shop").is_empty(), "data was lost");
    lost.repair_machine().await?;

    let lost = LostNode::of(&cluster, &ground.namespace, "demo-dc1-rack2-0").await?;
    let replace = operation("replace", 9, &[]);
    stage
        .carry_out(replace, async || {
            lost.replace(&ground, &cluster).await?;
            cluster.settled(3).await.map(drop)
        })
        .await?;
    let ring = simulator.ring(&id).await?;
    let members = ring.ring.nodes().filter(|(_, node)| node.membership.owns_data());
    ensure!(members.count() == 3, "{ring:?}");
    ensure!(ring.ring.lost("shop").is_empty(), "data was lost");
    lost.repair_machine().await?;
    stage.conclude(10)
}
