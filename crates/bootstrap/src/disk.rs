//! What a node's data directories say of its membership in the ring.
//!
//! Cassandra keeps "bootstrap completed" in a system table that only it can read, and writes the table's first files when a
//! bootstrap begins. So the membership is recorded beside the data as well: `joining` before the JVM first starts on an
//! empty disk, `joined` when the readiness probe has seen the node NORMAL. The record lies inside a data directory: whoever
//! empties or loses the data loses the record with it.

use crate::seeds::Disk;
use std::io;
use std::path::{Path, PathBuf};

/// The record's name in the first data directory.
pub const RECORD: &str = "casskop-membership";

/// A membership that was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// A bootstrap was begun.
    Joining,
    /// The node was a member.
    Joined,
}

impl Membership {
    const fn word(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Joined => "joined",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Joining, Self::Joined]
            .into_iter()
            .find(|membership| membership.word() == text.trim())
    }
}

/// What the directories say. Data without a record was written before this program ran here, by a member: that is how an
/// adopted cluster looks.
pub fn assess(has_data: HasData, record: Option<Membership>) -> Disk {
    match (has_data, record) {
        (HasData::No, _) => Disk::Empty,
        (HasData::Yes, Some(Membership::Joining)) => Disk::Joining,
        (HasData::Yes, Some(Membership::Joined) | None) => Disk::Joined,
    }
}

/// Whether a node has ever stored its identity on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HasData {
    /// `system.local` has data files.
    Yes,
    /// It has none.
    No,
}

/// The data directories of one node.
#[derive(Debug, Clone)]
pub struct DataDirectories(Vec<PathBuf>);

impl DataDirectories {
    /// `data_file_directories` of a `cassandra.yaml`, or else the directory that the official image uses.
    pub fn of(yaml: &crate::yaml::Document) -> Self {
        let listed = yaml.value("data_file_directories").and_then(|value| {
            let list = value
                .as_array()?
                .iter()
                .filter_map(|entry| entry.as_str().map(PathBuf::from))
                .collect::<Vec<_>>();
            (!list.is_empty()).then_some(list)
        });
        Self(listed.unwrap_or_else(|| vec![PathBuf::from("/var/lib/cassandra/data")]))
    }

    /// Reads the directories.
    pub fn state(&self) -> io::Result<Disk> {
        Ok(assess(self.has_data()?, self.record()?))
    }

    /// Records a membership, unless it is recorded already. Makes the directory if Cassandra has not yet.
    pub fn set_record(&self, membership: Membership) -> io::Result<()> {
        if self.record()? == Some(membership) {
            return Ok(());
        }
        let Some(directory) = self.0.first() else {
            return Ok(());
        };
        std::fs::create_dir_all(directory)?;
        let temporary = directory.join(format!("{RECORD}.new"));
        std::fs::write(&temporary, format!("{}\n", membership.word()))?;
        std::fs::rename(temporary, directory.join(RECORD))
    }

    /// Removes the record, if there is one.
    pub fn clear_record(&self) -> io::Result<()> {
        let Some(directory) = self.0.first() else {
            return Ok(());
        };
        match std::fs::remove_file(directory.join(RECORD)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn record(&self) -> io::Result<Option<Membership>> {
        let Some(directory) = self.0.first() else {
            return Ok(None);
        };
        match std::fs::read_to_string(directory.join(RECORD)) {
            Ok(text) => Ok(Membership::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// With several directories, `system.local` is in any one of them up to 3.11, in the first one since.
    fn has_data(&self) -> io::Result<HasData> {
        for directory in &self.0 {
            for table in children(&directory.join("system"))? {
                let name = table
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let is_local = name == "local" || name.starts_with("local-");
                if is_local && children(&table)?.iter().any(|file| is_data_file(file)) {
                    return Ok(HasData::Yes);
                }
            }
        }
        Ok(HasData::No)
    }
}

fn is_data_file(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().ends_with("-Data.db"))
}

/// The entries of a directory; none if it does not exist.
fn children(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Document;

    #[test]
    fn the_record_lives_and_dies_with_the_data() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let yaml = format!("data_file_directories: ['{}']\n", data.display());
        let directories = DataDirectories::of(&Document::parse(&yaml));
        assert_eq!(directories.state().unwrap(), Disk::Empty);

        directories.set_record(Membership::Joining).unwrap();
        assert_eq!(
            directories.state().unwrap(),
            Disk::Empty,
            "a record without data is of no account"
        );

        let table = data.join("system/local-7ad54392bcdd35a684174e047860b377");
        std::fs::create_dir_all(&table).unwrap();
        std::fs::write(table.join("nb-1-big-Index.db"), "").unwrap();
        assert_eq!(directories.state().unwrap(), Disk::Empty);
        std::fs::write(table.join("nb-1-big-Data.db"), "").unwrap();
        assert_eq!(directories.state().unwrap(), Disk::Joining);

        directories.set_record(Membership::Joined).unwrap();
        assert_eq!(directories.state().unwrap(), Disk::Joined);

        std::fs::remove_file(data.join(RECORD)).unwrap();
        assert_eq!(
            directories.state().unwrap(),
            Disk::Joined,
            "data of an adopted cluster has no record"
        );
    }

    #[test]
    fn the_directories_default_to_the_official_images() {
        let DataDirectories(paths) = DataDirectories::of(&Document::parse("cluster_name: x\n"));
        assert_eq!(paths, [PathBuf::from("/var/lib/cassandra/data")]);
    }
}
