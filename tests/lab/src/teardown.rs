//! The end of a lab: its processes, its volumes, its directory. Works from the record alone, so that a lab whose
//! starter was killed ends like any other, and twice is as good as once.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::cache::{Cache, remove_all};
use crate::nodes::cgroups;
use crate::process::{self, RecordedProcess};
use crate::state::{self, LabRecord, Nodes, StateDirectory};
use crate::storage;

/// How long members may keep starting others while they are being ended.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends a lab and removes everything it has.
pub fn down(cache: &Cache, directory: &StateDirectory) -> Result<()> {
    // One at a time: the reaper and somebody's `lab down` may want the same.
    let _ending = cache.lock("teardown")?;
    // A record that cannot be read still leaves the marks to go by.
    let record = directory.read().ok().flatten();
    let nodes = record.as_ref().map(|record| record.nodes);
    end_processes(
        directory,
        record.map(|record| record.processes).unwrap_or_default(),
    )?;
    if matches!(nodes, Some(Nodes::Real(_)) | None) {
        cgroups::remove(&directory.name())?;
    }
    storage::remove_volumes(&directory.audit_log())?;
    remove_all(directory.path())
}

/// Ends every lab whose owner is gone, and whatever is left of labs that have no record.
/// Returns the names of those ended.
pub fn sweep(cache: &Cache) -> Result<Vec<String>> {
    let _choosing = cache.lock("labs")?;
    let mut ended = Vec::new();
    for (directory, record) in state::all(cache)? {
        if record.as_ref().is_none_or(LabRecord::is_orphaned) {
            down(cache, &directory)?;
            ended.push(directory.name());
        }
    }
    Ok(ended)
}

/// Kills what is on record and what carries the lab's mark, until nothing does.
fn end_processes(directory: &StateDirectory, recorded: Vec<RecordedProcess>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut remaining = recorded;
    remaining.extend(process::marked(directory.path())?);
    loop {
        process::end(&remaining)?;
        // A process may have started another between being listed and being killed.
        remaining = process::marked(directory.path())?;
        if remaining.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let names: Vec<&str> = remaining.iter().map(|process| process.name.as_str()).collect();
            bail!(
                "the lab {} keeps starting processes: {}",
                directory.name(),
                names.join(", ")
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::ProcessIdentity;
    use std::process::Command;

    fn cache() -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(directory.path()).unwrap();
        (directory, cache)
    }

    #[test]
    fn nothing_of_a_lab_remains() {
        let (_directory, cache) = cache();
        let mut roster = state::create(&cache, "lab", Nodes::None, None).unwrap();
        // A member that starts another, as containerd does, which is on no record.
        let script = "sleep 600 & echo $! > child; wait";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).current_dir(roster.directory().path());
        let member = roster.spawn("shell", &mut shell).unwrap();
        let child = roster.directory().path().join("child");
        while std::fs::read_to_string(&child)
            .unwrap_or_default()
            .trim()
            .is_empty()
        {
            std::thread::yield_now();
        }
        let grandchild = std::fs::read_to_string(&child).unwrap().trim().parse().unwrap();
        let grandchild = ProcessIdentity::of(grandchild).unwrap().unwrap();
        let directory = roster.directory().clone();
        down(&cache, &directory).unwrap();
        assert!(!member.is_running() && !grandchild.is_running());
        assert!(!directory.path().exists());
        down(&cache, &directory).unwrap();
    }

    #[test]
    fn only_orphaned_labs_are_swept() {
        let (_directory, cache) = cache();
        let mut gone = Command::new("sleep").arg("600").spawn().unwrap();
        let owner = ProcessIdentity::of(gone.id()).unwrap();
        let mut orphan = state::create(&cache, "orphan", Nodes::None, owner).unwrap();
        let left_over = orphan.spawn("etcd", Command::new("sleep").arg("600")).unwrap();
        gone.kill().unwrap();
        gone.wait().unwrap();
        let mine = state::create(
            &cache,
            "mine",
            Nodes::None,
            Some(ProcessIdentity::current().unwrap()),
        )
        .unwrap();
        let detached = state::create(&cache, "detached", Nodes::None, None).unwrap();
        assert_eq!(sweep(&cache).unwrap(), ["orphan"]);
        assert!(!left_over.is_running());
        assert!(mine.directory().path().exists() && detached.directory().path().exists());
    }
}
