//! Nodes that do not start, do not answer, do not join, or are lost.

use anyhow::{Context, Result};
use casskop_lab::wait::{Answer, until};
use casskop_simulator::{CallRule, Ending, Image, PodBehaviour, Span};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::cookbook::Page;
use casskop_tests::describe::{Stuck, tells, waits_no_more};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::conditions::ConditionReason;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::{as_usual, everywhere, pod_scope};
use crate::NODES;

const FIRST: &str = "demo-dc1-rack1-0";
const SECOND: &str = "demo-dc1-rack1-1";

/// Passwords of Jolokia's.
const OLD: &str = "the-old-one";
const NEW: &str = "the-new-one";

/// Q8: the only node of a cluster does not start, or does not answer. Q16: its credentials are not the secret's any more.
#[tokio::test]
async fn the_only_node_does_not_start_or_does_not_answer() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    secret(&ground, OLD)?;
    let _operator = Operator::start(&ground)?;
    let mut wanted = spec(&[("dc1", &["rack1"])], 1);
    wanted["imageJolokiaSecret"] = json!({ "name": "jolokia" });
    wanted["topology"] = topology(&json!({ "name": "rack1", "labels": { "zone": "nowhere" } }));
    let cluster = Cluster::create(&ground, "demo", wanted).await?;
    fits_no_machine(&ground, &cluster).await?;
    asked_with_other_credentials(&ground, &cluster).await?;
    silent(&ground, &cluster).await?;
    image_not_to_be_had(&ground, &cluster).await
}

/// The other end of Q8, a ring that does not agree: one node joins and joins, then one is lost with its disk.
#[tokio::test]
async fn a_node_does_not_join_or_is_lost_with_its_disk() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 1)).await?;
    cluster.settled(1).await?;
    joins_for_ever(&ground, &cluster).await?;
    lost_with_its_disk(&ground, &cluster).await
}

async fn fits_no_machine(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let unschedulable = Stuck {
        reason: ConditionReason::PodBlocked,
        waits_for: "pod demo-dc1-rack1-0 is unschedulable",
        remedy: "make room for it, or change in the spec what it asks of a machine (resources, labels of its rack)",
        event: ("Waiting", "pod demo-dc1-rack1-0 is unschedulable"),
    };
    tells(ground, cluster, unschedulable).await?;
    let anywhere = topology(&json!({ "name": "rack1" }));
    cluster.edit(json!({ "topology": anywhere })).await?;
    cluster.settled(1).await?;
    waits_no_more(ground, cluster).await
}

async fn asked_with_other_credentials(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    secret(ground, NEW)?;
    cluster
        .edit(json!({ "cassandraImage": "cassandra:5.0.10" }))
        .await?;
    let unauthorized = Stuck {
        reason: ConditionReason::NodesUnreachable,
        waits_for: "pod demo-dc1-rack1-0: jolokia at",
        remedy: "refused the credentials (http 401): put back what the secret had when the pod started",
        event: ("Waiting", "refused the credentials"),
    };
    tells(ground, cluster, unauthorized).await?;
    let mut page = Page::open("rotated-secret")?;
    page.looks(ground, "kubectl casskop status demo").await?;
    ground.typed("kubectl delete secret jolokia")?;
    let missing = Stuck {
        waits_for: "jolokia secret",
        remedy: "put it back as it was when the pod started",
        ..unauthorized
    };
    tells(ground, cluster, missing).await?;
    page.types(
        ground,
        "kubectl create secret generic jolokia --from-literal=username=jolokia \\\n  \
         --from-literal=password=the-old-one --dry-run=client -o yaml | kubectl apply -f -",
    )?;
    page.looks(ground, "kubectl casskop status demo --exit-code")
        .await?;
    waits_no_more(ground, cluster).await?;
    page.types(
        ground,
        "kubectl create secret generic jolokia-2 --from-literal=username=jolokia \\\n  \
         --from-literal=password=the-new-one\n\
         kubectl patch cassandracluster demo --type merge \\\n  \
         --patch '{\"spec\":{\"imageJolokiaSecret\":{\"name\":\"jolokia-2\"}}}'",
    )?;
    page.looks(ground, "kubectl casskop status demo --exit-code")
        .await?;
    page.ends()
}

async fn silent(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let (simulator, id) = cluster.simulator()?;
    let answers = |ends| CallRule {
        scope: everywhere(&id),
        ends,
        ..CallRule::default()
    };
    simulator.add_call_rule(answers(Ending::HttpStatus(503))).await?;
    cluster
        .edit(json!({ "cassandraImage": "cassandra:5.0.11" }))
        .await?;
    let silent = Stuck {
        reason: ConditionReason::NodesUnreachable,
        waits_for: "pod demo-dc1-rack1-0: jolokia at",
        remedy: "answered http 503; if it stays so, see the pod's log, or delete the pod, which restarts the node",
        event: ("Waiting", "answered http 503"),
    };
    tells(ground, cluster, silent).await?;
    let broken = PodBehaviour {
        image: Some(Image::Missing),
        ..as_usual()
    };
    simulator
        .set_pod_behaviour(pod_scope(ground, FIRST), broken)
        .await?;
    Ok(simulator.add_call_rule(answers(Ending::Normal)).await?)
}

async fn image_not_to_be_had(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let (simulator, _) = cluster.simulator()?;
    let not_pulled = Stuck {
        reason: ConditionReason::PodBlocked,
        waits_for: "pod demo-dc1-rack1-0 is not ready: ImagePullBackOff in container",
        remedy: "see `kubectl describe pod demo-dc1-rack1-0`; a spec that is corrected is carried out at once",
        event: ("Waiting", "ImagePullBackOff"),
    };
    tells(ground, cluster, not_pulled).await?;
    let mut page = Page::open("bad-image")?;
    page.looks(ground, "kubectl casskop status demo").await?;
    let stuck = cluster.uids().await?;
    page.types(
        ground,
        "kubectl patch cassandracluster demo --type merge --patch '{\"spec\":{\"cassandraImage\":\"cassandra:5.0.10\"}}'",
    )?;
    until("the pod is made anew", PATIENCE, async || {
        let uids = cluster.uids().await?;
        let renewed = uids.get(FIRST).is_some_and(|uid| stuck.get(FIRST) != Some(uid));
        Ok(if renewed {
            Answer::Yes(())
        } else {
            Answer::not_yet(json!(cluster.status().await?))
        })
    })
    .await?;
    simulator
        .set_pod_behaviour(pod_scope(ground, FIRST), as_usual())
        .await?;
    cluster.settled(1).await?;
    page.looks(ground, "kubectl casskop status demo --exit-code")
        .await?;
    page.ends()?;
    waits_no_more(ground, cluster).await
}

async fn joins_for_ever(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let (simulator, _) = cluster.simulator()?;
    let slow = PodBehaviour {
        join: Some(Span::UntilReleased),
        ..as_usual()
    };
    simulator
        .set_pod_behaviour(pod_scope(ground, SECOND), slow)
        .await?;
    cluster.edit(json!({ "nodesPerRacks": 2 })).await?;
    let joins = Stuck {
        reason: ConditionReason::NodeJoining,
        waits_for: "node demo-dc1-rack1-1 has not joined yet, as pod demo-dc1-rack1-0 sees it",
        remedy: "`kubectl exec demo-dc1-rack1-1 --container cassandra -- nodetool netstats`",
        event: ("ActionStarted", "ScaleUp started on rack dc1-rack1"),
    };
    tells(ground, cluster, joins).await?;
    let mut page = Page::open("stuck-joining")?;
    page.looks(ground, "kubectl casskop status demo").await?;
    simulator
        .set_pod_behaviour(pod_scope(ground, SECOND), as_usual())
        .await?;
    // Where it waits, kubectl takes a pod that is made anew at once for the one that is to go, and waits for that for ever.
    page.types(ground, "kubectl delete pod demo-dc1-rack1-1 --wait=false")?;
    cluster.settled(2).await?;
    page.looks(ground, "kubectl casskop status demo --exit-code")
        .await?;
    page.ends()?;
    waits_no_more(ground, cluster).await
}

/// A fresh node comes up in its pod, and a member is left that no pod runs. What is told is then done, word by word.
async fn lost_with_its_disk(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let lost = cluster.status().await?.cassandra_node_status[SECOND].clone();
    let host_id = lost.host_id.context("no host id is recorded")?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(ground.client.clone(), &ground.namespace);
    claims
        .delete("data-demo-dc1-rack1-1", &DeleteParams::default())
        .await?;
    cluster.delete_pod(SECOND).await?;
    cluster
        .status_is("a fresh node has its pod", |status| {
            let node = status.cassandra_node_status.get(SECOND);
            node.is_some_and(|node| node.host_id.as_ref().is_some_and(|now| *now != host_id))
        })
        .await?;
    cluster.edit(json!({ "nodesPerRacks": 1 })).await?;
    let remedy = format!("`kubectl casskop removenode --host-id {host_id} --crd demo`");
    let member = format!("member {host_id} at");
    let at_risk = Stuck {
        reason: ConditionReason::DataAtRisk,
        waits_for: &member,
        remedy: &remedy,
        event: ("Waiting", "is down and no pod runs it"),
    };
    let told = tells(ground, cluster, at_risk).await?;
    let command = told.split('`').nth(1).context("no command is told")?;
    // Nobody is there to be asked.
    ground.typed(&format!("{command} --yes"))?;
    cluster.settled(1).await?;
    waits_no_more(ground, cluster).await
}

/// The secret that Cassandra is started with and the operator asks with, as it is from now on.
fn secret(ground: &Ground, password: &str) -> Result<()> {
    let line = format!(
        "kubectl create secret generic jolokia --from-literal=username=jolokia --from-literal=password={password} \
         --dry-run=client --output=yaml | kubectl apply -f -"
    );
    ground.typed(&line).map(drop)
}

fn topology(rack: &Value) -> Value {
    json!({ "dc": [{ "name": "dc1", "rack": [rack] }] })
}
