//! Where it is measured: a lab of simulated nodes, the operator as it ships, and the API server's own account of who
//! asked for what.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use casskop_lab::Lab;
use casskop_lab::audit::{Reader, Request};
use casskop_lab::control_plane::ADMIN_GROUP;
use casskop_lab::process::{self, ProcessIdentity};
use futures::StreamExt;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use serde::de::DeserializeOwned;

use crate::cargo;

/// The users whose requests are counted.
const OPERATOR: &str = "casskop-operator";
pub(crate) const ENGINEER: &str = "engineer";

/// How long anything may take, also on a machine that does much else. Every budget is far below it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// Without a request for so long, the operator has nothing left to do.
const QUIET: Duration = Duration::from_secs(1);

/// What is measured on.
pub(crate) struct Stage<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) client: kube::Client,
    pub(crate) simulator: casskop_simulator::Client,
    /// Operator and plugin, built for release.
    programs: PathBuf,
}

impl<'a> Stage<'a> {
    pub(crate) async fn new(lab: &'a Lab, programs: PathBuf) -> Result<Self> {
        let simulator = lab.simulator().context("the lab has no simulated nodes")?;
        let stage = Self {
            lab,
            client: lab.client().await?,
            simulator: casskop_simulator::Client::new(simulator),
            programs,
        };
        let crds = cargo::repository().join("crds");
        stage.kubectl(["apply", "--server-side", "-f", &crds.to_string_lossy()])?;
        stage.kubectl([
            "wait",
            "--for=condition=Established",
            "crd/cassandraclusters.db.orange.com",
        ])?;
        Ok(stage)
    }

    /// A namespace in which Cassandra's pods may run.
    pub(crate) fn namespace(&self, name: &str) -> Result<()> {
        let accounts = cargo::repository().join("operator/deploy/cassandra-pods.yaml");
        self.kubectl(["create", "namespace", name])?;
        self.kubectl(["apply", "-n", name, "-f", &accounts.to_string_lossy()])
    }

    /// Runs kubectl as the administrator.
    pub(crate) fn kubectl<const N: usize>(&self, arguments: [&str; N]) -> Result<()> {
        let mut command = Command::new("kubectl");
        command.env("KUBECONFIG", self.lab.kubeconfig()).args(arguments);
        run(&mut command).map(drop)
    }

    /// The plugin, as an engineer calls it.
    pub(crate) fn plugin<const N: usize>(&self, arguments: [&str; N]) -> Result<Duration> {
        let login = self.lab.login(ENGINEER, Some(ADMIN_GROUP))?;
        let mut command = Command::new(self.plugin_program());
        command.env("KUBECONFIG", login).args(arguments);
        run(&mut command)
    }

    /// The plugin's program.
    pub(crate) fn plugin_program(&self) -> PathBuf {
        self.programs.join("kubectl-casskop")
    }

    /// What the operator asks the API server for from now on.
    pub(crate) fn operator_requests(&self) -> Result<Requests> {
        self.requests_of(OPERATOR)
    }

    /// What a user asks the API server for from now on.
    pub(crate) fn requests_of(&self, user: &'static str) -> Result<Requests> {
        Ok(Requests {
            reader: self.lab.requests_from_now()?,
            user,
        })
    }

    /// Waits until the operator has nothing left to do.
    pub(crate) async fn quiet(&self) -> Result<()> {
        let mut requests = self.operator_requests()?;
        let began = Instant::now();
        loop {
            tokio::time::sleep(QUIET).await;
            if requests.read()?.iter().all(is_background) {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "the operator does not come to rest");
        }
    }
}

/// Requests of one user.
pub(crate) struct Requests {
    reader: Reader,
    user: &'static str,
}

impl Requests {
    /// Those answered since the last time.
    pub(crate) fn read(&mut self) -> Result<Vec<Request>> {
        let mut requests = self.reader.read()?;
        requests.retain(|request| request.user.username == self.user && request.is_complete());
        Ok(requests)
    }
}

/// What an operator with nothing to do may ask for: its watches, and its lease.
pub(crate) fn is_background(request: &Request) -> bool {
    let resource = request.object_ref.as_ref().map(|object| object.resource.as_str());
    request.verb == "watch" || resource == Some("leases")
}

/// The operator's process. It ends with this.
pub(crate) struct Operator(Child);

impl Operator {
    /// The operator of one namespace.
    pub(crate) fn start(stage: &Stage<'_>, namespace: &str) -> Result<Self> {
        let log = stage
            .lab
            .directory()
            .path()
            .join(format!("operator-{namespace}.log"));
        let log = std::fs::File::create(log)?;
        let child = Command::new(stage.programs.join("casskop-operator"))
            .args(["run", "--leader-election-namespace", namespace])
            .args([
                "--metrics-addr",
                "127.0.0.1:0",
                "--health-probe-bind-address",
                "127.0.0.1:0",
            ])
            .arg("--kubeconfig")
            .arg(stage.lab.login(OPERATOR, Some(ADMIN_GROUP))?)
            .env("WATCH_NAMESPACE", namespace)
            .env("POD_NAME", "bench-operator")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the operator")?;
        Ok(Self(child))
    }

    /// Its anonymous resident memory in bytes: what it costs its node, without the pages of the program file, which
    /// the kernel may drop at any time.
    pub(crate) fn memory(&self) -> Result<u64> {
        process::anonymous_bytes(&self.identity()?).context("the operator's memory cannot be read")
    }

    /// The processor time it has used.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        process::processor_time(&self.identity()?).context("the operator's processor time cannot be read")
    }

    fn identity(&self) -> Result<ProcessIdentity> {
        ProcessIdentity::of(self.0.id())?.context("the operator has ended")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Gone already, or ended now.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Follows objects by watches from a version of theirs on until one is as wanted. Nothing is polled: questions would
/// disturb what is measured.
pub(crate) async fn until<K>(
    api: &Api<K>,
    selected: Selected<'_>,
    mut wanted: impl FnMut(&K) -> bool,
) -> Result<()>
where
    K: Clone + DeserializeOwned + std::fmt::Debug + kube::Resource,
{
    let mut parameters = WatchParams::default();
    if let Some(name) = selected.name {
        parameters = parameters.fields(&format!("metadata.name={name}"));
    }
    let mut version = selected.from.to_owned();
    let following = async {
        // The API server ends a watch after some minutes; the next one goes on where it ended.
        loop {
            let mut events = api.watch(&parameters, &version).await?.boxed();
            while let Some(event) = events.next().await {
                match event? {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                        if wanted(&object) {
                            return Ok(());
                        }
                        version = object.meta().resource_version.clone().unwrap_or(version);
                    }
                    WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => {}
                    WatchEvent::Error(status) => bail!("the watch ended: {}", status.message),
                }
            }
        }
    };
    let what = selected.name.unwrap_or("the objects");
    tokio::time::timeout(PATIENCE, following)
        .await
        .with_context(|| format!("{what}: not as wanted after {} s", PATIENCE.as_secs()))?
}

/// What to watch: one object or all, from a resourceVersion on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Selected<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) from: &'a str,
}

/// Runs a program to its end and says how long that took.
pub(crate) fn run(command: &mut Command) -> Result<Duration> {
    command.env("PATH", cargo::path_with_plugin()?);
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output();
    let took = began.elapsed();
    let output = output.with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(
        output.status.success(),
        "{} {:?}: {}",
        command.get_program().display(),
        command.get_args().collect::<Vec<_>>(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(took)
}

/// The middle one of some times.
pub(crate) fn median(mut times: Vec<Duration>) -> Result<Duration> {
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .copied()
        .context("nothing was measured")
}
