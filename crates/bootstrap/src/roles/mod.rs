//! The parts the binary plays: each reads the environment and files, has the rest of the crate decide, and writes the result.

pub mod before_start;
pub mod bootstrap;
pub mod config_builder;
pub mod hooks;
pub mod kubernetes;
pub mod probe;
pub mod reach;

use crate::agents::Credentials;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The process environment, as a value.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process; those that are no Unicode are left out.
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// The variable, if it is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// The variable, or an error that names it.
    pub fn require(&self, name: &str) -> Result<&str> {
        self.get(name)
            .with_context(|| format!("the environment lacks {name}"))
    }

    /// Whether a switch is on: `true` and nothing else, as `CassKop`'s scripts read it.
    fn is_on(&self, name: &str, default: Switch) -> bool {
        match self.get(name) {
            Some(value) => value == "true",
            None => default == Switch::On,
        }
    }

    /// Jolokia's credentials, if the node asks for them.
    fn jolokia_credentials(&self) -> Option<Credentials> {
        let (user, password) = (self.get("JOLOKIA_USER")?, self.get("JOLOKIA_PASSWORD")?);
        Some(Credentials {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Switch {
    On,
}

/// Where things are in the pod's containers.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The configuration directory; the volume `bootstrap`.
    pub configuration: PathBuf,
    /// The agents' jars; the volume `extra-lib`.
    pub extra_lib: PathBuf,
    /// Programs for the Cassandra container; the volume `tools`.
    pub tools: PathBuf,
    /// The user's ConfigMap.
    pub hooks: PathBuf,
    /// What our image brings along.
    pub image: PathBuf,
    /// The pod's hosts file.
    pub hosts: PathBuf,
    /// The pod's service account.
    pub service_account: PathBuf,
    /// What a container leaves behind for its status.
    pub termination_log: PathBuf,
    /// The processes of the container.
    pub processes: PathBuf,
    /// Where Jolokia listens.
    pub jolokia_port: u16,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            configuration: "/etc/cassandra".into(),
            extra_lib: crate::agents::EXTRA_LIB.into(),
            tools: "/opt/bin".into(),
            hooks: "/configmap".into(),
            image: "/opt/casskop".into(),
            hosts: "/etc/hosts".into(),
            service_account: "/var/run/secrets/kubernetes.io/serviceaccount".into(),
            termination_log: "/dev/termination-log".into(),
            processes: "/proc".into(),
            jolokia_port: crate::jolokia_http::PORT,
        }
    }
}

impl Layout {
    fn cassandra_yaml(&self) -> PathBuf {
        self.configuration.join("cassandra.yaml")
    }

    fn plan(&self) -> PathBuf {
        self.configuration.join(crate::plan::FILE)
    }

    /// There while a start is held back; holds the Unix time until which that may last.
    fn waiting(&self) -> PathBuf {
        self.configuration.join("casskop-waiting")
    }
}

/// Who may read a file besides its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readers {
    /// Everybody: configuration.
    All,
    /// Nobody: it holds a secret.
    OwnerOnly,
    /// Everybody, and they may run it.
    AllMayRun,
}

impl Readers {
    const fn mode(self) -> u32 {
        match self {
            Self::All => 0o644,
            Self::OwnerOnly => 0o600,
            Self::AllMayRun => 0o755,
        }
    }
}

/// Writes a file whole or not at all: the JVM, the probes and a second try of an init container may read it at any moment.
fn write_file(path: &Path, content: &[u8], readers: Readers) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.casskop-new"));
    let write = || {
        // Left behind by a try that was killed, perhaps with other permissions.
        match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(readers.mode())
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn read_file(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
