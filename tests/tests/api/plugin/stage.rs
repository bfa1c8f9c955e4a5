//! A namespace of a test's own, with clusters and pods in it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use casskop_lab::audit::Reader;
use casskop_lab::state::Nodes;
use casskop_lab::wait::{Answer, until};
use casskop_tests::faults::proxy::Proxy;
use casskop_tests::ground::Ground;
use casskop_tests::kubectl::{Kubectl, Outcome};
use casskop_types::CassandraCluster;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::plugin_run::{Ended, Plugin, Running};

pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Stage {
    ground: Ground,
    plugin: Plugin,
}

impl Stage {
    pub(super) async fn set() -> Result<Self> {
        let ground = Ground::new(Nodes::None).await?;
        let accounts = Api::<ServiceAccount>::namespaced(ground.client.clone(), &ground.namespace);
        until("the namespace has its ServiceAccount", PATIENCE, async || {
            Ok(match accounts.get_opt("default").await? {
                Some(_) => Answer::Yes(()),
                None => Answer::not_yet("absent"),
            })
        })
        .await?;
        let plugin = Plugin::new(&ground.lab.kubeconfig(), &ground.namespace)?;
        Ok(Self { ground, plugin })
    }

    pub(super) fn namespace(&self) -> &str {
        &self.ground.namespace
    }

    /// What the API server is asked from now on.
    pub(super) fn requests_from_now(&self) -> Result<Reader> {
        self.ground.lab.requests_from_now()
    }

    pub(super) async fn run(&self, args: &[&str]) -> Result<Ended> {
        self.plugin.run(args).await
    }

    pub(super) fn start(&self, args: &[&str]) -> Result<Running> {
        self.plugin.start(args)
    }

    /// The plugin in the hands of a user that has no rights but those RBAC gives.
    pub(super) fn as_user(&self, user: &str) -> Result<Plugin> {
        Plugin::new(&self.ground.lab.login(user, None)?, self.namespace())
    }

    /// The administrator's client.
    pub(super) fn client(&self) -> kube::Client {
        self.ground.client.clone()
    }

    /// The plugin that reaches the API server through a proxy.
    pub(super) fn through(&self, proxy: &Proxy) -> Result<Plugin> {
        let lab = self.ground.lab;
        let path = lab
            .directory()
            .path()
            .join(format!("{}.kubeconfig", self.namespace()));
        Plugin::new(&proxy.kubeconfig(&lab.kubeconfig(), path)?, self.namespace())
    }

    /// A line in a shell, as somebody types it.
    pub(super) fn typed(&self, line: &str) -> Result<Outcome> {
        Kubectl::typed(&self.ground.lab.kubeconfig(), self.namespace(), line)?.run()
    }

    /// Objects of a kind in the namespace.
    pub(super) fn objects<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.ground.client.clone(), self.namespace())
    }

    pub(super) fn clusters(&self) -> Api<CassandraCluster> {
        Api::namespaced(self.ground.client.clone(), self.namespace())
    }

    pub(super) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.ground.client.clone(), self.namespace())
    }

    pub(super) async fn cluster(&self, name: &str, spec: &str) -> Result<CassandraCluster> {
        let spec: Value = serde_json::from_str(spec)?;
        let cluster = json!({
            "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster", "metadata": { "name": name }, "spec": spec,
        });
        Ok(self
            .clusters()
            .create(&PostParams::default(), &serde_json::from_value(cluster)?)
            .await?)
    }

    pub(super) async fn version_of(&self, cluster: &str) -> Result<String> {
        self.clusters()
            .get(cluster)
            .await?
            .resource_version()
            .context("no version")
    }

    /// Writes a rack's last action as an operator does.
    pub(super) async fn action(&self, cluster: &str, rack: &str, status: &str, start: &str) -> Result<()> {
        let action = json!({ "name": "RollingRestart", "status": status, "startTime": start });
        let status =
            json!({ "status": { "cassandraRackStatus": { rack: { "cassandraLastAction": action } } } });
        self.clusters()
            .patch_status(cluster, &PatchParams::default(), &Patch::Merge(status))
            .await?;
        Ok(())
    }

    /// Writes a rack's only record as an operator does.
    pub(super) async fn record(&self, cluster: &str, rack: &str, record: &Value) -> Result<()> {
        let status = json!({ "status": { "cassandraRackStatus": { rack: { "operations": [record] } } } });
        self.clusters()
            .patch_status(cluster, &PatchParams::default(), &Patch::Merge(status))
            .await?;
        Ok(())
    }

    /// A Cassandra pod that runs, as far as its status says: no kubelet is here to object.
    pub(super) async fn pod(&self, cluster: &str, rack: &str, ordinal: i32, address: &str) -> Result<()> {
        let (dc, rack_name) = rack.split_once('-').context("a rack is <dc>-<rack>")?;
        let name = format!("{cluster}-{rack}-{ordinal}");
        let pod = json!({
            "metadata": { "name": name, "labels": {
                "app": "cassandracluster", "cassandracluster": cluster, "dc-rack": rack,
                "cassandraclusters.db.orange.com.dc": dc, "cassandraclusters.db.orange.com.rack": rack_name,
            } },
            "spec": {
                "schedulerName": "nobody",
                "automountServiceAccountToken": false,
                "containers": [{ "name": "cassandra", "image": "none" }],
            },
        });
        self.pods()
            .create(&PostParams::default(), &serde_json::from_value(pod)?)
            .await?;
        let status = json!({ "status": {
            "phase": "Running", "podIP": address, "podIPs": [{ "ip": address }],
            "conditions": [{ "type": "Ready", "status": "True" }],
        } });
        self.pods()
            .patch_status(&name, &PatchParams::default(), &Patch::Merge(status))
            .await?;
        Ok(())
    }

    /// Takes a pod out of service, as a kubelet's silence does, and keeps the host id of its node, as an operator does.
    pub(super) async fn lose(&self, cluster: &str, pod: &str, host_id: &str) -> Result<()> {
        let status = json!({ "status": { "conditions": [{ "type": "Ready", "status": "False" }] } });
        self.pods()
            .patch_status(pod, &PatchParams::default(), &Patch::Merge(status))
            .await?;
        let status = json!({ "status": { "cassandraNodeStatus": { pod: { "hostId": host_id } } } });
        self.clusters()
            .patch_status(cluster, &PatchParams::default(), &Patch::Merge(status))
            .await?;
        Ok(())
    }

    /// Sets labels of a pod, as an operator does.
    pub(super) async fn label(&self, pod: &str, labels: Value) -> Result<()> {
        let patch = json!({ "metadata": { "labels": labels } });
        self.pods()
            .patch(pod, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// `name status argument` of a pod's operation labels.
    pub(super) async fn request_of(&self, pod: &str) -> Result<String> {
        let pod = self.pods().get(pod).await?;
        let label = |key: &str| pod.labels().get(key).cloned().unwrap_or_else(|| "-".to_owned());
        Ok(["operation-name", "operation-status", "operation-argument"]
            .map(label)
            .join(" "))
    }

    /// Waits until a cluster is as a test wants it.
    pub(super) async fn until_cluster(
        &self,
        name: &str,
        wanted: impl Fn(&CassandraCluster) -> bool,
    ) -> Result<()> {
        until("the cluster is as wanted", PATIENCE, async || {
            let cluster = self.clusters().get(name).await?;
            Ok(if wanted(&cluster) {
                Answer::Yes(())
            } else {
                Answer::not_yet("not yet")
            })
        })
        .await
    }

    /// Waits until a pod's annotations are as a test wants them.
    pub(super) async fn until_annotated(
        &self,
        pod: &str,
        wanted: impl Fn(&BTreeMap<String, String>) -> bool,
    ) -> Result<()> {
        until("the pod is annotated", PATIENCE, async || {
            let pod = self.pods().get(pod).await?;
            Ok(if wanted(pod.annotations()) {
                Answer::Yes(())
            } else {
                Answer::not_yet(format!("{:?}", pod.annotations()))
            })
        })
        .await
    }

    /// Waits until a pod has been asked.
    pub(super) async fn until_asked(&self, pod: &str) -> Result<()> {
        until("the pod is asked", PATIENCE, async || {
            let request = self.request_of(pod).await?;
            Ok(if request.contains(" ToDo ") {
                Answer::Yes(())
            } else {
                Answer::not_yet(request)
            })
        })
        .await
    }
}
