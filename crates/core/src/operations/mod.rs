//! The operation engine: requests on pods' labels become records in the rack's status, records become calls to
//! nodes, and what becomes of the calls goes back into records and labels.
//!
//! The record is the truth that survives a crash and the pod; labels and `podLastOperation` mirror it. Never two
//! runs of one request at once, never a repeat of a recorded end. Where a crash leaves the outcome open, the node is
//! asked; where it cannot tell, an idempotent operation runs again as a new attempt.

mod abort;
mod claims;
pub(crate) mod decommission;
pub(crate) mod labels;
mod last_operation;
mod line;
mod moving;
mod progress;
mod queue;
pub mod remove;
mod replace;
mod restart;
mod run;

use casskop_types::operation::{OperationName, OperationRecord, RecordState};
use casskop_types::status::{CassandraClusterStatus, RackStatus};
use casskop_types::time::label_time;
use jiff::{SignedDuration, Timestamp};

use crate::blocker::Blocker;
use crate::effect::Effect;
use crate::observed::Observed;
use crate::rack::{PodView, Rack};
use crate::steps::Steps;
use crate::validate::ValidatedCluster;

pub(crate) use moving::{
    alone, earlier as earlier_move, holds as move_holds, stands_in_the_way as mover_holds,
};
pub(crate) use queue::{is_due, request_of};
pub(crate) use replace::host_ids as replaced;
pub(crate) use restart::{holds as restart_holds, is_former, turn as turn_to_restart};
pub use run::call_key;

/// Ended records that a rack's status keeps; older ones are dropped once their labels are written.
const KEPT_RECORDS: usize = 20;

/// How soon a node is asked again about work this process did not start.
pub(crate) const ASK_AGAIN: SignedDuration = SignedDuration::from_secs(2);

/// Everything a decision about a rack's operations looks at.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The cluster.
    pub cluster: &'a ValidatedCluster,
    /// All its racks.
    pub racks: &'a [Rack<'a>],
    /// What was observed.
    pub observed: &'a Observed,
    /// The time of the pass.
    pub now: Timestamp,
}

impl<'a> Scene<'a> {
    /// The pod of this name, in whichever rack.
    fn pod_named(&self, name: &str) -> Option<&'a PodView<'a>> {
        self.racks.iter().find_map(|rack| rack.pod_named(name))
    }
}

/// Whether operations may start, or what they wait for.
#[derive(Debug, Clone, Copy)]
pub struct MayStart<'a> {
    /// Any: no action is under way, and no node moves.
    pub any: Result<(), &'a Blocker>,
    /// All but what brings nodes back: no node is to move first.
    pub later: Result<(), &'a Blocker>,
    /// The restart of a node that broke its move off, which actions may be waiting for: none has begun.
    pub mending: Result<(), &'a Blocker>,
    /// A restart: it is the turn of this rack.
    pub restart: Result<(), &'a Blocker>,
    /// A move: nothing runs in other racks.
    pub alone: Result<(), &'a Blocker>,
    /// What waits for no action: no node moves that is up.
    pub mover: Result<(), &'a Blocker>,
}

/// Advances every operation of one rack by what was observed, and starts the next if it may start.
pub fn advance(
    scene: Scene<'_>,
    rack: &Rack<'_>,
    status: &mut RackStatus,
    may_start: MayStart<'_>,
    steps: &mut Steps,
) {
    queue::take_up(scene, rack, status, steps);
    abort::take_up(scene, rack, status, steps);
    for index in 0..status.operations.len() {
        if is_running(&status.operations[index]) {
            match status.operations[index].name {
                OperationName::Decommission => {
                    decommission::follow(scene, rack, &mut status.operations[index], steps);
                }
                OperationName::Replace => replace::follow(rack, &mut status.operations[index]),
                OperationName::Restart => follow(scene, rack, &mut status.operations[index], steps),
                _ => {}
            }
            let transition = run::step(scene, rack, &status.operations[index]);
            run::enter(scene, rack, status, index, transition, steps);
            progress::note(scene, rack, &mut status.operations[index]);
        }
    }
    queue::start_next(scene, rack, status, may_start, steps);
    labels::mirror(scene, rack, status, steps);
    abort::answer(scene, rack, status, steps);
    last_operation::close(scene, status);
    look_for_newer_requests(scene, rack, status, steps);
    forget_ended(scene, rack, status, steps);
}

/// Keeps a record at its node, whose pod is made anew in the middle. The call to the former one is over.
fn follow(scene: Scene<'_>, rack: &Rack<'_>, record: &mut OperationRecord, steps: &mut Steps) {
    let pod = rack.pod_named(&record.pod);
    let Some(pod) = pod.filter(|pod| pod.uid != record.pod_uid) else {
        return;
    };
    let former = call_key(record);
    if scene.observed.calls.contains_key(&former) {
        steps.effects.push(Effect::ForgetCall(former));
    }
    pod.uid.clone_into(&mut record.pod_uid);
    record.address = pod.address.map(|address| address.to_string());
}

/// The statuses of all racks but one.
fn other_racks<'a>(
    racks: &'a [Rack<'_>],
    rack: &'a Rack<'_>,
    status: &'a CassandraClusterStatus,
) -> impl Iterator<Item = &'a RackStatus> {
    let others = racks.iter().filter(|other| other.desired.id != rack.desired.id);
    others.filter_map(|other| status.rack(&other.desired.id))
}

/// The identity of a new record: other than that of any record kept, for a run is known by it, also when two requests for
/// one pod come within a second.
fn new_id(scene: Scene<'_>, name: OperationName, pod: &PodView<'_>, status: &RackStatus) -> String {
    let base = format!("{name}-{}-{}", pod.ordinal, label_time(scene.now));
    let is_taken = |id: &String| status.operations.iter().any(|record| record.id == *id);
    if !is_taken(&base) {
        return base;
    }
    let numbered = (2..).map(|number: u32| format!("{base}-{number}"));
    numbered.into_iter().find(|id| !is_taken(id)).unwrap_or(base)
}

/// Whether something may be happening on the node for this record.
pub fn is_running(record: &OperationRecord) -> bool {
    matches!(record.state, RecordState::Ongoing | RecordState::Finalizing)
}

/// Whether the record waits for its turn.
pub fn is_queued(record: &OperationRecord) -> bool {
    record.state == RecordState::ToDo
}

/// A pod whose operation has just ended may be asked for another one already, and nothing else wakes the cluster for that.
fn look_for_newer_requests(scene: Scene<'_>, rack: &Rack<'_>, status: &RackStatus, steps: &mut Steps) {
    let mut ended = status
        .operations
        .iter()
        .filter(|record| record.end_time.as_ref().is_some_and(|end| end.0 == scene.now));
    if ended.any(|record| labels::another(rack, record).is_some()) {
        steps.look_again_after(SignedDuration::ZERO);
    }
}

fn forget_ended(scene: Scene<'_>, rack: &Rack<'_>, status: &mut RackStatus, steps: &mut Steps) {
    for record in status.operations.iter().filter(|record| !is_running(record)) {
        let key = call_key(record);
        if scene.observed.calls.contains_key(&key) {
            steps.effects.push(Effect::ForgetCall(key));
        }
    }
    let ended = status
        .operations
        .iter()
        .filter(|record| !is_running(record) && !is_queued(record));
    let surplus = ended.clone().count().saturating_sub(KEPT_RECORDS);
    let end = |record: &OperationRecord| record.end_time.as_ref().map(|end| end.0);
    // Without its record, a label that still says Ongoing would be taken for an operation that another operator left.
    let mut outdated: Vec<_> = ended
        .filter(|record| end(record) != Some(scene.now) && !labels::say_ongoing(rack, record))
        .map(|record| (end(record), record.id.clone()))
        .collect();
    outdated.sort();
    outdated.truncate(surplus);
    status
        .operations
        .retain(|record| !outdated.iter().any(|(_, id)| *id == record.id));
}
