//! A cluster for the tests of tasks: what a task writes is put on its pods, and the engine's part is played by the test.

use casskop_types::labels::Labels;
use casskop_types::operation::{
    OperationCommand, OperationRecord, OperationRequest, OperationStatus, RecordState, abort_asked,
};
use casskop_types::task::{CassandraTask, PodState};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::members::{Members, NotReady, Pod, Rack};
use super::run::PodWrite;
use super::step::{Fate, Place, TaskPlan, TaskScene, step};

pub(super) const START: &str = "2026-11-22T03:00:00Z";

/// The cluster `demo`, its tasks, and a clock.
pub(super) struct Ring {
    pub(super) now: Timestamp,
    pub(super) members: Members,
    pub(super) tasks: Vec<CassandraTask>,
    /// Names of pods whose operation was told to end.
    pub(super) aborted: Vec<String>,
}

impl Ring {
    /// A cluster whose racks `rack1`, `rack2`, ... of `dc1` have so many pods each.
    pub(super) fn new(pods: &[u32]) -> Self {
        let racks = pods.iter().enumerate().map(|(index, pods)| {
            let id = format!("dc1-rack{}", index + 1);
            let pods = (0..*pods).map(|ordinal| Pod {
                name: format!("demo-{id}-{ordinal}"),
                uid: Some(format!("uid-{id}-{ordinal}")),
                ready: Ok(()),
                version: "1".to_owned(),
                request: None,
                is_ending: false,
                records: Vec::new(),
            });
            Rack {
                id: id.parse().unwrap(),
                pods: pods.collect(),
            }
        });
        Self {
            now: START.parse().unwrap(),
            members: Members {
                cluster: "demo".to_owned(),
                racks: racks.collect(),
            },
            tasks: Vec::new(),
            aborted: Vec::new(),
        }
    }

    /// Makes a task in `dc1`; each is a second younger than the one before.
    pub(super) fn task(&mut self, name: &str, spec: &Value) -> usize {
        let made = self.now + SignedDuration::from_secs(i64::try_from(self.tasks.len()).unwrap());
        let mut task: CassandraTask = serde_json::from_value(json!({
            "apiVersion": "control.k8ssandra.io/v1alpha1", "kind": "CassandraTask",
            "metadata": { "name": name, "namespace": "prod", "uid": format!("uid-{name}"), "creationTimestamp": made.to_string() },
            "spec": spec,
        }))
        .unwrap();
        task.spec.datacenter.get_or_insert_default().name = Some("dc1".to_owned());
        self.tasks.push(task);
        self.tasks.len() - 1
    }

    pub(super) fn after(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// A pass over a task, whose plan is carried out.
    pub(super) fn pass(&mut self, task: usize) -> TaskPlan {
        let plan = self.plan(task);
        self.tasks[task].status = Some(plan.status.clone());
        self.write(&plan.writes);
        assert!(plan.fate == Fate::Stays || plan.writes.is_empty());
        plan
    }

    /// A pass whose plan the operator does not live to carry out, but for the status.
    pub(super) fn pass_cut_short(&mut self, task: usize) -> TaskPlan {
        let plan = self.plan(task);
        self.tasks[task].status = Some(plan.status.clone());
        plan
    }

    pub(super) fn plan(&self, task: usize) -> TaskPlan {
        let dc = "dc1".parse().unwrap();
        step(TaskScene {
            task: &self.tasks[task],
            place: Ok(Place {
                members: &self.members,
                dc: &dc,
            }),
            tasks: &self.tasks.iter().collect::<Vec<_>>(),
            now: self.now,
        })
    }

    pub(super) fn write(&mut self, writes: &[PodWrite]) {
        for write in writes {
            let now = self.now;
            let pod = self.pod(&write.pod);
            assert_eq!(pod.uid.as_ref(), Some(&write.uid));
            let set = |changes: &std::collections::BTreeMap<&'static str, Option<String>>| -> Labels {
                changes
                    .iter()
                    .filter_map(|(key, value)| Some(((*key).to_owned(), value.clone()?)))
                    .collect()
            };
            let annotations = set(&write.patch.annotations);
            if abort_asked(Some(&annotations)).is_some() {
                self.aborted.push(write.pod.clone());
                continue;
            }
            let labels = set(&write.patch.labels);
            pod.request = OperationRequest::from_pod_metadata(Some(&labels), Some(&annotations)).unwrap();
            let request = pod.request.clone().unwrap();
            assert!(
                !pod.records
                    .iter()
                    .any(|record| record.requested_by == request.requested_by),
                "asked twice: {request:?}"
            );
            let record = record(pod, &request, now);
            pod.records.push(record);
        }
    }

    pub(super) fn pod(&mut self, name: &str) -> &mut Pod {
        let pods = self.members.racks.iter_mut().flat_map(|rack| &mut rack.pods);
        pods.into_iter().find(|pod| pod.name == name).unwrap()
    }

    /// The engine's newest record of a pod ends.
    pub(super) fn ends(&mut self, name: &str, state: RecordState, message: &str) {
        let now = self.now;
        let record = self.pod(name).records.last_mut().unwrap();
        record.state = state;
        record.message = (!message.is_empty()).then(|| message.to_owned());
        record.end_time = Some(Time(now));
        let status = if state == RecordState::Done {
            OperationStatus::Done
        } else {
            OperationStatus::Error
        };
        self.pod(name).request.as_mut().unwrap().status = status;
    }

    /// Somebody else asks for an operation.
    pub(super) fn ask(&mut self, name: &str, command: &OperationCommand) {
        let now = self.now;
        let pod = self.pod(name);
        let request = OperationRequest::to_do(command, Some("ann@example.com".to_owned()));
        let record = record(pod, &request, now);
        pod.request = Some(request);
        pod.records.push(record);
    }

    pub(super) fn goes_down(&mut self, name: &str) {
        let since = Some(self.now);
        self.pod(name).ready = Err(NotReady {
            why: format!("pod {name} is not ready"),
            since,
        });
    }

    /// Pods that a task has in a state.
    pub(super) fn in_state(&self, task: usize, state: PodState) -> Vec<&str> {
        let status = self.tasks[task].status.as_ref();
        let pods = status.into_iter().flat_map(|status| &status.pod_statuses);
        pods.filter(|(_, pod)| pod.status == Some(state))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Lets everything that runs end well, pass after pass, until a task ends; says how many pods ran at once at most.
    pub(super) fn drive(&mut self, task: usize) -> usize {
        let mut most = 0;
        for _ in 0..1000 {
            self.pass(task);
            let running: Vec<String> = self
                .in_state(task, PodState::Running)
                .into_iter()
                .map(str::to_owned)
                .collect();
            most = most.max(running.len());
            for pod in running {
                self.ends(&pod, RecordState::Done, "");
            }
            if self.tasks[task]
                .status
                .as_ref()
                .unwrap()
                .completion_time
                .is_some()
            {
                return most;
            }
            self.after(1);
        }
        panic!("no end: {:?}", self.tasks[task].status);
    }

    /// The conditions of a task that hold.
    pub(super) fn conditions(&self, task: usize) -> Vec<(&str, &str)> {
        let status = self.tasks[task].status.as_ref();
        let conditions = status.into_iter().flat_map(|status| &status.conditions);
        conditions
            .filter(|condition| condition.status == "True")
            .map(|condition| (condition.type_.as_str(), condition.message.as_str()))
            .collect()
    }
}

fn record(pod: &Pod, request: &OperationRequest, now: Timestamp) -> OperationRecord {
    OperationRecord {
        id: format!("{}-{}", request.name, pod.records.len()),
        name: request.name,
        argument: request.argument.clone(),
        options: request.options.clone(),
        pod: pod.name.clone(),
        pod_uid: pod.uid.clone().unwrap_or_default(),
        host_id: None,
        address: None,
        requested_by: request.requested_by.clone(),
        parallelism: None,
        abort_time: None,
        attempt: 1,
        state: RecordState::Ongoing,
        start_time: Time(now),
        end_time: None,
        message: None,
        lost_node: None,
        former_pod_uid: None,
        progress: None,
    }
}

/// The spec of a task with one job.
pub(super) fn job(command: &str, arguments: &Value) -> Value {
    json!({ "jobs": [{ "name": "job", "command": command, "args": arguments }] })
}
