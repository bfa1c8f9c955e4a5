//! Long calls to nodes. They run beside the passes, for hours if need be; a pass sees how they are getting on.
//!
//! Nothing here survives the process: after a restart the record in the cluster's status and the node itself tell what
//! was running.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use casskop_core::call::{CallKey, CallState, NodeCall, Replicas};
use casskop_core::work::{Work, counter};
use casskop_jolokia::storage_service::{self as storage, Jobs, Output, Replication, Scrub, Tables};
use casskop_jolokia::{Call, CallError, Category};
use casskop_types::operation::{OperationName, TableOptions, TableWork};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::cluster_id::ClusterId;
use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::nodes::Node;

/// Jolokia's agent has five threads, shared with the probes and the questions of passes.
const AT_ONCE_PER_NODE: usize = 2;
/// A connection that cannot be opened certainly started nothing, so opening it can be tried again for a while.
const KEEP_DIALLING: Duration = Duration::from_mins(1);
const DIAL_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// After this time the operator stops waiting for an answer and asks the node now and then instead. A connection that is
/// silent for so long is more likely to be half open than the node to be at work.
const DEADLINE: Duration = Duration::from_hours(7 * 24);
/// How soon a node is asked how far it is, and how often from then on.
const FIRST_LOOK: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The long calls of all clusters.
#[derive(Debug)]
pub struct Calls {
    of_cluster: Mutex<BTreeMap<ClusterId, BTreeMap<CallKey, Running>>>,
    wake: mpsc::UnboundedSender<ClusterId>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Running {
    state: Arc<Mutex<CallState>>,
    /// Whether nothing more of it is to begin.
    stopped: Arc<AtomicBool>,
    /// Dropping it closes the connection; the node goes on with the work.
    _task: AbortOnDropHandle<()>,
}

impl Calls {
    /// No calls yet. Every step of one sends its cluster to `wake`.
    pub fn new(wake: mpsc::UnboundedSender<ClusterId>, metrics: &Arc<Metrics>) -> Self {
        Self {
            of_cluster: Mutex::default(),
            wake,
            metrics: Arc::clone(metrics),
        }
    }

    /// What is known of the calls of `cluster`.
    pub fn states(&self, cluster: &ClusterId) -> BTreeMap<CallKey, CallState> {
        let clusters = lock(&self.of_cluster);
        let calls = clusters.get(cluster).into_iter().flatten();
        calls
            .map(|(key, call)| (key.clone(), lock(&call.state).clone()))
            .collect()
    }

    /// Starts a call, unless it is there already.
    pub fn start(
        &self,
        cluster: &ClusterId,
        key: &CallKey,
        node: Node,
        call: NodeCall,
    ) -> Result<(), Failure> {
        let mut clusters = lock(&self.of_cluster);
        let calls = clusters.entry(cluster.clone()).or_default();
        if calls.contains_key(key) {
            return Ok(());
        }
        let busy = |(other, running): &(&CallKey, &Running)| {
            other.pod_uid == key.pod_uid && matches!(*lock(&running.state), CallState::Running { .. })
        };
        if calls.iter().filter(busy).count() >= AT_ONCE_PER_NODE {
            return Err(Failure::Conflict(format!(
                "operation {}: its node is busy with {AT_ONCE_PER_NODE} calls",
                key.record
            )));
        }
        let state = Arc::new(Mutex::new(CallState::Running {
            keyspaces_done: Vec::new(),
            work: None,
        }));
        let stopped = Arc::new(AtomicBool::new(false));
        let progress = Progress {
            state: Arc::clone(&state),
            stopped: Arc::clone(&stopped),
            wake: self.wake.clone(),
            cluster: cluster.clone(),
        };
        let counted = Counted::new(&self.metrics);
        let task = tokio::spawn(async move {
            let _counted = counted;
            carry_out(&node, &call, &progress).await;
        });
        calls.insert(
            key.clone(),
            Running {
                state,
                stopped,
                _task: AbortOnDropHandle::new(task),
            },
        );
        Ok(())
    }

    /// Begins nothing more of a call; what the node is at goes on.
    pub fn stop(&self, cluster: &ClusterId, key: &CallKey) {
        let clusters = lock(&self.of_cluster);
        if let Some(call) = clusters.get(cluster).and_then(|calls| calls.get(key)) {
            call.stopped.store(true, Ordering::Relaxed);
        }
    }

    /// Drops a call whose end is recorded.
    pub fn forget(&self, cluster: &ClusterId, key: &CallKey) {
        if let Some(calls) = lock(&self.of_cluster).get_mut(cluster) {
            calls.remove(key);
        }
    }

    /// Drops all calls of a cluster that is no more.
    pub fn abandon(&self, cluster: &ClusterId) {
        lock(&self.of_cluster).remove(cluster);
    }
}

/// The data behind these locks is whole at any moment, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Counted(Arc<Metrics>);

impl Counted {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.call_began();
        Self(Arc::clone(metrics))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.call_ended();
    }
}

/// Where a running call writes how far it is.
struct Progress {
    state: Arc<Mutex<CallState>>,
    stopped: Arc<AtomicBool>,
    wake: mpsc::UnboundedSender<ClusterId>,
    cluster: ClusterId,
}

impl Progress {
    fn now(&self, state: CallState) {
        *lock(&self.state) = state;
        self.wake();
    }

    /// What the node is at; nobody is woken for what is no news.
    fn at(&self, now: Work) {
        if let CallState::Running { work, .. } = &mut *lock(&self.state) {
            if !now.is_news(work.as_ref()) {
                return;
            }
            *work = Some(now);
        }
        self.wake();
    }

    fn wake(&self) {
        // Nobody listens any more only while the operator stops.
        let _ = self.wake.send(self.cluster.clone());
    }
}

async fn carry_out(node: &Node, call: &NodeCall, progress: &Progress) {
    let mut done = Vec::new();
    let ended = tokio::select! {
        // A call that has ended is not asked about.
        biased;
        ended = timeout(DEADLINE, run(node, call, &mut done, progress)) => match ended {
            Ok(ended) => ended,
            Err(_) => Err(Ending::Lost(format!(
                "no answer within {} days",
                DEADLINE.as_secs() / 86_400
            ))),
        },
        never = watch(node, call.operation(), progress) => match never {},
    };
    let keyspaces_done = done;
    progress.now(match ended {
        Ok(()) => CallState::Succeeded { keyspaces_done },
        Err(Ending::Failed(reason)) => CallState::Failed {
            keyspaces_done,
            reason,
        },
        Err(Ending::Lost(reason)) => CallState::Lost {
            keyspaces_done,
            reason,
        },
    });
}

/// Asks the node now and then how far it is, for as long as it is polled.
async fn watch(node: &Node, operation: OperationName, progress: &Progress) -> Infallible {
    if counter(operation).is_none() {
        return std::future::pending().await;
    }
    sleep(FIRST_LOOK).await;
    loop {
        // A node that does not answer this may answer the next, and the call itself all the same.
        if let Ok(Some(work)) = node.work(operation).await {
            progress.at(work);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// How a call ended that did not succeed.
#[derive(Debug)]
enum Ending {
    /// Certainly over.
    Failed(String),
    /// The node may be at it still.
    Lost(String),
}

impl From<CallError> for Ending {
    fn from(error: CallError) -> Self {
        if error.category().outcome_unknown() {
            Self::Lost(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}

async fn run(
    node: &Node,
    call: &NodeCall,
    done: &mut Vec<String>,
    progress: &Progress,
) -> Result<(), Ending> {
    match call {
        NodeCall::Tables { work, options, skip } => {
            let keyspaces = match &options.keyspace {
                Some(keyspace) => vec![keyspace.clone()],
                // The node's own keyspaces have nothing to clean up, and Cassandra refuses it.
                None if *work == TableWork::Cleanup => ask(node, &storage::non_local_keyspaces()).await?,
                None => ask(node, &storage::keyspaces()).await?,
            };
            let on = |keyspace: &str| on_tables(*work, keyspace, options);
            each_keyspace(node, keyspaces, skip, on, done, progress).await
        }
        NodeCall::Rebuild { from_dc } => block(node, &storage::rebuild(from_dc)).await,
        NodeCall::RemoveNode { host_id } => {
            let host_id = host_id
                .parse()
                .map_err(|error| Ending::Failed(format!("{error}")))?;
            block(node, &storage::remove_node(&host_id)).await
        }
        NodeCall::Decommission { replicas } => {
            let replication = match replicas {
                Replicas::MustHold => Replication::MustHold,
                Replicas::MayFall => Replication::MayFall,
            };
            let version = ask(node, &storage::release_version()).await?;
            block(node, &storage::decommission(version, replication)).await
        }
        NodeCall::ReloadSsl => block(node, &storage::reload_ssl()).await,
        NodeCall::Move { token } => block(node, &storage::move_to(token)).await,
        NodeCall::Drain => block(node, &storage::drain()).await,
    }
}

fn on_tables(work: TableWork, keyspace: &str, options: &TableOptions) -> Call<()> {
    let tables = Tables {
        keyspace,
        names: &options.tables,
    };
    let threads = Jobs::new(options.threads.unwrap_or_default().into());
    match work {
        TableWork::Cleanup => storage::cleanup(tables, threads),
        TableWork::UpgradeSstables => storage::upgrade_sstables(tables, threads),
        TableWork::Scrub => {
            let how = Scrub {
                no_snapshot: options.no_snapshot,
                skip_corrupted: options.skip_corrupted,
                no_validate: options.no_validate,
            };
            storage::scrub(tables, threads, how)
        }
        TableWork::Compact => match &options.tokens {
            Some(tokens) => storage::compact_tokens(tables, &tokens.start, &tokens.end),
            None if options.split_output => storage::compact(tables, Output::Split),
            None => storage::compact(tables, Output::Few),
        },
        TableWork::Flush => storage::flush(tables),
        TableWork::GarbageCollect => storage::garbage_collect(tables, threads),
    }
}

async fn each_keyspace(
    node: &Node,
    mut keyspaces: Vec<String>,
    skip: &[String],
    work: impl Fn(&str) -> Call<()>,
    done: &mut Vec<String>,
    progress: &Progress,
) -> Result<(), Ending> {
    // In an order that is the same on every attempt.
    keyspaces.sort();
    done.extend(
        keyspaces
            .iter()
            .filter(|keyspace| skip.contains(keyspace))
            .cloned(),
    );
    keyspaces.retain(|keyspace| !skip.contains(keyspace));
    let last = keyspaces.len().saturating_sub(1);
    for (at, keyspace) in keyspaces.into_iter().enumerate() {
        if progress.stopped.load(Ordering::Relaxed) {
            return Err(Ending::Failed(format!("stopped before keyspace {keyspace}")));
        }
        block(node, &work(&keyspace)).await?;
        done.push(keyspace);
        if at != last {
            progress.now(CallState::Running {
                keyspaces_done: done.clone(),
                work: None,
            });
        }
    }
    Ok(())
}

/// A question may be put again whatever happened to it.
async fn ask<T>(node: &Node, call: &Call<T>) -> Result<T, Ending> {
    again_while(node, call, |category| {
        matches!(
            category,
            Category::Unreachable | Category::Timeout | Category::Lost
        )
    })
    .await
}

/// Work may be asked for again only if the request certainly did not arrive.
async fn block(node: &Node, call: &Call<()>) -> Result<(), Ending> {
    again_while(node, call, |category| category == Category::Unreachable).await
}

async fn again_while<T>(node: &Node, call: &Call<T>, may_again: fn(Category) -> bool) -> Result<T, Ending> {
    let until = Instant::now() + KEEP_DIALLING;
    loop {
        match node.call(call).await {
            Err(error) if may_again(error.category()) && Instant::now() < until => {
                sleep(DIAL_AGAIN_AFTER).await;
            }
            Err(error) if may_again(error.category()) => return Err(Ending::Failed(error.to_string())),
            answer => return Ok(answer?),
        }
    }
}

#[cfg(test)]
mod tests;
