//! The end of a lab with its owner: a process that holds the reading end of a pipe whose writing end only the owner
//! has. Whatever ends the owner, `kill -9` too, closes the pipe, and the reaper takes the lab down.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::cache::{CACHE_VARIABLE, Cache};
use crate::programs::Programs;
use crate::state::StateDirectory;
use crate::teardown;

/// What the owner writes when the lab is to outlive it.
const DISMISSAL: &[u8] = b"stay\n";

/// The owner's end of the pipe.
#[derive(Debug)]
pub struct Reaper {
    process: Child,
}

impl Reaper {
    /// Starts the reaper of one lab: `xtask lab reap DIRECTORY`, in a process group of its own, since Ctrl-C is one of
    /// the things it is there for.
    pub fn start(programs: &Programs, cache: &Cache, directory: &StateDirectory) -> Result<Self> {
        let process = Command::new(programs.require("xtask", "xtask")?)
            .args(["lab", "reap"])
            .arg(directory.path())
            .env(CACHE_VARIABLE, cache.root())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start the reaper")?;
        Ok(Self { process })
    }

    /// Sends the reaper away: the lab is to stay.
    pub fn dismiss(mut self) -> Result<()> {
        if let Some(mut pipe) = self.process.stdin.take() {
            pipe.write_all(DISMISSAL).context("cannot dismiss the reaper")?;
        }
        self.process.wait().context("cannot wait for the reaper")?;
        Ok(())
    }

    /// Lets the reaper do its work now, and waits for it.
    pub fn reap(mut self) -> Result<()> {
        drop(self.process.stdin.take());
        let status = self.process.wait().context("cannot wait for the reaper")?;
        if !status.success() {
            bail!("the lab could not be taken down: `cargo xtask lab down` tries again");
        }
        Ok(())
    }
}

/// What the reaper does: waits until `owner` ends, then takes the lab down, unless it was dismissed.
pub fn watch(cache: &Cache, directory: &StateDirectory, mut owner: impl Read) -> Result<()> {
    let mut last_words = Vec::new();
    // The end of the pipe, and an error on it, both mean that the owner is gone.
    let _ended = owner.read_to_end(&mut last_words);
    if last_words == DISMISSAL {
        return Ok(());
    }
    teardown::down(cache, directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{self, Nodes};

    #[test]
    fn a_dismissed_reaper_leaves_the_lab_alone_and_any_other_end_is_the_labs_end() {
        let place = tempfile::tempdir().unwrap();
        let cache = Cache::at(place.path()).unwrap();
        let directory = state::create(&cache, "lab", Nodes::None, None)
            .unwrap()
            .directory()
            .clone();
        watch(&cache, &directory, DISMISSAL).unwrap();
        assert!(directory.path().exists());
        // Killed in the middle of the dismissal.
        watch(&cache, &directory, &DISMISSAL[..2]).unwrap();
        assert!(!directory.path().exists());
    }
}
