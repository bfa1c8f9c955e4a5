//! `upgradesstables`.

use casskop_types::operation::OperationCommand;

use super::pod_operation;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;

/// Rewrite SSTables that an older Cassandra wrote
///
/// Ask for it after an upgrade of Cassandra has reached every node. Nodes stay up.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # On every node of the only cluster of the namespace, watching it
  kubectl casskop upgradesstables start --wait
  # On the nodes of a rack
  kubectl casskop upgradesstables start --crd demo --rack dc1.rack1
  # On pods by the beginning of their names
  kubectl casskop upgradesstables --prefix demo-dc1
  # How far it is
  kubectl casskop upgradesstables status --crd demo")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) request: pod_operation::RequestArgs,
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    pod_operation::run(&args.request, OperationCommand::UpgradeSstables, access, printer).await
}
