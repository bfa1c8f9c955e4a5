//! `cqlsh`, in a pod.

use casskop_core::guard;

use crate::cli::PodTargets;
use crate::exec::{self, Command, Input, Shown};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::request;

/// Open a CQL shell in a pod
///
/// In the first ready pod of those selected. A password is never taken as an argument, where process lists and audit logs would show it: cqlsh
/// asks for it on a terminal, or reads it from a file of the pod (`--credentials`).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # A shell on any ready node of the only cluster of the namespace
  kubectl casskop cqlsh
  # As a user; cqlsh asks for the password
  kubectl casskop cqlsh --crd demo -- -u app
  # One statement
  kubectl casskop cqlsh --pod demo-dc1-rack1-0 -- -e 'DESCRIBE KEYSPACES'
  # Statements of a file
  kubectl casskop cqlsh --crd demo < schema.cql")]
pub(crate) struct Args {
    #[command(flatten)]
    targets: PodTargets,
    /// Arguments of cqlsh; from the first one on everything is cqlsh's
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let (namespace, selection) = request::selected(access, args.targets.selection()).await?;
    let views = namespace.views();
    let node = guard::cqlsh(&views, &selection, &args.arguments)?;
    if args.targets.pod.is_empty() {
        printer.note(&format!("on pod {}", node.pod));
    }
    let mut argv = vec!["cqlsh".to_owned()];
    argv.extend(args.arguments.iter().cloned());
    let command = Command {
        input: input(&args.arguments),
        argv,
    };
    exec::run(access, printer, &node.pod, command, &Shown::Plain).await
}

/// Statements that are given leave standard input alone: it may be that of a loop around the command.
fn input(arguments: &[String]) -> Input {
    let given = |argument: &String| {
        ["-e", "-f"].iter().any(|flag| argument.starts_with(flag))
            || argument.starts_with("--execute")
            || argument.starts_with("--file")
            || ["--version", "--help", "-h"].contains(&argument.as_str())
    };
    if arguments.iter().any(given) {
        Input::None
    } else {
        Input::of_this_process()
    }
}
