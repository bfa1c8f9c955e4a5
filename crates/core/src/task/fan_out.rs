//! A `K8ssandraTask`, one pass further: a `CassandraTask` for each datacenter, and their statuses as one.

use std::collections::BTreeMap;

use casskop_types::CassandraCluster;
use casskop_types::operation::OperationCommand;
use casskop_types::task::labels::{
    CLUSTER, DATACENTER, FINALIZER, TASK_NAME, TASK_NAMESPACE, TASK_UID, TaskCondition,
};
use casskop_types::task::{
    CassandraTask, CassandraTaskSpec, K8ssandraTask, K8ssandraTaskSpec, K8ssandraTaskStatus, TaskStatus,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::step::{Fate, keep};
use super::work::{Job, Operation, Work};
use super::{condition, is_aborted, place, work};
use crate::effect::{Notice, Wake};

/// What one pass over a `K8ssandraTask` looks at.
#[derive(Debug, Clone, Copy)]
pub struct FanOutScene<'a> {
    /// The task.
    pub task: &'a K8ssandraTask,
    /// The cluster it names, if there is one.
    pub cluster: Option<&'a CassandraCluster>,
    /// The `CassandraTask`s of its namespace.
    pub tasks: &'a [CassandraTask],
    /// The time of the pass.
    pub now: Timestamp,
}

/// What a pass wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct FanOutPlan {
    /// Whether the finalizer, and the owner, come or go. They come before anything is made.
    pub hold: Hold,
    /// Written under the resourceVersion that was read.
    pub status: K8ssandraTaskStatus,
    /// Tasks to make.
    pub create: Vec<CassandraTask>,
    /// Names of tasks to delete.
    pub delete: Vec<String>,
    /// Events of the task.
    pub notices: Vec<Notice>,
    /// Whether the task's time is over.
    pub fate: Fate,
    /// When to look again.
    pub wake: Wake,
}

/// What keeps a task until its own are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It is as it should be.
    Stays,
    /// Add the finalizer, and the cluster as owner.
    IsTaken,
    /// Take the finalizer off.
    IsReleased,
}

/// Takes a task one pass further.
pub fn step(scene: FanOutScene<'_>) -> FanOutPlan {
    let mut plan = FanOutPlan {
        hold: Hold::Stays,
        status: scene.task.status.clone().unwrap_or_default(),
        create: Vec::new(),
        delete: Vec::new(),
        notices: Vec::new(),
        fate: Fate::Stays,
        wake: Wake::OnEvent,
    };
    if scene.task.metadata.deletion_timestamp.is_some() {
        clear(scene, &mut plan);
    } else if plan.status.overall.completion_time.is_some() {
        let template = scene.task.spec.template.as_ref();
        let ttl = template.and_then(|template| template.ttl_seconds_after_finished);
        (plan.fate, plan.wake) = keep(&plan.status.overall, ttl, scene.now);
    } else {
        match selected(scene) {
            Ok(datacenters) => go_on(scene, &datacenters, &mut plan),
            // Nothing of it has begun, and nothing will.
            Err(_) if is_aborted(&scene.task.metadata) && plan.status.datacenters.is_empty() => {
                plan.end_aborted(scene.now);
            }
            Err(why) => plan.refuse(&why, scene.now),
        }
    }
    plan
}

/// Whatever was made for the task goes before it, found by its labels: datacenters may have left the cluster since.
fn clear(scene: FanOutScene<'_>, plan: &mut FanOutPlan) {
    let made = scene.tasks.iter().filter(|task| is_made_by(scene.task, task));
    plan.delete = made.filter_map(|task| task.metadata.name.clone()).collect();
    if plan.delete.is_empty() && has_finalizer(scene.task) {
        plan.hold = Hold::IsReleased;
    }
}

/// The datacenters to run in, in their order, or why that cannot be.
fn selected(scene: FanOutScene<'_>) -> Result<Vec<String>, String> {
    let spec = &scene.task.spec;
    let namespace = scene.task.metadata.namespace.as_deref().unwrap_or_default();
    place::own_namespace(spec.cluster.as_ref(), namespace, "cluster")?;
    let unknown = || format!("unknown CassandraCluster {namespace}.{}", cluster_of(scene.task));
    let cluster = scene.cluster.ok_or_else(unknown)?;
    let job = work::job(spec.template.as_ref().ok_or("say in template which job to run")?)?;
    let known = place::names(cluster);
    let mut selected: Vec<String> = Vec::new();
    match spec.datacenters.as_deref().unwrap_or_default() {
        [] => selected.extend(known.iter().map(|dc| (*dc).to_owned())),
        listed => {
            for dc in listed.iter().filter(|dc| !dc.is_empty()) {
                if !selected.contains(dc) {
                    selected.push(dc.clone());
                }
            }
        }
    }
    // One that left the cluster once the task had begun there keeps nothing from going on.
    let begun = scene.task.status.as_ref().map(|status| &status.datacenters);
    let is_begun = |dc: &String| begun.is_some_and(|begun| begun.contains_key(dc));
    let unknown: Vec<&str> = selected
        .iter()
        .filter(|dc| !known.contains(&dc.as_str()) && !is_begun(dc))
        .map(String::as_str)
        .collect();
    if !unknown.is_empty() {
        return Err(format!("unknown datacenters: {}", unknown.join(", ")));
    }
    if let Job::OnPods(work) = &job {
        narrow(&mut selected, spec, cluster, work, is_begun)?;
    }
    for dc in &selected {
        let name = name_in(scene.task, dc);
        let found = scene
            .tasks
            .iter()
            .find(|task| task.metadata.name.as_deref() == Some(name.as_str()));
        if found.is_some_and(|found| !is_made_by(scene.task, found)) {
            return Err(format!(
                "CassandraTask {name} is there already, and was not made for this task: delete it, or use another name"
            ));
        }
    }
    Ok(selected)
}

/// Leaves out datacenters in which there is nothing to do.
fn narrow(
    selected: &mut Vec<String>,
    spec: &K8ssandraTaskSpec,
    cluster: &CassandraCluster,
    work: &Work,
    is_begun: impl Fn(&String) -> bool,
) -> Result<(), String> {
    if let Operation::Same(OperationCommand::Rebuild { from_dc }) = &work.operation {
        let listed = spec.datacenters.as_deref().unwrap_or_default();
        if listed.contains(from_dc) {
            return Err(format!(
                "datacenter {from_dc} is to be rebuilt from itself: take it off datacenters"
            ));
        }
        selected.retain(|dc| dc != from_dc);
    }
    let (rack, pod) = (work.rack.as_deref(), work.pod.as_deref());
    if let Operation::Move(tokens) = &work.operation {
        let is_asked_for = |pod: &str| {
            selected
                .iter()
                .any(|dc| is_begun(dc) || place::may_hold(cluster, dc, None, Some(pod)))
        };
        if let Some(other) = tokens.keys().find(|pod| !is_asked_for(pod)) {
            return Err(format!(
                "invalid new_tokens argument: pod doesn't exist: {other} is in no datacenter that is asked for"
            ));
        }
    }
    let has_place = |dc: &str| match &work.operation {
        Operation::Same(_) => place::may_hold(cluster, dc, rack, pod),
        Operation::Move(tokens) => {
            let mut named = tokens
                .keys()
                .filter(|named| pod.is_none_or(|pod| pod == named.as_str()));
            named.any(|named| place::may_hold(cluster, dc, rack, Some(named)))
        }
    };
    selected.retain(|dc| is_begun(dc) || has_place(dc));
    if selected.is_empty() {
        let rack = rack.map(|rack| format!("rack {rack}"));
        let pod = pod.map(|pod| format!("place for pod {pod}"));
        let lacks = rack.or(pod).unwrap_or_else(|| "node to work on".to_owned());
        return Err(format!("no datacenter that is asked for has a {lacks}"));
    }
    Ok(())
}

fn go_on(scene: FanOutScene<'_>, datacenters: &[String], plan: &mut FanOutPlan) {
    if !has_finalizer(scene.task) {
        plan.hold = Hold::IsTaken;
    }
    let in_turn = scene.task.spec.dc_concurrency_policy.as_deref() != Some("Allow");
    let is_aborted = is_aborted(&scene.task.metadata);
    let before = std::mem::take(&mut plan.status.datacenters);
    let mut ended = 0;
    for dc in datacenters {
        let name = name_in(scene.task, dc);
        let child = scene
            .tasks
            .iter()
            .find(|task| task.metadata.name.as_deref() == Some(name.as_str()));
        let status = match (child, before.get(dc)) {
            (Some(child), _) => child.status.clone().unwrap_or_default(),
            // A recorded end is an end, whoever deleted the task since.
            (None, Some(recorded)) if recorded.completion_time.is_some() => recorded.clone(),
            (None, Some(recorded)) if *recorded != TaskStatus::default() => lost(recorded, &name, scene.now),
            (None, _) if is_aborted => {
                ended = datacenters.len();
                break;
            }
            // Also where it was to be made, and that did not come to pass.
            (None, _) => {
                plan.create(scene.task, dc);
                TaskStatus::default()
            }
        };
        let has_ended = status.completion_time.is_some();
        let has_failed = condition::is_true(&status.conditions, TaskCondition::Failed);
        plan.status.datacenters.insert(dc.clone(), status);
        ended += usize::from(has_ended);
        if in_turn && has_failed && has_ended {
            // What comes after it is not begun.
            ended = datacenters.len();
            break;
        }
        if in_turn && !has_ended {
            break;
        }
    }
    aggregate(&mut plan.status, scene.now);
    // With `Allow` some may run still.
    let all_ended = plan
        .status
        .datacenters
        .values()
        .all(|status| status.completion_time.is_some());
    if ended >= datacenters.len() && all_ended {
        if is_aborted {
            plan.end_aborted(scene.now);
        } else {
            plan.end(scene.now);
        }
    }
}

/// A task that was deleted in the middle is not made again: whoever deleted it wanted it to end.
fn lost(recorded: &TaskStatus, name: &str, now: Timestamp) -> TaskStatus {
    let mut status = recorded.clone();
    let conditions = &mut status.conditions;
    condition::no_longer(conditions, TaskCondition::Running, now);
    condition::holds(conditions, TaskCondition::Complete, "", now);
    let why = format!("CassandraTask {name} was deleted before it ended");
    condition::holds(conditions, TaskCondition::Failed, &why, now);
    status.completion_time = Some(Time(now));
    status.active = 0;
    status.failed = status.failed.max(1);
    status
}

fn aggregate(status: &mut K8ssandraTaskStatus, now: Timestamp) {
    let of_all: Vec<&TaskStatus> = status.datacenters.values().collect();
    let overall = &mut status.overall;
    let sum = |count: fn(&TaskStatus) -> i32| {
        of_all
            .iter()
            .map(|status| count(status))
            .fold(0, i32::saturating_add)
    };
    overall.active = sum(|status| status.active);
    overall.succeeded = sum(|status| status.succeeded);
    overall.failed = sum(|status| status.failed);
    overall.start_time = of_all
        .iter()
        .filter_map(|status| status.start_time.clone())
        .min_by_key(|time| time.0);
    for kind in [TaskCondition::Running, TaskCondition::Failed] {
        let message = of_all
            .iter()
            .find_map(|status| condition::message(&status.conditions, kind));
        if let Some(message) = message {
            condition::holds(&mut overall.conditions, kind, message, now);
            continue;
        }
        // What a part waits for that has not ended.
        let mut open = of_all.iter().filter(|status| status.completion_time.is_none());
        let why = open.find_map(|status| condition::why_not(&status.conditions, kind));
        let conditions = &mut overall.conditions;
        condition::holds_not(conditions, kind, kind.as_str(), why.unwrap_or_default(), now);
    }
    let invalid = of_all
        .iter()
        .find_map(|status| condition::message(&status.conditions, TaskCondition::Invalid));
    // Once, lest the time of its transition moves with each pass.
    match invalid {
        Some(why) => condition::holds(&mut overall.conditions, TaskCondition::Invalid, why, now),
        None => condition::no_longer(&mut overall.conditions, TaskCondition::Invalid, now),
    }
}

fn complete(status: &mut K8ssandraTaskStatus, now: Timestamp) {
    let ends = status
        .datacenters
        .values()
        .filter_map(|status| status.completion_time.clone());
    status.overall.completion_time = ends.max_by_key(|time| time.0).or(Some(Time(now)));
    condition::holds(&mut status.overall.conditions, TaskCondition::Complete, "", now);
}

impl FanOutPlan {
    /// Says that it has ended, and how.
    fn end(&mut self, now: Timestamp) {
        complete(&mut self.status, now);
        let failed = condition::message(&self.status.overall.conditions, TaskCondition::Failed);
        let notice = match failed {
            None => Notice::normal(
                "TaskCompleted",
                format!("done on {} pods", self.status.overall.succeeded),
            ),
            Some(why) => Notice::warning("TaskFailed", why),
        };
        self.notices.push(notice);
    }

    fn end_aborted(&mut self, now: Timestamp) {
        let conditions = &mut self.status.overall.conditions;
        condition::no_longer(conditions, TaskCondition::Invalid, now);
        condition::holds(conditions, TaskCondition::Failed, "aborted", now);
        self.end(now);
    }

    fn create(&mut self, task: &K8ssandraTask, dc: &str) {
        let (name, namespace) = (name_in(task, dc), task.metadata.namespace.clone());
        let mut template = task.spec.template.clone().unwrap_or_default();
        // It goes with this one, whose time to live counts.
        template.ttl_seconds_after_finished = Some(0);
        let spec = CassandraTaskSpec {
            datacenter: Some(ObjectReference {
                name: Some(dc.to_owned()),
                namespace: namespace.clone(),
                ..ObjectReference::default()
            }),
            template,
        };
        let note = format!(
            "Created CassandraTask {}.{name}",
            namespace.as_deref().unwrap_or_default()
        );
        let mut child = CassandraTask::new(&name, spec);
        let mut labels = made_by(task);
        labels.insert(CLUSTER.to_owned(), cluster_of(task).to_owned());
        labels.insert(DATACENTER.to_owned(), dc.to_owned());
        child.metadata.labels = Some(labels);
        child.metadata.namespace = namespace;
        self.create.push(child);
        self.notices.push(Notice::normal("CreateCassandraTask", note));
    }

    fn refuse(&mut self, why: &str, now: Timestamp) {
        condition::refuse(&mut self.status.overall.conditions, &mut self.notices, why, now);
    }
}

fn name_in(task: &K8ssandraTask, dc: &str) -> String {
    format!("{}-{dc}", task.metadata.name.as_deref().unwrap_or_default())
}

fn cluster_of(task: &K8ssandraTask) -> &str {
    let cluster = task.spec.cluster.as_ref();
    cluster
        .and_then(|cluster| cluster.name.as_deref())
        .unwrap_or_default()
}

fn made_by(task: &K8ssandraTask) -> BTreeMap<String, String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    BTreeMap::from([
        (TASK_NAME.to_owned(), text(&task.metadata.name)),
        (TASK_NAMESPACE.to_owned(), text(&task.metadata.namespace)),
        (TASK_UID.to_owned(), text(&task.metadata.uid)),
    ])
}

fn is_made_by(task: &K8ssandraTask, child: &CassandraTask) -> bool {
    let labels = child.metadata.labels.as_ref();
    made_by(task)
        .iter()
        .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

fn has_finalizer(task: &K8ssandraTask) -> bool {
    let finalizers = task.metadata.finalizers.as_deref().unwrap_or_default();
    finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}

#[cfg(test)]
mod tests;
