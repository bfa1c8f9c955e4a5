//! The command line: what can be typed, and nothing of what it does.

mod duration;
mod flags;
mod help;
mod output;
#[cfg(test)]
mod pages;
mod targets;
#[cfg(test)]
mod tests;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use duration::{Limit, limit};
pub(crate) use flags::{
    AfterWriting, Color, Consent, DryRun, DryRunFlag, GlobalFlags, Spelling, WaitFlags, WriteFlags,
};
pub(crate) use output::OutputFormat;
pub(crate) use targets::{PodTargets, Step};

use crate::commands::maintenance::Maintenance;
use crate::commands::{
    check, completion, cqlsh, decommission, install, logs, nodetool, pause, plan, rebuild, reconcile,
    removenode, replace, report, restart, schedule, seeds, status, task, tree, version,
};
use crate::invocation::Invocation;

/// Ask the operator for day-2 work on Cassandra clusters, and watch it being done.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-casskop",
    version,
    disable_help_subcommand = true,
    // CassKop's plugin took any unambiguous beginning of a long flag (`--pre` for `--prefix`).
    infer_long_args = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalFlags,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// One variant a verb; each verb's arguments live beside what it does, in `commands`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Status(status::Args),
    Restart(restart::Args),
    #[command(flatten)]
    Maintenance(Maintenance),
    Rebuild(rebuild::Args),
    Removenode(removenode::Args),
    /// Take a lost node out of the ring, as CassKop's plugin spells it
    Remove(removenode::Args),
    Replace(replace::Args),
    Decommission(decommission::Args),
    Pause(pause::PauseArgs),
    Unpause(pause::UnpauseArgs),
    Plan(plan::Args),
    Reconcile(reconcile::Args),
    Task(task::Args),
    Schedule(schedule::Args),
    Tree(tree::Args),
    Seeds(seeds::Args),
    Logs(logs::Args),
    Nodetool(nodetool::Args),
    Cqlsh(cqlsh::Args),
    Check(check::Args),
    Report(report::Args),
    Install(install::Args),
    Version(version::Args),
    Completion(completion::Args),
}

/// The tree of commands as it is shown: named as it was called, verbs in groups.
pub(crate) fn command(invocation: &Invocation) -> clap::Command {
    help::shown_as(Cli::command(), invocation)
}

/// Reads a command line.
///
/// # Errors
/// Clap's, which also stand for `--help` and `--version`: they know their text, their stream and their exit code.
pub(crate) fn parse(invocation: &Invocation, args: &[OsString]) -> Result<Cli, clap::Error> {
    let mut command = command(invocation);
    let matches = command.try_get_matches_from_mut(args)?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    if let Some((verb, missing)) = cli.verb.incomplete() {
        let shown = match command.find_subcommand_mut(verb) {
            Some(shown) => shown,
            None => &mut command,
        };
        return Err(shown.error(ErrorKind::MissingRequiredArgument, missing));
    }
    Ok(cli)
}

impl Verb {
    /// What the grammar above cannot say: the verb, and what is missing from its arguments.
    fn incomplete(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Maintenance(verb) => verb.incomplete(),
            Self::Rebuild(args) => args.incomplete().map(|text| ("rebuild", text)),
            Self::Removenode(args) => args.incomplete().map(|text| ("removenode", text)),
            Self::Remove(args) => args.incomplete().map(|text| ("remove", text)),
            Self::Pause(args) => args.change.incomplete().map(|text| ("pause", text)),
            Self::Unpause(args) => args.change.incomplete().map(|text| ("unpause", text)),
            Self::Task(args) => args.incomplete().map(|text| ("task", text)),
            Self::Schedule(args) => args.incomplete().map(|text| ("schedule", text)),
            Self::Restart(args) => args.incomplete().map(|text| ("restart", text)),
            Self::Status(_)
            | Self::Plan(_)
            | Self::Reconcile(_)
            | Self::Tree(_)
            | Self::Seeds(_)
            | Self::Logs(_)
            | Self::Nodetool(_)
            | Self::Cqlsh(_)
            | Self::Completion(_)
            | Self::Check(_)
            | Self::Report(_)
            | Self::Install(_)
            | Self::Decommission(_)
            | Self::Replace(_)
            | Self::Version(_) => None,
        }
    }
}
