//! `COPY`: files into the tree of a new layer, owned and permitted as the Dockerfile says.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::layer::Layer;
use crate::cache::make_directory;

/// The tree that `COPY` fills.
pub(super) struct Target<'a> {
    pub(super) tree: PathBuf,
    pub(super) below: &'a [Layer],
    pub(super) owner: (u32, u32),
    pub(super) mode: Option<u32>,
}

impl Target<'_> {
    /// Copies a file to a path or into a directory; a directory's content into a directory.
    pub(super) fn place(&self, source: &Path, target: &Path, as_directory: bool) -> Result<()> {
        let metadata = fs::metadata(source).with_context(|| format!("cannot copy {}", source.display()))?;
        if metadata.is_dir() {
            return self.place_content(source, target);
        }
        let name = source
            .file_name()
            .with_context(|| format!("{} has no name", source.display()))?;
        let target = if as_directory {
            target.join(name)
        } else {
            target.to_owned()
        };
        self.make_parents(target.parent().unwrap_or(Path::new("/")))?;
        self.copy_entry(source, &self.inside(&target))
    }

    fn place_content(&self, source: &Path, target: &Path) -> Result<()> {
        self.make_parents(target)?;
        for entry in fs::read_dir(source)? {
            let entry = entry?;
            self.copy_entry(&entry.path(), &self.inside(&target.join(entry.file_name())))?;
        }
        Ok(())
    }

    fn copy_entry(&self, from: &Path, to: &Path) -> Result<()> {
        let metadata = fs::symlink_metadata(from)?;
        if metadata.is_symlink() {
            symlink(fs::read_link(from)?, to).with_context(|| format!("cannot make {}", to.display()))?;
        } else if metadata.is_dir() {
            make_directory(to)?;
            for entry in fs::read_dir(from)? {
                let entry = entry?;
                self.copy_entry(&entry.path(), &to.join(entry.file_name()))?;
            }
            set_mode(to, self.mode.unwrap_or(metadata.mode()))?;
        } else {
            fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
            set_mode(to, self.mode.unwrap_or(metadata.mode()))?;
        }
        lchown(to, Some(self.owner.0), Some(self.owner.1))
            .with_context(|| format!("cannot give {} away", to.display()))
    }

    /// Makes a directory and those above it, like those of the layers below: a layer's directory replaces what it
    /// covers, permissions included.
    fn make_parents(&self, directory: &Path) -> Result<()> {
        let mut path = PathBuf::from("/");
        for part in directory.components() {
            let Component::Normal(name) = part else { continue };
            path.push(name);
            let inside = self.inside(&path);
            if inside.is_dir() {
                continue;
            }
            let mut below = self
                .below
                .iter()
                .rev()
                .map(|layer| layer.tree().join(path.strip_prefix("/").unwrap_or(&path)));
            match below.find_map(|path| fs::symlink_metadata(path).ok()) {
                Some(metadata) if !metadata.is_dir() => {
                    bail!(
                        "{} is not a directory in the image: name the one it leads to",
                        path.display()
                    )
                }
                Some(metadata) => {
                    make_directory(&inside)?;
                    set_mode(&inside, metadata.mode())?;
                    chown(&inside, Some(metadata.uid()), Some(metadata.gid()))?;
                }
                None => {
                    make_directory(&inside)?;
                    set_mode(&inside, 0o755)?;
                    chown(&inside, Some(self.owner.0), Some(self.owner.1))?;
                }
            }
        }
        Ok(())
    }

    fn inside(&self, path: &Path) -> PathBuf {
        self.tree.join(path.strip_prefix("/").unwrap_or(path))
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777))
        .with_context(|| format!("cannot change {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn into(directory: &Path) -> Target<'static> {
        // Owned by whoever runs the test: giving files away takes root.
        let owner = fs::metadata(directory)
            .map(|metadata| (metadata.uid(), metadata.gid()))
            .unwrap();
        Target {
            tree: directory.join("tree"),
            below: &[],
            owner,
            mode: None,
        }
    }

    #[test]
    fn a_directory_stands_for_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("conf");
        fs::create_dir_all(source.join("triggers")).unwrap();
        fs::write(source.join("triggers/README"), "text").unwrap();
        let target = into(directory.path());
        target.place(&source, Path::new("/etc/cassandra"), true).unwrap();
        assert_eq!(
            fs::read(target.tree.join("etc/cassandra/triggers/README")).unwrap(),
            b"text"
        );
    }

    #[test]
    fn a_file_goes_to_a_path_or_into_a_directory_and_keeps_its_permissions() {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("tool");
        fs::write(&source, "").unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(0o755)).unwrap();
        let target = into(directory.path());
        target
            .place(&source, Path::new("/usr/local/bin/other"), false)
            .unwrap();
        target.place(&source, Path::new("/usr/local/bin"), true).unwrap();
        for name in ["other", "tool"] {
            let copied = fs::metadata(target.tree.join("usr/local/bin").join(name)).unwrap();
            assert_eq!(copied.mode() & 0o777, 0o755, "{name}");
        }
    }
}
