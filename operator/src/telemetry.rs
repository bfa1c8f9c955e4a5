//! Logs: lines of text or JSON on standard error, in CassKop's levels.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::cli::{LogLevel, LogType};

/// The operator's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Sends what the operator logs at `level` and above to standard error, and what its libraries say from WARN on.
pub fn install(level: LogLevel, form: LogType) {
    let own = Level::from(level);
    let targets = Targets::new()
        .with_default(LevelFilter::WARN.min(LevelFilter::from_level(own)))
        .with_target("casskop_operator", own)
        // An error per lost watch connection, which the watch repairs and reports itself.
        .with_target("kube_client::client::builder", LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let registry = tracing_subscriber::registry();
    match form {
        LogType::Json => registry
            .with(
                lines
                    .json()
                    .flatten_event(true)
                    .with_current_span(true)
                    .with_span_list(false)
                    .with_filter(targets),
            )
            .init(),
        LogType::Text => registry
            .with(lines.with_target(false).with_filter(targets))
            .init(),
    }
}

/// Prints the version line of `casskop-operator version`.
pub fn print_version() -> ExitCode {
    match writeln!(io::stdout(), "casskop-operator {VERSION}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
