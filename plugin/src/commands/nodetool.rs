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
    let pods: Vec<&str> = nodes.iter().map(|node| node.pod.as_str()).collect();
    on_each(&pods, printer, async |pod, printer| {
        let shown = if pods.len() > 1 {
            Shown::After(format!("[{pod}] "))
        } else {
            Shown::Plain
        };
        let mut argv = vec!["nodetool".to_owned()];
        argv.extend(args.arguments.iter().cloned());
        let command = Command {
            argv,
            input: Input::None,
        };
        exec::run(access, printer, pod, command, &shown).await
    })
    .await
}

/// Runs it on one pod after the other. Where it cannot be run, or nobody saw its end, the other pods are not left out for that.
async fn on_each(
    pods: &[&str],
    printer: &mut Printer<'_>,
    mut run: impl AsyncFnMut(&str, &mut Printer<'_>) -> Result<ExitStatus, Failure>,
) -> Result<ExitStatus, Failure> {
    let mut status = ExitStatus::Success;
    let mut failed = Vec::new();
    for pod in pods {
        match run(pod, printer).await {
            Ok(ended @ (ExitStatus::Interrupted | ExitStatus::Terminated)) => return Ok(ended),
            // The first that fails is what the shell hears of; the others are run all the same.
            Ok(ended) if status == ExitStatus::Success => status = ended,
            Ok(_) => {}
            Err(failure @ (Failure::Call(_) | Failure::Exec { .. })) if pods.len() > 1 => {
                printer.warning(&format!("pod {pod}: {failure}"));
                failed.push(*pod);
            }
            Err(failure) => return Err(failure),
        }
    }
    if failed.is_empty() {
        return Ok(status);
    }
    Err(Failure::Ended(format!(
        "nodetool ended on {} of {} pods; no end was seen on: {}; see why in the warnings, and run it there again with --pod",
        pods.len() - failed.len(),
        pods.len(),
        failed.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Buffers;

    #[tokio::test]
    async fn a_pod_that_cannot_be_reached_does_not_leave_out_the_others() {
        let mut buffers = Buffers::default();
        let mut printer = Printer::plain(buffers.host());
        let lost = |pod: &str| Failure::Exec {
            pod: pod.to_owned(),
            reason: "gone".to_owned(),
        };
        let mut asked = Vec::new();
        let failure = on_each(&["a", "b", "c"], &mut printer, async |pod, _| {
            asked.push(pod.to_owned());
            match pod {
                "b" => Err(lost(pod)),
                "c" => Ok(ExitStatus::Command(3)),
                _ => Ok(ExitStatus::Success),
            }
        })
        .await
        .unwrap_err();
        assert_eq!(asked, ["a", "b", "c"]);
        assert_eq!(failure.status(), ExitStatus::Failure);
        assert!(
            failure
                .to_string()
                .contains("2 of 3 pods; no end was seen on: b;"),
            "{failure}"
        );
        let alone = on_each(&["b"], &mut printer, async |pod, _| Err(lost(pod))).await;
        assert!(matches!(alone, Err(Failure::Exec { .. })), "{alone:?}");
        drop(printer);
        assert_eq!(
            String::from_utf8(buffers.err).unwrap(),
            "warning: pod b: cannot run the command in pod `b`: gone\n"
        );
    }
}
