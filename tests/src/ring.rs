//! The one ring of real Cassandra that the end-to-end tests share: the operator from its shipped manifests, inside the
//! cluster, and a cluster of two datacenters, one of three racks and one of a single one, with one node in each rack.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use casskop_lab::Lab;
use casskop_lab::images::cassandra::Release;
use casskop_lab::images::product::ProductImage;
use casskop_lab::state::Nodes;
use casskop_lab::wait::{Answer, until};
use casskop_types::cluster::CassandraCluster;
use casskop_types::status::{ActionStatus, Phase};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use crate::ground::{Ground, repository};
use crate::kubectl::{Kubectl, Outcome};

/// The namespace that the manifests are written for.
pub const NAMESPACE: &str = "cassandra";

/// The cluster's name: the one whose ConfigMap the manifests let its pods read.
pub const NAME: &str = "demo";

/// The racks of the first datacenter, one node each.
pub const RACKS: [&str; 3] = ["rack1", "rack2", "rack3"];

/// The pod of the second datacenter, which no keyspace has replicas in at first.
pub const OTHER_DC: &str = "demo-dc2-rack1-0";

/// All nodes.
pub const NODES: usize = RACKS.len() + 1;

/// How long the nodes may take to form a ring, one after the other: half a minute each on two idle cores.
const FORMATION: Duration = Duration::from_mins(10);

/// How long anything else may take.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// Held by the test whose turn it is; whether the ring was created.
static TURN: Mutex<bool> = Mutex::const_new(false);

/// The ring, whole, with nothing under way, and for one test alone: what one does to it would disturb the others.
pub struct Ring {
    lab: &'static Lab,
    /// The administrator's client.
    pub client: kube::Client,
    _turn: MutexGuard<'static, bool>,
}

impl Ring {
    /// The ring all tests of one program share; the first that asks brings it up. The tests take turns, in whatever
    /// order: none relies on what another has done.
    pub async fn shared(nodes: Nodes) -> Result<Self> {
        let mut turn = TURN.lock().await;
        let ground = Ground::new(nodes).await?;
        let created = *turn;
        if !created {
            create(&ground)?;
            *turn = true;
        }
        let ring = Self {
            lab: ground.lab,
            client: ground.client,
            _turn: turn,
        };
        ring.settled(if created { PATIENCE } else { FORMATION }).await?;
        Ok(ring)
    }

    /// Waits until all nodes are ready and nothing is under way.
    pub async fn settled(&self, patience: Duration) -> Result<()> {
        let ready = format!("{NODES}/{NODES}");
        until("the ring is whole", patience, async || {
            let status = self.cluster().await?.status.unwrap_or_default();
            let whole = status.phase == Some(Phase::Running)
                && status.nodes_ready.as_deref() == Some(&ready)
                && status.last_cluster_action_status == Some(ActionStatus::Done);
            Ok(if whole {
                Answer::Yes(())
            } else {
                Answer::not_yet(json!(status))
            })
        })
        .await
    }

    /// Pods of the first datacenter, rack by rack.
    pub fn pods(&self) -> [String; 3] {
        RACKS.map(|rack| format!("{NAME}-dc1-{rack}-0"))
    }

    /// The uids of its pods by name.
    pub async fn uids(&self) -> Result<BTreeMap<String, String>> {
        let ours = ListParams::default().labels(&format!("cassandracluster={NAME}"));
        let pods = Api::<Pod>::namespaced(self.client.clone(), NAMESPACE)
            .list(&ours)
            .await?;
        let identity = |pod: Pod| Some((pod.metadata.name?, pod.metadata.uid?));
        Ok(pods.items.into_iter().filter_map(identity).collect())
    }

    /// A pod as it is now.
    pub async fn pod(&self, name: &str) -> Result<Pod> {
        Ok(Api::namespaced(self.client.clone(), NAMESPACE).get(name).await?)
    }

    /// A line in a shell, as somebody pastes it, which has to succeed.
    pub fn typed(&self, line: &str) -> Result<Outcome> {
        let outcome = Kubectl::typed(&self.lab.kubeconfig(), NAMESPACE, line)?.run()?;
        ensure!(outcome.success, "{line}: {outcome:?}");
        Ok(outcome)
    }

    /// Waits until the operation a pod was asked for has ended well.
    pub async fn operation_done(&self, pod: &str) -> Result<()> {
        until(&format!("the operation of {pod} is done"), PATIENCE, async || {
            let labels = self.pod(pod).await?.metadata.labels.unwrap_or_default();
            match labels.get("operation-status").map(String::as_str) {
                Some("Done") => Ok(Answer::Yes(())),
                Some("Error") => bail!(
                    "the operation of {pod} failed: {}",
                    json!(self.cluster().await?.status)
                ),
                _ => Ok(Answer::not_yet(json!(labels))),
            }
        })
        .await
    }

    /// `kubectl` as the administrator, in the ring's namespace.
    pub fn kubectl(&self) -> Result<Kubectl> {
        Kubectl::new(&self.lab.kubeconfig(), NAMESPACE)
    }

    /// The same for another thread.
    pub fn kubectl_from_anywhere(&self) -> impl Fn() -> Result<Kubectl> + Send + 'static {
        let kubeconfig = self.lab.kubeconfig();
        move || Kubectl::new(&kubeconfig, NAMESPACE)
    }

    /// `kubectl apply` of a manifest.
    pub fn apply(&self, manifest: &str) -> Result<()> {
        apply(&self.lab.kubeconfig(), manifest)
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

    /// Makes a keyspace with a table `rows`, with a replica on every node of the first datacenter, and writes so many
    /// rows to all of them.
    pub fn write_rows(&self, keyspace: &str, count: usize) -> Result<()> {
        let mut statements = vec![
            format!("DROP KEYSPACE IF EXISTS {keyspace};"),
            format!(
                "CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', 'dc1': 3}};"
            ),
            format!("CREATE TABLE {keyspace}.rows (id int PRIMARY KEY, value int);"),
            "CONSISTENCY ALL;".to_owned(),
        ];
        statements.extend(
            (0..count).map(|id| format!("INSERT INTO {keyspace}.rows (id, value) VALUES ({id}, {id});")),
        );
        let [_, from, _] = self.pods();
        self.cql(&from, &statements.join("\n")).map(drop)
    }

    /// Gives the second datacenter a replica of a keyspace, which holds nothing yet.
    pub async fn extend_to_other_dc(&self, keyspace: &str) -> Result<()> {
        let [first, ..] = self.pods();
        self.cql(
            &first,
            &format!(
                "ALTER KEYSPACE {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', 'dc1': 3, 'dc2': 1}};"
            ),
        )?;
        // A rebuild streams what the schema says at that moment, which may be the old one on the node that is rebuilt.
        let replication =
            format!("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '{keyspace}';");
        until(
            "the other datacenter knows of its replica",
            PATIENCE,
            async || {
                let known = self.cql(OTHER_DC, &replication)?;
                Ok(if known.contains("'dc2': '1'") {
                    Answer::Yes(())
                } else {
                    Answer::not_yet(known)
                })
            },
        )
        .await
    }

    /// The keys of a keyspace's rows in the data files of a node, as Cassandra's own tool reads them: what the node
    /// holds, whoever owns it. A key that is in several files is there several times.
    pub fn keys_on_disk(&self, pod: &str, keyspace: &str) -> Result<Vec<String>> {
        self.inside(pod, &["nodetool", "flush", keyspace])?;
        let script = format!(
            "set -eu; . /opt/cassandra/bin/cassandra.in.sh; unset JAVA_TOOL_OPTIONS; \
             for file in /var/lib/cassandra/data/{keyspace}/rows-*/*-Data.db; do \
             [ -e \"$file\" ] || continue; \
             $JAVA $java17_options -Xmx64M -Dcassandra.storagedir=/tmp -Dlogback.configurationFile=logback-tools.xml \
             -cp \"$CLASSPATH\" org.apache.cassandra.tools.SSTableExport \"$file\" -e; done"
        );
        let files = self.inside(pod, &["bash", "-c", &script])?;
        let mut keys = Vec::new();
        for file in serde_json::Deserializer::from_str(&files).into_iter::<Vec<[String; 1]>>() {
            keys.extend(file?.into_iter().map(|[key]| key));
        }
        Ok(keys)
    }

    /// How many rows a node finds at a consistency level.
    pub fn count_rows(&self, pod: &str, keyspace: &str, consistency: &str) -> Result<usize> {
        let answer = self.cql(
            pod,
            &format!("CONSISTENCY {consistency}; SELECT count(*) FROM {keyspace}.rows;"),
        )?;
        let mut numbers = answer.lines().filter_map(|line| line.trim().parse().ok());
        numbers.next().with_context(|| format!("no count in:\n{answer}"))
    }
}

fn create(ground: &Ground) -> Result<()> {
    let kubeconfig = ground.lab.kubeconfig();
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
    apply(&kubeconfig, &namespace.to_string())?;
    for manifest in ["namespaced.yaml", "cassandra-pods.yaml"] {
        let path = repository().join("operator/deploy").join(manifest);
        apply(&kubeconfig, &std::fs::read_to_string(path)?)?;
    }
    let racks = RACKS.iter().enumerate().map(|(index, rack)| {
        json!({ "name": rack, "labels": { "topology.kubernetes.io/zone": format!("zone-{}", index + 1) } })
    });
    let datacenters = json!([
        { "name": "dc1", "rack": racks.collect::<Vec<_>>() },
        { "name": "dc2", "rack": [{ "name": "rack1" }] },
    ]);
    apply(
        &kubeconfig,
        &manifest(NAME, Release::V5_0, &datacenters).to_string(),
    )
}

fn apply(kubeconfig: &Path, text: &str) -> Result<()> {
    let kubectl = Kubectl::new(kubeconfig, NAMESPACE)?;
    let outcome = kubectl.arguments(["apply", "-f", "-"]).input(text).run()?;
    ensure!(outcome.success, "kubectl apply: {}", outcome.stderr);
    Ok(())
}

/// A cluster of small nodes that join fast: a heap of 320 MB, and 3 s to hear of the others instead of 30.
pub fn manifest(name: &str, release: Release, datacenters: &Value) -> Value {
    json!({
        "apiVersion": "db.orange.com/v2",
        "kind": "CassandraCluster",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": {
            "nodesPerRacks": 1,
            "cassandraImage": release.image(),
            "bootstrapImage": ProductImage::Bootstrap.image(),
            "configBuilderImage": ProductImage::ConfigBuilder.image(),
            // Images are in the nodes; there is no registry to ask.
            "imagepullpolicy": "IfNotPresent",
            "serviceAccountName": "cassandra-cluster-node",
            "dataCapacity": "1Gi",
            "backRestSidecar": { "enabled": false },
            // The first probe after a minute, as it is by default, would cost most of the time the tests take.
            "readinessInitialDelaySeconds": 10,
            "readinessHealthCheckPeriod": 3,
            "resources": {
                "requests": { "cpu": "200m", "memory": "600Mi" },
                "limits": { "cpu": "2", "memory": "1Gi" },
            },
            "config": { "jvm-server-options": {
                "max_heap_size": "320M", "initial_heap_size": "320M", "cassandra_ring_delay_ms": 3000,
            } },
            "topology": { "dc": datacenters },
        },
    })
}
