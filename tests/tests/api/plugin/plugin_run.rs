//! One run of the plugin's binary.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use casskop_lab::programs::Programs;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

/// A run under way.
pub(super) struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    shown: String,
    err: BufReader<ChildStderr>,
    said: String,
}

/// The plugin's binary as a user calls it.
#[derive(Clone)]
pub(super) struct Plugin {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
}

impl Plugin {
    pub(super) fn new(kubeconfig: &Path, namespace: &str) -> Result<Self> {
        Ok(Self {
            program: Programs::beside_this_one()?.require("kubectl-casskop", "kubectl-casskop")?,
            kubeconfig: kubeconfig.to_owned(),
            namespace: namespace.to_owned(),
        })
    }

    pub(super) fn start(&self, args: &[&str]) -> Result<Running> {
        let mut child = Command::new(&self.program)
            // Before the verb: what follows some verbs is not the plugin's.
            .args(["--namespace", &self.namespace])
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        let out = BufReader::new(child.stdout.take().context("stdout is not piped")?);
        let err = BufReader::new(child.stderr.take().context("stderr is not piped")?);
        Ok(Running {
            child,
            out,
            shown: String::new(),
            err,
            said: String::new(),
        })
    }

    pub(super) async fn run(&self, args: &[&str]) -> Result<Ended> {
        self.start(args)?.end().await
    }
}

impl Running {
    pub(super) async fn end(mut self) -> Result<Ended> {
        tokio::try_join!(
            self.out.read_to_string(&mut self.shown),
            self.err.read_to_string(&mut self.said)
        )?;
        let status = self.child.wait().await?;
        Ok(Ended {
            code: status.code().context("the plugin was killed by a signal")?,
            out: self.shown,
            err: self.said,
        })
    }

    /// Reads standard output up to a line with this in it.
    pub(super) async fn until_it_shows(&mut self, part: &str) -> Result<()> {
        loop {
            let mut line = String::new();
            if self.out.read_line(&mut line).await? == 0 {
                bail!("the plugin ended without showing {part}: {}", self.shown);
            }
            self.shown.push_str(&line);
            if line.contains(part) {
                return Ok(());
            }
        }
    }

    /// Reads standard error up to a line that begins so.
    pub(super) async fn until_it_says(mut self, beginning: &str) -> Result<Self> {
        loop {
            let mut line = String::new();
            if self.err.read_line(&mut line).await? == 0 {
                bail!("the plugin ended without saying {beginning}: {}", self.said);
            }
            self.said.push_str(&line);
            if line.starts_with(beginning) {
                return Ok(self);
            }
        }
    }

    /// As Ctrl-C does.
    pub(super) fn interrupt(&self) -> Result<()> {
        let pid = i32::try_from(self.child.id().context("the plugin has ended")?)?;
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGINT)?;
        Ok(())
    }
}
