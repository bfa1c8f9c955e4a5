//! The real `kubectl`, and through it the real plugin.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use casskop_lab::components::{Component, Components};
use casskop_lab::programs::Programs;

/// One call of `kubectl`.
#[derive(Debug)]
pub struct Kubectl {
    command: Command,
    input: String,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the exit code was 0.
    pub success: bool,
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it printed as its result.
    pub stdout: String,
    /// What else it printed.
    pub stderr: String,
}

impl Kubectl {
    /// A call against a lab, in a namespace. The programs cargo has built come first on PATH, so that
    /// `kubectl casskop` is the plugin under test.
    pub fn new(kubeconfig: &Path, namespace: &str) -> Result<Self> {
        let kubectl = Components::locate()?.require(Component::Kubectl)?;
        Self::of(Command::new(kubectl), kubeconfig, namespace)
    }

    /// A line for a shell in which `kubectl` works, as somebody types or pastes it.
    pub fn typed(kubeconfig: &Path, namespace: &str, line: &str) -> Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-ec", line]);
        Self::of(shell, kubeconfig, namespace)
    }

    fn of(mut command: Command, kubeconfig: &Path, namespace: &str) -> Result<Self> {
        let kubectl = Components::locate()?.require(Component::Kubectl)?;
        let own = Programs::beside_this_one()?.directory().to_owned();
        let first = [Some(own), kubectl.parent().map(Path::to_owned)];
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(first.into_iter().flatten().chain(std::env::split_paths(&rest)))?;
        // The namespace goes into the environment of nobody: plugins get no flags placed before their name.
        command
            .env("KUBECONFIG", namespaced(kubeconfig, namespace)?)
            .env("PATH", path);
        Ok(Self {
            command,
            input: String::new(),
        })
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// What it reads from standard input.
    #[must_use]
    pub fn input(mut self, text: impl Into<String>) -> Self {
        self.input = text.into();
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Result<Outcome> {
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run kubectl")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(self.input.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        Ok(Outcome {
            success: output.status.success(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// A copy of a kubeconfig whose context is in that namespace, next to the original and gone with its lab.
fn namespaced(kubeconfig: &Path, namespace: &str) -> Result<std::path::PathBuf> {
    static WRITER: Mutex<()> = Mutex::new(());
    let copy = kubeconfig.with_file_name(format!("kubeconfig-{namespace}"));
    let _alone = WRITER.lock().unwrap_or_else(PoisonError::into_inner);
    if !copy.exists() {
        let text = std::fs::read_to_string(kubeconfig)?;
        let old = "namespace: default";
        anyhow::ensure!(
            text.contains(old),
            "{} has no default namespace",
            kubeconfig.display()
        );
        casskop_lab::cache::write_whole(&copy, text.replace(old, &format!("namespace: {namespace}")))?;
    }
    Ok(copy)
}
