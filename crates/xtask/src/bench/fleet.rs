//! A hundred clusters of three racks with a node each, under one operator; and one request of the plugin on all their
//! pods.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use casskop_types::cluster::CassandraCluster;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::ROUNDS;
use super::budget::{self, Amounts, Budget, Outcome};
use super::cluster::{Cluster, is_settled, spec};
use super::control::Control;
use super::stage::{ENGINEER, Operator, Selected, Stage, median, run, until};

const CLUSTERS: usize = 100;
const RACKS: usize = 3;
const NAMESPACE: &str = "fleet";
const CONTROL: &str = "fleet-control";

/// Requests of this program in flight at once.
const AT_ONCE: usize = 16;

/// Time between two looks at the operator's memory.
const SAMPLE: Duration = Duration::from_millis(200);

/// Both, on the same clusters.
pub(crate) async fn measure(stage: &Stage<'_>) -> Result<Vec<(Budget, Outcome)>> {
    stage.namespace(NAMESPACE)?;
    stage.namespace(CONTROL)?;
    let clusters: Vec<Cluster> = (0..CLUSTERS)
        .map(|index| Cluster::new(stage, NAMESPACE, &format!("c{index:03}")))
        .collect();
    let operator = Operator::start(stage, NAMESPACE)?;
    // It leads and watches before the clock starts.
    stage.quiet().await?;
    let (time, memory) = form(stage, &clusters, &operator).await?;
    // Nothing is to react to what the control and the plugin do.
    drop(operator);
    let control = form_control(stage, &clusters).await?;
    let amounts = Amounts {
        time: Some(time),
        memory: Some(memory),
        ..Amounts::default()
    };
    Ok(vec![
        (budget::FLEET, Outcome::measured(amounts, Some(control))),
        (budget::MANY_PODS, request_on_all_pods(stage).await?),
    ])
}

/// The time until the last cluster runs, and the most memory the operator had until it came to rest.
async fn form(stage: &Stage<'_>, clusters: &[Cluster], operator: &Operator) -> Result<(Duration, u64)> {
    let api: Api<CassandraCluster> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let version = api.list_metadata(&ListParams::default()).await?.metadata;
    let from = version.resource_version.context("a list without a version")?;
    let mut settled = BTreeSet::new();
    let began = Instant::now();
    let creating = stream::iter(clusters)
        .map(|cluster| cluster.create(spec(&[RACKS], 1)))
        .buffer_unordered(AT_ONCE)
        .try_for_each(async |_| Ok(()));
    let selected = Selected {
        name: None,
        from: &from,
    };
    let forming = until(&api, selected, |cluster| {
        if is_settled(cluster, RACKS) {
            settled.extend(cluster.metadata.name.clone());
        }
        settled.len() == CLUSTERS
    });
    let mut formed = pin!(async { futures::try_join!(creating, forming) });
    let mut looks = tokio::time::interval(SAMPLE);
    let mut memory = 0;
    loop {
        tokio::select! {
            ended = &mut formed => {
                ended?;
                break;
            }
            _ = looks.tick() => memory = memory.max(operator.memory()?),
        }
    }
    let took = began.elapsed();
    stage.quiet().await?;
    Ok((took, memory.max(operator.memory()?)))
}

/// The same StatefulSets: those of a cluster one after the other, all clusters at once.
async fn form_control(stage: &Stage<'_>, clusters: &[Cluster]) -> Result<Duration> {
    let control = Control::new(stage, CONTROL);
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
    Ok(began.elapsed())
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
