//! Which release of Cassandra the configuration is for.

use crate::config::keys::Keys;
use std::fmt;

/// A release whose configuration can be rendered. Another release is another variant and another table of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// Cassandra 4.1.
    V4_1,
    /// Cassandra 5.0.
    V5_0,
}

impl Release {
    /// All of them, oldest first.
    pub const ALL: [Self; 2] = [Self::V4_1, Self::V5_0];

    /// `major.minor`, as release series are called.
    pub const fn series(self) -> &'static str {
        match self {
            Self::V4_1 => "4.1",
            Self::V5_0 => "5.0",
        }
    }

    /// The file that the launcher reads JVM options from, whatever the JVM's version.
    pub const fn jvm_options_file(self) -> &'static str {
        match self {
            Self::V4_1 | Self::V5_0 => "jvm-server.options",
        }
    }

    /// The release of a full version such as `5.0.9`; a mere `5.0` will do.
    fn of_version(version: &str) -> Option<Self> {
        let mut numbers = version.split(['.', '-']);
        let (major, minor) = (numbers.next()?, numbers.next()?);
        Self::ALL
            .into_iter()
            .find(|release| release.series().split('.').eq([major, minor]))
    }

    /// Tells the release from the stock configuration, and from `PRODUCT_VERSION` where the stock configuration does not
    /// tell: an image tag may be `latest`, a digest, or simply wrong, while the files are what the image's Cassandra reads.
    pub fn detect(stock: &StockEvidence<'_>, product_version: &str) -> Result<Detected, UnknownRelease> {
        let possible: Vec<Self> = Self::ALL
            .into_iter()
            .filter(|release| stock.allows(*release))
            .collect();
        let claimed = Self::of_version(product_version);
        match (claimed, possible.as_slice()) {
            (Some(claimed), possible) if possible.contains(&claimed) => Ok(Detected {
                release: claimed,
                contradicts: None,
            }),
            (Some(claimed), [certain]) => Ok(Detected {
                release: *certain,
                contradicts: Some(claimed),
            }),
            (None, [certain]) => Ok(Detected {
                release: *certain,
                contradicts: None,
            }),
            _ => Err(UnknownRelease {
                product_version: product_version.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.series())
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
            // Shipped since 5.0.
            "cassandra_latest.yaml" => release < Release::V5_0,
            // 5.0 dropped Java 8.
            "jvm8-server.options" => release >= Release::V5_0,
            _ => false,
        });
        !refused && !foreign && self.files.contains(&release.jvm_options_file())
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
     spec.serverVersion to the image's version; 4.1 and 5.0 are supported"
)]
pub struct UnknownRelease {
    product_version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &[&str] = &["cassandra.yaml", "jvm-server.options"];

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
        let certain = |release, contradicts| Ok(Detected { release, contradicts });
        let table = [
            (
                &["cluster_name"][..],
                SERVER,
                "5.0.9",
                certain(Release::V5_0, None),
            ),
            (&["cluster_name"], SERVER, "4.1.10", certain(Release::V4_1, None)),
            (&["cluster_name"], SERVER, "5.0", certain(Release::V5_0, None)),
            (
                &["storage_compatibility_mode"],
                SERVER,
                "latest.0",
                certain(Release::V5_0, None),
            ),
            (
                &["storage_compatibility_mode"],
                SERVER,
                "4.1.3",
                certain(Release::V5_0, Some(Release::V4_1)),
            ),
            (
                &["commitlog_periodic_queue_size"],
                SERVER,
                "5.0.1",
                certain(Release::V4_1, Some(Release::V5_0)),
            ),
            (
                &[],
                &["jvm-server.options", "cassandra_latest.yaml"],
                "",
                certain(Release::V5_0, None),
            ),
            (
                &[],
                &["jvm-server.options", "jvm8-server.options"],
                "",
                certain(Release::V4_1, None),
            ),
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
            (&["jvm.options"], "3.11.10"),
            (SERVER, ""),
        ] {
            assert!(detect(&["cluster_name"], files, version).is_err(), "{version}");
        }
    }
}
