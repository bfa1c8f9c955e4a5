//! Services and the disruption budget: applied when they differ from what the spec asks for.

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use crate::desired;
use crate::effect::Effect;
use crate::fact::Fact;
use crate::operations::Scene;
use crate::steps::Steps;

/// Adds the applies that are needed. What was not read in this pass is left alone.
pub(crate) fn apply(scene: Scene<'_>, steps: &mut Steps) {
    if let Fact::Known(stored) = &scene.observed.kube.services {
        let wanted = desired::services(scene.cluster);
        let missing = wanted
            .into_iter()
            .filter(|service| !stored.iter().any(|known| covers(known, service)));
        steps
            .effects
            .extend(missing.map(|service| Effect::ApplyService(Box::new(service))));
    }
    if let Fact::Known(stored) = &scene.observed.kube.disruption_budget {
        let wanted = desired::disruption_budget(scene.cluster);
        if !stored.as_ref().is_some_and(|known| budget_covers(known, &wanted)) {
            steps
                .effects
                .push(Effect::ApplyDisruptionBudget(Box::new(wanted)));
        }
    }
}

fn covers(stored: &Service, wanted: &Service) -> bool {
    let name = &wanted.metadata.name;
    if stored.metadata.name != *name {
        return false;
    }
    contains(
        serde_json::to_value(stored).ok(),
        serde_json::to_value(wanted).ok(),
    )
}

fn budget_covers(stored: &PodDisruptionBudget, wanted: &PodDisruptionBudget) -> bool {
    contains(
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
mod tests {
    use serde_json::json;

    use super::value_contains;

    #[test]
    fn stored_objects_may_have_more_but_not_less() {
        let stored = json!({"spec": {"clusterIP": "None", "ports": [{"port": 9042, "protocol": "TCP"}]}});
        assert!(value_contains(
            &stored,
            &json!({"spec": {"ports": [{"port": 9042}]}})
        ));
        assert!(!value_contains(
            &stored,
            &json!({"spec": {"ports": [{"port": 9043}]}})
        ));
        assert!(!value_contains(&stored, &json!({"spec": {"ports": []}})));
        assert!(!value_contains(
            &stored,
            &json!({"spec": {"selector": {"app": "x"}}})
        ));
    }
}
