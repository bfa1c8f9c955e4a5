//! The operator's command line.

use std::process::ExitCode;

use casskop_operator::cli::{Cli, Command};
use casskop_operator::run::Ending;
use casskop_operator::{run, telemetry};
use clap::Parser;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Version => telemetry::print_version(),
        Command::Run(args) => {
            telemetry::install(args.log_level, args.log_type);
            // Two threads: passes wait for the API server and the nodes nearly all of their time, and every thread
            // more is memory for its stack and allocator arena.
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            let ended = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
                let ended = runtime.block_on(run::run(*args));
                // Whatever still runs in the background is a call whose work goes on in the node.
                runtime.shutdown_background();
                ended
            });
            match ended {
                Ok(Ending::Stopped) => ExitCode::SUCCESS,
                Ok(Ending::MustRestart) => ExitCode::FAILURE,
                Err(error) => {
                    tracing::error!("{error:#}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}
