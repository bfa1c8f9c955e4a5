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
use casskop_types::names::DcName;
use casskop_types::task::CassandraTask;
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use crate::backoff;
use crate::cli::Scope;
use crate::failure::Failure;
use crate::reconcile::Operator;
use observe::Seen;
use write::Writer;

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
    let mut tasks = watch::Known::default();
    let mut due: HashMap<String, Instant> = HashMap::new();
    let mut failures: HashMap<String, u32> = HashMap::new();
    loop {
        let next = due.values().min().copied();
        let timer = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(sighting) = sightings.next() => {
                if let Some(namespace) = tasks.digest(sighting) {
                    due.insert(namespace, Instant::now());
                }
            }
            Some(News { namespace, are_asking }) = news.recv() => {
                if are_asking || tasks.are_in(&namespace) {
                    due.insert(namespace, Instant::now());
                }
            }
            () = timer => {}
        }
        let now = Instant::now();
        let ready: Vec<String> = due
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(namespace, _)| namespace.clone())
            .collect();
        for namespace in ready {
            due.remove(&namespace);
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
                    tracing::warn!(namespace, "tasks: pass failed: {failure}");
                    let in_a_row = failures.entry(namespace.clone()).or_default();
                    *in_a_row = in_a_row.saturating_add(1);
                    Some(backoff::delay(*in_a_row))
                }
            };
            if let Some(wait) = wait {
                due.insert(namespace, Instant::now() + wait);
            }
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
    for task in &seen.fan_outs {
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
    // Also of clusters without a task: one may have been deleted in the middle.
    let members: Vec<Result<Members, String>> = seen
        .clusters
        .iter()
        .map(|cluster| observe::members(cluster, &seen.pods))
        .collect();
    for index in 0..seen.tasks.len() {
        let found = places.get(index).map(Result::as_ref);
        let place = match found {
            Some(Ok((cluster, dc))) => match &members[*cluster] {
                Ok(members) => Ok(Place { members, dc }),
                Err(why) => Err(Misplaced::BrokenCluster(why)),
            },
            Some(Err(why)) => Err(Misplaced::Unknown(why)),
            None => continue,
        };
        let neighbours: Vec<CassandraTask> = seen
            .tasks
            .iter()
            .zip(&places)
            .filter(|(_, other)| place.is_ok() && other.as_ref().ok() == found.and_then(Result::ok))
            .map(|(task, _)| task.clone())
            .collect();
        let task = &seen.tasks[index];
        let plan = step(TaskScene {
            task,
            place,
            tasks: &neighbours,
            now,
        });
        let owner = found
            .and_then(Result::ok)
            .and_then(|(cluster, _)| seen.clusters.get(*cluster));
        let status = plan.status.clone();
        let written = writer.task(task, owner, &plan).await;
        let is_written = written.is_ok();
        pass.then(plan.wake, written);
        if is_written {
            // Whoever comes later in the queue sees what this one has become.
            seen.tasks[index].status = Some(status);
        }
    }
    for members in members.iter().flatten() {
        for write in withdraw(members, &seen.tasks) {
            pass.then(Wake::OnEvent, writer.pod(&write).await);
        }
    }
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
        match written {
            Ok(()) => {}
            // What was decided on is outdated: look again.
            Err(Failure::Conflict(what)) => {
                tracing::debug!("tasks: looking again: {what}");
                self.wake = Wake::After(SignedDuration::ZERO);
            }
            Err(failure) => self.failure = self.failure.take().or(Some(failure)),
        }
    }
}
