//! All state of the simulation behind one lock, and the signals that something in it has changed.
//!
//! Every change goes through [`World::change`], is short and never waits. Whoever needs to wait watches a counter:
//! pods that of their cluster, tests that of the world.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::calls::CallLog;
use crate::downs::DownHistory;
use crate::names::{ClusterId, PodId};
use crate::ring::{HostId, Moment, Ring};
use crate::steering::{Power, Scope, Span, Steering};

/// The simulated world.
#[derive(Debug)]
pub(crate) struct World {
    state: Mutex<State>,
    revision: watch::Sender<u64>,
    /// What the last release was for; waiting calls and joins look whether it is for them.
    released: watch::Sender<Releases>,
    epoch: SystemTime,
    started: Instant,
}

/// What [`World::change`] gives access to.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) clusters: BTreeMap<ClusterId, Cluster>,
    pub(crate) pods: BTreeMap<String, SimulatedPod>,
    pub(crate) nodes: BTreeMap<String, watch::Sender<Power>>,
    pub(crate) steering: Steering,
    pub(crate) calls: CallLog,
}

/// One cluster: its ring and its history.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) ring: Ring,
    pub(crate) downs: DownHistory,
    /// The claim behind each node's disk, by name and uid; a node without one keeps its disk no longer than its pod.
    pub(crate) claims: BTreeMap<HostId, (String, String)>,
    changed: watch::Sender<u64>,
}

/// A pod of a cluster, from its start to its end.
#[derive(Clone, Debug)]
pub(crate) struct SimulatedPod {
    pub(crate) id: PodId,
    pub(crate) uid: String,
    /// The machine it runs on.
    pub(crate) node: String,
    pub(crate) cluster: ClusterId,
    pub(crate) host: HostId,
    pub(crate) address: IpAddr,
    /// Whether its kubelet has begun to stop it.
    pub(crate) stopping: bool,
    /// Tells the pod's player to end the process as if it had crashed.
    pub(crate) crash: watch::Sender<u64>,
}

/// Permissions to end what waits [`Span::UntilReleased`], numbered: a permission is for those who waited before it.
#[derive(Debug, Default)]
struct Releases {
    given: u64,
    recent: VecDeque<(u64, Scope, Waiting)>,
}

/// A place in the sequence of releases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(u64);

/// Who waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose<'a> {
    pub(crate) pod: &'a PodId,
    pub(crate) cluster: Option<&'a ClusterId>,
}

/// What may wait for a release.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Waiting {
    Call { name: Option<String> },
    Start,
    WarmUp,
    Join,
    Stop,
}

impl Waiting {
    fn permits(&self, waiting: &Self) -> bool {
        match (self, waiting) {
            (Self::Call { name: None }, Self::Call { .. }) => true,
            (this, that) => this == that,
        }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            revision: watch::Sender::new(0),
            released: watch::Sender::new(Releases::default()),
            epoch: SystemTime::now(),
            started: Instant::now(),
        }
    }

    /// Milliseconds since the Unix epoch, never going backwards.
    pub(crate) fn now(&self) -> Moment {
        let now = self.epoch.duration_since(UNIX_EPOCH).unwrap_or_default() + self.started.elapsed();
        Moment(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }

    /// Looks at the state without changing it.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the state, and wakes everybody who watches the world.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.revision.send_modify(|revision| *revision += 1);
        changed
    }

    /// Changes one cluster, notes how many of its nodes are down now, and wakes its pods.
    pub(crate) fn change_ring<T>(&self, id: &ClusterId, change: impl FnOnce(&mut Ring) -> T) -> T {
        self.change_cluster(id, |_, cluster| change(&mut cluster.ring))
    }

    /// As [`World::change_ring`], with the call log, which must agree with the ring at every moment.
    pub(crate) fn change_cluster<T>(
        &self,
        id: &ClusterId,
        change: impl FnOnce(&mut CallLog, &mut Cluster) -> T,
    ) -> T {
        self.change(|state| {
            let cluster = state
                .clusters
                .entry(id.clone())
                .or_insert_with(|| Cluster::new(&id.name));
            let changed = change(&mut state.calls, cluster);
            cluster.downs.note(self.now(), cluster.ring.down().collect());
            cluster.changed.send_modify(|revision| *revision += 1);
            changed
        })
    }

    /// As [`World::change_ring`], for a change that may be refused: nobody is woken by what did not happen, lest two nodes
    /// that wait for each other's next step wake each other for ever.
    pub(crate) fn try_change_ring<T, E>(
        &self,
        id: &ClusterId,
        change: impl FnOnce(&mut Ring) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut state = self.lock();
        let cluster = state
            .clusters
            .entry(id.clone())
            .or_insert_with(|| Cluster::new(&id.name));
        let changed = change(&mut cluster.ring)?;
        cluster.downs.note(self.now(), cluster.ring.down().collect());
        cluster.changed.send_modify(|revision| *revision += 1);
        drop(state);
        self.revision.send_modify(|revision| *revision += 1);
        Ok(changed)
    }

    /// Counts changes of one cluster.
    pub(crate) fn watch_cluster(&self, id: &ClusterId) -> watch::Receiver<u64> {
        let mut state = self.lock();
        let cluster = state
            .clusters
            .entry(id.clone())
            .or_insert_with(|| Cluster::new(&id.name));
        cluster.changed.subscribe()
    }

    /// Wakes the pods of every cluster, after steering has changed.
    pub(crate) fn wake_all(&self) {
        self.change(|state| {
            for cluster in state.clusters.values() {
                cluster.changed.send_modify(|revision| *revision += 1);
            }
        });
    }

    /// Counts all changes.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Ends what waits for a release.
    pub(crate) fn release(&self, scope: Scope, what: Waiting) {
        self.released.send_modify(|releases| {
            // Remembered for those who waited and are only now waking up.
            if releases.recent.len() >= 256 {
                releases.recent.pop_front();
            }
            releases.given += 1;
            releases.recent.push_back((releases.given, scope, what));
        });
    }

    /// To be taken before anybody can know of the wait: a release given from then on ends it.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.released.borrow().given)
    }

    /// Lets a span pass.
    pub(crate) async fn wait(&self, span: Span, ticket: Ticket, whose: Whose<'_>, waiting: &Waiting) {
        match span {
            Span::AtOnce => {}
            Span::Millis(millis) => tokio::time::sleep(std::time::Duration::from_millis(millis)).await,
            Span::UntilReleased => {
                let mine = |(number, scope, what): &(u64, Scope, Waiting)| {
                    *number > ticket.0 && what.permits(waiting) && scope.covers(whose.cluster, whose.pod)
                };
                let mut releases = self.released.subscribe();
                // The sender lives as long as the world, which is borrowed here: the channel cannot close.
                let _ = releases
                    .wait_for(|releases| releases.recent.iter().any(mine))
                    .await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The pods under this name: one, or for a moment two while one succeeds the other.
    pub(crate) fn pods_named<'a>(&'a self, id: &'a PodId) -> impl Iterator<Item = &'a SimulatedPod> {
        self.pods.values().filter(move |pod| pod.id == *id)
    }
}

impl Cluster {
    fn new(name: &str) -> Self {
        Self {
            ring: Ring::new(name),
            downs: DownHistory::default(),
            claims: BTreeMap::new(),
            changed: watch::Sender::new(0),
        }
    }
}
