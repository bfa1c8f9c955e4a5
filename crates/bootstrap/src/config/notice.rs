//! What the renderer did other than asked, in words for the init container's log.

use crate::version::Release;
use std::fmt;

/// One thing the user should know. Names keys, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The stock files are another release's than `PRODUCT_VERSION` says.
    VersionContradicted {
        /// `PRODUCT_VERSION`.
        claimed: String,
        /// What the files are.
        release: Release,
    },
    /// A block that no file is rendered from.
    UnknownBlock {
        /// Its name in the tree.
        block: String,
    },
    /// A setting that this release does not have.
    UnknownKey {
        /// The file it was meant for.
        file: &'static str,
        /// Its name.
        key: String,
        /// The release.
        release: Release,
        /// Releases that have it.
        known_in: Vec<Release>,
    },
    /// A setting that the operator decides.
    SetByOperator {
        /// Its name.
        key: String,
    },
    /// Two names of one setting were given.
    TwoNames {
        /// The one that counts.
        kept: String,
        /// The one left out.
        dropped: String,
    },
    /// A value that can not be used as it is.
    NotUsable {
        /// The file it was meant for.
        file: &'static str,
        /// Its name.
        key: String,
        /// Why, and what happens instead.
        why: &'static str,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VersionContradicted { claimed, release } => {
                write!(
                    f,
                    "the image's files are those of Cassandra {release}, not of {claimed}: rendering for {release}"
                )
            }
            Self::UnknownBlock { block } => write!(f, "config.{block}: no such block, left out"),
            Self::UnknownKey {
                file,
                key,
                release,
                known_in,
            } => {
                write!(f, "{file}: Cassandra {release} has no setting {key}, left out")?;
                if known_in.is_empty() {
                    return Ok(());
                }
                let series: Vec<&str> = known_in.iter().map(|release| release.series()).collect();
                write!(f, " (a setting of {})", series.join(", "))
            }
            Self::SetByOperator { key } => {
                write!(f, "cassandra.yaml: {key} is the operator's to set, left out")
            }
            Self::TwoNames { kept, dropped } => {
                write!(
                    f,
                    "cassandra.yaml: {dropped} and {kept} are one setting, {dropped} left out"
                )
            }
            Self::NotUsable { file, key, why } => write!(f, "{file}: {key} {why}"),
        }
    }
}
