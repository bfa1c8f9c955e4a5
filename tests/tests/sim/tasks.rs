//! Tasks of `control.k8ssandra.io`: as their users write them, and as the bad day finds them.

mod by_plugin;
mod cluster_wide;
mod failures;
mod moves;
mod overlaps;
mod schedules;

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_simulator::{CallPattern, CallQuery, CallRule, Client, ClusterId, Ending, PodId, Scope, Span};
use casskop_tests::cluster::PATIENCE;
use casskop_tests::ground::Ground;
use casskop_types::task::{CassandraTask, K8ssandraTask, TaskStatus};
use kube::Api;
use serde_json::Value;

/// The objects of a kind in the test's namespace.
pub(crate) fn tasks<K>(ground: &Ground) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    Api::namespaced(ground.client.clone(), &ground.namespace)
}

/// `kubectl apply`.
pub(crate) fn apply(ground: &Ground, manifest: &str) -> Result<()> {
    let applied = ground
        .kubectl()?
        .arguments(["apply", "-f", "-"])
        // kubectl takes what begins with a brace for JSON.
        .input(format!("---\n{manifest}"))
        .run()?;
    anyhow::ensure!(applied.success, "{manifest}: {applied:?}");
    Ok(())
}

/// A `CassandraTask` on all nodes of a datacenter.
pub(crate) fn task(name: &str, datacenter: &str, command: &str, rest: &str) -> String {
    format!(
        "{{apiVersion: control.k8ssandra.io/v1alpha1, kind: CassandraTask, metadata: {{name: {name}}}, \
         spec: {{datacenter: {{name: {datacenter}}}, jobs: [{{name: job, command: {command}}}]{rest}}}}}"
    )
}

/// A task on all nodes of the cluster `demo`.
pub(crate) fn over_all(name: &str, policy: &str, command: &str) -> String {
    format!(
        "{{apiVersion: control.k8ssandra.io/v1alpha1, kind: K8ssandraTask, metadata: {{name: {name}}}, spec: {{cluster: {{name: \
         demo}}, dcConcurrencyPolicy: {policy}, template: {{jobs: [{{name: job, command: {command}}}]}}}}}}"
    )
}

/// A task that moves nodes of the cluster `demo`.
pub(crate) fn moving(name: &str, tokens: &str) -> String {
    format!(
        "{{apiVersion: control.k8ssandra.io/v1alpha1, kind: K8ssandraTask, metadata: {{name: {name}}}, spec: {{cluster: {{name: \
         demo}}, template: {{jobs: [{{name: job, command: move, args: {{new_tokens: {tokens}}}}}]}}}}}}"
    )
}

/// Waits until the status of a `CassandraTask` is as wanted.
async fn task_is(
    ground: &Ground,
    name: &str,
    what: &str,
    test: impl Fn(&TaskStatus) -> bool,
) -> Result<TaskStatus> {
    let tasks = tasks::<CassandraTask>(ground);
    until(&format!("task {name} {what}"), PATIENCE, async || {
        let status = tasks.get_opt(name).await?.and_then(|task| task.status);
        let status = status.unwrap_or_default();
        Ok(if test(&status) {
            Answer::Yes(status)
        } else {
            Answer::not_yet(serde_json::to_value(&status)?)
        })
    })
    .await
}

pub(crate) async fn task_ends(ground: &Ground, name: &str) -> Result<TaskStatus> {
    task_is(ground, name, "ends", |status| status.completion_time.is_some()).await
}

/// Waits until a `K8ssandraTask` has ended.
pub(crate) async fn fan_out_ends(ground: &Ground, name: &str) -> Result<K8ssandraTask> {
    let tasks = tasks::<K8ssandraTask>(ground);
    until(&format!("task {name} ends"), PATIENCE, async || {
        let task = tasks.get(name).await?;
        let has_ended = task
            .status
            .as_ref()
            .is_some_and(|status| status.overall.completion_time.is_some());
        Ok(if has_ended {
            Answer::Yes(task)
        } else {
            Answer::not_yet(serde_json::to_value(&task.status)?)
        })
    })
    .await
}

/// Calls of this operation last as long as said.
pub(crate) async fn slow_down(
    simulator: &Client,
    id: &ClusterId,
    operation: &str,
    takes: Span,
) -> Result<()> {
    let rule = CallRule {
        scope: Scope::Cluster(id.clone()),
        calls: CallPattern::named(operation),
        takes,
        ..CallRule::default()
    };
    Ok(simulator.add_call_rule(rule).await?)
}

/// The disk of a node is full for this operation.
pub(crate) async fn no_room(simulator: &Client, pod: PodId, operation: &str) -> Result<()> {
    let rule = CallRule {
        scope: Scope::Pod(pod),
        calls: CallPattern::named(operation),
        ends: Ending::Refused {
            class: "java.lang.RuntimeException".to_owned(),
            message: "No space left on device".to_owned(),
        },
        ..CallRule::default()
    };
    Ok(simulator.add_call_rule(rule).await?)
}

/// Waits until so many calls have begun.
async fn calls_become(simulator: &Client, query: &CallQuery, count: usize) -> Result<()> {
    let name = query.name.as_deref().unwrap_or_default();
    until(&format!("{count} calls of {name}"), PATIENCE, async || {
        let calls = simulator.calls(query).await?.len();
        Ok(if calls == count {
            Answer::Yes(())
        } else {
            Answer::not_yet(calls)
        })
    })
    .await
}

/// Conditions as `type=status`, with what they say.
fn conditions(status: &TaskStatus) -> Vec<(String, String)> {
    let conditions = status.conditions.iter();
    conditions
        .map(|condition| {
            (
                format!("{}={}", condition.type_, condition.status),
                condition.message.clone(),
            )
        })
        .collect()
}

/// Words of the lines of `kubectl get`.
fn lines(ground: &Ground, kind: &str) -> Result<Vec<Vec<String>>> {
    let shown = ground.typed(&format!("kubectl get {kind}"))?;
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    Ok(shown.stdout.lines().map(words).collect())
}

/// Reasons and notes of the events about an object, the oldest first.
async fn events(ground: &Ground, kind: &str, name: &str) -> Result<Vec<(String, String)>> {
    let shown = ground.typed(&format!(
        "kubectl get events --field-selector involvedObject.kind={kind},involvedObject.name={name} -o json"
    ))?;
    let listed: Value = serde_json::from_str(&shown.stdout)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = listed["items"].as_array().cloned().unwrap_or_default();
    Ok(events
        .iter()
        .map(|event| (text(&event["reason"]), text(&event["message"])))
        .collect())
}
