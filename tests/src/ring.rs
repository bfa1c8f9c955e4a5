//! The one ring of real Cassandra that the end-to-end tests share: the operator from its shipped manifests, inside the
//! cluster, and a cluster of three racks with one node each.

use std::time::Duration;

use anyhow::{Result, ensure};
use casskop_lab::Lab;
use casskop_lab::images::cassandra::Release;
use casskop_lab::images::product::ProductImage;
use casskop_lab::state::Nodes;
use casskop_lab::wait::{Answer, until};
use casskop_types::cluster::CassandraCluster;
use casskop_types::status::Phase;
use kube::Api;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::ground::{Ground, repository};
use crate::kubectl::Kubectl;

/// The namespace that the manifests are written for.
pub const NAMESPACE: &str = "cassandra";

/// The cluster's name: the one whose ConfigMap the manifests let its pods read.
pub const NAME: &str = "demo";

/// The racks, one node each.
pub const RACKS: [&str; 3] = ["rack1", "rack2", "rack3"];

/// How long three nodes may take to form a ring, one after the other: a quarter of a minute each on two idle cores.
const FORMATION: Duration = Duration::from_mins(10);

static RING: OnceCell<()> = OnceCell::const_new();

/// The ring, formed.
pub struct Ring {
    lab: &'static Lab,
    /// The administrator's client.
    pub client: kube::Client,
}

impl Ring {
    /// The ring all tests of one program share; the first that asks brings it up.
    pub async fn shared(nodes: Nodes) -> Result<Self> {
        let ground = Ground::new(nodes).await?;
        let ring = Self {
            lab: ground.lab,
            client: ground.client,
        };
        RING.get_or_try_init(|| ring.form()).await?;
        Ok(ring)
    }

    /// Its pods, rack by rack.
    pub fn pods(&self) -> [String; 3] {
        RACKS.map(|rack| format!("{NAME}-dc1-{rack}-0"))
    }

    /// `kubectl` as the administrator, in the ring's namespace.
    pub fn kubectl(&self) -> Result<Kubectl> {
        Kubectl::new(&self.lab.kubeconfig(), NAMESPACE)
    }

    /// Runs a command in a node's container.
    pub fn inside(&self, pod: &str, command: &[&str]) -> Result<String> {
        let exec = ["exec", pod, "--container=cassandra", "--"];
        let outcome = self.kubectl()?.arguments(exec).arguments(command).run()?;
        ensure!(
            outcome.success,
            "{command:?} in {pod}: {}{}",
            outcome.stdout,
            outcome.stderr
        );
        Ok(outcome.stdout)
    }

    /// Runs CQL statements on one node.
    pub fn cql(&self, pod: &str, statements: &str) -> Result<String> {
        self.inside(pod, &["cqlsh", "--request-timeout=60", "-e", statements])
    }

    /// The cluster as it is now.
    pub async fn cluster(&self) -> Result<CassandraCluster> {
        Ok(Api::namespaced(self.client.clone(), NAMESPACE).get(NAME).await?)
    }

    async fn form(&self) -> Result<()> {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
        self.apply(&namespace.to_string())?;
        for manifest in ["namespaced.yaml", "cassandra-pods.yaml"] {
            let path = repository().join("operator/deploy").join(manifest);
            let text = std::fs::read_to_string(path)?;
            self.apply(&text)?;
        }
        self.apply(&cluster().to_string())?;
        until("the ring is formed", FORMATION, async || {
            let status = self.cluster().await?.status.unwrap_or_default();
            let formed = status.phase == Some(Phase::Running) && status.nodes_ready.as_deref() == Some("3/3");
            Ok(if formed {
                Answer::Yes(())
            } else {
                Answer::not_yet(json!(status))
            })
        })
        .await
    }

    fn apply(&self, text: &str) -> Result<()> {
        let outcome = self
            .kubectl()?
            .arguments(["apply", "-f", "-"])
            .input(text)
            .run()?;
        ensure!(outcome.success, "kubectl apply: {}", outcome.stderr);
        Ok(())
    }
}

/// Small nodes that join fast: a heap of 320 MB, and 3 s to hear of the others instead of 30.
fn cluster() -> Value {
    let racks = RACKS.iter().enumerate().map(|(index, rack)| {
        json!({ "name": rack, "labels": { "topology.kubernetes.io/zone": format!("zone-{}", index + 1) } })
    });
    json!({
        "apiVersion": "db.orange.com/v2",
        "kind": "CassandraCluster",
        "metadata": { "name": NAME, "namespace": NAMESPACE },
        "spec": {
            "nodesPerRacks": 1,
            "cassandraImage": Release::V5_0.image(),
            "bootstrapImage": ProductImage::Bootstrap.image(),
            "configBuilderImage": ProductImage::ConfigBuilder.image(),
            // Images are in the nodes; there is no registry to ask.
            "imagepullpolicy": "IfNotPresent",
            "serviceAccountName": "cassandra-cluster-node",
            "dataCapacity": "1Gi",
            "backRestSidecar": { "enabled": false },
            "resources": {
                "requests": { "cpu": "200m", "memory": "600Mi" },
                "limits": { "cpu": "2", "memory": "1Gi" },
            },
            "config": { "jvm-server-options": {
                "max_heap_size": "320M", "initial_heap_size": "320M", "cassandra_ring_delay_ms": 3000,
            } },
            "topology": { "dc": [{ "name": "dc1", "rack": racks.collect::<Vec<_>>() }] },
        },
    })
}
