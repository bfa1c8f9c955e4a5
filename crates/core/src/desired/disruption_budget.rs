//! The disruption budget of a cluster.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::validate::ValidatedCluster;

/// One budget over all datacenters: replicas of a row are in all of them.
pub fn disruption_budget(cluster: &ValidatedCluster) -> PodDisruptionBudget {
    let labels = cluster.cluster_labels();
    PodDisruptionBudget {
        metadata: ObjectMeta {
            name: Some(cluster.name.disruption_budget()),
            namespace: Some(cluster.namespace.clone()),
            labels: Some(labels.clone()),
            owner_references: Some(vec![super::owner_reference(cluster)]),
            ..ObjectMeta::default()
        },
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(cluster.max_unavailable)),
            selector: Some(LabelSelector {
                match_labels: Some(labels),
                match_expressions: None,
            }),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}
