//! How far a task is.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::vocabulary::{known, vocabulary};

/// Status of a `CassandraTask`.
// The counters are written when they are 0 too: a merge patch that leaves one out keeps the old number.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatus {
    /// Running, Complete, Failed, Invalid, in the order in which they were first set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub conditions: Vec<Condition>,
    /// When the task left the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the task ended, well or badly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Pods that are worked on.
    #[serde(default)]
    pub active: i32,
    /// Pods that are done.
    #[serde(default)]
    pub succeeded: i32,
    /// Pods on which the work failed.
    #[serde(default)]
    pub failed: i32,
    /// How far each pod is, by its name: a pod made anew in the middle is the same to the task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_statuses: BTreeMap<String, PodProgress>,
}

vocabulary! {
    /// How far the work on a pod is.
    PodState {
        /// Not begun, or to be tried again.
        Waiting = "WAITING",
        /// Begun.
        Running = "RUNNING",
        /// Ended well.
        Completed = "COMPLETED",
        /// Ended badly, and is not tried again.
        Error = "ERROR",
    }
}

/// How far a task is with one pod.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodProgress {
    // A word nobody knows is none.
    /// How far the work is.
    #[serde(deserialize_with = "known")]
    #[schemars(required, with = "String")]
    pub status: Option<PodState>,
    /// Identity of the work on this pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// How often the work was tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i32>,
    /// Why it went wrong, or what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When the work on this pod began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
}
