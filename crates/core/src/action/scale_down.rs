//! Shrinking a rack: its last node leaves the ring, and only then its replica goes. One node of the whole cluster at a
//! time, the highest ordinal first.

use casskop_types::conditions::ConditionReason;
use casskop_types::operation::{OperationName, OperationRecord, RecordState};
use casskop_types::status::{CassandraClusterStatus, ClusterAction, RackStatus};
use jiff::SignedDuration;

use super::unfinished;
use crate::blocker::Blocker;
use crate::call::Replicas;
use crate::fact::Fact;
use crate::licence;
use crate::operations::{Scene, decommission, is_running};
use crate::rack::{PodView, Rack};
use crate::replication::{self, Remaining, Verdict};
use crate::ring;
use crate::steps::Steps;

/// How soon the replication is read again while it keeps nodes from leaving: no watch tells of an ALTER KEYSPACE.
const REPLICATION_AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// How long a decommission that failed is left alone.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(2);

/// Whether the rack has nodes to lose.
pub(super) fn is_wanted(rack: &Rack<'_>) -> bool {
    rack.replicas() > rack.desired.nodes
}

/// Nothing more has to leave, or somebody thought better of it. A node on its way out goes all the way
/// (cassandra-operator #410).
pub(super) fn is_done(rack: &Rack<'_>, rack_status: &RackStatus) -> bool {
    !is_wanted(rack) && decommission::under_way(rack_status).is_none()
}

/// Whether the replication has to be read in this pass: before a node may leave.
pub(crate) fn asks_for_replication(racks: &[Rack<'_>], status: &CassandraClusterStatus) -> bool {
    let leaving = |rack_status: &RackStatus| decommission::under_way(rack_status).is_some();
    !status.cassandra_rack_status.values().any(leaving) && racks.iter().any(is_wanted)
}

/// Whether all nodes that are to leave may: judged before the first one does.
pub(super) fn may_begin(scene: Scene<'_>, rack: &Rack<'_>, steps: &mut Steps) -> Result<(), Blocker> {
    let leave = |other: &Rack<'_>| (other.replicas() - other.desired.nodes).max(0);
    let in_datacenter = same_datacenter(scene, rack)
        .map(|other| other.replicas().min(other.desired.nodes))
        .sum();
    let in_all: i32 = scene.racks.iter().map(leave).sum();
    judge(scene, rack, in_datacenter, in_all, steps).map(drop)
}

/// Whether the datacenter of a rack may be emptied. Once its nodes are leaving it may.
pub(crate) fn may_be_emptied(scene: Scene<'_>, rack: &Rack<'_>) -> Result<(), Blocker> {
    let status = scene.observed.kube.cluster.status.as_ref();
    let begun = same_datacenter(scene, rack).any(|other| {
        let rack_status = status.and_then(|status| status.rack(&other.desired.id));
        let action = rack_status.and_then(unfinished);
        other.replicas() == 0 || action.is_some_and(|action| action.name == Some(ClusterAction::ScaleDown))
    });
    if begun {
        return Ok(());
    }
    may_begin(scene, rack, &mut Steps::default())
}

/// The node that leaves next, if everything is as it should be.
pub(super) fn gate<'a>(
    scene: Scene<'a>,
    rack: &'a Rack<'a>,
    status: &CassandraClusterStatus,
    steps: &mut Steps,
) -> Result<(&'a PodView<'a>, Replicas), Blocker> {
    let pod = last_pod(rack)?;
    if let Some(failed) = failed_lately(scene, pod, status.rack(&rack.desired.id)) {
        steps.look_again_after(AFTER_FAILURE);
        return Err(failed);
    }
    // A node whose pod does not come back from its restart may be lost, and leaves all the same.
    let is_its_restart = |record: &OperationRecord| {
        record.name == OperationName::Restart
            && record.state == RecordState::Finalizing
            && record.pod == pod.name.to_string()
    };
    let mut busy = status.operations();
    if let Some(record) = busy.find(|record| is_running(record) && !is_its_restart(record)) {
        let note = format!(
            "{} runs on pod {}, and no node may leave meanwhile: it goes on when that has ended",
            record.name, record.pod
        );
        return Err(Blocker::new(ConditionReason::OperationOngoing, note));
    }
    if is_out_already(scene, pod) {
        return Ok((pod, Replicas::MustHold));
    }
    for other in scene.racks {
        other.complete_but(&pod.name)?;
    }
    ring::agrees_but(scene.racks, &scene.observed.nodes, &[pod], &[])?;
    if ring::is_leaving(pod, &scene.observed.nodes) {
        return Ok((pod, Replicas::MustHold));
    }
    rack.complete()?;
    let left = same_datacenter(scene, rack).map(Rack::replicas).sum::<i32>() - 1;
    judge(scene, rack, left, 1, steps).map(|replicas| (pod, replicas))
}

fn same_datacenter<'a>(scene: Scene<'a>, rack: &Rack<'_>) -> impl Iterator<Item = &'a Rack<'a>> {
    let dc = rack.desired.id.dc.clone();
    scene.racks.iter().filter(move |other| other.desired.id.dc == dc)
}

fn last_pod<'a>(rack: &'a Rack<'a>) -> Result<&'a PodView<'a>, Blocker> {
    let last = rack.replicas() - 1;
    rack.pods.iter().find(|pod| pod.ordinal == last).ok_or_else(|| {
        let note = format!(
            "rack {} has no pod {last}, whose node is to leave",
            rack.desired.id
        );
        Blocker::new(ConditionReason::NodeNotReady, note)
    })
}

/// Whether the node left before, or never came: its pod may go whatever else is wrong with the cluster.
fn is_out_already(scene: Scene<'_>, pod: &PodView<'_>) -> bool {
    if pod.is_ready() {
        return false;
    }
    // A recorded host id may be that of a node before: only that every member is the node of another pod is proof.
    licence::never_joined(&pod.name, Some(pod), scene.racks, &scene.observed.nodes).is_some()
}

/// Whether the nodes that remain can hold what the keyspaces ask for. `leave`: nodes that leave the whole ring.
fn judge(
    scene: Scene<'_>,
    rack: &Rack<'_>,
    in_datacenter: i32,
    leave: i32,
    steps: &mut Steps,
) -> Result<Replicas, Blocker> {
    let dc = &rack.desired.id.dc;
    let known = scene
        .observed
        .nodes
        .values()
        .find_map(|facts| facts.replication.known());
    let members = ring::views(&scene.observed.nodes)
        .first()
        .map(|(_, view)| view.host_ids.len());
    let (Some(known), Some(members)) = (known, members) else {
        let silent = unanswered(scene).unwrap_or_default();
        let note = format!("no node tells the replication of its keyspaces, so none may leave {dc}{silent}");
        return Err(Blocker::new(ConditionReason::NodesUnreachable, note));
    };
    let count = |number: i32| usize::try_from(number).unwrap_or(0);
    let remaining = Remaining {
        datacenter: dc.as_str(),
        in_datacenter: count(in_datacenter),
        in_all: members.saturating_sub(count(leave)),
    };
    match replication::verdict(known, remaining) {
        Verdict::Fits => Ok(Replicas::MustHold),
        Verdict::Expendable(_) => Ok(Replicas::MayFall),
        Verdict::Short(short) => {
            steps.look_again_after(REPLICATION_AGAIN);
            let why = short
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; ");
            let note = format!("no node may leave datacenter {dc}: {why}");
            Err(Blocker::new(ConditionReason::DataAtRisk, note))
        }
    }
}

/// The node that was asked for the replication and did not tell, and why.
fn unanswered(scene: Scene<'_>) -> Option<String> {
    let mut asked = scene.observed.nodes.iter();
    asked.find_map(|(pod, facts)| match &facts.replication {
        Fact::Unknown(why) if facts.replication != Fact::default() => Some(format!(": pod {pod}: {why}")),
        _ => None,
    })
}

fn failed_lately(scene: Scene<'_>, pod: &PodView<'_>, rack_status: Option<&RackStatus>) -> Option<Blocker> {
    let records = rack_status?.operations.iter().rev();
    let last = records
        .into_iter()
        .find(|record| record.pod == pod.name.to_string() && record.state == RecordState::Error)?;
    let ended = last.end_time.as_ref()?.0;
    let is_late = scene.now.duration_since(ended) < AFTER_FAILURE;
    (is_late && last.name == casskop_types::operation::OperationName::Decommission).then(|| {
        let why = last.message.as_deref().unwrap_or("for an unknown reason");
        let note = format!(
            "the node of pod {} could not leave the ring: {why}; it is tried again, raise nodesPerRacks to keep it",
            pod.name
        );
        Blocker::new(ConditionReason::DataAtRisk, note)
    })
}

/// A rack that was to grow, or to come up, and has nodes to lose now: that a pod cannot start holds nobody back.
pub(super) fn supersedes(rack: &Rack<'_>, rack_status: &RackStatus) -> bool {
    let action = unfinished(rack_status).and_then(|action| action.name);
    is_wanted(rack) && matches!(action, Some(ClusterAction::ScaleUp | ClusterAction::Initializing))
}
