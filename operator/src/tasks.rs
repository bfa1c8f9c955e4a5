//! Tasks (`control.k8ssandra.io`): a pass over all of a namespace whenever something happened to one of them, or to a cluster of
//! theirs. What a task asks of nodes it asks through labels of pods, like anybody else.

mod observe;
mod watch;
mod write;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use casskop_core::effect::Wake;
use casskop_core::task::{
    FanOutScene, Members, Misplaced, Place, ScheduleScene, TaskScene, datacenter, fan_out, run_schedule,
    step, withdraw,
};
use casskop_core::view::tasks::state;
use casskop_types::names::DcName;
use casskop_types::task::{CassandraTask, TaskStatus};
use futures::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::backoff;
use crate::cli::Scope;
use crate::failure::Failure;
use crate::reconcile::Operator;
use observe::Seen;
use write::Writer;

/// Passes that may lose against other writers in a row before it is a failure.
const LOOKS: u32 = 4;
/// End of a pass's patience with the API server.
const LONGEST_PASS: Duration = Duration::from_mins(1);

/// A pass over a cluster has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The cluster's namespace.
    pub namespace: String,
    /// Whether tasks wait for something that its pods were asked for. The tasks themselves may be gone.
    pub are_asking: bool,
}

/// Makes passes until it is dropped.
pub async fn run(operator: Arc<Operator>, scope: Scope, mut news: mpsc::UnboundedReceiver<News>) {
    let mut sightings = watch::start(&operator.client, &scope);
    let mut agenda = Agenda::default();
    let mut failures: HashMap<String, u32> = HashMap::new();
    loop {
        let next = agenda.next();
        let timer = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(sighting) = sightings.next() => agenda.saw(sighting),
            Some(told) = news.recv() => agenda.heard(told),
            () = timer => {}
        }
        // What happened meanwhile is seen by the same pass.
        while let Some(Some(sighting)) = sightings.next().now_or_never() {
            agenda.saw(sighting);
        }
        while let Ok(told) = news.try_recv() {
            agenda.heard(told);
        }
        for namespace in agenda.take_due() {
            let ended = timeout(LONGEST_PASS, pass(&operator, &namespace)).await;
            let ended = ended.unwrap_or_else(|_| {
                let seconds = LONGEST_PASS.as_secs();
                Err(Failure::Timeout(format!("no end after {seconds} s")))
            });
            let wait = match ended {
                Ok(wake) => {
                    failures.remove(&namespace);
                    wait(wake)
                }
                Err(failure) => {
                    let in_a_row = failures.entry(namespace.clone()).or_default();
                    *in_a_row = in_a_row.saturating_add(1);
                    Some(after_failure(&operator, &namespace, &failure, *in_a_row))
                }
            };
            if let Some(wait) = wait {
                agenda.look_after(namespace, wait);
            }
        }
    }
}

/// Namespaces to look at.
#[derive(Default)]
struct Agenda {
    known: watch::Known,
    due: HashMap<String, Instant>,
}

impl Agenda {
    fn saw(&mut self, sighting: watch::Sighting) {
        if let Some(namespace) = self.known.digest(sighting) {
            self.look_after(namespace, Duration::ZERO);
        }
    }

    /// Of clusters without tasks there is nothing to look at.
    fn heard(&mut self, news: News) {
        if news.are_asking || self.known.are_in(&news.namespace) {
            self.look_after(news.namespace, Duration::ZERO);
        }
    }

    fn look_after(&mut self, namespace: String, wait: Duration) {
        self.due.insert(namespace, Instant::now() + wait);
    }

    /// When the next one is due.
    fn next(&self) -> Option<Instant> {
        self.due.values().min().copied()
    }

    fn take_due(&mut self) -> Vec<String> {
        let now = Instant::now();
        self.due
            .extract_if(|_, at| *at <= now)
            .map(|(namespace, _)| namespace)
            .collect()
    }
}

/// Losing against another writer is no failure, unless it happens again and again.
fn after_failure(operator: &Operator, namespace: &str, failure: &Failure, in_a_row: u32) -> Duration {
    match failure {
        Failure::Conflict(what) if in_a_row < LOOKS => {
            tracing::debug!(namespace, "tasks: looking again: {what}");
            Duration::ZERO
        }
        failure => {
            operator.metrics.pass_failed(failure.category());
            tracing::warn!(
                namespace,
                category = failure.category(),
                "tasks: pass failed: {failure}"
            );
            backoff::delay(in_a_row)
        }
    }
}

fn wait(wake: Wake) -> Option<Duration> {
    match wake {
        Wake::OnEvent => None,
        Wake::After(time) => Some(Duration::try_from(time).unwrap_or_default()),
    }
}

/// One pass over the tasks of a namespace. One that fails does not keep the others from going on.
async fn pass(operator: &Operator, namespace: &str) -> Result<Wake, Failure> {
    let mut seen = observe::read(&operator.client, namespace).await?;
    let writer = Writer { operator, namespace };
    let now = Timestamp::now();
    let mut pass = Pass {
        wake: Wake::OnEvent,
        failure: None,
    };
    for task in &seen.schedules {
        let plan = run_schedule(ScheduleScene {
            task,
            tasks: &seen.tasks,
            now,
        });
        pass.then(plan.wake, writer.schedule(task, plan).await);
    }
    // A part that cannot be read is not gone.
    let fan_outs = seen.fan_outs.iter().filter(|_| !seen.has_unreadable_tasks);
    for task in fan_outs {
        let named = task
            .spec
            .cluster
            .as_ref()
            .and_then(|cluster| cluster.name.as_ref());
        let cluster = seen
            .clusters
            .iter()
            .find(|cluster| cluster.metadata.name.as_ref() == named);
        let plan = fan_out(FanOutScene {
            task,
            cluster,
            tasks: &seen.tasks,
            now,
        });
        pass.then(plan.wake, writer.fan_out(task, cluster, plan).await);
    }
    run_tasks(&writer, &mut seen, now, &mut pass).await;
    match pass.failure {
        Some(failure) => Err(failure),
        None => Ok(pass.wake),
    }
}

async fn run_tasks(writer: &Writer<'_>, seen: &mut Seen, now: Timestamp, pass: &mut Pass) {
    let places: Vec<Result<(usize, DcName), String>> = seen
        .tasks
        .iter()
        .map(|task| datacenter(task, &seen.clusters))
        .collect();
    let unreadable = seen
        .unreadable_clusters
        .first()
        .map(|name| format!("CassandraCluster {name} cannot be read, see the operator's log"));
    // Also of clusters without a task: one may have been deleted in the middle.
    let members: Vec<Result<Members, String>> = seen
        .clusters
        .iter()
        .map(|cluster| observe::members(cluster, &seen.pods))
        .collect();
    for (index, found) in places.iter().enumerate() {
        let place = match (found, &unreadable) {
            (Ok((cluster, dc)), _) => match &members[*cluster] {
                Ok(members) => Ok(Place { members, dc }),
                Err(why) => Err(Misplaced::BrokenCluster(why)),
            },
            // It may be that one's.
            (Err(_), Some(unreadable)) => Err(Misplaced::BrokenCluster(unreadable)),
            (Err(why), None) => Err(Misplaced::Unknown(why)),
        };
        let neighbours: Vec<&CassandraTask> = seen
            .tasks
            .iter()
            .zip(&places)
            .filter(|(_, other)| found.is_ok() && *other == found)
            .map(|(task, _)| task)
            .collect();
        let task = &seen.tasks[index];
        let plan = step(TaskScene {
            task,
            place,
            tasks: &neighbours,
            now,
        });
        let owner = found.as_ref().ok().map(|(cluster, _)| &seen.clusters[*cluster]);
        let status = plan.status.clone();
        let written = writer.task(task, owner, &plan).await;
        let is_written = written.is_ok();
        pass.then(plan.wake, written);
        if is_written {
            count(writer.operator, task, &status);
            // Whoever comes later in the queue sees what this one has become.
            seen.tasks[index].status = Some(status);
        }
    }
    if seen.has_unreadable_tasks {
        // They may have asked for what is on pods.
        return;
    }
    for members in members.iter().flatten() {
        for write in withdraw(members, &seen.tasks) {
            pass.then(Wake::OnEvent, writer.pod(&write).await);
        }
    }
}

/// Counts a task that has just ended.
fn count(operator: &Operator, before: &CassandraTask, now: &TaskStatus) {
    let had_ended = before
        .status
        .as_ref()
        .is_some_and(|status| status.completion_time.is_some());
    if had_ended || now.completion_time.is_none() {
        return;
    }
    let command = before.spec.template.command().and_then(|word| word.parse().ok());
    operator.metrics.task_ended(command, state(now));
}

/// What a pass came to so far.
struct Pass {
    wake: Wake,
    failure: Option<Failure>,
}

impl Pass {
    fn then(&mut self, wake: Wake, written: Result<(), Failure>) {
        self.wake = match (self.wake, wake) {
            (Wake::OnEvent, other) | (other, Wake::OnEvent) => other,
            (Wake::After(one), Wake::After(other)) => Wake::After(one.min(other)),
        };
        if let Err(failure) = written {
            // One that is more than outdated counts.
            let outdated = |known: &Failure| matches!(known, Failure::Conflict(_));
            self.failure = match self.failure.take() {
                Some(known) if !outdated(&known) => Some(known),
                _ => Some(failure),
            };
        }
    }
}
