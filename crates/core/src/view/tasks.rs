//! Tasks as screens show them: a `K8ssandraTask` with its datacenters, or a `CassandraTask` somebody made for one datacenter.

use casskop_types::task::labels::{CLUSTER, TASK_NAME, TaskCondition};
use casskop_types::task::{CassandraTask, K8ssandraTask, PodState, TaskStatus, TaskTemplate};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use serde::Serialize;

use crate::task::condition;

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskView {
    /// Its kind.
    pub kind: TaskKind,
    /// Its name.
    pub name: String,
    /// The cluster it names, or is known to work on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The command of its job.
    pub job: String,
    /// How far it is.
    pub state: TaskState,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<Timestamp>,
    /// What it waits for, or why it failed or cannot work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The datacenters it has come to, in their order.
    pub datacenters: Vec<TaskPart>,
}

/// Kinds of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum TaskKind {
    /// One for datacenters of a cluster.
    K8ssandraTask,
    /// One for one datacenter.
    CassandraTask,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum TaskState {
    /// It cannot work as it is.
    Invalid,
    /// Its time, or its turn, has not come.
    Waiting,
    /// Nodes are being worked on.
    Running,
    /// It ended, and not all nodes did.
    Failed,
    /// It ended well.
    Complete,
}

/// What a task does in one datacenter.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskPart {
    /// The datacenter.
    pub datacenter: String,
    /// How far it is there.
    pub state: TaskState,
    /// Nodes it is about.
    pub pods: usize,
    /// Nodes it is done with.
    pub succeeded: usize,
    /// Nodes that are being worked on.
    pub active: usize,
    /// What is wrong with pods, by their names.
    pub troubles: Vec<(String, String)>,
    /// When it began there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// What it waits for there, or why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl TaskView {
    /// The view of a task of a cluster.
    pub fn of_cluster(task: &K8ssandraTask) -> Self {
        let nothing = TaskStatus::default();
        let status = task.status.as_ref();
        let overall = status.map_or(&nothing, |status| &status.overall);
        let known = status.into_iter().flat_map(|status| &status.datacenters);
        let mut parts: Vec<TaskPart> = known.map(|(dc, status)| TaskPart::of(dc, status)).collect();
        // In the order of the list, where there is one; else as they began.
        let listed = task.spec.datacenters.as_deref().unwrap_or_default();
        parts.sort_by_key(|part| {
            let place = listed.iter().position(|dc| *dc == part.datacenter);
            (place, part.started.is_none(), part.started)
        });
        let of_parts = || parts.iter().find_map(|part| part.message.clone());
        Self {
            kind: TaskKind::K8ssandraTask,
            name: task.metadata.name.clone().unwrap_or_default(),
            cluster: task
                .spec
                .cluster
                .as_ref()
                .and_then(|cluster| cluster.name.clone()),
            job: job(task.spec.template.as_ref()),
            state: state(overall),
            created: task.metadata.creation_timestamp.as_ref().map(|time| time.0),
            started: overall.start_time.as_ref().map(|time| time.0),
            completed: overall.completion_time.as_ref().map(|time| time.0),
            message: message(overall).or_else(of_parts),
            datacenters: parts,
        }
    }

    /// The view of a task of a datacenter.
    pub fn of_datacenter(task: &CassandraTask) -> Self {
        let status = task.status.clone().unwrap_or_default();
        let labels = task.metadata.labels.as_ref();
        let name = |reference: &ObjectReference| reference.name.clone();
        let datacenter = task.spec.datacenter.as_ref().and_then(name).unwrap_or_default();
        Self {
            kind: TaskKind::CassandraTask,
            name: task.metadata.name.clone().unwrap_or_default(),
            cluster: labels.and_then(|labels| labels.get(CLUSTER)).cloned(),
            job: job(Some(&task.spec.template)),
            state: state(&status),
            created: task.metadata.creation_timestamp.as_ref().map(|time| time.0),
            started: status.start_time.as_ref().map(|time| time.0),
            completed: status.completion_time.as_ref().map(|time| time.0),
            message: message(&status),
            datacenters: vec![TaskPart::of(&datacenter, &status)],
        }
    }

    /// All tasks but those made by another one, the newest last.
    pub fn all(of_clusters: &[K8ssandraTask], of_datacenters: &[CassandraTask]) -> Vec<Self> {
        let own = of_datacenters.iter().filter(|task| maker(task).is_none());
        let mut views: Vec<Self> = of_clusters.iter().map(Self::of_cluster).collect();
        views.extend(own.map(Self::of_datacenter));
        views.sort_by(|one, other| (one.created, &one.name).cmp(&(other.created, &other.name)));
        views
    }

    /// Whether nothing of it is done any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, TaskState::Failed | TaskState::Complete)
    }

    /// Nodes it is done with, and nodes it has come to.
    pub fn pods(&self) -> (usize, usize) {
        let sum = |count: fn(&TaskPart) -> usize| self.datacenters.iter().map(count).sum();
        (sum(|part| part.succeeded), sum(|part| part.pods))
    }
}

/// The name of the `K8ssandraTask` that a task was made by.
pub fn maker(task: &CassandraTask) -> Option<&str> {
    let labels = task.metadata.labels.as_ref()?;
    labels.get(TASK_NAME).map(String::as_str)
}

impl TaskPart {
    fn of(datacenter: &str, status: &TaskStatus) -> Self {
        let in_state = |state| {
            let pods = status.pod_statuses.values();
            pods.filter(|pod| pod.status == Some(state)).count()
        };
        let troubles = status.pod_statuses.iter();
        Self {
            datacenter: datacenter.to_owned(),
            state: state(status),
            pods: status.pod_statuses.len(),
            succeeded: in_state(PodState::Completed),
            active: in_state(PodState::Running),
            troubles: troubles
                .filter_map(|(pod, progress)| Some((pod.clone(), progress.error.clone()?)))
                .collect(),
            started: status.start_time.as_ref().map(|time| time.0),
            message: message(status),
        }
    }
}

fn job(template: Option<&TaskTemplate>) -> String {
    let command = template.and_then(TaskTemplate::command);
    command.unwrap_or_default().to_owned()
}

/// How far a task is, by its status.
pub fn state(status: &TaskStatus) -> TaskState {
    if status.completion_time.is_some() {
        return if condition::is_true(&status.conditions, TaskCondition::Failed) {
            TaskState::Failed
        } else {
            TaskState::Complete
        };
    }
    if condition::is_true(&status.conditions, TaskCondition::Invalid) {
        TaskState::Invalid
    } else if status.start_time.is_some() {
        TaskState::Running
    } else {
        TaskState::Waiting
    }
}

/// What the condition that matters now says.
fn message(status: &TaskStatus) -> Option<String> {
    let conditions = &status.conditions;
    let said = match state(status) {
        TaskState::Failed => condition::message(conditions, TaskCondition::Failed),
        TaskState::Invalid => condition::message(conditions, TaskCondition::Invalid),
        TaskState::Waiting => condition::why_not(conditions, TaskCondition::Running),
        TaskState::Running | TaskState::Complete => None,
    };
    said.filter(|message| !message.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of_cluster(status: &Value) -> TaskView {
        let task: K8ssandraTask = serde_json::from_value(json!({
            "apiVersion": "control.k8ssandra.io/v1alpha1", "kind": "K8ssandraTask", "metadata": { "name": "t" },
            "spec": { "cluster": { "name": "demo" }, "template": { "jobs": [{ "name": "j", "command": "flush" }] } },
            "status": status,
        }))
        .unwrap();
        TaskView::of_cluster(&task)
    }

    fn condition(kind: &str, status: &str, message: &str) -> Value {
        json!({ "type": kind, "status": status, "reason": kind, "message": message, "lastTransitionTime": "2026-11-21T08:00:00Z" })
    }

    #[test]
    fn the_condition_that_matters_says_the_state_and_why() {
        let ended = "2026-11-21T09:00:00Z";
        for (status, state, message) in [
            (json!(null), TaskState::Waiting, None),
            (
                json!({ "conditions": [condition("Running", "False", "starts at noon")] }),
                TaskState::Waiting,
                Some("starts at noon"),
            ),
            (
                json!({ "conditions": [condition("Invalid", "True", "unknown datacenters: dc4")] }),
                TaskState::Invalid,
                Some("unknown datacenters: dc4"),
            ),
            (
                json!({ "startTime": ended, "conditions": [condition("Invalid", "False", "")] }),
                TaskState::Running,
                None,
            ),
            (
                json!({ "startTime": ended, "completionTime": ended,
                        "conditions": [condition("Failed", "True", "1 pods failed during processing")] }),
                TaskState::Failed,
                Some("1 pods failed during processing"),
            ),
            (
                json!({ "startTime": ended, "completionTime": ended, "conditions": [condition("Failed", "False", "")] }),
                TaskState::Complete,
                None,
            ),
        ] {
            let view = of_cluster(&status);
            assert_eq!(
                (view.state, view.message.as_deref()),
                (state, message),
                "{status}"
            );
        }
    }

    #[test]
    fn datacenters_are_in_the_order_of_their_beginning_and_name_their_pods_troubles() {
        let view = of_cluster(&json!({
            "startTime": "2026-11-21T08:00:00Z",
            "datacenters": {
                "dc1": { "startTime": "2026-11-21T08:05:00Z", "podStatuses": {
                    "demo-dc1-rack1-0": { "status": "RUNNING", "error": "pod demo-dc1-rack1-0 is not ready" },
                    "demo-dc1-rack1-1": { "status": "WAITING" } } },
                "dc2": { "startTime": "2026-11-21T08:00:00Z", "completionTime": "2026-11-21T08:05:00Z", "podStatuses": {
                    "demo-dc2-rack1-0": { "status": "COMPLETED" } } },
            },
        }));
        let order: Vec<&str> = view
            .datacenters
            .iter()
            .map(|part| part.datacenter.as_str())
            .collect();
        assert_eq!(order, ["dc2", "dc1"]);
        assert_eq!(view.pods(), (1, 3));
        let dc1 = &view.datacenters[1];
        assert_eq!((dc1.active, dc1.succeeded), (1, 0));
        assert_eq!(dc1.troubles[0].0, "demo-dc1-rack1-0");
    }
}
