//! Which release of Cassandra the configuration is for.

use crate::config::keys::Keys;
use std::fmt;

/// A release whose configuration can be rendered. Another release is another variant and another table of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// Cassandra 3.11.
    V3_11,
    /// Cassandra 4.0.
    V4_0,
    /// Cassandra 4.1.
    V4_1,
    /// Cassandra 5.0.
    V5_0,
}

impl Release {
    /// All of them, oldest first.
    pub const ALL: [Self; 4] = [Self::V3_11, Self::V4_0, Self::V4_1, Self::V5_0];

    /// `major.minor`, as release series are called.
    pub const fn series(self) -> &'static str {
        match self {
            Self::V3_11 => "3.11",
            Self::V4_0 => "4.0",
            Self::V4_1 => "4.1",
            Self::V5_0 => "5.0",
        }
    }

    /// The file that the launcher reads JVM options from, whatever the JVM's version.
    pub const fn jvm_options_file(self) -> &'static str {
        match self {
            Self::V3_11 => "jvm.options",
            Self::V4_0 | Self::V4_1 | Self::V5_0 => "jvm-server.options",
        }
    }

    /// Tells the release from the stock configuration, and from `PRODUCT_VERSION` where the stock configuration does not
    /// tell: an image tag may be `latest`, a digest, or simply wrong, while the files are what the image's Cassandra reads.
    pub fn detect(stock: &StockEvidence<'_>, product_version: &str) -> Result<Detected, UnknownRelease> {
        let possible: Vec<Self> = Self::ALL
            .into_iter()
            .filter(|release| stock.allows(*release))
            .collect();
        let claimed = Claim::of(product_version);
        if let Claim::Known(claimed) = claimed
            && possible.contains(&claimed)
        {
            return Ok(Detected {
                release: claimed,
                contradicts: None,
            });
        }
        let own_words: Vec<Self> = possible
            .into_iter()
            .filter(|release| stock.speaks_as(*release))
            .collect();
        match (claimed, own_words.as_slice()) {
            // The files of 3.0 look like those of 3.11, so that here the claim is the better witness.
            (Claim::Other, [Self::V3_11]) => Err(UnknownRelease::new(product_version)),
            (claimed, [certain]) => Ok(Detected {
                release: *certain,
                contradicts: claimed.release(),
            }),
            _ => Err(UnknownRelease::new(product_version)),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.series())
    }
}

/// What `PRODUCT_VERSION` claims.
#[derive(Debug, Clone, Copy)]
enum Claim {
    /// One of ours.
    Known(Release),
    /// A version, but of another release.
    Other,
    /// No version at all.
    Nothing,
}

impl Claim {
    /// Reads a full version such as `5.0.9`; a mere `5.0` will do.
    fn of(version: &str) -> Self {
        let mut numbers = version.split(['.', '-']);
        let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
            return Self::Nothing;
        };
        let known = Release::ALL
            .into_iter()
            .find(|release| release.series().split('.').eq([major, minor]));
        match known {
            Some(release) => Self::Known(release),
            None if major.parse::<u8>().is_ok() && minor.parse::<u8>().is_ok() => Self::Other,
            None => Self::Nothing,
        }
    }

    const fn release(self) -> Option<Release> {
        match self {
            Self::Known(release) => Some(release),
            Self::Other | Self::Nothing => None,
        }
    }
}

/// What the stock configuration says about its release.
#[derive(Debug, Clone, Copy)]
pub struct StockEvidence<'a> {
    /// The keys set in the stock `cassandra.yaml`.
    pub yaml_keys: &'a [&'a str],
    /// The names of all stock files.
    pub files: &'a [&'a str],
}

impl StockEvidence<'_> {
    /// False only where the files can not be that release's: a key it refuses, or a file of another release.
    fn allows(&self, release: Release) -> bool {
        let knows = |release: Release, key: &str| Keys::of(release).resolve(key).is_some();
        let refused = self
            .yaml_keys
            .iter()
            .any(|key| !knows(release, key) && Release::ALL.into_iter().any(|other| knows(other, key)));
        let foreign = self.files.iter().any(|file| match *file {
            // Split off jvm.options in 4.0.
            "jvm-server.options" => release < Release::V4_0,
            // Shipped since 5.0.
            "cassandra_latest.yaml" => release < Release::V5_0,
            // 5.0 dropped Java 8.
            "jvm8-server.options" => release >= Release::V5_0,
            _ => false,
        });
        !refused && !foreign && self.files.contains(&release.jvm_options_file())
    }

    /// Whether every setting has the name that the release itself gives it. A stock file does not use former names, but a
    /// file that was carried along through an upgrade may well do.
    fn speaks_as(&self, release: Release) -> bool {
        let keys = Keys::of(release);
        self.yaml_keys
            .iter()
            .filter_map(|key| keys.resolve(key))
            .all(|setting| setting.former.is_none())
    }
}

/// The release, and what `PRODUCT_VERSION` wrongly said instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detected {
    /// What the configuration is rendered for.
    pub release: Release,
    /// The release that `PRODUCT_VERSION` names and the stock files rule out.
    pub contradicts: Option<Release>,
}

/// Neither the stock configuration nor `PRODUCT_VERSION` names a release that can be rendered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "no configuration can be rendered for Cassandra version {product_version:?} and the stock files of this image: set \
     spec.serverVersion to the image's version; 3.11, 4.0, 4.1 and 5.0 are supported"
)]
pub struct UnknownRelease {
    product_version: String,
}

impl UnknownRelease {
    fn new(product_version: &str) -> Self {
        Self {
            product_version: product_version.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &[&str] = &["cassandra.yaml", "jvm-server.options"];
    const JAVA_8: &[&str] = &["cassandra.yaml", "jvm-server.options", "jvm8-server.options"];
    const JVM: &[&str] = &["cassandra.yaml", "jvm.options"];

    fn detect(keys: &[&str], files: &[&str], version: &str) -> Result<Detected, UnknownRelease> {
        Release::detect(
            &StockEvidence {
                yaml_keys: keys,
                files,
            },
            version,
        )
    }

    #[test]
    fn the_stock_files_win_over_the_image_tag() {
        use Release::{V3_11, V4_0, V4_1, V5_0};
        let certain = |release, contradicts| Ok(Detected { release, contradicts });
        let table = [
            (&["cluster_name"][..], SERVER, "5.0.9", certain(V5_0, None)),
            (&["cluster_name"], SERVER, "4.1.10", certain(V4_1, None)),
            (&["cluster_name"], SERVER, "4.0.19", certain(V4_0, None)),
            (&["cluster_name"], SERVER, "5.0", certain(V5_0, None)),
            (
                &["storage_compatibility_mode"],
                SERVER,
                "latest.0",
                certain(V5_0, None),
            ),
            (
                &["storage_compatibility_mode"],
                SERVER,
                "4.1.3",
                certain(V5_0, Some(V4_1)),
            ),
            (
                &["read_request_timeout", "commitlog_periodic_queue_size"],
                SERVER,
                "5.0.1",
                certain(V4_1, Some(V5_0)),
            ),
            (
                &["read_request_timeout"],
                &["jvm-server.options", "cassandra_latest.yaml"],
                "",
                certain(V5_0, None),
            ),
            (&["read_request_timeout"], JAVA_8, "", certain(V4_1, None)),
            // Former names: either of 4.0, or carried along.
            (
                &["read_request_timeout_in_ms"],
                JAVA_8,
                "latest.0",
                certain(V4_0, None),
            ),
            (
                &["read_request_timeout_in_ms"],
                JAVA_8,
                "5.0.1",
                certain(V4_0, Some(V5_0)),
            ),
            (
                &["read_request_timeout_in_ms"],
                JAVA_8,
                "4.1.10",
                certain(V4_1, None),
            ),
            (
                &["read_request_timeout_in_ms"],
                SERVER,
                "5.0.9",
                certain(V5_0, None),
            ),
            (
                &["read_request_timeout"],
                SERVER,
                "4.0.1",
                Err(UnknownRelease::new("4.0.1")),
            ),
            (&["start_rpc"], JVM, "3.11.19", certain(V3_11, None)),
            (&["start_rpc"], JVM, "latest.0", certain(V3_11, None)),
            (&["start_rpc"], JVM, "4.0.1", certain(V3_11, Some(V4_0))),
            (&["cluster_name"], JVM, "3.11.10", certain(V3_11, None)),
        ];
        for (keys, files, version, expected) in table {
            assert_eq!(
                detect(keys, files, version),
                expected,
                "{keys:?} {files:?} {version}"
            );
        }
    }

    #[test]
    fn a_release_without_a_table_is_refused() {
        for (files, version) in [
            (SERVER, "latest.0"),
            (SERVER, "50.0.1"),
            (JVM, "3.0.29"),
            (&["cassandra.yaml"], "3.11.10"),
            (SERVER, "3.11.10"),
            (SERVER, ""),
        ] {
            assert!(detect(&["cluster_name"], files, version).is_err(), "{version}");
        }
    }
}
