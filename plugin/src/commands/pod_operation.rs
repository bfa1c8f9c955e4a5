//! What `cleanup`, `upgradesstables`, `rebuild` and `removenode` have in common: asking pods for an operation, waiting for its
//! end, and showing how far it is.

use std::pin::pin;

use casskop_core::guard::{self, PodPlan, PodScope, PodSelection, PodTarget};
use casskop_core::view::{ClusterView, NodeView};
use casskop_types::operation::{OperationCommand, OperationName};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use crate::cli::{AfterWriting, OutputFormat, PodTargets, Step, WaitFlags};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::follow::{self, Goal, Picture, PodGoal};
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::render;
use crate::request::{self, Namespace};

/// Arguments of an operation that needs nothing but pods.
#[derive(Debug, clap::Args)]
pub(crate) struct RequestArgs {
    /// What to do; may be left out where pods are named
    #[arg(value_enum)]
    step: Option<Step>,
    #[command(flatten)]
    targets: PodTargets,
    #[command(flatten)]
    wait: WaitFlags,
}

impl RequestArgs {
    /// Without `start` pods have to be named, as CassKop's plugin demanded: a bare verb is more often a question than a wish.
    pub(crate) fn incomplete(&self) -> Option<String> {
        (self.step.is_none() && self.targets.is_empty()).then(|| {
            "say which pods with --pod, --prefix or --crd, or add the word `start` for the whole cluster"
                .to_owned()
        })
    }
}

/// Carries out a verb whose operation is a [`OperationCommand`] without arguments.
pub(super) async fn run(
    args: &RequestArgs,
    command: OperationCommand,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let selection = args.targets.selection();
    match args.step {
        Some(Step::Status) => status(&selection, command.name(), access, printer).await,
        Some(Step::Start) | None => {
            let namespace = request::clusters_and_pods(access).await?;
            let plan = guard::pod_operation(&namespace.views(), &selection, &command)?;
            ask(
                namespace,
                plan,
                &command,
                args.wait.after_writing(),
                access,
                printer,
            )
            .await
        }
    }
}

/// Asks the pods of a plan, and waits where that is wanted.
pub(super) async fn ask(
    namespace: Namespace,
    plan: PodPlan,
    command: &OperationCommand,
    after: AfterWriting,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    for left_out in &plan.left_out {
        printer.warning(&format!(
            "pod `{}` is {} and was not asked",
            left_out.pod, left_out.state
        ));
    }
    for (target, status) in &plan.asked {
        printer.note(&format!(
            "pod `{}` was asked for this {} before, which is {status}; nothing written for it",
            target.pod,
            command.name()
        ));
    }
    let goals: Vec<PodGoal> = plan
        .ask
        .iter()
        .chain(plan.asked.iter().map(|(target, _)| target))
        .map(goal)
        .collect();
    let written = write(&namespace, plan.ask, command, access, printer).await?;
    printer.objects(&written)?;
    if let AfterWriting::Wait(timeout) = after {
        let from = follow::From {
            clusters: namespace.clusters_version,
            pods: namespace.pods_version,
            cluster: None,
            pod_labels: request::selector(None),
        };
        let mut picture = Picture::new(namespace.clusters, namespace.pods);
        for pod in written {
            picture.written(pod);
        }
        let names: Vec<String> = goals.iter().map(|goal| goal.pod.clone()).collect();
        let goal = Goal::Operation {
            name: command.name(),
            pods: goals,
        };
        follow::follow(access, printer, picture, goal, from, timeout).await?;
        for pod in names {
            printer.text(&format!("pod/{pod} {} done", command.name()))?;
        }
    }
    Ok(ExitStatus::Success)
}

/// Tells of each pod once it is asked, never before.
async fn write(
    namespace: &Namespace,
    targets: Vec<PodTarget>,
    command: &OperationCommand,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<Vec<Pod>, Failure> {
    let all = targets.len();
    let mut written = Vec::with_capacity(all);
    let mut failed: Vec<(String, Failure)> = Vec::new();
    let mut asked = pin!(request::ask_pods(access, &namespace.clusters, targets, command));
    while let Some(asked) = asked.next().await {
        match asked.pod {
            Ok(pod) => {
                if written.is_empty() {
                    printer.text(&format!("Namespace {}", access.place().namespace))?;
                }
                if let OperationCommand::Remove { target } = command {
                    printer.text(&format!(
                        "Trigger remove of {} from pod {}",
                        lost(target),
                        asked.target.pod
                    ))?;
                }
                let pod_name = &asked.target.pod;
                printer.text(&format!(
                    "Set status of operation {} on pod {pod_name} to ToDo",
                    command.name()
                ))?;
                written.push(pod);
            }
            Err(failure) => failed.push((asked.target.pod, failure)),
        }
    }
    match failed.len() {
        0 => Ok(written),
        1 if all == 1 => Err(failed.remove(0).1),
        _ => {
            let missing = failed.iter().map(|(pod, _)| pod.clone()).collect();
            let first = Box::new(failed.remove(0).1);
            Err(Failure::Partly {
                written: written.len(),
                all,
                missing,
                first,
            })
        }
    }
}

fn lost(target: &casskop_types::operation::RemoveTarget) -> String {
    use casskop_types::operation::RemoveTarget;
    match target {
        RemoveTarget::Pod { name, .. } => format!("pod {name}"),
        RemoveTarget::Address(address) => format!("node {address}"),
        RemoveTarget::HostId(host_id) => format!("node {host_id}"),
    }
}

fn goal(target: &PodTarget) -> PodGoal {
    PodGoal {
        cluster: target.cluster.clone(),
        pod: target.pod.clone(),
        uid: target.uid.clone(),
    }
}

/// Shows how far an operation is on each pod.
pub(super) async fn status(
    selection: &PodSelection,
    name: OperationName,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let namespace = request::clusters_and_pods(access).await?;
    let views = namespace.views();
    let everything = selection.cluster.is_none() && selection.scope == PodScope::All;
    let shown: Vec<(&ClusterView, &NodeView)> = if everything {
        views
            .iter()
            .flat_map(|view| view.nodes.iter().map(move |node| (view, node)))
            .collect()
    } else {
        guard::selected(&views, selection)?
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
            let table = render::operations(&shown, name, printer.now());
            printer.line(&table)?;
        }
        OutputFormat::Name => {
            for (_, node) in shown {
                printer.line(&format!("pod/{}", node.pod))?;
            }
        }
        OutputFormat::Json | OutputFormat::Yaml => {
            let operations: Vec<_> = shown
                .iter()
                .filter_map(|(view, node)| view.operation(&node.uid, name))
                .collect();
            printer.value(&json!({ "operations": operations }))?;
        }
    }
    Ok(ExitStatus::Success)
}
