//! From a validated cluster and what was observed to what has to be done.

use casskop_types::cluster::CassandraCluster;
use casskop_types::conditions::{
    ConditionFact, ConditionReason, ConditionStatus, ConditionType, set_condition,
};
use casskop_types::labels::PAUSED;
use casskop_types::operation::OperationName;
use casskop_types::status::{ActionStatus, CassandraClusterStatus, ClusterAction};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::{Value, json};

use crate::action;
use crate::adoption;
use crate::children;
use crate::correct::{self, Correction, Emptiness};
use crate::crossed_address;
use crate::deletion;
use crate::effect::{Effect, Notice, Wake};
use crate::hooks;
use crate::observed::Observed;
use crate::operations::{self, Scene};
use crate::rack::{self, Rack};
use crate::removal;
use crate::report;
use crate::ring_record;
use crate::steps::Steps;
use crate::validate::{self, Problem, ValidatedCluster, in_words};

/// What one pass wants. A value: printed, compared, shown by the plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What has to be done before the status is written, which then says that it is done: nothing else would tell the next
    /// pass. It may be done twice.
    pub first: Vec<Effect>,
    /// The status to write before any other effect, unless it equals the stored one.
    pub status: CassandraClusterStatus,
    /// What to do after that, in order.
    pub effects: Vec<Effect>,
    /// Events to publish once the status is written.
    pub notices: Vec<Notice>,
    /// When to look again without an event.
    pub wake: Wake,
}

/// Plans one pass over a cluster that stays; [`deletion::plan`] is for one that goes. Deterministic in its arguments.
pub fn plan(cluster: &ValidatedCluster, observed: &Observed, now: Timestamp) -> Plan {
    let stored = observed.kube.cluster.status.clone().unwrap_or_default();
    let mut status = stored.clone();
    let mut steps = Steps::default();
    let kube = &observed.kube;
    let mut corrections = correct::corrections(&kube.cluster, |dc| removal::emptiness(kube, dc));
    let as_found = as_found(cluster, observed);
    let cluster = as_found.as_ref().unwrap_or(cluster);
    let as_seen = hooks::as_seen(cluster, kube);
    let cluster = as_seen.as_ref().unwrap_or(cluster);
    let racks = rack::racks(cluster, kube);
    let scene = Scene {
        cluster,
        racks: &racks,
        observed,
        now,
    };
    let emptied = removal::emptied(scene);
    if corrections.is_empty() {
        // Its place in the spec is that of the spec as it is.
        corrections.extend(removal::kept_full(&kube.cluster, &emptied));
        corrections.extend(action::refused_growth(scene));
    }
    if !corrections.is_empty() {
        return put_back(stored, &corrections);
    }
    adoption::take_over(scene, &mut status, &mut steps);
    report::first_sight(scene, &mut status);
    hooks::record(cluster, &mut status);
    if let Some(stranger) = racks.iter().find_map(|rack| strangers_object(rack, cluster)) {
        steps.wait_for(stranger);
    } else {
        // That a datacenter is to be emptied, or that volumes grow, is accepted once it is known that it may be.
        if emptied.iter().all(|(_, may)| may.is_ok()) && action::may_grow(scene) {
            steps
                .effects
                .extend(correct::to_keep(&kube.cluster).map(Effect::KeepSpec));
        }
        removal::remove_datacenters(scene, &mut status, &mut steps);
        children::apply(scene, &mut steps);
        deletion::prepare(scene, &mut steps);
        crossed_address::repair(scene, &status, &mut steps);
        // Said first: pods that cannot start for want of it are waited for below, and this is why.
        if let Some(missing) = hooks::missing(scene) {
            steps.wait_for(missing);
        }
        ring_record::keep(scene, &mut status, &mut steps);
        action::advance(scene, &mut status, &mut steps);
        let quiet = action::quiet(scene, &status);
        let begun = action::none_has_begun(scene, &status);
        for rack in &racks {
            let turn_to_restart = operations::turn_to_restart(&racks, rack, &status);
            let moves = operations::move_holds(&status);
            let mover = operations::mover_holds(scene, &status);
            let earlier = operations::earlier_move(&racks, rack, &status);
            let alone = operations::alone(&racks, rack, &status);
            let may_start = operations::MayStart {
                any: quiet.as_ref().and(moves.as_ref()).copied(),
                later: earlier.as_ref().copied(),
                mending: begun.as_ref().and(moves.as_ref()).copied(),
                restart: turn_to_restart.as_ref().copied(),
                alone: alone.as_ref().copied(),
                mover: mover.as_ref().copied(),
            };
            let rack_status = status
                .cassandra_rack_status
                .entry(rack.desired.id.to_string())
                .or_default();
            operations::advance(scene, rack, rack_status, may_start, &mut steps);
        }
        // Said even if no node is to be added, since starting pods lack the record; last, since what holds up a step matters more.
        if let Some(refusal) = ring_record::refusal(scene) {
            steps.wait_for(refusal);
        }
    }
    if cluster.unlock_next_operation {
        // It unlocks nothing here, since nothing is locked; left on, it would mislead, and CassKop would act on it one day.
        steps
            .effects
            .push(Effect::PutBack(switched_off("/spec/unlockNextOperation")));
    }
    report::cluster(scene, &stored, &mut status, &mut steps);
    let wake = steps.wake();
    Plan {
        first: steps.first,
        status,
        effects: steps.effects,
        notices: steps.notices,
        wake,
    }
}

/// Whether a user has paused the cluster.
pub fn is_paused(cluster: &CassandraCluster) -> bool {
    let annotations = cluster.metadata.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(PAUSED))
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The plan for a cluster that a user has paused: it is said, and nothing is done. `None` for any other.
///
/// What runs in nodes goes on there; its end is recorded once the cluster is resumed. A node that was told to drain stands drained
/// until then, which is said.
pub fn pause(cluster: &CassandraCluster, now: Timestamp) -> Option<Plan> {
    if !is_paused(cluster) {
        return None;
    }
    let stored = cluster.status.clone().unwrap_or_default();
    let mut status = stored.clone();
    let fact = ConditionFact {
        kind: ConditionType::Waiting,
        status: ConditionStatus::True,
        reason: ConditionReason::Paused,
        message: format!(
            "the cluster is paused: `kubectl annotate cassandracluster {} {PAUSED}-` lets work go on{}",
            cluster.metadata.name.as_deref().unwrap_or_default(),
            drained_meanwhile(&stored)
        ),
    };
    set_condition(&mut status.conditions, fact, cluster.metadata.generation, now);
    let told = casskop_types::conditions::say_the_same(&stored, &status);
    let notice = Notice::normal("Paused", "nothing is done with this cluster until it is resumed");
    Some(Plan {
        first: Vec::new(),
        status,
        effects: Vec::new(),
        notices: if told { Vec::new() } else { vec![notice] },
        wake: Wake::OnEvent,
    })
}

/// What has to be known of nodes that are being restarted while nothing is done with their cluster.
fn drained_meanwhile(status: &CassandraClusterStatus) -> String {
    let restarted: Vec<&str> = status
        .operations()
        .filter(|record| record.name == OperationName::Restart && operations::is_running(record))
        .map(|record| record.pod.as_str())
        .collect();
    if restarted.is_empty() {
        return String::new();
    }
    let pods = restarted.join(", ");
    format!("; until then the node of pod {pods}, which is being restarted, may be drained and serve nobody")
}

/// The patch that resets a flag which is on.
fn switched_off(path: &str) -> Vec<Value> {
    let step = |op: &str, value: bool| json!({ "op": op, "path": path, "value": value });
    vec![step("test", true), step("replace", false)]
}

/// Puts edits back, and does nothing else.
fn put_back(stored: CassandraClusterStatus, corrections: &[Correction]) -> Plan {
    let status = CassandraClusterStatus {
        last_cluster_action: Some(ClusterAction::CorrectCrdConfig),
        last_cluster_action_status: Some(ActionStatus::Done),
        ..stored
    };
    let notice = |correction: &Correction| Notice::warning("CorrectCRDConfig", correction.to_string());
    let patch = corrections.iter().flat_map(|correction| correction.patch.clone());
    Plan {
        first: Vec::new(),
        status,
        effects: vec![Effect::PutBack(patch.collect())],
        notices: corrections.iter().map(notice).collect(),
        wake: Wake::OnEvent,
    }
}

/// The cluster as another operator left it, when this is the first that ours sees of it: so taking it over changes no pod.
fn as_found(cluster: &ValidatedCluster, observed: &Observed) -> Option<ValidatedCluster> {
    let kube = &observed.kube;
    let is_ours = |set: &&StatefulSet| crate::licence::is_controlled_by(&set.metadata, &cluster.uid);
    let stored = kube.statefulsets.iter().find(is_ours).cloned();
    // CassKop may have stopped while it made the only one anew.
    let copied = || {
        let racks = kube
            .cluster
            .status
            .iter()
            .flat_map(|status| status.cassandra_rack_status.values());
        racks.into_iter().find_map(action::copied_statefulset)
    };
    validate::at_first_sight(&kube.cluster, &stored.or_else(copied)?)?.ok()
}

/// A StatefulSet of the right name that another object controls is nobody's to change here.
fn strangers_object(rack: &Rack<'_>, cluster: &ValidatedCluster) -> Option<crate::blocker::Blocker> {
    let set = rack.statefulset?;
    if crate::licence::is_controlled_by(&set.metadata, &cluster.uid) {
        return None;
    }
    let name = set.metadata.name.as_deref().unwrap_or_default();
    let note =
        format!("statefulset {name} is not owned by this cluster object: delete or rename it, or adopt it");
    Some(crate::blocker::Blocker::new(ConditionReason::ObjectRefused, note))
}

/// The plan for a cluster whose spec cannot work: it is said, and nothing else is done until the spec changes.
pub fn refuse(cluster: &CassandraCluster, problems: &[Problem], now: Timestamp) -> Plan {
    let stored = cluster.status.clone().unwrap_or_default();
    // Where it is not known whether a datacenter is empty, it is taken for full.
    let corrections = correct::corrections(cluster, |_| Emptiness::Nodes);
    if !corrections.is_empty() {
        return put_back(stored, &corrections);
    }
    let message = in_words(problems);
    let mut status = stored.clone();
    status.observed_generation = cluster.metadata.generation;
    let waits = format!(
        "the spec has to be corrected: {message}{}",
        drained_meanwhile(&stored)
    );
    for (kind, holds, message) in [
        (ConditionType::Valid, ConditionStatus::False, message.clone()),
        (ConditionType::Waiting, ConditionStatus::True, waits),
    ] {
        let fact = ConditionFact {
            kind,
            status: holds,
            reason: ConditionReason::InvalidSpec,
            message,
        };
        set_condition(&mut status.conditions, fact, cluster.metadata.generation, now);
    }
    let told = casskop_types::conditions::say_the_same(&stored, &status);
    let notice = Notice::warning("InvalidSpec", message);
    Plan {
        first: Vec::new(),
        status,
        effects: Vec::new(),
        notices: if told { Vec::new() } else { vec![notice] },
        wake: Wake::OnEvent,
    }
}
