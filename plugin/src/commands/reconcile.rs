//! `reconcile`: whether the operator works on a cluster.

use casskop_core::plan;
use casskop_types::{CassandraCluster, labels};
use clap::ValueEnum;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::cli::WriteFlags;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::{Printer, resource_name};
use crate::request;

/// Keep the operator from working on a cluster, or let it go on
///
/// While a cluster is paused the operator changes nothing of it: no restarts, no repairs of StatefulSets, no operations, whatever its spec and
/// its pods' labels ask for. Work that runs inside Cassandra goes on there. Deleting the cluster still works.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Hands off, while something is repaired by hand
  kubectl casskop reconcile pause --crd demo
  # Let the operator go on
  kubectl casskop reconcile resume --crd demo")]
pub(crate) struct Args {
    /// What to do
    #[arg(value_enum)]
    step: Step,
    /// The `CassandraCluster`; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    crd: Option<String>,
    #[command(flatten)]
    write: WriteFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    Pause,
    Resume,
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let cluster = request::the_cluster(access, args.crd.as_deref()).await?;
    let name = cluster.name_any();
    let paused = plan::is_paused(&cluster);
    let (annotation, done, already) = match args.step {
        Step::Pause => (json!("true"), "paused", paused),
        Step::Resume => (Value::Null, "resumed", !paused),
    };
    let now = if already {
        let state = if paused {
            "is paused already"
        } else {
            "is not paused"
        };
        printer.note(&format!("cassandracluster `{name}` {state}; nothing written"));
        cluster
    } else {
        let fields = json!({ "metadata": { "annotations": { labels::PAUSED: annotation } } });
        let now = request::merge_cluster(access, &cluster, fields, args.write.dry_run()).await?;
        printer.text(&format!(
            "{}/{name} {done}{}",
            resource_name::<CassandraCluster>(),
            args.write.dry_run().mark()
        ))?;
        now
    };
    printer.objects(&[now])?;
    Ok(ExitStatus::Success)
}
