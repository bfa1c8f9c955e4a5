//! An operation together with its argument, parsed.

use super::tables::is_token;
use super::{Member, OperationName, RemoveTarget, TableOptions, TableWork};

/// An operation's argument, or its options, do not say what the operation needs.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ArgumentError {
    /// A rebuild without its source.
    #[error("rebuild needs the datacenter to stream from: set the label operation-argument to its name")]
    NoSourceDatacenter,
    /// A move without where to.
    #[error(
        "move needs the node's new token: set the annotation cassandraclusters.db.orange.com/operation-argument to it"
    )]
    NoToken,
    /// What stands for a token cannot be one.
    #[error("`{text}` is not a token, which is a whole number")]
    Token {
        /// The text.
        text: String,
    },
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
    /// What stands for a keyspace cannot be one.
    #[error(
        "`{text}` is not a keyspace of {operation}: a name has letters, digits and `_`, 48 at most; leave it out for all keyspaces"
    )]
    Keyspace {
        /// The operation.
        operation: OperationName,
        /// The text.
        text: String,
    },
    /// The options do not go with the operation, or cannot be read.
    #[error("options of {operation}: {why}")]
    Options {
        /// The operation.
        operation: OperationName,
        /// What is wrong.
        why: String,
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
    /// Work on tables.
    OnTables(TableWork, TableOptions),
    /// See [`OperationName::Rebuild`].
    Rebuild {
        /// Datacenter to stream from, as Cassandra names it: it may be one this cluster object does not know.
        from_dc: String,
    },
    /// See [`OperationName::ReloadSsl`].
    ReloadSsl,
    /// See [`OperationName::Move`].
    Move {
        /// The new token, a whole number in decimal digits.
        token: String,
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
    /// See [`OperationName::Restart`].
    Restart,
}

impl OperationCommand {
    /// Work on all tables of all keyspaces.
    pub fn on_all_tables(work: TableWork) -> Self {
        Self::OnTables(work, TableOptions::default())
    }

    /// Reads argument and options as the operation needs them. Operations that take none ignore what an earlier request left behind,
    /// as CassKop does.
    pub fn parse(
        name: OperationName,
        argument: Option<&str>,
        options: Option<&str>,
    ) -> Result<Self, ArgumentError> {
        let argument = argument.map(str::trim).filter(|argument| !argument.is_empty());
        let on_tables =
            |work| TableOptions::parse(work, argument, options).map(|options| Self::OnTables(work, options));
        match name {
            OperationName::Cleanup => on_tables(TableWork::Cleanup),
            OperationName::UpgradeSstables => on_tables(TableWork::UpgradeSstables),
            OperationName::Scrub => on_tables(TableWork::Scrub),
            OperationName::Compact => on_tables(TableWork::Compact),
            OperationName::Flush => on_tables(TableWork::Flush),
            OperationName::GarbageCollect => on_tables(TableWork::GarbageCollect),
            OperationName::Decommission => Ok(Self::Decommission),
            OperationName::Restart => Ok(Self::Restart),
            OperationName::Rebuild => {
                let from_dc = argument.ok_or(ArgumentError::NoSourceDatacenter)?.to_owned();
                Ok(Self::Rebuild { from_dc })
            }
            OperationName::ReloadSsl => Ok(Self::ReloadSsl),
            OperationName::Move => {
                let token = argument.ok_or(ArgumentError::NoToken)?.to_owned();
                // As Cassandra writes it, by which it is known again.
                let digits = token.strip_prefix('-').unwrap_or(&token);
                if !is_token(&token) || (digits.starts_with('0') && token != "0") {
                    return Err(ArgumentError::Token { text: token });
                }
                Ok(Self::Move { token })
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
            Self::OnTables(work, _) => work.operation(),
            Self::Rebuild { .. } => OperationName::Rebuild,
            Self::ReloadSsl => OperationName::ReloadSsl,
            Self::Move { .. } => OperationName::Move,
            Self::Remove { .. } => OperationName::Remove,
            Self::Decommission => OperationName::Decommission,
            Self::Replace { .. } => OperationName::Replace,
            Self::Restart => OperationName::Restart,
        }
    }

    /// The argument, in the form [`OperationCommand::parse`] reads.
    pub fn argument(&self) -> Option<String> {
        match self {
            Self::Decommission | Self::Restart | Self::ReloadSsl => None,
            Self::OnTables(work, options) => options.keyspace.clone().filter(|_| work.takes_an_argument()),
            Self::Rebuild { from_dc } => Some(from_dc.clone()),
            Self::Move { token } => Some(token.clone()),
            Self::Remove { target } => Some(target.to_string()),
            Self::Replace { lost } => lost.as_ref().map(ToString::to_string),
        }
    }

    /// The options, in the form [`OperationCommand::parse`] reads.
    pub fn options(&self) -> Option<String> {
        match self {
            Self::OnTables(work, options) => options.to_text(*work),
            Self::Rebuild { .. }
            | Self::ReloadSsl
            | Self::Move { .. }
            | Self::Remove { .. }
            | Self::Decommission
            | Self::Replace { .. }
            | Self::Restart => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST_ID: &str = "5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1";

    #[test]
    fn each_operation_takes_the_argument_it_needs() {
        use OperationCommand as Command;
        let parse = |name, argument: Option<&str>| Command::parse(name, argument, None);
        assert_eq!(
            parse(OperationName::Cleanup, Some("left behind")),
            Ok(Command::on_all_tables(TableWork::Cleanup))
        );
        assert_eq!(
            parse(OperationName::UpgradeSstables, None),
            Ok(Command::on_all_tables(TableWork::UpgradeSstables))
        );
        assert_eq!(
            parse(OperationName::Decommission, None),
            Ok(Command::Decommission)
        );
        assert_eq!(
            parse(OperationName::Restart, Some("left behind")),
            Ok(Command::Restart)
        );
        assert_eq!(
            parse(OperationName::Rebuild, Some("DC-1 east")),
            Ok(Command::Rebuild {
                from_dc: "DC-1 east".to_owned()
            })
        );
        assert_eq!(
            parse(OperationName::Rebuild, Some(" ")),
            Err(ArgumentError::NoSourceDatacenter)
        );
        assert_eq!(parse(OperationName::Remove, None), Err(ArgumentError::NoLostNode));
        assert_eq!(parse(OperationName::Move, None), Err(ArgumentError::NoToken));
        for token in [
            "-9223372036854775808",
            "0",
            "170141183460469231731687303715884105727",
        ] {
            let command = parse(OperationName::Move, Some(token)).unwrap();
            assert_eq!(
                (command.name(), command.argument().as_deref()),
                (OperationName::Move, Some(token))
            );
        }
        for text in ["left-behind", "1.5", "--1", "0x10", "007", "-0", "+1"] {
            let refused = parse(OperationName::Move, Some(text));
            assert_eq!(
                refused,
                Err(ArgumentError::Token {
                    text: text.to_owned()
                })
            );
        }
        assert_eq!(
            parse(OperationName::Replace, None),
            Ok(Command::Replace { lost: None })
        );
        for member in ["10.0.0.7", "2001:db8::7", HOST_ID] {
            let command = parse(OperationName::Replace, Some(member)).unwrap();
            assert_eq!(command.argument().as_deref(), Some(member));
        }
        assert_eq!(
            parse(OperationName::Replace, Some("left-behind")),
            Err(ArgumentError::Member {
                text: "left-behind".to_owned()
            })
        );
    }

    #[test]
    fn work_on_tables_takes_a_keyspace_or_none() {
        let parse = |name, argument: Option<&str>| OperationCommand::parse(name, argument, None);
        for name in [
            OperationName::Scrub,
            OperationName::Compact,
            OperationName::Flush,
            OperationName::GarbageCollect,
        ] {
            for argument in [None, Some("shop"), Some("_Shop_2")] {
                let command = parse(name, argument).unwrap();
                assert_eq!((command.name(), command.argument().as_deref()), (name, argument));
            }
            let too_long = "k".repeat(49);
            for text in ["demo-dc1-rack1-0", "shop.carts", "shop carts", too_long.as_str()] {
                let error = parse(name, Some(text)).unwrap_err();
                assert!(error.to_string().contains(text), "{error}");
            }
        }
    }
}
