//! The life of the operator process: connect, wait for what it needs, lead, and stop in order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use casskop_jolokia::TimeLimits;
use casskop_types::cluster;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::controller::{self, Action, Error as ControllerError};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::calls::Calls;
use crate::cli::RunArgs;
use crate::cluster_id::{ClusterId, Guarded};
use crate::events::Events;
use crate::failure::Failure;
use crate::fingerprint::Fingerprint as _;
use crate::hooks::Hooks;
use crate::http::{self, Pages};
use crate::lease::{Candidate, Leadership, Term};
use crate::legacy_lock::LegacyLock;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::nodes::Nodes;
use crate::readiness::Readiness;
use crate::reconcile::{self, Operator, READ_AT_ONCE};
use crate::tasks;
use crate::telemetry::VERSION;
use crate::watch::{self, Sighting};

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// On request.
    Stopped,
    /// It may not act any more; a new process starts by waiting until it may.
    MustRestart,
}

/// Passes under way when the operator is asked to stop get this long to end.
const PASSES_MAY_END: Duration = Duration::from_secs(8);
const LOOK_FOR_DEFINITION_EVERY: Duration = Duration::from_secs(5);

/// Runs until a signal, or until another operator has to act instead.
pub async fn run(args: RunArgs) -> anyhow::Result<Ending> {
    let mut stop = stop_signal()?;
    let metrics = Arc::new(Metrics::default());
    let readiness = Arc::new(Readiness::default());
    let pages = Pages {
        metrics: Arc::clone(&metrics),
        readiness: Arc::clone(&readiness),
    };
    http::serve(args.metrics_addr.0, pages.clone()).await?;
    if args.health_probe_bind_address != args.metrics_addr {
        http::serve(args.health_probe_bind_address.0, pages).await?;
    }

    let config = kubernetes(args.kubeconfig.as_deref()).await?;
    let name = args.pod_name.clone().unwrap_or_else(name_outside_of_pods);
    let server = config.cluster_url.to_string();
    let own_namespace = args
        .leader
        .leader_election_namespace
        .clone()
        .unwrap_or_else(|| config.default_namespace.clone());
    tracing::info!(
        version = VERSION,
        name,
        server,
        "casskop-operator starts; it runs the clusters of {}",
        args.watch_namespace
    );
    let client = Client::try_from(config).context("the kubernetes client cannot be made")?;

    let legacy_lock = LegacyLock::new(client.clone(), &args.watch_namespace, &own_namespace);
    let candidate = Candidate::new(
        client.clone(),
        &own_namespace,
        &args.leader.leader_election_id,
        &name,
        args.leader.leader_lease_duration,
    );
    let prepare = async {
        definition(&client).await;
        readiness.definition_found();
        may_lead(args.leader.leader_elect.then_some(candidate), &legacy_lock).await
    };
    let leadership = tokio::select! {
        leadership = prepare => leadership,
        () = &mut stop => return Ok(Ending::Stopped),
    };
    metrics.leads();

    let (wake, woken) = mpsc::unbounded_channel();
    let (tasks, task_news) = mpsc::unbounded_channel();
    let operator = Arc::new(Operator {
        nodes: nodes(&args, &client, &metrics),
        calls: Calls::new(wake, &metrics),
        reads: Semaphore::new(READ_AT_ONCE),
        memory: Memory::default(),
        hooks: Hooks::default(),
        events: Events::start(client.clone(), &name, &metrics),
        term: leadership
            .as_ref()
            .map_or_else(Term::without_election, Leadership::term),
        metrics,
        name,
        client,
        tasks,
    });
    lead(
        &args,
        operator,
        &readiness,
        (woken, task_news),
        leadership,
        legacy_lock,
        stop,
    )
    .await
}

async fn lead(
    args: &RunArgs,
    operator: Arc<Operator>,
    readiness: &Arc<Readiness>,
    (woken, task_news): (
        mpsc::UnboundedReceiver<ClusterId>,
        mpsc::UnboundedReceiver<tasks::News>,
    ),
    mut leadership: Option<Leadership>,
    legacy_lock: LegacyLock,
    stop: BoxFuture<'static, ()>,
) -> anyhow::Result<Ending> {
    readiness.leads(watch::WATCHES);
    let (store, sightings) = watch::start(&operator.client, &args.watch_namespace, readiness);
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let scope = args.watch_namespace.clone();
    let mut tasks = AbortOnDropHandle::new(tokio::spawn(tasks::run(Arc::clone(&operator), scope, task_news)));
    let passes = tokio::spawn(passes(args.clone(), operator, store, sightings, woken, stopped));
    let passes = AbortOnDropHandle::new(passes);
    let lost = async {
        match &mut leadership {
            Some(leadership) => leadership.keep().await,
            None => std::future::pending().await,
        }
    };
    // Dropping `passes` ends every pass at its next await: nothing is written after a loss.
    tokio::select! {
        failure = lost => {
            tracing::error!("not leading any more: {failure}");
            return Ok(Ending::MustRestart);
        }
        held = legacy_lock.taken() => {
            tracing::error!("stopping: {held}");
            return Ok(Ending::MustRestart);
        }
        ended = &mut tasks => {
            tracing::error!("tasks are not looked after any more: {ended:?}");
            return Ok(Ending::MustRestart);
        }
        () = stop => {}
    }
    // Written in the wrong order or half, a task's status and requests are found again by the next operator.
    drop(tasks);
    tracing::info!("stopping: passes under way may end, calls go on in their nodes");
    drop(stopping);
    if timeout(PASSES_MAY_END, passes).await.is_err() {
        tracing::warn!(
            "a pass did not end in {} s and was broken off",
            PASSES_MAY_END.as_secs()
        );
    }
    if let Some(leadership) = leadership {
        leadership.release().await;
    }
    Ok(Ending::Stopped)
}

async fn passes(
    args: RunArgs,
    operator: Arc<Operator>,
    store: Store<Guarded>,
    sightings: futures::stream::BoxStream<'static, Sighting>,
    mut woken: mpsc::UnboundedReceiver<ClusterId>,
    stopped: tokio::sync::oneshot::Receiver<()>,
) {
    let to_look_at = {
        let operator = Arc::clone(&operator);
        sightings.flat_map(move |sighting| futures::stream::iter(clusters_to_look_at(&operator, sighting)))
    };
    let queue = futures::stream::select(
        to_look_at,
        futures::stream::poll_fn(move |context| woken.poll_recv(context)),
    )
    .map(|cluster| Ok::<_, std::convert::Infallible>(ObjectRef::<Guarded>::from(&cluster)))
    .take_until(stopped);
    let config = controller::Config::default()
        .debounce(args.debounce)
        .concurrency(args.workers);
    controller::applier(
        |cluster: Arc<Guarded>, operator: Arc<Operator>| {
            // A task of its own, so that two passes can use both threads.
            async move {
                let Some(id) = cluster.cluster() else {
                    return Ok(Action::await_change());
                };
                let pass = tokio::spawn(async move { reconcile::reconcile(&operator, &id).await });
                let ended = AbortOnDropHandle::new(pass).await;
                ended.unwrap_or_else(|_| Err(Failure::ApiServer("the pass was broken off".to_owned())))
            }
            .boxed()
        },
        |cluster, failure, operator| match cluster.cluster() {
            Some(id) => reconcile::after_failure(&operator, &id, failure),
            None => Action::await_change(),
        },
        operator,
        store,
        queue,
        config,
    )
    .for_each(|ended| {
        if let Err(ControllerError::ObjectNotFound(cluster)) = ended {
            // Pods and StatefulSets outlive their cluster object for a moment, or for good where it was orphaned.
            tracing::debug!("nothing to do for {cluster}: there is no such cluster");
        }
        std::future::ready(())
    })
    .await;
}

fn clusters_to_look_at(operator: &Operator, sighting: Sighting) -> Vec<ClusterId> {
    match sighting {
        Sighting::Look(cluster) => vec![cluster],
        Sighting::LookAtServices(cluster) => {
            operator.memory.services_changed(&cluster);
            vec![cluster]
        }
        Sighting::ConfigMaps(news) => operator.hooks.hear(&news),
        Sighting::Gone(cluster) => {
            operator.calls.abandon(&cluster);
            operator.memory.forget(&cluster);
            operator.hooks.forget(&cluster);
            operator.metrics.cluster_gone(&cluster.namespace, &cluster.name);
            Vec::new()
        }
    }
}

/// Waits until neither CassKop nor another operator like this one acts. CassKop's lock is looked at again under the lease: a
/// CassKop operator may have started while this one waited for it.
async fn may_lead(candidate: Option<Candidate>, legacy_lock: &LegacyLock) -> Option<Leadership> {
    loop {
        legacy_lock.free().await;
        let leadership = candidate.clone()?.acquire().await;
        if legacy_lock.is_free().await {
            return Some(leadership);
        }
        leadership.release().await;
    }
}

async fn kubernetes(kubeconfig: Option<&Path>) -> anyhow::Result<Config> {
    match kubeconfig {
        Some(path) => {
            let read =
                Kubeconfig::read_from(path).with_context(|| format!("kubeconfig {}", path.display()))?;
            let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
            config.with_context(|| format!("kubeconfig {}", path.display()))
        }
        None => Config::infer().await.context(
            "neither a service account nor a kubeconfig was found; run inside a cluster or pass --kubeconfig",
        ),
    }
}

/// Waits until the API server serves the resource. Discovery is open to every authenticated user, so no Role is needed to
/// tell "not installed" from "not allowed".
async fn definition(client: &Client) {
    let group_version = format!("{}/{}", cluster::GROUP, cluster::VERSION);
    let mut told = None;
    loop {
        let problem = match client.list_api_group_resources(&group_version).await {
            Ok(served)
                if served
                    .resources
                    .iter()
                    .any(|resource| resource.name == cluster::PLURAL) =>
            {
                return;
            }
            Ok(_) => missing_definition(),
            Err(error) => match Failure::of_api("the API server", error) {
                Failure::NotFound(_) => missing_definition(),
                failure => failure.to_string(),
            },
        };
        if told.as_ref() != Some(&problem) {
            tracing::warn!("waiting: {problem}");
            told = Some(problem);
        }
        sleep(LOOK_FOR_DEFINITION_EVERY).await;
    }
}

fn missing_definition() -> String {
    format!(
        "the resource definition of {} ({}/{}) is not installed; apply crds/",
        cluster::KIND,
        cluster::GROUP,
        cluster::VERSION
    )
}

fn nodes(args: &RunArgs, client: &Client, metrics: &Arc<Metrics>) -> Nodes {
    Nodes {
        client: client.clone(),
        access: args.node_access,
        port: args.jolokia_port,
        limits: TimeLimits {
            connect: args.node_connect_timeout,
            answer: args.node_read_timeout,
        },
        metrics: Arc::clone(metrics),
    }
}

/// Outside of pods nothing guarantees one process per name, so the name has to differ between processes.
fn name_outside_of_pods() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "casskop-operator",
        host => host,
    };
    let started = jiff::Timestamp::now().as_millisecond();
    format!("{host}-{}-{started:x}", std::process::id())
}

fn stop_signal() -> anyhow::Result<BoxFuture<'static, ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    .boxed())
}
