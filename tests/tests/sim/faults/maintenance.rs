//! What is done to nodes that stay: changes of their template, restarts, work inside them.

use anyhow::{Context, Result, ensure};
use casskop_lab::wait::{Answer, until};
use casskop_simulator::CallQuery;
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::faults::stage::{Faults, Operation, Stage};
use casskop_tests::ground::Ground;
use casskop_types::cluster::CassandraCluster;
use casskop_types::status::ClusterAction;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::{formed, holds, operation};
use crate::NODES;
use crate::volumes::{GROWING, capacity, drive, growing_class, sets};

const PODS: [&str; 2] = ["demo-dc1-rack1-0", "demo-dc1-rack2-0"];
pub(super) const RACKS: [&str; 2] = ["dc1-rack1", "dc1-rack2"];

/// Lives through it under faults, and tells what happened.
pub(super) async fn live_through(faults: Faults) -> Result<String> {
    let ground = Ground::new(NODES).await?;
    let mut wanted = spec(&[("dc1", &["rack1", "rack2"])], 1);
    wanted["cassandraImage"] = json!("cassandra:4.1.10");
    wanted["autoPilot"] = json!(true);
    wanted["dataStorageClass"] = json!(GROWING);
    growing_class(&ground).await?;
    let cluster = Cluster::create(&ground, "demo", wanted).await?;
    let mut stage = formed(&ground, &cluster, faults, 2).await?;
    let (simulator, id) = cluster.simulator()?;
    let keyspace = Keyspace::full(Replication::by_dc([("dc1", 2)]));
    simulator.put_keyspace(&id, "shop", keyspace).await?;

    change_templates(&mut stage, &ground, &cluster).await?;
    holds::hold_back(&mut stage, &ground, &cluster).await?;
    let cleanup = operation("cleanup", 6, &["forceKeyspaceCleanup"]);
    stage
        .carry_out(cleanup, async || {
            cluster.casskop(["cleanup", "start", "--crd", "demo"])?;
            cluster.operations_end(&PODS, "Done").await
        })
        .await?;
    let upgrade = operation("upgradesstables", 6, &["upgradeSSTables"]);
    stage
        .carry_out(upgrade, async || {
            cluster.casskop(["upgradesstables", "--pod", PODS[0]])?;
            cluster.operations_end(&PODS[..1], "Done").await
        })
        .await?;
    restart_node(&mut stage, &cluster).await?;
    correct(&mut stage, &ground, &cluster).await?;
    enlarge(&mut stage, &ground, &cluster).await?;
    cluster.settled(2).await?;
    ensure!(
        simulator.ring(&id).await?.ring.lost("shop").is_empty(),
        "data was lost"
    );
    stage.conclude(30)
}

/// Every kind of change that rolls pods, and a restart.
async fn change_templates(stage: &mut Stage, ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let rolls = Rolls { ground, cluster };
    let major = operation("UpdateDockerImage", 8, &["upgradeSSTables"]);
    rolls
        .out(stage, major, ClusterAction::UpdateDockerImage, async || {
            cluster
                .edit(json!({ "cassandraImage": "cassandra:5.0.9" }))
                .await?;
            // A new major release is followed by a rewrite of the data files.
            for rack in RACKS {
                cluster
                    .action_done(rack, ClusterAction::UpdateDockerImage)
                    .await?;
            }
            cluster.operations_end(&PODS, "Done").await
        })
        .await?;
    let hooks = ["create", "configmap", "hooks", "--from-literal=pre_run.sh=true"];
    ensure!(ground.kubectl()?.arguments(hooks).run()?.success, "no ConfigMap");
    for (action, edit) in [
        (
            ClusterAction::UpdateConfigMap,
            json!({ "configMapName": "hooks" }),
        ),
        (
            ClusterAction::UpdateResources,
            json!({ "resources": { "requests": { "cpu": "100m", "memory": "1Gi" } } }),
        ),
        (
            ClusterAction::UpdateStatefulSet,
            json!({ "envVars": [{ "name": "COLOUR", "value": "blue" }] }),
        ),
    ] {
        let change = operation(action.as_str(), 5, &[]);
        rolls
            .out(stage, change, action, async || cluster.edit(edit).await)
            .await?;
    }
    let seeds = json!([format!("{}.demo.{}", PODS[1], ground.namespace)]);
    let update = operation("UpdateSeedList", 5, &[]);
    rolls
        .out(stage, update, ClusterAction::UpdateSeedList, async || {
            let clusters: Api<CassandraCluster> = Api::namespaced(ground.client.clone(), &ground.namespace);
            let patch = Patch::Merge(json!({ "status": { "seedlist": seeds } }));
            clusters
                .patch_status("demo", &PatchParams::default(), &patch)
                .await?;
            Ok(())
        })
        .await?;
    let restart = operation("RollingRestart", 6, &[]);
    rolls
        .out(stage, restart, ClusterAction::RollingRestart, async || {
            cluster.casskop(["restart", "--crd", "demo", "--full"]).map(drop)
        })
        .await
}

/// One node is drained, once, and comes back in a new pod; the other one is left alone.
async fn restart_node(stage: &mut Stage, cluster: &Cluster<'_>) -> Result<()> {
    let (simulator, id) = cluster.simulator()?;
    let before = cluster.uids().await?;
    let restart = operation("restart of a node", 6, &["drain"]);
    stage
        .carry_out(restart, async || {
            cluster.casskop(["restart", "--pod", PODS[1]])?;
            cluster.operations_end(&PODS[1..], "Done").await?;
            cluster.settled(RACKS.len()).await.map(drop)
        })
        .await?;
    let after = cluster.uids().await?;
    ensure!(after[PODS[0]] == before[PODS[0]], "{} was restarted", PODS[0]);
    ensure!(after[PODS[1]] != before[PODS[1]], "{} is the old one", PODS[1]);
    let drains = simulator.calls(&CallQuery::of(id, "drain")).await?;
    ensure!(drains.len() == 1, "drained {} times", drains.len());
    let last = cluster.status().await?.cassandra_rack_status[RACKS[1]]
        .pod_last_operation
        .clone();
    let ok = last.map(|last| last.pods_ok).unwrap_or_default();
    ensure!(ok == PODS[1..], "podsOK is {ok:?}");
    Ok(())
}

/// What rolls no pods.
async fn correct(stage: &mut Stage, ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let correction = operation("CorrectCRDConfig", 2, &[]);
    stage
        .carry_out(correction, async || {
            cluster.edit(json!({ "dataCapacity": "512Mi" })).await?;
            until("the size is put back", PATIENCE, async || {
                let object = cluster.object().await?;
                let size = object.spec.data_capacity;
                let action = object.status.unwrap_or_default().last_cluster_action;
                let corrected = action == Some(ClusterAction::CorrectCrdConfig);
                Ok(if corrected && size.as_deref() == Some("1Gi") {
                    Answer::Yes(())
                } else {
                    Answer::not_yet(json!([size, action]))
                })
            })
            .await
        })
        .await?;
    let budget = operation("another disruption budget", 1, &[]);
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(ground.client.clone(), &ground.namespace);
    stage
        .carry_out(budget, async || {
            cluster.edit(json!({ "maxPodUnavailable": 2 })).await?;
            until("two pods may be evicted", PATIENCE, async || {
                let stored = budgets.get("demo").await?.spec;
                let most = stored.and_then(|spec| spec.max_unavailable);
                Ok(if most == Some(IntOrString::Int(2)) {
                    Answer::Yes(())
                } else {
                    Answer::not_yet(json!(most))
                })
            })
            .await
        })
        .await
}

/// The volumes grow: each StatefulSet is made anew around its pod.
async fn enlarge(stage: &mut Stage, ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let before = cluster.uids().await?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let upsize = operation("StorageUpsize", 8, &[]);
    stage
        .carry_out(upsize, async || {
            cluster.edit(json!({ "dataCapacity": "2Gi" })).await?;
            until("all claims have grown", PATIENCE, async || {
                let listed = claims.list(&ListParams::default()).await?.items;
                for claim in &listed {
                    drive(&claims, claim).await?;
                }
                let grown = listed.iter().filter(|claim| capacity(claim) == Some("2Gi"));
                Ok(match grown.count() {
                    2 => Answer::Yes(()),
                    some => Answer::not_yet(some),
                })
            })
            .await?;
            for rack in RACKS {
                cluster.action_done(rack, ClusterAction::StorageUpsize).await?;
            }
            cluster.settled(RACKS.len()).await.map(drop)
        })
        .await?;
    ensure!(
        cluster.uids().await? == before,
        "a pod restarted as its volume grew"
    );
    for (name, set) in sets(ground).await? {
        let templates = set.spec.and_then(|spec| spec.volume_claim_templates);
        let text = json!(templates).to_string();
        ensure!(text.contains("\"2Gi\""), "{name} makes volumes by {text}");
    }
    Ok(())
}

/// Actions that roll every rack's pods.
struct Rolls<'a> {
    ground: &'a Ground,
    cluster: &'a Cluster<'a>,
}

impl Rolls<'_> {
    /// Each StatefulSet is written once, and each pod made anew.
    async fn out(
        &self,
        stage: &mut Stage,
        operation: Operation<'_>,
        action: ClusterAction,
        ask: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<()> {
        let Self { ground, cluster } = self;
        let before = (cluster.uids().await?, generations(ground).await?);
        stage
            .carry_out(operation, async || {
                ask().await?;
                for rack in RACKS {
                    cluster.action_done(rack, action).await?;
                }
                cluster.settled(RACKS.len()).await.map(drop)
            })
            .await?;
        let after = (cluster.uids().await?, generations(ground).await?);
        for (pod, uid) in &before.0 {
            let renewed = after.0.get(pod).is_some_and(|now| now != uid);
            ensure!(renewed, "{action}: {pod} is the old one");
        }
        for ((set, was), (_, is)) in before.1.iter().zip(&after.1) {
            ensure!(
                *is == was + 1,
                "{action}: {set} went from generation {was} to {is}"
            );
        }
        Ok(())
    }
}

/// Generations of all StatefulSets, by name.
pub(super) async fn generations(ground: &Ground) -> Result<Vec<(String, i64)>> {
    let sets: Api<StatefulSet> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let listed = sets.list(&ListParams::default()).await?;
    listed
        .into_iter()
        .map(|set| {
            let generation = set.metadata.generation.context("no generation")?;
            Ok((set.name_any(), generation))
        })
        .collect()
}
