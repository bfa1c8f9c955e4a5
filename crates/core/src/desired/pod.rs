//! The pod of a rack.

use std::collections::BTreeMap;

use casskop_types::labels::Labels;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    Affinity, LocalObjectReference, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
    PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::containers::containers;
use super::init_containers::init_containers;
use super::volumes::DataMount;
use super::{environment, volumes};
use crate::validate::{AntiAffinity, ValidatedCluster, ValidatedRack};

/// Half an hour: a node drains before it stops, which takes its time.
const TERMINATION_GRACE_SECONDS: i64 = 1800;

/// The pod of a rack, whose nodes are started with these seeds and keep off pods with the labels `repelled`.
pub(super) fn pod_spec(
    cluster: &ValidatedCluster,
    rack: &ValidatedRack,
    seeds: &[String],
    data: DataMount,
    repelled: Labels,
) -> PodSpec {
    let pod = &cluster.pod;
    let mut containers = containers(cluster, rack, data, &environment::of_bootstrap(cluster, seeds));
    let mut volumes = volumes::of_pod(cluster);
    volumes::share_claims(
        &mut containers,
        &volumes::claim_templates(cluster, rack),
        &mut volumes,
    );
    PodSpec {
        affinity: Some(Affinity {
            node_affinity: Some(node_affinity(&rack.node_labels)),
            pod_anti_affinity: Some(pod_anti_affinity(pod.anti_affinity, repelled)),
            pod_affinity: None,
        }),
        tolerations: Some(pod.tolerations.clone()),
        security_context: Some(PodSecurityContext {
            run_as_user: Some(pod.run_as_user),
            run_as_non_root: Some(true),
            fs_group: Some(pod.fs_group),
            ..PodSecurityContext::default()
        }),
        init_containers: Some(init_containers(cluster, rack, seeds)),
        containers,
        volumes: Some(volumes),
        restart_policy: Some("Always".to_owned()),
        termination_grace_period_seconds: Some(TERMINATION_GRACE_SECONDS),
        share_process_namespace: pod.share_process_namespace,
        service_account_name: Some(pod.service_account.clone()),
        image_pull_secrets: pod
            .image_pull_secret
            .as_ref()
            .map(|secret| vec![LocalObjectReference { name: secret.clone() }]),
        ..PodSpec::default()
    }
}

fn node_affinity(labels: &BTreeMap<String, String>) -> NodeAffinity {
    if labels.is_empty() {
        return NodeAffinity::default();
    }
    let expressions = labels.iter().map(|(key, value)| NodeSelectorRequirement {
        key: key.clone(),
        operator: "In".to_owned(),
        values: Some(vec![value.clone()]),
    });
    NodeAffinity {
        required_during_scheduling_ignored_during_execution: Some(NodeSelector {
            node_selector_terms: vec![NodeSelectorTerm {
                match_expressions: Some(expressions.collect()),
                match_fields: None,
            }],
        }),
        preferred_during_scheduling_ignored_during_execution: None,
    }
}

/// The labels by which nodes of the cluster find each other. A StatefulSet that is there keeps its own, as its pods keep their
/// labels: with another label of the cluster object they would keep off nobody any more.
pub(super) fn repelled(cluster: &ValidatedCluster, stored: Option<&StatefulSet>) -> Labels {
    let known = stored.and_then(|stored| {
        let pod = stored.spec.as_ref()?.template.spec.as_ref()?;
        let anti_affinity = pod.affinity.as_ref()?.pod_anti_affinity.as_ref()?;
        let required = anti_affinity
            .required_during_scheduling_ignored_during_execution
            .iter()
            .flatten();
        let preferred = anti_affinity
            .preferred_during_scheduling_ignored_during_execution
            .iter()
            .flatten();
        let mut terms = required.chain(preferred.map(|weighted| &weighted.pod_affinity_term));
        terms.next()?.label_selector.as_ref()?.match_labels.clone()
    });
    known.unwrap_or_else(|| cluster.cluster_labels())
}

/// Keeps nodes of the cluster, whatever their rack, off each other's Kubernetes nodes.
fn pod_anti_affinity(strictness: AntiAffinity, repelled: Labels) -> PodAntiAffinity {
    let term = PodAffinityTerm {
        topology_key: "kubernetes.io/hostname".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(repelled),
            match_expressions: None,
        }),
        ..PodAffinityTerm::default()
    };
    match strictness {
        AntiAffinity::Required => PodAntiAffinity {
            required_during_scheduling_ignored_during_execution: Some(vec![term]),
            ..PodAntiAffinity::default()
        },
        AntiAffinity::Preferred => PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
                weight: 100,
                pod_affinity_term: term,
            }]),
            ..PodAntiAffinity::default()
        },
    }
}
