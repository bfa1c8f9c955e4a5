//! Nodes of Cassandra: what they do, what they answer, and what they are called for.

use std::collections::BTreeSet;
use std::net::IpAddr;

use casskop_core::call::{CallKey, CallState, NodeCall};
use casskop_core::fact::Fact;
use casskop_core::observed::{NodeFacts, OperationMode, RingView};
use casskop_core::questions::Question;
use casskop_types::names::PodName;
use casskop_types::operation::OperationRecord;
use k8s_openapi::api::core::v1::Pod;

use super::controllers::set_ready;
use super::{Made, World};

impl World {
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
    pub(super) fn moves_but(&self, pod: &str) -> bool {
        let mut others = self.in_flight.iter().filter(|(other, _)| *other != pod);
        others.any(|(_, call)| matches!(call, NodeCall::Move { .. }))
    }

    /// A pod is no more, nor what its node was at; whoever listened hears nothing more.
    pub(super) fn stop(&mut self, pod: &str) {
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

    pub(super) fn ask(&self, pod: &PodName, what: &BTreeSet<Question>) -> NodeFacts {
        let address = address_of(&self.pods[&pod.to_string()]);
        let mut facts = NodeFacts::default();
        if what.contains(&Question::Ring) {
            let side = |up: bool| {
                let members = self.members.iter().filter(|(_, (_, is_up))| *is_up == up);
                let heard_of = members.map(|(address, _)| *address);
                heard_of.filter(|it| !self.unheard.contains(it)).collect()
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

    /// Whether the node of some other pod was told to drain.
    pub(super) fn drained_but(&self, pod: &str) -> bool {
        let mut others = self.pods.keys().filter(|other| *other != pod);
        others.any(|other| self.is_drained(&other.parse().unwrap()))
    }

    pub(super) fn is_drained(&self, pod: &PodName) -> bool {
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

    /// The node breaks its work off, and whoever still listens hears of it.
    pub(super) fn stop_call(&mut self, key: &CallKey, pod: &str) {
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

    pub(super) fn start_call(&mut self, key: &CallKey, pod: &str, call: &NodeCall) {
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

    /// The host id that the disk of a pod holds.
    pub(super) fn host_id(&self, pod: &str) -> String {
        match self.claims[pod].1 {
            0 => format!("host-of-{pod}"),
            times => format!("host-of-{pod}-{times}"),
        }
    }
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

pub(super) fn fxhash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
