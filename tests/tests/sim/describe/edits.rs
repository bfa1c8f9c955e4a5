//! Edits of volumes that cannot be carried out, or take their time.

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::describe::{Stuck, tells, tells_put_back, waits_no_more};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::conditions::ConditionReason;
use casskop_types::status::ClusterAction;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use serde_json::{Value, json};

use crate::NODES;
use crate::volumes::{GROWING, capacity, drive, growing_class};

/// Q20: volumes that grow, and volumes that cannot. Q21: a volume where there was none. Q22: other volumes beside the data's.
#[tokio::test]
async fn volumes_that_cannot_be_had_as_they_were_edited() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    growing_class(&ground).await?;
    let _operator = Operator::start(&ground)?;
    let mut bare = spec(&[("dc1", &["rack1"])], 1);
    if let Some(fields) = bare.as_object_mut() {
        fields.remove("dataCapacity");
    }
    let (mut growing, mut impossible) = (bare.clone(), bare.clone());
    growing["topology"] = topology("1Gi");
    impossible["storageConfigs"] = storage_configs();
    let growing = Cluster::create(&ground, "growing", growing).await?;
    let fixed = Cluster::create(&ground, "fixed", spec(&[("dc1", &["rack1"])], 1)).await?;
    let bare = Cluster::create(&ground, "bare", bare).await?;
    let impossible = Cluster::create(&ground, "impossible", impossible).await?;

    let invalid = Stuck {
        reason: ConditionReason::InvalidSpec,
        waits_for: "the spec has to be corrected: spec.storageConfigs",
        remedy: "set spec.dataCapacity",
        event: ("InvalidSpec", "spec.storageConfigs"),
    };
    tells(&ground, &impossible, invalid).await?;
    impossible.edit(json!({ "dataCapacity": "1Gi" })).await?;

    fixed.settled(1).await?;
    fixed.edit(json!({ "dataCapacity": "2Gi" })).await?;
    let why = "must support resize; put that right, and raise it again";
    tells_put_back(&ground, &fixed, "dataCapacity of datacenter dc1", why).await?;
    fixed.edit(json!({ "storageConfigs": storage_configs() })).await?;
    let why = "cannot be changed; a new cluster may have others";
    tells_put_back(&ground, &fixed, "spec.storageConfigs", why).await?;

    bare.settled(1).await?;
    bare.edit(json!({ "dataCapacity": "1Gi" })).await?;
    let why = "cannot be given a data volume, or lose theirs; add a datacenter with dataCapacity";
    tells_put_back(&ground, &bare, "dataCapacity of datacenter dc1", why).await?;

    growing.settled(1).await?;
    grows(&ground, &growing).await?;
    impossible.settled(1).await?;
    waits_no_more(&ground, &impossible).await
}

/// By its datacenter's own capacity.
async fn grows(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    cluster.edit(json!({ "topology": topology("2Gi") })).await?;
    let claim = "data-growing-dc1-rack1-0";
    let small = Stuck {
        reason: ConditionReason::ActionOngoing,
        waits_for: "claim data-growing-dc1-rack1-0 has 1Gi of 2Gi",
        remedy: "`kubectl describe persistentvolumeclaim data-growing-dc1-rack1-0`",
        event: ("ActionStarted", "StorageUpsize started on rack dc1-rack1"),
    };
    tells(ground, cluster, small).await?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(ground.client.clone(), &ground.namespace);
    until("the claim has grown", PATIENCE, async || {
        let stored = claims.get(claim).await?;
        drive(&claims, &stored).await?;
        Ok(match capacity(&stored) {
            Some("2Gi") => Answer::Yes(()),
            other => Answer::not_yet(json!(other)),
        })
    })
    .await?;
    cluster
        .action_done("dc1-rack1", ClusterAction::StorageUpsize)
        .await?;
    waits_no_more(ground, cluster).await
}

fn topology(capacity: &str) -> Value {
    json!({ "dc": [{
        "name": "dc1", "dataCapacity": capacity, "dataStorageClass": GROWING, "rack": [{ "name": "rack1" }],
    }] })
}

fn storage_configs() -> Value {
    json!([{
        "mountPath": "/var/lib/cassandra/commitlog", "name": "commitlog",
        "pvcSpec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    }])
}
