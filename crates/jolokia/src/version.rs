//! The version a running node reports.

use std::fmt;
use std::str::FromStr;

/// A Cassandra version as the node's `ReleaseVersion` attribute tells it.
///
/// Ordered by major, minor and patch number; a suffix such as `-SNAPSHOT` or `-alpha2` does not count,
/// because the JMX interface of a line is settled by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseVersion {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number, 0 where the version has none (`4.0-alpha2`).
    pub patch: u16,
}

impl ReleaseVersion {
    /// 4.0, where `decommission(boolean)` replaced `decommission()`.
    pub(crate) const V4_0: Self = Self {
        major: 4,
        minor: 0,
        patch: 0,
    };
    /// 5.0, where a compaction that is asked for became a kind of its own.
    pub(crate) const V5_0: Self = Self {
        major: 5,
        minor: 0,
        patch: 0,
    };
}

/// Text that is not a Cassandra version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a cassandra version")]
pub struct NotAVersion(String);

impl FromStr for ReleaseVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let numbers = text.split(['-', '+', '~']).next().unwrap_or(text);
        let mut parts = numbers.split('.').map(str::parse);
        let mut next = || parts.next().transpose().map_err(|_| NotAVersion(text.to_owned()));
        match (next()?, next()?, next()?) {
            (Some(major), Some(minor), patch) => Ok(Self {
                major,
                minor,
                patch: patch.unwrap_or(0),
            }),
            _ => Err(NotAVersion(text.to_owned())),
        }
    }
}

impl fmt::Display for ReleaseVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered_by_their_numbers() {
        let read = |text: &str| text.parse::<ReleaseVersion>();
        assert_eq!(
            read("5.0.9"),
            Ok(ReleaseVersion {
                major: 5,
                minor: 0,
                patch: 9
            })
        );
        assert_eq!(
            read("4.0-alpha2"),
            Ok(ReleaseVersion {
                major: 4,
                minor: 0,
                patch: 0
            })
        );
        assert_eq!(
            read("4.1.10-SNAPSHOT"),
            Ok(ReleaseVersion {
                major: 4,
                minor: 1,
                patch: 10
            })
        );
        assert!(read("3.11.19").unwrap() < ReleaseVersion::V4_0);
        assert!(read("4.1.10").unwrap() > read("4.1.9").unwrap());
        for text in ["", "5", "five.0", "latest", "5.x"] {
            assert_eq!(read(text), Err(NotAVersion(text.to_owned())));
        }
    }
}
