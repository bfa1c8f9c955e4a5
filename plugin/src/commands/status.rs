//! `status`.

mod live;

use casskop_core::guard::{self, RackSelection};
use casskop_core::view::ring::RingReport;
use casskop_core::view::{ClusterView, RackRef};
use casskop_types::CassandraCluster;
use kube::ResourceExt;
use serde_json::{Value, json};

use crate::cli::OutputFormat;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::{Printer, resource_name};
use crate::render::{self, Detail, Paces};
use crate::request::{self, Namespace};

/// Show clusters, their racks and pods, what runs on them and what is waited for
///
/// A cluster that is named, or the only one, is shown with its racks and pods; of several, each has a line. `-v` shows every pod
/// and every cluster in full with its ring, `-vv` also what has ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # The only cluster of the namespace, or a line for each of several
  kubectl casskop status
  # One cluster with every pod
  kubectl casskop status demo -v
  # One datacenter of it
  kubectl casskop status demo --dc dc1
  # The ring, as one of its nodes tells it
  kubectl casskop status demo --ring
  # Stay and watch
  kubectl casskop status demo -w
  # All clusters of all namespaces
  kubectl casskop status -A
  # For a script: ends with 3 unless every node is in service and nothing waits
  kubectl casskop status demo --exit-code -o name")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Args {
    /// The `CassandraCluster`; all of the namespace if left out
    #[arg(value_name = "NAME", conflicts_with_all = ["crd", "all_namespaces"])]
    name: Option<String>,
    /// The same, as other verbs take it
    #[arg(long, value_name = "NAME", conflicts_with = "all_namespaces")]
    crd: Option<String>,
    /// The clusters of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Only these datacenters
    #[arg(long, value_name = "DC", num_args = 1.., value_delimiter = ',', conflicts_with = "all_namespaces")]
    dc: Vec<String>,
    /// Only these racks
    #[arg(long, value_name = "DC.RACK", num_args = 1.., value_delimiter = ',', conflicts_with_all = ["dc", "all_namespaces"])]
    rack: Vec<RackRef>,
    /// Also ask a node for the ring: who is in it, how much each holds and owns
    #[arg(long, conflicts_with = "watch")]
    ring: bool,
    /// Go on showing it whenever something changes, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    /// End with exit code 3 unless all clusters shown are healthy
    #[arg(long, conflicts_with = "watch")]
    exit_code: bool,
}

impl Args {
    fn cluster(&self) -> Option<&str> {
        self.name.as_deref().or(self.crd.as_deref())
    }

    fn racks(&self) -> RackSelection {
        if !self.rack.is_empty() {
            RackSelection::Racks(self.rack.clone())
        } else if self.dc.is_empty() {
            RackSelection::Full
        } else {
            RackSelection::Datacenters(self.dc.clone())
        }
    }

    /// What is said where there is no cluster.
    fn nothing(&self, access: &Access) -> String {
        if self.all_namespaces {
            "No CassandraClusters found in any namespace.".to_owned()
        } else {
            format!(
                "No CassandraClusters found in namespace {}.",
                access.place().namespace
            )
        }
    }

    /// What is shown of all that was read.
    fn shown(&self, views: Vec<ClusterView>) -> Result<Vec<ClusterView>, Failure> {
        let selection = self.racks();
        if selection == RackSelection::Full {
            return Ok(views);
        }
        let one = guard::cluster(&views, self.cluster())?;
        let racks = guard::selected_racks(one, &selection)?;
        Ok(vec![one.clone().only(&racks)])
    }
}

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let everywhere = args.all_namespaces.then(|| access.in_all_namespaces());
    let access = everywhere.as_ref().unwrap_or(access);
    let namespace = read(args, access).await?;
    if args.watch {
        return live::run(args, namespace, access, printer).await;
    }
    let views = args.shown(namespace.views())?;
    if views.is_empty() {
        printer.note(&args.nothing(access));
    }
    let rings = if args.ring || printer.layout().detail > Detail::Brief {
        rings(&namespace, &views, access).await
    } else {
        Vec::new()
    };
    show(&views, &rings, printer)?;
    let healthy = views.iter().all(ClusterView::is_healthy);
    Ok(if args.exit_code && !healthy {
        ExitStatus::Unhealthy
    } else {
        ExitStatus::Success
    })
}

/// One request for the clusters and one for their pods, however many there are.
async fn read(args: &Args, access: &Access) -> Result<Namespace, Failure> {
    match args.cluster() {
        None => request::clusters_and_pods(access).await,
        Some(name) => {
            let (cluster, (pods, pods_version)) =
                futures::try_join!(request::cluster(access, name), request::pods_of(access, name))?;
            Ok(Namespace {
                clusters_version: cluster.metadata.resource_version.clone().unwrap_or_default(),
                clusters: vec![cluster],
                pods,
                pods_version,
            })
        }
    }
}

/// The ring of a cluster, or why it is not known.
type Ring = Result<RingReport, String>;

/// One node of each cluster is asked, and others only if it does not answer.
async fn rings(namespace: &Namespace, views: &[ClusterView], access: &Access) -> Vec<Ring> {
    let mut rings = Vec::new();
    for view in views {
        let is_it = |cluster: &&CassandraCluster| {
            cluster.name_any() == view.name && cluster.namespace().unwrap_or_default() == view.namespace
        };
        let told = match namespace.clusters.iter().find(is_it) {
            Some(cluster) => request::ring(access, cluster, &namespace.pods, view).await,
            None => Err("the cluster was deleted".to_owned()),
        };
        rings.push(told.map(|facts| RingReport::of(view, &facts)));
    }
    rings
}

/// Shows clusters, each with its ring if that was asked for.
fn show(views: &[ClusterView], rings: &[Ring], printer: &mut Printer<'_>) -> Result<(), Failure> {
    match printer.format() {
        OutputFormat::Json | OutputFormat::Yaml | OutputFormat::JsonPath(_) => {
            let rings = rings.iter().map(Some).chain(std::iter::repeat(None));
            let clusters: Result<Vec<Value>, _> = views
                .iter()
                .zip(rings)
                .map(|(view, ring)| with_ring(view, ring))
                .collect();
            printer.value(&json!({ "clusters": clusters.map_err(Failure::Render)? }))
        }
        OutputFormat::Name => views.iter().try_for_each(|view| {
            printer.line(&format!("{}/{}", resource_name::<CassandraCluster>(), view.name))
        }),
        format @ (OutputFormat::Text | OutputFormat::Wide) => {
            let mut layout = printer.layout();
            if format == OutputFormat::Wide {
                layout.detail = Detail::Everything;
            }
            let mut lines = render::status(views, &Paces::default(), &layout);
            for (view, ring) in views.iter().zip(rings) {
                lines.push(String::new());
                match ring {
                    Ok(ring) => lines.extend(render::ring(view, ring, &layout)),
                    Err(why) => {
                        lines.extend(layout.wrapped(&format!("Ring of {}: not known: {why}", view.name), 2));
                    }
                }
            }
            lines.iter().try_for_each(|line| printer.line(line))
        }
    }
}

fn with_ring(view: &ClusterView, ring: Option<&Ring>) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(view)?;
    match ring {
        None => {}
        Some(Ok(ring)) => value["ring"] = serde_json::to_value(ring)?,
        Some(Err(why)) => value["ringUnknown"] = why.as_str().into(),
    }
    Ok(value)
}
