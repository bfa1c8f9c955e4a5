//! Services and the disruption budget: applied when they differ from what the spec asks for.

use casskop_types::labels::Labels;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use crate::desired;
use crate::effect::Effect;
use crate::fact::Fact;
use crate::operations::Scene;
use crate::rack::Rack;
use crate::steps::Steps;
use crate::validate::ValidatedCluster;

/// Adds the applies that are needed. What was not read in this pass is left alone.
pub(crate) fn apply(scene: Scene<'_>, steps: &mut Steps) {
    let pods = labels_of_pods(scene.cluster, scene.racks);
    if let Fact::Known(stored) = &scene.observed.kube.services {
        let missing = services(scene.cluster, &pods)
            .into_iter()
            .filter(|service| !stored.iter().any(|known| covers(known, service, &pods)));
        steps
            .effects
            .extend(missing.map(|service| Effect::ApplyService(Box::new(service))));
    }
    if let Fact::Known(stored) = &scene.observed.kube.disruption_budget {
        let wanted = disruption_budget(scene.cluster, &pods);
        let covered = stored.as_ref();
        if !covered.is_some_and(|known| budget_covers(known, &wanted, &pods)) {
            steps
                .effects
                .push(Effect::ApplyDisruptionBudget(Box::new(wanted)));
        }
    }
}

/// The labels of each rack's pods, as far as they come from the cluster object: those of a StatefulSet that is there stay as they
/// are, whatever becomes of the cluster object's.
fn labels_of_pods(cluster: &ValidatedCluster, racks: &[Rack<'_>]) -> Vec<Labels> {
    let of_rack = |rack: &Rack<'_>| {
        let stored = rack
            .statefulset
            .and_then(|set| set.spec.as_ref()?.template.metadata.as_ref()?.labels.clone());
        stored.unwrap_or_else(|| cluster.rack_labels(&rack.desired.id))
    };
    racks.iter().map(of_rack).collect()
}

/// The selector by which all pods are found: CassKop's, which has the cluster object's labels in it, without those that some pods
/// have not. With one of them the Services would lose those pods, and with the Services their names.
fn selector(cluster: &ValidatedCluster, pods: &[Labels]) -> Labels {
    let mut labels = cluster.cluster_labels();
    labels.retain(|key, value| pods.iter().all(|pod| pod.get(key) == Some(value)));
    labels
}

fn services(cluster: &ValidatedCluster, pods: &[Labels]) -> Vec<Service> {
    let mut services = desired::services(cluster);
    for spec in services.iter_mut().filter_map(|service| service.spec.as_mut()) {
        spec.selector = Some(selector(cluster, pods));
    }
    services
}

fn disruption_budget(cluster: &ValidatedCluster, pods: &[Labels]) -> PodDisruptionBudget {
    let mut budget = desired::disruption_budget(cluster);
    if let Some(wanted) = budget.spec.as_mut().and_then(|spec| spec.selector.as_mut()) {
        wanted.match_labels = Some(selector(cluster, pods));
    }
    budget
}

/// Whether a selector finds every pod.
fn selects(selector: Option<&Labels>, pods: &[Labels]) -> bool {
    let mut terms = selector.into_iter().flatten();
    terms.all(|(key, value)| pods.iter().all(|pod| pod.get(key) == Some(value)))
}

fn covers(stored: &Service, wanted: &Service, pods: &[Labels]) -> bool {
    let name = &wanted.metadata.name;
    let selector = stored.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    stored.metadata.name == *name
        && selects(selector, pods)
        && contains(
            serde_json::to_value(stored).ok(),
            serde_json::to_value(wanted).ok(),
        )
}

fn budget_covers(stored: &PodDisruptionBudget, wanted: &PodDisruptionBudget, pods: &[Labels]) -> bool {
    let selector = stored.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    selects(selector.and_then(|selector| selector.match_labels.as_ref()), pods)
        && contains(
            serde_json::to_value(stored).ok(),
            serde_json::to_value(wanted).ok(),
        )
}

/// Whether every field of `wanted` has the same value in `stored`, which may have more: defaults of the API server,
/// and what others add.
fn contains(stored: Option<serde_json::Value>, wanted: Option<serde_json::Value>) -> bool {
    match (stored, wanted) {
        (Some(stored), Some(wanted)) => value_contains(&stored, &wanted),
        _ => false,
    }
}

fn value_contains(stored: &serde_json::Value, wanted: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Object};
    match (stored, wanted) {
        (Object(stored), Object(wanted)) => wanted
            .iter()
            .all(|(key, value)| stored.get(key).is_some_and(|known| value_contains(known, value))),
        (Array(stored), Array(wanted)) => {
            stored.len() == wanted.len()
                && stored
                    .iter()
                    .zip(wanted)
                    .all(|(known, value)| value_contains(known, value))
        }
        (stored, wanted) => stored == wanted,
    }
}

#[cfg(test)]
mod tests;
