//! An operation together with its argument, parsed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::OperationName;

/// An operation's argument does not say what the operation needs.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ArgumentError {
    /// A rebuild without its source.
    #[error("rebuild needs the datacenter to stream from: set the label operation-argument to its name")]
    NoSourceDatacenter,
    /// A removal without what to remove.
    #[error(
        "remove needs the lost node: set the label operation-argument to <pod>, <pod>_<ip> or <ip>, or to a host id"
    )]
    NoLostNode,
    /// A replacement of something that no argument names.
    #[error(
        "`{text}` is neither an IP address nor a host id: replace is asked for on the lost node's own pod"
    )]
    Member {
        /// The text.
        text: String,
    },
    /// What stands for an address is none.
    #[error("`{text}` is not an IP address")]
    Address {
        /// The text.
        text: String,
    },
    /// What stands for a pod cannot be one.
    #[error("`{text}` is neither a pod's name, an IP address nor a host id")]
    Target {
        /// The text.
        text: String,
    },
}

/// An operation ready to be carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OperationCommand {
    /// See [`OperationName::Cleanup`].
    Cleanup,
    /// See [`OperationName::UpgradeSstables`].
    UpgradeSstables,
    /// See [`OperationName::Rebuild`].
    Rebuild {
        /// Datacenter to stream from, as Cassandra names it: it may be one this cluster object does not know.
        from_dc: String,
    },
    /// See [`OperationName::Remove`].
    Remove {
        /// The lost node.
        target: RemoveTarget,
    },
    /// See [`OperationName::Decommission`].
    Decommission,
    /// See [`OperationName::Replace`].
    Replace {
        /// The lost node, where it is to be another than the one last seen in the pod, or where none was seen.
        lost: Option<Member>,
    },
}

impl OperationCommand {
    /// Reads the argument as the operation needs it. Operations that take none ignore what an earlier request left behind, as
    /// CassKop does.
    pub fn parse(name: OperationName, argument: Option<&str>) -> Result<Self, ArgumentError> {
        let argument = argument.map(str::trim).filter(|argument| !argument.is_empty());
        match name {
            OperationName::Cleanup => Ok(Self::Cleanup),
            OperationName::UpgradeSstables => Ok(Self::UpgradeSstables),
            OperationName::Decommission => Ok(Self::Decommission),
            OperationName::Rebuild => {
                let from_dc = argument.ok_or(ArgumentError::NoSourceDatacenter)?.to_owned();
                Ok(Self::Rebuild { from_dc })
            }
            OperationName::Remove => {
                let target = argument.ok_or(ArgumentError::NoLostNode)?.parse()?;
                Ok(Self::Remove { target })
            }
            OperationName::Replace => {
                let lost = argument.map(str::parse).transpose()?;
                Ok(Self::Replace { lost })
            }
        }
    }

    /// The operation.
    pub fn name(&self) -> OperationName {
        match self {
            Self::Cleanup => OperationName::Cleanup,
            Self::UpgradeSstables => OperationName::UpgradeSstables,
            Self::Rebuild { .. } => OperationName::Rebuild,
            Self::Remove { .. } => OperationName::Remove,
            Self::Decommission => OperationName::Decommission,
            Self::Replace { .. } => OperationName::Replace,
        }
    }

    /// The argument, in the form [`OperationCommand::parse`] reads.
    pub fn argument(&self) -> Option<String> {
        match self {
            Self::Cleanup | Self::UpgradeSstables | Self::Decommission => None,
            Self::Rebuild { from_dc } => Some(from_dc.clone()),
            Self::Remove { target } => Some(target.to_string()),
            Self::Replace { lost } => lost.as_ref().map(ToString::to_string),
        }
    }
}

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

    #[test]
    fn each_operation_takes_the_argument_it_needs() {
        use OperationCommand as Command;
        assert_eq!(
            Command::parse(OperationName::Cleanup, Some("left behind")),
            Ok(Command::Cleanup)
        );
        assert_eq!(
            Command::parse(OperationName::UpgradeSstables, None),
            Ok(Command::UpgradeSstables)
        );
        assert_eq!(
            Command::parse(OperationName::Decommission, None),
            Ok(Command::Decommission)
        );
        assert_eq!(
            Command::parse(OperationName::Rebuild, Some("DC-1 east")),
            Ok(Command::Rebuild {
                from_dc: "DC-1 east".to_owned()
            })
        );
        assert_eq!(
            Command::parse(OperationName::Rebuild, Some(" ")),
            Err(ArgumentError::NoSourceDatacenter)
        );
        assert_eq!(
            Command::parse(OperationName::Remove, None),
            Err(ArgumentError::NoLostNode)
        );
        assert_eq!(
            Command::parse(OperationName::Replace, None),
            Ok(Command::Replace { lost: None })
        );
        for member in ["10.0.0.7", "2001:db8::7", HOST_ID] {
            let command = Command::parse(OperationName::Replace, Some(member)).unwrap();
            assert_eq!(command.argument().as_deref(), Some(member));
        }
        assert_eq!(
            Command::parse(OperationName::Replace, Some("left-behind")),
            Err(ArgumentError::Member {
                text: "left-behind".to_owned()
            })
        );
    }
}
