//! Which node has to be asked for what in this pass. An idle cluster asks nothing.

use std::collections::{BTreeMap, BTreeSet};

use casskop_types::cluster::CassandraCluster;
use casskop_types::names::PodName;
use casskop_types::operation::{OperationName, OperationRequest, OperationStatus, RecordState};
use casskop_types::status::{CassandraClusterStatus, RackStatus};
use k8s_openapi::api::core::v1::Pod;

use crate::action;
use crate::call::{CallKey, CallState};
use crate::crossed_address;
use crate::deletion;
use crate::hooks;
use crate::observed::{GrowthTrial, KubeState};
use crate::operations::{self, is_running};
use crate::rack::{self, PodView, Rack};
use crate::ring_record;
use crate::validate::ValidatedCluster;
use crate::work;

/// Nodes asked for the ring, each in another rack where possible: one may be wrong, or not answer.
const WITNESSES: usize = 3;

/// Nodes of a rack under way that are asked for themselves besides.
const OWN_WORDS: usize = 8;

/// One group of MBean reads that travel together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// `OperationMode`, `ReleaseVersion`, `LocalHostId`, and the ring as the node sees it.
    Ring,
    /// `StorageService` operations in flight, from the thread dump.
    InFlight,
    /// How far it is with an operation.
    Work(OperationName),
    /// Replicas of the keyspaces that are replicated between nodes.
    Replication,
    /// `OperationMode` and `Tokens`. Asked after what is in flight: a node that moves is done with both before it is at it no more.
    Tokens,
}

/// The questions of a pass, by pod.
pub type Questions = BTreeMap<PodName, BTreeSet<Question>>;

/// Calls that this operator process knows of.
pub type Calls = BTreeMap<CallKey, CallState>;

/// What to ask whom.
pub fn questions(cluster: &ValidatedCluster, kube: &KubeState, calls: &Calls) -> Questions {
    let as_seen = hooks::as_seen(cluster, kube);
    let cluster = as_seen.as_ref().unwrap_or(cluster);
    let racks = rack::racks(cluster, kube);
    let empty = CassandraClusterStatus::default();
    let status = kube.cluster.status.as_ref().unwrap_or(&empty);
    let mut questions = Questions::new();
    let ring_counts = action::anything_wanted(cluster, kube, &racks)
        || nodes_unrecorded(&racks, status)
        || crossed_address::is_suspected(&racks)
        || ring_record::is_due(&racks, status)
        || [
            OperationName::Replace,
            OperationName::Restart,
            OperationName::Move,
        ]
        .into_iter()
        .any(|name| operations::is_due(name, &racks, status));
    if ring_counts {
        ask_the_ring(&racks, status, &mut questions);
    }
    if action::asks_for_replication(&racks, status) {
        let has_ready = |rack: &&Rack<'_>| rack.pods.iter().any(PodView::is_ready);
        if let Some(rack) = racks.iter().find(has_ready) {
            ask_first(rack, Question::Replication, &mut questions);
        }
    }
    for rack in action::awaiting_rebuild(&racks, status) {
        // A node of the datacenter itself: the schema has reached it then.
        ask_first(rack, Question::Replication, &mut questions);
    }
    for rack in &racks {
        let rack_status = status.rack(&rack.desired.id);
        if let Some(rack_status) = rack_status {
            if rack_status.release_version.is_none() {
                ask_first(rack, Question::Ring, &mut questions);
            }
            ask_for_operations(rack, rack_status, calls, &mut questions);
        }
        ask_for_requests(rack, rack_status, &mut questions);
    }
    questions
}

/// Whether this pass has to read the cluster's claims: a node goes together with its claim, or the whole cluster does.
pub fn needs_claims(kube: &KubeState) -> bool {
    deletion::needs_claims(&kube.cluster, || new_pods(kube))
        || nodes_go(kube)
        || action::grows_volumes(kube)
        || replacement_asked(kube)
}

/// The claims for which the API server has to be asked, by a dry run, whether they may grow: the spec asks for larger volumes, and
/// only their storage class knows.
pub fn growth_trials(cluster: &ValidatedCluster, kube: &KubeState) -> Vec<GrowthTrial> {
    let empty = CassandraClusterStatus::default();
    let status = kube.cluster.status.as_ref().unwrap_or(&empty);
    action::growth_trials(&rack::racks(cluster, kube), status, &kube.claims)
}

/// Whether the cluster is seen for the first time: then it is looked what another operator left.
pub fn is_new(cluster: &CassandraCluster) -> bool {
    let status = cluster.status.as_ref();
    status.is_none_or(|status| status.pinned.is_none())
}

/// The StatefulSets whose controller has tried to create pods and could not: a missing service account, a quota, an
/// admission rule. It tells why in an event only.
pub fn lacks_pods(kube: &KubeState) -> Vec<&str> {
    let lacking = kube.statefulsets.iter().filter(|set| rack::lacks_pods(set));
    lacking.filter_map(|set| set.metadata.name.as_deref()).collect()
}

/// Whether a pod is ready that the status does not know under its present address.
fn new_pods(kube: &KubeState) -> bool {
    let known = |pod: &Pod| {
        let status = kube.cluster.status.as_ref()?;
        let recorded = status.cassandra_node_status.get(pod.metadata.name.as_deref()?)?;
        let address = pod.status.as_ref()?.pod_ip.as_ref();
        Some(recorded.node_ip.as_ref() == address)
    };
    kube.pods.iter().any(|pod| known(pod) != Some(true))
}

fn nodes_go(kube: &KubeState) -> bool {
    let status = kube.cluster.status.iter();
    status.flat_map(CassandraClusterStatus::operations).any(|record| {
        let has_claim = record.lost_node.as_ref().is_some_and(|lost| lost.pod.is_some());
        is_running(record) && (has_claim || record.name == OperationName::Decommission)
    })
}

/// Whether a replacement is asked for and has not begun: it records the claim first.
fn replacement_asked(kube: &KubeState) -> bool {
    let asks = |pod: &Pod| {
        let request = OperationRequest::of(pod).ok().flatten();
        request.is_some_and(|request| {
            request.name == OperationName::Replace && request.status == OperationStatus::ToDo
        })
    };
    kube.pods.iter().any(asks)
}

/// Witnesses from as many racks as possible, and the nodes of racks under way for themselves.
fn ask_the_ring(racks: &[Rack<'_>], status: &CassandraClusterStatus, questions: &mut Questions) {
    let ready = |rack: &Rack<'_>| {
        rack.pods
            .iter()
            .filter(|pod| pod.is_ready())
            .map(|pod| pod.name.clone())
            .collect()
    };
    let by_rack: Vec<Vec<PodName>> = racks.iter().map(ready).collect();
    let longest = by_rack.iter().map(Vec::len).max().unwrap_or(0);
    let spread = (0..longest).flat_map(|ordinal| by_rack.iter().filter_map(move |pods| pods.get(ordinal)));
    for pod in spread.take(WITNESSES) {
        ask(questions, pod, Question::Ring);
    }
    let under_way = racks.iter().zip(&by_rack).filter(|(rack, _)| {
        status
            .rack(&rack.desired.id)
            .is_none_or(|rack_status| action::unfinished(rack_status).is_some())
    });
    for (_, pods) in under_way {
        pods.iter()
            .rev()
            .take(OWN_WORDS)
            .for_each(|pod| ask(questions, pod, Question::Ring));
    }
}

fn ask_for_operations(rack: &Rack<'_>, rack_status: &RackStatus, calls: &Calls, questions: &mut Questions) {
    for record in rack_status.operations.iter().filter(|record| is_running(record)) {
        // A node that leaves, or is restarted, outlives its pod.
        let is_its = |pod: &&PodView<'_>| match record.name {
            OperationName::Decommission | OperationName::Restart => pod.name.to_string() == record.pod,
            // The other nodes are asked.
            OperationName::Replace => false,
            _ => pod.uid == record.pod_uid,
        };
        let Some(pod) = rack.pods.iter().find(is_its) else {
            continue;
        };
        let known = calls.get(&operations::call_key(record));
        if record.name == OperationName::Restart && !operations::is_former(record, pod) {
            if pod.is_ready() {
                ask(questions, &pod.name, Question::Ring);
            }
            continue;
        }
        let open = match record.name {
            OperationName::Decommission | OperationName::Restart | OperationName::Move => {
                !matches!(known, Some(CallState::Running { .. }))
            }
            _ => matches!(known, None | Some(CallState::Lost { .. })),
        };
        if record.state == RecordState::Ongoing && open {
            ask(questions, &pod.name, Question::InFlight);
            if record.name == OperationName::Restart {
                // Its mode tells whether it is drained.
                ask(questions, &pod.name, Question::Ring);
            }
            if record.name == OperationName::Move {
                ask(questions, &pod.name, Question::Tokens);
            }
            if work::counter(record.name).is_some() {
                ask(questions, &pod.name, Question::Work(record.name));
            }
        }
        // The asked node's own view tells what became of a removal.
        if record.name == OperationName::Remove && !matches!(known, Some(CallState::Running { .. })) {
            ask(questions, &pod.name, Question::Ring);
        }
    }
}

/// What has to be known before a request can start.
fn ask_for_requests(rack: &Rack<'_>, rack_status: Option<&RackStatus>, questions: &mut Questions) {
    for pod in rack.pods.iter().filter(|pod| pod.is_ready()) {
        let Some(request) = waiting_request(pod) else {
            continue;
        };
        match request.name {
            OperationName::Rebuild => {
                ask(questions, &pod.name, Question::Replication);
                ask(questions, &pod.name, Question::Ring);
            }
            OperationName::Remove => ask(questions, &pod.name, Question::Ring),
            OperationName::Move => ask(questions, &pod.name, Question::Tokens),
            // Besides the ring: whether one that broke its move off is at it again.
            OperationName::Restart if has_failed_to_move(rack_status, pod) => {
                ask(questions, &pod.name, Question::InFlight);
            }
            OperationName::Cleanup
            | OperationName::UpgradeSstables
            | OperationName::Scrub
            | OperationName::Compact
            | OperationName::Flush
            | OperationName::GarbageCollect
            | OperationName::Decommission
            | OperationName::ReloadSsl
            | OperationName::Restart
            // It is asked for on pods that are not ready.
            | OperationName::Replace => {}
        }
    }
}

fn has_failed_to_move(rack_status: Option<&RackStatus>, pod: &PodView<'_>) -> bool {
    let mut records = rack_status.into_iter().flat_map(|status| &status.operations);
    records.any(|record| {
        record.name == OperationName::Move && record.pod_uid == pod.uid && record.state == RecordState::Error
    })
}

fn waiting_request(pod: &PodView<'_>) -> Option<OperationRequest> {
    let request = operations::request_of(pod).ok().flatten();
    request.filter(|request| request.status == OperationStatus::ToDo)
}

/// Whether a ready pod's node is not yet recorded under its present address.
fn nodes_unrecorded(racks: &[Rack<'_>], status: &CassandraClusterStatus) -> bool {
    racks
        .iter()
        .flat_map(|rack| &rack.pods)
        .filter(|pod| pod.is_ready())
        .any(|pod| {
            let recorded = status.cassandra_node_status.get(&pod.name.to_string());
            let address = pod.address.map(|address| address.to_string());
            recorded.is_none_or(|recorded| recorded.node_ip != address)
        })
}

/// Asks the first node of a rack that can answer.
fn ask_first(rack: &Rack<'_>, question: Question, questions: &mut Questions) {
    if let Some(pod) = rack.pods.iter().find(|pod| pod.is_ready()) {
        ask(questions, &pod.name, question);
    }
}

fn ask(questions: &mut Questions, pod: &PodName, question: Question) {
    questions.entry(pod.clone()).or_default().insert(question);
}
