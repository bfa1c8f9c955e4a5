//! Refuses a request before anything of it is written: every target is looked at first, so a request is written whole or
//! not at all.
//!
//! The operator decides again for itself; what is refused here is what a person should hear about at once.

mod change;
mod decommission;
mod held;
mod loss;
mod pods;
mod refusal;
mod removal;
mod replacement;
mod restart;
mod tools;

pub use change::{PodChange, pod_change};
pub use decommission::{
    DecommissionPlan, DecommissionRefusal, DecommissionRequest, Leaving, Turn, decommission,
};
pub use loss::Loss;
pub use pods::{
    LeftOut, PodPlan, PodScope, PodSelection, PodTarget, pod_operation, selected, source_datacenter,
};
pub use refusal::{RackAt, Refusal};
pub use removal::{From, RemovalPlan, RemovalRequest, removal};
pub use replacement::{ReplacementPlan, ReplacementRefusal, ReplacementRequest, replacement};
pub use restart::{RackSelection, RestartPlan, restart, selected_racks};
pub use tools::{Named, ToolRefusal, better_verb, cqlsh, nodetool};

use casskop_types::CassandraCluster;

use crate::view::{ClusterView, RackRef};

/// Whether a cluster has these datacenters and racks.
pub fn places(cluster: &CassandraCluster, datacenters: &[String], racks: &[RackRef]) -> Result<(), Refusal> {
    let view = ClusterView::of(cluster, &[]);
    datacenters
        .iter()
        .try_for_each(|dc| restart::check_datacenter(&view, dc))?;
    restart::check_racks(&view, &RackSelection::Racks(racks.to_vec()))
}

/// The cluster a request is about: the one it names, or the only one there is.
pub fn cluster<'a>(clusters: &'a [ClusterView], name: Option<&str>) -> Result<&'a ClusterView, Refusal> {
    match (name, clusters) {
        (Some(name), _) => clusters
            .iter()
            .find(|cluster| cluster.name == name)
            .ok_or_else(|| Refusal::NoSuchCluster {
                name: name.to_owned(),
                known: names(clusters),
            }),
        (None, [only]) => Ok(only),
        (None, []) => Err(Refusal::NoCluster),
        (None, _) => Err(Refusal::SeveralClusters {
            known: names(clusters),
        }),
    }
}

fn names(clusters: &[ClusterView]) -> Vec<String> {
    clusters.iter().map(|cluster| cluster.name.clone()).collect()
}

#[cfg(test)]
mod tests;
