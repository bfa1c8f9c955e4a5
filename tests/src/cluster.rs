//! A cluster under test: created, looked at, asked for work through the real plugin.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use casskop_lab::wait::{Answer, until};
use casskop_types::cluster::CassandraCluster;
use casskop_types::labels::{OPERATION_NAME, OPERATION_STATUS};
use casskop_types::status::{ActionStatus, CassandraClusterStatus, ClusterAction, Phase};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::ground::{Ground, repository};
use crate::kubectl::Outcome;

/// How long anything may take in a lab that has other tests to run as well.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// One cluster.
pub struct Cluster<'a> {
    ground: &'a Ground,
    /// Its name.
    pub name: String,
    clusters: Api<CassandraCluster>,
    pods: Api<Pod>,
}

/// A spec for simulated nodes: datacenters with the names of their racks.
pub fn spec(datacenters: &[(&str, &[&str])], nodes_per_rack: i32) -> Value {
    let racks = |names: &[&str]| {
        names
            .iter()
            .map(|name| json!({ "name": name }))
            .collect::<Vec<_>>()
    };
    let dcs: Vec<_> = datacenters
        .iter()
        .map(|(dc, names)| json!({ "name": dc, "rack": racks(names) }))
        .collect();
    json!({
        "nodesPerRacks": nodes_per_rack,
        "cassandraImage": "cassandra:5.0.9",
        "dataCapacity": "1Gi",
        "backRestSidecar": { "enabled": false },
        "topology": { "dc": dcs },
    })
}

impl<'a> Cluster<'a> {
    /// Creates a cluster.
    pub async fn create(ground: &'a Ground, name: &str, spec: Value) -> Result<Self> {
        // The service account Cassandra's pods run under, as a user installs it.
        let accounts = repository().join("operator/deploy/cassandra-pods.yaml");
        let applied = ground
            .kubectl()?
            .arguments(["apply", "-f"])
            .argument(accounts)
            .run()?;
        ensure!(
            applied.success,
            "the pods' service account does not install: {}",
            applied.stderr
        );
        let clusters: Api<CassandraCluster> = Api::namespaced(ground.client.clone(), &ground.namespace);
        let object: CassandraCluster = serde_json::from_value(json!({
            "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
            "metadata": { "name": name, "namespace": ground.namespace }, "spec": spec,
        }))?;
        clusters.create(&PostParams::default(), &object).await?;
        Ok(Self::existing(ground, name))
    }

    /// A cluster that is there already.
    pub fn existing(ground: &'a Ground, name: &str) -> Self {
        Self {
            ground,
            name: name.to_owned(),
            clusters: Api::namespaced(ground.client.clone(), &ground.namespace),
            pods: Api::namespaced(ground.client.clone(), &ground.namespace),
        }
    }

    /// The object as it is now.
    pub async fn object(&self) -> Result<CassandraCluster> {
        Ok(self.clusters.get(&self.name).await?)
    }

    /// Its status as it is now.
    pub async fn status(&self) -> Result<CassandraClusterStatus> {
        Ok(self.object().await?.status.unwrap_or_default())
    }

    /// Waits until the status is as wanted.
    pub async fn status_is(
        &self,
        what: &str,
        test: impl Fn(&CassandraClusterStatus) -> bool,
    ) -> Result<CassandraClusterStatus> {
        until(what, PATIENCE, async || {
            let status = self.status().await?;
            Ok(if test(&status) {
                Answer::Yes(status)
            } else {
                Answer::not_yet(json!(status))
            })
        })
        .await
    }

    /// Waits until the cluster runs with so many nodes and nothing is under way.
    pub async fn settled(&self, nodes: usize) -> Result<CassandraClusterStatus> {
        let ready = format!("{nodes}/{nodes}");
        self.status_is(
            &format!("cluster {} runs with {nodes} nodes", self.name),
            |status| {
                status.phase == Some(Phase::Running)
                    && status.nodes_ready.as_deref() == Some(&ready)
                    && status.last_cluster_action_status == Some(ActionStatus::Done)
            },
        )
        .await
    }

    /// Waits until a rack's last action is this one, done.
    pub async fn action_done(&self, rack: &str, name: ClusterAction) -> Result<CassandraClusterStatus> {
        self.status_is(&format!("{name} of {rack} is done"), |status| {
            let action = status
                .cassandra_rack_status
                .get(rack)
                .and_then(|rack| rack.cassandra_last_action.as_ref());
            action
                .is_some_and(|action| action.name == Some(name) && action.status == Some(ActionStatus::Done))
        })
        .await
    }

    /// Its pods by name.
    pub async fn pods(&self) -> Result<BTreeMap<String, Pod>> {
        let ours = ListParams::default().labels(&format!("cassandracluster={}", self.name));
        let listed = self.pods.list(&ours).await?;
        Ok(listed
            .items
            .into_iter()
            .map(|pod| (pod.metadata.name.clone().unwrap_or_default(), pod))
            .collect())
    }

    /// The uids of its pods by name.
    pub async fn uids(&self) -> Result<BTreeMap<String, String>> {
        let pods = self.pods().await?;
        Ok(pods
            .into_iter()
            .map(|(name, pod)| (name, pod.metadata.uid.unwrap_or_default()))
            .collect())
    }

    /// A label of a pod.
    pub async fn label(&self, pod: &str, key: &str) -> Result<Option<String>> {
        let pod = self.pods.get(pod).await?;
        Ok(pod.metadata.labels.and_then(|labels| labels.get(key).cloned()))
    }

    /// Waits until every pod named has ended its operation with that status.
    pub async fn operations_end(&self, pods: &[&str], status: &str) -> Result<()> {
        for pod in pods {
            until(
                &format!("operation of {pod} ends as {status}"),
                PATIENCE,
                async || {
                    // It may be made anew in the middle of it.
                    let Some(object) = self.pods.get_opt(pod).await? else {
                        return Ok(Answer::not_yet("there is no such pod"));
                    };
                    let labels = object.metadata.labels.unwrap_or_default();
                    let ended = labels.get("operation-status").is_some_and(|now| now == status);
                    Ok(if ended {
                        Answer::Yes(())
                    } else {
                        let status = self.status().await?;
                        let records: Vec<_> =
                            status.operations().filter(|record| record.pod == *pod).collect();
                        Answer::not_yet(json!([labels, records]))
                    })
                },
            )
            .await?;
        }
        Ok(())
    }

    /// Waits until no pod of the namespace has an open request.
    pub async fn nobody_asks(&self) -> Result<()> {
        until("no request is open", PATIENCE, async || {
            let open = format!("{OPERATION_NAME},{OPERATION_STATUS} in (ToDo,Ongoing,Finalizing)");
            let asked = self.pods.list(&ListParams::default().labels(&open)).await?.items;
            if asked.is_empty() {
                return Ok(Answer::Yes(()));
            }
            let asked: Vec<_> = asked
                .iter()
                .map(|pod| json!([pod.name_any(), pod.labels(), pod.annotations()]))
                .collect();
            let status = self.status().await?;
            let records: Vec<_> = status.operations().collect();
            Ok(Answer::not_yet(json!([asked, records])))
        })
        .await
    }

    /// Merges into the spec.
    pub async fn edit(&self, spec: Value) -> Result<()> {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.clusters
            .patch(&self.name, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Takes its status away, as if no operator had seen it yet.
    pub async fn forget_status(&self) -> Result<()> {
        let patch = Patch::Merge(json!({ "status": null }));
        self.clusters
            .patch_status(&self.name, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Deletes a pod, as an eviction would.
    pub async fn delete_pod(&self, pod: &str) -> Result<()> {
        self.pods.delete(pod, &kube::api::DeleteParams::default()).await?;
        Ok(())
    }

    /// `kubectl casskop ...`, which has to succeed.
    pub fn casskop<const N: usize>(&self, arguments: [&str; N]) -> Result<Outcome> {
        let outcome = self
            .ground
            .kubectl()?
            .arguments(["casskop"])
            .arguments(arguments)
            .run()?;
        ensure!(outcome.success, "kubectl casskop {arguments:?}: {outcome:?}");
        Ok(outcome)
    }

    /// Name of a pod.
    pub fn pod(&self, rack: &str, ordinal: i32) -> String {
        format!("{}-{rack}-{ordinal}", self.name)
    }

    /// Names of all its pods now.
    pub async fn pod_names(&self) -> Result<Vec<String>> {
        Ok(self.pods().await?.into_keys().collect())
    }

    /// The simulator of the lab, and this cluster's name in it.
    pub fn simulator(&self) -> Result<(casskop_simulator::Client, casskop_simulator::ClusterId)> {
        Self::simulator_of(self.ground, &self.name)
    }

    /// The simulator of a lab, and the name of a cluster in it, which need not be there yet.
    pub fn simulator_of(
        ground: &Ground,
        name: &str,
    ) -> Result<(casskop_simulator::Client, casskop_simulator::ClusterId)> {
        let address = ground.lab.simulator().context("the lab has no simulated nodes")?;
        let id = casskop_simulator::ClusterId::new(&ground.namespace, name);
        Ok((casskop_simulator::Client::new(address), id))
    }
}
