//! `version`.

use serde_json::json;

use crate::cli::OutputFormat;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Show the version of this plugin
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # What to name when reporting a problem
  kubectl casskop version")]
pub(crate) struct Args {}

pub(super) fn run(_: &Args, printer: &mut Printer<'_>) -> Result<ExitStatus, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    match printer.format() {
        OutputFormat::Text | OutputFormat::Name => printer.line(&format!("kubectl-casskop {version}"))?,
        OutputFormat::Json | OutputFormat::Yaml => printer.value(&json!({ "clientVersion": version }))?,
    }
    Ok(ExitStatus::Success)
}
