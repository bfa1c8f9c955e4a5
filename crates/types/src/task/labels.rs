//! Labels, finalizer and words by which tasks are found and shown.

use crate::vocabulary::vocabulary;

/// Label of a `CassandraTask`: how far it is, see [`TaskLabel`]. Absent while the task waits for its turn.
pub const STATUS: &str = "control.k8ssandra.io/status";
/// Label of a `CassandraTask` that has begun: name of the cluster.
pub const CLUSTER: &str = "cassandra.datastax.com/cluster";
/// Label of a `CassandraTask` that has begun: name of the datacenter.
pub const DATACENTER: &str = "cassandra.datastax.com/datacenter";
/// Label of a `CassandraTask` of a `K8ssandraTask`: that one's name.
pub const TASK_NAME: &str = "k8ssandra.io/task-name";
/// Label of a `CassandraTask` of a `K8ssandraTask`: that one's namespace.
pub const TASK_NAMESPACE: &str = "k8ssandra.io/task-namespace";
/// Label of a `CassandraTask` of a `K8ssandraTask`: that one's uid. A later one of its name is another.
pub const TASK_UID: &str = "cassandraclusters.db.orange.com/task-uid";
/// Label of a `CassandraTask` of a `ScheduledTask`: that one's name.
pub const SCHEDULE_NAME: &str = "control.k8ssandra.io/scheduled-task";
/// Annotation of a `CassandraTask`, or of a `K8ssandraTask`, `true`: it is to end before it is done, and stays.
pub const ABORT: &str = "cassandraclusters.db.orange.com/abort";
/// Finalizer of a `K8ssandraTask`, whose tasks go with it.
pub const FINALIZER: &str = "control.k8ssandra.io/finalizer";

vocabulary! {
    /// How far a task is, as the label [`STATUS`] says it.
    TaskLabel {
        /// It has begun.
        Active = "active",
        /// It has ended, well or badly.
        Completed = "completed",
    }
}

vocabulary! {
    /// What a condition of a task is about.
    TaskCondition {
        /// Pods are being worked on; while it does not hold, the reason says what is waited for.
        Running = "Running",
        /// The task has ended, well or badly.
        Complete = "Complete",
        /// The task has ended badly.
        Failed = "Failed",
        /// Refresh: what was changed of the cluster is carried out.
        DatacenterUpdated = "DatacenterUpdated",
        /// The task cannot work as it is; the message says why.
        Invalid = "Invalid",
    }
}
