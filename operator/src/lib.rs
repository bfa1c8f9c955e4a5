//! The operator: watch, observe, plan, execute.
//!
//! Decisions are made in `casskop-core`; here is the I/O around them. One pass over one cluster is
//! [`reconcile`]: [`observe`] reads, core plans, [`execute`] writes. [`watch`] only says which cluster to look at,
//! [`calls`] runs what takes a node hours. [`run`] puts the process together.

pub mod backoff;
pub mod calls;
pub mod cli;
pub mod cluster_id;
mod cluster_patch;
pub mod events;
pub mod execute;
pub mod failure;
pub mod fingerprint;
pub mod hooks;
pub mod http;
pub mod keyring;
pub mod lease;
pub mod legacy_lock;
pub mod memory;
pub mod merge_patch;
pub mod metrics;
pub mod nodes;
pub mod observe;
pub mod readiness;
pub mod reconcile;
pub mod run;
pub mod tasks;
pub mod telemetry;
#[cfg(test)]
mod test_agent;
pub mod watch;
mod work;
