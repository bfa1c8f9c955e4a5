//! `rebuild`.

use casskop_core::guard::{self, PodChange, PodScope, PodSelection};
use casskop_core::view::RackRef;
use casskop_types::operation::{OperationCommand, OperationName, Parallelism};
use clap::builder::NonEmptyStringValueParser;

use super::pod_change::{self, Manner};
use super::pod_operation;
use crate::cli::{PodTargets, WaitFlags, WriteFlags};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::request;

/// Stream a node's data from another datacenter
///
/// Ask for it on every node of a datacenter that was just added, once keyspaces are replicated to it. Nodes stay up.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Fill the new datacenter dc2 from dc1, watching it
  kubectl casskop rebuild --dc dc2 dc1 --wait
  # One node
  kubectl casskop rebuild --pod demo-dc2-rack1-0 dc1
  # How far it is
  kubectl casskop rebuild status --crd demo")]
pub(crate) struct Args {
    /// Datacenter to stream from, before which the word `start` may stand; or `status`, `pause`, `unpause` or `abort`
    #[arg(value_name = "FROM-DC", num_args = 1..=2, required = true)]
    words: Vec<String>,
    #[command(flatten)]
    targets: Targets,
    /// Stream from a datacenter this `CassandraCluster` does not have: another Kubernetes cluster holds it
    #[arg(long)]
    force: bool,
    /// Nodes of a rack that may stream at once
    #[arg(long, value_name = "N", default_value_t, hide_default_value = true)]
    parallel: Parallelism,
    #[command(flatten)]
    write: WriteFlags,
    #[command(flatten)]
    wait: WaitFlags,
}

/// As every pod operation takes them, but one value a flag: what follows may be FROM-DC.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Selecting pods")]
struct Targets {
    /// Only this pod; repeat it for several
    #[arg(long, value_name = "NAME", conflicts_with_all = ["prefix", "dc", "rack"])]
    pod: Vec<String>,
    /// Only pods whose names begin so
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new(), conflicts_with_all = ["dc", "rack"])]
    prefix: Option<String>,
    /// Only pods of this `CassandraCluster`
    #[arg(long, value_name = "NAME")]
    crd: Option<String>,
    /// Only pods of this datacenter; repeat it for several
    #[arg(long, value_name = "DC", value_delimiter = ',')]
    dc: Vec<String>,
    /// Only pods of this rack; repeat it for several
    #[arg(long, value_name = "DC.RACK", value_delimiter = ',', conflicts_with = "dc")]
    rack: Vec<RackRef>,
    /// Only Cassandra pods with these labels
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with_all = ["pod", "prefix", "dc", "rack"])]
    selector: Option<String>,
}

/// What the words ask for.
enum Wish<'a> {
    Status,
    Change(PodChange),
    From(&'a str),
}

impl Args {
    fn wish(&self) -> Option<Wish<'_>> {
        match self
            .words
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .as_slice()
        {
            ["status"] => Some(Wish::Status),
            ["pause"] => Some(Wish::Change(PodChange::Pause(OperationName::Rebuild))),
            ["abort"] => Some(Wish::Change(PodChange::Abort(OperationName::Rebuild))),
            ["unpause"] => Some(Wish::Change(PodChange::Unpause(OperationName::Rebuild))),
            ["start"] => None,
            [from_dc] | ["start", from_dc] => Some(Wish::From(from_dc)),
            _ => None,
        }
    }

    /// What is missing from the arguments.
    pub(crate) fn incomplete(&self) -> Option<String> {
        match self.wish() {
            None => Some("say from which datacenter to stream: rebuild [start] --pod NAME FROM-DC".to_owned()),
            Some(Wish::From(_)) if self.selection().scope == PodScope::All => {
                Some("say which pods with --pod, --prefix, --rack or --dc: no node streams from its own datacenter".to_owned())
            }
            Some(_) => None,
        }
    }

    fn selection(&self) -> PodSelection {
        let Targets {
            pod,
            prefix,
            crd,
            dc,
            rack,
            selector,
        } = self.targets.clone();
        let targets = PodTargets {
            pod,
            prefix,
            crd,
            dc,
            rack,
            selector,
        };
        targets.selection()
    }
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let selection = args.selection();
    let manner = Manner {
        dry_run: args.write.dry_run(),
        after: args.wait.after_writing(),
    };
    let from_dc = match args.wish() {
        Some(Wish::From(from_dc)) => from_dc.to_owned(),
        Some(Wish::Change(change)) => {
            return pod_change::change_selected(selection, &change, manner, access, printer).await;
        }
        Some(Wish::Status) | None => {
            return pod_operation::status(selection, OperationName::Rebuild, access, printer).await;
        }
    };
    let (namespace, selection) = request::selected(access, selection).await?;
    let views = namespace.views();
    let command = OperationCommand::Rebuild { from_dc };
    let plan = guard::pod_operation(&views, &selection, &command)?;
    if !args.force {
        guard::source_datacenter(&views, &plan, &command)?;
    }
    pod_change::carry_out(
        namespace,
        plan,
        &PodChange::Ask(command, args.parallel),
        manner,
        access,
        printer,
    )
    .await
}
