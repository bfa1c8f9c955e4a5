//! `CassandraTask`: a job in one datacenter.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{TaskStatus, TaskTemplate};

/// A job to run on the nodes of one datacenter.
#[expect(clippy::duplicated_attributes, reason = "columns of the same type")]
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "control.k8ssandra.io",
    version = "v1alpha1",
    kind = "CassandraTask",
    plural = "cassandratasks",
    singular = "cassandratask",
    namespaced,
    status = "TaskStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A job on the nodes of one datacenter",
    printcolumn(
        name = "Datacenter",
        type_ = "string",
        description = "datacenter the job runs in",
        json_path = ".spec.datacenter.name"
    ),
    printcolumn(
        name = "Job",
        type_ = "string",
        description = "what is done",
        json_path = ".spec.jobs[0].command"
    ),
    printcolumn(
        name = "Scheduled",
        type_ = "date",
        description = "earliest start",
        json_path = ".spec.scheduledTime"
    ),
    printcolumn(
        name = "Started",
        type_ = "date",
        description = "when it began",
        json_path = ".status.startTime"
    ),
    printcolumn(
        name = "Completed",
        type_ = "date",
        description = "when it ended, well or badly",
        json_path = ".status.completionTime"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct CassandraTaskSpec {
    /// The datacenter, by `name`; `namespace` is the task's own when absent, and nothing else is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::object_reference")]
    pub datacenter: Option<ObjectReference>,
    /// The job, and how it is run.
    #[serde(flatten)]
    pub template: TaskTemplate,
}
