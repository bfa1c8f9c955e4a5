//! `ScheduledTask`s.

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_simulator::{CallQuery, Span};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::task::{CassandraTask, ScheduledTask};
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::{apply, slow_down, tasks};
use crate::NODES;

#[tokio::test]
async fn a_schedule_runs_never_beside_itself_and_keeps_what_it_is_told_to() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 1)).await?;
    cluster.settled(1).await?;
    let (simulator, id) = cluster.simulator()?;
    slow_down(&simulator, &id, "forceKeyspaceFlush", Span::Millis(300)).await?;
    apply(
        &ground,
        "{apiVersion: control.k8ssandra.io/v1alpha1, kind: ScheduledTask, metadata: {name: often}, spec: {schedule: '@every 1s', \
         successfulTasksHistoryLimit: 2, taskDetails: {name: flush, datacenter: {name: dc1}, jobs: [{name: job, command: flush}]}}}",
    )?;
    let schedules = tasks::<ScheduledTask>(&ground);
    let runs = tasks::<CassandraTask>(&ground);
    let of_schedule = ListParams::default().labels("control.k8ssandra.io/scheduled-task=often");
    let flushes = CallQuery::of(id.clone(), "forceKeyspaceFlush");
    let mut seen = std::collections::BTreeSet::new();
    until("it has run four times", PATIENCE, async || {
        let kept = runs.list(&of_schedule).await?.items;
        seen.extend(kept.iter().map(ResourceExt::name_any));
        let open = kept.iter().filter(|run| {
            let status = run.status.as_ref();
            status.is_none_or(|status| status.completion_time.is_none())
        });
        assert!(open.count() <= 1, "two runs at once: {kept:?}");
        Ok(if seen.len() >= 4 {
            Answer::Yes(())
        } else {
            Answer::not_yet(seen.len())
        })
    })
    .await?;
    assert_eq!(simulator.calls(&flushes).await?.max_concurrent(), 1);

    let suspend = Patch::Merge(json!({ "spec": { "suspend": true } }));
    schedules
        .patch("often", &PatchParams::default(), &suspend)
        .await?;
    let status = until("it is suspended, and two runs are kept", PATIENCE, async || {
        let status = schedules.get("often").await?.status.unwrap_or_default();
        let suspended = status
            .conditions
            .iter()
            .any(|condition| condition.reason == "Suspended");
        let kept: Vec<String> = runs
            .list(&of_schedule)
            .await?
            .iter()
            .map(ResourceExt::name_any)
            .collect();
        Ok(
            if suspended && status.next_schedule.is_none() && kept.len() == 2 {
                Answer::Yes(status)
            } else {
                Answer::not_yet(format!("{kept:?} {status:?}"))
            },
        )
    })
    .await?;
    assert!(status.last_execution.is_some());
    let shown = ground
        .typed("kubectl get scheduledtask often --no-headers")?
        .stdout;
    let words: Vec<&str> = shown.split_whitespace().collect();
    assert_eq!(words[..5], ["often", "dc1", "flush", "@every", "1s"]);
    Ok(())
}
