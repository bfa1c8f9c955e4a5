//! `install`: definition, roles and operator.

mod manifests;

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::Role;
use kube::ResourceExt;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};

use super::version;
use crate::cli::{DryRun, DryRunFlag};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::{Access, Call, CallError, Kind};
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
    #[command(flatten)]
    dry_run: DryRunFlag,
    /// Take over fields that another manager set
    #[arg(long)]
    force_conflicts: bool,
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let dry_run = args.dry_run.dry_run;
    let namespace = access.place().namespace.clone();
    let mut clusters: BTreeSet<String> = args.crd.iter().cloned().collect();
    match (known_clusters(access).await, dry_run) {
        (Ok(known), _) => clusters.extend(known),
        // What is only shown needs no API server.
        (Err(failure), DryRun::Client) => {
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
    match dry_run {
        DryRun::Server => {
            for needed in BTreeSet::from([&namespace, &args.operator_namespace]) {
                if is_missing(access, needed).await? {
                    return Err(no_judgement(needed));
                }
            }
        }
        DryRun::None if is_missing(access, &namespace).await? => objects.insert(
            0,
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
        ),
        DryRun::Client | DryRun::None => {}
    }
    let mut written = Vec::new();
    let mut told = Ok(());
    for object in objects {
        let Some(what) = Applied::of(&object) else {
            continue;
        };
        let applied = match dry_run {
            DryRun::Client => object,
            DryRun::None | DryRun::Server => apply(args, access, &what, &object).await?,
        };
        let mark = dry_run.mark();
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

/// The API server judges an object in a namespace that is there, and a dry run makes none.
fn no_judgement(namespace: &str) -> Failure {
    Failure::Wrong(format!(
        "namespace `{namespace}` is not there, so that the API server cannot judge what would be in it: create it with \
         `kubectl create namespace {namespace}`, or see what would be written with --dry-run=client"
    ))
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
        force: args.force_conflicts,
        ..request::patch_params(args.dry_run.dry_run)
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
