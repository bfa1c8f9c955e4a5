//! Clusters that are measured.

use anyhow::{Context, Result};
use casskop_simulator::ClusterId;
use casskop_types::cluster::CassandraCluster;
use casskop_types::status::{ActionStatus, ClusterAction, LastAction, Phase};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::stage::{Selected, Stage, until};

/// One cluster.
pub(crate) struct Cluster {
    pub(crate) name: String,
    pub(crate) namespace: String,
    api: Api<CassandraCluster>,
    sets: Api<StatefulSet>,
}

impl Cluster {
    /// A cluster that does not exist yet.
    pub(crate) fn new(stage: &Stage<'_>, namespace: &str, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            api: Api::namespaced(stage.client.clone(), namespace),
            sets: Api::namespaced(stage.client.clone(), namespace),
        }
    }

    /// Its name in the simulator.
    pub(crate) fn id(&self) -> ClusterId {
        ClusterId::new(&self.namespace, &self.name)
    }

    /// Creates it and waits until it runs with so many nodes.
    pub(crate) async fn form(&self, spec: Value, nodes: usize) -> Result<()> {
        let created = self.create(spec).await?;
        self.until(&created, |cluster| is_settled(cluster, nodes)).await
    }

    /// Creates it.
    pub(crate) async fn create(&self, spec: Value) -> Result<CassandraCluster> {
        let object = serde_json::from_value(json!({
            "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
            "metadata": { "name": self.name }, "spec": spec,
        }))?;
        Ok(self.api.create(&PostParams::default(), &object).await?)
    }

    /// Merges into its spec; returns it as it was before.
    pub(crate) async fn edit(&self, spec: Value) -> Result<CassandraCluster> {
        let before = self.api.get(&self.name).await?;
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.api
            .patch(&self.name, &PatchParams::default(), &patch)
            .await?;
        Ok(before)
    }

    /// As it is now.
    pub(crate) async fn object(&self) -> Result<CassandraCluster> {
        Ok(self.api.get(&self.name).await?)
    }

    /// Waits until it is as wanted, at some time after `before`.
    pub(crate) async fn until(
        &self,
        before: &CassandraCluster,
        wanted: impl FnMut(&CassandraCluster) -> bool,
    ) -> Result<()> {
        let selected = Selected {
            name: Some(&self.name),
            from: before
                .metadata
                .resource_version
                .as_deref()
                .context("an object without a version")?,
        };
        until(&self.api, selected, wanted)
            .await
            .with_context(|| format!("cluster {}", self.name))
    }

    /// Waits for the end of an action of the rack `dc1-rack1` that begins after `before`.
    pub(crate) async fn action_ends(&self, before: &CassandraCluster, name: ClusterAction) -> Result<()> {
        let mut begun = false;
        self.until(before, |cluster| {
            let Some(action) = last_action(cluster).filter(|action| action.name == Some(name)) else {
                return false;
            };
            let done = action.status == Some(ActionStatus::Done);
            begun |= !done;
            begun && done
        })
        .await
    }

    /// The StatefulSets the operator made of it, in the order it made them.
    pub(crate) async fn stateful_sets(&self) -> Result<Vec<StatefulSet>> {
        let ours = ListParams::default().labels(&format!("cassandracluster={}", self.name));
        let mut sets = self.sets.list(&ours).await?.items;
        sets.sort_by_key(|set| {
            let created = set.metadata.creation_timestamp.as_ref().map(|time| time.0);
            (created, set.metadata.name.clone())
        });
        Ok(sets)
    }
}

/// Whether the cluster runs with so many nodes and nothing is under way.
pub(crate) fn is_settled(cluster: &CassandraCluster, nodes: usize) -> bool {
    let Some(status) = &cluster.status else {
        return false;
    };
    status.phase == Some(Phase::Running)
        && status.nodes_ready.as_deref() == Some(&format!("{nodes}/{nodes}"))
        && status.last_cluster_action_status == Some(ActionStatus::Done)
}

fn last_action(cluster: &CassandraCluster) -> Option<&LastAction> {
    let rack = cluster.status.as_ref()?.cassandra_rack_status.get("dc1-rack1")?;
    rack.cassandra_last_action.as_ref()
}

/// Datacenters, each with so many racks, of a topology.
pub(crate) fn topology(racks_of_datacenters: &[usize]) -> Value {
    let datacenter = |(index, racks): (usize, &usize)| {
        let racks: Vec<_> = (1..=*racks)
            .map(|rack| json!({ "name": format!("rack{rack}") }))
            .collect();
        json!({ "name": format!("dc{}", index + 1), "rack": racks })
    };
    let datacenters: Vec<_> = racks_of_datacenters.iter().enumerate().map(datacenter).collect();
    json!({ "dc": datacenters })
}

/// A spec for simulated nodes.
pub(crate) fn spec(racks_of_datacenters: &[usize], nodes_per_rack: usize) -> Value {
    json!({
        "nodesPerRacks": nodes_per_rack,
        "cassandraImage": "cassandra:5.0.9",
        "dataCapacity": "1Gi",
        "backRestSidecar": { "enabled": false },
        "topology": topology(racks_of_datacenters),
    })
}
