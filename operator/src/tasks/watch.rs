//! Watches of tasks: they only say in which namespace to look.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;

use casskop_types::task::{CassandraTask, K8ssandraTask, ScheduledTask};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::cli::Scope;
use crate::watch as clusters;

/// What happened to a task.
pub(super) enum Sighting {
    /// It is new or different.
    Seen(TaskId),
    /// It is gone.
    Gone(TaskId),
}

/// Kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TaskId {
    plural: &'static str,
    namespace: String,
    name: String,
}

/// The tasks there are.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<String, HashSet<TaskId>>);

impl Known {
    /// Whether a namespace has tasks.
    pub(super) fn are_in(&self, namespace: &str) -> bool {
        self.0.get(namespace).is_some_and(|tasks| !tasks.is_empty())
    }

    /// The namespace to look at: what a task that is gone has asked for is to end.
    pub(super) fn digest(&mut self, sighting: Sighting) -> Option<String> {
        match sighting {
            Sighting::Seen(name) => {
                let namespace = name.namespace.clone();
                self.0.entry(namespace.clone()).or_default().insert(name);
                Some(namespace)
            }
            Sighting::Gone(name) => {
                self.0.get_mut(&name.namespace)?.remove(&name);
                Some(name.namespace)
            }
        }
    }
}

pub(super) fn start(client: &Client, scope: &Scope) -> BoxStream<'static, Sighting> {
    stream::select_all([
        of::<CassandraTask>(client, scope, "cassandratasks"),
        of::<K8ssandraTask>(client, scope, "k8ssandratasks"),
        of::<ScheduledTask>(client, scope, "scheduledtasks"),
    ])
    .boxed()
}

fn of<K>(client: &Client, scope: &Scope, plural: &'static str) -> BoxStream<'static, Sighting>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let name = move |object: &PartialObjectMeta<K>| TaskId {
        plural,
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
    };
    let events = watch(
        clusters::api::<PartialObjectMeta<K>>(client, scope),
        watcher::Config::default(),
    );
    clusters::dispensable(events.default_backoff(), plural)
        .filter_map(move |event| {
            std::future::ready(match event {
                Event::Apply(object) | Event::InitApply(object) => Some(Sighting::Seen(name(&object))),
                Event::Delete(object) => Some(Sighting::Gone(name(&object))),
                Event::Init | Event::InitDone => None,
            })
        })
        .boxed()
}
