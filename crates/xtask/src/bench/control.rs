//! The control: the StatefulSet controller alone, making and rolling the same pods on the same lab, with nobody who
//! asks the ring in between. One StatefulSet after the other is created, since one node at a time may join a ring.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::stage::{PATIENCE, Stage};

/// StatefulSets in a namespace without an operator.
pub(crate) struct Control {
    api: Api<StatefulSet>,
    seen: watch::Receiver<BTreeMap<String, StatefulSet>>,
    _watching: AbortOnDropHandle<()>,
}

impl Control {
    /// In this namespace.
    pub(crate) fn new(stage: &Stage<'_>, namespace: &str) -> Self {
        let api: Api<StatefulSet> = Api::namespaced(stage.client.clone(), namespace);
        let (sender, seen) = watch::channel(BTreeMap::new());
        let events = watcher(api.clone(), watcher::Config::default())
            .default_backoff()
            .applied_objects();
        // One watch for all: one for each of hundreds would be a load of its own.
        let watching = tokio::spawn(async move {
            let mut events = events.boxed();
            while let Ok(Some(set)) = events.try_next().await {
                let name = set.metadata.name.clone().unwrap_or_default();
                sender.send_modify(|sets| {
                    sets.insert(name, set);
                });
            }
        });
        Self {
            api,
            seen,
            _watching: AbortOnDropHandle::new(watching),
        }
    }

    /// Creates copies of these, each with one pod, one after the other as their pods become ready.
    pub(crate) async fn form(&self, originals: &[StatefulSet]) -> Result<Duration> {
        let began = Instant::now();
        for original in originals {
            let copy = copy(original);
            let created = self.api.create(&PostParams::default(), &copy).await?;
            self.rolled_out(&created).await?;
        }
        Ok(began.elapsed())
    }

    /// Gives a StatefulSet another number of replicas.
    pub(crate) async fn scale(&self, name: &str, replicas: usize) -> Result<Duration> {
        self.change(name, json!({ "spec": { "replicas": replicas } }))
            .await
    }

    /// Rolls its pods.
    pub(crate) async fn roll(&self, name: &str, mark: &str) -> Result<Duration> {
        let template = json!({ "metadata": { "annotations": { "bench": mark } } });
        self.change(name, json!({ "spec": { "template": template } }))
            .await
    }

    /// Rolls the pods of these, one after the other.
    pub(crate) async fn roll_each(&self, originals: &[StatefulSet]) -> Result<()> {
        for original in originals {
            let name = original.metadata.name.as_deref().unwrap_or_default();
            self.roll(name, "rolled").await?;
        }
        Ok(())
    }

    async fn change(&self, name: &str, patch: serde_json::Value) -> Result<Duration> {
        let began = Instant::now();
        let changed = self
            .api
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        self.rolled_out(&changed).await?;
        Ok(began.elapsed())
    }

    async fn rolled_out(&self, wanted: &StatefulSet) -> Result<()> {
        let name = wanted.metadata.name.clone().unwrap_or_default();
        let generation = wanted.metadata.generation;
        let mut seen = self.seen.clone();
        let reached = seen.wait_for(|sets| sets.get(&name).is_some_and(|set| is_rolled_out(set, generation)));
        tokio::time::timeout(PATIENCE, reached)
            .await
            .with_context(|| {
                let sets = self.seen.borrow();
                let status = sets.get(&name).and_then(|set| set.status.as_ref());
                format!("StatefulSet {name} is not rolled out, its status is {status:?}")
            })?
            .context("the watch of the control ended")?;
        Ok(())
    }
}

fn is_rolled_out(set: &StatefulSet, generation: Option<i64>) -> bool {
    let Some((spec, status)) = set.spec.as_ref().zip(set.status.as_ref()) else {
        return false;
    };
    // Of none there is no number in a status.
    let replicas = spec.replicas.unwrap_or(1);
    status.observed_generation >= generation
        && status.replicas == replicas
        && status.ready_replicas.unwrap_or_default() == replicas
        && (status.updated_replicas.unwrap_or_default() == replicas || replicas == 0)
}

/// The same pods under the same names.
fn copy(original: &StatefulSet) -> StatefulSet {
    let mut copy = original.clone();
    let (name, labels) = (original.metadata.name.clone(), original.metadata.labels.clone());
    copy.metadata = kube::api::ObjectMeta {
        name,
        labels,
        ..kube::api::ObjectMeta::default()
    };
    copy.status = None;
    if let Some(spec) = &mut copy.spec {
        spec.replicas = Some(1);
    }
    copy
}
