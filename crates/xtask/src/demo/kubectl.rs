//! The real `kubectl`, with the plugin just built on its PATH.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use casskop_lab::components::{Component, Components};
use serde_json::Value;

use crate::cargo;
use crate::printer::Printer;

/// Who the demo is in the eyes of the API server: the owner of the fields it applies.
pub(super) const MANAGER: &str = "casskop-demo";

/// `kubectl` for one cluster.
#[derive(Clone, Debug)]
pub(super) struct Kubectl {
    program: PathBuf,
    kubeconfig: Option<PathBuf>,
    path: OsString,
    /// Flags that name the cluster and the namespace, where the kubeconfig alone does not.
    target: Vec<String>,
}

impl Kubectl {
    /// For a lab, whose kubeconfig says everything.
    pub(super) fn of_lab(kubeconfig: &Path) -> Result<Self> {
        Self::new(Some(kubeconfig.to_owned()), Vec::new())
    }

    /// For a context of the reader's kubeconfig.
    pub(super) fn of_context(context: &str, namespace: &str) -> Result<Self> {
        let target = ["--context", context, "--namespace", namespace].map(str::to_owned);
        Self::new(None, target.into())
    }

    fn new(kubeconfig: Option<PathBuf>, target: Vec<String>) -> Result<Self> {
        Ok(Self {
            program: Components::locate()?.require(Component::Kubectl)?,
            kubeconfig,
            path: cargo::path_with_plugin()?,
            target,
        })
    }

    /// The words after `kubectl`. The flags of the target follow the first one: before it, plugins would not get them.
    fn words<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let (first, rest) = arguments.split_at(arguments.len().min(1));
        let target = self.target.iter().map(String::as_str);
        let first = first.iter().copied();
        first.chain(target).chain(rest.iter().copied()).collect()
    }

    /// A command line for the reader to type.
    pub(super) fn line(&self, arguments: &[&str]) -> String {
        format!("kubectl {}", self.words(arguments).join(" "))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        command.env("PATH", &self.path).args(self.words(arguments));
        command
    }

    /// Runs a command for the reader to see: the line as it would be typed, then its own output.
    pub(super) async fn show(&self, printer: &Printer, arguments: &[&str]) -> Result<()> {
        let line = self.line(arguments);
        printer.result(&format!("\n$ {line}"));
        let status = tokio::process::Command::from(self.command(arguments))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .status()
            .await
            .context("cannot run kubectl")?;
        if !status.success() {
            bail!("`{line}` failed ({status})");
        }
        Ok(())
    }

    /// Runs a command quietly; what it printed.
    pub(super) fn output(&self, arguments: &[&str]) -> Result<String> {
        casskop_lab::tool::output(&mut self.command(arguments))
    }

    /// Objects as JSON.
    pub(super) fn get(&self, what: &[&str]) -> Result<Value> {
        let text = self.output(&[&["get", "--output=json"], what].concat())?;
        serde_json::from_str(&text).context("kubectl printed no JSON")
    }

    /// Applies objects.
    pub(super) fn apply(&self, text: &str) -> Result<()> {
        let mut child = self
            .command(&["apply", "--server-side", "--field-manager", MANAGER, "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run kubectl")?;
        if let Some(mut input) = child.stdin.take() {
            input
                .write_all(text.as_bytes())
                .context("kubectl does not read")?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!(
                "kubectl apply failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }
}
