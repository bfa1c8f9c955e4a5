//! Every decision of the operator, as pure functions over values.
//!
//! The pipeline of one pass, of which the operator supplies only the I/O:
//!
//! ```text
//! KubeState --questions--> what to ask which node --answers--> Observed
//! CassandraCluster --validate--> ValidatedCluster
//! (ValidatedCluster, Observed, now) --plan--> Plan { first, status, effects, notices, wake }
//! ```
//!
//! The status of the plan is the intent: it is written first, effects follow, and whatever a crash leaves half done
//! is found again by the next pass from what it observes.

pub mod action;
mod adoption;
pub mod blocker;
pub mod call;
mod children;
pub mod correct;
mod crossed_address;
pub mod deletion;
pub mod desired;
pub mod effect;
pub mod fact;
pub mod guard;
pub mod hooks;
pub mod jolokia_secret;
pub mod licence;
pub mod observed;
pub mod operations;
pub mod plan;
pub mod preview;
pub mod quantity;
pub mod questions;
pub mod rack;
mod removal;
pub mod replication;
mod report;
pub mod ring;
pub mod ring_record;
mod steps;
pub mod task;
pub mod validate;
pub mod view;
pub mod work;
