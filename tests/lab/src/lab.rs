//! A running lab, for whoever uses it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::audit;
use crate::cache::Cache;
use crate::components::Components;
use crate::control_plane::{self, Placement};
use crate::kubeconfig::{Access, Credentials};
use crate::pki::Authority;
use crate::process::ProcessIdentity;
use crate::programs::Programs;
use crate::progress::{Progress, Silent};
use crate::reaper::Reaper;
use crate::state::{self, LabRecord, Nodes, Phase, Roster, StateDirectory};
use crate::{images, nodes, simulated, storage, teardown};

/// Names the state directory of a running lab that tests are to use; `cargo xtask test` and `lab env` set it.
pub const STATE_VARIABLE: &str = "CASSKOP_LAB_STATE";

/// What lab is wanted.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name: one lab of a name at a time.
    pub name: String,
    /// What its pods run on.
    pub nodes: Nodes,
    /// How long it stays.
    pub lifetime: Lifetime,
}

/// How long a lab stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// As long as this process: it ends with it, however that ends.
    Owned,
    /// Until `lab down`.
    Detached,
}

/// A handle on a running lab. Dropped, it takes an owned lab down.
#[derive(Debug)]
pub struct Lab {
    directory: StateDirectory,
    record: LabRecord,
    keeping: Option<Keeping>,
}

/// What an owner holds: dropped, the lab ends.
#[derive(Debug)]
struct Keeping {
    reaper: Option<Reaper>,
    roster: Roster,
}

impl Lab {
    /// Starts a lab and waits until it is usable. Labs whose owner is gone are taken down first.
    pub async fn start(options: &Options, progress: &dyn Progress) -> Result<Self> {
        let components = Components::locate()?;
        let cache = components.cache().clone();
        let programs = Programs::beside_this_one()?;
        for name in teardown::sweep(&cache)? {
            progress.note(&format!("took down the lab {name}, whose owner is gone"));
        }
        // Until it is up, any lab belongs to who starts it: a start cut short leaves nothing.
        let owner = Some(ProcessIdentity::current()?);
        let roster = state::create(&cache, &options.name, options.nodes, owner)?;
        let directory = roster.directory().clone();
        let reaper = match Reaper::start(&programs, &cache, &directory) {
            Ok(reaper) => reaper,
            Err(error) => {
                teardown::down(&cache, &directory)?;
                return Err(error);
            }
        };
        let mut keeping = Keeping {
            reaper: Some(reaper),
            roster,
        };
        if let Err(error) = bring_up(&mut keeping.roster, &components, &programs, progress).await {
            keeping.end()?;
            return Err(error.context(format!("cannot start the lab {}", options.name)));
        }
        let keeping = match options.lifetime {
            Lifetime::Owned => Some(keeping),
            Lifetime::Detached => {
                keeping.let_go()?;
                None
            }
        };
        let record = directory.read()?.context("the lab's record is gone")?;
        Ok(Self {
            directory,
            record,
            keeping,
        })
    }

    /// A lab somebody else started.
    pub fn attach(directory: &StateDirectory) -> Result<Self> {
        let record = directory
            .read()?
            .with_context(|| format!("there is no lab at {}", directory.path().display()))?;
        if record.phase != Phase::Running {
            bail!(
                "the lab {} is not up: its start was cut short or still goes on",
                record.name
            );
        }
        if let Some(gone) = record
            .processes
            .iter()
            .find(|process| !process.identity.is_running())
        {
            bail!(
                "{} of the lab {} has ended: take the lab down and start it anew",
                gone.name,
                record.name
            );
        }
        Ok(Self {
            directory: directory.clone(),
            record,
            keeping: None,
        })
    }

    /// The lab for a test: the one `cargo xtask test` keeps for a whole run, or a new one that ends with the test.
    pub async fn for_test(nodes: Nodes) -> Result<Self> {
        if let Some(directory) = std::env::var_os(STATE_VARIABLE).filter(|value| !value.is_empty()) {
            let lab = Self::attach(&StateDirectory::at(Path::new(&directory)))?;
            return lab.with_nodes(nodes);
        }
        let name = format!("test-{}", std::process::id());
        Self::start(
            &Options {
                name,
                nodes,
                lifetime: Lifetime::Owned,
            },
            &Silent,
        )
        .await
    }

    /// Fails unless the lab has what a test wants.
    fn with_nodes(self, wanted: Nodes) -> Result<Self> {
        if !self.record.nodes.suffice_for(wanted) {
            bail!(
                "the test wants {wanted}, and the lab {} has {}",
                self.name(),
                self.record.nodes
            );
        }
        Ok(self)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// What is on record of it.
    pub fn record(&self) -> &LabRecord {
        &self.record
    }

    /// Where its files are.
    pub fn directory(&self) -> &StateDirectory {
        &self.directory
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.kubeconfig()
    }

    /// Where the simulator takes orders, if there is one.
    pub fn simulator(&self) -> Option<SocketAddr> {
        self.record.simulator
    }

    /// The administrator's client.
    pub async fn client(&self) -> Result<kube::Client> {
        client(&self.directory.kubeconfig()).await
    }

    /// The requests to the API server from now on.
    pub fn requests_from_now(&self) -> Result<audit::Reader> {
        audit::Reader::from_now(&self.directory.audit_log())
    }

    /// A kubeconfig for a user of one's choice, in a group if need be, without any rights but those RBAC gives it.
    pub fn login(&self, user: &str, group: Option<&str>) -> Result<PathBuf> {
        write_login(&self.directory, &self.record.name, user, group)
    }

    /// A kubeconfig for an existing ServiceAccount, by a token the API server issues for it.
    pub async fn service_account_login(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let accounts = Api::<ServiceAccount>::namespaced(self.client().await?, namespace);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(24 * 60 * 60),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let issued = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await
            .with_context(|| format!("no token for the ServiceAccount {namespace}/{account}"))?;
        let token = issued
            .status
            .and_then(|status| status.token)
            .context("the API server issued no token")?;
        let user = format!("system:serviceaccount:{namespace}:{account}");
        write_access(
            &self.directory,
            &self.record.name,
            &user,
            namespace,
            Credentials::Token(token),
        )
    }

    /// Starts another process in a lab of this process's own: it is on record, and ends with the lab.
    pub fn run(&mut self, name: &str, command: &mut Command) -> Result<ProcessIdentity> {
        let keeping = self
            .keeping
            .as_mut()
            .context("the lab belongs to somebody else")?;
        keeping.roster.spawn(name, command)
    }

    /// Leaves a lab that was this process's own to itself: it stays until `lab down`.
    pub fn leave(mut self) -> Result<()> {
        self.keeping.take().map_or(Ok(()), Keeping::let_go)
    }

    /// Takes the lab down, if it is this process's own, and says whether that worked, which a drop cannot.
    pub fn stop(mut self) -> Result<()> {
        self.keeping.take().map_or(Ok(()), |mut keeping| keeping.end())
    }
}

impl Keeping {
    /// Takes the lab down.
    fn end(&mut self) -> Result<()> {
        let outcome = self.reaper.take().map_or(Ok(()), Reaper::reap);
        self.roster.reap();
        outcome
    }

    /// Leaves the lab to itself.
    fn let_go(mut self) -> Result<()> {
        self.roster.update(|record| record.owner = None)?;
        self.reaper.take().map_or(Ok(()), Reaper::dismiss)
    }
}

impl Drop for Keeping {
    fn drop(&mut self) {
        // `Lab::stop` reports failures. Here nobody listens, and the next lab's start sweeps up.
        let _ended = self.end();
    }
}

async fn bring_up(
    roster: &mut Roster,
    components: &Components,
    programs: &Programs,
    progress: &dyn Progress,
) -> Result<()> {
    // Making images may take minutes, and a lab without them is of no use: they come first.
    let images = match roster.record().nodes {
        Nodes::Real(_) => images::archives(components.cache(), programs, progress)?,
        Nodes::None | Nodes::Simulated(_) => Vec::new(),
    };
    let began = std::time::Instant::now();
    let step = format!("start the lab {}", roster.record().name);
    progress.start(&step);
    match roster.record().nodes {
        Nodes::None => start_control_plane(roster, components).await.map(drop)?,
        Nodes::Simulated(count) => {
            let client = start_control_plane(roster, components).await?;
            simulated::start(roster, programs, &client, count).await?;
        }
        Nodes::Real(count) => {
            let (enclosure, placement) = nodes::prepare(roster, programs).await?;
            control_plane::start(roster, components, &placement).await?;
            storage::install(&client(&roster.directory().kubeconfig()).await?).await?;
            nodes::start(roster, components, &enclosure, &placement, count, &images).await?;
        }
    }
    roster.update(|record| record.phase = Phase::Running)?;
    progress.done(&step, began.elapsed());
    Ok(())
}

async fn start_control_plane(roster: &mut Roster, components: &Components) -> Result<kube::Client> {
    let placement = Placement::loopback(roster.record().block)?;
    control_plane::start(roster, components, &placement).await?;
    let client = client(&roster.directory().kubeconfig()).await?;
    storage::install(&client).await?;
    Ok(client)
}

/// A client for a kubeconfig file.
pub async fn client(kubeconfig: &Path) -> Result<kube::Client> {
    let file = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("cannot read the kubeconfig {}", kubeconfig.display()))?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    Ok(kube::Client::try_from(config)?)
}

/// Writes a kubeconfig for a user who logs in by certificate.
pub fn write_login(
    directory: &StateDirectory,
    lab: &str,
    user: &str,
    group: Option<&str>,
) -> Result<PathBuf> {
    let login = Authority::load(&directory.pki())?.login(user, group)?;
    write_access(directory, lab, user, "default", Credentials::Certificate(login))
}

/// Writes a kubeconfig with the server the administrator's names, so that there is one source for that.
fn write_access(
    directory: &StateDirectory,
    lab: &str,
    user: &str,
    namespace: &str,
    credentials: Credentials,
) -> Result<PathBuf> {
    let admin = Kubeconfig::read_from(directory.kubeconfig())?;
    let server = admin.clusters.into_iter().find_map(|named| named.cluster?.server);
    let authority = Authority::load(&directory.pki())?;
    let path = directory.kubeconfig_of(user);
    Access {
        lab,
        server: &server.context("the administrator's kubeconfig names no server")?,
        authority: &std::fs::read_to_string(authority.certificate_file())?,
        user,
        credentials,
        namespace,
    }
    .write(&path)?;
    Ok(path)
}

/// The labs of this user's cache.
pub fn all() -> Result<Vec<(StateDirectory, Option<LabRecord>)>> {
    state::all(&Cache::locate()?)
}
