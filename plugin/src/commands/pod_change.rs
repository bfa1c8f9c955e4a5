//! What every verb that writes on pods has in common: telling of each pod, and waiting for the end.

use std::pin::pin;

use casskop_core::guard::{self, PodChange, PodPlan, PodSelection, PodTarget};
use casskop_types::operation::{OperationCommand, RemoveTarget};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;

use crate::cli::{AfterWriting, DryRun};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::follow::{self, Goal, OutlivingGoal, Picture, PodGoal, Until};
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::request::{self, Namespace};

/// How a change is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) dry_run: DryRun,
    pub(super) after: AfterWriting,
}

/// Looks at the pods of a selection, and writes to them.
pub(super) async fn change_selected(
    selection: PodSelection,
    change: &PodChange,
    manner: Manner,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let (namespace, selection) = request::selected(access, selection).await?;
    let plan = guard::pod_change(&namespace.views(), &selection, change)?;
    carry_out(namespace, plan, change, manner, access, printer).await
}

/// Writes to the pods of a plan, and waits where that is wanted.
pub(super) async fn carry_out(
    namespace: Namespace,
    plan: PodPlan,
    change: &PodChange,
    manner: Manner,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    tell_of_others(&plan, change, printer);
    let goal = goal(&namespace, &plan, change);
    let written = write(&namespace, plan.ask, change, manner.dry_run, access, printer).await?;
    printer.objects(&written)?;
    match (manner.after, manner.dry_run, goal) {
        (AfterWriting::Leave, _, _) => {}
        (AfterWriting::Wait(_), DryRun::Client | DryRun::Server, _) => {
            printer.note("nothing was written, so there is nothing to wait for");
        }
        (AfterWriting::Wait(_), DryRun::None, None) => {
            printer.note("what is held back does not begin, so there is nothing to wait for");
        }
        (AfterWriting::Wait(timeout), DryRun::None, Some((goal, pods))) => {
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
            follow::follow(access, printer, picture, goal, from, timeout).await?;
            let end = match change {
                PodChange::Abort(_) => "ended",
                _ => "done",
            };
            for pod in pods {
                printer.text(&format!("pod/{pod} {} {end}", change.operation()))?;
            }
        }
    }
    Ok(ExitStatus::Success)
}

/// Tells of pods that are not written to.
fn tell_of_others(plan: &PodPlan, change: &PodChange, printer: &mut Printer<'_>) {
    for left_out in &plan.left_out {
        printer.warning(&format!(
            "pod `{}` is {} and was not asked",
            left_out.pod, left_out.state
        ));
    }
    let operation = change.operation();
    for (target, status) in &plan.asked {
        printer.note(&match change {
            PodChange::Ask(..) => format!(
                "pod `{}` was asked for this {operation} before, which is {status}; nothing written for it",
                target.pod
            ),
            PodChange::Pause(_) | PodChange::Unpause(_) | PodChange::Abort(_) => format!(
                "{operation} on pod `{}` is {status} already; nothing written for it",
                target.pod
            ),
        });
    }
}

/// What there is to wait for, and on which pods.
fn goal(namespace: &Namespace, plan: &PodPlan, change: &PodChange) -> Option<(Goal, Vec<String>)> {
    let targets = || plan.ask.iter().chain(plan.asked.iter().map(|(target, _)| target));
    let names = targets().map(|target| target.pod.clone()).collect();
    let goal = match change {
        PodChange::Pause(_) => return None,
        PodChange::Ask(..) | PodChange::Unpause(_) if change.operation().makes_its_pod_anew() => {
            let views = namespace.views();
            Goal::Outliving(
                targets()
                    .map(|target| OutlivingGoal::new(&views, change.operation(), target))
                    .collect(),
            )
        }
        PodChange::Ask(..) | PodChange::Unpause(_) | PodChange::Abort(_) => Goal::Operation {
            name: change.operation(),
            until: match change {
                PodChange::Abort(_) => Until::Ended,
                _ => Until::Done,
            },
            pods: targets().map(pod_goal).collect(),
        },
    };
    Some((goal, names))
}

fn pod_goal(target: &PodTarget) -> PodGoal {
    PodGoal {
        cluster: target.cluster.clone(),
        pod: target.pod.clone(),
        uid: target.uid.clone(),
    }
}

/// Tells of each pod once it is written to, never before. Every pod is written to, even where nobody reads of it any more.
async fn write(
    namespace: &Namespace,
    targets: Vec<PodTarget>,
    change: &PodChange,
    dry_run: DryRun,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<Vec<Pod>, Failure> {
    let all = targets.len();
    let mut written = Vec::with_capacity(all);
    let mut failed: Vec<(String, Failure)> = Vec::new();
    let mut told = Ok(());
    let mut changed = pin!(request::change_pods(access, namespace, targets, change, dry_run));
    while let Some(changed) = changed.next().await {
        match changed.pod {
            Ok(pod) => {
                let heading = written
                    .is_empty()
                    .then(|| format!("Namespace {}", access.place().namespace));
                let lines = lines(change, &changed.target.pod)
                    .into_iter()
                    .map(|line| format!("{line}{}", dry_run.mark()));
                for line in heading.into_iter().chain(lines) {
                    told = told.and_then(|()| printer.text(&line));
                }
                written.push(pod);
            }
            Err(failure) => failed.push((changed.target.pod, failure)),
        }
    }
    match failed.len() {
        0 => told.map(|()| written),
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

/// What is told of a pod, in CassKop's words.
fn lines(change: &PodChange, pod: &str) -> Vec<String> {
    let operation = change.operation();
    let trigger = match change {
        PodChange::Ask(OperationCommand::Remove { target }, _) => {
            Some(format!("Trigger remove of {} from pod {pod}", lost(target)))
        }
        PodChange::Ask(OperationCommand::Replace { .. }, _) => {
            Some(format!("Trigger replace of the node of pod {pod}"))
        }
        PodChange::Abort(_) => Some(format!("Trigger abort of operation {operation} on pod {pod}")),
        PodChange::Ask(..) | PodChange::Pause(_) | PodChange::Unpause(_) => None,
    };
    let status = change
        .status()
        .map(|status| format!("Set status of operation {operation} on pod {pod} to {status}"));
    trigger.into_iter().chain(status).collect()
}

fn lost(target: &RemoveTarget) -> String {
    match target {
        RemoveTarget::Pod { name, .. } => format!("pod {name}"),
        RemoveTarget::Address(address) => format!("node {address}"),
        RemoveTarget::HostId(host_id) => format!("node {host_id}"),
    }
}
