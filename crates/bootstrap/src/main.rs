//! The one binary of a Cassandra pod's init containers, start step and probes; see the library's documentation.

use casskop_bootstrap::roles::{Environment, Layout, before_start, bootstrap, config_builder, probe};
use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::process::ExitCode;

/// Prepares, starts and probes Cassandra in a pod.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Render the configuration from `CONFIG_FILE_DATA` (init container `config-builder`).
    ConfigBuilder,
    /// Put probes and agents in place, run the hooks, plan the start (init container `bootstrap`).
    Bootstrap,
    /// Decide over the seeds (in the Cassandra container, before each start of the JVM).
    BeforeStart,
    /// Answer a probe (in the Cassandra container).
    Probe {
        /// Which one.
        kind: probe::Kind,
    },
}

fn main() -> ExitCode {
    let (environment, layout) = (Environment::of_process(), Layout::default());
    let mut out = std::io::stdout();
    let result = match Arguments::parse().role {
        Role::ConfigBuilder => config_builder::run(&environment, &mut out),
        Role::Bootstrap => bootstrap::run(&layout, &environment, &mut out),
        Role::BeforeStart => before_start::run(&layout, before_start::Patience::default(), &mut out),
        Role::Probe { kind } => probe::run(kind, &layout, &environment, &mut out),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody left to tell if this fails.
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}
