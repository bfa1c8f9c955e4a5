//! Tasks: over datacenters in order and at once, one whose node fails, one that is deleted amid its work, and a schedule.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use casskop_lab::wait::{Answer, until};
use casskop_simulator::ring::{Keyspace, Replication, Token};
use casskop_simulator::{CallLog, CallPattern, CallQuery, CallRule, Client, ClusterId, PodId, Scope, Span};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::faults::stage::{Faults, Stage};
use casskop_tests::ground::Ground;
use casskop_types::task::{CassandraTask, K8ssandraTask, PodState, ScheduledTask};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use super::{formed, operation};
use crate::NODES;
use crate::tasks::{apply, fan_out_ends, moving, no_room, over_all, slow_down, task, task_ends, tasks};

const PODS: [&str; 2] = ["demo-dc1-rack1-0", "demo-dc2-rack1-0"];

/// Lives through it under faults, and tells what happened.
pub(super) async fn live_through(faults: Faults) -> Result<String> {
    let ground = Ground::new(NODES).await?;
    let mut wanted = spec(&[("dc1", &["rack1"]), ("dc2", &["rack1"])], 1);
    wanted["config"] = json!({ "cassandra-yaml": { "num_tokens": 1 } });
    let cluster = Cluster::create(&ground, "demo", wanted).await?;
    let mut stage = formed(&ground, &cluster, faults, 2).await?;
    let (simulator, id) = cluster.simulator()?;
    let shop = Keyspace::full(Replication::by_dc([("dc1", 1), ("dc2", 1)]));
    simulator.put_keyspace(&id, "shop", shop).await?;
    let actors = Actors {
        ground: &ground,
        cluster: &cluster,
        simulator,
        id,
    };
    actors.one_datacenter_after_the_other(&mut stage).await?;
    actors.both_at_once(&mut stage).await?;
    actors.nodes_move(&mut stage).await?;
    actors.a_node_fails(&mut stage).await?;
    actors.deleted_amid_its_work(&mut stage).await?;
    actors.scheduled(&mut stage).await?;
    cluster.settled(2).await?;
    stage.conclude(30)
}

struct Actors<'a> {
    ground: &'a Ground,
    cluster: &'a Cluster<'a>,
    simulator: Client,
    id: ClusterId,
}

impl Actors<'_> {
    /// Each node is drained once, and comes back in a new pod.
    async fn one_datacenter_after_the_other(&self, stage: &mut Stage) -> Result<()> {
        let before = self.cluster.uids().await?;
        let restart = operation("K8ssandraTask, Forbid", 20, &["drain"]);
        stage
            .carry_out(restart, async || {
                apply(self.ground, &over_all("restarts", "Forbid", "restart"))?;
                self.fan_out_completes("restarts").await?;
                self.cluster.settled(2).await.map(drop)
            })
            .await?;
        let after = self.cluster.uids().await?;
        for pod in PODS {
            ensure!(before[pod] != after[pod], "{pod} is the old one");
        }
        let drains = self.calls("drain").await?;
        ensure!(drains.len() == 2, "drained {} times", drains.len());
        Ok(())
    }

    async fn both_at_once(&self, stage: &mut Stage) -> Result<()> {
        let cleanup = operation("K8ssandraTask, Allow", 20, &["forceKeyspaceCleanup"]);
        stage
            .carry_out(cleanup, async || {
                apply(self.ground, &over_all("cleanups", "Allow", "cleanup"))?;
                self.fan_out_completes("cleanups").await
            })
            .await?;
        // Nobody can tell that a cleanup ended whose operator died before it wrote so: that one is done again.
        let cleanups = self.calls("forceKeyspaceCleanup").await?;
        ensure!(
            cleanups.count_by_pod().len() == 2,
            "not on both nodes: {cleanups:?}"
        );
        Ok(())
    }

    /// Each once: a node that was told to move and whose operator died says by its token whether it has.
    async fn nodes_move(&self, stage: &mut Stage) -> Result<()> {
        let moves = operation("K8ssandraTask, move", 20, &["move"]);
        let [first, second] = PODS;
        stage
            .carry_out(moves, async || {
                let tokens = format!("{{{first}: '-42', {second}: '42'}}");
                apply(self.ground, &moving("moves", &tokens))?;
                self.fan_out_completes("moves").await
            })
            .await?;
        let tokens: BTreeSet<Vec<Token>> = self
            .simulator
            .ring(&self.id)
            .await?
            .ring
            .nodes()
            .map(|(_, node)| node.tokens.clone())
            .collect();
        ensure!(tokens == BTreeSet::from([vec![-42], vec![42]]), "{tokens:?}");
        let moves = self.calls("move").await?;
        ensure!(moves.len() == 2, "moved {} times", moves.len());
        ensure!(moves.max_concurrent() == 1, "together: {moves:?}");
        Ok(())
    }

    /// It is tried once more, and counted as failed once, however often the operator dies.
    async fn a_node_fails(&self, stage: &mut Stage) -> Result<()> {
        no_room(
            &self.simulator,
            PodId::new(&self.ground.namespace, PODS[0]),
            "upgradeSSTables",
        )
        .await?;
        let failing = operation("CassandraTask, OnFailure", 10, &["upgradeSSTables"]);
        stage
            .carry_out(failing, async || {
                let rest = ", retries: 1, restartPolicy: OnFailure";
                apply(self.ground, &task("upgrade", "dc1", "upgradesstables", rest))?;
                let ended = task_ends(self.ground, "upgrade").await?;
                ensure!((ended.succeeded, ended.failed) == (0, 1), "{ended:?}");
                let pod = &ended.pod_statuses[PODS[0]];
                ensure!(
                    (pod.status, pod.retries) == (Some(PodState::Error), Some(1)),
                    "{pod:?}"
                );
                Ok(())
            })
            .await?;
        // A death before an end is recorded has the work begun anew, which is no retry of the task's.
        let tries = self.calls("upgradeSSTables").await?.len();
        ensure!(tries >= 2, "tried {tries} times");
        Ok(())
    }

    /// All that it made is gone with it, and what it asked nodes for and was not begun is not begun any more.
    async fn deleted_amid_its_work(&self, stage: &mut Stage) -> Result<()> {
        let before = self.calls("forceKeyspaceCleanup").await?.count_by_pod();
        // At work until it is stopped.
        let rule = CallRule {
            scope: Scope::Pod(PodId::new(&self.ground.namespace, PODS[0])),
            calls: CallPattern::named("forceKeyspaceCleanup"),
            takes: Span::UntilReleased,
            ..CallRule::default()
        };
        self.simulator.add_call_rule(rule).await?;
        let deletion = operation("K8ssandraTask, deleted", 8, &["forceKeyspaceCleanup"]);
        stage
            .carry_out(deletion, async || {
                apply(self.ground, &over_all("short", "Forbid", "cleanup"))?;
                until("the first datacenter is at work", PATIENCE, async || {
                    let begun = self.calls("forceKeyspaceCleanup").await?.count_by_pod();
                    Ok(if begun == before {
                        Answer::not_yet(format!("{begun:?}"))
                    } else {
                        Answer::Yes(())
                    })
                })
                .await?;
                let fan_outs = tasks::<K8ssandraTask>(self.ground);
                fan_outs.delete("short", &DeleteParams::default()).await?;
                self.all_is_gone("short").await?;
                self.cluster.nobody_asks().await
            })
            .await?;
        let after = self.calls("forceKeyspaceCleanup").await?.count_by_pod();
        let of_the_second = |counts: &BTreeMap<(PodId, String), usize>| {
            let mut counts = counts.iter();
            counts.find_map(|((pod, _), count)| (pod.name == PODS[1]).then_some(*count))
        };
        ensure!(
            of_the_second(&before) == of_the_second(&after),
            "begun for a task that was gone: {before:?} {after:?}"
        );
        Ok(())
    }

    /// A schedule whose operator dies makes no run before the one before has ended.
    async fn scheduled(&self, stage: &mut Stage) -> Result<()> {
        slow_down(&self.simulator, &self.id, "forceKeyspaceFlush", Span::Millis(300)).await?;
        let schedule = operation("ScheduledTask", 6, &[]);
        stage
            .carry_out(schedule, async || {
                apply(
                    self.ground,
                    "{apiVersion: control.k8ssandra.io/v1alpha1, kind: ScheduledTask, metadata: {name: often}, spec: {schedule: \
                     '@every 1s', successfulTasksHistoryLimit: 20, taskDetails: {name: flush, datacenter: {name: dc2}, jobs: \
                     [{name: job, command: flush}]}}}",
                )?;
                let schedules = tasks::<ScheduledTask>(self.ground);
                let first = self.last_execution(None).await?;
                let second = self.last_execution(first.as_deref()).await?;
                self.last_execution(second.as_deref()).await?;
                schedules.delete("often", &DeleteParams::default()).await?;
                self.runs_end().await?;
                self.cluster.nobody_asks().await
            })
            .await?;
        let mut runs = self.runs().await?;
        runs.sort_by_key(|run| run.metadata.creation_timestamp.as_ref().map(|time| time.0));
        ensure!(runs.len() >= 3, "{runs:?}");
        for pair in runs.windows(2) {
            let end = pair[0]
                .status
                .as_ref()
                .and_then(|status| status.completion_time.as_ref());
            let next = pair[1].metadata.creation_timestamp.as_ref();
            ensure!(
                end.map(|time| time.0) <= next.map(|time| time.0),
                "made beside another: {pair:?}"
            );
        }
        let flushes = self.calls("forceKeyspaceFlush").await?;
        ensure!(flushes.max_concurrent() == 1, "two runs at once: {flushes:?}");
        Ok(())
    }

    /// Waits until a schedule has run later than this.
    async fn last_execution(&self, than: Option<&str>) -> Result<Option<String>> {
        let schedules = tasks::<ScheduledTask>(self.ground);
        until("the schedule runs", PATIENCE, async || {
            let status = schedules.get("often").await?.status.unwrap_or_default();
            let last = status.last_execution.as_ref().map(|time| time.0.to_string());
            Ok(if last.as_deref() > than {
                Answer::Yes(last)
            } else {
                Answer::not_yet(json!(status))
            })
        })
        .await
    }

    async fn fan_out_completes(&self, name: &str) -> Result<()> {
        let status = fan_out_ends(self.ground, name).await?.status.unwrap_or_default();
        let (done, failed) = (status.overall.succeeded, status.overall.failed);
        ensure!((done, failed) == (2, 0), "{name}: {status:?}");
        Ok(())
    }

    /// Waits until there is nothing left of a task of the whole cluster.
    async fn all_is_gone(&self, name: &str) -> Result<()> {
        let parts = tasks::<CassandraTask>(self.ground);
        until("what it made is gone", PATIENCE, async || {
            let left = parts.list(&ListParams::default()).await?.items;
            let left: Vec<String> = left.iter().map(ResourceExt::name_any).collect();
            Ok(if left.iter().any(|part| part.starts_with(name)) {
                Answer::not_yet(json!(left))
            } else {
                Answer::Yes(())
            })
        })
        .await
    }

    /// Waits until every run of the schedule has ended, and none has failed. They outlive it.
    async fn runs_end(&self) -> Result<()> {
        until("its runs have ended", PATIENCE, async || {
            let listed = self.runs().await?;
            let done = |run: &CassandraTask| {
                let status = run.status.as_ref();
                status.is_some_and(|status| status.completion_time.is_some() && status.succeeded == 1)
            };
            Ok(if !listed.is_empty() && listed.iter().all(done) {
                Answer::Yes(())
            } else {
                Answer::not_yet(json!(listed))
            })
        })
        .await
    }

    async fn runs(&self) -> Result<Vec<CassandraTask>> {
        let runs = tasks::<CassandraTask>(self.ground);
        let of_schedule = ListParams::default().labels("control.k8ssandra.io/scheduled-task=often");
        Ok(runs.list(&of_schedule).await?.items)
    }

    async fn calls(&self, name: &str) -> Result<CallLog> {
        Ok(self
            .simulator
            .calls(&CallQuery::of(self.id.clone(), name))
            .await?)
    }
}
