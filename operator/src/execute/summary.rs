//! What an effect does, for the log.

use casskop_core::effect::Effect;

use super::name_of;

/// One line for the log that says what an effect does.
pub fn summary(effect: &Effect) -> String {
    match effect {
        Effect::ApplyService(service) => format!("apply service {}", name_of(service.as_ref())),
        Effect::ApplyDisruptionBudget(budget) => {
            format!("apply poddisruptionbudget {}", name_of(budget.as_ref()))
        }
        Effect::RecordRing(_) => "record that the ring has formed".to_owned(),
        Effect::TellPod {
            pod,
            replaces: Some(address),
            ..
        } => format!("tell pod {pod} to replace {address}"),
        Effect::TellPod { pod, .. } => format!("tell pod {pod} to replace nobody"),
        Effect::CreateStatefulSet(set) => format!("create statefulset {}", name_of(set.as_ref())),
        Effect::UpdateStatefulSet(set) => format!("update statefulset {}", name_of(set.as_ref())),
        Effect::LowerReplicas { set, licence } => {
            format!(
                "lower replicas of statefulset {}: {licence}",
                name_of(set.as_ref())
            )
        }
        Effect::ResetRollingRestart {
            dc_name, rack_name, ..
        } => {
            format!("reset rollingRestart of {dc_name}-{rack_name}")
        }
        Effect::LabelPod(change) => format!("label pod {}", change.pod),
        Effect::StartCall { key, pod, call, .. } => {
            format!("start {} on {pod} (attempt {})", call.operation(), key.attempt)
        }
        Effect::StopCall { pod, operation, .. } => format!("stop {operation} on {pod}"),
        Effect::ForgetCall(key) => format!("forget call {}", key.record),
        Effect::PutBack(_) => "put edits back".to_owned(),
        Effect::KeepSpec(_) => "keep the accepted spec".to_owned(),
        Effect::DeleteStatefulSet { name, licence, .. } => format!("delete statefulset {name}: {licence}"),
        Effect::OrphanStatefulSet { name, .. } => {
            format!("delete statefulset {name} and leave its pods, to make it anew")
        }
        Effect::GrowClaim { name, capacity, .. } => format!("grow claim {name} to {capacity}"),
        Effect::StampClaim { name, .. } => format!("stamp claim {name}"),
        Effect::AddFinalizer => "add the finalizer".to_owned(),
        Effect::RemoveFinalizer => "remove the finalizer".to_owned(),
        Effect::KeepClaim { name, .. } => format!("keep claim {name}"),
        Effect::DeleteClaim { name, licence, .. } => format!("delete claim {name}: {licence}"),
        Effect::DeletePod { pod, .. } => format!("delete pod {pod}"),
    }
}
