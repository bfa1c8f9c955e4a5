//! `casskop-simulator`: runs a simulator against a cluster until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use casskop_simulator::{Config, PodCidr, Simulator};
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Plays nodes, kubelets and Cassandra rings for simulated pods.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Kubeconfig of the cluster to play on; the usual places where absent.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// User to act as.
    #[arg(long)]
    kube_as: Option<String>,
    /// Groups to act as a member of.
    #[arg(long)]
    kube_as_group: Vec<String>,
    /// Number of nodes to play.
    #[arg(long, default_value_t = 3)]
    nodes: u32,
    /// Number of zones the nodes are spread over.
    #[arg(long, default_value_t = 3)]
    zones: u32,
    /// What names of nodes begin with.
    #[arg(long, default_value = "sim")]
    node_prefix: String,
    /// Block of loopback addresses for the pods.
    #[arg(long, default_value = "127.7.0.0/16")]
    pod_cidr: PodCidr,
    /// Where the control API listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    control_addr: SocketAddr,
    /// File to write the control address to, once it answers.
    #[arg(long)]
    control_addr_file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("LOG_LEVEL")
        .unwrap_or_else(|_| EnvFilter::new("warn,casskop_simulator=info"));
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let client = client(&arguments).await?;
    let config = Config {
        nodes: arguments.nodes,
        zones: arguments.zones,
        node_prefix: arguments.node_prefix,
        pod_cidr: arguments.pod_cidr,
        control: arguments.control_addr,
    };
    let mut simulator = Simulator::start(client, config).await?;
    let address = simulator.client().address();
    tracing::info!(control = %address, nodes = arguments.nodes, "playing");
    if let Some(file) = &arguments.control_addr_file {
        std::fs::write(file, address.to_string()).with_context(|| format!("writing {}", file.display()))?;
    }
    let mut terminated = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted.context("listening for SIGINT")?,
        () = simulator.ended() => anyhow::bail!("a part of the simulator has ended; its log says why"),
    }
    Ok(())
}

async fn client(arguments: &Arguments) -> anyhow::Result<kube::Client> {
    let mut config = match &arguments.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).with_context(|| format!("reading {}", path.display()))?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
        }
        None => kube::Config::infer().await.context("finding a kubeconfig")?,
    };
    if let Some(user) = &arguments.kube_as {
        config.auth_info.impersonate = Some(user.clone());
        config.auth_info.impersonate_groups = Some(arguments.kube_as_group.clone());
    }
    kube::Client::try_from(config).context("connecting to the cluster")
}
