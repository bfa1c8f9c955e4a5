//! The operator is killed with -9, again and again, in the middle of its work.

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_simulator::ring::Moment;
use casskop_simulator::{CallPattern, CallQuery, CallRule, Ending, Scope, Span};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::operation::RecordState;
use casskop_types::status::{ActionStatus, ClusterAction};

use crate::NODES;

/// As often the operator dies.
const DEATHS: usize = 5;

#[tokio::test]
async fn a_restart_survives_five_deaths_of_the_operator_and_restarts_each_pod_once() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let mut operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1", "rack2", "rack3"])], 2)).await?;
    cluster.settled(6).await?;
    let before = cluster.uids().await?;
    let generations = generations(&ground).await?;
    cluster.casskop(["restart", "--crd", "demo", "--full"])?;
    for death in 0..DEATHS {
        // Each time after some more of the work is done: nothing, the first rack begun, its pods replaced, ...
        until("some more pods are new", PATIENCE, async || {
            let now = cluster.uids().await?;
            let new = now
                .iter()
                .filter(|(pod, uid)| before.get(*pod) != Some(uid))
                .count();
            Ok(if new >= death {
                Answer::Yes(())
            } else {
                Answer::not_yet(format!("{new} pods are new"))
            })
        })
        .await?;
        operator.kill()?;
        operator = Operator::start(&ground)?;
    }
    for rack in ["dc1-rack1", "dc1-rack2", "dc1-rack3"] {
        cluster.action_done(rack, ClusterAction::RollingRestart).await?;
    }
    let after = cluster.uids().await?;
    assert!(before.iter().all(|(pod, uid)| after[pod] != *uid));
    // One write of the template is one restart: the StatefulSet's generation counts them.
    for (name, generation) in self::generations(&ground).await? {
        assert_eq!(generation, generations[&name] + 1, "{name}");
    }
    let (simulator, id) = cluster.simulator()?;
    assert_eq!(simulator.max_down_since(&id, Moment(0)).await?, 1);
    drop(operator);
    Ok(())
}

#[tokio::test]
async fn a_cleanup_survives_five_deaths_of_the_operator_without_a_second_run_beside_the_first() -> Result<()>
{
    let ground = Ground::new(NODES).await?;
    let mut operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1", "rack2"])], 1)).await?;
    cluster.settled(2).await?;
    let (simulator, id) = cluster.simulator()?;
    simulator
        .add_call_rule(CallRule {
            scope: Scope::Cluster(id.clone()),
            calls: CallPattern::named("forceKeyspaceCleanup"),
            takes: Span::UntilReleased,
            ends: Ending::default(),
            times: None,
        })
        .await?;
    cluster.casskop(["cleanup", "start", "--crd", "demo"])?;
    let query = CallQuery::of(id.clone(), "forceKeyspaceCleanup");
    for death in 0..DEATHS {
        until("a cleanup is in flight on both nodes", PATIENCE, async || {
            let calls = simulator.calls(&query).await?;
            let running = calls.records().iter().filter(|call| call.ended.is_none()).count();
            Ok(if running == 2 {
                Answer::Yes(())
            } else {
                Answer::not_yet(format!("{running} calls in flight"))
            })
        })
        .await?;
        operator.kill()?;
        if death % 2 == 1 {
            // The work ends while nobody listens.
            simulator
                .release_calls(Scope::Cluster(id.clone()), "forceKeyspaceCleanup")
                .await?;
        }
        operator = Operator::start(&ground)?;
    }
    until("both cleanups end", PATIENCE, async || {
        simulator
            .release_calls(Scope::Cluster(id.clone()), "forceKeyspaceCleanup")
            .await?;
        let status = cluster.status().await?;
        let mut records = status
            .cassandra_rack_status
            .values()
            .flat_map(|rack| &rack.operations);
        let ended = records.all(|record| record.state == RecordState::Done);
        Ok(if ended {
            Answer::Yes(())
        } else {
            Answer::not_yet("a record is not done")
        })
    })
    .await?;
    let calls = simulator.calls(&query).await?;
    for pod in ["demo-dc1-rack1-0", "demo-dc1-rack2-0"] {
        let mut of_pod: Vec<_> = calls
            .records()
            .iter()
            .filter(|call| call.pod.name == pod)
            .collect();
        of_pod.sort_by_key(|call| call.began_as);
        for pair in of_pod.windows(2) {
            assert!(
                pair[0].ended_as.is_some_and(|end| end < pair[1].began_as),
                "two runs at once: {pair:?}"
            );
        }
    }
    cluster
        .operations_end(&["demo-dc1-rack1-0", "demo-dc1-rack2-0"], "Done")
        .await?;
    // The end is recorded: another operator starts nothing again.
    operator.kill()?;
    let _operator = Operator::start(&ground)?;
    cluster.casskop(["restart", "--crd", "demo", "--rack", "dc1.rack1"])?;
    cluster
        .action_done("dc1-rack1", ClusterAction::RollingRestart)
        .await?;
    assert_eq!(simulator.calls(&query).await?.len(), calls.len());
    let status = cluster.status().await?;
    assert_eq!(status.last_cluster_action_status, Some(ActionStatus::Done));
    Ok(())
}

async fn generations(ground: &Ground) -> Result<std::collections::BTreeMap<String, i64>> {
    let sets = kube::Api::<k8s_openapi::api::apps::v1::StatefulSet>::namespaced(
        ground.client.clone(),
        &ground.namespace,
    );
    let listed = sets.list(&kube::api::ListParams::default()).await?;
    let named = |set: k8s_openapi::api::apps::v1::StatefulSet| {
        (
            set.metadata.name.unwrap_or_default(),
            set.metadata.generation.unwrap_or_default(),
        )
    };
    Ok(listed.items.into_iter().map(named).collect())
}
