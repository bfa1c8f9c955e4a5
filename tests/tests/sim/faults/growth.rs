//! A ring that grows and shrinks, by nodes and by a datacenter, and is deleted with its claims.

use anyhow::{Result, ensure};
use casskop_lab::wait::{Answer, until};
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::faults::stage::Faults;
use casskop_tests::ground::Ground;
use casskop_types::cluster::CassandraCluster;
use casskop_types::status::ClusterAction;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use super::{formed, operation};
use crate::NODES;

/// Lives through it under faults, and tells what happened.
pub(super) async fn live_through(faults: Faults) -> Result<String> {
    let ground = Ground::new(NODES).await?;
    let mut wanted = spec(&[("dc1", &["rack1"])], 1);
    wanted["autoPilot"] = json!(true);
    wanted["deletePVC"] = json!(true);
    let cluster = Cluster::create(&ground, "demo", wanted).await?;
    let mut stage = formed(&ground, &cluster, faults, 1).await?;
    let (simulator, id) = cluster.simulator()?;
    let in_one = Keyspace::full(Replication::by_dc([("dc1", 1)]));
    simulator.put_keyspace(&id, "shop", in_one.clone()).await?;

    let scale_up = operation("ScaleUp", 8, &["forceKeyspaceCleanup"]);
    stage
        .carry_out(scale_up, async || {
            cluster.edit(json!({ "nodesPerRacks": 2 })).await?;
            cluster.action_done("dc1-rack1", ClusterAction::ScaleUp).await?;
            cluster.operations_end(&["demo-dc1-rack1-0"], "Done").await?;
            cluster.settled(2).await.map(drop)
        })
        .await?;
    let dc = |name: &str, nodes: i32| json!({ "name": name, "nodesPerRacks": nodes, "rack": [{ "name": "rack1" }] });
    let topology = |dcs: &[Value]| json!({ "topology": { "dc": dcs } });
    let adding = operation("adding a datacenter", 4, &[]);
    stage
        .carry_out(adding, async || {
            cluster.edit(topology(&[dc("dc1", 2), dc("dc2", 1)])).await?;
            cluster.settled(3).await.map(drop)
        })
        .await?;
    let mut in_both = simulator.ring(&id).await?.ring.keyspaces()["shop"].clone();
    in_both.replication = Replication::by_dc([("dc1", 1), ("dc2", 1)]);
    let rebuild = operation("rebuild", 4, &["rebuild"]);
    let fresh = "demo-dc2-rack1-0";
    stage
        .carry_out(rebuild, async || {
            simulator.put_keyspace(&id, "shop", in_both).await?;
            // Nothing tells the operator of an ALTER KEYSPACE: it asks every half minute, and after a change.
            ground.typed("kubectl annotate cassandracluster demo altered=shop")?;
            cluster.operations_end(&[fresh], "Done").await
        })
        .await?;
    let held = simulator.ring(&id).await?.held("shop");
    ensure!(
        held.values().filter(|partitions| !partitions.is_empty()).count() == 3,
        "{held:?}"
    );

    let scale_down = operation("ScaleDown", 6, &["decommission"]);
    stage
        .carry_out(scale_down, async || {
            cluster.edit(topology(&[dc("dc1", 1), dc("dc2", 1)])).await?;
            cluster.action_done("dc1-rack1", ClusterAction::ScaleDown).await?;
            cluster.settled(2).await.map(drop)
        })
        .await?;
    ensure!(claims(&ground).await? == ["data-demo-dc1-rack1-0", "data-demo-dc2-rack1-0"]);
    let mut in_one = simulator.ring(&id).await?.ring.keyspaces()["shop"].clone();
    in_one.replication = Replication::by_dc([("dc1", 1)]);
    simulator.put_keyspace(&id, "shop", in_one).await?;
    let emptying = operation("emptying a datacenter", 6, &["decommission"]);
    stage
        .carry_out(emptying, async || {
            cluster.edit(topology(&[dc("dc1", 1), dc("dc2", 0)])).await?;
            cluster.action_done("dc2-rack1", ClusterAction::ScaleDown).await?;
            cluster.settled(1).await.map(drop)
        })
        .await?;
    ensure!(
        simulator.ring(&id).await?.ring.lost("shop").is_empty(),
        "data was lost"
    );
    let removing = operation("removing a datacenter", 2, &[]);
    let sets: Api<StatefulSet> = Api::namespaced(ground.client.clone(), &ground.namespace);
    stage
        .carry_out(removing, async || {
            cluster.edit(topology(&[dc("dc1", 1)])).await?;
            until("the rack is gone and forgotten", PATIENCE, async || {
                let racks = cluster.status().await?.cassandra_rack_status;
                let set = sets.get_opt("demo-dc2-rack1").await?;
                Ok(if set.is_none() && racks.len() == 1 {
                    Answer::Yes(())
                } else {
                    Answer::not_yet(json!(racks))
                })
            })
            .await
        })
        .await?;
    let deletion = operation("deletion with deletePVC", 2, &[]);
    stage
        .end_with(deletion, async || delete_with_claims(&ground).await)
        .await?;
    stage.conclude(15)
}

async fn delete_with_claims(ground: &Ground) -> Result<()> {
    let clusters: Api<CassandraCluster> = Api::namespaced(ground.client.clone(), &ground.namespace);
    clusters.delete("demo", &DeleteParams::default()).await?;
    until("the cluster and its claims are gone", PATIENCE, async || {
        let left = claims(ground).await?;
        let gone = clusters.get_opt("demo").await?.is_none() && left.is_empty();
        Ok(if gone {
            Answer::Yes(())
        } else {
            Answer::not_yet(json!(left))
        })
    })
    .await
}

async fn claims(ground: &Ground) -> Result<Vec<String>> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let listed = claims.list(&ListParams::default()).await?;
    Ok(listed.into_iter().map(|claim| claim.name_any()).collect())
}
