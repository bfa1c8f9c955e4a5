//! One pass over one cluster: observe, validate, ask the nodes, plan, execute.

use std::sync::Arc;
use std::time::{Duration, Instant};

use casskop_core::deletion;
use casskop_core::effect::{Notice, Wake};
use casskop_core::observed::{KubeState, Observed};
use casskop_core::plan::{self, Plan};
use casskop_core::questions::{growth_trials, questions};
use casskop_core::task::are_asking;
use casskop_core::validate::{ValidatedCluster, validate};
use casskop_types::cluster::CassandraCluster;
use casskop_types::conditions::{ConditionReason, ConditionStatus, ConditionType};
use jiff::Timestamp;
use kube::api::DynamicObject;
use kube::runtime::controller::Action;
use kube::{Client, Resource as _};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tracing::Instrument as _;

use crate::backoff;
use crate::calls::Calls;
use crate::cluster_id::ClusterId;
use crate::events::Events;
use crate::execute::{Executor, summary};
use crate::failure::Failure;
use crate::hooks::Hooks;
use crate::keyring::Keyring;
use crate::lease::Term;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::nodes::Nodes;
use crate::observe::{self, ClusterRead, ServicesRead};
use crate::tasks;

/// Observations in a row that were outdated before the plan was carried out, after which the cluster is left alone for a
/// moment.
const LOOKS: u32 = 3;
/// Clusters read from the API server at the same time. Each read is a connection, whose buffers grow to hundreds of
/// kilobytes; and a cluster that waits for its turn is read later, with all that has happened to it until then.
pub const READ_AT_ONCE: usize = 8;
/// End of a pass's patience with the API server and the nodes.
const LONGEST_PASS: Duration = Duration::from_mins(1);
/// A failure that lasts so many passes is told to the users of the cluster.
const FAILURES_UNTIL_EVENT: u32 = 3;

/// What passes are made with. Nothing in it couples one cluster to another but their turns at the API server.
pub struct Operator {
    /// The API server.
    pub client: Client,
    /// Whose turn it is to be read from the API server.
    pub reads: Semaphore,
    /// The way to the nodes.
    pub nodes: Nodes,
    /// Long calls.
    pub calls: Calls,
    /// What is remembered between passes.
    pub memory: Memory,
    /// Which cluster's hooks are in which ConfigMap.
    pub hooks: Hooks,
    /// Kubernetes events.
    pub events: Events,
    /// For `/metrics`.
    pub metrics: Arc<Metrics>,
    /// The leader's term.
    pub term: Term,
    /// Name of the operator's pod.
    pub name: String,
    /// Told of each pass that has ended: tasks may go on.
    pub tasks: mpsc::UnboundedSender<tasks::News>,
}

/// Makes a pass and says when to make the next one without an event.
pub async fn reconcile(operator: &Operator, id: &ClusterId) -> Result<Action, Failure> {
    let span = tracing::info_span!("reconcile", ns = id.namespace, cluster = id.name);
    let began = Instant::now();
    let ended = timeout(LONGEST_PASS, look_again_on_conflict(operator, id))
        .instrument(span.clone())
        .await;
    operator.metrics.pass_ended(began.elapsed());
    // Also where it came to nothing: tasks may wait for that. Nobody hears it once the operator stops.
    let _ = operator.tasks.send(tasks::News {
        namespace: id.namespace.clone(),
        are_asking: matches!(&ended, Ok(Ok(passed)) if passed.tasks_ask),
    });
    let failure = match ended {
        Ok(Ok(passed)) => {
            operator.memory.succeeded(id);
            return Ok(next(passed.wake));
        }
        Ok(Err(failure)) => failure,
        Err(_) => Failure::Timeout(format!("cluster {id}: no end after {} s", LONGEST_PASS.as_secs())),
    };
    operator.metrics.pass_failed(failure.category());
    doubt(operator, id);
    span.in_scope(|| tracing::warn!(category = failure.category(), "pass failed: {failure}"));
    Err(failure)
}

/// When to try again after a failed pass.
pub fn after_failure(operator: &Operator, id: &ClusterId, failure: &Failure) -> Action {
    let failures = operator.memory.failed(id);
    if failures == FAILURES_UNTIL_EVENT {
        let note = format!("the operator cannot go on and tries again: {failure}");
        let reference =
            CassandraCluster::new(&id.name, casskop_types::cluster::CassandraClusterSpec::default());
        let mut reference = reference.object_ref(&());
        reference.namespace = Some(id.namespace.clone());
        operator
            .events
            .publish(&Notice::warning("ReconcileFailed", note), reference);
    }
    Action::requeue(backoff::delay(failures))
}

fn next(wake: Wake) -> Action {
    match wake {
        Wake::OnEvent => Action::await_change(),
        Wake::After(time) => Action::requeue(Duration::try_from(time).unwrap_or_default()),
    }
}

/// Losing against another writer is no failure: what was observed is outdated.
async fn look_again_on_conflict(operator: &Operator, id: &ClusterId) -> Result<Passed, Failure> {
    let mut looks = 1;
    loop {
        match pass(operator, id).await {
            Err(Failure::Conflict(what)) if looks < LOOKS => {
                tracing::debug!("looking again: {what}");
                doubt(operator, id);
                looks += 1;
            }
            ended => return ended,
        }
    }
}

/// What was read in a pass that came to nothing has to be read again.
fn doubt(operator: &Operator, id: &ClusterId) {
    operator.memory.services_changed(id);
    operator.hooks.uncertain(id);
}

/// What a pass came to.
struct Passed {
    /// When to look again.
    wake: Wake,
    /// Whether tasks have asked something of the pods that has not ended.
    tasks_ask: bool,
}

impl From<Wake> for Passed {
    fn from(wake: Wake) -> Self {
        Self {
            wake,
            tasks_ask: false,
        }
    }
}

async fn pass(operator: &Operator, id: &ClusterId) -> Result<Passed, Failure> {
    let mut executor = Executor {
        client: &operator.client,
        nodes: &operator.nodes,
        calls: &operator.calls,
        term: &operator.term,
        cluster: id,
        keyring: Keyring::default(),
    };
    // Nobody closes the semaphore, so there is always a turn.
    let turn = operator.reads.acquire().await.ok();
    let cluster = match observe::cluster(&operator.client, id).await? {
        // Its deletion is a sighting of its own, which forgets it.
        ClusterRead::Gone => return Ok(Wake::OnEvent.into()),
        ClusterRead::Unreadable { object, reason } => {
            tracing::warn!("cluster object cannot be read: {reason}");
            mark_unreadable(&executor, &object, &reason).await?;
            return Ok(Wake::OnEvent.into());
        }
        ClusterRead::Read(cluster) => *cluster,
    };
    if cluster.metadata.deletion_timestamp.is_some() {
        // Also with a spec that cannot work.
        let kube = observe::children(
            &operator.client,
            id,
            &cluster,
            ServicesRead::NotDue,
            &operator.memory,
        )
        .await?;
        let plan = deletion::plan(&kube);
        execute(operator, id, &cluster, &plan, &mut executor).await?;
        return Ok(plan.wake.into());
    }
    if let Some(plan) = plan::pause(&cluster, Timestamp::now()) {
        execute(operator, id, &cluster, &plan, &mut executor).await?;
        return Ok(plan.wake.into());
    }
    let validated = match validate(&cluster) {
        Err(problems) => {
            let plan = plan::refuse(&cluster, &problems, Timestamp::now());
            execute(operator, id, &cluster, &plan, &mut executor).await?;
            return Ok(plan.wake.into());
        }
        Ok(validated) => validated,
    };
    let kube = read(operator, id, &cluster, &validated).await?;
    // Nodes may take seconds to answer, and other clusters are not to wait for them.
    drop(turn);
    let mut observed = ask(operator, id, kube, &validated, &mut executor).await;
    let mut plan = plan::plan(&validated, &observed, Timestamp::now());
    let mut executed = execute(operator, id, &cluster, &plan, &mut executor).await;
    if let Err(Failure::RecordRefused(why)) = executed {
        // It was to be done before anything else was, so nothing is half done. What can go on without it does.
        tracing::warn!("the ring cannot be recorded: {why}");
        observed.refused_record = Some(why);
        plan = plan::plan(&validated, &observed, Timestamp::now());
        executed = execute(operator, id, &cluster, &plan, &mut executor).await;
    }
    executed?;
    Ok(Passed {
        wake: plan.wake,
        tasks_ask: are_asking(&observed.kube.pods),
    })
}

async fn read(
    operator: &Operator,
    id: &ClusterId,
    cluster: &CassandraCluster,
    validated: &ValidatedCluster,
) -> Result<KubeState, Failure> {
    let generation = cluster.metadata.generation;
    let services = if operator.memory.services_due(id, generation) {
        operator.memory.services_read(id, generation);
        ServicesRead::Due
    } else {
        ServicesRead::NotDue
    };
    let mut kube = observe::children(&operator.client, id, cluster, services, &operator.memory).await?;
    kube.hooks = operator.hooks.content(&operator.client, id, validated).await?;
    let trials = growth_trials(validated, &kube);
    kube.growth = observe::growth(&operator.client, id, trials).await?;
    Ok(kube)
}

async fn ask(
    operator: &Operator,
    id: &ClusterId,
    kube: KubeState,
    validated: &ValidatedCluster,
    executor: &mut Executor<'_>,
) -> Observed {
    let calls = operator.calls.states(id);
    let questions = questions(validated, &kube, &calls);
    executor.keyring = Keyring::new(&kube.cluster, &kube.pods);
    let nodes = if questions.is_empty() {
        std::collections::BTreeMap::new()
    } else {
        let keyring = &mut executor.keyring;
        let credentials = keyring.of_all(&operator.client, id, questions.keys()).await;
        let addresses = observe::addresses(&kube.pods);
        operator
            .nodes
            .ask(&id.namespace, &questions, &addresses, &credentials)
            .await
    };
    tracing::debug!(
        asked = questions.len(),
        pods = kube.pods.len(),
        calls = calls.len(),
        "observed"
    );
    Observed {
        kube,
        nodes,
        calls,
        refused_record: None,
        leads_since: operator.term.began(),
        operator: operator.name.clone(),
    }
}

async fn execute(
    operator: &Operator,
    id: &ClusterId,
    cluster: &CassandraCluster,
    plan: &Plan,
    executor: &mut Executor<'_>,
) -> Result<(), Failure> {
    for effect in &plan.first {
        tracing::info!(plan = summary(effect), "executing before the status is written");
        executor.carry_out(effect, cluster).await?;
    }
    executor.write_status(cluster, plan).await?;
    operator.metrics.cluster(&id.namespace, &id.name, &plan.status);
    for notice in &plan.notices {
        tracing::info!(reason = notice.reason, "{}", notice.note);
        operator.events.publish(notice, cluster.object_ref(&()));
    }
    if !plan.effects.is_empty() {
        let steps: Vec<String> = plan.effects.iter().map(summary).collect();
        tracing::info!(plan = steps.join("; "), wake = ?plan.wake, "executing");
    }
    for effect in &plan.effects {
        executor.carry_out(effect, cluster).await?;
    }
    Ok(())
}

/// Says in the status of an object that does not fit the types why nothing happens with it. Its other conditions stay.
async fn mark_unreadable(
    executor: &Executor<'_>,
    object: &DynamicObject,
    reason: &str,
) -> Result<(), Failure> {
    let valid = ConditionType::Valid.as_str();
    let stored = object
        .data
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let is_ours = |condition: &&Value| condition["type"] == valid;
    let before = stored.into_iter().flatten().find(is_ours);
    if before.is_some_and(|before| before["message"] == reason && before["status"] == "False") {
        return Ok(());
    }
    let since = before
        .filter(|before| before["status"] == "False")
        .map(|before| before["lastTransitionTime"].clone());
    let mut conditions: Vec<Value> = stored
        .into_iter()
        .flatten()
        .filter(|condition| !is_ours(condition))
        .cloned()
        .collect();
    conditions.push(json!({
        "type": valid,
        "status": ConditionStatus::False.as_str(),
        "reason": ConditionReason::InvalidSpec.as_str(),
        "message": reason,
        "observedGeneration": object.metadata.generation,
        "lastTransitionTime": since.unwrap_or_else(|| json!(Timestamp::now())),
    }));
    executor
        .patch_status(json!({
            "metadata": { "resourceVersion": object.metadata.resource_version },
            "status": { "conditions": conditions },
        }))
        .await
}
