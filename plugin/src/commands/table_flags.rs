//! Flags that say which tables are worked on, and how.

use casskop_types::operation::{OperationCommand, OperationName, TableOptions, TokenSpan};
use clap::builder::NonEmptyStringValueParser;

/// Which tables.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "With start or create: which tables, and how")]
pub(crate) struct TableFlags {
    /// Only this keyspace, instead of all
    #[arg(long, value_name = "KEYSPACE", value_parser = keyspace)]
    keyspace: Option<String>,
    /// Only this table of the keyspace; may be given several times
    #[arg(long = "table", value_name = "TABLE", value_parser = NonEmptyStringValueParser::new(), requires = "keyspace")]
    tables: Vec<String>,
}

/// The flag of each option, by the option's name.
pub(crate) const FLAGS: [(&str, &str); 8] = [
    ("keyspace", "--keyspace"),
    ("tables", "--table"),
    ("threads", "--threads"),
    ("noSnapshot", "--no-snapshot"),
    ("noValidate", "--no-validate"),
    ("skipCorrupted", "--skip-corrupted"),
    ("splitOutput", "--split-output"),
    ("tokens", "--start-token"),
];

/// At which pace.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "With start or create: which tables, and how")]
pub(crate) struct ThreadFlags {
    /// Compaction threads of each node to work with; not of flush and compact [default: the operator's choice]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
}

/// How to scrub.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "With start or create: which tables, and how")]
pub(crate) struct ScrubFlags {
    /// Make no snapshot first: what cannot be read is gone then (scrub)
    #[arg(long)]
    no_snapshot: bool,
    /// Do not look whether values are of their columns' types (scrub)
    #[arg(long)]
    no_validate: bool,
    /// Leave out what cannot be read of counter tables too, instead of failing: counts may come out lower (scrub)
    #[arg(long)]
    skip_corrupted: bool,
}

/// How to compact.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "With start or create: which tables, and how")]
pub(crate) struct CompactFlags {
    /// Make several data files, of falling sizes, of each table (compact)
    #[arg(long, conflicts_with_all = ["start_token", "end_token"])]
    split_output: bool,
    /// Only data files with tokens from this one on (compact)
    #[arg(
        long,
        value_name = "TOKEN",
        allow_negative_numbers = true,
        requires = "end_token"
    )]
    start_token: Option<String>,
    /// Only data files with tokens up to this one (compact)
    #[arg(
        long,
        value_name = "TOKEN",
        allow_negative_numbers = true,
        requires = "start_token"
    )]
    end_token: Option<String>,
}

/// Reads a keyspace as the operator will. Nothing at all is none: it would be taken for all keyspaces.
fn keyspace(text: &str) -> Result<String, String> {
    let read = OperationCommand::parse(OperationName::Flush, Some(text), None);
    let argument = read.ok().and_then(|command| command.argument());
    argument.filter(|read| read == text).ok_or_else(|| {
        "a keyspace's name has letters, digits and `_`, 48 at most; leave the flag out for all keyspaces"
            .to_owned()
    })
}

impl TableFlags {
    /// Sets what is given.
    pub(crate) fn read(&self, options: &mut TableOptions) {
        options.keyspace.clone_from(&self.keyspace);
        options.tables.clone_from(&self.tables);
    }
}

impl ThreadFlags {
    /// Sets what is given.
    pub(crate) fn read(&self, options: &mut TableOptions) {
        options.threads = self.threads;
    }
}

impl ScrubFlags {
    /// Sets what is given.
    pub(crate) fn read(&self, options: &mut TableOptions) {
        options.no_snapshot = self.no_snapshot;
        options.no_validate = self.no_validate;
        options.skip_corrupted = self.skip_corrupted;
    }
}

impl CompactFlags {
    /// Sets what is given.
    pub(crate) fn read(&self, options: &mut TableOptions) {
        options.split_output = self.split_output;
        options.tokens = match (&self.start_token, &self.end_token) {
            (Some(start), Some(end)) => Some(TokenSpan {
                start: start.clone(),
                end: end.clone(),
            }),
            _ => None,
        };
    }
}
