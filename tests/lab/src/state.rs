//! What is on record of a lab: one directory with everything it has, and in it `lab.json`, the list of what has to be
//! ended and removed. It is written before and after every start of a process, so a crash at any moment leaves enough.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::address::Block;
use crate::cache::{Cache, make_directory, write_whole};
use crate::process::{MARK, ProcessIdentity, RecordedProcess};

/// How a lab runs its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Nodes {
    /// Not at all: an API server and its controllers.
    None,
    /// That many simulated nodes.
    Simulated(u16),
    /// That many real ones.
    Real(u16),
}

impl Nodes {
    /// Whether a lab with these nodes serves who wants those.
    pub fn suffice_for(self, wanted: Self) -> bool {
        match (self, wanted) {
            (_, Self::None) => true,
            (Self::Simulated(have), Self::Simulated(wanted)) | (Self::Real(have), Self::Real(wanted)) => {
                have >= wanted
            }
            _ => false,
        }
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => formatter.write_str("no nodes"),
            Self::Simulated(count) => write!(formatter, "{count} simulated nodes"),
            Self::Real(count) => write!(formatter, "{count} real nodes"),
        }
    }
}

/// Where a lab stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// It is being started, or the start was cut short.
    Starting,
    /// Everything was up.
    Running,
}

/// The record of one lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabRecord {
    /// Its name, also the name of its directory.
    pub name: String,
    /// What its pods run on.
    pub nodes: Nodes,
    /// Where it stands.
    pub phase: Phase,
    /// The process whose end is the end of the lab; none for a lab that stays until `lab down`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<ProcessIdentity>,
    /// Its addresses.
    pub block: Block,
    /// Where the simulator takes orders.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub simulator: Option<SocketAddr>,
    /// What it started, in order.
    pub processes: Vec<RecordedProcess>,
}

impl LabRecord {
    /// Whether the process that the lab belongs to is gone.
    pub fn is_orphaned(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| !owner.is_running())
    }
}

/// The directory of one lab, and what is where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDirectory {
    path: PathBuf,
}

impl StateDirectory {
    /// The directory at a path, whether or not it exists.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lab's name.
    pub fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path.join("kubeconfig")
    }

    /// Other users' kubeconfigs.
    pub fn kubeconfig_of(&self, user: &str) -> PathBuf {
        self.path.join("kubeconfigs").join(user.replace([':', '/'], "_"))
    }

    /// One JSON object a line for every request to the API server.
    pub fn audit_log(&self) -> PathBuf {
        self.path.join("audit/audit.log")
    }

    /// Keys and certificates.
    pub fn pki(&self) -> PathBuf {
        self.path.join("pki")
    }

    /// What a process of the lab has printed.
    pub fn log(&self, process: &str) -> PathBuf {
        self.path.join("logs").join(format!("{process}.log"))
    }

    fn record_file(&self) -> PathBuf {
        self.path.join("lab.json")
    }

    /// The lab's record; none where no lab is.
    pub fn read(&self) -> Result<Option<LabRecord>> {
        let path = self.record_file();
        match fs::read(&path) {
            Ok(bytes) => {
                let record = serde_json::from_slice(&bytes)
                    .with_context(|| format!("{} is not a record of a lab", path.display()))?;
                Ok(Some(record))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Puts the lab on record.
    pub fn write(&self, record: &LabRecord) -> Result<()> {
        write_whole(&self.record_file(), serde_json::to_vec_pretty(record)?)
    }
}

/// All labs of a cache, whether they run or not.
pub fn all(cache: &Cache) -> Result<Vec<(StateDirectory, Option<LabRecord>)>> {
    let labs = cache.labs();
    let entries = match fs::read_dir(&labs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", labs.display())),
    };
    let mut found = Vec::new();
    for entry in entries {
        let directory = StateDirectory::at(&entry?.path());
        let record = directory.read()?;
        found.push((directory, record));
    }
    found.sort_by(|(one, _), (other, _)| one.path.cmp(&other.path));
    Ok(found)
}

/// Makes the directory and the first record of a new lab, with addresses of its own.
pub fn create(cache: &Cache, name: &str, nodes: Nodes, owner: Option<ProcessIdentity>) -> Result<Roster> {
    check_name(name)?;
    // Two labs that start at once must not choose the same block.
    let _choosing = cache.lock("labs")?;
    let labs = all(cache)?;
    let directory = StateDirectory::at(&cache.labs().join(name));
    if labs.iter().any(|(existing, _)| *existing == directory) {
        bail!("the lab {name} is already there: `cargo xtask lab down {name}` ends it");
    }
    let taken: BTreeSet<Block> = labs
        .iter()
        .filter_map(|(_, record)| Some(record.as_ref()?.block))
        .collect();
    let record = LabRecord {
        name: name.to_owned(),
        nodes,
        phase: Phase::Starting,
        owner,
        block: Block::free(&taken)?,
        simulator: None,
        processes: Vec::new(),
    };
    for inner in ["kubeconfigs", "audit", "pki", "logs"] {
        make_directory(&directory.path.join(inner))?;
    }
    directory.write(&record)?;
    Ok(Roster {
        directory,
        record,
        children: Vec::new(),
    })
}

/// The name becomes a directory and part of addresses shown to people.
fn check_name(name: &str) -> Result<()> {
    let fine = !name.is_empty()
        && name.len() <= 40
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    if !fine {
        bail!("{name:?} cannot name a lab: use up to 40 lowercase letters, digits and dashes");
    }
    Ok(())
}

/// A lab's record in the hands of who starts it: the only way to start a process of a lab.
#[derive(Debug)]
pub struct Roster {
    directory: StateDirectory,
    record: LabRecord,
    /// Kept to be reaped: an unreaped child stays in the process table.
    children: Vec<Child>,
}

impl Roster {
    /// Where the lab keeps its state.
    pub fn directory(&self) -> &StateDirectory {
        &self.directory
    }

    /// What is on record.
    pub fn record(&self) -> &LabRecord {
        &self.record
    }

    /// Changes the record, on disk too.
    pub fn update(&mut self, change: impl FnOnce(&mut LabRecord)) -> Result<()> {
        change(&mut self.record);
        self.directory.write(&self.record)
    }

    /// Starts a process of the lab and records it. It gets a process group of its own, so that Ctrl-C in the terminal
    /// reaches only who runs the lab; its output goes to the lab's logs.
    pub fn spawn(&mut self, name: &str, command: &mut Command) -> Result<ProcessIdentity> {
        use std::os::unix::process::CommandExt;
        let log = self.directory.log(name);
        let output = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot open {}", log.display()))?;
        let child = command
            .env(MARK, &self.directory.path)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        let pid = child.id();
        self.children.push(child);
        let identity = ProcessIdentity::of(pid)?
            .with_context(|| format!("{name} ended at once:\n{}", crate::tool::last_lines(&log)))?;
        let process = RecordedProcess {
            name: name.to_owned(),
            identity: identity.clone(),
        };
        self.update(|record| record.processes.push(process))?;
        Ok(identity)
    }

    /// Fails if one of the lab's processes has ended, with its last words.
    pub fn check_all_running(&self) -> Result<()> {
        for process in &self.record.processes {
            if !process.identity.is_running() {
                let log = self.directory.log(&process.name);
                bail!("{} has ended:\n{}", process.name, crate::tool::last_lines(&log));
            }
        }
        Ok(())
    }

    /// Removes ended children from the process table.
    pub fn reap(&mut self) {
        self.children
            .retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_)) | Err(_)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(directory.path()).unwrap();
        (directory, cache)
    }

    #[test]
    fn two_labs_get_different_blocks_and_one_name_is_given_once() {
        let (_directory, cache) = cache();
        let one = create(&cache, "one", Nodes::None, None).unwrap();
        let two = create(&cache, "two", Nodes::Simulated(3), None).unwrap();
        assert_ne!(one.record().block, two.record().block);
        let error = create(&cache, "one", Nodes::None, None).unwrap_err().to_string();
        assert_eq!(
            error,
            "the lab one is already there: `cargo xtask lab down one` ends it"
        );
    }

    #[test]
    fn more_nodes_of_the_same_kind_do() {
        assert!(Nodes::Simulated(6).suffice_for(Nodes::Simulated(3)));
        assert!(Nodes::Simulated(6).suffice_for(Nodes::None));
        assert!(!Nodes::Simulated(2).suffice_for(Nodes::Simulated(3)));
        assert!(!Nodes::Simulated(6).suffice_for(Nodes::Real(3)));
    }

    #[test]
    fn names_that_cannot_be_directories_are_refused() {
        let (_directory, cache) = cache();
        for name in ["", "..", "a/b", "Upper", "sp ace"] {
            assert!(create(&cache, name, Nodes::None, None).is_err(), "{name:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let (_directory, cache) = cache();
        let mut roster = create(
            &cache,
            "lab",
            Nodes::Simulated(2),
            Some(ProcessIdentity::current().unwrap()),
        )
        .unwrap();
        let identity = roster.spawn("sleeper", Command::new("sleep").arg("600")).unwrap();
        roster.check_all_running().unwrap();
        let read = roster.directory().read().unwrap().unwrap();
        assert_eq!(
            read.processes,
            [RecordedProcess {
                name: "sleeper".into(),
                identity: identity.clone()
            }]
        );
        assert_eq!(read.nodes, Nodes::Simulated(2));
        assert!(!read.is_orphaned());
        crate::process::end(&read.processes).unwrap();
        let error = roster.check_all_running().unwrap_err().to_string();
        assert!(error.starts_with("sleeper has ended:"), "{error}");
        roster.reap();
        assert!(roster.children.is_empty());
    }

    #[test]
    fn a_lab_is_orphaned_when_its_owner_is_gone() {
        let (_directory, cache) = cache();
        let mut owner = Command::new("sleep").arg("600").spawn().unwrap();
        let identity = ProcessIdentity::of(owner.id()).unwrap();
        let roster = create(&cache, "lab", Nodes::None, identity).unwrap();
        assert!(!roster.record().is_orphaned());
        owner.kill().unwrap();
        owner.wait().unwrap();
        assert!(roster.record().is_orphaned());
    }
}
