//! Reads the tasks and clusters of a namespace. Every read is a quorum read: no cache is decided on. `CassandraTask`s are read last: what
//! another object tells of one that is not among them is gone, and not about to come.

use std::fmt::Debug;

use casskop_core::task::Members;
use casskop_core::validate::{in_words, validate};
use casskop_types::task::{CassandraTask, K8ssandraTask, ScheduledTask};
use casskop_types::{CassandraCluster, labels};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// The tasks of a namespace, and what they may be about.
pub(super) struct Seen {
    pub(super) clusters: Vec<CassandraCluster>,
    /// In the order in which they were made.
    pub(super) tasks: Vec<CassandraTask>,
    pub(super) fan_outs: Vec<K8ssandraTask>,
    pub(super) schedules: Vec<ScheduledTask>,
    /// Names of clusters that cannot be read.
    pub(super) unreadable_clusters: Vec<String>,
    /// Whether there are tasks that cannot be read: what they ask for is not known.
    pub(super) has_unreadable_tasks: bool,
    /// Cassandra's pods.
    pub(super) pods: Vec<Pod>,
}

pub(super) async fn read(client: &Client, namespace: &str) -> Result<Seen, Failure> {
    let ours = format!("{}={}", labels::APP, labels::APP_VALUE);
    let (all, ours) = (ListParams::default(), ListParams::default().labels(&ours));
    let (clusters, fan_outs, schedules, pods) = futures::try_join!(
        list(client, namespace, "cassandraclusters", &all),
        list(client, namespace, "k8ssandratasks", &all),
        list(client, namespace, "scheduledtasks", &all),
        list(client, namespace, "pods", &ours),
    )?;
    let tasks = list::<CassandraTask>(client, namespace, "cassandratasks", &all).await?;
    let (mut tasks, has_unreadable_tasks) = (tasks.readable, !tasks.unreadable.is_empty());
    tasks.sort_by_key(|task| {
        let made = task.metadata.creation_timestamp.as_ref().map(|time| time.0);
        (made, task.metadata.name.clone())
    });
    Ok(Seen {
        clusters: clusters.readable,
        unreadable_clusters: clusters.unreadable,
        tasks,
        has_unreadable_tasks,
        fan_outs: fan_outs.readable,
        schedules: schedules.readable,
        pods: pods.readable,
    })
}

/// What tasks see of a cluster, or why they can see nothing.
pub(super) fn members(cluster: &CassandraCluster, pods: &[Pod]) -> Result<Members, String> {
    let validated = validate(cluster).map_err(|problems| {
        let name = cluster.metadata.name.as_deref().unwrap_or_default();
        let problems = in_words(&problems);
        format!("the spec of CassandraCluster {name} cannot work: {problems}")
    })?;
    Ok(Members::of(&validated, cluster.status.as_ref(), pods))
}

/// Objects of a kind, and the names of those that cannot be parsed.
struct Listed<K> {
    readable: Vec<K>,
    unreadable: Vec<String>,
}

/// One object that cannot be parsed does not hide the others.
async fn list<K>(
    client: &Client,
    namespace: &str,
    plural: &str,
    which: &ListParams,
) -> Result<Listed<K>, Failure>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api: Api<DeserializeGuard<K>> = Api::namespaced(client.clone(), namespace);
    let mut found = Listed {
        readable: Vec::new(),
        unreadable: Vec::new(),
    };
    let listed = api.list(which).await;
    let listed = listed.map_err(|error| Failure::of_api(format!("{plural} of namespace {namespace}"), error));
    let listed = match listed {
        Ok(listed) => listed.items,
        // Not installed: there are none. Another operator's installation may lack kinds.
        Err(Failure::NotFound(_)) => return Ok(found),
        Err(failure) => return Err(failure),
    };
    for object in listed {
        match object.0 {
            Ok(object) => found.readable.push(object),
            Err(invalid) => {
                let name = invalid.metadata.name.unwrap_or_default();
                tracing::warn!("{plural} {namespace}/{name} cannot be read: {}", invalid.error);
                found.unreadable.push(name);
            }
        }
    }
    Ok(found)
}
