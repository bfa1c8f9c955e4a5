//! `report`: a support bundle.

use std::io;
use std::path::PathBuf;

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;
use crate::report::{Logs, Target, collect};

/// Write what a person who helps has to see, without secrets
///
/// Clusters, StatefulSets, pods, Services, claims, ConfigMaps and events of the namespace, and the operator; logs where asked for. Objects of
/// kind Secret are not read. Values that look like secrets by their names are taken out; read the report before you pass it on all the same.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Of every cluster of the namespace, into casskop-report-<namespace>-<time>.tar.gz
  kubectl casskop report
  # Of one cluster, with the last lines of every container and of the operator
  kubectl casskop report --crd demo --logs
  # Into a directory, to look at it
  kubectl casskop report -f /tmp/report")]
pub(crate) struct Args {
    /// Only this `CassandraCluster`
    #[arg(long, value_name = "NAME")]
    crd: Option<String>,
    /// Where to write it: an archive if it ends with .tar.gz, else a directory; neither may exist
    #[arg(short, long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Logs too, of the clusters' containers, their init containers, and the operator
    #[arg(long)]
    logs: bool,
    /// How many last lines of each log
    #[arg(long, value_name = "LINES", default_value_t = 2000, requires = "logs")]
    tail: i64,
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let now = printer.now();
    let target = Target::of(args.file.clone().unwrap_or_else(|| {
        let time = now.strftime("%Y%m%dT%H%M%SZ");
        PathBuf::from(format!(
            "casskop-report-{}-{time}.tar.gz",
            access.place().namespace
        ))
    }));
    let shown = target.path().display().to_string();
    if target.path().exists() {
        return Err(Failure::Wrong(format!(
            "{shown} exists already; name another with --file"
        )));
    }
    let logs = if args.logs {
        Logs::Lines(args.tail)
    } else {
        Logs::No
    };
    let bundle = Box::pin(collect(access, args.crd.as_deref(), logs)).await?;
    bundle.write(&target, now).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::Wrong(format!("{shown} exists already; name another with --file"))
        }
        _ => Failure::File {
            path: target.path().to_owned(),
            cause: error,
        },
    })?;
    printer.line(&shown)?;
    printer.note(&format!(
        "{} files; what looked like a secret was taken out by its name: read it before you pass it on",
        bundle.names().count()
    ));
    Ok(ExitStatus::Success)
}
