//! The project's own programs that a lab runs, as cargo built them: next to whoever asks.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::tool::is_executable;

/// The directory cargo builds programs into, e.g. `target/debug`.
#[derive(Clone, Debug)]
pub struct Programs {
    directory: PathBuf,
}

impl Programs {
    /// Those built into the same target directory as this program or test.
    pub fn beside_this_one() -> Result<Self> {
        let this = std::env::current_exe().context("cannot tell which program this is")?;
        let directory = this.parent().unwrap_or(Path::new("/"));
        // Tests are one level down, in `deps`.
        let directory = if directory.ends_with("deps") {
            directory.parent().unwrap_or(directory)
        } else {
            directory
        };
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// Their directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// One of them.
    pub fn require(&self, package: &str, program: &str) -> Result<PathBuf> {
        let path = self.directory.join(program);
        if !is_executable(&path) {
            bail!(
                "{} is not built: run `cargo build --package {package}` first",
                path.display()
            );
        }
        Ok(path)
    }
}
