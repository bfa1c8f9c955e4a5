//! Plays the kubelets of the simulated nodes: takes up pods that were bound to one of them, and plays each to its end.

mod addresses;
mod machines;
mod player;
mod probe;
mod spec;
mod status;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

pub(crate) use addresses::Addresses;
pub use addresses::{InvalidPodCidr, PodCidr};
pub(crate) use machines::{Machines, set_cordon, set_power};

use crate::world::World;
use player::{Player, Wanted};

/// API requests for pods in flight at once: enough for a fleet to form quickly, few enough to leave the API server's
/// fairness queues alone.
const REQUESTS_AT_ONCE: usize = 32;

/// What all players share.
pub(crate) struct Kubelet {
    pub(crate) client: Client,
    pub(crate) world: Arc<World>,
    pub(crate) addresses: Addresses,
    requests: Semaphore,
}

impl Kubelet {
    pub(crate) fn new(client: Client, world: Arc<World>, block: PodCidr) -> Self {
        let addresses = Addresses::new(block);
        Self {
            client,
            world,
            addresses,
            requests: Semaphore::new(REQUESTS_AT_ONCE),
        }
    }

    /// Plays pods until the process ends.
    pub(crate) async fn run(self: Arc<Self>) {
        // Unbound pods are the scheduler's: not even an event of theirs is wanted.
        let bound = watcher::Config::default().fields("spec.nodeName!=");
        let pods: Api<Pod> = Api::all(self.client.clone());
        let events = watcher(pods, bound).default_backoff();
        self.follow(std::pin::pin!(events)).await;
    }

    async fn follow(
        self: Arc<Self>,
        mut events: impl Stream<Item = Result<Event<Pod>, watcher::Error>> + Unpin,
    ) {
        let mut cast: HashMap<String, watch::Sender<Wanted>> = HashMap::new();
        let mut players = JoinSet::new();
        let mut listed = HashSet::new();
        loop {
            let event = tokio::select! {
                Some(uid) = players.join_next() => {
                    if let Ok(uid) = uid {
                        cast.remove::<String>(&uid);
                    }
                    continue;
                }
                event = events.next() => event,
            };
            match event {
                None => return,
                Some(Err(error)) => tracing::warn!(%error, "watching pods"),
                Some(Ok(Event::Init)) => listed.clear(),
                Some(Ok(Event::InitApply(pod))) => {
                    listed.extend(pod.uid());
                    self.tell(&mut cast, &mut players, pod);
                }
                Some(Ok(Event::InitDone)) => {
                    for (_, wanted) in cast.iter().filter(|(uid, _)| !listed.contains(*uid)) {
                        wanted.send_replace(Wanted::Gone);
                    }
                }
                Some(Ok(Event::Apply(pod))) => self.tell(&mut cast, &mut players, pod),
                Some(Ok(Event::Delete(pod))) => {
                    if let Some(wanted) = pod.uid().and_then(|uid| cast.get(&uid)) {
                        wanted.send_replace(Wanted::Gone);
                    }
                }
            }
        }
    }

    /// Hands a pod's latest state to its player, who is hired if the pod is new and bound to one of our nodes.
    fn tell(
        self: &Arc<Self>,
        cast: &mut HashMap<String, watch::Sender<Wanted>>,
        players: &mut JoinSet<String>,
        pod: Pod,
    ) {
        let Some(uid) = pod.uid() else { return };
        let leaving = pod.metadata.deletion_timestamp.is_some();
        let wanted = if leaving { Wanted::Stopped } else { Wanted::Running };
        if let Some(known) = cast.get(&uid) {
            known.send_if_modified(|known| {
                // A pod that is to stop never runs again.
                let news = leaving && *known == Wanted::Running;
                if news {
                    *known = wanted;
                }
                news
            });
            return;
        }
        let finished = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        if matches!(finished, Some("Succeeded" | "Failed")) && !leaving {
            return;
        }
        let Some(power) = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.node_name.as_ref())
            .and_then(|node| {
                self.world
                    .look(|state| state.nodes.get(node).map(watch::Sender::subscribe))
            })
        else {
            return;
        };
        let (sender, receiver) = watch::channel(wanted);
        cast.insert(uid.clone(), sender);
        let player = Player::new(Arc::clone(self), pod, receiver, power);
        players.spawn(async move {
            Box::pin(player.play()).await;
            uid
        });
    }
}
