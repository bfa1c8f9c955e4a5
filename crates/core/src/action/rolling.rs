//! Rolling updates: a new pod template for one rack, rolled out by the StatefulSet controller, highest ordinal first.

use casskop_types::labels::ROLLING_RESTART;
use casskop_types::status::{ActionStatus, ClusterAction, LastAction, RackStatus};
use casskop_types::time::label_time;
use k8s_openapi::api::apps::v1::StatefulSet;

use crate::desired::{self, TemplateInputs, diff};
use crate::operations::Scene;
use crate::rack::Rack;
use crate::ring;
use crate::validate::ValidatedCluster;

/// Whether the rack's pods are being rolled.
pub(super) fn is_rolling(rack_status: &RackStatus) -> bool {
    rack_status.cassandra_last_action.as_ref().is_some_and(|action| {
        action.status == Some(ActionStatus::Ongoing)
            && !matches!(
                action.name,
                None | Some(ClusterAction::Initializing | ClusterAction::ScaleUp | ClusterAction::ScaleDown)
            )
    })
}

/// The template reached every pod, and the ring has every node back.
pub(super) fn is_done(scene: Scene<'_>, rack: &Rack<'_>, rack_status: &RackStatus) -> bool {
    next_template(scene, rack, rack_status).is_none()
        && rack.rolled_out().is_ok()
        && ring::has(rack, &scene.observed.nodes).is_ok()
}

/// The StatefulSet with the template the rack's action asks for, if the stored one differs.
pub(super) fn next_template(
    scene: Scene<'_>,
    rack: &Rack<'_>,
    rack_status: &RackStatus,
) -> Option<StatefulSet> {
    let stored = rack.statefulset?;
    let restart = restart_label(rack_status.cassandra_last_action.as_ref());
    let wanted = template(scene.cluster, rack, stored, restart.as_deref());
    diff::template_differs(&wanted, stored)?;
    Some(wanted)
}

/// The action that a changed template amounts to, in CassKop's words; `None` if the template is as it should be.
pub(super) fn template_change(
    cluster: &ValidatedCluster,
    rack: &Rack<'_>,
    stored: &StatefulSet,
) -> Option<ClusterAction> {
    let wanted = template(cluster, rack, stored, None);
    let paths = diff::template_differs(&wanted, stored)?;
    let touches = |what: &str| paths.iter().any(|path| path.contains(what));
    Some(if touches("configMap") || touches("cassandra-config") {
        ClusterAction::UpdateConfigMap
    } else if touches("containers[cassandra].image") {
        ClusterAction::UpdateDockerImage
    } else if touches("containers[cassandra].resources") {
        ClusterAction::UpdateResources
    } else {
        ClusterAction::UpdateStatefulSet
    })
}

/// Seeds are held back: a new list is an action of its own, and rolls no pod by itself.
fn template(
    cluster: &ValidatedCluster,
    rack: &Rack<'_>,
    stored: &StatefulSet,
    restart: Option<&str>,
) -> StatefulSet {
    let seeds = desired::stored_seeds(cluster, stored);
    let inputs = TemplateInputs {
        seeds: &seeds,
        restart,
        replicas: rack.replicas(),
        stored: Some(stored),
    };
    desired::statefulset(cluster, rack.desired, &inputs)
}

/// The label that makes the template of a restart new. It is derived from the recorded start, so that writing it
/// twice restarts once.
fn restart_label(action: Option<&LastAction>) -> Option<String> {
    let action = action.filter(|action| {
        action.name == Some(ClusterAction::RollingRestart) && action.status == Some(ActionStatus::Ongoing)
    })?;
    action.start_time.as_ref().map(|start| label_time(start.0))
}

/// Labels have whole seconds: a restart within the second of the one before would not change the template.
pub(super) fn same_second(scene: Scene<'_>, rack: &Rack<'_>, rack_status: &RackStatus) -> bool {
    let starts = rack_status.cassandra_last_action.as_ref().is_some_and(|action| {
        action.name == Some(ClusterAction::RollingRestart) && action.status == Some(ActionStatus::ToDo)
    });
    let template_labels = rack
        .statefulset
        .and_then(|set| set.spec.as_ref()?.template.metadata.as_ref()?.labels.as_ref());
    starts && template_labels.and_then(|labels| labels.get(ROLLING_RESTART)) == Some(&label_time(scene.now))
}
