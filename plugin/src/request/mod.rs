//! What goes to the API server and comes back: reading clusters and pods, writing requests for the operator.

mod list;
mod operation;
mod read;
mod restart;

pub(crate) use list::{list, list_of};
pub(crate) use operation::ask_pods;
pub(crate) use read::{Namespace, cluster, clusters_and_pods, pods_of, selector, the_cluster};
pub(crate) use restart::{Written, ask_restart, writes_default};

/// How often a write is tried against an object that changes under it. The operator and kubelet write status in bursts of a few.
pub(crate) const TRIES: u32 = 8;
