//! A CassKop operator and this one never act together.

use anyhow::{Result, ensure};
use casskop_lab::audit::Request;
use casskop_lab::wait::{Answer, until};
use casskop_tests::cluster::{Cluster, PATIENCE};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{casskop, taken_over, untouched};
use crate::NODES;

/// A CassKop operator that is alive, as far as its lock tells: a pod, and the ConfigMap that belongs to it.
async fn casskop_starts(ground: &Ground) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(ground.client.clone(), &ground.namespace);
    // No kubelet takes it, so that it is gone at once when it is deleted; a pod that starts is alive too.
    let pod = serde_json::from_value(json!({
        "metadata": { "name": "casskop-operator-0" },
        "spec": { "schedulerName": "nobody", "containers": [{ "name": "casskop", "image": "casskop" }] },
    }))?;
    let pod = pods.create(&PostParams::default(), &pod).await?;
    let locks: Api<ConfigMap> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let lock = serde_json::from_value(json!({ "metadata": {
        "name": "casskop-lock",
        "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": pod.name_any(), "uid": pod.metadata.uid }],
    } }))?;
    locks.create(&PostParams::default(), &lock).await?;
    Ok(())
}

/// A login of the operator's own, so that the audit log tells what it did.
async fn login(ground: &Ground) -> Result<(std::path::PathBuf, String)> {
    let place = &ground.namespace;
    ground.typed("kubectl create serviceaccount casskop-operator")?;
    ground.typed(&format!(
        "kubectl create rolebinding operator --clusterrole=cluster-admin --serviceaccount={place}:casskop-operator"
    ))?;
    let login = ground
        .lab
        .service_account_login(place, "casskop-operator")
        .await?;
    Ok((login, format!("system:serviceaccount:{place}:casskop-operator")))
}

#[tokio::test]
async fn beside_a_live_casskop_nothing_is_written_and_after_it_the_cluster_is_taken_over() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    casskop::create(&ground).await?;
    let cluster = Cluster::existing(&ground, casskop::NAME);
    let before = untouched(&ground, &cluster).await?;
    let (login, user) = login(&ground).await?;
    casskop_starts(&ground).await?;
    let mut log = ground.lab.requests_from_now()?;
    let mut operator = Operator::start_as(&ground, &login, &ground.namespace, &ground.namespace)?;
    let mut ours: Vec<Request> = Vec::new();
    until(
        "the operator has looked for the lock twice",
        PATIENCE,
        async || {
            let new = log
                .read()?
                .into_iter()
                .filter(|request| request.user.username == user);
            ours.extend(new);
            let about = |request: &Request, what: &str| {
                let object = request.object_ref.as_ref();
                object.is_some_and(|object| object.resource == what)
            };
            let looks = ours
                .iter()
                .filter(|request| request.verb == "list" && about(request, "configmaps"));
            let looks = looks.count();
            Ok(if looks > 1 {
                Answer::Yes(())
            } else {
                Answer::not_yet(format!("{looks} looks"))
            })
        },
    )
    .await?;
    let reads = ["get", "list", "watch"];
    let writes: Vec<_> = ours
        .iter()
        .filter(|request| !reads.contains(&request.verb.as_str()))
        .collect();
    assert!(writes.is_empty(), "{writes:?}");
    ensure!(
        operator
            .log()
            .contains("casskop-operator-0 holds configmap casskop-lock"),
        "it does not say what it waits for: {}",
        operator.log()
    );
    assert!(cluster.status().await?.pinned.is_none());

    // The lock goes with its pod.
    ground.typed("kubectl delete pod casskop-operator-0 --wait=false")?;
    taken_over(&cluster, 4).await?;
    assert_eq!(untouched(&ground, &cluster).await?, before);

    casskop_starts(&ground).await?;
    until("the operator makes room", PATIENCE, async || {
        Ok(if operator.has_ended()? {
            Answer::Yes(())
        } else {
            Answer::not_yet("it runs")
        })
    })
    .await?;
    ensure!(
        operator.log().contains("stopping: CassKop runs"),
        "{}",
        operator.log()
    );
    Ok(())
}
