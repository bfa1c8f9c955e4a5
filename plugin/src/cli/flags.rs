//! Flags that every verb takes, named and described as kubectl's own.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::duration::{self, Limit};
use super::output::{self, OutputFormat};

/// Which API server, as whom, and how to talk. kubectl takes no flag before a plugin's name, so each is accepted anywhere
/// after it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global flags")]
pub(crate) struct GlobalFlags {
    /// Namespace of the clusters
    #[arg(short, long, global = true)]
    pub(crate) namespace: Option<String>,
    /// The name of the kubeconfig context to use
    #[arg(long, global = true)]
    pub(crate) context: Option<String>,
    /// Path to the kubeconfig file to use for CLI requests
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The name of the kubeconfig cluster to use
    #[arg(long, global = true)]
    pub(crate) cluster: Option<String>,
    /// The name of the kubeconfig user to use
    #[arg(long, global = true)]
    pub(crate) user: Option<String>,
    /// Username to impersonate for the operation
    #[arg(long = "as", global = true, value_name = "USER")]
    pub(crate) impersonate: Option<String>,
    /// Group to impersonate for the operation; repeat it for several
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    pub(crate) impersonate_groups: Vec<String>,
    /// How long one request to the API server may take; 0 for no limit
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration::limit, default_value = "30s")]
    pub(crate) request_timeout: Option<Limit>,
    /// Form of the result: text, wide, json, yaml, name, or jsonpath='{.a.b[*].c}'
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORM",
        value_parser = output::format,
        default_value = "text",
        hide_default_value = true
    )]
    pub(crate) output: OutputFormat,
    /// When to color; `auto` means on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) color: Color,
    /// Say more about what goes wrong, and on which server
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl GlobalFlags {
    /// The longest one request may take.
    pub(crate) fn request_timeout(&self) -> Option<std::time::Duration> {
        self.request_timeout.and_then(Limit::get)
    }
}

/// When to color.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// Whether to wait for the end of what was asked for. CassKop's plugin never did, so that is the default.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Waiting")]
pub(crate) struct WaitFlags {
    /// Wait until the operator has carried the request out, and show how it goes
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Only write the request (the default)
    #[arg(long, overrides_with = "wait")]
    no_wait: bool,
    /// Give up waiting after this time; the request stays [default: no limit]
    #[arg(long, value_name = "DURATION", value_parser = duration::limit, requires = "wait")]
    timeout: Option<Limit>,
}

/// How requests are written.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Writing")]
pub(crate) struct WriteFlags {
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// Answer yes where it is asked whether something may be lost
    #[arg(short, long)]
    yes: bool,
}

/// Whether anything is written.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct DryRunFlag {
    /// Write nothing: `client` only shows what would be written, `server` has the API server judge it as well
    #[arg(
        long,
        value_enum,
        value_name = "WHERE",
        num_args = 0..=1,
        require_equals = true,
        default_value_t,
        default_missing_value = "client",
        hide_default_value = true
    )]
    pub(crate) dry_run: DryRun,
}

impl WriteFlags {
    /// Whether anything is written.
    pub(crate) fn dry_run(&self) -> DryRun {
        self.dry_run.dry_run
    }

    /// Who says yes to what will be lost.
    pub(crate) fn consent(&self, spelling: Spelling) -> Consent {
        match (self.yes, spelling) {
            (true, _) => Consent::Given,
            (false, Spelling::CassKops) => Consent::AskIfSomebodyIsThere,
            (false, Spelling::Ours) => Consent::Ask,
        }
    }
}

/// Whether a request really is one, in kubectl's words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    // No doc comments: clap would show them, and one described value makes all of the help twice as long.
    #[default]
    None,
    Client,
    Server,
}

impl DryRun {
    /// What a line about something that was not written ends with.
    pub(crate) const fn mark(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Client => " (dry run)",
            Self::Server => " (server dry run)",
        }
    }
}

/// Whose command line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// A command line that CassKop's plugin takes too, which asked nobody anything: scripts have it.
    CassKops,
    Ours,
}

/// Who says yes to what will be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// The command line.
    Given,
    /// Somebody at the terminal; without a terminal nobody.
    Ask,
    /// Somebody at the terminal; without a terminal the command line is enough.
    AskIfSomebodyIsThere,
}

/// What to do once a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterWriting {
    /// Leave.
    Leave,
    /// Wait for the end, at most so long.
    Wait(Option<std::time::Duration>),
}

impl WaitFlags {
    /// What the flags ask for.
    pub(crate) fn after_writing(&self) -> AfterWriting {
        if self.wait {
            AfterWriting::Wait(self.timeout.and_then(Limit::get))
        } else {
            AfterWriting::Leave
        }
    }
}
