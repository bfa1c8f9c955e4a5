//! Records the requests and answers in this directory from real Cassandra nodes; `README.md` says how.

mod cql;
mod exchange;
mod network;
mod node;
mod operations;
mod reads;
mod scenario;
mod trace;

use std::io::stderr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;

/// Starts a small ring of real nodes by plain java, takes it through its states and records what Jolokia
/// answers in each.
#[derive(Parser)]
struct Arguments {
    /// Version of the jars, which names the directory written, such as 5.0.9
    #[arg(long)]
    cassandra: String,
    /// Directory of cassandra-all and its dependencies
    #[arg(long)]
    lib: PathBuf,
    /// The jar of Jolokia's JVM agent
    #[arg(long)]
    agent: PathBuf,
    /// File of the java options the version needs, one a line
    #[arg(long, default_value = "tests/lab/images/cassandra/bin/java17.options")]
    java_options: PathBuf,
    /// Directory of the traces; a directory of the version's name is written in it
    #[arg(long, default_value = "tests/lab/traces")]
    out: PathBuf,
    /// Directory for data and logs of the nodes; emptied first, kept afterwards for reading the logs
    #[arg(long)]
    scratch: PathBuf,
}

fn main() -> Result<()> {
    if !network::has_addresses() {
        return network::run_again_in_own_namespace();
    }
    let arguments = Arguments::parse();
    if arguments.scratch.exists() {
        std::fs::remove_dir_all(&arguments.scratch).context("cannot empty the scratch directory")?;
    }
    let options = std::fs::read_to_string(&arguments.java_options)
        .with_context(|| format!("cannot read {}", arguments.java_options.display()))?;
    let java = node::Java {
        lib: arguments.lib,
        agent: arguments.agent,
        options: options
            .lines()
            .filter(|line| line.starts_with('-'))
            .map(str::to_owned)
            .collect(),
        scratch: arguments.scratch,
        version: arguments.cassandra.parse().context("--cassandra")?,
    };
    let mut traces = trace::Traces::of(&arguments.cassandra, &java.scratch);
    let played = scenario::play(&java, &mut traces, &mut stderr());
    traces.write(&arguments.out.join(&arguments.cassandra))?;
    played
}
