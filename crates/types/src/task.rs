//! Tasks: work on whole datacenters, in the resources of `control.k8ssandra.io/v1alpha1`.
//!
//! Field names, types and printer columns are those of cass-operator and k8ssandra-operator, so that manifests made for them
//! apply unchanged. An object that one of their operators took may hold words nobody knows: they are texts here, and read by
//! whoever decides about the task, because one task that cannot be parsed would hide all others of its list.

mod arguments;
mod cassandra_task;
mod command;
mod definition;
mod k8ssandra_task;
pub mod labels;
mod scheduled_task;
mod status;
mod template;

pub use arguments::JobArguments;
pub use cassandra_task::{CassandraTask, CassandraTaskSpec};
pub use command::TaskCommand;
pub(crate) use definition::manifests;
pub use k8ssandra_task::{K8ssandraTask, K8ssandraTaskSpec, K8ssandraTaskStatus};
pub use scheduled_task::{ScheduledTask, ScheduledTaskSpec, ScheduledTaskStatus, TaskDetails};
pub use status::{PodProgress, PodState, TaskStatus};
pub use template::{TaskJob, TaskTemplate};

/// API group of the tasks.
pub const GROUP: &str = "control.k8ssandra.io";
/// Version of the tasks.
pub const VERSION: &str = "v1alpha1";
