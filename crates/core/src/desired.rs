//! From a validated cluster to the objects it is made of.
//!
//! Names, labels and the pod template are CassKop's, value for value: a cluster that CassKop made is taken over without any
//! pod's restart. So the shape of a pod is fixed here, and what can be better is better inside the images.

mod config;
mod containers;
pub mod defaults;
pub mod diff;
mod disruption_budget;
mod environment;
mod go_json;
mod init_containers;
mod last_applied;
mod pod;
pub mod seeds;
mod server_defaults;
mod service;
mod statefulset;
mod volumes;

pub use disruption_budget::disruption_budget;
pub use seeds::of_statefulset as stored_seeds;
pub use service::services;
pub use statefulset::{TemplateInputs, statefulset};
pub use volumes::claim_templates;

use casskop_types::cluster::{GROUP, KIND, VERSION};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::validate::ValidatedCluster;

/// The reference by which everything of a cluster goes when the cluster object goes. CassKop sets no `blockOwnerDeletion`.
pub fn owner_reference(cluster: &ValidatedCluster) -> OwnerReference {
    OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: KIND.to_owned(),
        name: cluster.name.to_string(),
        uid: cluster.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod casskop;

#[cfg(test)]
mod properties;
