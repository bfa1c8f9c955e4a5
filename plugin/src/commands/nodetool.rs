//! `nodetool`, in the pods.

use casskop_core::guard::{self, Named};

use crate::cli::PodTargets;
use crate::exec::{self, Command, Input, Shown};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::request;

/// Run Cassandra's nodetool in pods
///
/// What only shows something (`status`, `info`, `tpstats`, ...) runs on one ready node where no pods are selected; anything else has to
/// be told where. Several pods are taken one after the other. Work that the operator has a verb for is better asked for with that: it is
/// queued, watched and recorded.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # The ring as one node sees it
  kubectl casskop nodetool status
  # Flush a keyspace on every node of a rack
  kubectl casskop nodetool --crd demo --rack dc1.rack1 -- flush orders
  # Thread pools of one node
  kubectl casskop nodetool --pod demo-dc1-rack1-0 -- tpstats")]
pub(crate) struct Args {
    #[command(flatten)]
    targets: PodTargets,
    /// Arguments of nodetool; from the first one on everything is nodetool's
    #[arg(required = true, trailing_var_arg = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let named = if args.targets.is_empty() {
        Named::Nothing
    } else {
        Named::Pods
    };
    let (namespace, selection) = request::selected(access, args.targets.selection()).await?;
    let views = namespace.views();
    let nodes = guard::nodetool(&views, &selection, named, &args.arguments)?;
    if let Some(verb) = guard::better_verb(&args.arguments) {
        printer.warning(&format!(
            "the operator does not know of what nodetool does; `kubectl casskop {verb}` asks it to do the same and keeps a record"
        ));
    }
    if let (Named::Nothing, [node]) = (named, nodes.as_slice()) {
        printer.note(&format!("on pod {}; choose another with --pod", node.pod));
    }
    let mut status = ExitStatus::Success;
    for node in &nodes {
        let shown = if nodes.len() > 1 {
            Shown::After(format!("[{}] ", node.pod))
        } else {
            Shown::Plain
        };
        let mut argv = vec!["nodetool".to_owned()];
        argv.extend(args.arguments.iter().cloned());
        let command = Command {
            argv,
            input: Input::None,
        };
        let ended = exec::run(access, printer, &node.pod, command, &shown).await?;
        match ended {
            ExitStatus::Interrupted | ExitStatus::Terminated => return Ok(ended),
            // The first that fails is what the shell hears of; the others are run all the same.
            _ if status == ExitStatus::Success => status = ended,
            _ => {}
        }
    }
    Ok(status)
}
