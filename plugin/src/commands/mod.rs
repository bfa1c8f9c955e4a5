//! One file a verb: its arguments, and what it does. `run` is the only place that lists them.

pub(crate) mod cleanup;
mod pod_operation;
pub(crate) mod rebuild;
pub(crate) mod removenode;
pub(crate) mod restart;
pub(crate) mod status;
pub(crate) mod upgradesstables;
pub(crate) mod version;

use crate::cli::{Cli, Verb};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;

/// Carries out a parsed command line. Nothing of a runtime or of TLS is set up before it is known to be needed.
pub(crate) fn run(cli: &Cli, printer: &mut Printer<'_>) -> Result<ExitStatus, Failure> {
    if let Verb::Version(args) = &cli.verb {
        return version::run(args, printer);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)?;
    runtime.block_on(async {
        let access = Access::open(&cli.global).await?;
        let place = access.place();
        printer.detail(&format!(
            "API server {} of context {}, namespace {}",
            place.server, place.context, place.namespace
        ));
        match &cli.verb {
            Verb::Status(args) => status::run(args, &access, printer).await,
            Verb::Restart(args) => restart::run(args, &access, printer).await,
            Verb::Cleanup(args) => cleanup::run(args, &access, printer).await,
            Verb::Upgradesstables(args) => upgradesstables::run(args, &access, printer).await,
            Verb::Rebuild(args) => rebuild::run(args, &access, printer).await,
            Verb::Removenode(args) => removenode::run(args, &access, printer).await,
            Verb::Version(args) => version::run(args, printer),
        }
    })
}
