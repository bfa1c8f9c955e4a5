//! `task`: work on whole clusters, declared once and run datacenter after datacenter.

mod job;
mod show;

use casskop_core::guard::{self, Loss};
use casskop_core::view::tasks::{TaskState, TaskView, maker};
use casskop_types::task::labels::{ABORT, TASK_NAME};
use casskop_types::task::{CassandraTask, K8ssandraTask, K8ssandraTaskSpec, TaskCommand};
use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::ResourceExt;
use serde_json::json;

use super::confirm::confirm;
use crate::cli::{DryRun, Limit, Spelling, WriteFlags, limit};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::follow::{self, TaskRef};
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::request::{self, Found};

pub(super) use job::JobFlags;

/// Declare work on whole datacenters, and look after it
///
/// A task runs one command on every node of a cluster, or of some datacenters, one datacenter after the other; it can be written as a manifest
/// of kind `K8ssandraTask` as well. Commands: cleanup, upgradesstables, scrub, compact, flush, garbagecollect, rebuild, restart, replacenode,
/// move, tsreload, refresh.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Upgrade the data files of all datacenters, two nodes of a rack at once, watching it
  kubectl casskop task create upgradesstables --crd demo --at-once 2 --wait
  # Restart the nodes of dc2, then those of dc1
  kubectl casskop task create restart --crd demo --dc dc2 dc1 --name restart-all
  # What there is, how far one is, and its end before it is done
  kubectl casskop task list
  kubectl casskop task describe restart-all
  kubectl casskop task abort restart-all")]
pub(crate) struct Args {
    /// What to do
    #[arg(value_enum)]
    step: Step,
    /// With create: the command; else the task
    #[arg(value_name = "COMMAND-OR-NAME")]
    subject: Option<String>,
    /// With create: the `CassandraCluster`; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    crd: Option<String>,
    /// With create: only these datacenters, in this order
    #[arg(long, value_name = "DC", num_args = 1.., value_delimiter = ',')]
    dc: Vec<String>,
    /// With create: work on all datacenters at the same time
    #[arg(long)]
    together: bool,
    /// With create: the task's name [default: the command and the time]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,
    #[command(flatten)]
    job: JobFlags,
    #[command(flatten)]
    write: WriteFlags,
    /// With create: wait until it has ended, and show how it goes
    #[arg(long)]
    wait: bool,
    /// Give up waiting after this time; the task goes on [default: no limit]
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    timeout: Option<Limit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Make a task
    Create,
    /// Show all tasks
    List,
    /// Show one with its pods
    Describe,
    /// Wait for the end of one
    Wait,
    /// End one before it is done, and keep it
    Abort,
    /// Delete one; what it has begun is ended
    Delete,
}

impl Args {
    /// What is missing from the arguments, or too much.
    pub(crate) fn incomplete(&self) -> Option<String> {
        let is_made = self.step == Step::Create;
        let says = self.crd.is_some() || !self.dc.is_empty() || self.together || self.name.is_some();
        match (self.step, &self.subject) {
            (Step::Create, None) => Some("say which command: task create cleanup --crd NAME".to_owned()),
            (Step::List, Some(_)) => Some("list shows all tasks; say describe for one".to_owned()),
            (Step::Describe | Step::Wait | Step::Abort | Step::Delete, None) => {
                Some("say which task; `kubectl casskop task list` shows all".to_owned())
            }
            _ if self.timeout.is_some() && !(self.wait || self.step == Step::Wait) => {
                Some("--timeout goes with --wait only".to_owned())
            }
            _ if !is_made && (says || self.wait || !self.job.is_empty()) => {
                Some("--crd, --dc, --name, --wait and what describes the work go with create only".to_owned())
            }
            _ => None,
        }
    }

    fn timeout(&self) -> Option<std::time::Duration> {
        self.timeout.and_then(Limit::get)
    }
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let subject = args.subject.as_deref().unwrap_or_default();
    match args.step {
        Step::Create => create(args, subject, access, printer).await,
        Step::List => show::list(access, printer).await,
        Step::Describe => show::describe(&request::task(access, subject).await?, printer),
        Step::Wait => {
            let found = request::task(access, subject).await?;
            wait(&found, args.timeout(), access, printer).await
        }
        Step::Abort => abort(args, subject, access, printer).await,
        Step::Delete => delete(args, subject, access, printer).await,
    }
}

async fn create(
    args: &Args,
    command: &str,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let template = args.job.template(command)?;
    let cluster = request::the_cluster(access, args.crd.as_deref()).await?;
    let datacenters = match args.job.rack() {
        Some(rack) if args.dc.is_empty() => vec![rack.dc.clone()],
        _ => args.dc.clone(),
    };
    guard::places(
        &cluster,
        &datacenters,
        args.job.rack().map_or(&[], std::slice::from_ref),
    )?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => format!("{command}-{}", printer.now().strftime("%Y%m%d-%H%M%S")),
    };
    let spec = K8ssandraTaskSpec {
        cluster: Some(ObjectReference {
            name: Some(cluster.name_any()),
            ..ObjectReference::default()
        }),
        datacenters: (!datacenters.is_empty()).then_some(datacenters),
        dc_concurrency_policy: args.together.then(|| "Allow".to_owned()),
        template: Some(template),
    };
    let dry_run = args.write.dry_run();
    if command == TaskCommand::ReplaceNode.as_str() {
        let pods = args.job.pods();
        let consent = args.write.consent(Spelling::Ours);
        confirm(&Loss::ReplacedByTask { pods }, consent, dry_run, printer)?;
    }
    let made = request::create_task(access, &K8ssandraTask::new(&name, spec), dry_run).await?;
    printer.text(&format!("k8ssandratask/{name} created{}", dry_run.mark()))?;
    printer.objects(std::slice::from_ref(&made))?;
    if !args.wait {
        return Ok(ExitStatus::Success);
    }
    if dry_run != DryRun::None {
        printer.note("nothing was written, so there is nothing to wait for");
        return Ok(ExitStatus::Success);
    }
    wait(&Found::OfCluster(Box::new(made)), args.timeout(), access, printer).await
}

async fn wait(
    found: &Found,
    timeout: Option<std::time::Duration>,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let task = TaskRef::of(found);
    let shown = task.to_string();
    Box::pin(follow::follow_task(access, printer, task, timeout)).await?;
    printer.text(&format!("{shown} complete"))?;
    Ok(ExitStatus::Success)
}

/// Ends the tasks of its datacenters: the first that fails ends the whole, and what none was made for is not begun.
async fn abort(
    args: &Args,
    name: &str,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let found = request::task(access, name).await?;
    let view = found.view();
    if view.has_ended() {
        printer.note(&format!(
            "{} has ended already; nothing written",
            TaskRef::of(&found)
        ));
        return Ok(ExitStatus::Success);
    }
    let parts = parts(&found, access).await?;
    let open: Vec<&CassandraTask> = parts
        .iter()
        .filter(|task| !TaskView::of_datacenter(task).has_ended())
        .collect();
    let dry_run = args.write.dry_run();
    let fields = json!({ "metadata": { "annotations": { ABORT: "true" } } });
    // Before its parts: no other one is begun meanwhile.
    if let Found::OfCluster(task) = &found {
        request::merge_task::<K8ssandraTask>(access, &task.name_any(), &fields, dry_run).await?;
    }
    for task in open {
        request::merge_task::<CassandraTask>(access, &task.name_any(), &fields, dry_run).await?;
    }
    printer.text(&format!("{} aborted{}", TaskRef::of(&found), dry_run.mark()))?;
    if view.state == TaskState::Running {
        printer.note("what runs and cannot be stopped in Cassandra goes on to its end");
    }
    Ok(ExitStatus::Success)
}

/// The tasks of datacenters that a task consists of.
async fn parts(found: &Found, access: &Access) -> Result<Vec<CassandraTask>, Failure> {
    Ok(match found {
        Found::OfDatacenter(task) => vec![(**task).clone()],
        Found::OfCluster(task) => {
            let made = format!("{TASK_NAME}={}", task.name_any());
            request::tasks_of_datacenters(access, Some(&made)).await?
        }
    })
}

async fn delete(
    args: &Args,
    name: &str,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let found = request::task(access, name).await?;
    let dry_run = args.write.dry_run();
    if !found.view().has_ended() {
        let loss = Loss::TaskEnds {
            task: TaskRef::of(&found).to_string(),
        };
        confirm(&loss, args.write.consent(Spelling::Ours), dry_run, printer)?;
    }
    match &found {
        Found::OfCluster(task) => request::delete_task::<K8ssandraTask>(access, task, dry_run).await?,
        Found::OfDatacenter(task) => {
            if let Some(maker) = maker(task) {
                printer.note(&format!(
                    "it is a part of k8ssandratask/{maker}, which counts it as failed"
                ));
            }
            request::delete_task::<CassandraTask>(access, task, dry_run).await?;
        }
    }
    printer.text(&format!("{} deleted{}", TaskRef::of(&found), dry_run.mark()))?;
    Ok(ExitStatus::Success)
}
