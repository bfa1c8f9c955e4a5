//! The files of a report, in an archive or in a directory.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::Value;

use super::redact;

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A `.tar.gz`.
    Archive(PathBuf),
    /// A directory, which is made.
    Directory(PathBuf),
}

impl Target {
    /// An archive by its name, else a directory.
    pub(crate) fn of(path: PathBuf) -> Self {
        let name = path.to_string_lossy();
        if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            Self::Archive(path)
        } else {
            Self::Directory(path)
        }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Archive(path) | Self::Directory(path) => path,
        }
    }
}

/// The files of a report. Nothing gets in but through redaction.
#[derive(Debug, Default)]
pub(crate) struct Bundle {
    files: BTreeMap<String, String>,
}

impl Bundle {
    /// Adds a text.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.files.insert(name.to_owned(), redact::text(text));
    }

    /// Adds objects as a YAML list.
    pub(crate) fn objects(&mut self, name: &str, mut objects: Vec<Value>) -> Result<(), serde_yaml::Error> {
        objects.iter_mut().for_each(redact::value);
        self.files
            .insert(name.to_owned(), serde_yaml::to_string(&objects)?);
        Ok(())
    }

    /// Names of the files.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Writes the files for their owner alone. What is there already is not overwritten.
    pub(crate) fn write(&self, target: &Target, now: Timestamp) -> io::Result<()> {
        match target {
            Target::Archive(path) => self.archive(path, now),
            Target::Directory(path) => {
                fs::create_dir(path)?;
                for (name, text) in &self.files {
                    let file = path.join(name);
                    if let Some(parent) = file.parent() {
                        fs::create_dir_all(parent)?;
                    }
                    private(&file)?.write_all(text.as_bytes())?;
                }
                Ok(())
            }
        }
    }

    fn archive(&self, path: &Path, now: Timestamp) -> io::Result<()> {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let top = name.trim_end_matches(".tgz").trim_end_matches(".tar.gz");
        let mut archive = tar::Builder::new(GzEncoder::new(private(path)?, Compression::default()));
        for (name, text) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(u64::try_from(now.as_second()).unwrap_or_default());
            archive.append_data(&mut header, Path::new(top).join(name), text.as_bytes())?;
        }
        archive.into_inner()?.finish()?.flush()
    }
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use serde_json::json;

    use super::*;

    fn bundle() -> Bundle {
        let mut bundle = Bundle::default();
        bundle.text("logs/a/cassandra.log", "started\npassword=hidden\n");
        let pod = json!({ "kind": "Pod", "env": [{ "name": "TOKEN", "value": "hidden" }] });
        bundle.objects("pods.yaml", vec![pod]).unwrap();
        bundle
    }

    #[test]
    fn an_archive_holds_every_file_and_no_secret() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.tar.gz");
        bundle()
            .write(&Target::of(path.clone()), Timestamp::UNIX_EPOCH)
            .unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&path).unwrap()));
        let mut read = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            read.insert(entry.path().unwrap().display().to_string(), text);
        }
        assert_eq!(
            read["report/logs/a/cassandra.log"],
            "started\npassword=<redacted>\n"
        );
        assert!(read["report/pods.yaml"].contains("TOKEN") && !read["report/pods.yaml"].contains("hidden"));
        let again = bundle().write(&Target::of(path), Timestamp::UNIX_EPOCH);
        assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_directory_holds_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::of(directory.path().join("report"));
        bundle().write(&target, Timestamp::UNIX_EPOCH).unwrap();
        let log = fs::read_to_string(target.path().join("logs/a/cassandra.log")).unwrap();
        assert_eq!(log, "started\npassword=<redacted>\n");
    }
}
