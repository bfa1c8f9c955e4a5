//! Requests that do not begin.

use anyhow::Result;
use casskop_simulator::PodId;
use casskop_tests::cluster::{Cluster, spec};
use casskop_tests::describe::{Stuck, tells, waits_no_more};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::conditions::ConditionReason;

use super::{as_usual, crashing, pod_scope};
use crate::NODES;

const POD: &str = "demo-dc1-rack1-0";

#[tokio::test]
async fn a_request_that_lacks_its_argument_or_its_pod_or_somebodys_leave() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 1)).await?;
    cluster.settled(1).await?;
    incomplete(&ground, &cluster).await?;
    paused(&ground, &cluster).await?;
    without_a_ready_pod(&ground, &cluster).await
}

async fn incomplete(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    ground.typed(&format!(
        "kubectl label pod {POD} operation-name=rebuild operation-status=ToDo"
    ))?;
    let incomplete = Stuck {
        reason: ConditionReason::RequestIncomplete,
        waits_for: "rebuild on pod demo-dc1-rack1-0 waits",
        remedy: "set the label operation-argument to its name",
        event: ("Waiting", "rebuild on pod demo-dc1-rack1-0"),
    };
    tells(ground, cluster, incomplete).await?;
    ground.typed(&format!(
        "kubectl label pod {POD} operation-name- operation-status-"
    ))?;
    waits_no_more(ground, cluster).await
}

/// What is told is then done, word by word.
async fn paused(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    ground.typed("kubectl annotate cassandracluster demo cassandraclusters.db.orange.com/paused=true")?;
    let paused = Stuck {
        reason: ConditionReason::Paused,
        waits_for: "the cluster is paused",
        remedy: "`kubectl annotate cassandracluster demo cassandraclusters.db.orange.com/paused-`",
        event: ("Paused", "until it is resumed"),
    };
    let told = tells(ground, cluster, paused).await?;
    let command = told.split('`').nth(1).unwrap_or_default();
    ground.typed(command)?;
    waits_no_more(ground, cluster).await
}

async fn without_a_ready_pod(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let (simulator, _) = cluster.simulator()?;
    simulator
        .set_pod_behaviour(pod_scope(ground, POD), crashing())
        .await?;
    simulator.crash(&PodId::new(&ground.namespace, POD)).await?;
    cluster
        .status_is("the pod is not ready", |status| {
            status.nodes_ready.as_deref() == Some("0/1")
        })
        .await?;
    ground.typed(&format!(
        "kubectl label pod {POD} operation-name=cleanup operation-status=ToDo --overwrite"
    ))?;
    let not_ready = Stuck {
        reason: ConditionReason::PodBlocked,
        waits_for: "cleanup waits: pod demo-dc1-rack1-0 is not ready: CrashLoopBackOff in container cassandra",
        remedy: "see `kubectl logs demo-dc1-rack1-0 --container cassandra --previous`",
        event: ("Waiting", "cleanup waits: pod demo-dc1-rack1-0"),
    };
    tells(ground, cluster, not_ready).await?;
    simulator
        .set_pod_behaviour(pod_scope(ground, POD), as_usual())
        .await?;
    cluster.operations_end(&[POD], "Done").await?;
    waits_no_more(ground, cluster).await
}
