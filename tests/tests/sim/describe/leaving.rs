//! Nodes on their way out of the ring.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use casskop_jolokia::{JolokiaClient, storage_service};
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_simulator::{CallPattern, CallQuery, CallRule, Command, Ending, PodBehaviour, PodId, Span};
use casskop_tests::cluster::{Cluster, spec};
use casskop_tests::cookbook::Page;
use casskop_tests::describe::{Stuck, tells, waits_no_more};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::conditions::{ConditionReason, ConditionType, condition};
use casskop_types::status::ClusterAction;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::json;

use super::{as_usual, crashing, everywhere, pod_scope};
use crate::NODES;

const JOLOKIA: u16 = 8778;
const RACK: &str = "dc1-rack1";
const FIRST: &str = "demo-dc1-rack1-0";
const SECOND: &str = "demo-dc1-rack1-1";
const THIRD: &str = "demo-dc1-rack1-2";

/// Lines of the page.
const DECOMMISSION: &str = "kubectl casskop decommission --crd demo --dc dc1 --yes";
const KEEP: &str = "kubectl patch cassandracluster demo --type json --patch \\\n  \
                    '[{\"op\": \"replace\", \"path\": \"/spec/topology/dc/0/nodesPerRacks\", \"value\": 2}]'";

/// Q3: it leaves already when it is to leave. Q4: the last steps of that while another pod is not ready. Q7: the node does not
/// take the call. And what is asked of the replication before any of it.
#[tokio::test]
async fn a_node_that_does_not_get_out_of_the_ring() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let mut wanted = spec(&[("dc1", &["rack1"])], 3);
    // 4.x, and nobody says so but the node.
    wanted["cassandraImage"] = json!("cassandra:4.1.10");
    let cluster = Cluster::create(&ground, "demo", wanted).await?;
    cluster.settled(3).await?;
    left_by_hand(&ground, &cluster).await?;
    let mut page = Page::open("stuck-decommission")?;
    needed_for_its_replicas(&ground, &cluster, &mut page).await?;
    refused_by_the_node(&ground, &cluster, &mut page).await?;
    page.ends()
}

async fn left_by_hand(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let (simulator, id) = cluster.simulator()?;
    simulator
        .add_call_rule(CallRule {
            scope: everywhere(&id),
            calls: CallPattern::named("decommission"),
            takes: Span::UntilReleased,
            ..CallRule::default()
        })
        .await?;
    let by_hand = tokio::spawn(decommission(address(ground, THIRD).await?));
    simulator
        .wait_for(
            "the node leaves",
            casskop_tests::cluster::PATIENCE,
            async |simulator| {
                let calls = simulator
                    .calls(&CallQuery::of(id.clone(), "decommission"))
                    .await?;
                Ok((!calls.is_empty()).then_some(()))
            },
        )
        .await?;
    cluster.edit(json!({ "nodesPerRacks": 2 })).await?;
    let leaves = Stuck {
        reason: ConditionReason::OperationOngoing,
        waits_for: "the node of pod demo-dc1-rack1-2 is leaving the ring",
        remedy: "`kubectl exec demo-dc1-rack1-2 --container cassandra -- nodetool netstats`",
        event: ("NodeLeaves", THIRD),
    };
    tells(ground, cluster, leaves).await?;

    // Its pod takes its time, and a disruption budget has no room for it.
    let slow = PodBehaviour {
        stop: Some(Span::UntilReleased),
        ..as_usual()
    };
    simulator
        .set_pod_behaviour(pod_scope(ground, THIRD), slow)
        .await?;
    simulator
        .set_pod_behaviour(pod_scope(ground, FIRST), crashing())
        .await?;
    simulator.crash(&PodId::new(&ground.namespace, FIRST)).await?;
    cluster
        .status_is("another pod is not ready", |status| {
            let ready = condition(&status.conditions, ConditionType::Ready);
            ready.is_some_and(|ready| ready.message.contains("pod demo-dc1-rack1-0 is not ready"))
        })
        .await?;
    simulator.release_calls(everywhere(&id), "decommission").await?;
    by_hand.await??;
    let held = Stuck {
        reason: ConditionReason::PodBlocked,
        waits_for: "the node of pod demo-dc1-rack1-2 left the ring, and the pod goes once the others of its rack are ready: \
                    pod demo-dc1-rack1-0 is not ready: CrashLoopBackOff in container cassandra",
        remedy: "see `kubectl logs demo-dc1-rack1-0 --container cassandra --previous`",
        event: ("Waiting", "pod demo-dc1-rack1-0 is not ready"),
    };
    tells(ground, cluster, held).await?;
    simulator
        .set_pod_behaviour(pod_scope(ground, FIRST), as_usual())
        .await?;
    let goes = Stuck {
        reason: ConditionReason::OperationOngoing,
        waits_for: "the node of pod demo-dc1-rack1-2 left the ring, and pod demo-dc1-rack1-2 is terminating",
        remedy: "`kubectl delete pod demo-dc1-rack1-2 --force`",
        event: ("NodeLeaves", THIRD),
    };
    tells(ground, cluster, goes).await?;
    let stops = Command::ReleaseStops {
        scope: pod_scope(ground, THIRD),
    };
    simulator.command(&stops).await?;
    cluster.action_done(RACK, ClusterAction::ScaleDown).await?;
    waits_no_more(ground, cluster).await?;
    cluster.settled(2).await?;
    let calls = simulator.calls(&CallQuery::of(id, "decommission")).await?;
    assert_eq!(calls.len(), 1, "{calls:?}");
    Ok(())
}

async fn needed_for_its_replicas(ground: &Ground, cluster: &Cluster<'_>, page: &mut Page) -> Result<()> {
    let (simulator, id) = cluster.simulator()?;
    let keyspace = |factor| Keyspace::full(Replication::by_dc([("dc1", factor)]));
    simulator.put_keyspace(&id, "shop", keyspace(2)).await?;
    page.types(ground, DECOMMISSION)?;
    let at_risk = Stuck {
        reason: ConditionReason::DataAtRisk,
        waits_for: "no node may leave datacenter dc1: keyspace shop has 2 replicas",
        remedy: "ALTER KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}",
        event: ("Waiting", "ALTER KEYSPACE shop"),
    };
    tells(ground, cluster, at_risk).await?;
    page.looks(ground, "kubectl casskop status demo").await?;
    assert_eq!(page.statement()?, at_risk.remedy);
    page.types(ground, KEEP)?;
    page.looks(ground, "kubectl casskop status demo --exit-code")
        .await?;
    waits_no_more(ground, cluster).await?;
    Ok(simulator.put_keyspace(&id, "shop", keyspace(1)).await?)
}

async fn refused_by_the_node(ground: &Ground, cluster: &Cluster<'_>, page: &mut Page) -> Result<()> {
    let (simulator, id) = cluster.simulator()?;
    let message = "Invalid operation signature for decommission".to_owned();
    simulator
        .add_call_rule(CallRule {
            scope: everywhere(&id),
            calls: CallPattern::named("decommission"),
            ends: Ending::Refused {
                class: "java.lang.IllegalArgumentException".to_owned(),
                message: message.clone(),
            },
            ..CallRule::default()
        })
        .await?;
    page.types(ground, DECOMMISSION)?;
    let refused = Stuck {
        reason: ConditionReason::DataAtRisk,
        waits_for: "the node of pod demo-dc1-rack1-1 could not leave the ring",
        remedy: "it is tried again, raise nodesPerRacks to keep it",
        event: ("OperationFailed", "decommission failed on pod demo-dc1-rack1-1"),
    };
    let told = tells(ground, cluster, refused).await?;
    assert!(told.contains(&message), "{told}");
    page.looks(ground, "kubectl casskop status demo").await?;
    page.types(ground, KEEP)?;
    page.looks(ground, "kubectl casskop status demo --exit-code")
        .await?;
    waits_no_more(ground, cluster).await?;
    cluster.settled(2).await?;
    assert!(cluster.pods().await?.contains_key(SECOND));
    Ok(())
}

async fn address(ground: &Ground, pod: &str) -> Result<SocketAddr> {
    let pods: Api<Pod> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let address = pods.get(pod).await?.status.and_then(|status| status.pod_ip);
    let address = address.with_context(|| format!("{pod} has no address"))?;
    Ok(SocketAddr::new(address.parse()?, JOLOKIA))
}

/// `nodetool decommission --force`, which ends when the node has left.
async fn decommission(node: SocketAddr) -> Result<()> {
    let node = JolokiaClient::at(node);
    let version = node.call(&storage_service::release_version()).await?;
    let call = storage_service::decommission(version, storage_service::Replication::MayFall);
    Ok(node.call(&call).await?)
}
