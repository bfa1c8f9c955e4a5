//! `tree`: what a cluster is made of.

use casskop_core::view::tree::{Branch, Objects, tree};
use k8s_openapi::NamespaceResourceScope;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::{Access, CallError, Kind};
use crate::printer::Printer;
use crate::render;
use crate::request;

/// Show the objects of a cluster as a tree, and whether they are ready
///
/// StatefulSets, pods and their claims, Services, the disruption budget and ConfigMaps. What hangs on nothing, such as the claim of a pod that
/// is gone, stands at the root. What may not be read is left out with a warning.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Of the only cluster of the namespace
  kubectl casskop tree
  # As data
  kubectl casskop tree --crd demo -o json")]
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
    let label = request::selector(Some(&cluster.name_any()));
    let label = Some(label.as_str());
    let (stateful_sets, pods, claims, services, budgets, config_maps) = futures::join!(
        request::list(access, Kind::StatefulSets, label),
        request::list(access, Kind::Pods, label),
        request::list(access, Kind::Claims, label),
        request::list(access, Kind::Services, label),
        request::list(access, Kind::Budgets, label),
        request::list(access, Kind::ConfigMaps, None),
    );
    let objects = Objects {
        stateful_sets: read(stateful_sets, printer)?,
        pods: read(pods, printer)?,
        claims: read(claims, printer)?,
        services: read(services, printer)?,
        budgets: read(budgets, printer)?,
        config_maps: read(config_maps, printer)?,
    };
    let tree = tree(&cluster, &objects);
    let mut all = Vec::new();
    names(&tree, &mut all);
    printer.result(&render::tree(&tree), &all, &json!(tree))?;
    Ok(ExitStatus::Success)
}

/// What may not be read is left out; any other failure is one of the whole.
fn read<K>(listed: Result<Vec<K>, CallError>, printer: &mut Printer<'_>) -> Result<Vec<K>, Failure>
where
    K: kube::Resource<Scope = NamespaceResourceScope> + DeserializeOwned,
{
    match listed {
        Err(error @ CallError::Forbidden { .. }) => {
            printer.warning(&format!("left out: {error}"));
            Ok(Vec::new())
        }
        listed => Ok(listed?),
    }
}

fn names(branch: &Branch, into: &mut Vec<String>) {
    into.push(format!("{}/{}", branch.kind.to_lowercase(), branch.name));
    branch.children.iter().for_each(|child| names(child, into));
}
