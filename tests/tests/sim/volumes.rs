//! Data volumes that grow, by the API server's own rules. What a volume driver would do is done here.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use casskop_lab::wait::{Answer, until};
use casskop_simulator::{PodBehaviour, PodId, ProcessFate, Scope};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::cookbook::Page;
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::conditions::{ConditionType, condition};
use casskop_types::status::ClusterAction;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use crate::NODES;

/// A class whose volumes may grow.
pub(crate) const GROWING: &str = "growing";

#[tokio::test]
async fn volumes_grow_and_no_pod_restarts() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    growing_class(&ground).await?;
    let _operator = Operator::start(&ground)?;
    let mut spec = spec(&[("dc1", &["rack1", "rack2"])], 1);
    spec["dataStorageClass"] = json!(GROWING);
    let cluster = Cluster::create(&ground, "demo", spec).await?;
    cluster.settled(2).await?;
    let (pods, sets) = (cluster.uids().await?, sets(&ground).await?);

    // A node without room ends at each start.
    let mut page = Page::open("full-disk")?;
    let (simulator, _) = cluster.simulator()?;
    let full = PodId::new(&ground.namespace, "demo-dc1-rack1-0");
    let ends = PodBehaviour {
        process: Some(ProcessFate::Crashes),
        ..PodBehaviour::default()
    };
    simulator
        .set_pod_behaviour(Scope::Pod(full.clone()), ends)
        .await?;
    simulator.crash(&full).await?;
    page.looks(&ground, "kubectl casskop status demo").await?;
    page.types(
        &ground,
        "kubectl patch cassandracluster demo --type merge --patch '{\"spec\":{\"dataCapacity\":\"2Gi\"}}'",
    )?;
    cluster
        .status_is("the first claim is waited for", |status| {
            let waiting = condition(&status.conditions, ConditionType::Waiting);
            waiting.is_some_and(|waiting| waiting.message.contains("data-demo-dc1-rack1-0 has 1Gi of 2Gi"))
        })
        .await?;
    page.looks(&ground, "kubectl casskop status demo").await?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(ground.client.clone(), &ground.namespace);
    until("all claims have grown", PATIENCE, async || {
        let listed = claims.list(&ListParams::default()).await?.items;
        for claim in &listed {
            drive(&claims, claim).await?;
        }
        let grown = listed
            .iter()
            .filter(|claim| capacity(claim) == Some("2Gi"))
            .count();
        Ok(if grown == 2 {
            Answer::Yes(())
        } else {
            Answer::not_yet(grown)
        })
    })
    .await?;
    simulator
        .set_pod_behaviour(Scope::Pod(full), PodBehaviour::default())
        .await?;
    for rack in ["dc1-rack1", "dc1-rack2"] {
        cluster.action_done(rack, ClusterAction::StorageUpsize).await?;
    }
    cluster.settled(2).await?;
    page.looks(&ground, "kubectl casskop status demo --exit-code")
        .await?;
    page.ends()?;

    assert_eq!(cluster.uids().await?, pods);
    for (name, after) in self::sets(&ground).await? {
        let before = &sets[&name];
        let revision = |set: &StatefulSet| {
            set.status
                .as_ref()
                .and_then(|status| status.update_revision.clone())
        };
        assert_ne!(
            after.metadata.uid, before.metadata.uid,
            "{name} was not made anew"
        );
        assert_eq!(revision(&after), revision(before), "{name} would roll its pods");
        let templates = after
            .spec
            .and_then(|spec| spec.volume_claim_templates)
            .unwrap_or_default();
        let sizes: Vec<_> = templates.iter().map(requested).collect();
        assert_eq!(sizes, [Some("2Gi")], "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn a_storage_class_that_cannot_grow_has_the_size_put_back_with_the_api_servers_words() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 1)).await?;
    cluster.settled(1).await?;
    let before = sets(&ground).await?;

    cluster.edit(json!({ "dataCapacity": "2Gi" })).await?;
    until("the size is put back", PATIENCE, async || {
        let capacity = cluster.object().await?.spec.data_capacity;
        Ok(match capacity.as_deref() {
            Some("1Gi") => Answer::Yes(()),
            other => Answer::not_yet(json!(other)),
        })
    })
    .await?;
    let events: Api<Event> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let told = until("an event tells why", PATIENCE, async || {
        let listed = events
            .list(&ListParams::default().fields("reason=CorrectCRDConfig"))
            .await?;
        Ok(match listed.items.into_iter().find_map(|event| event.message) {
            Some(message) => Answer::Yes(message),
            None => Answer::not_yet("no event"),
        })
    })
    .await?;
    assert!(told.contains("claim data-demo-dc1-rack1-0 cannot grow"), "{told}");
    assert!(told.contains("must support resize"), "{told}");
    let uids = |sets: BTreeMap<String, StatefulSet>| {
        sets.into_values().map(|set| set.metadata.uid).collect::<Vec<_>>()
    };
    assert_eq!(uids(sets(&ground).await?), uids(before));
    Ok(())
}

/// The lab's own class, but for volumes that may grow.
pub(crate) async fn growing_class(ground: &Ground) -> Result<()> {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": { "name": GROWING },
        "provisioner": "kubernetes.io/host-path", "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": true,
    });
    let classes: Api<StorageClass> = Api::all(ground.client.clone());
    let applied = classes
        .patch(GROWING, &PatchParams::apply("tests"), &Patch::Apply(class))
        .await;
    applied.map(drop).context("cannot make a storage class")
}

/// Gives a claim the size it asks for, as the driver of its volume would.
pub(crate) async fn drive(claims: &Api<PersistentVolumeClaim>, claim: &PersistentVolumeClaim) -> Result<()> {
    let wanted = requested(claim);
    if wanted == capacity(claim) {
        return Ok(());
    }
    let name = claim.metadata.name.as_deref().context("a claim has a name")?;
    let grown = json!({ "status": { "capacity": { "storage": wanted } } });
    claims
        .patch_status(name, &PatchParams::default(), &Patch::Merge(grown))
        .await?;
    Ok(())
}

fn requested(claim: &PersistentVolumeClaim) -> Option<&str> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    Some(requests.get("storage")?.0.as_str())
}

pub(crate) fn capacity(claim: &PersistentVolumeClaim) -> Option<&str> {
    let capacity = claim.status.as_ref()?.capacity.as_ref()?;
    Some(capacity.get("storage")?.0.as_str())
}

pub(crate) async fn sets(ground: &Ground) -> Result<BTreeMap<String, StatefulSet>> {
    let sets: Api<StatefulSet> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let listed = sets.list(&ListParams::default()).await?;
    Ok(listed
        .items
        .into_iter()
        .map(|set| (set.metadata.name.clone().unwrap_or_default(), set))
        .collect())
}
