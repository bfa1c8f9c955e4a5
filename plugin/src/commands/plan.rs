//! `plan`: what the operator would do with an edited manifest.

use std::io::Read;
use std::path::PathBuf;

use casskop_core::fact::Fact;
use casskop_core::observed::KubeState;
use casskop_core::preview::{Preview, preview};
use casskop_types::CassandraCluster;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use serde::Deserialize as _;
use serde_json::json;

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::{Access, Call, CallError, Kind};
use crate::printer::Printer;
use crate::render;
use crate::request;

/// Show what the operator would do with an edited manifest
///
/// Nothing is written. The edit is judged by the operator's own rules: what cannot work, what would be put back, which racks change and in
/// which order, and which nodes would be restarted. What only the nodes know is decided when it is their turn.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # Before `kubectl apply -f demo.yaml`
  kubectl casskop plan -f demo.yaml
  # From another program
  kustomize build . | kubectl casskop plan -f -")]
pub(crate) struct Args {
    /// The manifest with the `CassandraCluster`; `-` reads standard input
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let mut cluster = manifest(args)?;
    let name = cluster.name_any();
    let namespace = access.place().namespace.clone();
    if let Some(other) = cluster.namespace().filter(|other| *other != namespace) {
        return Err(Failure::Wrong(format!(
            "the manifest of cassandracluster `{name}` is for namespace `{other}`; add --namespace {other}"
        )));
    }
    let stored = stored(access, &name).await?;
    let before = if stored.is_some() {
        Before::There
    } else {
        Before::Absent
    };
    as_if_applied(&mut cluster, stored, &namespace);
    let kube = children(access, cluster).await?;
    match preview(kube, printer.now()) {
        Ok(preview) => {
            tell(&preview, &name, before, printer)?;
            Ok(ExitStatus::Success)
        }
        Err(problems) => {
            for problem in &problems {
                printer.note(&format!("{problem}"));
            }
            Err(Failure::Wrong(format!(
                "cassandracluster `{name}` cannot work as the manifest has it ({}); correct what is named above",
                match problems.len() {
                    1 => "1 problem".to_owned(),
                    several => format!("{several} problems"),
                }
            )))
        }
    }
}

/// The only cluster of a manifest, which may hold other objects.
fn manifest(args: &Args) -> Result<CassandraCluster, Failure> {
    let shown = args.file.display();
    let wrong = |why: String| Failure::Wrong(format!("cannot use {shown}: {why}"));
    let text = if args.file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(&args.file)
    };
    let text = text.map_err(|error| wrong(error.to_string()))?;
    let mut clusters = Vec::new();
    for document in serde_yaml::Deserializer::from_str(&text) {
        let value = serde_json::Value::deserialize(document).map_err(|error| wrong(error.to_string()))?;
        if value["kind"] == "CassandraCluster" {
            clusters.push(serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?);
        }
    }
    match clusters.len() {
        1 => Ok(clusters.remove(0)),
        0 => Err(wrong("it has no CassandraCluster".to_owned())),
        several => Err(wrong(format!("it has {several} CassandraClusters; give one"))),
    }
}

async fn stored(access: &Access, name: &str) -> Result<Option<CassandraCluster>, Failure> {
    let call = Call {
        verb: "get",
        resource: Kind::Clusters,
        name: Some(name.to_owned()),
    };
    match access.call(&call, access.clusters().get(name)).await {
        Ok(cluster) => Ok(Some(cluster)),
        Err(CallError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the API server would make of the manifest: its own metadata and status stay.
fn as_if_applied(edited: &mut CassandraCluster, stored: Option<CassandraCluster>, namespace: &str) {
    edited.metadata.namespace = Some(namespace.to_owned());
    let Some(stored) = stored else {
        return;
    };
    let metadata = &mut edited.metadata;
    metadata.uid = stored.metadata.uid;
    metadata.generation = stored.metadata.generation;
    metadata.resource_version = stored.metadata.resource_version;
    for (kept, given) in [
        (stored.metadata.annotations, &mut metadata.annotations),
        (stored.metadata.labels, &mut metadata.labels),
    ] {
        let mut merged = kept.unwrap_or_default();
        merged.extend(given.take().unwrap_or_default());
        *given = Some(merged);
    }
    edited.status = stored.status;
}

async fn children(access: &Access, cluster: CassandraCluster) -> Result<KubeState, Failure> {
    let name = cluster.name_any();
    let label = request::selector(Some(&name));
    let label = Some(label.as_str());
    let (statefulsets, pods, services, budgets) = futures::try_join!(
        request::list(access, Kind::StatefulSets, label),
        request::list(access, Kind::Pods, label),
        request::list(access, Kind::Services, label),
        request::list::<PodDisruptionBudget>(access, Kind::Budgets, label),
    )?;
    Ok(KubeState {
        cluster,
        statefulsets,
        pods,
        services: Fact::Known(services),
        disruption_budget: Fact::Known(budgets.into_iter().find(|budget| budget.name_any() == name)),
        failed_creations: std::collections::BTreeMap::new(),
        growth: std::collections::BTreeMap::new(),
        claims: Fact::default(),
        hooks: Fact::default(),
        scheduled_backups: Vec::new(),
    })
}

/// Whether the API server has the cluster already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Absent,
    There,
}

fn tell(preview: &Preview, name: &str, before: Before, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let mut lines = Vec::new();
    if before == Before::Absent {
        lines.push(format!("cassandracluster {name} would be created"));
    }
    for edit in &preview.put_back {
        lines.push(format!("{} would be put back: {}", edit.field, edit.why));
    }
    if !preview.put_back.is_empty() {
        printer.note("as long as an edit is put back, nothing else of it is done");
    } else if preview.is_empty() {
        lines.push(format!("cassandracluster {name}: nothing to do"));
    } else {
        lines.extend(
            preview
                .removed
                .iter()
                .map(|set| format!("StatefulSet/{set} would be deleted, once its datacenter is empty")),
        );
        lines.extend(
            preview
                .applied
                .iter()
                .map(|object| format!("{object} would be written")),
        );
        if !preview.racks.is_empty() {
            printer.note("racks are worked on one after the other, in this order");
            lines.push(render::preview(&preview.racks));
        }
    }
    let racks: Vec<String> = preview.racks.iter().map(|rack| rack.rack.to_string()).collect();
    printer.result(&lines.join("\n"), &racks, &json!(preview))
}

#[cfg(test)]
mod tests {
    use casskop_types::labels;

    use super::*;

    #[test]
    fn what_the_operator_keeps_in_the_object_stays() {
        let read = |value| serde_json::from_value::<CassandraCluster>(value).unwrap();
        let stored = read(json!({
            "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
            "metadata": { "name": "demo", "uid": "u", "annotations": { labels::LAST_APPLIED_CONFIGURATION: "kept", "mine": "old" } },
            "spec": {}, "status": { "phase": "Running" },
        }));
        let mut edited = read(json!({
            "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
            "metadata": { "name": "demo", "annotations": { "mine": "new" } }, "spec": {},
        }));
        as_if_applied(&mut edited, Some(stored), "data");
        let annotations = edited.annotations();
        assert_eq!(annotations[labels::LAST_APPLIED_CONFIGURATION], "kept");
        assert_eq!(annotations["mine"], "new");
        assert_eq!(edited.metadata.uid.as_deref(), Some("u"));
        assert!(edited.status.is_some());
    }
}
