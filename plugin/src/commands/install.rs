//! `install`: definition, roles and operator.

mod manifests;

use std::collections::BTreeSet;

use clap::ValueEnum;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::Role;
use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use super::version;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::{Access, Call, CallError, FIELD_MANAGER, Kind};
use crate::printer::Printer;
use crate::request;
use manifests::{Reach, Wanted, manifests};

/// Install, or bring up to date, the definition, the roles and the operator
///
/// By server-side apply of the same files as in crds/ and operator/deploy/: what is there already and differs is changed, nothing is deleted. The
/// pods of every cluster of the namespace, and of those named by --crd, may then read what the operator tells them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # An operator for the clusters of namespace cassandra
  kubectl casskop install -n cassandra --image REGISTRY/casskop-operator:0.1.0 --crd demo
  # One for the clusters of all namespaces
  kubectl casskop install --everywhere --image REGISTRY/casskop-operator:0.1.0
  # Only show what would be written
  kubectl casskop install -n cassandra --dry-run -o yaml")]
pub(crate) struct Args {
    /// The operator's image [default: of this plugin's version]
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Namespace of the operator itself
    #[arg(long, value_name = "NAME", default_value = version::OPERATOR_NAMESPACE)]
    operator_namespace: String,
    /// Run the clusters of all namespaces
    #[arg(long)]
    everywhere: bool,
    /// A `CassandraCluster` that is to come; repeat it for several
    #[arg(long, value_name = "NAME")]
    crd: Vec<String>,
    /// Write nothing: `client` shows what would be written, `server` has the API server judge it
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "client", value_name = "WHERE")]
    dry_run: Option<Dry>,
    /// Take over fields that another manager set
    #[arg(long)]
    force_conflicts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dry {
    Client,
    Server,
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let namespace = access.place().namespace.clone();
    let mut clusters: BTreeSet<String> = args.crd.iter().cloned().collect();
    match (known_clusters(access).await, args.dry_run) {
        (Ok(known), _) => clusters.extend(known),
        // What is only shown needs no API server.
        (Err(failure), Some(Dry::Client)) => {
            printer.warning(&format!("no clusters but those of --crd are known: {failure}"));
        }
        (Err(failure), _) => return Err(failure),
    }
    let wanted = Wanted {
        operator_namespace: args.operator_namespace.clone(),
        clusters_namespace: namespace.clone(),
        reach: if args.everywhere {
            Reach::Everywhere
        } else {
            Reach::Namespace
        },
        image: args.image.clone(),
        clusters: clusters.into_iter().collect(),
    };
    let mut objects = manifests(&wanted).map_err(|error| Failure::Output(std::io::Error::other(error)))?;
    if args.dry_run != Some(Dry::Client) && is_missing(access, &namespace).await? {
        objects.insert(
            0,
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
        );
    }
    let mut written = Vec::new();
    let mut told = Ok(());
    for object in objects {
        let Some(what) = Applied::of(&object) else {
            continue;
        };
        let applied = match args.dry_run {
            Some(Dry::Client) => object,
            _ => apply(args, access, &what, &object).await?,
        };
        let mark = match args.dry_run {
            None => "",
            Some(Dry::Client) => " (dry run)",
            Some(Dry::Server) => " (server dry run)",
        };
        // Half an installation is none: it goes on where nobody reads of it any more.
        told = told.and_then(|()| printer.text(&format!("{} serverside-applied{mark}", what.shown)));
        written.push((what.shown, applied));
    }
    told?;
    let (names, items): (Vec<String>, Vec<Value>) = written.into_iter().unzip();
    let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items });
    printer.result("", &names, &list)?;
    if wanted.clusters.is_empty() {
        printer.note("no cluster is there yet; run it again with --crd NAME for each that comes, so that its pods learn of their ring's past");
    }
    Ok(ExitStatus::Success)
}

/// Names of clusters that are there, and of those whose pods may read what they are told already.
async fn known_clusters(access: &Access) -> Result<BTreeSet<String>, Failure> {
    let mut known = BTreeSet::new();
    match request::list_of(access, &access.clusters(), Kind::Clusters, None).await {
        Ok(clusters) => known.extend(clusters.iter().map(ResourceExt::name_any)),
        Err(CallError::NoSuchResource { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let roles = request::list::<Role>(access, Kind::Roles, None).await?;
    let role = roles
        .iter()
        .find(|role| role.name_any() == "cassandra-cluster-node");
    let rules = role.into_iter().flat_map(|role| role.rules.iter().flatten());
    let readable = rules.flat_map(|rule| rule.resource_names.iter().flatten());
    known.extend(
        readable
            .filter_map(|name| name.strip_suffix("-bootstrap"))
            .map(str::to_owned),
    );
    Ok(known)
}

async fn is_missing(access: &Access, namespace: &str) -> Result<bool, CallError> {
    let call = Call {
        verb: "get",
        resource: Kind::Namespaces,
        name: Some(namespace.to_owned()),
    };
    let namespaces = access.everywhere::<Namespace>();
    match access.call(&call, Box::pin(namespaces.get_opt(namespace))).await {
        Ok(found) => Ok(found.is_none()),
        // Who may not look will hear of it where it matters.
        Err(CallError::Forbidden { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// An object that is applied, as kubectl names it.
struct Applied {
    shown: String,
    name: String,
    kind: Kind,
}

impl Applied {
    fn of(object: &Value) -> Option<Self> {
        let name = object["metadata"]["name"].as_str()?.to_owned();
        let (shown, kind) = match object["kind"].as_str()? {
            "CustomResourceDefinition" => {
                ("customresourcedefinition.apiextensions.k8s.io", Kind::Definitions)
            }
            "Namespace" => ("namespace", Kind::Namespaces),
            "ServiceAccount" => ("serviceaccount", Kind::Accounts),
            "Role" => ("role.rbac.authorization.k8s.io", Kind::Roles),
            "RoleBinding" => ("rolebinding.rbac.authorization.k8s.io", Kind::RoleBindings),
            "ClusterRole" => ("clusterrole.rbac.authorization.k8s.io", Kind::ClusterRoles),
            "ClusterRoleBinding" => (
                "clusterrolebinding.rbac.authorization.k8s.io",
                Kind::ClusterRoleBindings,
            ),
            "Deployment" => ("deployment.apps", Kind::Deployments),
            _ => return None,
        };
        Some(Self {
            shown: format!("{shown}/{name}"),
            name,
            kind,
        })
    }
}

async fn apply(args: &Args, access: &Access, what: &Applied, object: &Value) -> Result<Value, Failure> {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion")
        .rsplit_once('/')
        .unwrap_or(("", text("apiVersion")));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("kind")));
    let api = access.dynamic(&resource, object["metadata"]["namespace"].as_str());
    let params = PatchParams {
        dry_run: args.dry_run == Some(Dry::Server),
        force: args.force_conflicts,
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let call = Call {
        verb: "patch",
        resource: what.kind,
        name: Some(what.name.clone()),
    };
    let patch = Patch::Apply(object);
    let answered: Result<DynamicObject, CallError> = access
        .call(&call, Box::pin(api.patch(&what.name, &params, &patch)))
        .await;
    match answered {
        Ok(mut applied) => {
            applied.metadata.managed_fields = None;
            serde_json::to_value(applied).map_err(Failure::Render)
        }
        Err(CallError::Changed { object }) => Err(Failure::Wrong(format!(
            "{object} has fields that another manager set otherwise; add --force-conflicts to take them over"
        ))),
        Err(error) => Err(error.into()),
    }
}
