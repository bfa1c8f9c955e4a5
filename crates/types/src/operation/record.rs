//! The record: what a rack's status keeps of an operation, because a pod, and its labels, may vanish in the middle of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ArgumentError, OperationCommand, OperationName};
use crate::vocabulary::vocabulary;

vocabulary! {
    /// How far a recorded operation is.
    RecordState {
        /// Taken up, nothing done to the node yet.
        ToDo = "ToDo",
        /// Something may have been done to the node.
        Ongoing = "Ongoing",
        /// Removal: the lost node left the ring. Replacement: there is no way back. What belonged to it goes. Restart: the pod
        /// goes.
        Finalizing = "Finalizing",
        /// Ended well.
        Done = "Done",
        /// Ended badly; the message says how.
        Error = "Error",
    }
}

/// One operation on one node, written before anything is done to the node.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationRecord {
    /// Identity of the request among all of the cluster.
    pub id: String,
    /// The operation.
    pub name: OperationName,
    /// Its argument as asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
    /// Its options as asked for, JSON: which tables it is about, and how it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<String>,
    /// Name of the pod that carries the request.
    pub pod: String,
    /// Uid of that pod: a pod of the same name made later is another one.
    pub pod_uid: String,
    /// Host id of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// Address of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// How many operations may run at once in the rack when this one starts; none stands for 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<i32>,
    /// When it was asked to end before it is done; it is not run again then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_time: Option<Time>,
    /// Number of the try, from 1.
    pub attempt: i32,
    /// How far it is.
    pub state: RecordState,
    /// When it was taken up.
    pub start_time: Time,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// Why it ended badly, or what it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Removal and replacement: the lost node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_node: Option<LostNode>,
    /// Restart: uid of the pod that is to go. Its successor of the same name stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_pod_uid: Option<String>,
    /// How much of it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<OperationProgress>,
}

impl OperationRecord {
    /// The operation with its argument and options parsed.
    pub fn command(&self) -> Result<OperationCommand, ArgumentError> {
        OperationCommand::parse(self.name, self.argument.as_deref(), self.options.as_deref())
    }
}

/// A node that is taken out of the ring from another one, or whose place a fresh one takes, as known before that.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LostNode {
    /// Name of its pod, whose data volume goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Uid of that pod: its successor of the same name stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// Uid of its data claim, once it is proved to be the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_uid: Option<String>,
    /// Its host id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// How much of an operation is done: steps that need not be repeated, and the work the node does at this moment.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationProgress {
    /// Keyspaces that are done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyspaces_done: Vec<String>,
    /// Work done of what the node does at this moment, in `unit`: of compactions or streams, as the node counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed: Option<i64>,
    /// Work there is of what the node does at this moment, in `unit`, as far as it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<i64>,
    /// `bytes`, `keys`, `ranges` or `token range`, as Cassandra says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// `completed` of `total`, from 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<i32>,
}
