//! What was built once and is kept: outside the repository, so that it survives `cargo clean` and serves every clone.
//!
//! An artifact's name carries a hash of everything it was made from, and it gets that name by a rename after it is
//! complete. So its presence is the proof that it is whole and current, and no separate stamp can disagree with it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Names the cache directory; default `$XDG_CACHE_HOME/casskop-lab`, that is `~/.cache/casskop-lab`.
pub const CACHE_VARIABLE: &str = "CASSKOP_LAB_CACHE";

/// The directory of everything the lab keeps between runs.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// What an artifact is called and what it was made from.
#[derive(Clone, Debug)]
pub struct Artifact {
    name: String,
    version: String,
    inputs: Sha256,
}

impl Artifact {
    /// An artifact without inputs yet: its name and version alone.
    pub fn new(name: &str, version: &str) -> Self {
        let inputs = Sha256::new()
            .chain_update(name)
            .chain_update([0])
            .chain_update(version);
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            inputs,
        }
    }

    /// Adds something the artifact is made from. When it changes, the artifact is made anew.
    #[must_use]
    pub fn input(mut self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        // The length goes first: ("ab", "c") and ("a", "bc") are different inputs.
        self.inputs.update(bytes.len().to_le_bytes());
        self.inputs.update(bytes);
        self
    }

    /// Adds a file's content as an input.
    pub fn input_file(self, path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(self.input(bytes))
    }

    /// The artifact's name, as shown to people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The artifact's version, as shown to people.
    pub fn version(&self) -> &str {
        &self.version
    }

    fn file_name(&self) -> String {
        let digest = self.inputs.clone().finalize();
        // 64 of 256 bits: plenty, since nobody chooses inputs to collide.
        let key = digest
            .iter()
            .take(8)
            .fold(0_u64, |key, byte| (key << 8) | u64::from(*byte));
        format!("{}-{}-{key:016x}", self.name, self.version)
    }
}

impl Cache {
    /// The cache of this user, from the environment.
    pub fn locate() -> Result<Self> {
        Self::from_variables(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<Self> {
        let root = if let Some(own) = variable(CACHE_VARIABLE) {
            PathBuf::from(own)
        } else if let Some(xdg) = variable("XDG_CACHE_HOME") {
            PathBuf::from(xdg).join("casskop-lab")
        } else if let Some(home) = variable("HOME") {
            PathBuf::from(home).join(".cache/casskop-lab")
        } else {
            anyhow::bail!("no place for the lab's cache: set {CACHE_VARIABLE} or HOME");
        };
        Self::at(&root)
    }

    /// A cache at a given directory. A relative one is taken from the current directory.
    pub fn at(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root)
            .with_context(|| format!("cannot make an absolute path of {}", root.display()))?;
        Ok(Self { root })
    }

    /// The cache's own directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where running labs keep their state, one directory each.
    pub fn labs(&self) -> PathBuf {
        self.root.join("labs")
    }

    /// The log of one tool's runs, for the message when it fails.
    pub fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(format!("{name}.log"))
    }

    /// Where an artifact is, or will be.
    pub fn path(&self, artifact: &Artifact) -> PathBuf {
        self.root.join("artifacts").join(artifact.file_name())
    }

    /// Whether the artifact is there, whole and made from these very inputs.
    pub fn has(&self, artifact: &Artifact) -> bool {
        self.path(artifact).exists()
    }

    /// The artifact, made now unless it is there. `make` gets a path that does not exist yet and leaves a file or a
    /// directory at it. Interrupted or failed, it leaves the cache as it was; two processes that want the same
    /// artifact make it once.
    pub fn install(&self, artifact: &Artifact, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let place = self.path(artifact);
        if place.exists() {
            return Ok(place);
        }
        let _making = self.lock(artifact.name())?;
        if place.exists() {
            return Ok(place);
        }
        // A directory of this process's own: a compiler that a killed run left behind may still write to that run's.
        let staging = self.root.join("staging").join(artifact.file_name());
        remove_all(&staging)?;
        let staged = staging.join(std::process::id().to_string());
        for directory in [&staged, &place] {
            if let Some(parent) = directory.parent() {
                make_directory(parent)?;
            }
        }
        if let Err(error) = make(&staged) {
            remove_all(&staging)?;
            return Err(error.context(format!("cannot make {} {}", artifact.name, artifact.version)));
        }
        fs::rename(&staged, &place)
            .with_context(|| format!("cannot put {} into the cache", place.display()))?;
        remove_all(&staging)?;
        Ok(place)
    }

    /// Removes every artifact of that name but those to keep: for what each change of the code makes anew.
    pub fn remove_others(&self, name: &str, keep: &[Artifact]) -> Result<()> {
        let keep: Vec<String> = keep.iter().map(Artifact::file_name).collect();
        let directory = self.root.join("artifacts");
        let entries =
            fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
        for entry in entries {
            let entry = entry?;
            let file_name = entry.file_name().to_string_lossy().into_owned();
            let version_and_key = file_name
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('-'));
            if version_and_key.is_some() && !keep.contains(&file_name) {
                remove_all(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Waits until no other process holds the lock of that name, and holds it until dropped.
    /// The kernel releases it when its holder dies.
    pub fn lock(&self, name: impl AsRef<OsStr>) -> Result<File> {
        let directory = self.root.join("locks");
        make_directory(&directory)?;
        let path = directory.join(name.as_ref());
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }
}

/// Creates a directory and those above it.
pub fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create the directory {}", path.display()))
}

/// Removes a file or a directory with all it holds; none there is as good.
pub fn remove_all(path: &Path) -> Result<()> {
    let outcome = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match outcome {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Writes a file by way of a temporary one, so that a reader sees the old content or the new, never a part.
pub fn write_whole(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let staged = PathBuf::from(name);
    fs::write(&staged, content).with_context(|| format!("cannot write {}", staged.display()))?;
    fs::rename(&staged, path).with_context(|| format!("cannot write {}", path.display()))
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
    fn a_finished_artifact_is_not_made_again() {
        let (_directory, cache) = cache();
        let etcd = Artifact::new("etcd", "v3").input("flags");
        let first = cache.install(&etcd, |to| Ok(fs::write(to, "binary")?)).unwrap();
        let second = cache.install(&etcd, |_| panic!("made twice")).unwrap();
        assert_eq!(first, second);
        assert_eq!(fs::read(&second).unwrap(), b"binary");
        assert!(cache.has(&etcd));
    }

    #[test]
    fn changed_inputs_make_another_artifact() {
        let old = Artifact::new("etcd", "v3").input("go.sum of yesterday");
        let new = Artifact::new("etcd", "v3").input("go.sum of today");
        assert_ne!(old.file_name(), new.file_name());
        let joined = Artifact::new("etcd", "v3").input("ab").input("c");
        let split = Artifact::new("etcd", "v3").input("a").input("bc");
        assert_ne!(joined.file_name(), split.file_name());
    }

    #[test]
    fn a_failed_making_leaves_nothing_and_the_next_one_starts_clean() {
        let (_directory, cache) = cache();
        let jars = Artifact::new("cassandra", "5.0.6");
        let error = cache
            .install(&jars, |to| {
                make_directory(&to.join("lib"))?;
                anyhow::bail!("network gone")
            })
            .unwrap_err();
        assert_eq!(format!("{error:#}"), "cannot make cassandra 5.0.6: network gone");
        assert!(!cache.has(&jars));
        cache
            .install(&jars, |to| {
                assert!(!to.exists());
                make_directory(to)
            })
            .unwrap();
        assert!(cache.has(&jars));
    }

    #[test]
    fn others_of_the_same_name_are_removed_and_nothing_else() {
        let (_directory, cache) = cache();
        let artifacts = [
            Artifact::new("images", "oci").input("old"),
            Artifact::new("images", "oci").input("new"),
            Artifact::new("imagesets", "oci"),
        ];
        for artifact in &artifacts {
            cache.install(artifact, |to| Ok(fs::write(to, "")?)).unwrap();
        }
        cache.remove_others("images", &artifacts[1..2]).unwrap();
        assert_eq!(
            artifacts.each_ref().map(|artifact| cache.has(artifact)),
            [false, true, true]
        );
    }

    #[test]
    fn what_a_killed_run_left_is_thrown_away() {
        let (_directory, cache) = cache();
        let jars = Artifact::new("cassandra", "5.0.6");
        let leftover = cache.root.join("staging").join(jars.file_name());
        make_directory(&leftover.join("half")).unwrap();
        let place = cache
            .install(&jars, |to| {
                assert!(!to.exists());
                make_directory(to)
            })
            .unwrap();
        assert!(!place.join("half").exists());
    }

    #[test]
    fn the_environment_decides_where_it_is() {
        let with = |pairs: &'static [(&str, &str)]| {
            Cache::from_variables(|name| {
                pairs
                    .iter()
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.into())
            })
        };
        assert_eq!(
            with(&[("HOME", "/h")]).unwrap().root(),
            Path::new("/h/.cache/casskop-lab")
        );
        assert_eq!(
            with(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).unwrap().root(),
            Path::new("/x/casskop-lab")
        );
        assert_eq!(
            with(&[("HOME", "/h"), (CACHE_VARIABLE, "/c")]).unwrap().root(),
            Path::new("/c")
        );
        assert!(with(&[]).is_err());
    }
}
