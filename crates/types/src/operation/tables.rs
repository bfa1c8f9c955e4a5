//! Work on the tables of a node: which of them, and how it is done.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ArgumentError, OperationName};

/// Work on tables that leaves the ring as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TableWork {
    /// See [`OperationName::Cleanup`].
    Cleanup,
    /// See [`OperationName::UpgradeSstables`].
    UpgradeSstables,
    /// See [`OperationName::Scrub`].
    Scrub,
    /// See [`OperationName::Compact`].
    Compact,
    /// See [`OperationName::Flush`].
    Flush,
    /// See [`OperationName::GarbageCollect`].
    GarbageCollect,
}

impl TableWork {
    /// The work on tables that an operation is, if it is any.
    pub fn of(operation: OperationName) -> Option<Self> {
        match operation {
            OperationName::Cleanup => Some(Self::Cleanup),
            OperationName::UpgradeSstables => Some(Self::UpgradeSstables),
            OperationName::Scrub => Some(Self::Scrub),
            OperationName::Compact => Some(Self::Compact),
            OperationName::Flush => Some(Self::Flush),
            OperationName::GarbageCollect => Some(Self::GarbageCollect),
            OperationName::Rebuild
            | OperationName::ReloadSsl
            | OperationName::Move
            | OperationName::Remove
            | OperationName::Decommission
            | OperationName::Replace
            | OperationName::Restart => None,
        }
    }

    /// The operation that does it.
    pub fn operation(self) -> OperationName {
        match self {
            Self::Cleanup => OperationName::Cleanup,
            Self::UpgradeSstables => OperationName::UpgradeSstables,
            Self::Scrub => OperationName::Scrub,
            Self::Compact => OperationName::Compact,
            Self::Flush => OperationName::Flush,
            Self::GarbageCollect => OperationName::GarbageCollect,
        }
    }

    /// Whether it is done by so many compaction threads as are asked for.
    pub fn takes_threads(self) -> bool {
        !matches!(self, Self::Compact | Self::Flush)
    }

    /// Whether it has an option, by its name.
    fn takes(self, option: &str) -> bool {
        match option {
            "threads" => self.takes_threads(),
            "noSnapshot" | "noValidate" | "skipCorrupted" => self == Self::Scrub,
            "splitOutput" | "tokens" => self == Self::Compact,
            _ => true,
        }
    }

    /// Whether the keyspace is the argument of the operation. `CassKop` knows two operations without any, and leaves the arguments of
    /// other ones behind on pods: a keyspace of those two is an option.
    pub(super) fn takes_an_argument(self) -> bool {
        !matches!(self, Self::Cleanup | Self::UpgradeSstables)
    }
}

/// Which tables are worked on, and how: all of all keyspaces, as `nodetool` does it, where nothing is said.
#[expect(clippy::struct_excessive_bools, reason = "flags of nodetool, each of its own")]
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TableOptions {
    /// The only keyspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyspace: Option<String>,
    /// The only tables of that keyspace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Compaction threads to work with, 0 is all the node has: all but compact and flush.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u16>,
    /// Scrub: make no snapshot first; what cannot be read is gone then.
    #[serde(skip_serializing_if = "is_false")]
    pub no_snapshot: bool,
    /// Scrub: do not look whether values are of their columns' types.
    #[serde(skip_serializing_if = "is_false")]
    pub no_validate: bool,
    /// Scrub: leave out partitions that cannot be read of counter tables too, instead of failing there.
    #[serde(skip_serializing_if = "is_false")]
    pub skip_corrupted: bool,
    /// Compact: make several data files, of falling sizes, of each table.
    #[serde(skip_serializing_if = "is_false")]
    pub split_output: bool,
    /// Compact: only data files with tokens between these two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenSpan>,
}

/// A range of the ring.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSpan {
    /// First token, a whole number in decimal digits.
    pub start: String,
    /// Last token, the same.
    pub end: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// In the words of the options, on one line; empty where nothing is said.
impl fmt::Display for TableOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = match &self.keyspace {
            Some(keyspace) if !self.tables.is_empty() => {
                let of_keyspace = |table| format!("{keyspace}.{table}");
                self.tables.iter().map(of_keyspace).collect()
            }
            keyspace => keyspace.iter().cloned().collect(),
        };
        words.extend(self.threads.map(|threads| format!("threads={threads}")));
        let flags = self.flags().into_iter().filter(|(_, is_set)| *is_set);
        words.extend(flags.map(|(flag, _)| flag.to_owned()));
        let tokens = self.tokens.as_ref();
        words.extend(tokens.map(|TokenSpan { start, end }| format!("tokens={start}..{end}")));
        f.write_str(&words.join(" "))
    }
}

impl TableOptions {
    /// Those of a keyspace, or of all.
    pub fn of_keyspace(keyspace: Option<String>) -> Self {
        Self {
            keyspace,
            ..Self::default()
        }
    }

    /// Names of the options that are given.
    pub fn given(&self) -> Vec<&'static str> {
        let before = [
            ("keyspace", self.keyspace.is_some()),
            ("tables", !self.tables.is_empty()),
            ("threads", self.threads.is_some()),
        ];
        let all = before.into_iter().chain(self.flags());
        let all = all.chain([("tokens", self.tokens.is_some())]);
        let given = all.filter(|(_, is_given)| *is_given);
        given.map(|(option, _)| option).collect()
    }

    fn flags(&self) -> [(&'static str, bool); 4] {
        [
            ("noSnapshot", self.no_snapshot),
            ("noValidate", self.no_validate),
            ("skipCorrupted", self.skip_corrupted),
            ("splitOutput", self.split_output),
        ]
    }

    /// Whether the work can be done so; else says what is wrong.
    pub fn check(&self, work: TableWork) -> Result<(), ArgumentError> {
        if let Some(keyspace) = &self.keyspace
            && !is_name(keyspace)
        {
            return Err(ArgumentError::Keyspace {
                operation: work.operation(),
                text: keyspace.clone(),
            });
        }
        let wrong = |why: String| ArgumentError::Options {
            operation: work.operation(),
            why,
        };
        if let Some(option) = self.given().into_iter().find(|option| !work.takes(option)) {
            return Err(wrong(format!("it has no `{option}`")));
        }
        if let Some(table) = self.tables.iter().find(|table| !is_name(table)) {
            return Err(wrong(format!("`{table}` is no table's name")));
        }
        if !self.tables.is_empty() && self.keyspace.is_none() {
            return Err(wrong("tables are of a keyspace: name it too".to_owned()));
        }
        let Some(TokenSpan { start, end }) = &self.tokens else {
            return Ok(());
        };
        if self.split_output {
            return Err(wrong("`splitOutput` does not go with `tokens`".to_owned()));
        }
        match [start, end].into_iter().find(|token| !is_token(token)) {
            Some(text) => Err(wrong(format!("`{text}` is not a token, which is a whole number"))),
            None => Ok(()),
        }
    }

    /// As it is written on a pod, without what is the operation's argument; nothing where nothing is said.
    pub(super) fn to_text(&self, work: TableWork) -> Option<String> {
        let keyspace = self.keyspace.clone().filter(|_| !work.takes_an_argument());
        let written = Self {
            keyspace,
            ..self.clone()
        };
        if written == Self::default() {
            return None;
        }
        serde_json::to_string(&written).ok()
    }

    /// Reads what is written on a pod. What is not understood is refused: it may say what is to be left alone.
    pub(super) fn parse(
        work: TableWork,
        argument: Option<&str>,
        options: Option<&str>,
    ) -> Result<Self, ArgumentError> {
        let mut read = match options.map(str::trim).filter(|text| !text.is_empty()) {
            None => Self::default(),
            Some(text) => serde_json::from_str(text).map_err(|error| ArgumentError::Options {
                operation: work.operation(),
                why: error.to_string(),
            })?,
        };
        if work.takes_an_argument() {
            match (argument, &read.keyspace) {
                (_, None) => read.keyspace = argument.map(str::to_owned),
                (argument, Some(keyspace)) if argument == Some(keyspace.as_str()) => {}
                (_, Some(_)) => {
                    return Err(ArgumentError::Options {
                        operation: work.operation(),
                        why: "its keyspace is named in operation-argument".to_owned(),
                    });
                }
            }
        }
        read.check(work)?;
        Ok(read)
    }
}

/// Letters, digits and `_`, 48 at most: Cassandra's rule for keyspaces and tables.
fn is_name(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.len() <= 48 && text.chars().all(word)
}

pub(super) fn is_token(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.len() <= 39 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use crate::operation::OperationCommand;

    fn parse(name: &str, argument: Option<&str>, options: &str) -> Result<OperationCommand, String> {
        OperationCommand::parse(name.parse().unwrap(), argument, Some(options))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (name, argument, options) in [
            (
                "cleanup",
                None,
                r#"{"keyspace":"shop","tables":["carts","orders"],"threads":1}"#,
            ),
            ("upgradesstables", None, r#"{"threads":0}"#),
            (
                "scrub",
                Some("shop"),
                r#"{"noSnapshot":true,"noValidate":true,"skipCorrupted":true}"#,
            ),
            ("compact", None, r#"{"splitOutput":true}"#),
            (
                "compact",
                Some("shop"),
                r#"{"tables":["carts"],"tokens":{"start":"-9","end":"10"}}"#,
            ),
            ("garbagecollect", Some("shop"), r#"{"threads":4}"#),
        ] {
            let command = parse(name, argument, options).unwrap();
            assert_eq!(command.argument().as_deref(), argument);
            assert_eq!(command.options().as_deref(), Some(options));
        }
    }

    #[test]
    fn they_are_shown_in_words() {
        let shown = |name: &str, argument, options: &str| match parse(name, argument, options).unwrap() {
            OperationCommand::OnTables(_, options) => options.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(shown("cleanup", None, ""), "");
        assert_eq!(
            shown(
                "scrub",
                Some("shop"),
                r#"{"tables":["carts","orders"],"threads":1,"noSnapshot":true}"#
            ),
            "shop.carts shop.orders threads=1 noSnapshot"
        );
        assert_eq!(
            shown("compact", None, r#"{"tokens":{"start":"-9","end":"10"}}"#),
            "tokens=-9..10"
        );
    }

    #[test]
    fn a_keyspace_left_behind_for_another_operation_is_not_one_of_a_cleanup() {
        let command = parse("cleanup", Some("demo-dc1-rack1-0_10.0.0.1"), "").unwrap();
        assert_eq!((command.argument(), command.options()), (None, None));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_word() {
        for (name, argument, options, why) in [
            (
                "flush",
                None,
                r#"{"threads":2}"#,
                "options of flush: it has no `threads`",
            ),
            (
                "cleanup",
                None,
                r#"{"noSnapshot":true}"#,
                "options of cleanup: it has no `noSnapshot`",
            ),
            (
                "scrub",
                None,
                r#"{"splitOutput":true}"#,
                "options of scrub: it has no `splitOutput`",
            ),
            (
                "cleanup",
                None,
                r#"{"tables":["carts"]}"#,
                "options of cleanup: tables are of a keyspace: name it too",
            ),
            (
                "cleanup",
                None,
                r#"{"keyspace":"shop","tables":["a b"]}"#,
                "options of cleanup: `a b` is no table's name",
            ),
            (
                "compact",
                None,
                r#"{"tokens":{"start":"","end":"1"}}"#,
                "options of compact: `` is not a token, which is a whole number",
            ),
            (
                "compact",
                None,
                r#"{"splitOutput":true,"tokens":{"start":"0","end":"1"}}"#,
                "options of compact: `splitOutput` does not go with `tokens`",
            ),
            (
                "compact",
                Some("shop"),
                r#"{"keyspace":"bank"}"#,
                "options of compact: its keyspace is named in operation-argument",
            ),
        ] {
            assert_eq!(parse(name, argument, options), Err(why.to_owned()));
        }
        let unknown = parse("cleanup", None, r#"{"keyspaces":["shop"]}"#).unwrap_err();
        assert!(unknown.contains("unknown field `keyspaces`"), "{unknown}");
        let keyspace = parse("cleanup", None, r#"{"keyspace":"a-b"}"#).unwrap_err();
        assert!(keyspace.contains("`a-b` is not a keyspace"), "{keyspace}");
    }
}
