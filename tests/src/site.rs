//! Where rings of real Cassandra live: the operator from its shipped manifests, inside the cluster, in the namespace these
//! are written for. Clusters in it have nothing in common but the operator.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use casskop_lab::Lab;
use casskop_lab::images::cassandra::Release;
use casskop_lab::images::product::ProductImage;
use casskop_lab::state::Nodes;
use casskop_lab::wait::{Answer, until};
use casskop_types::cluster::CassandraCluster;
use casskop_types::labels::{OPERATION_NAME, OPERATION_STATUS};
use casskop_types::operation::OperationName;
use casskop_types::status::CassandraClusterStatus;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::{Value, json};
use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::ground::Ground;
use crate::kubectl::{Kubectl, Outcome};

/// The namespace that the manifests are written for.
pub const NAMESPACE: &str = "cassandra";

/// The clusters that tests make in it. Their pods may read what the operator tells them.
const CLUSTERS: [&str; 2] = ["demo", "life"];

/// How long anything may take but for a ring to form.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// The operator is installed once.
static INSTALLED: OnceCell<()> = OnceCell::const_new();

/// Held by whoever ends the operator while tests of another cluster may look at it, and by those that do.
static OPERATOR: RwLock<()> = RwLock::const_new(());

/// The namespace with the operator in it.
pub struct Site {
    lab: &'static Lab,
    /// The administrator's client.
    pub client: kube::Client,
}

impl Site {
    /// The site all tests of one program share; the first that asks installs the operator.
    pub async fn open(nodes: Nodes) -> Result<Self> {
        let ground = Ground::new(nodes).await?;
        INSTALLED.get_or_try_init(async || install(&ground)).await?;
        Ok(Self {
            lab: ground.lab,
            client: ground.client,
        })
    }

    /// A pod as it is now.
    pub async fn pod(&self, name: &str) -> Result<Pod> {
        Ok(Api::namespaced(self.client.clone(), NAMESPACE).get(name).await?)
    }

    /// The status of a cluster as it is now.
    pub async fn status(&self, cluster: &str) -> Result<CassandraClusterStatus> {
        let clusters: Api<CassandraCluster> = Api::namespaced(self.client.clone(), NAMESPACE);
        Ok(clusters.get(cluster).await?.status.unwrap_or_default())
    }

    /// A line in a shell, as somebody pastes it, which has to succeed.
    pub fn typed(&self, line: &str) -> Result<Outcome> {
        let outcome = Kubectl::typed(&self.lab.kubeconfig(), NAMESPACE, line)?.run()?;
        ensure!(outcome.success, "{line}: {outcome:?}");
        Ok(outcome)
    }

    /// Ends the operator as if its machine had gone. Its Deployment makes another one at once.
    pub fn kill_the_operator(&self) -> Result<()> {
        self.typed(
            "kubectl --namespace casskop-operator delete pods --selector app.kubernetes.io/name=casskop-operator --grace-period 0 --force",
        )
        .map(drop)
    }

    /// No test of another cluster looks at the operator as long as this is held.
    pub async fn nobody_looks_at_the_operator(&self) -> RwLockWriteGuard<'static, ()> {
        OPERATOR.write().await
    }

    /// No test of another cluster ends the operator as long as this is held.
    pub async fn the_operator_stays(&self) -> RwLockReadGuard<'static, ()> {
        OPERATOR.read().await
    }

    /// Waits until the operation a pod was asked for has ended well.
    pub async fn operation_done(&self, pod: &str, operation: OperationName) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        until(
            &format!("the {operation} of {pod} is done"),
            PATIENCE,
            async || {
                // It may be the pod itself that is made anew.
                let Some(pod) = pods.get_opt(pod).await? else {
                    return Ok(Answer::not_yet("there is no such pod"));
                };
                let labels = pod.metadata.labels.unwrap_or_default();
                let label = |name: &str| labels.get(name).map(String::as_str);
                if label(OPERATION_NAME) != Some(operation.as_str()) {
                    return Ok(Answer::not_yet(json!(labels)));
                }
                match label(OPERATION_STATUS) {
                    Some("Done") => Ok(Answer::Yes(())),
                    Some("Error") => bail!(
                        "it failed: {}",
                        json!(self.status(&labels["cassandracluster"]).await?)
                    ),
                    _ => Ok(Answer::not_yet(json!(labels))),
                }
            },
        )
        .await
    }

    /// The data files of a keyspace on a node.
    pub fn data_files(&self, pod: &str, keyspace: &str) -> Result<Vec<String>> {
        let directory = format!("/var/lib/cassandra/data/{keyspace}");
        let found = self.inside(pod, &["find", &directory, "-maxdepth", "2", "-name", "*-Data.db"])?;
        let mut files: Vec<_> = found.lines().map(str::to_owned).collect();
        files.sort();
        Ok(files)
    }

    /// The same once there are so many: Cassandra deletes those that it has rewritten a moment after the work has ended.
    pub async fn data_files_become(&self, pod: &str, keyspace: &str, count: usize) -> Result<Vec<String>> {
        let what = format!("{pod} has {count} data files of {keyspace}");
        until(&what, PATIENCE, async || {
            let files = self.data_files(pod, keyspace)?;
            Ok(if files.len() == count {
                Answer::Yes(files)
            } else {
                Answer::not_yet(json!(files))
            })
        })
        .await
    }

    /// `kubectl` as the administrator, in the namespace.
    pub fn kubectl(&self) -> Result<Kubectl> {
        Kubectl::new(&self.lab.kubeconfig(), NAMESPACE)
    }

    /// The same for another thread.
    pub fn kubectl_from_anywhere(&self) -> impl Fn() -> Result<Kubectl> + Send + 'static {
        let kubeconfig = self.lab.kubeconfig();
        move || Kubectl::new(&kubeconfig, NAMESPACE)
    }

    /// `kubectl apply` of a manifest.
    pub fn apply(&self, manifest: &Value) -> Result<()> {
        let kubectl = self.kubectl()?.arguments(["apply", "-f", "-"]);
        let outcome = kubectl.input(manifest.to_string()).run()?;
        ensure!(outcome.success, "kubectl apply: {}", outcome.stderr);
        Ok(())
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
        let patience = ["--connect-timeout=60", "--request-timeout=60"];
        self.inside(pod, &["cqlsh", patience[0], patience[1], "-e", statements])
    }

    /// The same for statements that may run more than once, until they are not refused: a replica that is slow for a moment, as
    /// where others start beside it, says nothing of what is there.
    pub async fn cql_in_time(&self, pod: &str, statements: &str) -> Result<String> {
        until("the node carries it out", PATIENCE, async || {
            Ok(match self.cql(pod, statements) {
                Ok(answer) => Answer::Yes(answer),
                Err(error) => Answer::not_yet(format!("{error:#}")),
            })
        })
        .await
    }

    /// Waits until each of these nodes has the table `rows` of a keyspace, the same one: `cqlsh` waits ten seconds for that and goes
    /// on, and a node that has not heard of a table refuses its rows.
    pub async fn all_know_the_table(&self, keyspace: &str, nodes: &[&str]) -> Result<()> {
        let identity = format!(
            "SELECT id FROM system_schema.tables WHERE keyspace_name = '{keyspace}' AND table_name = 'rows';"
        );
        until(&format!("all nodes know {keyspace}.rows"), PATIENCE, async || {
            let mut known = Vec::new();
            for node in nodes {
                known.push(self.cql_in_time(node, &identity).await?);
            }
            known.dedup();
            Ok(if known.len() == 1 && known[0].contains("(1 rows)") {
                Answer::Yes(())
            } else {
                Answer::not_yet(format!("{known:?}"))
            })
        })
        .await
    }

    /// Gives a keyspace other numbers of replicas, and waits until each of these nodes knows of them: what is done on one of
    /// them is done by the schema it has at that moment. The statement runs on the first.
    pub async fn replicate(&self, keyspace: &str, replicas: &[(&str, usize)], nodes: &[&str]) -> Result<()> {
        let wanted: Vec<_> = replicas
            .iter()
            .map(|(dc, count)| format!(", '{dc}': '{count}'"))
            .collect();
        // As the schema has it, so that it can be looked for.
        let wanted = format!("NetworkTopologyStrategy'{}}}", wanted.concat());
        let first = nodes.first().context("no node to run it on")?;
        self.cql(
            first,
            &format!("ALTER KEYSPACE {keyspace} WITH replication = {{'class': '{wanted};"),
        )?;
        let replication =
            format!("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '{keyspace}';");
        for node in nodes {
            until(&format!("{node} knows of the replicas"), PATIENCE, async || {
                let known = self.cql_in_time(node, &replication).await?;
                Ok(if known.contains(&wanted) {
                    Answer::Yes(())
                } else {
                    Answer::not_yet(known)
                })
            })
            .await?;
        }
        Ok(())
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

    /// The ring as the node of a pod sees it now.
    pub fn ring_seen_by(&self, pod: &str) -> Result<Vec<Member>> {
        let status = self.inside(pod, &["nodetool", "status"])?;
        Ok(status.lines().filter_map(Member::read).collect())
    }

    /// The host ids of the members, once a node sees so many of them, and every one up and normal. Nodes hear of one another by
    /// gossip: what one of them sees, another may see a moment later.
    pub async fn members(&self, pod: &str, count: usize) -> Result<BTreeSet<String>> {
        until(&format!("{pod} sees {count} nodes"), PATIENCE, async || {
            let members = self.ring_seen_by(pod)?;
            let all_are_up = members.iter().all(|member| member.state == "UN");
            Ok(if all_are_up && members.len() == count {
                Answer::Yes(members.into_iter().map(|member| member.host_id).collect())
            } else {
                Answer::not_yet(format!("{members:?}"))
            })
        })
        .await
    }

    /// How many rows a node finds at a consistency level.
    pub async fn count_rows(&self, pod: &str, keyspace: &str, consistency: &str) -> Result<usize> {
        let count = format!("CONSISTENCY {consistency}; SELECT count(*) FROM {keyspace}.rows;");
        let answer = self.cql_in_time(pod, &count).await?;
        let mut numbers = answer.lines().filter_map(|line| line.trim().parse().ok());
        numbers.next().with_context(|| format!("no count in:\n{answer}"))
    }

    /// The rows that a node finds at a consistency level: values by their ids.
    pub async fn rows(&self, pod: &str, keyspace: &str, consistency: &str) -> Result<BTreeMap<i64, i64>> {
        let read = format!("CONSISTENCY {consistency}; SELECT id, value FROM {keyspace}.rows;");
        let answer = self.cql_in_time(pod, &read).await?;
        let row = |line: &str| {
            let (id, value) = line.split_once('|')?;
            Some((id.trim().parse().ok()?, value.trim().parse().ok()?))
        };
        Ok(answer.lines().filter_map(row).collect())
    }
}

/// A node in `nodetool status`.
#[derive(Debug, PartialEq, Eq)]
pub struct Member {
    /// `U`p, `D`own or `?`, and `N`ormal, `L`eaving, `J`oining or `M`oving: `UN`.
    pub state: String,
    /// Where it listens for the others.
    pub address: String,
    /// Who it is.
    pub host_id: String,
}

impl Member {
    /// A line is: state, address, load and its unit, tokens, share of the data, host id, rack. The load of a node that told none
    /// is `?`, without a unit.
    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let state = words.next()?;
        let is_state =
            state.len() == 2 && state.starts_with(['U', 'D', '?']) && state.ends_with(['N', 'L', 'J', 'M']);
        let address = words.next()?;
        let host_id = words.rev().nth(1)?;
        is_state.then(|| Self {
            state: state.to_owned(),
            address: address.to_owned(),
            host_id: host_id.to_owned(),
        })
    }
}

/// As a user installs it: the namespace is made with it.
fn install(ground: &Ground) -> Result<()> {
    let clusters = CLUSTERS.map(|name| format!("--crd {name}")).join(" ");
    let installed = ground.typed(&format!("kubectl casskop install -n {NAMESPACE} {clusters}"))?;
    for part in ["customresourcedefinition", "role.", "deployment.apps/"] {
        ensure!(
            installed.stdout.contains(part),
            "no {part} installed: {installed:?}"
        );
    }
    // A test may take the room for new pods away while another one has the operator's made anew.
    let anywhere = r#"{"spec": {"template": {"spec": {"tolerations": [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}]}}}}"#;
    ground.typed(&format!(
        "kubectl --namespace casskop-operator patch deployment casskop-operator --patch '{anywhere}'"
    ))?;
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

#[cfg(test)]
mod tests {
    use super::Member;

    /// As 5.0 prints a datacenter: a node that joins owns nothing yet, and one that never told its load has none.
    const STATUS: &str = "\
Datacenter: dc1
===============
Status=Up/Down
|/ State=Normal/Leaving/Joining/Moving
--  Address    Load        Tokens  Owns (effective)  Host ID                               Rack
UN  10.1.0.4   103.75 KiB  16      100.0%            0a5d3c36-7c0f-4b9c-9a3e-0f6f1a0b5a11  rack1
DN  10.1.1.7   ?           16      100.0%            6f1f2c9e-52c1-4d9f-8d65-3a3b5f0c7e22  rack2
UJ  10.1.2.9   88.1 KiB    16      ?                 c3a9b1de-0c35-4f0e-9b58-7d1c2e4f6a33  rack3

";

    #[test]
    fn members_are_read_whatever_they_tell_of_their_load() {
        let members: Vec<_> = STATUS.lines().filter_map(Member::read).collect();
        let told = members
            .iter()
            .map(|member| [&member.state, &member.address, &member.host_id].map(String::as_str));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                ["UN", "10.1.0.4", "0a5d3c36-7c0f-4b9c-9a3e-0f6f1a0b5a11"],
                ["DN", "10.1.1.7", "6f1f2c9e-52c1-4d9f-8d65-3a3b5f0c7e22"],
                ["UJ", "10.1.2.9", "c3a9b1de-0c35-4f0e-9b58-7d1c2e4f6a33"],
            ]
        );
    }
}
