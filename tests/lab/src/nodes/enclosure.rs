//! The namespaces of a lab with real nodes. Their first process is the lab's: when it is killed, the kernel kills every
//! process inside, whoever started it, and with the last of them the network and all mounts go.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{cgroups, network};
use crate::process::ProcessIdentity;
use crate::state::Roster;
use crate::wait::{Answer, until};

/// What prepares the namespaces from inside.
const SCRIPT: &str = include_str!("enclosure.sh");

/// How long that may take. It is a dozen system calls.
const START: Duration = Duration::from_secs(30);

/// The name its first process has on the lab's record.
const NAME: &str = "enclosure";

/// The lab's network, mount and process namespaces.
#[derive(Clone, Debug)]
pub struct Enclosure {
    holder: ProcessIdentity,
    state: PathBuf,
}

impl Enclosure {
    /// Makes the namespaces, with a bridge and with the machine's own directories out of reach.
    pub async fn open(roster: &mut Roster) -> Result<Self> {
        let state = roster.directory().path().to_owned();
        cgroups::create(&roster.record().name)?;
        let cache = state
            .parent()
            .and_then(Path::parent)
            .context("the lab's directory is not in a cache")?;
        let mut command = Command::new("unshare");
        command
            .args([
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
            ])
            .args(["--propagation", "private", "--", "sh", "-c", SCRIPT])
            .env("STATE", &state)
            .env("CACHE", cache)
            .env("BRIDGE", network::BRIDGE)
            .env("ADDRESS", network::CONTROL_PLANE.to_string())
            .env("PREFIX_LENGTH", network::PREFIX_LENGTH.to_string());
        let holder = roster.spawn(NAME, &mut command)?;
        let ready = state.join("enclosure.ready");
        until("the lab's namespaces are ready", START, async || {
            roster.check_all_running()?;
            Ok(if ready.exists() {
                Answer::Yes(())
            } else {
                Answer::not_yet("being prepared")
            })
        })
        .await?;
        Ok(Self { holder, state })
    }

    /// The namespaces of a lab that is up.
    pub fn attach(
        directory: &crate::state::StateDirectory,
        record: &crate::state::LabRecord,
    ) -> Result<Self> {
        let holder = record.processes.iter().find(|process| process.name == NAME);
        let holder = holder.with_context(|| format!("the lab {} has no real nodes", record.name))?;
        Ok(Self {
            holder: holder.identity.clone(),
            state: directory.path().to_owned(),
        })
    }

    /// What to put before a command to run it inside, in the lab's directory. It starts a process of its own and
    /// ends with it: entering a process namespace takes a fork.
    pub fn prefix(&self) -> Vec<OsString> {
        let namespaces = format!("/proc/{}/ns", self.holder.pid());
        let mut directory = OsString::from("--wd=");
        directory.push(&self.state);
        vec![
            "nsenter".into(),
            format!("--net={namespaces}/net").into(),
            format!("--mount={namespaces}/mnt").into(),
            // The holder itself stays outside; its children are inside.
            format!("--pid={namespaces}/pid_for_children").into(),
            directory,
            "--".into(),
        ]
    }

    /// A command that runs inside.
    pub fn command(&self, program: impl Into<OsString>) -> Command {
        let mut words = self.prefix().into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).arg(program.into());
        command
    }

    /// The network namespace, as a file to enter it by.
    pub fn network_namespace(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.holder.pid()))
    }

    /// The lab's directory.
    pub fn state(&self) -> &Path {
        &self.state
    }
}
