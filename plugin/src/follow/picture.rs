//! The clusters and pods of a namespace, kept up to date by watches.

use std::collections::BTreeMap;

use casskop_core::view::ClusterView;
use casskop_types::CassandraCluster;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::Change;

/// What is known of a namespace.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    clusters: BTreeMap<String, CassandraCluster>,
    pods: BTreeMap<String, Pod>,
    /// Versions that our own writes made, by pod. The watch began before the writes, so what it tells of a pod until it comes
    /// to that version is older than what is known, and an older `Done` would be taken for the end of our request.
    own_writes: BTreeMap<String, String>,
}

impl Picture {
    /// From what was read.
    pub(crate) fn new(clusters: Vec<CassandraCluster>, pods: Vec<Pod>) -> Self {
        Self {
            clusters: clusters
                .into_iter()
                .map(|cluster| (key(&cluster), cluster))
                .collect(),
            pods: pods.into_iter().map(|pod| (key(&pod), pod)).collect(),
            own_writes: BTreeMap::new(),
        }
    }

    /// Puts in a pod as our own write left it. A write that changed nothing made no version, and the watch will not tell of it.
    pub(crate) fn written(&mut self, pod: Pod) {
        let name = key(&pod);
        let version = pod.resource_version().unwrap_or_default();
        let known = self.pods.get(&name).and_then(ResourceExt::resource_version);
        if known.as_ref() != Some(&version) {
            self.own_writes.insert(name.clone(), version);
        }
        self.pods.insert(name, pod);
    }

    /// What people see of it.
    pub(crate) fn views(&self) -> Vec<ClusterView> {
        let pods: Vec<Pod> = self.pods.values().cloned().collect();
        self.clusters
            .values()
            .map(|cluster| ClusterView::of(cluster, &pods))
            .collect()
    }

    /// A change of clusters.
    pub(super) fn clusters(&mut self, change: Change<CassandraCluster>) {
        match change {
            Change::Applied(cluster) => drop(self.clusters.insert(key(&cluster), cluster)),
            Change::Deleted(cluster) => drop(self.clusters.remove(&key(&cluster))),
            Change::All(clusters) => {
                self.clusters = clusters
                    .into_iter()
                    .map(|cluster| (key(&cluster), cluster))
                    .collect();
            }
            Change::Lost(_) => {}
        }
    }

    /// A change of pods.
    pub(super) fn pods(&mut self, change: Change<Pod>) {
        match change {
            Change::Applied(pod) => {
                let name = key(&pod);
                if let Some(version) = self.own_writes.get(&name) {
                    if pod.resource_version().as_ref() != Some(version) {
                        return;
                    }
                    self.own_writes.remove(&name);
                }
                self.pods.insert(name, pod);
            }
            // A pod that is deleted while our write is on its way here is gone, whatever the order.
            Change::Deleted(pod) => {
                self.own_writes.remove(&key(&pod));
                self.pods.remove(&key(&pod));
            }
            Change::All(pods) => {
                self.own_writes.clear();
                self.pods = pods.into_iter().map(|pod| (key(&pod), pod)).collect();
            }
            Change::Lost(_) => {}
        }
    }
}

/// Names are unique in a namespace only.
fn key(object: &impl ResourceExt) -> String {
    format!("{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}
