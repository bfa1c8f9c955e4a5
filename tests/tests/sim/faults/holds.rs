//! What holds a change back for a while: the partition of a canary, and a pause.

use anyhow::{Result, ensure};
use casskop_lab::wait::{Answer, until};
use casskop_tests::cluster::{Cluster, PATIENCE};
use casskop_tests::faults::stage::Stage;
use casskop_tests::ground::Ground;
use casskop_types::cluster::CassandraCluster;
use casskop_types::conditions::{ConditionReason, ConditionType};
use casskop_types::labels::PAUSED;
use casskop_types::status::ClusterAction;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::maintenance::{RACKS, generations};
use super::operation;

/// A change that is held back by a partition, and let go; and one that is asked for during a pause.
pub(super) async fn hold_back(stage: &mut Stage, ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let before = cluster.uids().await?;
    let canary = operation("rollingPartition", 5, &[]);
    stage
        .carry_out(canary, async || {
            let mut change = colour("green");
            change["topology"] = topology(1);
            cluster.edit(change).await?;
            for rack in RACKS {
                cluster
                    .action_done(rack, ClusterAction::UpdateStatefulSet)
                    .await?;
            }
            cluster.settled(RACKS.len()).await.map(drop)
        })
        .await?;
    ensure!(
        cluster.uids().await? == before,
        "a pod below the partition was rolled"
    );
    let the_rest = operation("rollingPartition, lowered", 5, &[]);
    stage
        .carry_out(the_rest, async || {
            cluster.edit(json!({ "topology": topology(0) })).await?;
            all_renewed(cluster, &before).await
        })
        .await?;
    pause(stage, ground, cluster).await
}

async fn pause(stage: &mut Stage, ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let before = (cluster.uids().await?, generations(ground).await?);
    let clusters: Api<CassandraCluster> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let annotate = async |value: Value| {
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { PAUSED: value } } }));
        clusters.patch("demo", &PatchParams::default(), &patch).await
    };
    let pausing = operation("pausing", 1, &[]);
    stage
        .carry_out(pausing, async || {
            annotate(json!("true")).await?;
            cluster.edit(colour("red")).await?;
            let edited = cluster.object().await?.metadata.generation;
            cluster
                .status_is("the pause is said of the edited cluster", |status| {
                    status.conditions.iter().any(|condition| {
                        condition.type_ == ConditionType::Waiting.as_str()
                            && condition.reason == ConditionReason::Paused.as_str()
                            && condition.observed_generation == edited
                    })
                })
                .await
                .map(drop)
        })
        .await?;
    let paused = (cluster.uids().await?, generations(ground).await?);
    ensure!(paused == before, "something was done to a paused cluster");
    let resuming = operation("resuming", 5, &[]);
    stage
        .carry_out(resuming, async || {
            annotate(Value::Null).await?;
            all_renewed(cluster, &before.0).await
        })
        .await
}

/// Waits until the cluster has settled and no pod is one of these.
async fn all_renewed(
    cluster: &Cluster<'_>,
    before: &std::collections::BTreeMap<String, String>,
) -> Result<()> {
    until("every pod is a new one", PATIENCE, async || {
        let now = cluster.uids().await?;
        let renewed = before
            .iter()
            .all(|(pod, uid)| now.get(pod).is_some_and(|now| now != uid));
        Ok(if renewed {
            Answer::Yes(())
        } else {
            Answer::not_yet(json!(now))
        })
    })
    .await?;
    cluster.settled(RACKS.len()).await.map(drop)
}

fn colour(colour: &str) -> Value {
    json!({ "envVars": [{ "name": "COLOUR", "value": colour }] })
}

fn topology(partition: i32) -> Value {
    let racks = ["rack1", "rack2"].map(|rack| json!({ "name": rack, "rollingPartition": partition }));
    json!({ "dc": [{ "name": "dc1", "rack": racks }] })
}
