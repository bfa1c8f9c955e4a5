//! `replace`.

use std::net::IpAddr;

use casskop_core::guard::{self, PodChange, ReplacementRequest};
use casskop_types::operation::{HostId, Member, OperationCommand};

use super::confirm::confirm;
use super::pod_change::{self, Manner};
use crate::cli::{Spelling, WaitFlags, WriteFlags};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::request;

/// Have a fresh node take the place of a lost one
///
/// The lost node's data volume and pod are deleted, both are made anew, and the fresh node streams what the lost one held from its
/// replicas. A node that is in service is never replaced.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # The node of a pod whose machine is gone, watching it
  kubectl casskop replace --pod demo-dc1-rack1-1 --wait
  # What would be lost
  kubectl casskop replace --pod demo-dc1-rack1-1 --dry-run
  # Where another node is down as well, or the operator has never seen this one
  kubectl casskop replace --pod demo-dc1-rack1-1 --host-id 5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1")]
pub(crate) struct Args {
    /// Pod of the lost node
    #[arg(long, value_name = "NAME")]
    pod: String,
    /// Address the lost node had
    #[arg(long, value_name = "IP")]
    previous_ip: Option<IpAddr>,
    /// Host id of the lost node
    #[arg(long, value_name = "UUID", conflicts_with = "previous_ip")]
    host_id: Option<HostId>,
    /// The `CassandraCluster` the pod has to be of
    #[arg(long, value_name = "NAME")]
    crd: Option<String>,
    #[command(flatten)]
    write: WriteFlags,
    #[command(flatten)]
    wait: WaitFlags,
}

impl Args {
    fn lost(&self) -> Option<Member> {
        let address = self.previous_ip.map(Member::Address);
        address.or_else(|| self.host_id.clone().map(Member::HostId))
    }

    /// CassKop's plugin demanded both flags, and had no others.
    fn spelling(&self) -> Spelling {
        if self.previous_ip.is_some() && self.crd.is_none() {
            Spelling::CassKops
        } else {
            Spelling::Ours
        }
    }
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let namespace = request::clusters_and_pods(access).await?;
    let request = ReplacementRequest {
        pod: args.pod.clone(),
        cluster: args.crd.clone(),
        lost: args.lost(),
    };
    let plan = guard::replacement(&namespace.views(), &request)?;
    if !plan.pods.ask.is_empty() {
        let consent = args.write.consent(args.spelling());
        confirm(&plan.loss, consent, args.write.dry_run(), printer)?;
    }
    let change = PodChange::ask(OperationCommand::Replace { lost: request.lost });
    let manner = Manner {
        dry_run: args.write.dry_run(),
        after: args.wait.after_writing(),
    };
    pod_change::carry_out(namespace, plan.pods, &change, manner, access, printer).await
}
