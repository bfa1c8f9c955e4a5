//! The simulator as a whole: started on a cluster, it runs until it is dropped.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::control::{self, Client};
use crate::kubelet::{Kubelet, Machines, PodCidr};
use crate::world::World;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Config {
    /// Number of nodes.
    pub nodes: u32,
    /// Number of zones the nodes are spread over (label `topology.kubernetes.io/zone`: `zone1`, `zone2`...).
    pub zones: u32,
    /// Names of the nodes begin with this.
    pub node_prefix: String,
    /// Addresses for the pods.
    pub pod_cidr: PodCidr,
    /// Where the control API listens.
    pub control: SocketAddr,
}

/// A running simulator. Dropping it stops it and removes nothing from the cluster.
#[derive(Debug)]
pub struct Simulator {
    control: SocketAddr,
    tasks: JoinSet<()>,
}

impl Simulator {
    /// Registers the nodes, and begins to play. The control API answers when this returns.
    pub async fn start(client: kube::Client, config: Config) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(config.control)
            .await
            .with_context(|| format!("listening on control address {}", config.control))?;
        let control = listener.local_addr().context("reading the control address")?;
        let world = Arc::new(World::new());
        let machines = Machines {
            count: config.nodes,
            zones: config.zones.max(1),
            prefix: config.node_prefix,
            block: config.pod_cidr,
        };
        machines.register(&client, &world).await?;
        let kubelet = Arc::new(Kubelet::new(client.clone(), Arc::clone(&world), config.pod_cidr));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { machines.keep_alive(&client, &world).await });
        tasks.spawn(Arc::clone(&kubelet).run());
        tasks.spawn(async move {
            if let Err(error) = control::serve(listener, kubelet).await {
                tracing::error!(%error, "control API ended");
            }
        });
        Ok(Self { control, tasks })
    }

    /// A client of the control API.
    pub fn client(&self) -> Client {
        Client::new(self.control)
    }

    /// Returns when a part of the simulator has ended, which none does by itself.
    pub async fn ended(&mut self) {
        self.tasks.join_next().await;
    }
}
