//! A hundred clusters of three racks with a node each, under one operator: formed, then given another configuration; and
//! one request of the plugin on all their pods.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use casskop_types::cluster::CassandraCluster;
use casskop_types::status::{ActionStatus, ClusterAction};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::ROUNDS;
use super::budget::{self, Amounts, Budget, Outcome};
use super::cluster::{Cluster, is_settled, spec};
use super::control::Control;
use super::stage::{ENGINEER, Operator, Selected, Stage, is_background, median, run, until};

const CLUSTERS: usize = 100;
const RACKS: usize = 3;
const NAMESPACE: &str = "fleet";
const CONTROL: &str = "fleet-control";
const CONFIG_MAP: &str = "config";

/// Requests of this program in flight at once.
const AT_ONCE: usize = 16;

/// Time between two looks at the operator's memory.
const SAMPLE: Duration = Duration::from_millis(200);

/// All of it, on the same clusters.
pub(crate) async fn measure(stage: &Stage<'_>) -> Result<Vec<(Budget, Outcome)>> {
    for namespace in [NAMESPACE, CONTROL] {
        stage.namespace(namespace)?;
        let hooks = "--from-literal=pre_run.sh=true";
        stage.kubectl(["create", "configmap", CONFIG_MAP, "-n", namespace, hooks])?;
    }
    let clusters: Vec<Cluster> = (0..CLUSTERS)
        .map(|index| Cluster::new(stage, NAMESPACE, &format!("c{index:03}")))
        .collect();
    let operator = Operator::start(stage, NAMESPACE)?;
    // It leads and watches before the clock starts.
    stage.quiet().await?;
    let form = async |cluster: &Cluster| cluster.create(spec(&[RACKS], 1)).await.map(drop);
    let is_formed = |cluster: &CassandraCluster| is_settled(cluster, RACKS);
    let formed = everywhere(stage, &operator, &clusters, form, is_formed).await?;
    let change = json!({ "configMapName": CONFIG_MAP });
    let edit = async |cluster: &Cluster| cluster.edit(change.clone()).await.map(drop);
    let rolled = everywhere(stage, &operator, &clusters, edit, has_new_configuration).await?;
    // Nothing is to react to what the control and the plugin do.
    drop(operator);
    let (form_control, roll_control) = control(stage, &clusters).await?;
    Ok(vec![
        (budget::FLEET, Outcome::measured(formed, Some(form_control))),
        (
            budget::FLEET_CONFIG_MAP,
            Outcome::measured(rolled, Some(roll_control)),
        ),
        (budget::MANY_PODS, request_on_all_pods(stage).await?),
    ])
}

/// Asks for the same of every cluster, and waits until the last one has it: the time until then, and until the operator has
/// come to rest its requests, its processor time and the most memory it had.
async fn everywhere(
    stage: &Stage<'_>,
    operator: &Operator,
    clusters: &[Cluster],
    ask: impl AsyncFn(&Cluster) -> Result<()>,
    is_done: impl Fn(&CassandraCluster) -> bool,
) -> Result<Amounts> {
    let api: Api<CassandraCluster> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let version = api.list_metadata(&ListParams::default()).await?.metadata;
    let from = version.resource_version.context("a list without a version")?;
    let mut requests = stage.operator_requests()?;
    let worked_before = operator.processor_time()?;
    let mut done = BTreeSet::new();
    let began = Instant::now();
    let ask = &ask;
    let asking = stream::iter(clusters)
        .map(|cluster| ask(cluster))
        .buffer_unordered(AT_ONCE)
        .try_for_each(async |()| Ok(()));
    let selected = Selected {
        name: None,
        from: &from,
    };
    let following = until(&api, selected, |cluster| {
        if is_done(cluster) {
            done.extend(cluster.metadata.name.clone());
        }
        done.len() == CLUSTERS
    });
    let mut all = pin!(async { futures::try_join!(asking, following) });
    let mut looks = tokio::time::interval(SAMPLE);
    let mut memory = 0;
    loop {
        tokio::select! {
            ended = &mut all => {
                ended?;
                break;
            }
            _ = looks.tick() => memory = memory.max(operator.memory()?),
        }
    }
    let took = began.elapsed();
    stage.quiet().await?;
    let requests = requests.read()?;
    Ok(Amounts {
        time: Some(took),
        requests: Some(requests.iter().filter(|request| !is_background(request)).count()),
        memory: Some(memory.max(operator.memory()?)),
        processor: Some(operator.processor_time()?.saturating_sub(worked_before)),
        ..Amounts::default()
    })
}

/// Whether each rack has been given its new ConfigMap, and runs.
fn has_new_configuration(cluster: &CassandraCluster) -> bool {
    let racks = cluster
        .status
        .iter()
        .flat_map(|status| status.cassandra_rack_status.values());
    let changed = racks.filter(|rack| {
        let action = rack.cassandra_last_action.as_ref();
        action.is_some_and(|action| {
            action.name == Some(ClusterAction::UpdateConfigMap) && action.status == Some(ActionStatus::Done)
        })
    });
    changed.count() == RACKS && is_settled(cluster, RACKS)
}

/// The same StatefulSets formed, and rolled: those of a cluster one after the other, all clusters at once.
async fn control(stage: &Stage<'_>, clusters: &[Cluster]) -> Result<(Duration, Duration)> {
    let control = &Control::new(stage, CONTROL);
    let originals: Vec<_> = stream::iter(clusters)
        .map(Cluster::stateful_sets)
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let began = Instant::now();
    stream::iter(&originals)
        .map(|sets| control.form(sets))
        .buffer_unordered(CLUSTERS)
        .try_for_each(async |_| Ok(()))
        .await?;
    let formed = began.elapsed();
    let began = Instant::now();
    stream::iter(&originals)
        .map(|sets| control.roll_each(sets))
        .buffer_unordered(CLUSTERS)
        .try_for_each(async |()| Ok(()))
        .await?;
    Ok((formed, began.elapsed()))
}

/// The control is `kubectl label` on the same pods, which patches one after the other.
async fn request_on_all_pods(stage: &Stage<'_>) -> Result<Outcome> {
    let (mut times, mut requests) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let mut asked = stage.requests_of(ENGINEER)?;
        times.push(stage.plugin(["cleanup", "start", "--prefix", "c", "-n", NAMESPACE])?);
        let asked = asked.read()?;
        let patches = asked.iter().filter(|request| request.verb == "patch").count();
        ensure!(patches == CLUSTERS * RACKS, "the plugin asked {patches} pods");
        requests = requests.max(asked.len());
        take_requests_back(stage).await?;
    }
    let mut label = std::process::Command::new("kubectl");
    label.env("KUBECONFIG", stage.lab.kubeconfig()).args([
        "label",
        "pods",
        "--all",
        "-n",
        NAMESPACE,
        "bench=control",
    ]);
    let control = run(&mut label)?;
    let amounts = Amounts {
        time: Some(median(times)?),
        requests: Some(requests),
        ..Amounts::default()
    };
    Ok(Outcome::measured(amounts, Some(control)))
}

async fn take_requests_back(stage: &Stage<'_>) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let gone = json!({ "operation-name": null, "operation-status": null, "operation-argument": null,
                       "operation-start": null, "operation-end": null });
    let patch = Patch::Merge(json!({ "metadata": { "labels": gone } }));
    let names = pods.list_metadata(&ListParams::default()).await?.items;
    let (pods, patch) = (&pods, &patch);
    stream::iter(names)
        .map(|pod| async move {
            let name = pod.metadata.name.unwrap_or_default();
            pods.patch_metadata(&name, &PatchParams::default(), patch).await
        })
        .buffer_unordered(AT_ONCE)
        .try_for_each(async |_| Ok(()))
        .await?;
    Ok(())
}
