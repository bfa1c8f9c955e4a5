//! `K8ssandraTask`: a job in several datacenters of a cluster.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{TaskStatus, TaskTemplate};

/// A job to run in the datacenters of a cluster.
#[expect(clippy::duplicated_attributes, reason = "columns of the same type")]
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "control.k8ssandra.io",
    version = "v1alpha1",
    kind = "K8ssandraTask",
    plural = "k8ssandratasks",
    singular = "k8ssandratask",
    namespaced,
    status = "K8ssandraTaskStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A job in the datacenters of a cluster, one after another or at once",
    printcolumn(
        name = "Job",
        type_ = "string",
        description = "what is done",
        json_path = ".spec.template.jobs[0].command"
    ),
    printcolumn(
        name = "Scheduled",
        type_ = "date",
        description = "earliest start",
        json_path = ".spec.template.scheduledTime"
    ),
    printcolumn(
        name = "Started",
        type_ = "date",
        description = "when the first datacenter began",
        json_path = ".status.startTime"
    ),
    printcolumn(
        name = "Completed",
        type_ = "date",
        description = "when the last datacenter ended, well or badly",
        json_path = ".status.completionTime"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct K8ssandraTaskSpec {
    /// The `CassandraCluster`, by `name`; `namespace` is the task's own when absent, and nothing else is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::object_reference")]
    pub cluster: Option<ObjectReference>,
    /// Datacenters to run in, by their names in the cluster's topology, in this order; all, in the topology's order, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacenters: Option<Vec<String>>,
    /// `Allow` runs in all datacenters at once; any other word in one after another, which ends with the first that fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dc_concurrency_policy: Option<String>,
    /// What the `CassandraTask` of each datacenter is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TaskTemplate>,
}

/// Status of a `K8ssandraTask`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct K8ssandraTaskStatus {
    /// Of all datacenters together.
    #[serde(flatten)]
    pub overall: TaskStatus,
    /// Status of the `CassandraTask` of each datacenter, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub datacenters: BTreeMap<String, TaskStatus>,
}
