//! `ScheduledTask`: a job in one datacenter, again and again.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CassandraTaskSpec;

/// A job to run on the nodes of one datacenter whenever a schedule says so.
#[expect(clippy::duplicated_attributes, reason = "columns of the same type")]
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "control.k8ssandra.io",
    version = "v1alpha1",
    kind = "ScheduledTask",
    plural = "scheduledtasks",
    singular = "scheduledtask",
    namespaced,
    status = "ScheduledTaskStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A job on the nodes of one datacenter, again and again",
    printcolumn(
        name = "Datacenter",
        type_ = "string",
        description = "datacenter the job runs in",
        json_path = ".spec.taskDetails.datacenter.name"
    ),
    printcolumn(
        name = "Job",
        type_ = "string",
        description = "what is done",
        json_path = ".spec.taskDetails.jobs[0].command"
    ),
    printcolumn(
        name = "Schedule",
        type_ = "string",
        description = "when it is done",
        json_path = ".spec.schedule"
    ),
    printcolumn(
        name = "Suspend",
        type_ = "boolean",
        description = "whether no run starts",
        json_path = ".spec.suspend"
    ),
    // A column of type date shows how long ago something was, and a run to come as invalid.
    printcolumn(
        name = "Next",
        type_ = "string",
        description = "next run",
        json_path = ".status.nextSchedule"
    ),
    printcolumn(
        name = "Last",
        type_ = "date",
        description = "last run",
        json_path = ".status.lastExecution"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledTaskSpec {
    /// Five fields as of cron, a name as `@daily`, or `@every` and a duration; a time zone may stand before it, as `CRON_TZ=`.
    pub schedule: String,
    /// Time zone of the schedule, by its name as in `Europe/Paris`; UTC when neither this nor the schedule names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Whether no run starts; those that began go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// How many tasks that ended well are kept; as long as each one's own time to live when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub successful_tasks_history_limit: Option<i32>,
    /// How many tasks that ended badly are kept; as long as each one's own time to live when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failed_tasks_history_limit: Option<i32>,
    /// What the `CassandraTask` of each run is made of.
    pub task_details: TaskDetails,
}

/// The `CassandraTask` of a run.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct TaskDetails {
    /// Accepted for compatibility, and read by nobody: a run is named after the schedule's object and its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The task.
    #[serde(flatten)]
    pub task: CassandraTaskSpec,
}

/// Status of a `ScheduledTask`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledTaskStatus {
    /// Next run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_schedule: Option<Time>,
    /// Last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_execution: Option<Time>,
    /// What keeps runs from starting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub conditions: Vec<Condition>,
}
