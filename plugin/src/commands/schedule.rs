//! `schedule`: tasks that come again.

use casskop_types::task::{CassandraTaskSpec, ScheduledTask, ScheduledTaskSpec, TaskCommand, TaskDetails};
use clap::ValueEnum;
use clap::builder::NonEmptyStringValueParser;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::ResourceExt;
use serde_json::json;

use super::task::JobFlags;
use crate::cli::DryRunFlag;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::{Access, Kind};
use crate::printer::Printer;
use crate::{render, request};

/// Have a task run again and again, and look after that
///
/// At each time of the schedule a `CassandraTask` is made for one datacenter, unless the one before has not ended. Times that were missed are made
/// up for by one run. What it is can be written as a manifest of kind `ScheduledTask` as well.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # A cleanup of dc1 on every Sunday at three in the morning, in Paris
  kubectl casskop schedule create cleanup --crd demo --dc dc1 --cron '0 3 * * 0' --time-zone Europe/Paris
  # What there is
  kubectl casskop schedule list
  # Not now, and now again
  kubectl casskop schedule suspend cleanup-dc1
  kubectl casskop schedule resume cleanup-dc1")]
pub(crate) struct Args {
    /// What to do
    #[arg(value_enum)]
    step: Step,
    /// With create: the command; else the schedule
    #[arg(value_name = "COMMAND-OR-NAME")]
    subject: Option<String>,
    /// With create: the `CassandraCluster`; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    crd: Option<String>,
    /// With create: the datacenter
    #[arg(long, value_name = "DC", value_parser = NonEmptyStringValueParser::new())]
    dc: Option<String>,
    /// With create: when, as five fields of cron, @daily and the like, or @every 12h
    #[arg(long, value_name = "SCHEDULE", value_parser = NonEmptyStringValueParser::new())]
    cron: Option<String>,
    /// With create: whose clocks the schedule is about [default: UTC]
    #[arg(long, value_name = "ZONE", value_parser = NonEmptyStringValueParser::new())]
    time_zone: Option<String>,
    /// With create: the schedule's name [default: command and datacenter]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,
    #[command(flatten)]
    job: JobFlags,
    #[command(flatten)]
    dry_run: DryRunFlag,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Make a schedule
    Create,
    /// Show all schedules
    List,
    /// Have none of its runs begin any more
    Suspend,
    /// Let it run again
    Resume,
    /// Delete one; what it has begun goes on
    Delete,
}

impl Args {
    /// What is missing from the arguments, or too much.
    pub(crate) fn incomplete(&self) -> Option<String> {
        let options = [&self.crd, &self.dc, &self.cron, &self.time_zone, &self.name];
        let says = options.into_iter().any(Option::is_some) || !self.job.is_empty();
        match (self.step, &self.subject) {
            (Step::Create, None) => {
                Some("say which command: schedule create cleanup --dc DC --cron '@weekly'".to_owned())
            }
            (Step::Create, Some(_)) if self.dc.is_none() || self.cron.is_none() => {
                Some("say where with --dc, and when with --cron".to_owned())
            }
            (Step::List, Some(_)) => Some("list shows all schedules".to_owned()),
            (Step::Suspend | Step::Resume | Step::Delete, None) => {
                Some("say which schedule; `kubectl casskop schedule list` shows all".to_owned())
            }
            (Step::Create, Some(_)) => None,
            _ if says => Some("what describes a schedule goes with create only".to_owned()),
            _ => None,
        }
    }
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let subject = args.subject.as_deref().unwrap_or_default();
    match args.step {
        Step::Create => create(args, subject, access, printer).await?,
        Step::List => list(access, printer).await?,
        Step::Suspend => runs(args, subject, Runs::Stop, access, printer).await?,
        Step::Resume => runs(args, subject, Runs::Begin, access, printer).await?,
        Step::Delete => delete(args, subject, access, printer).await?,
    }
    Ok(ExitStatus::Success)
}

async fn create(
    args: &Args,
    command: &str,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let once = match command.parse() {
        Ok(TaskCommand::ReplaceNode) => Some("a lost node is replaced once it is lost"),
        Ok(TaskCommand::Refresh) => Some("a refresh changes nothing"),
        _ => None,
    };
    if let Some(why) = once {
        return Err(Failure::Wrong(format!(
            "{why}, and not by a schedule; see `kubectl casskop task --help`"
        )));
    }
    if args.job.has_a_time() {
        return Err(Failure::Wrong(
            "--at goes with `task create`; a schedule says when with --cron".to_owned(),
        ));
    }
    let template = args.job.template(command)?;
    let (dc, schedule) = (
        args.dc.clone().unwrap_or_default(),
        args.cron.clone().unwrap_or_default(),
    );
    casskop_core::task::check_schedule(&schedule, args.time_zone.as_deref()).map_err(Failure::Wrong)?;
    let cluster = request::the_cluster(access, args.crd.as_deref()).await?;
    let rack = args.job.rack();
    casskop_core::guard::places(
        &cluster,
        std::slice::from_ref(&dc),
        rack.map_or(&[], std::slice::from_ref),
    )?;
    if let Some(rack) = rack.filter(|rack| rack.dc != dc) {
        return Err(Failure::Wrong(format!(
            "rack {rack} is not in datacenter {dc}; change --rack or --dc"
        )));
    }
    let name = args.name.clone().unwrap_or_else(|| format!("{command}-{dc}"));
    let spec = ScheduledTaskSpec {
        schedule,
        time_zone: args.time_zone.clone(),
        suspend: None,
        successful_tasks_history_limit: None,
        failed_tasks_history_limit: None,
        task_details: TaskDetails {
            name: Some(name.clone()),
            task: CassandraTaskSpec {
                // With the cluster's: another one of the namespace may have a datacenter of this name one day.
                datacenter: Some(ObjectReference {
                    name: Some(format!("{}-{dc}", cluster.name_any())),
                    ..ObjectReference::default()
                }),
                template,
            },
        },
    };
    let dry_run = args.dry_run.dry_run;
    let made = request::create_task(access, &ScheduledTask::new(&name, spec), dry_run).await?;
    printer.text(&format!("scheduledtask/{name} created{}", dry_run.mark()))?;
    printer.objects(&[made])
}

async fn list(access: &Access, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let schedules: Vec<ScheduledTask> = request::list(access, Kind::Schedules, None).await?;
    if schedules.is_empty() && printer.format().is_for_people() {
        printer.note(&format!(
            "No schedules found in {} namespace.",
            access.place().namespace
        ));
        return Ok(());
    }
    if printer.format().is_for_people() {
        let text = render::schedules(&schedules, &printer.layout());
        return printer.line(&text);
    }
    printer.objects(&schedules)
}

/// Whether runs of a schedule begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    Begin,
    Stop,
}

async fn runs(
    args: &Args,
    name: &str,
    wanted: Runs,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    let schedule = schedule(access, name).await?;
    let (suspended, state, done) = match wanted {
        Runs::Stop => (true, "is", "suspended"),
        Runs::Begin => (false, "is not", "resumed"),
    };
    if schedule.spec.suspend.unwrap_or(false) == suspended {
        printer.note(&format!(
            "scheduledtask `{name}` {state} suspended already; nothing written"
        ));
        return Ok(());
    }
    let dry_run = args.dry_run.dry_run;
    let fields = json!({ "spec": { "suspend": suspended } });
    request::merge_task::<ScheduledTask>(access, name, &fields, dry_run).await?;
    printer.text(&format!("scheduledtask/{name} {done}{}", dry_run.mark()))
}

async fn delete(args: &Args, name: &str, access: &Access, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let schedule = schedule(access, name).await?;
    let dry_run = args.dry_run.dry_run;
    request::delete_task(access, &schedule, dry_run).await?;
    printer.text(&format!("scheduledtask/{name} deleted{}", dry_run.mark()))
}

async fn schedule(access: &Access, name: &str) -> Result<ScheduledTask, Failure> {
    let found = request::task_of::<ScheduledTask>(access, name).await?;
    found.ok_or_else(|| {
        Failure::Wrong(format!(
            "there is no schedule `{name}` in namespace `{}`; `kubectl casskop schedule list` shows all",
            access.place().namespace
        ))
    })
}
