//! How arguments name a node of the ring.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::ArgumentError;

/// A member of the ring.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Member {
    /// The one with this address.
    Address(IpAddr),
    /// The one with this host id.
    HostId(HostId),
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::HostId(host_id) => write!(f, "{host_id}"),
        }
    }
}

impl FromStr for Member {
    type Err = ArgumentError;

    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        let as_address = text.parse().map(Self::Address);
        as_address
            .or_else(|_| text.parse().map(Self::HostId))
            .map_err(|_| ArgumentError::Member {
                text: text.to_owned(),
            })
    }
}

/// The lost node a removal is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RemoveTarget {
    /// The node of this pod; its data volume goes too.
    Pod {
        /// Name of the pod, which may exist no more.
        name: String,
        /// Address the node had, where the pod cannot tell it (any longer).
        address: Option<IpAddr>,
    },
    /// The node with this address.
    Address(IpAddr),
    /// The node with this host id.
    HostId(HostId),
}

impl fmt::Display for RemoveTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pod {
                name,
                address: Some(address),
            } => write!(f, "{name}_{address}"),
            Self::Pod { name, address: None } => f.write_str(name),
            Self::Address(address) => write!(f, "{address}"),
            Self::HostId(host_id) => write!(f, "{host_id}"),
        }
    }
}

impl FromStr for RemoveTarget {
    type Err = ArgumentError;

    /// Reads `<pod>`, `<pod>_<ip>`, `_<ip>` and `<pod>_` as CassKop does, and a bare address or host id besides.
    fn from_str(text: &str) -> Result<Self, ArgumentError> {
        if let Some((pod, address)) = text.split_once('_') {
            if pod.is_empty() {
                return Ok(Self::Address(parse_address(address)?));
            }
            let address = (!address.is_empty())
                .then(|| parse_address(address))
                .transpose()?;
            return Ok(Self::Pod {
                name: parse_pod(pod)?,
                address,
            });
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        if let Ok(host_id) = text.parse() {
            return Ok(Self::HostId(host_id));
        }
        Ok(Self::Pod {
            name: parse_pod(text)?,
            address: None,
        })
    }
}

fn parse_address(text: &str) -> Result<IpAddr, ArgumentError> {
    text.parse().map_err(|_| ArgumentError::Address {
        text: text.to_owned(),
    })
}

fn parse_pod(text: &str) -> Result<String, ArgumentError> {
    let label = text.len() <= 63
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if label && !text.is_empty() {
        Ok(text.to_owned())
    } else {
        Err(ArgumentError::Target {
            text: text.to_owned(),
        })
    }
}

/// Host id of a node: the UUID it keeps for as long as it has its data. Lower case.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HostId(String);

/// A text is not a host id.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is not a host id (a UUID)")]
pub struct HostIdError(String);

impl HostId {
    /// The host id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostId {
    type Err = HostIdError;

    fn from_str(text: &str) -> Result<Self, HostIdError> {
        let groups: Vec<&str> = text.split('-').collect();
        let uuid = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups
                .iter()
                .all(|group| group.chars().all(|c| c.is_ascii_hexdigit()));
        if uuid {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(HostIdError(text.to_owned()))
        }
    }
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST_ID: &str = "5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1";

    #[test]
    fn remove_reads_every_form() {
        let pod = |name: &str, address: Option<&str>| RemoveTarget::Pod {
            name: name.to_owned(),
            address: address.map(|address| address.parse().unwrap()),
        };
        let table = [
            ("demo-dc1-rack1-1", pod("demo-dc1-rack1-1", None)),
            ("demo-dc1-rack1-1_", pod("demo-dc1-rack1-1", None)),
            (
                "demo-dc1-rack1-1_10.0.0.7",
                pod("demo-dc1-rack1-1", Some("10.0.0.7")),
            ),
            (
                "demo-dc1-rack1-1_2001:db8::7",
                pod("demo-dc1-rack1-1", Some("2001:db8::7")),
            ),
            ("_10.0.0.7", RemoveTarget::Address("10.0.0.7".parse().unwrap())),
            ("10.0.0.7", RemoveTarget::Address("10.0.0.7".parse().unwrap())),
            (
                "2001:db8::7",
                RemoveTarget::Address("2001:db8::7".parse().unwrap()),
            ),
            (HOST_ID, RemoveTarget::HostId(HOST_ID.parse().unwrap())),
        ];
        for (text, target) in table {
            assert_eq!(text.parse::<RemoveTarget>().as_ref(), Ok(&target), "{text}");
            assert_eq!(target.to_string().parse(), Ok(target), "{text} read back");
        }
    }

    #[test]
    fn remove_refuses_what_names_no_node() {
        let table = [
            (
                "demo-dc1-rack1-1_10.0.0",
                ArgumentError::Address {
                    text: "10.0.0".to_owned(),
                },
            ),
            ("_", ArgumentError::Address { text: String::new() }),
            (
                "demo-dc1-rack1-1_10.0.0.7_x",
                ArgumentError::Address {
                    text: "10.0.0.7_x".to_owned(),
                },
            ),
            (
                "Demo",
                ArgumentError::Target {
                    text: "Demo".to_owned(),
                },
            ),
            (
                "demo-",
                ArgumentError::Target {
                    text: "demo-".to_owned(),
                },
            ),
        ];
        for (text, error) in table {
            assert_eq!(text.parse::<RemoveTarget>(), Err(error), "{text}");
        }
    }
}
