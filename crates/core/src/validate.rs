//! From a cluster object to the one input of everything after: parsed, defaulted, and nothing in it that cannot work.
//!
//! Defaults are filled in here, in memory, and never written into the object. What the API server's schema already refuses is
//! checked again, since objects may be older than the schema.

mod names;
mod pods;
mod topology;
mod validated;

pub use validated::{
    AntiAffinity, BackRest, ClaimsAtDeletion, DataVolume, Images, MainProcess, PodSettings, Probe, Probes,
    SeedList, StartOrder, ValidatedCluster, ValidatedRack,
};

use casskop_types::CassandraCluster;
use casskop_types::labels::DISABLE_FIRST_POD_PER_RACK;
use k8s_openapi::api::apps::v1::StatefulSet;

use crate::desired::defaults;

/// Why a cluster object cannot work.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Problem {
    /// The field, as in `spec.topology.dc[0].name`.
    pub field: String,
    /// What is wrong with it and what would be right.
    pub message: String,
}

/// All of them, on one line.
pub fn in_words(problems: &[Problem]) -> String {
    let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    words.join("; ")
}

/// Problems found so far.
#[derive(Debug, Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        let problem = Problem {
            field: field.into(),
            message: message.into(),
        };
        // What every datacenter takes from the cluster's spec is wrong once.
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    /// The value, or `None` with the error noted as a problem of the field.
    fn note<T, E: std::fmt::Display>(&mut self, field: impl Into<String>, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(field, error.to_string());
                None
            }
        }
    }
}

/// Parses and defaults a cluster object, or says everything that is wrong with it.
pub fn validate(cluster: &CassandraCluster) -> Result<ValidatedCluster, Vec<Problem>> {
    let mut problems = Problems::default();
    let identity = names::identity(cluster, &mut problems);
    let racks = topology::racks(cluster, &mut problems);
    let pod = pods::settings(cluster, &mut problems);
    let (Some(identity), Some(racks), Some(pod), true) = (identity, racks, pod, problems.0.is_empty()) else {
        return Err(problems.0);
    };
    let spec = &cluster.spec;
    let status = cluster.status.as_ref();
    Ok(ValidatedCluster {
        name: identity.name,
        namespace: identity.namespace,
        uid: identity.uid,
        generation: cluster.metadata.generation.unwrap_or_default(),
        labels: cluster.metadata.labels.clone().unwrap_or_default(),
        being_deleted: cluster.metadata.deletion_timestamp.is_some(),
        claims_at_deletion: if spec.delete_pvc == Some(true) {
            ClaimsAtDeletion::Delete
        } else {
            ClaimsAtDeletion::Keep
        },
        racks,
        seeds: SeedList {
            stored: status.map(|status| status.seed_list.clone()).unwrap_or_default(),
            follows_topology: spec.auto_update_seed_list == Some(true),
        },
        start_order: start_order(cluster),
        max_unavailable: spec.max_pod_unavailable.unwrap_or(defaults::MAX_UNAVAILABLE),
        auto_pilot: spec.auto_pilot == Some(true),
        restarts_before_pod_deletion: spec
            .restart_count_before_pod_deletion
            .filter(|restarts| *restarts > 0),
        unlock_next_operation: spec.unlock_next_operation == Some(true),
        cleanup_threads: spec.keyspace_cleanup_threads.unwrap_or_default(),
        service_annotations: spec
            .service
            .as_ref()
            .and_then(|service| service.annotations.clone())
            .unwrap_or_default(),
        pinned: status
            .and_then(|status| status.pinned.clone())
            .unwrap_or_else(|| defaults::pin(cluster, None)),
        config_map_content: status
            .and_then(|status| status.config_map_content.clone())
            .filter(|content| pod.hooks.as_ref() == Some(&content.name)),
        pod,
    })
}

/// The same for a cluster that is seen for the first time with a StatefulSet of another operator: what its spec leaves out is as
/// it is there, and not as our defaults are. `None` if the cluster was seen before.
pub fn at_first_sight(
    cluster: &CassandraCluster,
    stored: &StatefulSet,
) -> Option<Result<ValidatedCluster, Vec<Problem>>> {
    let mut status = cluster.status.clone().unwrap_or_default();
    if status.pinned.is_some() {
        return None;
    }
    status.pinned = Some(defaults::pin(cluster, Some(stored)));
    Some(validate(&CassandraCluster {
        status: Some(status),
        ..cluster.clone()
    }))
}

fn start_order(cluster: &CassandraCluster) -> StartOrder {
    let disabled = cluster
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(DISABLE_FIRST_POD_PER_RACK));
    match disabled {
        Some(value) if value.eq_ignore_ascii_case("true") => StartOrder::RackAfterRack,
        _ => StartOrder::FirstPodPerRack,
    }
}

/// A text that says something: Go writes absent texts as empty ones.
fn said(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
