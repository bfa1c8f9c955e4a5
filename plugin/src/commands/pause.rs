//! `pause` and `unpause`: requests that have not begun are held back, and let go.

use casskop_core::guard::PodChange;
use casskop_types::operation::OperationName;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::pod_change::{self, Manner};
use crate::cli::{AfterWriting, PodTargets, WaitFlags, WriteFlags};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;

/// Hold back an operation that has not begun
///
/// What runs goes on. Pods of the selection where the operation is not waiting for its turn are passed over.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Whatever cleanup of the cluster has not begun
  kubectl casskop pause cleanup --crd demo
  # As CassKop's plugin spells it
  kubectl casskop pause cleanup --prefix demo-dc1")]
pub(crate) struct PauseArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// Let go an operation that is held back
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Whatever cleanup of the cluster is held back
  kubectl casskop unpause cleanup --crd demo --wait
  # As CassKop's plugin spells it
  kubectl casskop unpause cleanup --pod demo-dc1-rack1-0")]
pub(crate) struct UnpauseArgs {
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    #[command(flatten)]
    wait: WaitFlags,
}

/// Which operation, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct ChangeArgs {
    /// The operation
    #[arg(value_name = "OPERATION", value_parser = operation())]
    operation: OperationName,
    #[command(flatten)]
    targets: PodTargets,
    #[command(flatten)]
    write: WriteFlags,
}

/// Reads an operation's name; help and completion list them.
fn operation() -> impl TypedValueParser<Value = OperationName> {
    let names = OperationName::ALL.iter().map(|name| name.as_str());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<OperationName>())
}

impl ChangeArgs {
    /// As CassKop's plugin, which changed nothing unless it was told where.
    pub(crate) fn incomplete(&self) -> Option<String> {
        self.targets
            .is_empty()
            .then(|| "say which pods with --pod, --prefix, --crd, --dc, --rack or --selector".to_owned())
    }
}

pub(super) async fn pause(
    args: &PauseArgs,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let change = PodChange::Pause(args.change.operation);
    run(&args.change, change, AfterWriting::Leave, access, printer).await
}

pub(super) async fn unpause(
    args: &UnpauseArgs,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let change = PodChange::Unpause(args.change.operation);
    run(&args.change, change, args.wait.after_writing(), access, printer).await
}

async fn run(
    args: &ChangeArgs,
    change: PodChange,
    after: AfterWriting,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let manner = Manner {
        dry_run: args.write.dry_run(),
        after,
    };
    pod_change::change_selected(args.targets.selection(), &change, manner, access, printer).await
}
