//! A small world for the decisions of `core` to act in: objects, the StatefulSet controller's rules that matter here,
//! nodes that are up as soon as their pod is, and an operator that may be killed between any two writes.

mod api_server;
mod controllers;
mod nodes;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use casskop_core::call::{CallKey, CallState, NodeCall};
use casskop_core::effect::{Effect, Notice, Wake};
use casskop_core::fact::Fact;
use casskop_core::observed::{CALLS_ARRIVE_WITHIN, Observed};
use casskop_core::plan::{Plan, pause, plan, refuse};
use casskop_core::questions::{Questions, growth_trials, questions};
use casskop_core::replication::{KeyspaceReplicas, Replication};
use casskop_core::validate::{ValidatedCluster, validate};
use casskop_core::work::Work;
use casskop_types::cluster::CassandraCluster;
use casskop_types::conditions::{ConditionType, condition, say_the_same};
use casskop_types::operation::OperationRecord;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::json;

pub(crate) use controllers::{data_size, is_ready, set_ready};
pub(crate) use nodes::address_of;

/// A call that was really made to a node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Made {
    /// Pod whose node was called.
    pub(crate) pod: String,
    /// What was asked.
    pub(crate) call: NodeCall,
}

/// Where the operator dies in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Death {
    /// It lives on.
    Never,
    /// It dies after this many writes (the status is the first, or what goes before it).
    AfterWrites(usize),
}

/// Size of a volume: as asked for, and as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) asked: String,
    pub(crate) is: String,
}

/// Everything there is.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) cluster: CassandraCluster,
    pub(crate) sets: BTreeMap<String, StatefulSet>,
    pub(crate) pods: BTreeMap<String, Pod>,
    /// Members of the ring by address: host id, and whether the node is up.
    pub(crate) members: BTreeMap<IpAddr, (String, bool)>,
    /// Addresses of members that the others have heard nothing of since they started: to them these are neither up nor down.
    pub(crate) unheard: BTreeSet<IpAddr>,
    /// Pods whose container does not get ready.
    pub(crate) broken: BTreeSet<String>,
    /// Image of Cassandra's container, by the uid of its pod.
    images: BTreeMap<String, String>,
    /// Images of Cassandra that do not start.
    pub(crate) bad_images: BTreeSet<String>,
    /// Calls of the present operator process.
    pub(crate) calls: BTreeMap<CallKey, CallState>,
    /// Work going on in nodes, whoever asked for it.
    pub(crate) in_flight: BTreeMap<String, NodeCall>,
    pub(crate) made: Vec<Made>,
    /// Claims by the pod that mounts them: uid, and how many there were before under the same name.
    pub(crate) claims: BTreeMap<String, (String, u32)>,
    /// The operations that delete claims no more, by the uid of the claim.
    pub(crate) kept: BTreeMap<String, String>,
    /// Volumes by the pod that mounts them.
    pub(crate) volumes: BTreeMap<String, Size>,
    /// Why the API server lets no claim grow, if it does not.
    pub(crate) fixed_volumes: Option<String>,
    /// Host ids of nodes that were decommissioned: a disk that holds one of them starts no node again.
    pub(crate) decommissioned: BTreeSet<String>,
    /// Whether pods are told that the ring has formed.
    pub(crate) ring_recorded: bool,
    /// Why the API server does not let that be recorded, if it does not.
    pub(crate) refused_record: Option<String>,
    /// The digest of the ConfigMap with the hooks, as far as it is read.
    pub(crate) hooks: Fact<Option<String>>,
    /// What single pods are told: the address of the node whose place each takes.
    pub(crate) told: BTreeMap<String, IpAddr>,
    /// Whether the pods' init containers read what they are told.
    pub(crate) pods_read: bool,
    pub(crate) replication: Replication,
    pub(crate) notices: Vec<Notice>,
    /// What nodes say of how far they are.
    pub(crate) work: Option<Work>,
    /// Uids of pods whose nodes are drained.
    pub(crate) drained: BTreeSet<String>,
    /// Tokens of nodes that have others than at first, by host id.
    pub(crate) tokens: BTreeMap<String, Vec<String>>,
    /// Uids of pods whose nodes failed to move.
    pub(crate) stuck: BTreeSet<String>,
    /// The pods whose nodes were told to stop what they do, once each time.
    pub(crate) stopped: Vec<String>,
    /// CassKop's backups on a schedule.
    pub(crate) scheduled_backups: Vec<String>,
    pub(crate) now: Timestamp,
    /// Since when the operator that is at work has been.
    leads_since: Timestamp,
    /// Most pods ever not ready or missing at once since the cluster was up.
    pub(crate) most_down: usize,
    dropped_claims: Vec<String>,
    /// Host ids of nodes that were down for another reason than their pod's restart.
    fallen: BTreeSet<String>,
    /// Host ids on whose disks a node has joined.
    ever_joined: BTreeSet<String>,
    /// What must never happen, and did.
    pub(crate) violations: Vec<String>,
    /// Whether violations are only noted, and not the end of the test.
    pub(crate) lenient: bool,
    /// How often each object was written: what its resourceVersion tells.
    pub(crate) versions: BTreeMap<String, u32>,
    next: u32,
}

/// The API server refused a write: the object is not the one that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Conflict;

/// Name of the cluster object among the versions.
pub(crate) const CLUSTER: &str = "cluster";

impl World {
    pub(crate) fn new(spec: &serde_json::Value) -> Self {
        let cluster = serde_json::from_value(json!({
            "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
            "metadata": {"name": "ring", "namespace": "ns", "uid": "cluster-uid", "generation": 1, "resourceVersion": "1"},
            "spec": spec,
        }))
        .unwrap();
        Self {
            cluster,
            sets: BTreeMap::new(),
            pods: BTreeMap::new(),
            members: BTreeMap::new(),
            unheard: BTreeSet::new(),
            broken: BTreeSet::new(),
            images: BTreeMap::new(),
            bad_images: BTreeSet::new(),
            calls: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            made: Vec::new(),
            claims: BTreeMap::new(),
            kept: BTreeMap::new(),
            volumes: BTreeMap::new(),
            fixed_volumes: None,
            decommissioned: BTreeSet::new(),
            ring_recorded: false,
            refused_record: None,
            hooks: Fact::default(),
            told: BTreeMap::new(),
            pods_read: true,
            replication: [(
                "shop".to_owned(),
                KeyspaceReplicas::of_ranges([[("dc1".to_owned(), 3)].into()]),
            )]
            .into(),
            notices: Vec::new(),
            work: None,
            drained: BTreeSet::new(),
            tokens: BTreeMap::new(),
            stuck: BTreeSet::new(),
            stopped: Vec::new(),
            scheduled_backups: Vec::new(),
            now: "2026-11-21T08:00:00Z".parse().unwrap(),
            leads_since: "2026-11-21T07:00:00Z".parse().unwrap(),
            most_down: 0,
            dropped_claims: Vec::new(),
            fallen: BTreeSet::new(),
            ever_joined: BTreeSet::new(),
            violations: Vec::new(),
            lenient: false,
            versions: BTreeMap::new(),
            next: 0,
        }
    }

    /// One pass of the operator.
    pub(crate) fn pass(&mut self, death: Death) -> Plan {
        self.now += SignedDuration::from_secs(1);
        let plan = self.think();
        let mut writes = 0;
        let dies = |writes: usize| matches!(death, Death::AfterWrites(limit) if writes >= limit);
        for effect in &plan.first {
            if dies(writes) {
                self.die();
                return plan;
            }
            writes += 1;
            self.execute(effect, None).unwrap();
        }
        if self.status_differs(&plan) {
            if dies(writes) {
                self.die();
                return plan;
            }
            writes += 1;
            self.write_status(&plan);
        }
        self.notices.extend(plan.notices.clone());
        let read = self.versions.clone();
        for effect in &plan.effects {
            if dies(writes) {
                self.die();
                return plan;
            }
            writes += 1;
            if self.execute(effect, Some(&read)) == Err(Conflict) {
                break;
            }
        }
        assert!(
            self.lenient || self.violations.is_empty(),
            "{:?}",
            self.violations
        );
        plan
    }

    /// One pass of an operator that dies before it labels any pod.
    pub(crate) fn pass_without_labels(&mut self) {
        let plan = self.think();
        let label = |effect: &Effect| matches!(effect, Effect::LabelPod(_));
        let others = plan.effects.iter().take_while(|effect| !label(effect)).count();
        let status = usize::from(self.status_differs(&plan));
        self.pass(Death::AfterWrites(status + others));
    }

    /// What the operator makes of the world as it is.
    pub(crate) fn think(&self) -> Plan {
        if let Some(plan) = pause(&self.cluster, self.now) {
            return plan;
        }
        let plan = match validate(&self.cluster) {
            Ok(validated) => self.look(&validated),
            Err(problems) => refuse(&self.cluster, &problems, self.now),
        };
        let of_pods = plan.effects.iter().filter_map(|effect| match effect {
            Effect::LabelPod(change) => Some(&change.uid),
            _ => None,
        });
        // The first write would outdate the second.
        assert!(
            of_pods.clone().count() == of_pods.collect::<BTreeSet<_>>().len(),
            "{:#?}",
            plan.effects
        );
        plan
    }

    pub(crate) fn status_differs(&self, plan: &Plan) -> bool {
        !say_the_same(&self.cluster.status.clone().unwrap_or_default(), &plan.status)
    }

    pub(crate) fn write_status(&mut self, plan: &Plan) {
        self.cluster.status = Some(plan.status.clone());
        self.written(CLUSTER);
    }

    fn must(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.violations.push(otherwise.to_owned());
        }
    }

    fn look(&self, cluster: &ValidatedCluster) -> Plan {
        let mut kube = self.kube();
        for trial in growth_trials(cluster, &kube) {
            let answer = self.fixed_volumes.clone().map_or(Ok(()), Err);
            kube.growth.insert(trial.claim, answer);
        }
        let asked = questions(cluster, &kube, &self.calls);
        let nodes = asked
            .iter()
            .map(|(pod, what)| (pod.clone(), self.ask(pod, what)))
            .collect();
        let mut observed = Observed {
            kube,
            nodes,
            calls: self.calls.clone(),
            refused_record: None,
            leads_since: self.leads_since,
            operator: "operator-0".to_owned(),
        };
        let made = plan(cluster, &observed, self.now);
        let records = made
            .first
            .iter()
            .any(|effect| matches!(effect, Effect::RecordRing(_) | Effect::TellPod { .. }));
        match &self.refused_record {
            // As the operator does when the API server does not let it.
            Some(why) if records => {
                observed.refused_record = Some(why.clone());
                plan(cluster, &observed, self.now)
            }
            _ => made,
        }
    }

    /// Which nodes are asked for what as things are.
    pub(crate) fn asked(&self) -> Questions {
        let validated = validate(&self.cluster).unwrap();
        questions(&validated, &self.kube(), &self.calls)
    }

    /// The operator is gone, and what it remembered; what it started in nodes goes on.
    pub(crate) fn die(&mut self) {
        self.calls.clear();
        self.leads_since = self.now;
    }

    /// Whether nothing that a dead operator sent a node is on its way any more.
    pub(crate) fn calls_have_arrived(&self) -> bool {
        self.now.duration_since(self.leads_since) >= CALLS_ARRIVE_WITHIN
    }

    pub(crate) fn calls_arrive(&mut self) {
        self.now = self.now.max(self.leads_since + CALLS_ARRIVE_WITHIN);
    }

    /// Runs operator and controllers until nothing changes any more; returns the passes it took.
    ///
    /// The operator looks only when something it watches has changed, or when it said it would. Its own status is
    /// nothing it watches.
    pub(crate) fn settle(&mut self) -> usize {
        match self.try_to_settle() {
            Ok(passes) => passes,
            Err(why) => panic!("{why}: {:#?}", self.cluster.status),
        }
    }

    /// The same; why not, if it does not.
    pub(crate) fn try_to_settle(&mut self) -> Result<usize, String> {
        let mut due = true;
        let mut passes = 0;
        for _ in 0..400 {
            if due {
                let plan = self.pass(Death::Never);
                passes += 1;
                let written = |effect: &Effect| !matches!(effect, Effect::ForgetCall(_));
                due = looks_again_soon(plan.wake) || plan.effects.iter().any(written);
            }
            due |= self.controllers() | self.nodes_finish();
            if let Some(what) = self.violations.first() {
                return Err(what.clone());
            }
            if !due {
                let again = self.think();
                if !again.effects.is_empty() || !again.first.is_empty() {
                    return Err(format!(
                        "slept while there was something to do: {:?}",
                        (again.first, again.effects)
                    ));
                }
                if self.status_differs(&again) {
                    return Err(format!("slept before the status was right: {:#?}", again.status));
                }
                return Ok(passes);
            }
        }
        Err("does not settle".to_owned())
    }

    /// What the condition `Waiting` says.
    pub(crate) fn waiting(&self) -> Condition {
        let conditions = &self.cluster.status.as_ref().unwrap().conditions;
        condition(conditions, ConditionType::Waiting).unwrap().clone()
    }

    /// The notes of all events with a reason.
    pub(crate) fn notes(&self, reason: &str) -> Vec<String> {
        let notices = self.notices.iter().filter(|notice| notice.reason == reason);
        notices.map(|notice| notice.note.clone()).collect()
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &OperationRecord> {
        let racks = self
            .cluster
            .status
            .iter()
            .flat_map(|status| status.cassandra_rack_status.values());
        racks.flat_map(|rack| &rack.operations)
    }
}

/// What is looked at less often is what only a person can change.
fn looks_again_soon(wake: Wake) -> bool {
    matches!(wake, Wake::After(delay) if delay < SignedDuration::from_secs(10))
}
