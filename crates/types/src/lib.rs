//! What the operator, the plugin and the tests agree on: the custom resources, the vocabulary of their status, and the
//! names and labels of everything that belongs to a cluster.
//!
//! Nothing here talks to an API server or reads a clock.

pub mod cluster;
pub mod conditions;
pub mod crd;
pub mod labels;
pub mod names;
pub mod operation;
mod schema;
pub mod status;
pub mod task;
pub mod time;
pub mod topology;
pub mod vocabulary;

pub use cluster::{CassandraCluster, CassandraClusterSpec};
pub use status::CassandraClusterStatus;
