//! Jolokia's user and password change while nodes run with the old ones.

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_simulator::ring::Moment;
use casskop_simulator::{CallOutcome, CallQuery};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use serde_json::json;

use crate::NODES;

#[tokio::test]
async fn another_secret_and_none_at_all_are_rolled_out_node_after_node() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    for name in ["first", "second"] {
        ground.typed(&format!(
            "kubectl create secret generic {name} --from-literal=username=jolokia --from-literal=password={name}"
        ))?;
    }
    let _operator = Operator::start(&ground)?;
    let mut wanted = spec(&[("dc1", &["rack1", "rack2"])], 1);
    wanted["imageJolokiaSecret"] = json!({ "name": "first" });
    let cluster = Cluster::create(&ground, "demo", wanted).await?;
    cluster.settled(2).await?;
    for secret in [json!({ "name": "second" }), json!(null)] {
        let before = cluster.uids().await?;
        cluster.edit(json!({ "imageJolokiaSecret": secret })).await?;
        until(&format!("every node runs with {secret}"), PATIENCE, async || {
            let now = cluster.uids().await?;
            let renewed = before
                .iter()
                .all(|(pod, uid)| now.get(pod).is_some_and(|now| now != uid));
            Ok(if renewed {
                Answer::Yes(())
            } else {
                Answer::not_yet(json!(cluster.status().await?))
            })
        })
        .await?;
        cluster.settled(2).await?;
    }
    let (simulator, id) = cluster.simulator()?;
    let refused = simulator
        .calls(&CallQuery {
            cluster: Some(id.clone()),
            ..CallQuery::default()
        })
        .await?;
    let refused = refused
        .records()
        .iter()
        .filter(|call| call.outcome == CallOutcome::Unauthorized);
    assert_eq!(refused.count(), 0);
    assert_eq!(simulator.max_down_since(&id, Moment(0)).await?, 1);
    Ok(())
}
