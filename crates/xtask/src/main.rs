//! `cargo xtask`: everything there is to do with this repository. The one place that knows how things are built.

mod bench;
mod cargo;
mod cli;
mod crds;
mod demo;
mod docs;
mod lab;
mod package;
mod printer;
mod setup;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use casskop_lab::progress::Progress;
use clap::Parser;

use cli::{Cli, Command};
use printer::Printer;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let printer = Printer::new();
    match run(cli, &printer) {
        Ok(code) => code,
        Err(error) => {
            printer.error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, printer: &Printer) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let work = async {
        match cli.command {
            Command::Setup(options) => setup::run(&options, printer).map(|()| ExitCode::SUCCESS),
            Command::Lab(command) => lab::run(command, printer).await.map(|()| ExitCode::SUCCESS),
            Command::Crds => crds::run(printer).map(|()| ExitCode::SUCCESS),
            Command::Docs => docs::run(printer).map(|()| ExitCode::SUCCESS),
            Command::Package(options) => package::run(&options, printer).map(|()| ExitCode::SUCCESS),
            Command::Test(options) => test::run(&options, printer).await,
            Command::Demo(options) => demo::run(&options, printer).await,
            Command::Bench => bench::run(printer).await,
        }
    };
    runtime.block_on(async {
        tokio::select! {
            outcome = work => outcome,
            // Leaving `work` drops whatever lab it holds, which takes that lab down.
            _ = tokio::signal::ctrl_c() => {
                printer.note("interrupted: taking down what was started");
                Ok(ExitCode::from(130))
            }
        }
    })
}
