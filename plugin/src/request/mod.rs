//! What goes to the API server and comes back: reading clusters and pods, writing requests for the operator.

mod cluster;
mod decommission;
mod list;
mod operation;
mod read;
mod restart;
mod ring;
mod task;

pub(crate) use cluster::{Written, merge_cluster};
pub(crate) use decommission::lower_nodes;
pub(crate) use list::{list, list_of};
pub(crate) use operation::change_pods;
pub(crate) use read::{Namespace, cluster, clusters_and_pods, pods_of, selected, selector, the_cluster};
pub(crate) use restart::{ask_restart, writes_default};
pub(crate) use ring::ring;
pub(crate) use task::{
    Found, Task, create_task, delete_task, merge_task, task, task_of, tasks_of_clusters, tasks_of_datacenters,
};

use kube::api::PatchParams;

use crate::cli::DryRun;
use crate::kube_access::FIELD_MANAGER;

/// How often a write is tried against an object that changes under it. The operator and kubelet write status in bursts of a few.
pub(crate) const TRIES: u32 = 8;

/// As whom, and whether, something is written.
pub(crate) fn patch_params(dry_run: DryRun) -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        dry_run: dry_run == DryRun::Server,
        ..PatchParams::default()
    }
}
