//! `decommission`: a node less in each rack of a datacenter.

use casskop_core::guard::{self, DecommissionPlan, DecommissionRequest, Leaving, Turn};
use casskop_types::CassandraCluster;
use kube::ResourceExt;

use super::confirm::confirm;
use crate::cli::{AfterWriting, DryRun, Spelling, WaitFlags, WriteFlags};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::follow::{self, Goal, LeavingGoal, Picture};
use crate::kube_access::Access;
use crate::printer::{Printer, resource_name};
use crate::request::{self, Namespace, TRIES, Written};

/// Have one node of each rack of a datacenter leave the ring
///
/// Racks of a datacenter have as many nodes each, so `nodesPerRacks` of the datacenter is lowered by one. The last node of each rack
/// streams what it holds to the others and leaves, one after the other; then its pod and its data volume go. Nothing happens as
/// long as a keyspace needs the nodes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Which nodes would leave
  kubectl casskop decommission --crd demo --dc dc1 --dry-run
  # Have them leave, watching it
  kubectl casskop decommission --crd demo --dc dc1 --wait
  # The same by the name of a pod that is the last one of its rack
  kubectl casskop decommission --pod demo-dc1-rack1-2")]
pub(crate) struct Args {
    #[command(flatten)]
    leaving: LeavingArgs,
    /// The `CassandraCluster`
    #[arg(long, value_name = "NAME")]
    crd: Option<String>,
    #[command(flatten)]
    write: WriteFlags,
    #[command(flatten)]
    wait: WaitFlags,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct LeavingArgs {
    /// One node of each rack of this datacenter
    #[arg(long, value_name = "DC")]
    dc: Option<String>,
    /// The node of this pod, the last one of its rack, and one of each other rack of its datacenter
    #[arg(long, value_name = "NAME")]
    pod: Option<String>,
}

impl LeavingArgs {
    fn leaving(&self) -> Leaving {
        match (&self.dc, &self.pod) {
            (_, Some(pod)) => Leaving::Pod(pod.clone()),
            (dc, None) => Leaving::Datacenter(dc.clone().unwrap_or_default()),
        }
    }
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let dry_run = args.write.dry_run();
    let asked = Box::pin(ask(args, access, printer)).await?;
    tell(&asked, dry_run, access, printer)?;
    let AfterWriting::Wait(timeout) = args.wait.after_writing() else {
        return Ok(ExitStatus::Success);
    };
    if dry_run != DryRun::None {
        printer.note("nothing was written, so there is nothing to wait for");
        return Ok(ExitStatus::Success);
    }
    let Asked { plan, namespace, now } = asked;
    let goal = Goal::Leaving {
        cluster: plan.cluster.clone(),
        racks: plan
            .leaving
            .iter()
            .map(|(rack, pod)| LeavingGoal {
                rack: rack.clone(),
                pod: pod.clone(),
                nodes: plan.nodes,
            })
            .collect(),
    };
    let from = follow::From {
        clusters: now.resource_version().unwrap_or_default(),
        pods: namespace.pods_version,
        cluster: Some(plan.cluster.clone()),
        pod_labels: request::selector(Some(&plan.cluster)),
    };
    let picture = Picture::new(vec![now], namespace.pods);
    Box::pin(follow::follow(access, printer, picture, goal, from, timeout)).await?;
    printer.text(&format!(
        "{}/{} datacenter {} scaled down",
        resource_name::<CassandraCluster>(),
        plan.cluster,
        plan.dc
    ))?;
    Ok(ExitStatus::Success)
}

/// What was asked for.
struct Asked {
    plan: DecommissionPlan,
    namespace: Namespace,
    now: CassandraCluster,
}

/// What has changed meanwhile is looked at anew. A yes holds for the nodes it was given for, and for no others.
async fn ask(args: &Args, access: &Access, printer: &mut Printer<'_>) -> Result<Asked, Failure> {
    let request = DecommissionRequest {
        cluster: args.crd.clone(),
        leaving: args.leaving.leaving(),
    };
    let mut confirmed = None;
    for _ in 0..TRIES {
        let namespace = request::clusters_and_pods(access).await?;
        let plan = guard::decommission(&namespace.views(), &request)?;
        let is_it = |cluster: &&CassandraCluster| cluster.name_any() == plan.cluster;
        let Some(cluster) = namespace.clusters.iter().find(is_it).cloned() else {
            return Err(Failure::Ended(format!(
                "cassandracluster `{}` is gone",
                plan.cluster
            )));
        };
        if plan.turn == Turn::Asked {
            let now = cluster;
            return Ok(Asked { plan, namespace, now });
        }
        if confirmed.as_ref() != Some(&plan) {
            let consent = args.write.consent(Spelling::Ours);
            confirm(&plan.loss(), consent, args.write.dry_run(), printer)?;
            confirmed = Some(plan.clone());
        }
        let written =
            request::lower_nodes(access, &cluster, &plan.dc, plan.nodes, args.write.dry_run()).await?;
        if let Written::Yes(now) = written {
            let now = *now;
            return Ok(Asked { plan, namespace, now });
        }
    }
    Err(Failure::Contended {
        object: "the cassandracluster".to_owned(),
        tries: TRIES,
    })
}

fn tell(asked: &Asked, dry_run: DryRun, access: &Access, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let plan = &asked.plan;
    if plan.turn == Turn::Asked {
        let pods: Vec<&str> = plan.leaving.iter().map(|(_, pod)| pod.as_str()).collect();
        printer.note(&format!(
            "nodesPerRacks of datacenter {} is {} already, and the nodes of {} are to leave; nothing written",
            plan.dc,
            plan.nodes,
            pods.join(", ")
        ));
    } else {
        printer.text(&format!("Namespace {}", access.place().namespace))?;
        for (_, pod) in &plan.leaving {
            printer.text(&format!(
                "Trigger decommission of the node of pod {pod}{}",
                dry_run.mark()
            ))?;
        }
    }
    printer.objects(std::slice::from_ref(&asked.now))
}
