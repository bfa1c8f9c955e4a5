//! Waiting for the end of a task.

use std::fmt;
use std::time::Duration;

use casskop_core::view::tasks::{TaskPart, TaskState, TaskView};
use casskop_types::task::{CassandraTask, K8ssandraTask};
use futures::stream::{LocalBoxStream, StreamExt};
use kube::ResourceExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::goal::{Item, ItemState, Progress};
use super::watch::News;
use super::{Awaited, Change, Feed, until_ended};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::render::task_name;
use crate::request::{Found, Task};

/// A task as it was read: where to watch it from.
#[derive(Debug, Clone)]
pub(crate) struct TaskRef {
    found: Found,
    view: TaskView,
    version: String,
}

impl TaskRef {
    /// Of a task as it was read, or made.
    pub(crate) fn of(found: &Found) -> Self {
        let version = match found {
            Found::OfCluster(task) => task.resource_version(),
            Found::OfDatacenter(task) => task.resource_version(),
        };
        Self {
            found: found.clone(),
            view: found.view(),
            version: version.unwrap_or_default(),
        }
    }
}

/// `k8ssandratask/NAME`.
impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&task_name(&self.view))
    }
}

/// Waits until a task has ended.
///
/// # Errors
/// It failed, cannot work or was deleted, the time is over, a signal came, or the API server refuses to be watched.
pub(crate) async fn follow_task(
    access: &Access,
    printer: &mut Printer<'_>,
    task: TaskRef,
    timeout: Option<Duration>,
) -> Result<(), Failure> {
    let changes = match task.found {
        Found::OfCluster(_) => feed::<K8ssandraTask>(access, &task, TaskView::of_cluster),
        Found::OfDatacenter(_) => feed::<CassandraTask>(access, &task, TaskView::of_datacenter),
    };
    let awaited = OneTask {
        changes,
        namespace: access.place().namespace.clone(),
        view: Some(task.view.clone()),
        shown: task.to_string(),
        name: task.view.name,
        interrupt: signal(SignalKind::interrupt()).map_err(Failure::Runtime)?,
        terminate: signal(SignalKind::terminate()).map_err(Failure::Runtime)?,
    };
    until_ended(awaited, printer, timeout).await
}

/// What became of the task, as often as it changes: `None` when it is gone.
type Views<'a> = LocalBoxStream<'a, Result<Change<Option<TaskView>>, Failure>>;

fn feed<'a, K>(access: &'a Access, task: &TaskRef, view: fn(&K) -> TaskView) -> Views<'a>
where
    K: Task + Send + 'static,
{
    let feed = Feed {
        access,
        api: access.api::<K>(),
        kind: K::KIND,
        labels: None,
        fields: Some(format!("metadata.name={}", task.view.name)),
    };
    let views = feed.from(task.version.clone()).map(move |change| {
        Ok(match change? {
            Change::Applied(task) => Change::Applied(Some(view(&task))),
            Change::Deleted(_) => Change::Applied(None),
            Change::All(tasks) => Change::Applied(tasks.first().map(view)),
            Change::Lost(why) => Change::Lost(why),
        })
    });
    views.boxed_local()
}

struct OneTask<'a> {
    changes: Views<'a>,
    view: Option<TaskView>,
    shown: String,
    name: String,
    namespace: String,
    interrupt: Signal,
    terminate: Signal,
}

impl Awaited for OneTask<'_> {
    async fn news(&mut self) -> Result<News, Failure> {
        tokio::select! {
            Some(change) = self.changes.next() => Ok(match change? {
                Change::Lost(why) => News::Lost(why),
                Change::Applied(view) => {
                    self.view = view;
                    News::Changed
                }
                Change::Deleted(_) | Change::All(_) => News::Changed,
            }),
            _ = self.interrupt.recv() => Ok(News::Stopped(ExitStatus::Interrupted)),
            _ = self.terminate.recv() => Ok(News::Stopped(ExitStatus::Terminated)),
        }
    }

    fn look(&mut self) -> Progress {
        progress(&self.shown, self.view.as_ref())
    }

    fn next(&self) -> String {
        format!(
            "see `kubectl casskop task describe {} --namespace {}`",
            self.name, self.namespace
        )
    }
}

/// The task, and each datacenter it has come to. What failed in a datacenter ends nothing while others go on.
fn progress(shown: &str, view: Option<&TaskView>) -> Progress {
    let Some(view) = view else {
        return Progress {
            items: vec![Item {
                what: shown.to_owned(),
                state: ItemState::Failed,
                detail: "it was deleted".to_owned(),
                since: None,
            }],
            waiting: Vec::new(),
        };
    };
    let (done, all) = view.pods();
    let mut items = vec![Item {
        what: shown.to_owned(),
        state: item_state(view.state),
        detail: match (&view.message, all) {
            (Some(message), _) => message.clone(),
            (None, 0) => String::new(),
            (None, all) => format!("{done} of {all} nodes done"),
        },
        since: view.started,
    }];
    let of_parts = view.datacenters.iter().map(|part| Item {
        what: format!("datacenter {}", part.datacenter),
        state: match item_state(part.state) {
            ItemState::Failed if !view.has_ended() && view.state != TaskState::Invalid => ItemState::Running,
            state => state,
        },
        detail: detail(part),
        since: part.started,
    });
    items.extend(of_parts);
    let troubles = view.datacenters.iter().flat_map(|part| &part.troubles);
    Progress {
        items,
        waiting: troubles.map(|(pod, why)| format!("pod {pod}: {why}")).collect(),
    }
}

fn item_state(state: TaskState) -> ItemState {
    match state {
        TaskState::Invalid | TaskState::Failed => ItemState::Failed,
        TaskState::Waiting => ItemState::Queued,
        TaskState::Running => ItemState::Running,
        TaskState::Complete => ItemState::Done,
    }
}

fn detail(part: &TaskPart) -> String {
    match (&part.message, part.pods) {
        (Some(message), _) => message.clone(),
        (None, 0) => String::new(),
        (None, all) => format!("{} of {all} nodes done, {} at work", part.succeeded, part.active),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::goal::Verdict;
    use super::*;

    fn verdict(status: &serde_json::Value) -> Verdict {
        let task: K8ssandraTask = serde_json::from_value(json!({
            "apiVersion": "control.k8ssandra.io/v1alpha1", "kind": "K8ssandraTask", "metadata": { "name": "t" },
            "spec": { "cluster": { "name": "demo" } }, "status": status,
        }))
        .unwrap();
        progress("k8ssandratask/t", Some(&TaskView::of_cluster(&task))).verdict()
    }

    #[test]
    fn a_task_is_waited_for_until_it_has_ended_in_all_datacenters() {
        let time = "2026-11-21T08:00:00Z";
        let failed = json!({ "type": "Failed", "status": "True", "reason": "Failed", "message": "1 pods failed", "lastTransitionTime": time });
        let dc1 = json!({ "startTime": time, "completionTime": time, "conditions": [failed] });
        let dc2 = json!({ "startTime": time });
        let running = json!({ "startTime": time, "datacenters": { "dc1": dc1, "dc2": dc2 } });
        assert_eq!(verdict(&json!(null)), Verdict::Wait);
        assert_eq!(verdict(&running), Verdict::Wait, "another datacenter goes on");
        let mut ended = running;
        ended["completionTime"] = json!(time);
        ended["conditions"] = json!([failed]);
        ended["datacenters"]["dc2"]["completionTime"] = json!(time);
        assert_eq!(
            verdict(&ended),
            Verdict::Failed("k8ssandratask/t: 1 pods failed".to_owned())
        );
        let complete = json!({ "startTime": time, "completionTime": time });
        assert_eq!(verdict(&complete), Verdict::Done);
        let gone = progress("k8ssandratask/t", None).verdict();
        assert_eq!(
            gone,
            Verdict::Failed("k8ssandratask/t: it was deleted".to_owned())
        );
    }
}
