//! Rings that grow and shrink. Whether data was lost is asked of the ring, not of the operator.

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_simulator::{CallPattern, CallQuery, CallRule, Ending, Scope, Span};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::conditions::{ConditionType, condition};
use casskop_types::status::ClusterAction;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;

use crate::NODES;

const RACKS: [&str; 3] = ["dc1-rack1", "dc1-rack2", "dc1-rack3"];

#[tokio::test]
async fn a_ring_that_grew_and_shrank_again_has_all_its_data_and_no_claim_too_many() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1", "rack2", "rack3"])], 1)).await?;
    cluster.settled(3).await?;
    let (simulator, id) = cluster.simulator()?;
    simulator
        .put_keyspace(&id, "shop", Keyspace::full(Replication::by_dc([("dc1", 3)])))
        .await?;
    let first = cluster.uids().await?;
    cluster
        .edit(json!({ "nodesPerRacks": 2, "autoPilot": true }))
        .await?;
    for rack in RACKS {
        cluster.action_done(rack, ClusterAction::ScaleUp).await?;
    }
    let older: Vec<String> = first.keys().cloned().collect();
    let older: Vec<&str> = older.iter().map(String::as_str).collect();
    cluster.operations_end(&older, "Done").await?;
    assert_eq!(claims(&ground).await?.len(), 6);

    cluster.edit(json!({ "nodesPerRacks": 1 })).await?;
    for rack in RACKS {
        cluster.action_done(rack, ClusterAction::ScaleDown).await?;
    }
    cluster.settled(3).await?;
    assert_eq!(cluster.uids().await?, first, "an older node was touched");
    let expected: Vec<String> = older.iter().map(|pod| format!("data-{pod}")).collect();
    assert_eq!(claims(&ground).await?, expected);
    let ring = simulator.ring(&id).await?;
    assert!(ring.ring.lost("shop").is_empty(), "{:?}", ring.ring.lost("shop"));
    let left = simulator
        .calls(&CallQuery::of(id.clone(), "decommission"))
        .await?;
    assert_eq!(left.len(), 3, "{left:?}");
    Ok(())
}

#[tokio::test]
async fn a_decommission_survives_the_death_of_the_operator_and_is_asked_for_once() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let mut operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 2)).await?;
    cluster.settled(2).await?;
    let (simulator, id) = cluster.simulator()?;
    simulator
        .add_call_rule(CallRule {
            scope: Scope::Cluster(id.clone()),
            calls: CallPattern::named("decommission"),
            takes: Span::UntilReleased,
            ends: Ending::default(),
            times: None,
        })
        .await?;
    cluster.edit(json!({ "nodesPerRacks": 1 })).await?;
    let query = CallQuery::of(id.clone(), "decommission");
    until("the node leaves", PATIENCE, async || {
        let running = simulator
            .calls(&query)
            .await?
            .records()
            .iter()
            .any(|call| call.ended.is_none());
        Ok(if running {
            Answer::Yes(())
        } else {
            Answer::not_yet("no call in flight")
        })
    })
    .await?;
    for _ in 0..2 {
        operator.kill()?;
        operator = Operator::start(&ground)?;
        // Until the new one has found the node at work and says so.
        cluster
            .status_is("the node is found leaving", |status| {
                let waiting = condition(&status.conditions, ConditionType::Waiting);
                waiting.is_some_and(|waiting| waiting.message.contains("is leaving the ring"))
            })
            .await?;
    }
    operator.kill()?;
    simulator
        .release_calls(Scope::Cluster(id.clone()), "decommission")
        .await?;
    let _operator = Operator::start(&ground)?;
    cluster.action_done("dc1-rack1", ClusterAction::ScaleDown).await?;
    cluster.settled(1).await?;
    assert_eq!(simulator.calls(&query).await?.len(), 1);
    assert_eq!(claims(&ground).await?, ["data-demo-dc1-rack1-0"]);
    Ok(())
}

#[tokio::test]
async fn a_keyspace_that_needs_the_node_keeps_it_until_it_is_altered() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 2)).await?;
    cluster.settled(2).await?;
    let (simulator, id) = cluster.simulator()?;
    let mut shop = Keyspace::full(Replication::by_dc([("dc1", 2)]));
    simulator.put_keyspace(&id, "shop", shop.clone()).await?;
    cluster.edit(json!({ "nodesPerRacks": 1 })).await?;
    let remedy = "ALTER KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}";
    cluster
        .status_is("the remedy is told", |status| {
            let waiting = condition(&status.conditions, ConditionType::Waiting);
            waiting.is_some_and(|waiting| waiting.reason == "DataAtRisk" && waiting.message.contains(remedy))
        })
        .await?;
    assert_eq!(cluster.pods().await?.len(), 2);
    shop.replication = Replication::by_dc([("dc1", 1)]);
    simulator.put_keyspace(&id, "shop", shop).await?;
    cluster.action_done("dc1-rack1", ClusterAction::ScaleDown).await?;
    assert!(simulator.ring(&id).await?.ring.lost("shop").is_empty());
    Ok(())
}

async fn claims(ground: &Ground) -> Result<Vec<String>> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let listed = claims.list(&ListParams::default()).await?;
    Ok(listed
        .items
        .into_iter()
        .filter_map(|claim| claim.metadata.name)
        .collect())
}
