//! `removenode`, CassKop's `remove`.

use std::net::IpAddr;

use casskop_core::guard::{self, From, PodChange, PodPlan, RemovalPlan, RemovalRequest};
use casskop_types::operation::{HostId, OperationCommand, OperationStatus, RemoveTarget};

use super::confirm::confirm;
use super::pod_change::{self, Manner};
use crate::cli::{Spelling, WaitFlags, WriteFlags};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::request;

/// Take a lost node out of the ring
///
/// Another node does it (`nodetool removenode`), and streams what the lost node held from its replicas. Where the lost node
/// is given by its pod, the pod's data volume is deleted with it. A node that is in service is never removed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # The node of a pod whose machine is gone, by any free node of the cluster
  kubectl casskop removenode --pod demo-dc1-rack1-1 --previous-ip 10.0.0.7 --crd demo
  # By a node of your choice
  kubectl casskop removenode --pod demo-dc1-rack1-1 --previous-ip 10.0.0.7 --from-pod demo-dc1-rack2-0
  # A node without a pod, by its address or by its host id
  kubectl casskop removenode --previous-ip 10.0.0.7 --crd demo
  kubectl casskop removenode --host-id 5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1 --crd demo --wait")]
pub(crate) struct Args {
    /// Pod of the lost node
    #[arg(long, value_name = "NAME")]
    pod: Option<String>,
    /// Address the lost node had
    #[arg(long, value_name = "IP")]
    previous_ip: Option<IpAddr>,
    /// Host id of the lost node
    #[arg(long, value_name = "UUID", conflicts_with_all = ["pod", "previous_ip"])]
    host_id: Option<HostId>,
    /// Pod of the node that removes it
    #[arg(long, value_name = "NAME", conflicts_with = "crd")]
    from_pod: Option<String>,
    /// Let any free node of this `CassandraCluster` remove it
    #[arg(long, value_name = "NAME")]
    crd: Option<String>,
    #[command(flatten)]
    write: WriteFlags,
    #[command(flatten)]
    wait: WaitFlags,
}

impl Args {
    fn lost(&self) -> Option<RemoveTarget> {
        match (&self.pod, self.previous_ip, &self.host_id) {
            (Some(pod), address, _) => Some(RemoveTarget::Pod {
                name: pod.clone(),
                address,
            }),
            (None, Some(address), _) => Some(RemoveTarget::Address(address)),
            (None, None, Some(host_id)) => Some(RemoveTarget::HostId(host_id.clone())),
            (None, None, None) => None,
        }
    }

    /// Whose command line `remove` is: CassKop's plugin demanded the lost node's pod, and who removes it.
    pub(crate) fn spelling(&self) -> Spelling {
        if self.pod.is_some() && (self.from_pod.is_some() || self.crd.is_some()) {
            Spelling::CassKops
        } else {
            Spelling::Ours
        }
    }

    /// What is missing from the arguments.
    pub(crate) fn incomplete(&self) -> Option<String> {
        self.lost()
            .is_none()
            .then(|| "say which node is lost with --pod, --previous-ip or --host-id".to_owned())
    }
}

pub(super) async fn run(
    args: &Args,
    spelling: Spelling,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let Some(lost) = args.lost() else {
        return Ok(ExitStatus::Refused);
    };
    let from = args
        .from_pod
        .clone()
        .map_or_else(|| From::AnyOf(args.crd.clone()), From::Pod);
    let namespace = request::clusters_and_pods(access).await?;
    let request = RemovalRequest { lost, from };
    let plan = match guard::removal(&namespace.views(), &request)? {
        RemovalPlan::Ask(target) => {
            let consent = args.write.consent(spelling);
            confirm(&request.loss(), consent, args.write.dry_run(), printer)?;
            PodPlan {
                ask: vec![target],
                ..PodPlan::default()
            }
        }
        RemovalPlan::Asked(target) => PodPlan {
            asked: vec![(target, OperationStatus::ToDo)],
            ..PodPlan::default()
        },
    };
    let change = PodChange::ask(OperationCommand::Remove { target: request.lost });
    let manner = Manner {
        dry_run: args.write.dry_run(),
        after: args.wait.after_writing(),
    };
    pod_change::carry_out(namespace, plan, &change, manner, access, printer).await
}
