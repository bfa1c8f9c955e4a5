//! The content of the ConfigMap with users' hooks.

use anyhow::{Context as _, Result};
use casskop_simulator::ring::Moment;
use casskop_tests::cluster::{Cluster, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::conditions::{ConditionType, condition};
use casskop_types::status::ClusterAction;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Api;
use serde_json::json;

use crate::NODES;

const RACKS: [&str; 2] = ["dc1-rack1", "dc1-rack2"];

/// How often the StatefulSet of each rack was written, its making included.
async fn generations(ground: &Ground) -> Result<Vec<i64>> {
    let sets: Api<StatefulSet> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let mut generations = Vec::new();
    for rack in RACKS {
        let set = sets.get(&format!("demo-{rack}")).await?;
        generations.push(set.metadata.generation.context("no generation")?);
    }
    Ok(generations)
}

#[tokio::test]
async fn new_content_of_the_hooks_reaches_every_node_by_one_roll() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    ground.typed("kubectl create configmap hooks --from-literal=pre_run.sh='echo one'")?;
    let operator = Operator::start(&ground)?;
    let mut wanted = spec(&[("dc1", &["rack1", "rack2"])], 1);
    wanted["configMapName"] = json!("hooks");
    let cluster = Cluster::create(&ground, "demo", wanted).await?;
    cluster.settled(2).await?;
    let first = cluster.uids().await?;
    let (simulator, id) = cluster.simulator()?;

    ground.typed("kubectl label configmap hooks team=blue")?;
    let script = "kubectl patch configmap hooks --type merge -p '{\"data\": {\"pre_run.sh\": \"echo two\"}}'";
    ground.typed(script)?;
    for rack in RACKS {
        cluster.action_done(rack, ClusterAction::UpdateConfigMap).await?;
    }
    let second = cluster.uids().await?;
    assert!(
        first.iter().all(|(pod, uid)| second[pod] != *uid),
        "{first:?} {second:?}"
    );
    assert_eq!(
        generations(&ground).await?,
        [2, 2],
        "each template was written once"
    );
    assert_eq!(simulator.max_down_since(&id, Moment(0)).await?, 1);

    // The next process reads it for the first time.
    operator.kill()?;
    let _operator = Operator::start(&ground)?;
    cluster.casskop([
        "restart",
        "--crd",
        "demo",
        "--rack",
        "dc1.rack1",
        "--wait",
        "--timeout",
        "2m",
    ])?;
    assert_eq!(generations(&ground).await?, [3, 2], "but for what was asked for");

    ground.typed("kubectl delete configmap hooks")?;
    cluster
        .status_is("it is told that the ConfigMap is missing", |status| {
            let waiting = condition(&status.conditions, ConditionType::Waiting);
            waiting.is_some_and(|waiting| waiting.message.contains("configmap hooks"))
        })
        .await?;
    ground.typed("kubectl create configmap hooks --from-literal=pre_run.sh='echo two'")?;
    cluster
        .status_is("nothing waits any more", |status| {
            let waiting = condition(&status.conditions, ConditionType::Waiting);
            waiting.is_some_and(|waiting| waiting.status == "False")
        })
        .await?;
    assert_eq!(generations(&ground).await?, [3, 2], "it holds what it held");
    Ok(())
}
