//! Watches: they only say which cluster to look at, what is decided on is read anew by each pass.
//!
//! Most events of a Kubernetes cluster change nothing a plan depends on: a heartbeat of a condition, a managed field, the
//! operator's own status write. Each object is therefore reduced to a fingerprint of what matters, and only a
//! fingerprint that changed wakes its cluster.

mod claims;
mod config_maps;

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use casskop_types::labels;
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;

use crate::cli::Scope;
use crate::cluster_id::{ClusterId, Guarded};
use crate::failure::Failure;
use crate::fingerprint::Fingerprint;
use crate::hooks::ConfigMapNews;
use crate::readiness::Readiness;

/// What a watch has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sighting {
    /// The cluster object, a StatefulSet or a pod is new, different or gone, or a claim is gone.
    Look(ClusterId),
    /// A Service or the disruption budget is new, different or gone: these are read only then.
    LookAtServices(ClusterId),
    /// Something is new of ConfigMaps, whoever reads them.
    ConfigMaps(ConfigMapNews),
    /// The cluster object is gone.
    Gone(ClusterId),
}

/// The number of watches that [`start`] opens and that the operator is of no use without.
pub const WATCHES: usize = 5;

/// Opens the watches. The store holds the clusters' names only: passes read the objects themselves.
pub fn start(
    client: &Client,
    scope: &Scope,
    readiness: &Arc<Readiness>,
) -> (Store<Guarded>, BoxStream<'static, Sighting>) {
    let (store, writer) = reflector::store();
    let clusters = watch(api::<Guarded>(client, scope), watcher::Config::default());
    let clusters = reflector::reflector(writer, clusters.default_backoff().modify(prune));
    let sightings: [_; WATCHES] = [
        wakeups(
            clusters.boxed(),
            "cassandraclusters",
            readiness,
            |news| match news {
                News::Changed(cluster) => Sighting::Look(cluster),
                News::Gone(cluster) => Sighting::Gone(cluster),
            },
        ),
        children::<StatefulSet>(client, scope, "statefulsets", readiness, Sighting::Look),
        children::<Pod>(client, scope, "pods", readiness, Sighting::Look),
        children::<Service>(client, scope, "services", readiness, Sighting::LookAtServices),
        children::<PodDisruptionBudget>(
            client,
            scope,
            "poddisruptionbudgets",
            readiness,
            Sighting::LookAtServices,
        ),
    ];
    let config_maps = config_maps::news(client, scope).map(Sighting::ConfigMaps).boxed();
    let dispensable = [config_maps, claims::gone(client, scope)];
    (
        store,
        stream::select_all(sightings.into_iter().chain(dispensable)).boxed(),
    )
}

fn children<K>(
    client: &Client,
    scope: &Scope,
    plural: &'static str,
    readiness: &Arc<Readiness>,
    sighting: fn(ClusterId) -> Sighting,
) -> BoxStream<'static, Sighting>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Fingerprint
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let ours = format!("{}={}", labels::APP, labels::APP_VALUE);
    let events = watch(api::<K>(client, scope), watcher::Config::default().labels(&ours));
    wakeups(
        events.default_backoff().boxed(),
        plural,
        readiness,
        move |news| match news {
            News::Changed(cluster) | News::Gone(cluster) => sighting(cluster),
        },
    )
}

pub(crate) fn api<K>(client: &Client, scope: &Scope) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    match scope {
        Scope::AllNamespaces => Api::all(client.clone()),
        Scope::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
    }
}

/// Keeps of a cluster what names it. Its fingerprint is taken from the stored object as well, so what goes into that
/// stays too.
fn prune(cluster: &mut Guarded) {
    let metadata = match &mut cluster.0 {
        Ok(cluster) => {
            cluster.spec = casskop_types::cluster::CassandraClusterSpec::default();
            if let Some(status) = &mut cluster.status {
                *status = casskop_types::status::CassandraClusterStatus {
                    seed_list: std::mem::take(&mut status.seed_list),
                    ..Default::default()
                };
            }
            &mut cluster.metadata
        }
        Err(invalid) => &mut invalid.metadata,
    };
    metadata.managed_fields = None;
}

fn wakeups<K>(
    events: BoxStream<'static, watcher::Result<Event<K>>>,
    plural: &'static str,
    readiness: &Arc<Readiness>,
    sighting: impl Fn(News) -> Sighting + Send + 'static,
) -> BoxStream<'static, Sighting>
where
    K: Fingerprint + ResourceExt + Send + 'static,
{
    let readiness = Arc::clone(readiness);
    let mut started = false;
    let mut known = Known::default();
    events
        .map(move |event| match event {
            Ok(event) => {
                if matches!(event, Event::InitDone) && !started {
                    started = true;
                    readiness.watch_started();
                }
                known.digest(event).into_iter().map(&sighting).collect()
            }
            Err(error) => {
                report(plural, error);
                Vec::new()
            }
        })
        .flat_map(stream::iter)
        .boxed()
}

/// The events of a watch without which the operator works as well: what goes wrong with it is tried for ever, and told once.
pub(crate) fn dispensable<K>(
    events: impl Stream<Item = watcher::Result<Event<K>>> + Send + 'static,
    plural: &'static str,
) -> impl Stream<Item = Event<K>> + Send + 'static
where
    K: Send + 'static,
{
    let mut told = None;
    events.filter_map(move |event| {
        let event = match event {
            Ok(event) => {
                told = None;
                Some(event)
            }
            Err(error) => {
                let text = error.to_string();
                if told.as_ref() != Some(&text) {
                    report(plural, error);
                    told = Some(text);
                }
                None
            }
        };
        std::future::ready(event)
    })
}

fn report(plural: &str, error: watcher::Error) {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => {
            tracing::warn!("{}", Failure::of_api(format!("cannot watch {plural}"), error));
        }
        // "Too old resource version": the watch starts over by itself.
        watcher::Error::WatchError(status) if status.code == 410 => {}
        error => tracing::warn!("cannot watch {plural}: {error}"),
    }
}

/// What an event means to the cluster it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum News {
    Changed(ClusterId),
    Gone(ClusterId),
}

/// The objects of one watch by name, as their fingerprints.
#[derive(Debug, Default)]
struct Known {
    objects: HashMap<ObjectName, Seen>,
    /// While the watch starts over: what was known before and has not been listed again yet.
    unconfirmed: HashMap<ObjectName, Seen>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ObjectName {
    namespace: Option<String>,
    name: String,
}

#[derive(Debug)]
struct Seen {
    cluster: ClusterId,
    fingerprint: u64,
}

impl Known {
    /// What is new in `event`. An object missing from a new list went away while nobody watched.
    fn digest<K: Fingerprint + ResourceExt>(&mut self, event: Event<K>) -> Vec<News> {
        match event {
            Event::Init => {
                self.unconfirmed.extend(self.objects.drain());
                Vec::new()
            }
            Event::InitApply(object) | Event::Apply(object) => self.seen(&object).into_iter().collect(),
            Event::InitDone => self
                .unconfirmed
                .drain()
                .map(|(_, seen)| News::Gone(seen.cluster))
                .collect(),
            Event::Delete(object) => {
                let seen = self.objects.remove(&name_of(&object));
                seen.map(|seen| News::Gone(seen.cluster)).into_iter().collect()
            }
        }
    }

    fn seen<K: Fingerprint + ResourceExt>(&mut self, object: &K) -> Option<News> {
        let name = name_of(object);
        let before = self
            .unconfirmed
            .remove(&name)
            .or_else(|| self.objects.remove(&name));
        let cluster = object.cluster()?;
        let fingerprint = object.fingerprint();
        let changed = before.is_none_or(|seen| seen.fingerprint != fingerprint || seen.cluster != cluster);
        self.objects.insert(
            name,
            Seen {
                cluster: cluster.clone(),
                fingerprint,
            },
        );
        changed.then_some(News::Changed(cluster))
    }
}

fn name_of<K: ResourceExt>(object: &K) -> ObjectName {
    ObjectName {
        namespace: object.namespace(),
        name: object.name_any(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    fn set(name: &str, generation: i64) -> StatefulSet {
        StatefulSet {
            metadata: ObjectMeta {
                namespace: Some("ns".into()),
                name: Some(name.into()),
                labels: Some([(labels::CLUSTER.to_owned(), "demo".to_owned())].into()),
                generation: Some(generation),
                ..ObjectMeta::default()
            },
            ..StatefulSet::default()
        }
    }

    fn changed() -> Vec<News> {
        vec![News::Changed(ClusterId::new("ns", "demo"))]
    }

    fn gone() -> Vec<News> {
        vec![News::Gone(ClusterId::new("ns", "demo"))]
    }

    #[test]
    fn only_what_changes_is_news() {
        let mut known = Known::default();
        assert_eq!(known.digest(Event::Apply(set("a", 1))), changed());
        assert_eq!(known.digest(Event::Apply(set("a", 1))), []);
        assert_eq!(known.digest(Event::Apply(set("a", 2))), changed());
        assert_eq!(
            known.digest(Event::Delete(set("a", 2))),
            gone(),
            "though nothing in it changed"
        );
        assert_eq!(known.digest(Event::Delete(set("a", 2))), [], "never seen");
    }

    #[test]
    fn a_new_list_tells_what_changed_and_what_went_away_meanwhile() {
        let mut known = Known::default();
        for name in ["same", "other", "lost"] {
            known.digest(Event::Apply(set(name, 1)));
        }
        assert_eq!(known.digest(Event::<StatefulSet>::Init), []);
        assert_eq!(known.digest(Event::InitApply(set("same", 1))), []);
        assert_eq!(known.digest(Event::InitApply(set("other", 2))), changed());
        assert_eq!(known.digest(Event::<StatefulSet>::InitDone), gone());
        assert_eq!(known.digest(Event::Apply(set("same", 1))), [], "still known");
    }

    #[test]
    fn a_list_that_breaks_off_forgets_nothing() {
        let mut known = Known::default();
        known.digest(Event::Apply(set("a", 1)));
        known.digest(Event::Apply(set("b", 1)));
        known.digest(Event::<StatefulSet>::Init);
        known.digest(Event::InitApply(set("a", 1)));
        known.digest(Event::<StatefulSet>::Init);
        assert_eq!(known.digest(Event::InitApply(set("a", 1))), []);
        assert_eq!(known.digest(Event::<StatefulSet>::InitDone), gone(), "b");
    }

    #[test]
    fn what_belongs_to_no_cluster_wakes_none() {
        let mut stray = set("a", 1);
        stray.metadata.labels = None;
        assert_eq!(Known::default().digest(Event::Apply(stray)), []);
    }
}
