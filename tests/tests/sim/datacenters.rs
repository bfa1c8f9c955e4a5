//! Datacenters and whole clusters that go, and what stays of them.

use std::collections::BTreeMap;

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::cluster::CassandraCluster;
use casskop_types::labels::{CLUSTER_UID, DELETE_PVC_FINALIZER};
use casskop_types::status::ClusterAction;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::json;

use crate::NODES;

#[tokio::test]
async fn a_datacenter_is_emptied_and_removed_and_a_full_one_is_put_back() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let topology = [("dc1", &["rack1"][..]), ("dc2", &["rack1"][..])];
    let cluster = Cluster::create(&ground, "demo", spec(&topology, 1)).await?;
    cluster.settled(2).await?;
    let dc1 = json!({ "name": "dc1", "rack": [{ "name": "rack1" }] });

    cluster.edit(json!({ "topology": { "dc": [dc1] } })).await?;
    cluster
        .status_is("the edit is put back", |status| {
            status.last_cluster_action == Some(ClusterAction::CorrectCrdConfig)
        })
        .await?;
    until("the topology is as it was", PATIENCE, async || {
        let now = cluster
            .object()
            .await?
            .spec
            .topology
            .and_then(|topology| topology.dc);
        let names: Vec<String> = now.unwrap_or_default().into_iter().map(|dc| dc.name).collect();
        Ok(if names == ["dc1", "dc2"] {
            Answer::Yes(())
        } else {
            Answer::not_yet(json!(names))
        })
    })
    .await?;
    assert_eq!(cluster.pods().await?.len(), 2);

    let emptied = json!({ "name": "dc2", "nodesPerRacks": 0, "rack": [{ "name": "rack1" }] });
    cluster
        .edit(json!({ "topology": { "dc": [dc1, emptied] } }))
        .await?;
    cluster.action_done("dc2-rack1", ClusterAction::ScaleDown).await?;
    assert_eq!(cluster.pod_names().await?, ["demo-dc1-rack1-0"]);
    cluster.edit(json!({ "topology": { "dc": [dc1] } })).await?;
    cluster
        .status_is("the rack is forgotten", |status| {
            !status.cassandra_rack_status.contains_key("dc2-rack1")
        })
        .await?;
    let sets: Api<StatefulSet> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let left = sets.list(&ListParams::default()).await?.items;
    assert_eq!(left.len(), 1);
    assert_eq!(
        claims(&ground).await?.keys().collect::<Vec<_>>(),
        ["data-demo-dc1-rack1-0"]
    );
    Ok(())
}

#[tokio::test]
async fn a_cluster_deleted_with_its_claims_takes_its_own_and_no_other() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let mut spec = spec(&[("dc1", &["rack1"])], 2);
    spec["deletePVC"] = json!(true);
    let cluster = Cluster::create(&ground, "demo", spec).await?;
    cluster.settled(2).await?;
    let object = cluster.object().await?;
    assert_eq!(
        object.metadata.finalizers.unwrap_or_default(),
        [DELETE_PVC_FINALIZER]
    );
    until("every claim is stamped", PATIENCE, async || {
        let stamps = claims(&ground).await?;
        let stamped = stamps.len() == 2 && stamps.values().all(|stamp| *stamp == object.metadata.uid);
        Ok(if stamped {
            Answer::Yes(())
        } else {
            Answer::not_yet(json!(stamps))
        })
    })
    .await?;
    // Left by an earlier cluster of the same name.
    let api: Api<PersistentVolumeClaim> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let mut old = api.get("data-demo-dc1-rack1-0").await?;
    old.metadata = kube::api::ObjectMeta {
        name: Some("data-demo-dc1-rack1-7".to_owned()),
        labels: old.metadata.labels,
        annotations: Some([(CLUSTER_UID.to_owned(), "an-earlier-cluster".to_owned())].into()),
        ..Default::default()
    };
    if let Some(spec) = &mut old.spec {
        spec.volume_name = None;
    }
    api.create(&PostParams::default(), &old).await?;

    let clusters: Api<CassandraCluster> = Api::namespaced(ground.client.clone(), &ground.namespace);
    clusters.delete("demo", &DeleteParams::foreground()).await?;
    until("only the earlier cluster's claim is left", PATIENCE, async || {
        let left = claims(&ground).await?;
        let gone = clusters.get_opt("demo").await?.is_none() && left.len() == 1;
        Ok(if gone {
            Answer::Yes(())
        } else {
            Answer::not_yet(json!(left))
        })
    })
    .await?;
    assert!(claims(&ground).await?.contains_key("data-demo-dc1-rack1-7"));
    Ok(())
}

/// The stamps of all claims, by their names.
async fn claims(ground: &Ground) -> Result<BTreeMap<String, Option<String>>> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let listed = claims.list(&ListParams::default()).await?;
    let stamp = |claim: PersistentVolumeClaim| {
        let stamp = claim
            .metadata
            .annotations
            .unwrap_or_default()
            .get(CLUSTER_UID)
            .cloned();
        (claim.metadata.name.unwrap_or_default(), stamp)
    };
    Ok(listed.items.into_iter().map(stamp).collect())
}
