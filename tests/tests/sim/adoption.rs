//! Clusters that CassKop made are taken over while they run, and no pod of them is restarted.

pub(crate) mod casskop;
mod lock;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use casskop_jolokia::{JolokiaClient, storage_service};
use casskop_simulator::CallQuery;
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_tests::cluster::Cluster;
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::status::{ActionStatus, CassandraClusterStatus, ClusterAction, Phase};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::NODES;

const JOLOKIA: u16 = 8778;

/// What stays as it is when a cluster is taken over: everything that a write would change.
#[derive(Debug, PartialEq)]
pub(crate) struct Untouched {
    /// Uid and number of restarts of every pod.
    pods: BTreeMap<String, (String, i32)>,
    /// Uid, generation and revisions of every StatefulSet.
    statefulsets: BTreeMap<String, Value>,
    /// Versions of the Services, the budget and the claims.
    versions: BTreeMap<String, Option<String>>,
    /// The cluster's spec and its generation.
    cluster: Value,
}

pub(crate) async fn untouched(ground: &Ground, cluster: &Cluster<'_>) -> Result<Untouched> {
    let restarts = |pod: &Pod| {
        let statuses = pod
            .status
            .iter()
            .flat_map(|status| status.container_statuses.iter().flatten());
        statuses.map(|status| status.restart_count).sum()
    };
    let pods = cluster.pods().await?;
    let pods = pods
        .into_iter()
        .map(|(name, pod)| (name, (pod.uid().unwrap_or_default(), restarts(&pod))));
    let statefulsets = all::<StatefulSet>(ground).await?.into_iter().map(|set| {
        let status = set.status.clone().unwrap_or_default();
        let state = json!({
            "uid": set.metadata.uid, "generation": set.metadata.generation, "replicas": set.spec.as_ref().map(|spec| spec.replicas),
            "current": status.current_revision, "update": status.update_revision,
        });
        (set.name_any(), state)
    });
    let mut versions = BTreeMap::new();
    for service in all::<Service>(ground).await? {
        versions.insert(
            format!("service {}", service.name_any()),
            service.resource_version(),
        );
    }
    for budget in all::<PodDisruptionBudget>(ground).await? {
        // Its controller writes the status whenever a pod changes.
        let generation = budget
            .metadata
            .generation
            .map(|generation| generation.to_string());
        versions.insert(format!("budget {}", budget.name_any()), generation);
    }
    for claim in all::<PersistentVolumeClaim>(ground).await? {
        versions.insert(format!("claim {}", claim.name_any()), claim.resource_version());
    }
    let object = cluster.object().await?;
    Ok(Untouched {
        pods: pods.collect(),
        statefulsets: statefulsets.collect(),
        versions,
        cluster: json!({ "spec": object.spec, "generation": object.metadata.generation }),
    })
}

async fn all<K>(ground: &Ground) -> Result<Vec<K>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(ground.client.clone(), &ground.namespace);
    Ok(api.list(&ListParams::default()).await?.items)
}

/// A rack's status in CassKop's words.
pub(crate) fn left(phase: &str, action: [&str; 2], more: &Value) -> Value {
    let [name, status] = action;
    let mut rack = json!({
        "phase": phase,
        "cassandraLastAction": {
            "name": name, "status": status, "startTime": "2026-01-02T03:04:05Z", "updatedNodes": null,
        },
        "podLastOperation": { "pods": null, "podsOK": null, "podsKO": null },
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        rack[key] = value.clone();
    }
    rack
}

/// Waits until this operator has seen the cluster and found nothing to do.
pub(crate) async fn taken_over(cluster: &Cluster<'_>, nodes: usize) -> Result<CassandraClusterStatus> {
    let ready = format!("{nodes}/{nodes}");
    cluster
        .status_is("the cluster is taken over", |status| {
            status.pinned.is_some()
                && status.phase == Some(Phase::Running)
                && status.nodes_ready.as_deref() == Some(&ready)
                && status.last_cluster_action_status == Some(ActionStatus::Done)
        })
        .await
}

/// A status that CassKop left.
struct Left {
    phase: &'static str,
    action: [&'static str; 2],
    racks: [Value; 2],
}

/// States that CassKop leaves unfinished, while all pods of the cluster run and nothing is under way.
fn states(snapshot: &str) -> Vec<Left> {
    let none = json!({});
    let initializing = |sub_phase: &str| {
        let more = json!({ "initializingSubPhase": sub_phase });
        left("Initializing", ["Initializing", "Ongoing"], &more)
    };
    let running = left("Running", ["Initializing", "Done"], &none);
    let stuck = json!({ "podLastOperation": {
        "name": "decommission", "status": "Finalizing", "startTime": "2026-01-02T03:04:05Z",
        "pods": ["demo-dc1-rack1-2"], "podsOK": [], "podsKO": [],
    } });
    let snapshot = json!({ "statefulSetSnapshotBeforeStorageResize": snapshot });
    let states = [
        (
            "Running",
            ["Initializing", "Done"],
            [running.clone(), running.clone()],
        ),
        (
            "Initializing",
            ["Initializing", "Ongoing"],
            [initializing("NextPodPerRack"), initializing("FirstPodPerRack")],
        ),
        (
            "Pending",
            ["UpdateStatefulSet", "Ongoing"],
            [
                left("Pending", ["UpdateStatefulSet", "Ongoing"], &none),
                running.clone(),
            ],
        ),
        (
            "Pending",
            ["RollingRestart", "Ongoing"],
            // Its label of the template is of the second before.
            [
                running.clone(),
                left("Running", ["RollingRestart", "Ongoing"], &none),
            ],
        ),
        (
            "Pending",
            ["ScaleDown", "Continue"],
            [
                left("Pending", ["ScaleDown", "Continue"], &stuck),
                left("Running", ["UpdateResources", "ToDo"], &none),
            ],
        ),
        (
            "Pending",
            ["ScaleDown", "Ongoing"],
            [
                left("Pending", ["ScaleDown", "Ongoing"], &stuck),
                left("Running", ["UpdateSeedList", "Configuring"], &none),
            ],
        ),
        (
            "Pending",
            ["StorageUpsize", "Ongoing"],
            [
                left("Pending", ["StorageUpsize", "Ongoing"], &snapshot),
                running.clone(),
            ],
        ),
    ];
    let as_left = |(phase, action, racks)| Left { phase, action, racks };
    states.map(as_left).into()
}

/// CassKop's status, in one state after the other: what it says is under way is not, and the nodes are left alone.
#[tokio::test]
async fn a_cluster_of_casskops_is_taken_over_whatever_its_status_says_and_no_pod_restarts() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    casskop::create(&ground).await?;
    let cluster = Cluster::existing(&ground, casskop::NAME);
    let nodes = casskop::RACKS.len() * casskop::NODES_PER_RACK;
    let before = untouched(&ground, &cluster).await?;
    let set = all::<StatefulSet>(&ground).await?.into_iter().next();
    let snapshot = serde_json::to_string(&set.context("no StatefulSet")?)?;
    for Left { phase, action, racks } in states(&snapshot) {
        let racks: Vec<_> = casskop::RACKS.into_iter().zip(racks).collect();
        cluster.forget_status().await?;
        casskop::leave(&ground, phase, action, &racks).await?;
        let operator = Operator::start(&ground)?;
        let status = taken_over(&cluster, nodes)
            .await
            .with_context(|| operator.log())?;
        operator.kill()?;
        assert_eq!(untouched(&ground, &cluster).await?, before, "left as {action:?}");
        for rack in status.cassandra_rack_status.values() {
            assert_eq!(
                (rack.phase, rack.initializing_sub_phase),
                (Some(Phase::Running), None),
                "{action:?}: {rack:?}"
            );
            let last = rack.cassandra_last_action.clone().unwrap_or_default();
            assert_eq!(last.status, Some(ActionStatus::Done), "{action:?}: {rack:?}");
        }
        let known: Vec<&String> = status.cassandra_node_status.keys().collect();
        assert_eq!(known.len(), nodes, "{known:?}");
        let pinned = status.pinned.unwrap_or_default();
        assert_eq!(
            pinned.bootstrap_image.as_deref(),
            Some("ghcr.io/cscetbon/casskop-bootstrap:0.1.21")
        );
    }
    Ok(())
}

/// Once taken over, the cluster is like any other: the operator may be started anew, and what its user asks for is done.
#[tokio::test]
async fn a_cluster_that_was_taken_over_can_be_worked_on() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    casskop::create(&ground).await?;
    let cluster = Cluster::existing(&ground, casskop::NAME);
    let running = left("Running", ["Initializing", "Done"], &json!({}));
    let racks: Vec<_> = casskop::RACKS.map(|rack| (rack, running.clone())).into();
    casskop::leave(&ground, "Running", ["Initializing", "Done"], &racks).await?;
    casskop::schedule_a_backup(&ground, "nightly")?;
    let before = untouched(&ground, &cluster).await?;
    for _ in 0..2 {
        let operator = Operator::start(&ground)?;
        taken_over(&cluster, 4).await?;
        // An operation it carries out is a pass it made.
        let pods = cluster.pod_names().await?;
        cluster.casskop(["cleanup", "start", "--crd", casskop::NAME])?;
        let pods: Vec<&str> = pods.iter().map(String::as_str).collect();
        cluster.operations_end(&pods, "Done").await?;
        operator.kill()?;
        assert_eq!(untouched(&ground, &cluster).await?, before);
    }
    let told = all::<Event>(&ground).await?.into_iter().filter_map(|event| {
        let is_it = event.reason.as_deref() == Some("BackupsNotScheduled");
        event.note.filter(|_| is_it)
    });
    let told: Vec<String> = told.collect();
    assert!(
        told.len() == 1 && told[0].ends_with("CassandraBackup nightly"),
        "{told:?}"
    );
    let _operator = Operator::start(&ground)?;
    cluster.casskop(["restart", "--crd", casskop::NAME, "--rack", "dc1.rack2"])?;
    cluster
        .action_done("dc1-rack2", ClusterAction::RollingRestart)
        .await?;
    cluster.settled(4).await?;
    let now = untouched(&ground, &cluster).await?;
    for (pod, identity) in &now.pods {
        assert_eq!(before.pods[pod] == *identity, pod.contains("rack1"), "{pod}");
    }
    let set = all::<StatefulSet>(&ground).await?;
    let images = |set: &StatefulSet| {
        let pod = set
            .spec
            .as_ref()
            .and_then(|spec| spec.template.spec.clone())
            .unwrap_or_default();
        let init = pod.init_containers.into_iter().flatten();
        init.chain(pod.containers)
            .filter_map(|container| container.image)
            .collect::<Vec<_>>()
    };
    assert!(
        set.windows(2).all(|sets| images(&sets[0]) == images(&sets[1])),
        "{set:?}"
    );
    Ok(())
}

/// A scale-down that CassKop's operator died in: the node is leaving, and is not asked a second time.
#[tokio::test]
async fn a_scale_down_that_casskop_began_is_brought_to_its_end() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    casskop::create(&ground).await?;
    let cluster = Cluster::existing(&ground, casskop::NAME);
    let (simulator, id) = cluster.simulator()?;
    let shop = Keyspace::full(Replication::by_dc([("dc1", 2)]));
    simulator.put_keyspace(&id, "shop", shop).await?;
    cluster.edit(json!({ "nodesPerRacks": 1 })).await?;
    let leaving = json!({ "podLastOperation": {
        "name": "decommission", "status": "Finalizing", "startTime": "2026-01-02T03:04:05Z",
        "pods": ["demo-dc1-rack1-1"], "podsOK": [], "podsKO": [],
    } });
    let racks = [
        ("rack1", left("Pending", ["ScaleDown", "Ongoing"], &leaving)),
        ("rack2", left("Running", ["Initializing", "Done"], &json!({}))),
    ];
    // As CassKop does: by a call to the node, and then its operator is gone.
    decommission(&ground, "demo-dc1-rack1-1").await?;
    casskop::leave(&ground, "Pending", ["ScaleDown", "Ongoing"], &racks).await?;
    let _operator = Operator::start(&ground)?;
    for rack in ["dc1-rack1", "dc1-rack2"] {
        cluster.action_done(rack, ClusterAction::ScaleDown).await?;
    }
    cluster.settled(2).await?;
    let ring = simulator.ring(&id).await?;
    assert!(ring.ring.lost("shop").is_empty(), "{:?}", ring.ring.lost("shop"));
    let calls = simulator.calls(&CallQuery::of(id, "decommission")).await?;
    assert_eq!(calls.len(), 2, "{calls:?}");
    let claims: Vec<String> = all::<PersistentVolumeClaim>(&ground)
        .await?
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(claims, ["data-demo-dc1-rack1-0", "data-demo-dc1-rack2-0"]);
    Ok(())
}

/// Makes a node leave as CassKop did: by a call to its Jolokia.
async fn decommission(ground: &Ground, pod: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let address = pods.get(pod).await?.status.and_then(|status| status.pod_ip);
    let address = address
        .with_context(|| format!("{pod} has no address"))?
        .parse()?;
    let node = JolokiaClient::at(SocketAddr::new(address, JOLOKIA));
    let version = node.call(&storage_service::release_version()).await?;
    let call = storage_service::decommission(version, storage_service::Replication::MustHold);
    Ok(node.call(&call).await?)
}
