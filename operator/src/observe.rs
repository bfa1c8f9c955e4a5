//! Reads one cluster and its children from the API server. Every read is a quorum read: no cache is decided on.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;
use std::time::Instant;

use casskop_core::fact::Fact;
use casskop_core::observed::{GrowthTrial, KubeState};
use casskop_core::questions::{is_new, lacks_pods, needs_claims};
use casskop_types::cluster::{CassandraCluster, GROUP, VERSION};
use casskop_types::labels;
use casskop_types::names::PodName;
use futures::TryFutureExt as _;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Event, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::cluster_id::ClusterId;
use crate::events::CONTROLLER;
use crate::failure::Failure;
use crate::memory::Memory;

/// What a read of the cluster object brought.
#[derive(Debug)]
pub enum ClusterRead {
    /// There is no such cluster.
    Gone,
    /// It does not fit the types, for a resource definition other than ours let it pass.
    Unreadable {
        /// The object as stored.
        object: Box<DynamicObject>,
        /// What does not fit.
        reason: String,
    },
    /// The object.
    Read(Box<CassandraCluster>),
}

/// Which of the children seldom looked at to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServicesRead {
    /// They may not be as they should.
    Due,
    /// Nothing happened to them since they were last read.
    NotDue,
}

/// Reads the cluster object.
pub async fn cluster(client: &Client, id: &ClusterId) -> Result<ClusterRead, Failure> {
    let definition = ApiResource::erase::<CassandraCluster>(&());
    let clusters: Api<DynamicObject> = Api::namespaced_with(client.clone(), &id.namespace, &definition);
    let read = clusters.get_opt(&id.name).await;
    let Some(object) = read.map_err(|error| Failure::of_api(format!("cluster {id}"), error))? else {
        return Ok(ClusterRead::Gone);
    };
    let object = without_managers(object);
    Ok(match object.clone().try_parse() {
        Ok(cluster) => ClusterRead::Read(Box::new(cluster)),
        Err(error) => ClusterRead::Unreadable {
            object: Box::new(object),
            reason: error.to_string(),
        },
    })
}

/// Reads the children of `cluster`.
pub async fn children(
    client: &Client,
    id: &ClusterId,
    cluster: &CassandraCluster,
    services: ServicesRead,
    memory: &Memory,
) -> Result<KubeState, Failure> {
    let list = Lists { client, id };
    let (statefulsets, pods) =
        futures::try_join!(list.of::<StatefulSet>("statefulsets"), list.of::<Pod>("pods"))?;
    let (services, disruption_budget) = match services {
        ServicesRead::NotDue => {
            let not_due = || "not read in this pass: unchanged since they were last right".to_owned();
            (Fact::Unknown(not_due()), Fact::Unknown(not_due()))
        }
        ServicesRead::Due => {
            let budgets = list.of::<PodDisruptionBudget>("poddisruptionbudgets");
            let budget =
                budgets.map_ok(|budgets| budgets.into_iter().find(|budget| is_named(budget, &id.name)));
            let (services, budget) = futures::try_join!(list.of::<Service>("services"), budget)?;
            (Fact::Known(services), Fact::Known(budget))
        }
    };
    let scheduled_backups = if is_new(cluster) {
        scheduled_backups(client, id).await?
    } else {
        Vec::new()
    };
    let cluster = cluster.clone();
    let mut kube = KubeState {
        cluster,
        statefulsets,
        pods,
        services,
        disruption_budget,
        failed_creations: BTreeMap::new(),
        growth: BTreeMap::new(),
        hooks: Fact::default(),
        claims: Fact::default(),
        scheduled_backups,
    };
    for set in memory.lacking(id, &lacks_pods(&kube), Instant::now()) {
        let found = list.failed_creation(&set).await.unwrap_or_else(|failure| {
            // A reason the less is no reason to leave the cluster alone.
            tracing::warn!("why pods are not created is not known: {failure}");
            None
        });
        memory.searched(id, &set, found, Instant::now());
    }
    kube.failed_creations = memory.why_lacking(id);
    if needs_claims(&kube) {
        kube.claims = Fact::Known(list.of::<PersistentVolumeClaim>("persistentvolumeclaims").await?);
    }
    Ok(kube)
}

/// What the API server says of claims that are to grow, to a dry run: it knows whether their storage class allows it.
pub async fn growth(
    client: &Client,
    id: &ClusterId,
    trials: Vec<GrowthTrial>,
) -> Result<BTreeMap<String, Result<(), String>>, Failure> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &id.namespace);
    let dry_run = PatchParams {
        dry_run: true,
        ..PatchParams::apply(CONTROLLER)
    };
    let mut answers = BTreeMap::new();
    for GrowthTrial { claim, capacity } in trials {
        let size = json!({ "spec": { "resources": { "requests": { "storage": capacity } } } });
        let tried = claims.patch(&claim, &dry_run, &Patch::Merge(size)).await;
        let answer = match tried {
            Ok(_) => Ok(()),
            // An admission plugin's refusal, or validation's.
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 422) => Err(status.message),
            Err(error) => return Err(Failure::of_api(format!("claim {}/{claim}", id.namespace), error)),
        };
        answers.insert(claim, answer);
    }
    Ok(answers)
}

/// Names of CassKop's backups of a cluster that have a schedule. Where their definition is not installed there are none.
async fn scheduled_backups(client: &Client, id: &ClusterId) -> Result<Vec<String>, Failure> {
    let kind = GroupVersionKind::gvk(GROUP, VERSION, "CassandraBackup");
    let kind = ApiResource::from_gvk_with_plural(&kind, "cassandrabackups");
    let backups: Api<DynamicObject> = Api::namespaced_with(client.clone(), &id.namespace, &kind);
    let listed = backups.list(&ListParams::default()).await;
    let listed = match listed.map_err(|error| Failure::of_api(format!("backups of cluster {id}"), error)) {
        Ok(listed) => listed.items,
        Err(Failure::NotFound(_)) => Vec::new(),
        // A warning the less is no reason to leave the cluster alone.
        Err(failure @ Failure::Forbidden(_)) => {
            tracing::warn!("scheduled backups are not looked for: {failure}");
            Vec::new()
        }
        Err(failure) => return Err(failure),
    };
    let is_scheduled = |backup: &DynamicObject| {
        let spec = &backup.data["spec"];
        let schedule = spec["schedule"].as_str().unwrap_or_default();
        spec["cassandraCluster"] == *id.name && !schedule.is_empty()
    };
    Ok(listed
        .iter()
        .filter(|backup| is_scheduled(backup))
        .map(ResourceExt::name_any)
        .collect())
}

struct Lists<'a> {
    client: &'a Client,
    id: &'a ClusterId,
}

impl Lists<'_> {
    async fn of<K>(&self, plural: &str) -> Result<Vec<K>, Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let selector = format!(
            "{}={},{}={}",
            labels::APP,
            labels::APP_VALUE,
            labels::CLUSTER,
            self.id.name
        );
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.id.namespace);
        let listed = api.list(&ListParams::default().labels(&selector)).await;
        let listed =
            listed.map_err(|error| Failure::of_api(format!("{plural} of cluster {}", self.id), error))?;
        Ok(listed.items.into_iter().map(without_managers).collect())
    }
}

/// Who set which field is half of an object as it is read, and nothing is decided on it.
fn without_managers<K: Resource>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object
}

impl Lists<'_> {
    /// What the StatefulSet controller says of the last pod it could not create. By involved object, events can only be
    /// selected in the core group.
    async fn failed_creation(&self, set: &str) -> Result<Option<String>, Failure> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.id.namespace);
        let about = format!("involvedObject.kind=StatefulSet,involvedObject.name={set},reason=FailedCreate");
        let listed = events.list(&ListParams::default().fields(&about)).await;
        let listed =
            listed.map_err(|error| Failure::of_api(format!("events of statefulset {set}"), error))?;
        let latest = listed
            .items
            .into_iter()
            .max_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
        Ok(latest
            .and_then(|event| event.message)
            .filter(|message| !message.is_empty()))
    }
}

fn is_named<K: Resource>(object: &K, name: &str) -> bool {
    object.meta().name.as_deref() == Some(name)
}

/// The address of every pod that has one and is one of Cassandra's.
pub fn addresses(pods: &[Pod]) -> BTreeMap<PodName, IpAddr> {
    let address = |pod: &Pod| {
        let name = pod.metadata.name.as_deref()?.parse().ok()?;
        let address = pod.status.as_ref()?.pod_ip.as_deref()?.parse().ok()?;
        Some((name, address))
    };
    pods.iter().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_counts_once_it_has_an_address() {
        let pod = |name: &str, address: Option<&str>| -> Pod {
            serde_json::from_value(json!({ "metadata": { "name": name }, "status": { "podIP": address } }))
                .unwrap()
        };
        let pods = [
            pod("demo-dc1-rack1-0", Some("127.1.0.1")),
            pod("demo-dc1-rack1-1", None),
            pod("demo-stray", Some("127.1.0.3")),
        ];
        let expected = BTreeMap::from([("demo-dc1-rack1-0".parse().unwrap(), [127, 1, 0, 1].into())]);
        assert_eq!(addresses(&pods), expected);
    }
}
