//! Reading clusters and pods.

use casskop_core::guard::{PodScope, PodSelection, Refusal};
use casskop_core::view::ClusterView;
use casskop_types::{CassandraCluster, labels};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::core::ObjectList;

use crate::failure::Failure;
use crate::kube_access::{Access, Call, CallError, Kind};

/// What was read of a namespace, and as of when: a watch from there misses nothing.
pub(crate) struct Namespace {
    pub(crate) clusters: Vec<CassandraCluster>,
    pub(crate) clusters_version: String,
    pub(crate) pods: Vec<Pod>,
    pub(crate) pods_version: String,
}

impl Namespace {
    /// What people see of it.
    pub(crate) fn views(&self) -> Vec<ClusterView> {
        self.clusters
            .iter()
            .map(|cluster| ClusterView::of(cluster, &self.pods))
            .collect()
    }
}

/// Every cluster and every Cassandra pod of the namespace, in one request each.
pub(crate) async fn clusters_and_pods(access: &Access) -> Result<Namespace, Failure> {
    let every_pod = selector(None);
    let (clusters, pods) = futures::try_join!(clusters(access), pods(access, &every_pod))?;
    Ok(Namespace {
        clusters_version: clusters.metadata.resource_version.clone().unwrap_or_default(),
        clusters: clusters.items,
        pods_version: pods.metadata.resource_version.clone().unwrap_or_default(),
        pods: pods.items,
    })
}

/// The same, and which pods a selection by labels means.
pub(crate) async fn selected(
    access: &Access,
    selection: PodSelection,
) -> Result<(Namespace, PodSelection), Failure> {
    let PodSelection {
        cluster,
        scope: PodScope::Labelled { selector, .. },
    } = &selection
    else {
        return Ok((clusters_and_pods(access).await?, selection));
    };
    let (namespace, pods) = futures::try_join!(clusters_and_pods(access), labelled(access, selector))?;
    let selection = PodSelection {
        cluster: cluster.clone(),
        scope: PodScope::Labelled {
            selector: selector.clone(),
            pods,
        },
    };
    Ok((namespace, selection))
}

/// Names of the Cassandra pods with such labels: what the text means, only the API server knows for sure.
async fn labelled(access: &Access, labels: &str) -> Result<Vec<String>, Failure> {
    let listed = pods(access, &format!("{},{labels}", selector(None))).await;
    match listed {
        Ok(pods) => Ok(pods
            .items
            .into_iter()
            .filter_map(|pod| pod.metadata.name)
            .collect()),
        Err(CallError::Other {
            cause: kube::Error::Api(status),
            ..
        }) if status.code == 400 => Err(Failure::Selector {
            selector: labels.to_owned(),
            reason: status.message.clone(),
        }),
        Err(error) => Err(error.into()),
    }
}

/// One cluster by name.
pub(crate) async fn cluster(access: &Access, name: &str) -> Result<CassandraCluster, Failure> {
    let call = Call {
        verb: "get",
        resource: Kind::Clusters,
        name: Some(name.to_owned()),
    };
    match access.call(&call, access.clusters().get(name)).await {
        Ok(cluster) => Ok(cluster),
        Err(CallError::NotFound { .. }) => Err(no_such_cluster(access, name).await),
        Err(error) => Err(error.into()),
    }
}

/// The cluster of that name, or the only one of the namespace.
pub(crate) async fn the_cluster(access: &Access, name: Option<&str>) -> Result<CassandraCluster, Failure> {
    if let Some(name) = name {
        return cluster(access, name).await;
    }
    let mut found = clusters(access).await?.items;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Refusal::NoCluster.into()),
        _ => Err(Refusal::SeveralClusters {
            known: found
                .into_iter()
                .filter_map(|cluster| cluster.metadata.name)
                .collect(),
        }
        .into()),
    }
}

/// The pods of one cluster, and the version of the list.
pub(crate) async fn pods_of(access: &Access, cluster: &str) -> Result<(Vec<Pod>, String), Failure> {
    let list = pods(access, &selector(Some(cluster))).await?;
    Ok((list.items, list.metadata.resource_version.unwrap_or_default()))
}

/// Selects the Cassandra pods of a namespace, or those of one cluster.
pub(crate) fn selector(cluster: Option<&str>) -> String {
    let app = format!("{}={}", labels::APP, labels::APP_VALUE);
    match cluster {
        Some(cluster) => format!("{app},{}={cluster}", labels::CLUSTER),
        None => app,
    }
}

/// Says which clusters there are instead; where even that cannot be read, that is the news.
async fn no_such_cluster(access: &Access, name: &str) -> Failure {
    match clusters(access).await {
        Ok(list) => Refusal::NoSuchCluster {
            name: name.to_owned(),
            known: list
                .items
                .into_iter()
                .filter_map(|cluster| cluster.metadata.name)
                .collect(),
        }
        .into(),
        Err(error) => error.into(),
    }
}

async fn clusters(access: &Access) -> Result<ObjectList<CassandraCluster>, CallError> {
    let call = Call {
        verb: "list",
        resource: Kind::Clusters,
        name: None,
    };
    access
        .call(&call, access.clusters().list(&ListParams::default()))
        .await
}

async fn pods(access: &Access, selector: &str) -> Result<ObjectList<Pod>, CallError> {
    let call = Call {
        verb: "list",
        resource: Kind::Pods,
        name: None,
    };
    access
        .call(&call, access.pods().list(&ListParams::default().labels(selector)))
        .await
}
