//! Machines that are gone for good, and other machines that are there.

use anyhow::{Context, Result, ensure};
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_simulator::{Client, Command, Power};
use casskop_tests::cluster::{Cluster, spec};
use casskop_tests::cookbook::Page;
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;

use crate::NODES;

const ONE: &str = "demo-dc1-rack1-1";
const ZONE: [&str; 2] = ["demo-dc1-rack2-0", "demo-dc1-rack2-1"];

/// First one machine, then all of a rack. There are six, and the cluster has four nodes.
#[tokio::test]
async fn fresh_nodes_take_the_places_of_one_node_and_of_a_whole_rack() -> Result<()> {
    let ground = Ground::alone(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1", "rack2"])], 2)).await?;
    cluster.settled(4).await?;
    let (simulator, id) = cluster.simulator()?;
    // A replica in each rack.
    let keyspace = Keyspace::full(Replication::by_dc([("dc1", 2)]));
    simulator.put_keyspace(&id, "shop", keyspace).await?;
    let before = cluster.uids().await?;

    let machines = lose(&ground, &simulator, &[ONE]).await?;
    let mut page = Page::open("lost-node")?;
    page.looks(&ground, "kubectl casskop status demo").await?;
    page.types(
        &ground,
        "kubectl casskop replace --pod demo-dc1-rack1-1 --yes --wait",
    )?;
    page.looks(&ground, "kubectl casskop status demo --exit-code")
        .await?;
    page.ends()?;
    for machine in machines {
        simulator.command(&power(machine, Power::On)).await?;
    }

    let machines = lose(&ground, &simulator, &ZONE).await?;
    let mut page = Page::open("lost-zone")?;
    page.looks(&ground, "kubectl casskop status demo").await?;
    page.types(
        &ground,
        "kubectl casskop replace --pod demo-dc1-rack2-0 --yes --wait --host-id \\\n  \
         \"$(kubectl get cassandracluster demo -o jsonpath='{.status.cassandraNodeStatus.demo-dc1-rack2-0.hostId}')\"",
    )?;
    page.types(
        &ground,
        "kubectl casskop replace --pod demo-dc1-rack2-1 --yes --wait",
    )?;
    page.looks(&ground, "kubectl casskop status demo --exit-code")
        .await?;
    page.ends()?;

    let ring = simulator.ring(&id).await?.ring;
    let members = ring.nodes().filter(|(_, node)| node.membership.owns_data());
    assert_eq!(members.count(), 4);
    ensure!(ring.lost("shop").is_empty(), "data was lost");
    for (pod, uid) in cluster.uids().await? {
        let is_lost = pod == ONE || ZONE.contains(&pod.as_str());
        assert_eq!(before[&pod] != uid, is_lost, "{pod}");
    }
    for machine in machines {
        simulator.command(&power(machine, Power::On)).await?;
    }
    Ok(())
}

/// Switches off the machines on which these pods' nodes run.
async fn lose(ground: &Ground, simulator: &Client, pods: &[&str]) -> Result<Vec<String>> {
    let world = simulator.world().await?;
    let mut machines = Vec::new();
    for pod in pods {
        let mut known = world.pods.iter();
        let found = known.find(|known| known.id.namespace == ground.namespace && known.id.name == *pod);
        let machine = &found.with_context(|| format!("no node runs in {pod}"))?.node;
        simulator.command(&power(machine.clone(), Power::Off)).await?;
        machines.push(machine.clone());
    }
    Ok(machines)
}

fn power(node: String, power: Power) -> Command {
    Command::SetPower { node, power }
}
