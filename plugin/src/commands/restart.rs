//! `restart`: the flag `rollingRestart` of racks.

use casskop_core::guard::{self, RackSelection, RestartPlan};
use casskop_core::view::{ClusterView, RackRef};
use casskop_types::CassandraCluster;
use kube::ResourceExt;

use crate::cli::{AfterWriting, DryRun, WaitFlags, WriteFlags};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::follow::{self, Goal, Picture, RackGoal};
use crate::kube_access::Access;
use crate::printer::{Printer, resource_name};
use crate::request::{self, TRIES, Written};

/// Restart racks, one node at a time
///
/// The operator restarts one rack of a cluster at a time, and waits until each node is back before the next goes down.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Restart two racks, one after the other
  kubectl casskop restart --crd demo --rack dc1.rack1 dc2.rack1
  # Restart a datacenter and watch it until all its nodes are back
  kubectl casskop restart --crd demo --dc dc1 --wait
  # Restart every rack
  kubectl casskop restart --crd demo --full")]
pub(crate) struct Args {
    /// The `CassandraCluster`
    #[arg(long, value_name = "NAME")]
    crd: String,
    #[command(flatten)]
    racks: Racks,
    #[command(flatten)]
    write: WriteFlags,
    #[command(flatten)]
    wait: WaitFlags,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Racks {
    /// Restart these racks
    #[arg(long, value_name = "DC.RACK", num_args = 1.., value_delimiter = ',')]
    rack: Vec<RackRef>,
    /// Restart all racks of these datacenters
    #[arg(long, value_name = "DC", num_args = 1.., value_delimiter = ',')]
    dc: Vec<String>,
    /// Restart all racks
    #[arg(long)]
    full: bool,
}

impl Args {
    fn selection(&self) -> RackSelection {
        if !self.racks.rack.is_empty() {
            RackSelection::Racks(self.racks.rack.clone())
        } else if self.racks.full {
            RackSelection::Full
        } else {
            RackSelection::Datacenters(self.racks.dc.clone())
        }
    }
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let dry_run = args.write.dry_run();
    let asked = ask(args, access).await?;
    tell(&asked, dry_run, access, printer)?;
    if let AfterWriting::Wait(timeout) = args.wait.after_writing() {
        if dry_run != DryRun::None {
            printer.note("nothing was written, so there is nothing to wait for");
            return Ok(ExitStatus::Success);
        }
        wait(&asked, access, printer, timeout).await?;
        printer.text(&format!(
            "{}/{} restarted",
            resource_name::<CassandraCluster>(),
            args.crd
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

async fn ask(args: &Args, access: &Access) -> Result<Asked, Failure> {
    for _ in 0..TRIES {
        let cluster = request::cluster(access, &args.crd).await?;
        let before = ClusterView::of(&cluster, &[]);
        let plan = guard::restart(&before, &args.selection())?;
        let wrote_default = request::writes_default(&cluster, &plan.ask);
        let written = if plan.ask.is_empty() {
            Written::Yes(Box::new(cluster))
        } else {
            request::ask_restart(access, &cluster, &plan.ask, args.write.dry_run()).await?
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
        object: format!("cassandracluster `{}`", args.crd),
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
