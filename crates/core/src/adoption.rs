//! What CassKop's status says at first sight and cannot be read as it stands. Everything else of an old status is settled by what
//! is observed, in every pass.

use casskop_types::labels::ROLLING_RESTART;
use casskop_types::names::DATA_VOLUME;
use casskop_types::operation::{OperationName, OperationStatus};
use casskop_types::status::{ActionStatus, CassandraClusterStatus, ClusterAction, RackStatus};
use casskop_types::time::parse_label_time;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::operations::Scene;
use crate::questions;
use crate::rack::Rack;
use crate::steps::Steps;

/// Takes a cluster over from another operator, once: when it is first seen.
pub(crate) fn take_over(scene: Scene<'_>, status: &mut CassandraClusterStatus, steps: &mut Steps) {
    if !questions::is_new(&scene.observed.kube.cluster) {
        return;
    }
    tell_of_backups(scene, steps);
    for rack in scene.racks {
        let rack_status = status.cassandra_rack_status.get_mut(&rack.desired.id.to_string());
        let Some(rack_status) = rack_status else { continue };
        date_restart(rack, rack_status);
        tell_of_claims(rack, rack_status, steps);
    }
}

/// Our template label is derived from the recorded start. CassKop's was not: it is the start that follows the label, or a restart
/// that was made would be made again.
fn date_restart(rack: &Rack<'_>, rack_status: &mut RackStatus) {
    let template = rack
        .statefulset
        .and_then(|set| set.spec.as_ref()?.template.metadata.as_ref()?.labels.as_ref());
    let stored = template
        .and_then(|labels| labels.get(ROLLING_RESTART))
        .and_then(|label| parse_label_time(label).ok());
    let restart = rack_status.cassandra_last_action.as_mut().filter(|action| {
        action.name == Some(ClusterAction::RollingRestart) && action.status == Some(ActionStatus::Ongoing)
    });
    if let (Some(action), Some(stored)) = (restart, stored) {
        action.start_time = Some(Time(stored));
    }
}

/// CassKop deletes the claim of a node that left after its pod. Between the two the claim is nobody's that could be proved, so it
/// stays; a node that were started on it would be the one that left, and Cassandra starts no such node.
fn tell_of_claims(rack: &Rack<'_>, rack_status: &RackStatus, steps: &mut Steps) {
    let Some(last) = &rack_status.pod_last_operation else {
        return;
    };
    if last.name != Some(OperationName::Decommission) || last.status == Some(OperationStatus::Done) {
        return;
    }
    let is_there = |pod: &String| rack.pod_named(pod).is_some();
    for pod in last.pods.iter().filter(|pod| !is_there(pod)) {
        let note = format!(
            "the node of pod {pod} was decommissioned before this operator took over: if claim {DATA_VOLUME}-{pod} is still \
             there, delete it before rack {} grows again",
            rack.desired.id
        );
        steps.warn("ClaimLeft", note);
    }
}

/// CassKop ran them, and nobody does now.
fn tell_of_backups(scene: Scene<'_>, steps: &mut Steps) {
    let backups = &scene.observed.kube.scheduled_backups;
    if backups.is_empty() {
        return;
    }
    let note = format!(
        "CassKop's scheduled backups of this cluster are carried out by nobody any more: CassandraBackup {}",
        backups.join(", ")
    );
    steps.warn("BackupsNotScheduled", note);
}
