//! What the API server makes of the operator's writes: that a precondition protects, only it can say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use casskop_core::effect::{Effect, PodLabels};
use casskop_core::licence;
use casskop_core::observed::RingView;
use casskop_jolokia::TimeLimits;
use casskop_lab::state::Nodes as LabNodes;
use casskop_operator::calls::Calls;
use casskop_operator::cli::NodeAccess;
use casskop_operator::cluster_id::ClusterId;
use casskop_operator::execute::Executor;
use casskop_operator::keyring::Keyring;
use casskop_operator::lease::{Candidate, Term};
use casskop_operator::metrics::Metrics;
use casskop_operator::nodes::Nodes;
use casskop_tests::ground::Ground;
use casskop_types::CassandraCluster;
use casskop_types::labels::KEPT_BY_OPERATION;
use casskop_types::names::PodName;
use casskop_types::operation::request_metadata;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Longer than any of these tests takes; what is awaited comes as soon as it can.
const PATIENCE: Duration = Duration::from_mins(1);

/// A cluster `demo` in a namespace of the test's own.
struct Scene {
    client: Client,
    id: ClusterId,
    nodes: Nodes,
    calls: Calls,
    term: Term,
}

impl Scene {
    async fn new() -> Result<Self> {
        let Ground {
            client, namespace, ..
        } = Ground::new(LabNodes::None).await?;
        let metrics = Arc::new(Metrics::default());
        let (wake, _) = tokio::sync::mpsc::unbounded_channel();
        let scene = Self {
            id: ClusterId::new(&namespace, "demo"),
            nodes: Nodes {
                client: client.clone(),
                access: NodeAccess::Direct,
                port: 8778,
                limits: TimeLimits::default(),
                metrics: Arc::clone(&metrics),
            },
            calls: Calls::new(wake, &metrics),
            term: Term::without_election(),
            client,
        };
        scene.create::<CassandraCluster>(&cluster()).await?;
        Ok(scene)
    }

    fn executor(&self) -> Executor<'_> {
        Executor {
            client: &self.client,
            nodes: &self.nodes,
            calls: &self.calls,
            term: &self.term,
            cluster: &self.id,
            keyring: Keyring::default(),
        }
    }

    /// Carries `effect` out and says how that ended.
    async fn carry_out(&self, effect: Effect) -> Result<&'static str> {
        let planned_on: CassandraCluster = self.api().get("demo").await?;
        let ended = self.executor().carry_out(&effect, &planned_on).await;
        Ok(ended.map_or_else(|failure| failure.category(), |()| "done"))
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.id.namespace)
    }

    async fn create<K>(&self, object: &Value) -> Result<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
    {
        let object = serde_json::from_value(object.clone())?;
        Ok(self.api().create(&PostParams::default(), &object).await?)
    }
}

fn cluster() -> Value {
    json!({
        "apiVersion": "db.orange.com/v2",
        "kind": "CassandraCluster",
        "metadata": { "name": "demo" },
        "spec": { "topology": { "dc": [{ "name": "dc1", "rack": [{ "name": "rack1", "rollingRestart": true }] }] } },
    })
}

fn pod() -> Value {
    json!({
        "metadata": { "name": "demo-dc1-rack1-0", "labels": { "operation-name": "cleanup" } },
        "spec": {
            "containers": [{ "name": "cassandra", "image": "none" }],
            // The namespace's own account comes a moment after the namespace.
            "serviceAccountName": "cassandra-cluster-node",
            // No scheduler of this name: the pod stays as it is.
            "schedulerName": "nobody",
        },
    })
}

fn stateful_set() -> Value {
    let labels = json!({ "app": "writes" });
    json!({
        "metadata": { "name": "demo-dc1-rack1" },
        "spec": {
            "replicas": 0,
            "serviceName": "demo",
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "cassandra", "image": "none" }] },
            },
        },
    })
}

#[tokio::test]
async fn of_two_candidates_one_writes_the_lease() -> Result<()> {
    let scene = Scene::new().await?;
    let candidate = |me| {
        Candidate::new(
            scene.client.clone(),
            &scene.id.namespace,
            "lease",
            me,
            Duration::from_secs(2),
        )
    };
    let (first, second) = (candidate("first"), candidate("second"));

    let created = first.write(None).await?;
    let refused = second.write(None).await.expect_err("the lease exists");
    assert_eq!(refused.category(), "conflict");

    let renewed = first.write(Some(created.clone())).await?;
    let refused = second
        .write(Some(created))
        .await
        .expect_err("the lease was renewed meanwhile");
    assert_eq!(refused.category(), "conflict");

    // The first stops renewing: the second leads once the lease has run out, not before.
    let began = tokio::time::Instant::now();
    let leadership = timeout(PATIENCE, second.clone().acquire()).await?;
    assert!(
        began.elapsed() >= Duration::from_secs(2),
        "taken after {:?}",
        began.elapsed()
    );
    let late = first
        .write(Some(renewed))
        .await
        .expect_err("the lease has passed on");
    assert_eq!(late.category(), "conflict");

    // Given back, it can be taken at once, and says how often it has changed hands.
    leadership.release().await;
    let lease = second.leases.get("lease").await?.spec.context("a spec")?;
    assert_eq!(
        (lease.holder_identity.as_deref(), lease.lease_transitions),
        (Some(""), Some(1))
    );
    timeout(PATIENCE, first.acquire()).await?;
    Ok(())
}

#[tokio::test]
async fn a_pod_of_the_same_name_is_not_labelled_or_deleted_for_another() -> Result<()> {
    let scene = Scene::new().await?;
    let pod = scene.create::<Pod>(&pod()).await?;
    let name: PodName = pod.name_any().parse()?;
    let label = |uid: &str, version: &str| {
        Effect::LabelPod(PodLabels {
            pod: name.clone(),
            uid: uid.to_owned(),
            resource_version: version.to_owned(),
            asked: request_metadata(&pod.metadata),
            labels: BTreeMap::from([
                ("operation-status".to_owned(), Some("Done".to_owned())),
                ("operation-name".to_owned(), None),
            ]),
            annotations: BTreeMap::new(),
        })
    };
    let delete = |uid: &str| Effect::DeletePod {
        pod: name.clone(),
        uid: uid.to_owned(),
        grace_seconds: 0,
    };
    let uid = pod.uid().context("a uid")?;

    let read = pod.resource_version().context("a version")?;
    assert_eq!(scene.carry_out(label("another", &read)).await?, "conflict");
    assert_eq!(scene.carry_out(delete("another")).await?, "conflict");
    let unchanged: Pod = scene.api().get(&pod.name_any()).await?;
    assert_eq!(unchanged.resource_version(), pod.resource_version());

    // The node's word about the pod, and whatever else nobody asks for by it, is no reason not to label it.
    let pods = scene.api::<Pod>();
    let patch = |metadata: Value| Patch::Merge(json!({ "metadata": metadata }));
    let other = patch(json!({ "annotations": { "of-others": "x" } }));
    pods.patch(&pod.name_any(), &PatchParams::default(), &other)
        .await?;
    assert_eq!(scene.carry_out(label(&uid, &read)).await?, "done");
    let labelled: Pod = scene.api().get(&pod.name_any()).await?;
    assert_eq!(
        *labelled.labels(),
        BTreeMap::from([("operation-status".to_owned(), "Done".to_owned())])
    );
    assert_eq!(
        scene.carry_out(label(&uid, &read)).await?,
        "conflict",
        "labelled since it was read"
    );
    assert_eq!(scene.carry_out(delete(&uid)).await?, "done");
    assert_eq!(scene.carry_out(delete(&uid)).await?, "done", "gone already");
    assert_eq!(
        scene.carry_out(label(&uid, &read)).await?,
        "conflict",
        "gone meanwhile"
    );
    Ok(())
}

/// The deletion may have been sent by an operator that died, and arrive late.
#[tokio::test]
async fn a_claim_that_is_kept_is_not_deleted_by_who_read_it_before() -> Result<()> {
    let scene = Scene::new().await?;
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": "data-demo-dc1-rack1-0" },
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "of-nobody",
            "resources": { "requests": { "storage": "1Gi" } },
        },
    });
    let claim: PersistentVolumeClaim = scene.create(&claim).await?;
    let (name, uid) = (claim.name_any(), claim.uid().context("a uid")?);
    let delete = |read: &PersistentVolumeClaim| -> Result<Effect> {
        let address = [10, 0, 0, 1].into();
        let view = RingView {
            unreachable: [address].into(),
            host_ids: [(address, "lost".to_owned())].into(),
            ..RingView::default()
        };
        let licence = licence::replaced("lost", address, &"demo-dc1-rack2-0".parse()?, &view);
        Ok(Effect::DeleteClaim {
            name: name.clone(),
            uid: uid.clone(),
            resource_version: read.resource_version().context("a version")?,
            licence: licence.context("its node is down")?,
        })
    };
    let keep = Effect::KeepClaim {
        name: name.clone(),
        uid: uid.clone(),
        record: "of-a-replacement".to_owned(),
    };
    assert_eq!(scene.carry_out(keep).await?, "done");
    assert_eq!(scene.carry_out(delete(&claim)?).await?, "conflict");
    let kept: PersistentVolumeClaim = scene.api().get(&name).await?;
    assert_eq!(kept.metadata.deletion_timestamp, None);
    assert_eq!(kept.annotations()[KEPT_BY_OPERATION], "of-a-replacement");

    assert_eq!(scene.carry_out(delete(&kept)?).await?, "done");
    let going: Option<PersistentVolumeClaim> = scene.api().get_opt(&name).await?;
    assert!(going.is_none_or(|claim| claim.metadata.deletion_timestamp.is_some()));
    Ok(())
}

#[tokio::test]
async fn a_stateful_set_is_updated_as_read_or_not_at_all() -> Result<()> {
    let scene = Scene::new().await?;
    let wanted: StatefulSet = serde_json::from_value(stateful_set())?;
    assert_eq!(
        scene
            .carry_out(Effect::CreateStatefulSet(Box::new(wanted.clone())))
            .await?,
        "done"
    );
    assert_eq!(
        scene
            .carry_out(Effect::CreateStatefulSet(Box::new(wanted)))
            .await?,
        "conflict"
    );

    let sets: Api<StatefulSet> = scene.api();
    let mut read = sets.get("demo-dc1-rack1").await?;
    let annotate = Patch::Merge(json!({ "metadata": { "annotations": { "by": "somebody else" } } }));
    sets.patch("demo-dc1-rack1", &PatchParams::default(), &annotate)
        .await?;
    read.labels_mut()
        .insert("by".to_owned(), "the operator".to_owned());
    assert_eq!(
        scene
            .carry_out(Effect::UpdateStatefulSet(Box::new(read.clone())))
            .await?,
        "conflict"
    );

    sets.delete("demo-dc1-rack1", &DeleteParams::background()).await?;
    let uid = read.uid().context("a uid")?;
    let gone = kube::runtime::wait::conditions::is_deleted(&uid);
    timeout(
        PATIENCE,
        kube::runtime::wait::await_condition(sets, "demo-dc1-rack1", gone),
    )
    .await??;
    assert_eq!(
        scene.carry_out(Effect::UpdateStatefulSet(Box::new(read))).await?,
        "conflict",
        "gone meanwhile"
    );
    Ok(())
}

#[tokio::test]
async fn rolling_restart_is_reset_on_the_rack_it_was_asked_for_only() -> Result<()> {
    let scene = Scene::new().await?;
    let reset = |dc: &str, rack: &str| Effect::ResetRollingRestart {
        dc: 0,
        dc_name: dc.to_owned(),
        rack: 0,
        rack_name: rack.to_owned(),
    };
    assert_eq!(scene.carry_out(reset("dc2", "rack1")).await?, "conflict");
    assert_eq!(scene.carry_out(reset("dc1", "rack2")).await?, "conflict");
    assert_eq!(scene.carry_out(reset("dc1", "rack1")).await?, "done");
    let cluster: CassandraCluster = scene.api().get("demo").await?;
    let stored = serde_json::to_value(&cluster.spec)?;
    assert_eq!(
        stored.pointer("/topology/dc/0/rack/0/rollingRestart"),
        Some(&json!(false))
    );
    assert_eq!(
        scene.carry_out(reset("dc1", "rack1")).await?,
        "conflict",
        "reset already"
    );
    Ok(())
}

#[tokio::test]
async fn a_status_planned_on_an_outdated_cluster_is_not_written() -> Result<()> {
    let scene = Scene::new().await?;
    let clusters: Api<CassandraCluster> = scene.api();
    let read = clusters.get("demo").await?;
    let phase = |version: Option<String>, phase: &str| json!({ "metadata": { "resourceVersion": version }, "status": { "phase": phase } });
    scene
        .executor()
        .patch_status(phase(read.resource_version(), "Initializing"))
        .await?;
    let refused = scene
        .executor()
        .patch_status(phase(read.resource_version(), "Running"))
        .await;
    assert_eq!(refused.expect_err("outdated").category(), "conflict");
    let stored = serde_json::to_value(clusters.get("demo").await?.status)?;
    assert_eq!(stored["phase"], "Initializing");
    Ok(())
}
