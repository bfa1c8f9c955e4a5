//! A small world for the decisions of `core` to act in: objects, the StatefulSet controller's rules that matter here,
//! nodes that are up as soon as their pod is, and an operator that may be killed between any two writes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use casskop_core::call::{CallKey, CallState, NodeCall};
use casskop_core::effect::{Effect, Notice, Wake};
use casskop_core::fact::Fact;
use casskop_core::observed::{CALLS_ARRIVE_WITHIN, KubeState, NodeFacts, Observed, OperationMode, RingView};
use casskop_core::plan::{Plan, pause, plan, refuse};
use casskop_core::questions::{Question, Questions, growth_trials, questions};
use casskop_core::replication::{KeyspaceReplicas, Replication};
use casskop_core::validate::{ValidatedCluster, validate};
use casskop_core::work::Work;
use casskop_types::cluster::CassandraCluster;
use casskop_types::conditions::{ConditionType, condition, say_the_same};
use casskop_types::labels::LAST_APPLIED_CONFIGURATION;
use casskop_types::names::PodName;
use casskop_types::operation::OperationRecord;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::json;

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
            broken: BTreeSet::new(),
            images: BTreeMap::new(),
            bad_images: BTreeSet::new(),
            calls: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            made: Vec::new(),
            claims: BTreeMap::new(),
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
        for effect in &plan.effects {
            if dies(writes) {
                self.die();
                return plan;
            }
            writes += 1;
            if self.execute(effect, None) == Err(Conflict) {
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

    /// What the operator makes of the world as it is.
    pub(crate) fn think(&self) -> Plan {
        if let Some(plan) = pause(&self.cluster, self.now) {
            return plan;
        }
        match validate(&self.cluster) {
            Ok(validated) => self.look(&validated),
            Err(problems) => refuse(&self.cluster, &problems, self.now),
        }
    }

    pub(crate) fn status_differs(&self, plan: &Plan) -> bool {
        !say_the_same(&self.cluster.status.clone().unwrap_or_default(), &plan.status)
    }

    pub(crate) fn write_status(&mut self, plan: &Plan) {
        self.cluster.status = Some(plan.status.clone());
        self.written(CLUSTER);
    }

    fn written(&mut self, object: &str) {
        *self.versions.entry(object.to_owned()).or_default() += 1;
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

    /// The StatefulSet controller and the kubelets take one step each.
    pub(crate) fn controllers(&mut self) -> bool {
        let mut moved = self.volumes_lag();
        self.volumes_grow();
        for name in self.sets.keys().cloned().collect::<Vec<_>>() {
            moved |= self.control(&name);
        }
        let up = self
            .cluster
            .status
            .as_ref()
            .is_some_and(|status| status.phase == Some(casskop_types::status::Phase::Running));
        let wanted: i32 = self
            .sets
            .values()
            .map(|set| set.spec.as_ref().unwrap().replicas.unwrap())
            .sum();
        let ready = self.pods.values().filter(|pod| is_ready(pod)).count();
        if up {
            self.most_down = self
                .most_down
                .max(usize::try_from(wanted).unwrap().saturating_sub(ready));
        }
        assert!(
            self.lenient || self.violations.is_empty(),
            "{:?}",
            self.violations
        );
        moved
    }

    /// Whether some claim asks for more than its volume has.
    pub(crate) fn volumes_lag(&self) -> bool {
        self.volumes.values().any(|volume| volume.asked != volume.is)
    }

    /// The drivers of the volumes do what the claims ask for.
    pub(crate) fn volumes_grow(&mut self) {
        for volume in self.volumes.values_mut() {
            volume.is.clone_from(&volume.asked);
        }
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

    /// Work going on in nodes ends, and whoever still listens hears of it.
    pub(crate) fn nodes_finish(&mut self) -> bool {
        let working: Vec<String> = self.in_flight.keys().cloned().collect();
        for pod in &working {
            self.node_finishes(pod);
        }
        !working.is_empty()
    }

    /// The work going on in one node ends.
    pub(crate) fn node_finishes(&mut self, pod: &str) {
        let Some(call) = self.in_flight.remove(pod) else {
            return;
        };
        if let Some(uid) = self.pods.get(pod).and_then(|pod| pod.metadata.uid.clone()) {
            self.is_heard(
                &uid,
                &CallState::Succeeded {
                    keyspaces_done: vec![],
                },
            );
        }
        match call {
            NodeCall::RemoveNode { host_id } => self.members.retain(|_, (known, _)| *known != host_id),
            NodeCall::Decommission { .. } => self.leave(pod),
            NodeCall::Drain => drop(self.drained.insert(self.uid(pod))),
            NodeCall::Move { token } => {
                self.tokens.insert(self.member(pod), vec![token]);
            }
            _ => {}
        }
    }

    /// The streams of a node that moves break: whoever still listens hears of it, and it stays MOVING.
    pub(crate) fn move_fails(&mut self, pod: &str) {
        let call = self.in_flight.remove(pod);
        assert!(matches!(call, Some(NodeCall::Move { .. })), "{call:?}");
        let uid = self.uid(pod);
        self.is_heard(
            &uid,
            &CallState::Failed {
                keyspaces_done: vec![],
                reason: "Stream failed".to_owned(),
            },
        );
        self.stuck.insert(uid);
    }

    /// A pod whose node failed to move, and was not restarted since.
    pub(crate) fn left_moving(&self) -> Option<String> {
        let mut pods = self.pods.keys();
        pods.find(|pod| self.stuck.contains(&self.uid(pod))).cloned()
    }

    /// Whether a node, other than that of this pod, is moving.
    fn moves_but(&self, pod: &str) -> bool {
        let mut others = self.in_flight.iter().filter(|(other, _)| *other != pod);
        others.any(|(_, call)| matches!(call, NodeCall::Move { .. }))
    }

    /// A pod is no more, nor what its node was at; whoever listened hears nothing more.
    fn stop(&mut self, pod: &str) {
        let Some(object) = self.pods.remove(pod) else {
            return;
        };
        self.in_flight.remove(pod);
        let lost = CallState::Lost {
            keyspaces_done: vec![],
            reason: "the connection broke".to_owned(),
        };
        self.is_heard(&object.metadata.uid.unwrap(), &lost);
    }

    /// Whoever still listens to a pod's node hears how its call ended.
    fn is_heard(&mut self, uid: &str, end: &CallState) {
        for (key, state) in &mut self.calls {
            if key.pod_uid == uid && matches!(state, CallState::Running { .. }) {
                *state = end.clone();
            }
        }
    }

    /// The connections to nodes break; what these do goes on.
    pub(crate) fn connections_break(&mut self) {
        for state in self.calls.values_mut() {
            *state = CallState::Lost {
                keyspaces_done: vec![],
                reason: "the connection broke".to_owned(),
            };
        }
    }

    /// The host id of a pod's node, which is a member.
    pub(crate) fn member(&self, pod: &str) -> String {
        self.members[&address_of(&self.pods[pod])].0.clone()
    }

    /// A node goes down with its pod, or comes back.
    pub(crate) fn node_is(&mut self, pod: &str, up: bool) {
        let Some(object) = self.pods.get_mut(pod) else {
            return;
        };
        if let Some((host_id, is_up)) = self.members.get_mut(&address_of(object)) {
            *is_up = up;
            if !up {
                self.fallen.insert(host_id.clone());
            }
            set_ready(object, if up { "True" } else { "False" });
        }
    }

    /// All work going on in nodes fails.
    pub(crate) fn fail_calls(&mut self, why: &str) {
        self.in_flight.clear();
        for state in self.calls.values_mut() {
            *state = CallState::Failed {
                keyspaces_done: vec![],
                reason: why.to_owned(),
            };
        }
    }

    /// The node of a pod has left the ring; its process runs on, and serves nobody.
    pub(crate) fn leave(&mut self, pod: &str) {
        let Some(object) = self.pods.get_mut(pod) else {
            return;
        };
        if let Some((host_id, _)) = self.members.remove(&address_of(object)) {
            self.decommissioned.insert(host_id);
        }
        set_ready(object, "False");
    }

    pub(crate) fn label(&mut self, pod: &str, labels: &[(&str, &str)]) {
        let stored = self
            .pods
            .get_mut(pod)
            .unwrap()
            .metadata
            .labels
            .get_or_insert_default();
        for (key, value) in labels {
            stored.insert((*key).to_owned(), (*value).to_owned());
        }
    }

    pub(crate) fn annotate(&mut self, pod: &str, key: &str, value: &str) {
        let metadata = &mut self.pods.get_mut(pod).unwrap().metadata;
        let stored = metadata.annotations.get_or_insert_default();
        stored.insert(key.to_owned(), value.to_owned());
    }

    pub(crate) fn annotation_of(&self, pod: &str, key: &str) -> Option<String> {
        self.pods[pod].metadata.annotations.as_ref()?.get(key).cloned()
    }

    pub(crate) fn label_of(&self, pod: &str, key: &str) -> Option<String> {
        self.pods[pod].metadata.labels.as_ref()?.get(key).cloned()
    }

    pub(crate) fn uid(&self, pod: &str) -> String {
        self.pods[pod].metadata.uid.clone().unwrap()
    }

    pub(crate) fn edit_spec(&mut self, edit: impl FnOnce(&mut serde_json::Value)) {
        let mut value = serde_json::to_value(&self.cluster).unwrap();
        edit(&mut value["spec"]);
        value["metadata"]["generation"] = json!(self.cluster.metadata.generation.unwrap() + 1);
        self.cluster = serde_json::from_value(value).unwrap();
        self.written(CLUSTER);
    }

    fn kube(&self) -> KubeState {
        KubeState {
            cluster: self.cluster.clone(),
            statefulsets: self.sets.values().cloned().collect(),
            pods: self.pods.values().cloned().collect(),
            services: Fact::default(),
            disruption_budget: Fact::default(),
            failed_creations: std::collections::BTreeMap::default(),
            growth: std::collections::BTreeMap::default(),
            hooks: self.hooks.clone(),
            scheduled_backups: self.scheduled_backups.clone(),
            claims: Fact::Known(
                self.claims
                    .iter()
                    .map(|(pod, (uid, _))| claim(pod, uid, &self.volumes[pod]))
                    .collect(),
            ),
        }
    }

    fn ask(&self, pod: &PodName, what: &BTreeSet<Question>) -> NodeFacts {
        let address = address_of(&self.pods[&pod.to_string()]);
        let mut facts = NodeFacts::default();
        if what.contains(&Question::Ring) {
            let side = |up: bool| {
                let members = self.members.iter().filter(|(_, (_, is_up))| *is_up == up);
                members.map(|(address, _)| *address).collect()
            };
            facts.mode = Fact::Known(self.mode_of(pod));
            facts.release_version = Fact::Known(self.release_of(pod));
            facts.host_id = Fact::Known(self.members[&address].0.clone());
            facts.ring = Fact::Known(RingView {
                live: side(true),
                unreachable: side(false),
                host_ids: self
                    .members
                    .iter()
                    .map(|(address, (id, _))| (*address, id.clone()))
                    .collect(),
                moving: self
                    .pods
                    .iter()
                    .filter(|(pod, _)| self.mode_of(&pod.parse().unwrap()) == OperationMode::Moving)
                    .map(|(_, object)| address_of(object))
                    .collect(),
                ..RingView::default()
            });
        }
        if what.contains(&Question::Tokens) {
            facts.mode = Fact::Known(self.mode_of(pod));
            facts.tokens = Fact::Known(self.tokens_of(&self.members[&address].0));
        }
        if what.contains(&Question::InFlight) {
            let call = self.in_flight.get(&pod.to_string());
            facts.in_flight = Fact::Known(
                call.map(|call| call.storage_service_operation().to_owned())
                    .into_iter()
                    .collect(),
            );
        }
        if what.iter().any(|question| matches!(question, Question::Work(_))) {
            facts.work = Fact::Known(self.work.clone());
        }
        if what.contains(&Question::Replication) {
            facts.replication = Fact::Known(self.replication.clone());
        }
        facts
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &OperationRecord> {
        let racks = self
            .cluster
            .status
            .iter()
            .flat_map(|status| status.cassandra_rack_status.values());
        racks.flat_map(|rack| &rack.operations)
    }

    /// Whether the node of some other pod was told to drain.
    fn drained_but(&self, pod: &str) -> bool {
        let mut others = self.pods.keys().filter(|other| *other != pod);
        others.any(|other| self.is_drained(&other.parse().unwrap()))
    }

    fn is_drained(&self, pod: &PodName) -> bool {
        matches!(
            self.mode_of(pod),
            OperationMode::Draining | OperationMode::Drained
        )
    }

    /// At first one that stands for its host id.
    pub(crate) fn tokens_of(&self, host_id: &str) -> Vec<String> {
        let first = || vec![fxhash(host_id).cast_signed().to_string()];
        self.tokens.get(host_id).cloned().unwrap_or_else(first)
    }

    fn mode_of(&self, pod: &PodName) -> OperationMode {
        let pod = pod.to_string();
        if self.drained.contains(&self.uid(&pod)) {
            OperationMode::Drained
        } else if self.in_flight.get(&pod) == Some(&NodeCall::Drain) {
            OperationMode::Draining
        } else if matches!(self.in_flight.get(&pod), Some(NodeCall::Move { .. }))
            || self.stuck.contains(&self.uid(&pod))
        {
            OperationMode::Moving
        } else {
            OperationMode::Normal
        }
    }

    /// The tag of the image that a pod was made from.
    fn release_of(&self, pod: &PodName) -> String {
        let image = &self.images[&self.uid(&pod.to_string())];
        image.rsplit(':').next().unwrap().to_owned()
    }

    /// Carries out an effect under the versions that were read, or under none.
    pub(crate) fn execute(
        &mut self,
        effect: &Effect,
        read: Option<&BTreeMap<String, u32>>,
    ) -> Result<(), Conflict> {
        if let (Some(object), Some(read)) = (object_of(effect), read)
            && self.versions.get(&object) != read.get(&object)
        {
            return Err(Conflict);
        }
        match effect {
            Effect::RecordRing(_) => self.ring_recorded = true,
            Effect::TellPod { pod, replaces, .. } => match replaces {
                Some(address) => drop(self.told.insert(pod.clone(), *address)),
                None => drop(self.told.remove(pod)),
            },
            Effect::CreateStatefulSet(set) => {
                let name = set.metadata.name.clone().unwrap();
                let mut set = (**set).clone();
                set.metadata.uid = Some(format!("uid-of-{name}"));
                set.metadata.generation = Some(1);
                if self.sets.contains_key(&name) {
                    return Err(Conflict);
                }
                self.written(&name);
                self.sets.insert(name, set);
            }
            Effect::UpdateStatefulSet(set) => {
                let name = set.metadata.name.clone().unwrap();
                let mut set = (**set).clone();
                let before = self.sets[&name].spec.as_ref().unwrap().replicas;
                let lowered = set.spec.as_ref().unwrap().replicas < before;
                self.must(!lowered, "replicas lowered without a decommission");
                set.metadata.generation = set.metadata.generation.map(|generation| generation + 1);
                self.written(&name);
                self.sets.insert(name, set);
            }
            Effect::LowerReplicas { set, .. } => self.lower_replicas(set),
            Effect::DeleteClaim { name, uid, .. } => self.delete_claim(name, uid),
            Effect::ResetRollingRestart { dc, rack, .. } => {
                let (dc, rack) = (*dc, *rack);
                self.edit_spec(|spec| {
                    spec["topology"]["dc"][dc]["rack"][rack]["rollingRestart"] = json!(false);
                });
            }
            Effect::LabelPod {
                pod,
                uid,
                labels,
                annotations,
            } => {
                return self.label_pod(&pod.to_string(), uid, labels, annotations);
            }
            Effect::StopCall { key, pod, .. } => self.stop_call(key, &pod.to_string()),
            Effect::StartCall { key, pod, call, .. } => self.start_call(key, &pod.to_string(), call),
            Effect::ForgetCall(key) => {
                self.calls.remove(key);
            }
            Effect::DeletePod { pod, uid, .. } => self.delete_pod(pod, uid),
            Effect::PutBack(patch) => {
                let patch: json_patch::Patch = serde_json::from_value(json!(patch)).unwrap();
                let mut object = serde_json::to_value(&self.cluster).unwrap();
                json_patch::patch(&mut object, &patch).unwrap();
                self.edit_spec(|spec| *spec = object["spec"].clone());
            }
            Effect::KeepSpec(kept) => {
                let annotations = self.cluster.metadata.annotations.get_or_insert_default();
                annotations.insert(LAST_APPLIED_CONFIGURATION.to_owned(), kept.clone());
                self.written(CLUSTER);
            }
            Effect::DeleteStatefulSet { name, .. } => {
                let has_pods = self.pods.keys().any(|pod| pod.starts_with(&format!("{name}-")));
                self.must(!has_pods, "a StatefulSet with pods was deleted");
                self.written(name);
                self.sets.remove(name);
            }
            Effect::OrphanStatefulSet { name, .. } => {
                self.written(name);
                self.sets.remove(name);
            }
            Effect::GrowClaim { name, capacity, .. } => {
                let volume = self.volumes.get_mut(name.strip_prefix("data-").unwrap()).unwrap();
                volume.asked.clone_from(capacity);
            }
            Effect::StampClaim { .. }
            | Effect::AddFinalizer
            | Effect::RemoveFinalizer
            | Effect::ApplyService(_)
            | Effect::ApplyDisruptionBudget(_) => {}
        }
        Ok(())
    }

    fn delete_pod(&mut self, pod: &PodName, uid: &str) {
        let name = pod.to_string();
        let Some(object) = self.pods.get(&name).cloned() else {
            return;
        };
        if object.metadata.uid.as_deref() != Some(uid) {
            return;
        }
        let is_restart = |record: &OperationRecord| record.former_pod_uid.as_deref() == Some(uid);
        let restarts = self.records().any(is_restart);
        let drains = self.is_drained(pod);
        self.must(
            drains || !restarts,
            "a pod was restarted before its node was drained",
        );
        self.stop(&name);
        if let Some((_, up)) = self.members.get_mut(&address_of(&object)) {
            *up = false;
        }
    }

    fn label_pod(
        &mut self,
        pod: &str,
        uid: &str,
        labels: &BTreeMap<String, Option<String>>,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<(), Conflict> {
        let stored = self.pods.get_mut(pod).map(|pod| &mut pod.metadata);
        let Some(stored) = stored.filter(|stored| stored.uid.as_deref() == Some(uid)) else {
            return Err(Conflict);
        };
        let both = [
            (stored.labels.get_or_insert_default(), labels),
            (stored.annotations.get_or_insert_default(), annotations),
        ];
        for (stored, changes) in both {
            for (key, value) in changes {
                match value {
                    Some(value) => drop(stored.insert(key.clone(), value.clone())),
                    None => drop(stored.remove(key)),
                }
            }
        }
        Ok(())
    }

    /// The node breaks its work off, and whoever still listens hears of it.
    fn stop_call(&mut self, key: &CallKey, pod: &str) {
        self.in_flight.remove(pod);
        self.stopped.push(pod.to_owned());
        if let Some(state) = self.calls.get_mut(key)
            && matches!(state, CallState::Running { .. })
        {
            *state = CallState::Failed {
                keyspaces_done: vec![],
                reason: "Compaction interrupted".to_owned(),
            };
        }
    }

    fn start_call(&mut self, key: &CallKey, pod: &str, call: &NodeCall) {
        if self.calls.contains_key(key) {
            return;
        }
        let is_it = |record: &OperationRecord| record.id == key.record;
        let aborted = self
            .records()
            .any(|record| is_it(record) && record.abort_time.is_some());
        // What a dead operator sent arrives in spite of that, for a while, and is to be stopped then.
        self.must(
            !aborted || !self.calls_have_arrived(),
            "an operation was started after its end was asked for",
        );
        let running = self.in_flight.insert(pod.to_owned(), call.clone());
        self.must(running.is_none(), "two runs at once on a node");
        let moves = self.moves_but(pod);
        self.must(!moves, "something was begun while a node moved");
        let is_alone = self.in_flight.len() == 1;
        self.must(
            is_alone || !matches!(call, NodeCall::Move { .. }),
            "a node moved beside other work",
        );
        if *call == NodeCall::Drain {
            let other = self.drained_but(pod);
            self.must(!other, "two nodes were drained at once");
        }
        self.calls.insert(
            key.clone(),
            CallState::Running {
                keyspaces_done: vec![],
                work: None,
            },
        );
        self.made.push(Made {
            pod: pod.to_owned(),
            call: call.clone(),
        });
    }

    fn lower_replicas(&mut self, set: &StatefulSet) {
        let name = set.metadata.name.clone().unwrap();
        let mut set = set.clone();
        let before = self.sets[&name].spec.as_ref().unwrap().replicas.unwrap();
        let after = set.spec.as_ref().unwrap().replicas.unwrap();
        self.must(after == before - 1, "more than one replica at once");
        let pod = self.pods.get(&format!("{name}-{after}"));
        let is_member = pod.is_some_and(|pod| self.members.contains_key(&address_of(pod)));
        self.must(!is_member, "the replica of a member was taken away");
        set.metadata.generation = set.metadata.generation.map(|generation| generation + 1);
        self.written(&name);
        self.sets.insert(name, set);
    }

    fn delete_claim(&mut self, name: &str, uid: &str) {
        let pod = name.strip_prefix("data-").unwrap().to_owned();
        let Some((known, _)) = self.claims.get(&pod) else {
            return;
        };
        if known != uid {
            return;
        }
        let host_id = self.host_id(&pod);
        // It may have come back since it was seen down.
        let fell = self.fallen.contains(&host_id);
        let told = self.told.get(&pod).filter(|_| fell);
        let is_replaced =
            |address: &IpAddr, member: &(String, bool)| told == Some(address) && member.0 == host_id;
        let mut members = self.members.iter();
        let of_member = members.any(|(address, member)| member.0 == host_id && !is_replaced(address, member));
        self.must(!of_member, "the claim of a member was deleted");
        self.claims.remove(&pod);
        self.volumes.remove(&pod);
        self.dropped_claims.push(pod);
    }

    /// The host id that the disk of a pod holds.
    fn host_id(&self, pod: &str) -> String {
        match self.claims[pod].1 {
            0 => format!("host-of-{pod}"),
            times => format!("host-of-{pod}-{times}"),
        }
    }

    /// One step of the controller of one StatefulSet, with pods ready at once: create the next missing pod, or
    /// replace one pod of an old revision, never while another is not ready.
    pub(crate) fn control(&mut self, name: &str) -> bool {
        let set = self.sets[name].clone();
        let spec = set.spec.as_ref().unwrap();
        let revision = format!("{:x}", fxhash(&serde_json::to_string(&spec.template).unwrap()));
        let replicas = spec.replicas.unwrap_or(1);
        let mut moved = false;
        let mut all_new = true;
        let surplus = (replicas..100)
            .map(|ordinal| format!("{name}-{ordinal}"))
            .rfind(|pod| self.pods.contains_key(pod));
        if let Some(pod) = surplus {
            let address = address_of(&self.pods[&pod]);
            self.must(!self.members.contains_key(&address), "a member was taken away");
            self.stop(&pod);
            moved = true;
        }
        for ordinal in 0..replicas {
            let pod = format!("{name}-{ordinal}");
            if self.pods.get(&pod).is_some_and(|pod| !is_ready(pod)) {
                // Pods are made in their order, each when the one before is ready.
                break;
            }
            if !self.pods.contains_key(&pod) {
                self.create_pod(&set, name, ordinal, &revision);
                moved = true;
                break;
            }
        }
        let waits =
            (0..replicas).any(|ordinal| !self.pods.get(&format!("{name}-{ordinal}")).is_some_and(is_ready));
        let strategy = spec
            .update_strategy
            .clone()
            .and_then(|strategy| strategy.rolling_update);
        let partition = strategy.and_then(|rolling| rolling.partition).unwrap_or(0);
        all_new &= partition == 0;
        for ordinal in (partition..replicas).rev() {
            let pod = format!("{name}-{ordinal}");
            let old = self.pods.get(&pod).is_some_and(|pod| {
                pod.metadata.labels.as_ref().unwrap()["controller-revision-hash"] != revision
            });
            if old {
                all_new = false;
                if !moved && !waits {
                    let address = address_of(&self.pods[&pod]);
                    self.must(
                        !self.in_flight.contains_key(&pod),
                        "a node was restarted under its work",
                    );
                    let other = self.drained_but(&pod);
                    self.must(!other, "a node was rolled while another was drained");
                    let moves = self.moves_but(&pod);
                    self.must(!moves, "a node was rolled while another moved");
                    self.stop(&pod);
                    if let Some((_, up)) = self.members.get_mut(&address) {
                        *up = false;
                    }
                    moved = true;
                }
                break;
            }
        }
        let updated = i32::try_from(
            self.pods
                .iter()
                .filter(|(pod, object)| {
                    pod.starts_with(&format!("{name}-"))
                        && object.metadata.labels.as_ref().unwrap()["controller-revision-hash"] == revision
                })
                .count(),
        )
        .unwrap();
        let stored = self.sets.get_mut(name).unwrap();
        let before = stored.status.clone();
        let status = stored.status.get_or_insert_default();
        status.observed_generation = stored.metadata.generation;
        status.replicas = replicas;
        status.updated_replicas = Some(updated);
        status.update_revision = Some(revision.clone());
        if all_new && updated == replicas {
            status.current_revision = Some(revision);
        }
        let noticed = before != stored.status;
        if noticed {
            self.written(name);
        }
        moved || noticed
    }

    fn create_pod(&mut self, set: &StatefulSet, name: &str, ordinal: i32, revision: &str) {
        let pod = format!("{name}-{ordinal}");
        self.next += 1;
        let former = self
            .dropped_claims
            .iter()
            .filter(|dropped| **dropped == pod)
            .count();
        let next = self.next;
        self.claims
            .entry(pod.clone())
            .or_insert_with(|| (format!("claim-uid-{next}"), u32::try_from(former).unwrap()));
        let size = data_size(set);
        self.volumes.entry(pod.clone()).or_insert_with(|| Size {
            asked: size.clone(),
            is: size,
        });
        let host_id = self.host_id(&pod);
        let is_alone = self.members.values().all(|(id, _)| *id == host_id);
        let is_member = self.members.values().any(|(id, _)| *id == host_id);
        self.must(
            is_alone || is_member || self.ring_recorded,
            "a second node was started before the ring was recorded",
        );
        let moves = self.moves_but(&pod);
        self.must(is_member || !moves, "a node came while another moved");
        let known = self
            .members
            .iter()
            .find(|(_, (id, _))| *id == host_id)
            .map(|(ip, _)| *ip);
        if let Some(old) = known {
            self.members.remove(&old);
        }
        let address = IpAddr::V4(Ipv4Addr::from(0x7f01_0000 + self.next));
        let template = set.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
        let image = template
            .containers
            .iter()
            .find_map(|container| container.image.clone())
            .unwrap();
        // Heeded on a fresh disk only, and refused where there is no such node, or it is up.
        let told = self.told.get(&pod).copied().filter(|_| self.pods_read);
        let joined_before = self.ever_joined.contains(&host_id);
        let replaced = told.filter(|_| !joined_before);
        let may_replace =
            replaced.is_none_or(|address| self.members.get(&address).is_some_and(|member| !member.1));
        let ready = !self.broken.contains(&pod)
            && !self.bad_images.contains(&image)
            && !self.decommissioned.contains(&host_id)
            && may_replace;
        if ready {
            if let Some(address) = replaced {
                self.members.remove(&address);
            }
            self.ever_joined.insert(host_id.clone());
            self.members.insert(address, (host_id, true));
        }
        let mut labels = set
            .spec
            .as_ref()
            .unwrap()
            .template
            .metadata
            .as_ref()
            .unwrap()
            .labels
            .clone()
            .unwrap();
        labels.insert("controller-revision-hash".to_owned(), revision.to_owned());
        let waits = json!([{"name": "cassandra", "image": image, "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff"}}}]);
        let containers = if self.bad_images.contains(&image) {
            waits
        } else {
            json!([])
        };
        let message = match (self.pods_read, told) {
            (true, Some(address)) => format!("casskop-bootstrap record=read replaces={address}"),
            (true, None) => "casskop-bootstrap record=read".to_owned(),
            (false, _) => "casskop-bootstrap record=unread".to_owned(),
        };
        let prepares = template.init_containers.iter().flatten();
        let bootstrap: Vec<_> = prepares
            .filter(|container| container.name == "bootstrap")
            .collect();
        let init = json!([{"name": "bootstrap", "image": bootstrap[0].image, "imageID": "", "ready": true, "restartCount": 0,
            "state": {"terminated": {"exitCode": 0, "message": message}}}]);
        let object = serde_json::from_value(json!({
            "metadata": {
                "name": pod, "namespace": "ns", "uid": format!("pod-uid-{}", self.next), "labels": labels,
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name,
                    "uid": set.metadata.uid, "controller": true}],
            },
            "spec": {"initContainers": bootstrap, "containers": [], "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": format!("data-{pod}")}}]},
            "status": {"podIP": address, "initContainerStatuses": init, "containerStatuses": containers, "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
        }))
        .unwrap();
        self.images.insert(format!("pod-uid-{}", self.next), image);
        self.pods.insert(pod, object);
    }
}

/// The size of the data volumes that a StatefulSet makes.
pub(crate) fn data_size(set: &StatefulSet) -> String {
    let templates = set.spec.as_ref().unwrap().volume_claim_templates.as_ref();
    let data = templates.and_then(|templates| templates.first());
    let requests = data.and_then(|data| data.spec.as_ref()?.resources.as_ref()?.requests.as_ref());
    requests.map_or_else(String::new, |requests| requests["storage"].0.clone())
}

/// What is looked at less often is what only a person can change.
fn looks_again_soon(wake: Wake) -> bool {
    matches!(wake, Wake::After(delay) if delay < SignedDuration::from_secs(10))
}

/// The object that an effect writes under its resourceVersion.
fn object_of(effect: &Effect) -> Option<String> {
    match effect {
        Effect::UpdateStatefulSet(set) | Effect::LowerReplicas { set, .. } => set.metadata.name.clone(),
        Effect::DeleteStatefulSet { name, .. } | Effect::OrphanStatefulSet { name, .. } => Some(name.clone()),
        _ => None,
    }
}

fn claim(pod: &str, uid: &str, size: &Size) -> PersistentVolumeClaim {
    serde_json::from_value(json!({
        "metadata": {"name": format!("data-{pod}"), "namespace": "ns", "uid": uid, "resourceVersion": "1"},
        "spec": {"resources": {"requests": {"storage": size.asked}}},
        "status": {"capacity": {"storage": size.is}},
    }))
    .unwrap()
}

pub(crate) fn set_ready(pod: &mut Pod, to: &str) {
    let status = pod.status.as_mut().unwrap();
    to.clone_into(&mut status.conditions.as_mut().unwrap()[0].status);
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

pub(crate) fn address_of(pod: &Pod) -> IpAddr {
    pod.status
        .as_ref()
        .unwrap()
        .pod_ip
        .as_ref()
        .unwrap()
        .parse()
        .unwrap()
}

fn fxhash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
