//! One file a verb, or verbs of one kind: arguments, and what is done. `run` is the only place that lists them.

pub(crate) mod check;
pub(crate) mod completion;
mod confirm;
pub(crate) mod cqlsh;
pub(crate) mod decommission;
pub(crate) mod install;
pub(crate) mod logs;
pub(crate) mod maintenance;
pub(crate) mod nodetool;
pub(crate) mod pause;
pub(crate) mod plan;
mod pod_change;
mod pod_operation;
pub(crate) mod rebuild;
pub(crate) mod reconcile;
pub(crate) mod removenode;
pub(crate) mod replace;
pub(crate) mod report;
pub(crate) mod restart;
pub(crate) mod schedule;
pub(crate) mod seeds;
pub(crate) mod status;
mod table_flags;
pub(crate) mod task;
pub(crate) mod tree;
pub(crate) mod version;

use crate::cli::{Cli, Spelling, Verb};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;

/// Carries out a parsed command line. Nothing of a runtime or of TLS is set up before it is known to be needed.
pub(crate) fn run(cli: &Cli, printer: &mut Printer<'_>) -> Result<ExitStatus, Failure> {
    if let Verb::Version(args) = &cli.verb
        && let Some(status) = version::client(args, printer)?
    {
        return Ok(status);
    }
    if let Verb::Completion(args) = &cli.verb {
        return completion::run(args, printer);
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
            Verb::Maintenance(verb) => maintenance::run(verb, &access, printer).await,
            Verb::Rebuild(args) => rebuild::run(args, &access, printer).await,
            Verb::Removenode(args) => removenode::run(args, Spelling::Ours, &access, printer).await,
            Verb::Remove(args) => removenode::run(args, args.spelling(), &access, printer).await,
            Verb::Replace(args) => replace::run(args, &access, printer).await,
            Verb::Decommission(args) => decommission::run(args, &access, printer).await,
            Verb::Pause(args) => pause::pause(args, &access, printer).await,
            Verb::Unpause(args) => pause::unpause(args, &access, printer).await,
            Verb::Plan(args) => plan::run(args, &access, printer).await,
            Verb::Reconcile(args) => reconcile::run(args, &access, printer).await,
            Verb::Task(args) => task::run(args, &access, printer).await,
            Verb::Schedule(args) => schedule::run(args, &access, printer).await,
            Verb::Tree(args) => tree::run(args, &access, printer).await,
            Verb::Seeds(args) => seeds::run(args, &access, printer).await,
            Verb::Logs(args) => logs::run(args, &access, printer).await,
            Verb::Nodetool(args) => nodetool::run(args, &access, printer).await,
            Verb::Cqlsh(args) => cqlsh::run(args, &access, printer).await,
            Verb::Check(args) => check::run(args, &access, printer).await,
            Verb::Report(args) => report::run(args, &access, printer).await,
            Verb::Install(args) => install::run(args, &access, printer).await,
            Verb::Completion(args) => completion::run(args, printer),
            Verb::Version(_) => version::run(&access, printer).await,
        }
    })
}
