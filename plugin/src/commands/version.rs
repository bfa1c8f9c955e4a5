//! `version`: of the plugin, and of everything it talks to.

mod found;

use serde_json::json;

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::render;
pub(crate) use found::{OPERATOR_LABEL, OPERATOR_NAMESPACE, definition, minor, operators};

/// This plugin's version.
pub(crate) const CLIENT: &str = env!("CARGO_PKG_VERSION");

/// Show the versions of the plugin, the operator, the definitions and Cassandra
///
/// A plugin and an operator of different minor versions may not understand each other in everything; that is said as a warning.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # What to name when reporting a problem
  kubectl casskop version
  # Of the plugin alone, without asking a cluster
  kubectl casskop version --client")]
pub(crate) struct Args {
    /// Only the plugin's own, without asking a cluster
    #[arg(long)]
    client: bool,
}

/// Tells the plugin's own version, and whether that was all.
pub(super) fn client(args: &Args, printer: &mut Printer<'_>) -> Result<Option<ExitStatus>, Failure> {
    let line = format!("kubectl-casskop {CLIENT}");
    if args.client {
        printer.result(
            &line,
            std::slice::from_ref(&line),
            &json!({ "clientVersion": CLIENT }),
        )?;
        return Ok(Some(ExitStatus::Success));
    }
    // For programs it is part of the one value that follows.
    printer.text(&line)?;
    Ok(None)
}

pub(super) async fn run(access: &Access, printer: &mut Printer<'_>) -> Result<ExitStatus, Failure> {
    let found = found::ask(access).await?;
    for unknown in &found.unknown {
        printer.warning(unknown);
    }
    for skew in found.skew() {
        printer.warning(&skew);
    }
    printer.result(&render::rows(&found.rows()), &[], &json!(found))?;
    Ok(ExitStatus::Success)
}
