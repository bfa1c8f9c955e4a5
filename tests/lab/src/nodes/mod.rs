//! Real nodes: containerd and kubelet, several on one machine, and with them the whole control plane, in namespaces of
//! the lab's own.
//!
//! * [`enclosure`]: network, mount and process namespaces; one kill ends everything inside, mounts included;
//! * [`network`]: addresses inside; nothing leads out;
//! * [`cgroups`]: where the nodes' pods are limited, the one thing that outlives the namespaces;
//! * [`front`]: the one way in, from a loopback port of the host to the API server;
//! * [`node`]: one containerd and one kubelet;
//! * [`services`]: Service addresses and DNS;
//! * [`faults`]: what tests do to a node.

pub mod cgroups;
pub mod enclosure;
pub mod faults;
pub mod front;
pub mod network;
pub mod node;
pub mod services;

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::components::Components;
use crate::control_plane::{Endpoint, Placement, Ports, ServiceRange};
use crate::images::ImageArchive;
use crate::packages;
use crate::programs::Programs;
use crate::simulated::await_nodes;
use crate::state::Roster;

use enclosure::Enclosure;
use node::{Node, NodeNumber};

/// How long the nodes may take to become Ready.
const START: Duration = Duration::from_mins(2);

/// The CNI plugins, as Debian installs them.
pub const CNI_PLUGINS: &str = "/usr/lib/cni";

/// Makes the namespaces and the way into them, and tells where in them the control plane goes.
pub async fn prepare(roster: &mut Roster, programs: &Programs) -> Result<(Enclosure, Placement)> {
    check_machine()?;
    let enclosure = Enclosure::open(roster).await?;
    let ports = Ports {
        etcd: 2379,
        etcd_peer: 2380,
        api: 6443,
    };
    let entrance = front::open(roster, programs, &enclosure, ports.api)?;
    let placement = Placement {
        prefix: enclosure.prefix(),
        address: network::CONTROL_PLANE.into(),
        ports,
        services: ServiceRange(network::SERVICES),
        endpoint: Endpoint::Published,
        entrance: Some(entrance),
        volume_owner: volume_owner(),
    };
    Ok((enclosure, placement))
}

/// Cassandra's user in its images. The provisioner makes a volume's directory for its own user alone, and the kubelet
/// does not apply `fsGroup` to host paths; so the provisioner runs as who will use the volumes. It may still read the
/// lab's files, which are root's.
pub const VOLUME_OWNER: u32 = 999;

fn volume_owner() -> Vec<OsString> {
    let user = format!("--reuid={VOLUME_OWNER}");
    let group = format!("--regid={VOLUME_OWNER}");
    let rights = [
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
        "--",
    ];
    ["setpriv", &user, &group, "--clear-groups"]
        .into_iter()
        .chain(rights)
        .map(OsString::from)
        .collect()
}

/// Starts the nodes beside a control plane that serves already, and waits until they take pods, with the images there.
pub async fn start(
    roster: &mut Roster,
    components: &Components,
    enclosure: &Enclosure,
    placement: &Placement,
    count: u16,
    images: &[ImageArchive],
) -> Result<()> {
    let client = crate::lab::client(&roster.directory().kubeconfig()).await?;
    services::start(roster, components, enclosure, placement)?;
    let nodes = (1..=count).map(NodeNumber::new).collect::<Result<Vec<_>>>()?;
    let mut started = Vec::with_capacity(nodes.len());
    for number in nodes {
        started.push(Node::start(roster, components, enclosure, placement, number).await?);
    }
    node::import(enclosure, &started, images)?;
    await_nodes(roster, &client, count, START).await
}

fn check_machine() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("real nodes need root (namespaces, mounts, cgroups): run as root, or use --simulated N");
    }
    let missing = packages::missing(&packages::REAL_NODES);
    if !missing.is_empty() {
        let files: Vec<&str> = missing.iter().map(|need| need.file).collect();
        bail!("real nodes need {}: run `cargo xtask setup`", files.join(", "));
    }
    Ok(())
}
