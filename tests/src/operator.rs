//! The operator as a process of its own, to be watched and killed.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use casskop_lab::programs::Programs;

use crate::faults::proxy::Proxy;
use crate::ground::Ground;

/// How long a lease lasts: long, since a control plane that shares two cores with many tests may not answer for seconds, and an
/// operator that cannot renew its lease ends. Nobody waits for that: each process of a test has the name of the one before.
const LEASE: &str = "60s";

/// Where the test wants to see a lease renewed.
const SHORT_LEASE: &str = "30s";

/// How to start the operator.
#[derive(Clone, Debug)]
pub struct Launch {
    kubeconfig: PathBuf,
    watched: String,
    flags: Vec<String>,
    name: String,
    log: PathBuf,
}

impl Launch {
    /// The operator of the test's namespace, with all rights.
    pub fn of(ground: &Ground) -> Self {
        let lease = format!("casskop-operator-{}", ground.namespace);
        let flags = [
            "--leader-election-namespace",
            &ground.namespace,
            "--leader-election-id",
            &lease,
            "--leader-lease-duration",
            LEASE,
        ];
        Self::with(ground, &ground.lab.kubeconfig(), &ground.namespace, &flags)
    }

    fn with(ground: &Ground, kubeconfig: &Path, watched: &str, flags: &[&str]) -> Self {
        let log = format!("operator-{}.log", ground.namespace);
        Self {
            kubeconfig: kubeconfig.to_owned(),
            watched: watched.to_owned(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            name: format!("operator-of-{}", ground.namespace),
            log: ground.lab.directory().path().join(log),
        }
    }

    /// The same operator, which reaches the API server through a proxy.
    pub fn through(&self, proxy: &Proxy) -> Result<Self> {
        let path = self.log.with_extension("kubeconfig");
        Ok(Self {
            kubeconfig: proxy.kubeconfig(&self.kubeconfig, path)?,
            ..self.clone()
        })
    }

    /// Starts a process. Each has the same name as the one before, as the next container of a pod has: it finds the lease
    /// to be its own.
    pub fn start(&self) -> Result<Operator> {
        let program = Programs::beside_this_one()?.require("casskop-operator", "casskop-operator")?;
        let file = File::options().create(true).append(true).open(&self.log)?;
        let (metrics, health) = (free_address()?, free_address()?);
        let child = Command::new(program)
            .arg("run")
            .args(&self.flags)
            .args(["--metrics-addr", &metrics, "--health-probe-bind-address", &health])
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .env("WATCH_NAMESPACE", &self.watched)
            .env("POD_NAME", &self.name)
            .env("LOG_LEVEL", "DEBUG")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("cannot start the operator")?;
        Ok(Operator {
            child,
            log: self.log.clone(),
        })
    }
}

/// A running operator. Dropping it kills it.
#[derive(Debug)]
pub struct Operator {
    child: Child,
    log: PathBuf,
}

impl Operator {
    /// The operator of the test's namespace, with all rights.
    pub fn start(ground: &Ground) -> Result<Self> {
        Launch::of(ground).start()
    }

    /// The operator as its Deployment starts it, for one namespace or, with an empty name, for all: under a login of its
    /// own, with its lease in another namespace than the clusters.
    pub fn start_as(ground: &Ground, kubeconfig: &Path, watched: &str, own_namespace: &str) -> Result<Self> {
        let lease = [
            "--leader-election-namespace",
            own_namespace,
            "--leader-lease-duration",
            SHORT_LEASE,
        ];
        Launch::with(ground, kubeconfig, watched, &lease).start()
    }

    /// What it logged so far, for a test that fails.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether the process is over, by its own doing.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// kill -9.
    pub fn kill(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Gone already, or killed now: either way it no longer acts.
        let _ended = self.end();
    }
}
