//! `restart`: of racks the flag `rollingRestart`, of single pods an operation.

use casskop_core::guard::{self, PodChange, PodScope, PodSelection, RackSelection, RestartPlan};
use casskop_core::view::{ClusterView, RackRef};
use casskop_types::CassandraCluster;
use casskop_types::operation::OperationCommand;
use clap::builder::NonEmptyStringValueParser;
use kube::ResourceExt;

use super::pod_change::Manner;
use super::pod_operation;
use crate::cli::{AfterWriting, DryRun, PodTargets, Step, WaitFlags, WriteFlags};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::follow::{self, Goal, Picture, RackGoal};
use crate::kube_access::Access;
use crate::printer::{Printer, resource_name};
use crate::request::{self, TRIES, Written};

/// Restart racks or single nodes, one node at a time
///
/// The operator restarts one rack of a cluster at a time, and waits until each node is back before the next goes down. With --pod,
/// --prefix or --selector only those nodes are restarted: each is drained, and its pod is made anew on the same disk.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Restart two racks, one after the other
  kubectl casskop restart --crd demo --rack dc1.rack1 dc2.rack1
  # Restart a datacenter and watch it until all its nodes are back
  kubectl casskop restart --crd demo --dc dc1 --wait
  # Restart every rack
  kubectl casskop restart --crd demo --full
  # Drain and restart one node, watching it
  kubectl casskop restart --pod demo-dc1-rack1-0 --wait
  # How far that is, and the end of what has not begun
  kubectl casskop restart status --crd demo
  kubectl casskop restart abort --pod demo-dc1-rack1-0")]
pub(crate) struct Args {
    /// With single nodes: what to do
    #[arg(value_enum)]
    step: Option<Step>,
    /// The `CassandraCluster`
    #[arg(long, value_name = "NAME")]
    crd: Option<String>,
    #[command(flatten)]
    nodes: Nodes,
    #[command(flatten)]
    write: WriteFlags,
    #[command(flatten)]
    wait: WaitFlags,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Nodes {
    /// Restart these racks
    #[arg(long, value_name = "DC.RACK", num_args = 1.., value_delimiter = ',', requires = "crd")]
    rack: Vec<RackRef>,
    /// Restart all racks of these datacenters
    #[arg(long, value_name = "DC", num_args = 1.., value_delimiter = ',', requires = "crd")]
    dc: Vec<String>,
    /// Restart all racks
    #[arg(long, requires = "crd")]
    full: bool,
    /// Drain and restart only the node of this pod; repeat it for several
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pod: Vec<String>,
    /// Drain and restart only the nodes of pods whose names begin so
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    prefix: Option<String>,
    /// Drain and restart only the nodes of Cassandra pods with these labels
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
}

/// What is asked for.
enum Wish {
    /// The racks of a cluster roll.
    Racks { cluster: String, racks: RackSelection },
    /// Something about the restarts of single nodes.
    Pods,
}

impl Args {
    /// What is missing from the arguments.
    pub(crate) fn incomplete(&self) -> Option<String> {
        let asks = matches!(self.step, None | Some(Step::Start));
        let is_said = self.nodes.full || self.pods().scope != PodScope::All;
        (asks && !is_said).then(|| {
            "say which racks of --crd with --rack, --dc or --full, or which single nodes with --pod, --prefix or --selector"
                .to_owned()
        })
    }

    fn wish(&self) -> Wish {
        match (self.step, &self.crd, self.nodes.racks()) {
            (None | Some(Step::Start), Some(cluster), Some(racks)) => Wish::Racks {
                cluster: cluster.clone(),
                racks,
            },
            _ => Wish::Pods,
        }
    }

    fn pods(&self) -> PodSelection {
        let targets = PodTargets {
            pod: self.nodes.pod.clone(),
            prefix: self.nodes.prefix.clone(),
            crd: self.crd.clone(),
            dc: self.nodes.dc.clone(),
            rack: self.nodes.rack.clone(),
            selector: self.nodes.selector.clone(),
        };
        targets.selection()
    }
}

impl Nodes {
    fn racks(&self) -> Option<RackSelection> {
        if !self.rack.is_empty() {
            Some(RackSelection::Racks(self.rack.clone()))
        } else if !self.dc.is_empty() {
            Some(RackSelection::Datacenters(self.dc.clone()))
        } else {
            self.full.then_some(RackSelection::Full)
        }
    }
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    match args.wish() {
        Wish::Racks { cluster, racks } => roll(args, &cluster, &racks, access, printer).await,
        Wish::Pods => {
            let manner = Manner {
                dry_run: args.write.dry_run(),
                after: args.wait.after_writing(),
            };
            let ask = PodChange::ask(OperationCommand::Restart);
            pod_operation::take(args.step, args.pods(), ask, manner, access, printer).await
        }
    }
}

async fn roll(
    args: &Args,
    cluster: &str,
    racks: &RackSelection,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let dry_run = args.write.dry_run();
    let asked = ask(cluster, racks, dry_run, access).await?;
    tell(&asked, dry_run, access, printer)?;
    if let AfterWriting::Wait(timeout) = args.wait.after_writing() {
        if dry_run != DryRun::None {
            printer.note("nothing was written, so there is nothing to wait for");
            return Ok(ExitStatus::Success);
        }
        wait(&asked, access, printer, timeout).await?;
        printer.text(&format!(
            "{}/{cluster} restarted",
            resource_name::<CassandraCluster>()
        ))?;
    }
    Ok(ExitStatus::Success)
}

/// What was asked for.
struct Asked {
    before: ClusterView,
    plan: RestartPlan,
    wrote_default: bool,
    now: CassandraCluster,
}

async fn ask(name: &str, racks: &RackSelection, dry_run: DryRun, access: &Access) -> Result<Asked, Failure> {
    for _ in 0..TRIES {
        let cluster = request::cluster(access, name).await?;
        let before = ClusterView::of(&cluster, &[]);
        let plan = guard::restart(&before, racks)?;
        let wrote_default = request::writes_default(&cluster, &plan.ask);
        let written = if plan.ask.is_empty() {
            Written::Yes(Box::new(cluster))
        } else {
            request::ask_restart(access, &cluster, &plan.ask, dry_run).await?
        };
        if let Written::Yes(now) = written {
            return Ok(Asked {
                before,
                plan,
                wrote_default,
                now: *now,
            });
        }
    }
    Err(Failure::Contended {
        object: format!("cassandracluster `{name}`"),
        tries: TRIES,
    })
}

fn tell(asked: &Asked, dry_run: DryRun, access: &Access, printer: &mut Printer<'_>) -> Result<(), Failure> {
    if !asked.plan.ask.is_empty() {
        printer.text(&format!("Namespace {}", access.place().namespace))?;
    }
    for rack in &asked.plan.ask {
        printer.text(&format!("Trigger restart of {rack}{}", dry_run.mark()))?;
    }
    if asked.wrote_default && !asked.plan.ask.is_empty() {
        let racks: Vec<String> = asked.plan.ask.iter().map(ToString::to_string).collect();
        printer.note(&format!(
            "spec.topology of cassandracluster `{}` left {} to its default; it is written out now, to hold the request",
            asked.before.name,
            racks.join(", ")
        ));
    }
    for rack in &asked.plan.queued {
        printer.note(&format!(
            "restart of {rack} is already asked for and has not begun; nothing written for it"
        ));
    }
    printer.objects(std::slice::from_ref(&asked.now))
}

async fn wait(
    asked: &Asked,
    access: &Access,
    printer: &mut Printer<'_>,
    timeout: Option<std::time::Duration>,
) -> Result<(), Failure> {
    let name = &asked.before.name;
    let racks = asked.before.racks.iter().map(|rack| &rack.rack);
    let waited_for = racks.filter(|rack| asked.plan.ask.contains(rack) || asked.plan.queued.contains(rack));
    let goal = Goal::Restart {
        cluster: name.clone(),
        racks: waited_for
            .map(|rack| RackGoal::new(&asked.before, rack))
            .collect(),
    };
    let (pods, pods_version) = request::pods_of(access, name).await?;
    let from = follow::From {
        clusters: asked.now.resource_version().unwrap_or_default(),
        pods: pods_version,
        cluster: Some(name.clone()),
        pod_labels: request::selector(Some(name)),
    };
    let picture = Picture::new(vec![asked.now.clone()], pods);
    follow::follow(access, printer, picture, goal, from, timeout).await
}
