//! What the verbs of operations have in common: asking pods for one, holding it back, and showing how far it is.

use casskop_core::guard::{self, PodChange, PodScope, PodSelection};
use casskop_core::view::{ClusterView, NodeView};
use casskop_types::operation::{OperationCommand, OperationName, Parallelism};
use serde_json::json;

use super::pod_change::{self, Manner};
use crate::cli::{OutputFormat, PodTargets, Step, WaitFlags, WriteFlags};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::render::{self, Columns};
use crate::request;

/// Which pods, and what is done with them.
#[derive(Debug, clap::Args)]
pub(crate) struct RequestArgs {
    /// What to do; may be left out where pods are named
    #[arg(value_enum)]
    step: Option<Step>,
    #[command(flatten)]
    targets: PodTargets,
    /// With start: nodes of a rack at which it may be done at once
    #[arg(long, value_name = "N", default_value_t, hide_default_value = true)]
    parallel: Parallelism,
    #[command(flatten)]
    write: WriteFlags,
    #[command(flatten)]
    wait: WaitFlags,
}

impl RequestArgs {
    /// Whether it asks for the operation.
    pub(super) fn starts(&self) -> bool {
        matches!(self.step, Some(Step::Start) | None)
    }

    /// Without `start` pods have to be named, as CassKop's plugin demanded: a bare verb is more often a question than a wish.
    pub(crate) fn incomplete(&self) -> Option<String> {
        if !self.starts() && self.parallel != Parallelism::ONE {
            return Some("--parallel goes with `start` only".to_owned());
        }
        (self.step.is_none() && self.targets.is_empty()).then(|| {
            "say which pods with --pod, --prefix or --crd, or add the word `start` for the whole cluster"
                .to_owned()
        })
    }
}

/// Carries out a step of a verb.
pub(super) async fn run(
    args: &RequestArgs,
    command: OperationCommand,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let manner = Manner {
        dry_run: args.write.dry_run(),
        after: args.wait.after_writing(),
    };
    let ask = PodChange::Ask(command, args.parallel);
    take(args.step, args.targets.selection(), ask, manner, access, printer).await
}

/// Takes the step that the word after a verb says; without one it asks.
pub(super) async fn take(
    step: Option<Step>,
    selection: PodSelection,
    ask: PodChange,
    manner: Manner,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let name = ask.operation();
    let change = match step {
        Some(Step::Status) => return status(selection, name, access, printer).await,
        Some(Step::Pause) => PodChange::Pause(name),
        Some(Step::Unpause) => PodChange::Unpause(name),
        Some(Step::Abort) => PodChange::Abort(name),
        Some(Step::Start) | None => ask,
    };
    pod_change::change_selected(selection, &change, manner, access, printer).await
}

/// Shows how far an operation is on each pod.
pub(super) async fn status(
    selection: PodSelection,
    name: OperationName,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let (namespace, selection) = request::selected(access, selection).await?;
    let views = namespace.views();
    let everything = selection.cluster.is_none() && selection.scope == PodScope::All;
    let shown: Vec<(&ClusterView, &NodeView)> = if everything {
        views
            .iter()
            .flat_map(|view| view.nodes.iter().map(move |node| (view, node)))
            .collect()
    } else {
        guard::selected(&views, &selection)?
    };
    if shown.is_empty() {
        printer.note(&format!(
            "No Cassandra pods found in {} namespace.",
            access.place().namespace
        ));
        return Ok(ExitStatus::Success);
    }
    match printer.format() {
        OutputFormat::Text => {
            let table = render::operations(&shown, name, Columns::Usual, printer.now());
            printer.line(&table)?;
        }
        OutputFormat::Wide => {
            let table = render::operations(&shown, name, Columns::All, printer.now());
            printer.line(&table)?;
        }
        OutputFormat::Name => {
            for (_, node) in shown {
                printer.line(&format!("pod/{}", node.pod))?;
            }
        }
        OutputFormat::Json | OutputFormat::Yaml | OutputFormat::JsonPath(_) => {
            let operations: Vec<_> = shown
                .iter()
                .filter_map(|(view, node)| view.operation(&node.uid, name))
                .collect();
            printer.value(&json!({ "operations": operations }))?;
        }
    }
    Ok(ExitStatus::Success)
}
