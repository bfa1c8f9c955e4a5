//! Layers of images: a directory with what is new, and the same as a tar archive.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

/// A SHA-256 digest, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// Of bytes at hand.
    pub fn of(bytes: &[u8]) -> Self {
        Self(hexadecimal(&Sha256::digest(bytes)))
    }

    /// The hexadecimal digits alone, as file names use them.
    pub fn hex(&self) -> &str {
        &self.0
    }

    /// As OCI documents write it.
    pub fn oci(&self) -> String {
        format!("sha256:{}", self.0)
    }
}

/// A layer in the cache.
#[derive(Clone, Debug)]
pub struct Layer {
    directory: PathBuf,
    digest: Digest,
}

impl Layer {
    /// The tree under `layer/` of a layer being made.
    pub fn tree_in(directory: &Path) -> PathBuf {
        directory.join("tree")
    }

    /// Completes a layer whose tree is there: writes the archive and its digest beside it.
    pub fn seal(directory: &Path) -> Result<()> {
        let archive = directory.join("layer.tar");
        let file = File::create(&archive).with_context(|| format!("cannot create {}", archive.display()))?;
        let mut hashing = Hashing {
            inner: BufWriter::new(file),
            digest: Sha256::new(),
        };
        write_tree(&Self::tree_in(directory), &mut hashing)
            .with_context(|| format!("cannot write {}", archive.display()))?;
        hashing.flush()?;
        let digest = hexadecimal(&hashing.digest.finalize());
        fs::write(directory.join("digest"), digest).context("cannot write a layer's digest")
    }

    /// A layer that is complete.
    pub fn open(directory: &Path) -> Result<Self> {
        let path = directory.join("digest");
        let digest = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self {
            directory: directory.to_owned(),
            digest: Digest(digest),
        })
    }

    /// What is in it.
    pub fn tree(&self) -> PathBuf {
        Self::tree_in(&self.directory)
    }

    /// Its archive, not compressed: it never travels.
    pub fn archive(&self) -> PathBuf {
        self.directory.join("layer.tar")
    }

    /// The archive's digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

struct Hashing<W> {
    inner: W,
    digest: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Adds everything that a tree holds and means to a digest: names, kinds, permissions, contents.
pub fn hash_tree(path: &Path, digest: &mut Sha256) -> Result<()> {
    let metadata = fs::symlink_metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    digest.update(path.file_name().unwrap_or_default().as_encoded_bytes());
    digest.update(metadata.mode().to_le_bytes());
    if metadata.is_symlink() {
        digest.update(fs::read_link(path)?.as_os_str().as_encoded_bytes());
    } else if metadata.is_dir() {
        for entry in sorted_entries(path)? {
            hash_tree(&entry, digest)?;
        }
    } else {
        digest.update(metadata.len().to_le_bytes());
        let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            digest.update(&buffer[..read]);
        }
    }
    Ok(())
}

fn write_tree(root: &Path, to: impl Write) -> Result<()> {
    let mut archive = Builder::new(to);
    let mut links = BTreeMap::new();
    for entry in sorted_entries(root)? {
        append(&mut archive, root, &entry, &mut links)?;
    }
    archive.into_inner()?.flush()?;
    Ok(())
}

fn append(
    archive: &mut Builder<impl Write>,
    root: &Path,
    path: &Path,
    links: &mut BTreeMap<(u64, u64), PathBuf>,
) -> Result<()> {
    let metadata = fs::symlink_metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    let name = path.strip_prefix(root)?;
    let kind = metadata.file_type();
    let mut header = header_of(&metadata);
    if kind.is_dir() {
        header.set_entry_type(EntryType::Directory);
        archive.append_data(&mut header, name, io::empty())?;
        for entry in sorted_entries(path)? {
            append(archive, root, &entry, links)?;
        }
    } else if kind.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        archive.append_link(&mut header, name, fs::read_link(path)?)?;
    } else if kind.is_char_device() && metadata.rdev() == 0 {
        // overlayfs notes a removed file as such a device, archives as an empty file of this name.
        let mut removed = std::ffi::OsString::from(".wh.");
        removed.push(name.file_name().unwrap_or_default());
        header.set_entry_type(EntryType::Regular);
        archive.append_data(&mut header, name.with_file_name(removed), io::empty())?;
    } else if kind.is_file() {
        if let Some(first) = links.get(&(metadata.dev(), metadata.ino())) {
            header.set_entry_type(EntryType::Link);
            return Ok(archive.append_link(&mut header, name, first)?);
        }
        if metadata.nlink() > 1 {
            links.insert((metadata.dev(), metadata.ino()), name.to_owned());
        }
        header.set_entry_type(EntryType::Regular);
        header.set_size(metadata.len());
        archive.append_data(&mut header, name, File::open(path)?)?;
    } else if !kind.is_char_device() && !kind.is_block_device() {
        bail!("{} is neither file, directory nor link", path.display());
    }
    // Other devices are left out: containers get their own.
    Ok(())
}

/// Without times: the same content is the same layer whenever it was made.
fn header_of(metadata: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(metadata.mode() & 0o7777);
    header.set_uid(metadata.uid().into());
    header.set_gid(metadata.gid().into());
    header.set_mtime(0);
    header.set_size(0);
    header
}

fn sorted_entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a string cannot fail.
            let _written = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn layer(fill: impl Fn(&Path)) -> (tempfile::TempDir, Layer) {
        let directory = tempfile::tempdir().unwrap();
        let tree = Layer::tree_in(directory.path());
        fs::create_dir(&tree).unwrap();
        fill(&tree);
        Layer::seal(directory.path()).unwrap();
        let layer = Layer::open(directory.path()).unwrap();
        (directory, layer)
    }

    fn fill(tree: &Path) {
        fs::create_dir_all(tree.join("usr/bin")).unwrap();
        fs::write(tree.join("usr/bin/tool"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(tree.join("usr/bin/tool"), fs::Permissions::from_mode(0o4755)).unwrap();
        fs::hard_link(tree.join("usr/bin/tool"), tree.join("usr/bin/other")).unwrap();
        symlink("usr/bin", tree.join("bin")).unwrap();
    }

    #[test]
    fn the_same_content_is_the_same_layer() {
        let (_one, first) = layer(fill);
        let (_other, second) = layer(fill);
        assert_eq!(first.digest(), second.digest());
        assert_eq!(first.digest(), &Digest::of(&fs::read(first.archive()).unwrap()));
    }

    #[test]
    fn permissions_links_and_hard_links_are_kept() {
        let (_directory, layer) = layer(fill);
        let mut archive = tar::Archive::new(File::open(layer.archive()).unwrap());
        let entries: Vec<(String, EntryType, u32)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.path().unwrap().display().to_string();
                (name, entry.header().entry_type(), entry.header().mode().unwrap())
            })
            .collect();
        let named = |name: &str| {
            entries
                .iter()
                .find(|entry| entry.0.trim_end_matches('/') == name)
                .unwrap()
        };
        assert_eq!(named("bin").1, EntryType::Symlink);
        assert_eq!(named("usr/bin/other").2, 0o4755);
        assert_eq!(
            (named("usr/bin/other").1, named("usr/bin/tool").1),
            (EntryType::Regular, EntryType::Link)
        );
    }

    #[test]
    fn a_changed_file_changes_the_hash_of_its_tree() {
        let directory = tempfile::tempdir().unwrap();
        let hash = || {
            let mut digest = Sha256::new();
            hash_tree(directory.path(), &mut digest).unwrap();
            digest.finalize()
        };
        fs::write(directory.path().join("a"), "1").unwrap();
        let before = hash();
        fs::write(directory.path().join("a"), "2").unwrap();
        assert_ne!(before, hash());
        fs::rename(directory.path().join("a"), directory.path().join("b")).unwrap();
        fs::write(directory.path().join("b"), "1").unwrap();
        assert_ne!(before, hash());
    }
}
