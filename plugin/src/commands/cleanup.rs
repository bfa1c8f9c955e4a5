//! `cleanup`.

use casskop_types::operation::OperationCommand;

use super::pod_operation;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;

/// Drop the data of tokens that nodes no longer own
///
/// Ask for it after nodes have been added: each old node still holds the data it has handed over. Nodes stay up.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # On every node of the only cluster of the namespace, watching it
  kubectl casskop cleanup start --wait
  # On the nodes of a rack
  kubectl casskop cleanup start --crd demo --rack dc1.rack1
  # On pods by the beginning of their names
  kubectl casskop cleanup --prefix demo-dc1
  # How far it is
  kubectl casskop cleanup status --crd demo")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) request: pod_operation::RequestArgs,
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    pod_operation::run(&args.request, OperationCommand::Cleanup, access, printer).await
}
