//! Names from the API server and from the kubeconfig. What cannot be read is not there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use casskop_core::view::{ClusterView, NodeView};
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::config::Kubeconfig;

use super::words::{Candidate, Flags, Names};
use crate::cli::GlobalFlags;
use crate::kube_access::{Access, Kind};
use crate::request;

/// The names, with what there is to say of each.
pub(super) async fn names(names: Names, flags: &Flags) -> Option<Vec<Candidate>> {
    match names {
        Names::Contexts => kubeconfig(flags, |read| plain(read.contexts.into_iter().map(|one| one.name))),
        Names::KubeconfigClusters => {
            kubeconfig(flags, |read| plain(read.clusters.into_iter().map(|one| one.name)))
        }
        Names::KubeconfigUsers => kubeconfig(flags, |read| {
            plain(read.auth_infos.into_iter().map(|one| one.name))
        }),
        Names::Namespaces => {
            let access = open(flags).await?;
            let all = access.everywhere::<Namespace>();
            let found = request::list_of(&access, &all, Kind::Namespaces, None)
                .await
                .ok()?;
            Some(plain(found.iter().map(ResourceExt::name_any)))
        }
        Names::Pods => {
            let access = open(flags).await?;
            let views = request::clusters_and_pods(&access).await.ok()?.views();
            Some(nodes(&views, flags).map(pod).collect())
        }
        Names::Clusters | Names::Datacenters | Names::Racks | Names::PodPrefixes => {
            let access = open(flags).await?;
            let found = request::list_of(&access, &access.clusters(), Kind::Clusters, None)
                .await
                .ok()?;
            let views: Vec<ClusterView> = found
                .iter()
                .map(|cluster| ClusterView::of(cluster, &[]))
                .collect();
            Some(of_clusters(names, &views, flags))
        }
    }
}

async fn open(flags: &Flags) -> Option<Access> {
    let flags = GlobalFlags {
        namespace: flags.namespace.clone(),
        context: flags.context.clone(),
        kubeconfig: flags.kubeconfig.clone().map(PathBuf::from),
        cluster: flags.cluster.clone(),
        user: flags.user.clone(),
        ..GlobalFlags::default()
    };
    Access::open(&flags).await.ok()
}

fn kubeconfig(flags: &Flags, names: impl FnOnce(Kubeconfig) -> Vec<Candidate>) -> Option<Vec<Candidate>> {
    let read = match &flags.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    read.ok().map(names)
}

fn of_clusters(names: Names, views: &[ClusterView], flags: &Flags) -> Vec<Candidate> {
    let chosen = chosen(views, flags);
    match names {
        Names::Clusters => views
            .iter()
            .map(|view| Candidate {
                value: view.name.clone(),
                about: view.phase.map(|phase| phase.to_string()).unwrap_or_default(),
            })
            .collect(),
        Names::Datacenters => {
            let all: BTreeSet<&str> = chosen.flat_map(ClusterView::datacenters).collect();
            plain(all.into_iter().map(str::to_owned))
        }
        Names::PodPrefixes => plain(chosen.flat_map(|view| {
            let racks = view.racks.iter();
            racks.map(|at| format!("{}-{}-{}", view.name, at.rack.dc, at.rack.rack))
        })),
        _ => {
            let racks: BTreeSet<String> = chosen
                .flat_map(|view| view.racks.iter().map(|rack| rack.rack.to_string()))
                .collect();
            plain(racks.into_iter())
        }
    }
}

fn nodes<'a>(views: &'a [ClusterView], flags: &'a Flags) -> impl Iterator<Item = &'a NodeView> {
    chosen(views, flags).flat_map(|view| &view.nodes)
}

fn chosen<'a>(views: &'a [ClusterView], flags: &'a Flags) -> impl Iterator<Item = &'a ClusterView> {
    views
        .iter()
        .filter(|view| flags.crd.as_ref().is_none_or(|crd| *crd == view.name))
}

fn pod(node: &NodeView) -> Candidate {
    Candidate {
        value: node.pod.clone(),
        about: format!("{}, {}", node.rack, node.state),
    }
}

fn plain(names: impl Iterator<Item = String>) -> Vec<Candidate> {
    let candidate = |value| Candidate {
        value,
        about: String::new(),
    };
    names.map(candidate).collect()
}
