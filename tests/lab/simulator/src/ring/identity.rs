//! What names a node: its host id, where it stands, and the release it runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A node's host id, written as a UUID. It lives on the node's disk: a pod that comes back with the same volume
/// is the same node, whatever its address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(u128);

impl HostId {
    /// The host id of the node whose disk carries this identity (the uid of a volume claim, or of a pod without
    /// one). The same disk always yields the same id.
    pub fn of_disk(disk: &str) -> Self {
        let high = fnv1a(disk.bytes(), 0xcbf2_9ce4_8422_2325);
        let low = fnv1a(disk.bytes().rev(), high ^ 0x9e37_79b9_7f4a_7c15);
        let raw = (u128::from(mix(high)) << 64) | u128::from(mix(low));
        // Version and variant bits of a random UUID, which is what Cassandra draws.
        let version = (raw & !(0xf << 76)) | (0x4 << 76);
        Self((version & !(0x3 << 62)) | (0x2 << 62))
    }

    /// Sixty-four bits that stand for this id wherever pseudo-random but repeatable values are wanted.
    pub(super) fn seed(self) -> u64 {
        let bytes = self.0.to_be_bytes();
        fnv1a(bytes.into_iter(), 0xcbf2_9ce4_8422_2325)
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(
            f,
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        )
    }
}

impl fmt::Debug for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a UUID.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid UUID string: {0}")]
pub struct InvalidHostId(String);

impl FromStr for HostId {
    type Err = InvalidHostId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidHostId(text.to_owned());
        let groups: Vec<&str> = text.split('-').collect();
        if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) {
            return Err(invalid());
        }
        u128::from_str_radix(&groups.concat(), 16)
            .map(Self)
            .map_err(|_| invalid())
    }
}

impl Serialize for HostId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Data centre and rack of a node, as its snitch announces them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Location {
    /// Data centre.
    pub dc: String,
    /// Rack within the data centre.
    pub rack: String,
}

/// The Cassandra release a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    /// First number, e.g. 5 of 5.0.6.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number.
    pub patch: u16,
}

impl Release {
    /// A release by its three numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// Whether this release belongs to `major.minor` or a later line.
    pub fn at_least(self, major: u16, minor: u16) -> bool {
        (self.major, self.minor) >= (major, minor)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The text does not start with a release number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a Cassandra release")]
pub struct InvalidRelease(String);

impl FromStr for Release {
    type Err = InvalidRelease;

    /// Reads `5.0.6`, and the image tags people write: `5.0`, `5.0.x`, `4.1.10-jdk17`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split('-').next().unwrap_or_default();
        let mut parts = numbers.split('.').map(|part| part.parse::<u16>().ok());
        match (parts.next().flatten(), parts.next().flatten(), parts.next()) {
            (Some(major), Some(minor), patch) => Ok(Self::new(major, minor, patch.flatten().unwrap_or(0))),
            _ => Err(InvalidRelease(text.to_owned())),
        }
    }
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Release {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// A UUID that stands for `text`: always the same one, so that a run can be repeated.
pub fn derived_uuid(text: &str) -> String {
    HostId::of_disk(text).to_string()
}

fn fnv1a(bytes: impl Iterator<Item = u8>, basis: u64) -> u64 {
    bytes.fold(basis, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Finaliser of the `SplitMix64` generator: spreads every input bit over the whole word.
pub(super) fn mix(seed: u64) -> u64 {
    let mut word = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_one_host_id_and_another_disk_another() {
        let id = HostId::of_disk("pvc-1");
        assert_eq!(id, HostId::of_disk("pvc-1"));
        assert_ne!(id, HostId::of_disk("pvc-2"));
        let text = id.to_string();
        assert_eq!(text.parse::<HostId>(), Ok(id));
        assert_eq!(&text[14..15], "4", "a random UUID's version: {text}");
        assert!("89ab".contains(&text[19..20]), "a random UUID's variant: {text}");
    }

    #[test]
    fn host_ids_are_refused_unless_they_are_uuids() {
        for text in [
            "",
            "1234",
            "0000000-00000-0000-0000-000000000000",
            "zzzzzzzz-0000-4000-8000-000000000000",
        ] {
            assert_eq!(text.parse::<HostId>(), Err(InvalidHostId(text.to_owned())));
        }
    }

    #[test]
    fn releases_are_read_from_image_tags() {
        let release = |text: &str| text.parse::<Release>().ok();
        assert_eq!(release("5.0.6"), Some(Release::new(5, 0, 6)));
        assert_eq!(release("5.0.x"), Some(Release::new(5, 0, 0)));
        assert_eq!(release("4.1"), Some(Release::new(4, 1, 0)));
        assert_eq!(release("3.11.10-ubi8"), Some(Release::new(3, 11, 10)));
        assert_eq!(release("latest"), None);
        assert!(Release::new(5, 0, 1).at_least(4, 1) && !Release::new(4, 0, 9).at_least(4, 1));
    }
}
