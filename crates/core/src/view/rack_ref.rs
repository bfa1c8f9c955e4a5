//! Racks as people write them.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A rack as people write it, `dc1.rack1`. Whether there is such a rack is for a [`ClusterView`] to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RackRef {
    /// Name of the datacenter.
    pub dc: String,
    /// Name of the rack in it.
    pub rack: String,
}

impl fmt::Display for RackRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.dc, self.rack))
    }
}

/// A text does not say which datacenter and which rack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rack: write datacenter and rack with a dot between them, as dc1.rack1")]
pub struct RackRefError(String);

impl FromStr for RackRef {
    type Err = RackRefError;

    /// Takes any one sign between the two words, as CassKop's plugin did: `dc1.rack1`, `dc1/rack1`, `dc1-rack1`.
    fn from_str(text: &str) -> Result<Self, RackRefError> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        match text.split_once(|c| !is_word(c)) {
            Some((dc, rack)) if !dc.is_empty() && !rack.is_empty() && rack.chars().all(is_word) => Ok(Self {
                dc: dc.to_owned(),
                rack: rack.to_owned(),
            }),
            _ => Err(RackRefError(text.to_owned())),
        }
    }
}
