//! Simulated nodes: one process that plays node, kubelet and ring for every pod, on the lab's own loopback addresses.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::ListParams;

use crate::address::free_ports;
use crate::control_plane::ADMIN_GROUP;
use crate::lab::write_login;
use crate::programs::Programs;
use crate::state::Roster;
use crate::wait::{Answer, until};

/// How long the nodes may take to become Ready.
const START: Duration = Duration::from_mins(1);

/// The simulator's user name, as the audit log shows it.
pub const USER: &str = "casskop-simulator";

/// Starts the simulator and waits until all of its nodes are Ready.
pub async fn start(
    roster: &mut Roster,
    programs: &Programs,
    client: &kube::Client,
    nodes: u16,
) -> Result<()> {
    let program = programs.require("casskop-simulator", "casskop-simulator")?;
    let block = roster.record().block;
    let address = block.control_plane();
    let [port] = free_ports(address)?;
    let control = SocketAddr::new(address, port);
    let kubeconfig = write_login(roster.directory(), &roster.record().name, USER, Some(ADMIN_GROUP))?;

    let mut command = Command::new(program);
    command
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(["--nodes", &nodes.to_string()])
        .args(["--pod-cidr", &block.pod_cidr()])
        .args(["--control-addr", &control.to_string()]);
    roster.spawn("casskop-simulator", &mut command)?;
    await_nodes(roster, client, nodes, START).await?;
    roster.update(|record| record.simulator = Some(control))
}

/// Waits until that many nodes are Ready; fails at once if a process of the lab ends.
pub async fn await_nodes(
    roster: &Roster,
    client: &kube::Client,
    expected: u16,
    patience: Duration,
) -> Result<()> {
    let nodes = Api::<Node>::all(client.clone());
    until("the nodes are Ready", patience, async || {
        roster.check_all_running()?;
        let list = nodes
            .list(&ListParams::default())
            .await
            .context("cannot list nodes")?;
        let ready = list.iter().filter(|node| is_ready(node)).count();
        Ok(if ready >= usize::from(expected) {
            Answer::Yes(())
        } else {
            Answer::not_yet(format_args!("{ready} of {expected} are"))
        })
    })
    .await
}

/// Whether the node says it takes pods.
pub fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| {
        all.iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
    })
}
