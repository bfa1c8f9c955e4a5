//! `seeds`: the seed list, and whether it works.

use casskop_core::view::ClusterView;
use casskop_core::view::seeds::{SeedView, seeds};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use serde_json::json;

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::{Access, Kind};
use crate::printer::Printer;
use crate::render;
use crate::request;

/// Show the seeds of a cluster, and whether their names lead to them
///
/// The list of the status, each seed with its pod, and the addresses to which the cluster's headless Service resolves its name. What would keep a
/// starting node from the ring is said as a warning.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Of the only cluster of the namespace
  kubectl casskop seeds
  # For a script
  kubectl casskop seeds --crd demo -o json")]
pub(crate) struct Args {
    /// The `CassandraCluster`; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    crd: Option<String>,
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let cluster = request::the_cluster(access, args.crd.as_deref()).await?;
    let name = cluster.name_any();
    let (pods, _) = request::pods_of(access, &name).await?;
    let of_service = format!("kubernetes.io/service-name={name}");
    let slices: Option<Vec<EndpointSlice>> =
        match request::list(access, Kind::EndpointSlices, Some(&of_service)).await {
            Ok(slices) => Some(slices),
            Err(error) => {
                printer.warning(&format!("what the names resolve to is not known: {error}"));
                None
            }
        };
    let view = ClusterView::of(&cluster, &pods);
    let seeds = seeds(&cluster, &view, slices.as_deref());
    for problem in seeds.iter().filter_map(SeedView::problem) {
        printer.warning(&problem);
    }
    if seeds.is_empty() {
        printer.note(&format!(
            "the status of cassandracluster `{name}` lists no seeds yet; its racks have not been planned"
        ));
    }
    let text = if seeds.is_empty() {
        String::new()
    } else {
        render::seeds(&seeds)
    };
    let pod = |seed: &SeedView| format!("pod/{}", seed.seed.split('.').next().unwrap_or_default());
    let names: Vec<String> = seeds.iter().map(pod).collect();
    printer.result(&text, &names, &json!({ "cluster": name, "seeds": seeds }))?;
    Ok(ExitStatus::Success)
}
