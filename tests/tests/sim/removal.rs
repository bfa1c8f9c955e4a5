//! A node is lost with its machine and taken out of the ring; a fresh one joins in its place.

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_simulator::{CallPattern, CallQuery, CallRule, Scope, Span};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::ground::Ground;
use casskop_tests::loss::LostNode;
use casskop_tests::operator::Operator;

use crate::NODES;

const LOST: &str = "demo-dc1-rack3-0";
const REMOVER: &str = "demo-dc1-rack1-0";

#[tokio::test]
async fn a_node_lost_with_its_machine_leaves_the_ring_and_a_fresh_one_joins() -> Result<()> {
    let ground = Ground::alone(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = three_racks(&ground).await?;
    let (simulator, id) = cluster.simulator()?;
    let before = cluster.uids().await?;
    let lost = LostNode::of(&cluster, &ground.namespace, LOST).await?;
    let address = lost.address.to_string();
    cluster.casskop([
        "removenode",
        "--yes",
        "--pod",
        LOST,
        "--previous-ip",
        &address,
        "--from-pod",
        REMOVER,
        "--wait",
        "--timeout",
        "2m",
    ])?;
    assert!(!lost.is_member().await?, "the ring still counts on {LOST}");
    cluster.settled(3).await?;
    let ring = simulator.ring(&id).await?;
    let members: Vec<_> = ring
        .ring
        .nodes()
        .filter(|(_, node)| node.membership.owns_data())
        .map(|(host, _)| host)
        .collect();
    assert!(
        members.len() == 3 && !members.contains(&lost.host),
        "{members:?} without {}",
        lost.host
    );
    assert!(ring.ring.lost("shop").is_empty());
    for (pod, uid) in cluster.uids().await? {
        assert_eq!(pod == LOST, before[&pod] != uid, "{pod}");
    }
    lost.repair_machine().await
}

#[tokio::test]
async fn a_removal_survives_the_death_of_the_operator_and_is_not_asked_for_twice() -> Result<()> {
    let ground = Ground::alone(NODES).await?;
    let operator = Operator::start(&ground)?;
    let cluster = three_racks(&ground).await?;
    let (simulator, id) = cluster.simulator()?;
    let lost = LostNode::of(&cluster, &ground.namespace, LOST).await?;
    simulator
        .add_call_rule(CallRule {
            scope: Scope::Cluster(id.clone()),
            calls: CallPattern::named("removeNode"),
            takes: Span::UntilReleased,
            ..CallRule::default()
        })
        .await?;
    cluster.casskop(["removenode", "--yes", "--pod", LOST, "--crd", "demo"])?;
    let removals = CallQuery::of(id.clone(), "removeNode");
    until("the removal is in flight", PATIENCE, async || {
        Ok(match simulator.calls(&removals).await?.records() {
            [call] if call.ended.is_none() => Answer::Yes(()),
            calls => Answer::not_yet(format!("{calls:?}")),
        })
    })
    .await?;
    operator.kill()?;
    let operator = Operator::start(&ground)?;
    until("the next operator asks the node", PATIENCE, async || {
        let calls = simulator.calls(&CallQuery::of(id.clone(), "threadPrint")).await?;
        Ok(if calls.is_empty() {
            Answer::not_yet("no thread dump was asked for")
        } else {
            Answer::Yes(())
        })
    })
    .await?;
    simulator
        .release_calls(Scope::Cluster(id.clone()), "removeNode")
        .await?;
    cluster.operations_end(&[REMOVER], "Done").await?;
    assert!(!lost.is_member().await?);
    cluster.settled(3).await?;
    // Dead once more, it finds the end recorded.
    operator.kill()?;
    let _operator = Operator::start(&ground)?;
    cluster.casskop([
        "cleanup",
        "start",
        "--pod",
        "demo-dc1-rack2-0",
        "--wait",
        "--timeout",
        "2m",
    ])?;
    assert_eq!(simulator.calls(&removals).await?.len(), 1);
    lost.repair_machine().await
}

async fn three_racks(ground: &Ground) -> Result<Cluster<'_>> {
    let cluster = Cluster::create(ground, "demo", spec(&[("dc1", &["rack1", "rack2", "rack3"])], 1)).await?;
    cluster.settled(3).await?;
    let (simulator, id) = cluster.simulator()?;
    let keyspace = Keyspace::full(Replication::by_dc([("dc1", 2)]));
    simulator.put_keyspace(&id, "shop", keyspace).await?;
    Ok(cluster)
}
