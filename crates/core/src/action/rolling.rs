//! Rolling updates: a new pod template for one rack, rolled out by the StatefulSet controller, highest ordinal first.

use casskop_types::conditions::ConditionReason;
use casskop_types::labels::ROLLING_RESTART;
use casskop_types::status::{ActionStatus, ClusterAction, LastAction, RackStatus};
use casskop_types::time::label_time;
use k8s_openapi::api::apps::v1::StatefulSet;

use crate::blocker::Blocker;
use crate::desired::{self, TemplateInputs, diff};
use crate::effect::Effect;
use crate::hooks;
use crate::operations::{self, Scene, is_running};
use crate::rack::{Rack, partition_of};
use crate::ring;
use crate::steps::Steps;
use crate::validate::ValidatedCluster;

/// How long a container that never got ready is given to stop.
const GRACE_SECONDS: u32 = 30;

/// Whether the rack may roll: every pod ready, every node NORMAL and seen UP.
///
/// Pods of the rack itself that cannot start keep nobody from repairing it, by another image or configuration: the controller
/// of the StatefulSet touches no further pod until they are ready. A rack none of whose pods can start can only get better,
/// whatever is wrong elsewhere. A pod that merely is not ready just now is no such pod: its node may well serve.
///
/// Without the ConfigMap it mounts no pod starts, so none is taken down then.
pub(super) fn gate(scene: Scene<'_>, rack: &Rack<'_>, rack_status: &RackStatus) -> Result<(), Blocker> {
    if let Some(missing) = hooks::missing(scene) {
        return Err(missing);
    }
    let failing: Vec<_> = rack.pods.iter().filter(|pod| pod.cannot_start()).collect();
    let all_fail = failing.len() == rack.pods.len() && !failing.is_empty();
    if !all_fail {
        let others = scene
            .racks
            .iter()
            .filter(|other| other.desired.id != rack.desired.id);
        for other in others.filter(|other| other.statefulset.is_some()) {
            other.complete()?;
        }
        if failing.is_empty() {
            rack.complete()?;
        } else if let Some(pod) = rack
            .pods
            .iter()
            .find(|pod| !pod.is_ready() && !pod.cannot_start())
        {
            return Err(pod.blocker());
        }
        let replaced = operations::replaced(scene);
        ring::agrees_but(scene.racks, &scene.observed.nodes, &failing, &replaced)?;
    }
    // A node that is replaced may be waiting for this very template, and one that is restarted holds back more than its rack.
    let busy = rack_status
        .operations
        .iter()
        .find(|record| is_running(record) && !record.name.makes_its_pod_anew());
    busy.map_or(Ok(()), |record| {
        let note = format!(
            "{} runs on pod {}, which the rolling update would restart",
            record.name, record.pod
        );
        Err(Blocker::new(ConditionReason::OperationOngoing, note))
    })
}

/// Replaces a pod of the rack that its StatefulSet's controller waits for in vain.
pub(super) fn unstick(scene: Scene<'_>, rack: &Rack<'_>, steps: &mut Steps) {
    let Some(pod) = rack.stuck() else { return };
    // A container that ends again and again may serve in between: then it is the ring's, and not ours to take down.
    let views = ring::views(&scene.observed.nodes);
    let serves = |address| {
        views
            .iter()
            .any(|(_, view)| view.live.contains(&address) && !view.unreachable.contains(&address))
    };
    if pod.address.is_some_and(serves) {
        return steps.look_again_after(super::ASK_AGAIN);
    }
    steps.tell(
        "PodReplaced",
        format!(
            "pod {} is {} and of an older revision: it is made anew",
            pod.name, pod.readiness
        ),
    );
    steps.effects.push(Effect::DeletePod {
        pod: pod.name.clone(),
        uid: pod.uid.to_owned(),
        grace_seconds: GRACE_SECONDS,
    });
}

/// Whether the rack's pods are being rolled.
pub(super) fn is_rolling(rack_status: &RackStatus) -> bool {
    rack_status.cassandra_last_action.as_ref().is_some_and(|action| {
        action.status == Some(ActionStatus::Ongoing) && action.name.map(super::way) == Some(super::Way::Roll)
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
    let action = rack_status.cassandra_last_action.as_ref();
    let restart = restart_label(action);
    let new_seeds = action.is_some_and(|action| action.name == Some(ClusterAction::UpdateSeedList));
    let seeds = if new_seeds && !scene.cluster.seeds.stored.is_empty() {
        scene.cluster.seeds.stored.clone()
    } else {
        desired::stored_seeds(scene.cluster, stored)
    };
    let wanted = template(scene.cluster, rack, stored, &seeds, restart.as_deref());
    let differs =
        diff::template_differs(&wanted, stored).is_some() || partition_of(&wanted) != partition_of(stored);
    differs.then_some(wanted)
}

/// The action that a changed template amounts to, in CassKop's words; `None` if the template is as it should be.
pub(super) fn template_change(
    cluster: &ValidatedCluster,
    rack: &Rack<'_>,
    stored: &StatefulSet,
) -> Option<ClusterAction> {
    // Seeds are held back: a new list is an action of its own, and rolls no pod by itself.
    let seeds = desired::stored_seeds(cluster, stored);
    let wanted = template(cluster, rack, stored, &seeds, None);
    let Some(paths) = diff::template_differs(&wanted, stored) else {
        let moved = partition_of(&wanted) != partition_of(stored);
        return moved.then_some(ClusterAction::UpdateStatefulSet);
    };
    let touches = |what: &str| paths.iter().any(|path| path.contains(what));
    let other_hooks = touches("configMap")
        || touches("cassandra-config")
        || hooks::annotation_of(&wanted) != hooks::annotation_of(stored);
    Some(if other_hooks {
        ClusterAction::UpdateConfigMap
    } else if touches("containers[cassandra].image") {
        ClusterAction::UpdateDockerImage
    } else if touches("containers[cassandra].resources") {
        ClusterAction::UpdateResources
    } else {
        ClusterAction::UpdateStatefulSet
    })
}

/// Fields of a rack's StatefulSet that are not as the spec wants them.
pub(crate) fn changed_fields(
    cluster: &ValidatedCluster,
    rack: &Rack<'_>,
    stored: &StatefulSet,
) -> Vec<String> {
    let seeds = desired::stored_seeds(cluster, stored);
    let wanted = template(cluster, rack, stored, &seeds, None);
    diff::template_differs(&wanted, stored).unwrap_or_default()
}

/// Whether an action restarts nodes that are there.
pub(crate) fn restarts_pods(action: ClusterAction) -> bool {
    match action {
        ClusterAction::UpdateConfigMap
        | ClusterAction::UpdateDockerImage
        | ClusterAction::UpdateSeedList
        | ClusterAction::RollingRestart
        | ClusterAction::UpdateResources
        | ClusterAction::UpdateStatefulSet => true,
        ClusterAction::Initializing
        | ClusterAction::ScaleUp
        | ClusterAction::ScaleDown
        | ClusterAction::ActionDeleteDc
        | ClusterAction::ActionDeleteRack
        | ClusterAction::CorrectCrdConfig
        | ClusterAction::StorageUpsize => false,
    }
}

fn template(
    cluster: &ValidatedCluster,
    rack: &Rack<'_>,
    stored: &StatefulSet,
    seeds: &[String],
    restart: Option<&str>,
) -> StatefulSet {
    let inputs = TemplateInputs {
        seeds,
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
