//! What is done to a rack of two nodes: it restarts, gets another ConfigMap, cleans up, grows, and shrinks again.

use std::time::{Duration, Instant};

use anyhow::Result;
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_simulator::{CallPattern, CallQuery, CallRule, Scope, Span};
use casskop_types::operation::RecordState;
use casskop_types::status::ClusterAction;
use serde_json::json;

use super::budget::{self, Amounts, Budget, Outcome};
use super::cluster::{Cluster, spec};
use super::control::Control;
use super::stage::{Stage, median};
use super::{CONTROL, OURS, ROUNDS};

const NAME: &str = "pair";
const SET: &str = "pair-dc1-rack1";
const NODES: usize = 2;

/// What each node's cleanup or decommission takes.
const WORK: Duration = Duration::from_secs(1);

/// ConfigMaps that take turns.
const CONFIG_MAPS: [&str; 2] = ["config-a", "config-b"];

/// All of it, in an order in which the rack has two nodes as long as it has to.
pub(crate) async fn measure(stage: &Stage<'_>, control: &Control) -> Result<Vec<(Budget, Outcome)>> {
    let cluster = Cluster::new(stage, OURS, NAME);
    for namespace in [OURS, CONTROL] {
        for name in CONFIG_MAPS {
            stage.kubectl([
                "create",
                "configmap",
                name,
                "-n",
                namespace,
                "--from-literal=pre_run.sh=true",
            ])?;
        }
    }
    let mut wanted = spec(&[1], NODES);
    wanted["configMapName"] = json!(CONFIG_MAPS[0]);
    cluster.form(wanted, NODES).await?;
    control.form(&cluster.stateful_sets().await?).await?;
    control.scale(SET, NODES).await?;
    let mut rolls = Vec::new();
    for round in 0..ROUNDS {
        rolls.push(control.roll(SET, &round.to_string()).await?);
    }
    let roll = median(rolls)?;
    Ok(vec![
        (budget::RESTART, restart(stage, &cluster, roll).await?),
        (budget::CONFIG_MAP, config_map(stage, &cluster, roll).await?),
        (budget::CLEANUP, cleanup(stage, &cluster).await?),
        (budget::NODE_MORE, node_more(stage, &cluster, control).await?),
        (budget::NODE_FEWER, node_fewer(stage, &cluster, control).await?),
    ])
}

async fn restart(stage: &Stage<'_>, cluster: &Cluster, roll: Duration) -> Result<Outcome> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        stage.quiet().await?;
        let rack = json!({ "name": "rack1", "rollingRestart": true });
        let began = Instant::now();
        let before = cluster
            .edit(json!({ "topology": { "dc": [{ "name": "dc1", "rack": [rack] }] } }))
            .await?;
        cluster
            .action_ends(&before, ClusterAction::RollingRestart)
            .await?;
        times.push(began.elapsed());
    }
    timed(times, roll)
}

async fn config_map(stage: &Stage<'_>, cluster: &Cluster, roll: Duration) -> Result<Outcome> {
    let mut times = Vec::new();
    for round in 1..=ROUNDS {
        stage.quiet().await?;
        let began = Instant::now();
        let before = cluster
            .edit(json!({ "configMapName": CONFIG_MAPS[round % CONFIG_MAPS.len()] }))
            .await?;
        cluster
            .action_ends(&before, ClusterAction::UpdateConfigMap)
            .await?;
        times.push(began.elapsed());
    }
    timed(times, roll)
}

/// Asked for through the plugin. The control is the work itself, as the nodes saw it: one keyspace that takes its time
/// on one node after the other.
async fn cleanup(stage: &Stage<'_>, cluster: &Cluster) -> Result<Outcome> {
    let simulator = &stage.simulator;
    let id = cluster.id();
    simulator
        .put_keyspace(&id, "shop", Keyspace::full(Replication::by_dc([("dc1", 1)])))
        .await?;
    let of_shop = CallPattern {
        argument: Some(json!("shop")),
        ..CallPattern::named("forceKeyspaceCleanup")
    };
    takes_its_time(stage, cluster, of_shop).await?;
    let (mut times, mut controls) = (Vec::new(), Vec::new());
    let mut query = CallQuery::of(id, "forceKeyspaceCleanup");
    for round in 1..=ROUNDS {
        stage.quiet().await?;
        let before = cluster.object().await?;
        let began = Instant::now();
        stage.plugin(["cleanup", "start", "--crd", NAME, "-n", OURS])?;
        cluster
            .until(&before, |cluster| ended(cluster) == round * NODES)
            .await?;
        times.push(began.elapsed());
        let calls = simulator.calls(&query).await?;
        query.from = calls.records().last().map_or(query.from, |call| call.id + 1);
        let took = calls.records().iter().map(|call| {
            let ended = call.ended.unwrap_or(call.begun);
            Duration::from_millis(ended.0.saturating_sub(call.begun.0))
        });
        controls.push(took.sum());
    }
    timed(times, median(controls)?)
}

/// Operations that ended well.
fn ended(cluster: &casskop_types::cluster::CassandraCluster) -> usize {
    let racks = cluster
        .status
        .iter()
        .flat_map(|status| status.cassandra_rack_status.values());
    racks
        .flat_map(|rack| &rack.operations)
        .filter(|record| record.state == RecordState::Done)
        .count()
}

async fn node_more(stage: &Stage<'_>, cluster: &Cluster, control: &Control) -> Result<Outcome> {
    let (mut times, mut controls) = (Vec::new(), Vec::new());
    for nodes in (NODES + 1..).take(ROUNDS) {
        stage.quiet().await?;
        let began = Instant::now();
        let before = cluster.edit(json!({ "nodesPerRacks": nodes })).await?;
        cluster.action_ends(&before, ClusterAction::ScaleUp).await?;
        times.push(began.elapsed());
        controls.push(control.scale(SET, nodes).await?);
    }
    timed(times, median(controls)?)
}

/// Back to two nodes. The control is the StatefulSet controller taking the same pod away, and the decommission itself.
async fn node_fewer(stage: &Stage<'_>, cluster: &Cluster, control: &Control) -> Result<Outcome> {
    takes_its_time(stage, cluster, CallPattern::named("decommission")).await?;
    let (mut times, mut controls) = (Vec::new(), Vec::new());
    for nodes in (NODES..NODES + ROUNDS).rev() {
        stage.quiet().await?;
        let began = Instant::now();
        let before = cluster.edit(json!({ "nodesPerRacks": nodes })).await?;
        cluster.action_ends(&before, ClusterAction::ScaleDown).await?;
        times.push(began.elapsed());
        controls.push(WORK + control.scale(SET, nodes).await?);
    }
    timed(times, median(controls)?)
}

async fn takes_its_time(stage: &Stage<'_>, cluster: &Cluster, calls: CallPattern) -> Result<()> {
    let rule = CallRule {
        scope: Scope::Cluster(cluster.id()),
        calls,
        takes: Span::Millis(u64::try_from(WORK.as_millis())?),
        ..CallRule::default()
    };
    Ok(stage.simulator.add_call_rule(rule).await?)
}

/// The median of what was timed, beside that of the control.
pub(super) fn timed(times: Vec<Duration>, control: Duration) -> Result<Outcome> {
    let amounts = Amounts {
        time: Some(median(times)?),
        ..Amounts::default()
    };
    Ok(Outcome::measured(amounts, Some(control)))
}
