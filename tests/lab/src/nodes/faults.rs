//! What tests do to a node or a pod: stop, freeze, cut off. Everything can be taken back.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::cgroups::{self, Motion};
use super::enclosure::Enclosure;
use super::node::NodeNumber;
use crate::lab::Lab;
use crate::process::ProcessIdentity;
use crate::tool;

/// The nodes of a running lab, as something that can be broken.
#[derive(Clone, Debug)]
pub struct Faults {
    enclosure: Enclosure,
    lab: String,
    processes: Vec<crate::process::RecordedProcess>,
}

impl Faults {
    /// Those of a lab with real nodes.
    pub fn of(lab: &Lab) -> Result<Self> {
        Ok(Self {
            enclosure: Enclosure::attach(lab.directory(), lab.record())?,
            lab: lab.name().to_owned(),
            processes: lab.record().processes.clone(),
        })
    }

    /// Stops the node's kubelet where it is: its pods run on, nobody reports, and after 40 s the node is not Ready.
    pub fn stop_kubelet(&self, node: NodeNumber) -> Result<()> {
        // The recorded process is `nsenter`, which stops with its child and continues with it.
        signal(child_of(self.kubelet(node)?)?, Signal::STOP)
    }

    /// Lets it go on.
    pub fn continue_kubelet(&self, node: NodeNumber) -> Result<()> {
        let outer = self.kubelet(node)?.pid();
        signal(child_of(self.kubelet(node)?)?, Signal::CONT)?;
        signal(outer, Signal::CONT)
    }

    /// Freezes every pod of the node, as a machine that hangs does: connections stay open and nothing answers.
    pub fn freeze_pods(&self, node: NodeNumber) -> Result<()> {
        self.set_motion(node, Motion::Frozen)
    }

    /// Lets them go on.
    pub fn thaw_pods(&self, node: NodeNumber) -> Result<()> {
        self.set_motion(node, Motion::Running)
    }

    /// Drops everything that one address sends to the other, and the other way round.
    pub fn cut(&self, one: Ipv4Addr, other: Ipv4Addr) -> Result<()> {
        self.filter("--insert", one, other)?;
        self.filter("--insert", other, one)
    }

    /// Undoes one [`Faults::cut`].
    pub fn mend(&self, one: Ipv4Addr, other: Ipv4Addr) -> Result<()> {
        self.filter("--delete", one, other)?;
        self.filter("--delete", other, one)
    }

    fn filter(&self, change: &str, from: Ipv4Addr, to: Ipv4Addr) -> Result<()> {
        let mut command = self.enclosure.command("iptables");
        command.args([
            "--wait",
            change,
            "FORWARD",
            "--source",
            &from.to_string(),
            "--destination",
            &to.to_string(),
        ]);
        tool::output(command.args(["--jump", "DROP"])).map(drop)
    }

    fn set_motion(&self, node: NodeNumber, motion: Motion) -> Result<()> {
        cgroups::set_frozen(
            &format!("{}/kubepods", cgroups::of_node(&self.lab, &node.to_string())),
            motion,
        )
    }

    fn kubelet(&self, node: NodeNumber) -> Result<&ProcessIdentity> {
        let name = format!("kubelet-{node}");
        let process = self.processes.iter().find(|process| process.name == name);
        Ok(&process
            .with_context(|| format!("the lab {} has no {name}", self.lab))?
            .identity)
    }
}

/// The one child of a process that entered the lab's namespaces.
fn child_of(process: &ProcessIdentity) -> Result<u32> {
    let pid = process.pid();
    let path = format!("/proc/{pid}/task/{pid}/children");
    let children = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let child = children
        .split_whitespace()
        .next()
        .with_context(|| format!("process {pid} has ended"))?;
    child
        .parse()
        .with_context(|| format!("{path} holds {children:?}"))
}

fn signal(pid: u32, signal: Signal) -> Result<()> {
    let target = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .context("a pid out of range is on record")?;
    kill_process(target, signal).with_context(|| format!("cannot signal process {pid}"))
}
