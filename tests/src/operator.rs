//! The operator as a process of its own, to be watched and killed.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use casskop_lab::programs::Programs;

use crate::ground::Ground;

/// Renewals are not what tests wait for: a killed operator's lease is over after this.
const LEASE: &str = "3s";

/// A running operator. Dropping it kills it.
#[derive(Debug)]
pub struct Operator {
    child: Child,
    log: PathBuf,
}

impl Operator {
    /// The operator of the test's namespace, with all rights.
    pub fn start(ground: &Ground) -> Result<Self> {
        Self::spawn(
            ground,
            &ground.lab.kubeconfig(),
            &ground.namespace,
            &[
                ("--leader-election-namespace", &ground.namespace),
                (
                    "--leader-election-id",
                    &format!("casskop-operator-{}", ground.namespace),
                ),
            ],
        )
    }

    /// The operator as its Deployment starts it, for one namespace or, with an empty name, for all: under a login of its
    /// own, with its lease in another namespace than the clusters.
    pub fn start_as(ground: &Ground, kubeconfig: &Path, watched: &str, own_namespace: &str) -> Result<Self> {
        let lease = [("--leader-election-namespace", own_namespace)];
        Self::spawn(ground, kubeconfig, watched, &lease)
    }

    fn spawn(ground: &Ground, kubeconfig: &Path, watched: &str, flags: &[(&str, &str)]) -> Result<Self> {
        let program = Programs::beside_this_one()?.require("casskop-operator", "casskop-operator")?;
        let log = ground
            .lab
            .directory()
            .path()
            .join(format!("operator-{}.log", ground.namespace));
        let file = File::options().create(true).append(true).open(&log)?;
        let (metrics, health) = (free_address()?, free_address()?);
        let child = Command::new(program)
            .arg("run")
            .args(flags.iter().flat_map(|(flag, value)| [flag, value]))
            .args(["--leader-lease-duration", LEASE])
            .args(["--metrics-addr", &metrics, "--health-probe-bind-address", &health])
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .env("WATCH_NAMESPACE", watched)
            .env("POD_NAME", format!("operator-of-{}", ground.namespace))
            .env("LOG_LEVEL", "DEBUG")
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("cannot start the operator")?;
        Ok(Self { child, log })
    }

    /// What it logged so far, for a test that fails.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
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
