//! One pod's life: from being bound to a node, through starts and crashes of its process, to its deletion.

mod references;
mod report;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Kubelet;
use super::probe;
use super::spec::{self, NodeSpec};
use super::status::{Doing, Facts, Readiness};
use crate::jolokia::{self, Agent, Identity};
use crate::names::PodId;
use crate::ring::{Boot, BootRefused, Booted, HostId, Process};
use crate::steering::{Credentials, Image, PodBehaviour, Power, ProcessFate, Span};
use crate::world::{SimulatedPod, State, Ticket, Waiting, Whose};
use references::RingFate;

const RETRY: Duration = Duration::from_millis(500);

/// What the API server wants of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// To run.
    Running,
    /// To stop: it has a deletion timestamp.
    Stopped,
    /// Nothing: its object is gone.
    Gone,
}

/// The pod is not to run any longer.
struct Leaving;

/// Plays one pod.
pub(super) struct Player {
    kubelet: Arc<Kubelet>,
    pod: Pod,
    uid: String,
    id: PodId,
    /// What it is as a node of a ring; other pods just run.
    node: Option<NodeSpec>,
    wanted: watch::Receiver<Wanted>,
    power: watch::Receiver<Power>,
    crash: watch::Sender<u64>,
    address: Option<Ipv4Addr>,
    told: Told,
    facts: Facts,
    published: Option<Facts>,
}

/// A process that runs, and what ends with it.
struct Running {
    host: HostId,
    agent: JoinHandle<()>,
    /// Ends the agent even if its player is dropped in mid-life.
    ended: DropGuard,
}

/// What the operator tells the pod's init container.
#[derive(Clone, Copy)]
enum Told {
    NotYet,
    /// To take the place of the dead node at an address, or of nobody.
    ToReplace(Option<IpAddr>),
}

/// As whom a process starts.
#[derive(Clone, Copy)]
struct Start {
    host: HostId,
    address: Ipv4Addr,
    /// The address of a dead node to replace.
    replace: Option<IpAddr>,
}

/// How a process ended.
enum End {
    Killed,
    Refused(BootRefused),
}

impl Player {
    pub(super) fn new(
        kubelet: Arc<Kubelet>,
        pod: Pod,
        wanted: watch::Receiver<Wanted>,
        power: watch::Receiver<Power>,
    ) -> Self {
        let id = PodId::new(pod.namespace().unwrap_or_default(), pod.name_any());
        let now = Timestamp::now();
        let restarts = spec::restarts(&pod);
        let facts = Facts {
            doing: Doing::Creating,
            address: None,
            host_address: IpAddr::from(Ipv4Addr::LOCALHOST),
            restarts,
            bootstrap_message: String::new(),
            since: now,
            changed: now,
        };
        Self {
            uid: pod.uid().unwrap_or_default(),
            node: NodeSpec::of(&pod),
            kubelet,
            pod,
            id,
            wanted,
            power,
            crash: watch::Sender::new(0),
            address: None,
            told: Told::NotYet,
            facts,
            published: None,
        }
    }

    pub(super) async fn play(mut self) {
        let mut process = None;
        let Leaving = self.live(&mut process).await;
        self.leave(process).await;
    }

    /// Starts the process again and again until the pod is to stop.
    async fn live(&mut self, process: &mut Option<Running>) -> Leaving {
        loop {
            let lived = match self.node.clone() {
                Some(node) => self.run_cassandra(&node, process).await,
                None => self.run_anything().await,
            };
            self.end(process.take()).await;
            match lived {
                Ok(()) => self.facts.restarts += 1,
                Err(leaving) => return leaving,
            }
        }
    }

    async fn run_anything(&mut self) -> Result<(), Leaving> {
        self.take_address()?;
        self.publish(Doing::Running(Readiness::Ready)).await?;
        self.or_leave(std::future::pending::<()>()).await
    }

    /// One run of Cassandra, from the pull of its images to the end of its process.
    async fn run_cassandra(&mut self, node: &NodeSpec, process: &mut Option<Running>) -> Result<(), Leaving> {
        self.wait_for_power().await?;
        self.wait_until_startable(node).await?;
        let address = self.take_address()?;
        let disk = self.disk(node).await?;
        let replace = self.replaces(node).await?;
        let credentials = self.credentials(node).await?;
        let identity = Identity {
            pod: self.id.clone(),
            pod_uid: self.uid.clone(),
            cluster: node.cluster.clone(),
            host: HostId::of_disk(&disk),
        };
        let host = identity.host;
        self.register(node, host, address, &disk);
        // From before the start: any change from here on may lift a refusal.
        let mut changes = self.kubelet.world.watch_cluster(&node.cluster);
        let ticket = self.kubelet.world.ticket();
        let listener = self.listen(address).await?;
        *process = Some(self.serve(listener, identity, credentials));
        let killed = self.killed();
        let end = tokio::select! {
            biased;
            () = killed => End::Killed,
            ended = self.run_process(node, Start { host, address, replace }, ticket) => ended?,
        };
        self.end(process.take()).await;
        if let End::Refused(refused) = end {
            self.publish(Doing::CrashLooping(refused.to_string())).await?;
            self.or_leave(changes.changed()).await?.ok();
        }
        Ok(())
    }

    /// Cassandra's own course: it comes up, joins, and follows the ring. Returns only if it gives up.
    async fn run_process(&mut self, node: &NodeSpec, start: Start, ticket: Ticket) -> Result<End, Leaving> {
        let host = start.host;
        let span = self.behaviour().warm_up.unwrap_or_default();
        if span != Span::AtOnce {
            self.publish(Doing::Running(Readiness::NotReady)).await?;
            self.pass(span, ticket, Waiting::WarmUp).await?;
        }
        let fate = self.fate_of_ring(node, host).await?;
        match self.boot(node, start, fate) {
            Err(refused) => return Ok(End::Refused(refused)),
            Ok(Booted::Joining) => self.join(node, host, ticket).await?,
            Ok(Booted::Normal) => {}
        }
        self.follow_ring(node, host).await
    }

    /// Happens when a test crashes the process, or the machine goes off.
    fn killed(&self) -> impl Future<Output = ()> + use<> {
        let (mut crashes, mut power) = (self.crash.subscribe(), self.power.clone());
        async move {
            tokio::select! {
                _ = crashes.changed() => {}
                _ = power.wait_for(|power| *power == Power::Off) => {}
            }
        }
    }

    /// Waits while the pod cannot start, and says so in its status.
    async fn wait_until_startable(&mut self, node: &NodeSpec) -> Result<(), Leaving> {
        let mut changes = self.kubelet.world.watch_cluster(&node.cluster);
        loop {
            let behaviour = self.behaviour();
            let hindered = match (behaviour.image, behaviour.process) {
                (Some(Image::Missing), _) => Doing::PullingInVain,
                (_, Some(ProcessFate::InitFails)) => Doing::InitFailing,
                (_, Some(ProcessFate::Crashes)) => Doing::CrashLooping("steered to crash".to_owned()),
                _ => {
                    let span = behaviour.start.unwrap_or_default();
                    if span != Span::AtOnce {
                        let ticket = self.kubelet.world.ticket();
                        let first = self.facts.restarts == 0;
                        let waiting = if first {
                            Doing::Creating
                        } else {
                            Doing::Running(Readiness::NotReady)
                        };
                        self.publish(waiting).await?;
                        self.pass(span, ticket, Waiting::Start).await?;
                    }
                    return Ok(());
                }
            };
            if matches!(hindered, Doing::CrashLooping(_)) {
                self.take_address()?;
            }
            self.publish(hindered).await?;
            self.or_leave(changes.changed()).await?.ok();
        }
    }

    fn boot(&self, node: &NodeSpec, start: Start, fate: RingFate) -> Result<Booted, BootRefused> {
        let host = start.host;
        let boot = Boot {
            host,
            address: IpAddr::from(start.address),
            location: node.location.clone(),
            release: node.release,
            num_tokens: node.num_tokens,
            replace: start.replace,
        };
        let at_once = self.behaviour().join.unwrap_or_default() == Span::AtOnce;
        let world = &self.kubelet.world;
        world.try_change_ring(&node.cluster, |ring| {
            // Somebody else may have founded the new ring in the meantime.
            if fate == RingFate::Lost && ring.nodes().all(|(_, node)| node.process == Process::Down) {
                ring.forget();
            }
            match ring.boot(boot)? {
                Booted::Joining if at_once => {
                    // In the same step, lest another node that starts right now sees a bootstrap under way.
                    ring.finish_joining(host);
                    Ok(Booted::Normal)
                }
                booted => Ok(booted),
            }
        })
    }

    async fn listen(&self, address: Ipv4Addr) -> Result<TcpListener, Leaving> {
        loop {
            match TcpListener::bind((address, jolokia::PORT)).await {
                Ok(listener) => return Ok(listener),
                Err(error) => {
                    tracing::error!(pod = %self.id, %address, %error, "cannot listen for Jolokia");
                    self.or_leave(tokio::time::sleep(RETRY)).await?;
                }
            }
        }
    }

    fn serve(&self, listener: TcpListener, identity: Identity, credentials: Option<Credentials>) -> Running {
        let ended = CancellationToken::new();
        let host = identity.host;
        let world = Arc::clone(&self.kubelet.world);
        let agent = Agent::new(world, identity, credentials, ended.clone());
        let agent = tokio::spawn(jolokia::serve(listener, Arc::new(agent)));
        let ended = ended.drop_guard();
        Running { host, agent, ended }
    }

    async fn join(&mut self, node: &NodeSpec, host: HostId, ticket: Ticket) -> Result<(), Leaving> {
        let span = self.behaviour().join.unwrap_or_default();
        let world = Arc::clone(&self.kubelet.world);
        self.publish(Doing::Running(Readiness::NotReady)).await?;
        self.pass(span, ticket, Waiting::Join).await?;
        world.change_ring(&node.cluster, |ring| ring.finish_joining(host));
        Ok(())
    }

    /// Publishes the readiness probe's verdict whenever the ring changes.
    async fn follow_ring(&mut self, node: &NodeSpec, host: HostId) -> Result<End, Leaving> {
        let world = Arc::clone(&self.kubelet.world);
        let mut changes = world.watch_cluster(&node.cluster);
        loop {
            let wanted = self.behaviour().native_transport;
            let (readiness, transport) = world.look(|state| {
                let cluster = state.clusters.get(&node.cluster);
                let view = cluster.and_then(|cluster| cluster.ring.view(host));
                (
                    view.map_or(Readiness::NotReady, probe::run),
                    view.map(|view| view.node().native_transport),
                )
            });
            if let Some(wanted) = wanted.filter(|wanted| transport.is_some_and(|now| now != *wanted)) {
                world.change_ring(&node.cluster, |ring| ring.set_native_transport(host, wanted));
                continue;
            }
            self.publish(Doing::Running(readiness)).await?;
            self.or_leave(changes.changed()).await?.ok();
        }
    }

    /// The process ends: the ring sees it down, its calls are lost, its connections cut, its address free to listen on.
    async fn end(&self, process: Option<Running>) {
        let (Some(Running { host, agent, ended }), Some(node)) = (process, &self.node) else {
            return;
        };
        let world = &self.kubelet.world;
        let up = |state: &State| {
            let cluster = state.clusters.get(&node.cluster);
            let found = cluster.and_then(|cluster| cluster.ring.node(host));
            found.is_some_and(|node| node.process == Process::Up)
        };
        // A start that was refused has not changed the ring, and its end must wake nobody.
        if world.look(up) {
            world.change_ring(&node.cluster, |ring| ring.stop(host));
        }
        world.change(|state| state.calls.lose(&self.uid, world.now()));
        drop(ended);
        if let Err(error) = agent.await {
            tracing::error!(pod = %self.id, %error, "agent ended badly");
        }
    }

    /// Stops the process within the grace period and lets the API server drop the pod.
    async fn leave(mut self, process: Option<Running>) {
        let world = Arc::clone(&self.kubelet.world);
        let cluster = self.node.as_ref().map(|node| node.cluster.clone());
        let (span, ticket) = (self.behaviour().stop.unwrap_or_default(), world.ticket());
        world.change(|state| {
            if let Some(pod) = state.pods.get_mut(&self.uid) {
                pod.stopping = true;
            }
        });
        if *self.wanted.borrow() == Wanted::Stopped {
            let mut gone = self.wanted.clone();
            let mut power = self.power.clone();
            tokio::select! {
                () = async {
                    // A machine that is off neither stops nor reports anything.
                    let _ = power.wait_for(|power| *power == Power::On).await;
                    let whose = Whose { pod: &self.id, cluster: cluster.as_ref() };
                    world.wait(span, ticket, whose, &Waiting::Stop).await;
                } => {}
                _ = gone.wait_for(|wanted| *wanted == Wanted::Gone) => {}
            }
        }
        self.end(process).await;
        world.change(|state| state.pods.remove(&self.uid));
        if *self.wanted.borrow() == Wanted::Stopped {
            self.delete().await;
        }
        if let Some(address) = self.address.take() {
            self.kubelet.addresses.give_back(address);
        }
    }

    fn take_address(&mut self) -> Result<Ipv4Addr, Leaving> {
        if let Some(address) = self.address {
            return Ok(address);
        }
        let addresses = &self.kubelet.addresses;
        let had = spec::address(&self.pod).and_then(|address| addresses.claim(address));
        let address = had.or_else(|| addresses.take(&self.id));
        if address.is_none() {
            tracing::error!(pod = %self.id, "no address left in the block");
        }
        self.address = address;
        address.ok_or(Leaving)
    }

    fn register(&self, node: &NodeSpec, host: HostId, address: Ipv4Addr, disk: &str) {
        let pod = SimulatedPod {
            id: self.id.clone(),
            uid: self.uid.clone(),
            node: node.machine.clone(),
            cluster: node.cluster.clone(),
            host,
            address: IpAddr::from(address),
            stopping: false,
            crash: self.crash.clone(),
        };
        self.kubelet.world.change(|state| {
            state.pods.insert(self.uid.clone(), pod);
            let claim = node.claim.clone().filter(|_| disk != self.uid);
            if let (Some(claim), Some(cluster)) = (claim, state.clusters.get_mut(&node.cluster)) {
                cluster.claims.insert(host, (claim, disk.to_owned()));
            }
        });
    }

    async fn wait_for_power(&self) -> Result<(), Leaving> {
        let mut power = self.power.clone();
        self.or_leave(power.wait_for(|power| *power == Power::On))
            .await
            .map(drop)
    }

    async fn pass(&self, span: Span, ticket: Ticket, waiting: Waiting) -> Result<(), Leaving> {
        let cluster = self.node.as_ref().map(|node| &node.cluster);
        let whose = Whose {
            pod: &self.id,
            cluster,
        };
        self.or_leave(self.kubelet.world.wait(span, ticket, whose, &waiting))
            .await
    }

    fn behaviour(&self) -> PodBehaviour {
        let cluster = self.node.as_ref().map(|node| &node.cluster);
        self.kubelet
            .world
            .look(|state| state.steering.behaviour(cluster, &self.id))
    }

    /// Lets something happen, unless the pod is to stop first.
    async fn or_leave<T>(&self, happening: impl Future<Output = T>) -> Result<T, Leaving> {
        let mut wanted = self.wanted.clone();
        tokio::select! {
            biased;
            _ = wanted.wait_for(|wanted| *wanted != Wanted::Running) => Err(Leaving),
            happened = happening => Ok(happened),
        }
    }
}
