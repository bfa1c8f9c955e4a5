//! The watch of ConfigMaps. Users' hooks are in one that carries no label of the operator's, so it sees all of its scope: of
//! each only the metadata travels, and nothing of it is kept.

use futures::stream::{BoxStream, StreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Client, ResourceExt as _};

use crate::cli::Scope;
use crate::hooks::ConfigMapNews;

/// Every namespace has one of these, which is nobody's hooks.
const NOT_HOOKS: &str = "metadata.name!=kube-root-ca.crt";
/// Metadata of a ConfigMap may hold a copy of it (`kubectl apply` keeps one), so pages are small.
const PAGE: u32 = 100;

/// Opens the watch. Where the operator may not watch, the rest of it works as before.
pub(super) fn news(client: &Client, scope: &Scope) -> BoxStream<'static, ConfigMapNews> {
    let config = watcher::Config::default().fields(NOT_HOOKS).page_size(PAGE);
    let events = watch(super::api::<PartialObjectMeta<ConfigMap>>(client, scope), config);
    super::dispensable(events.default_backoff(), "configmaps")
        .filter_map(|event| std::future::ready(news_of(event)))
        .boxed()
}

fn news_of(event: Event<PartialObjectMeta<ConfigMap>>) -> Option<ConfigMapNews> {
    match event {
        Event::Init => Some(ConfigMapNews::ListBegins),
        Event::InitDone => Some(ConfigMapNews::Listed),
        Event::InitApply(object) | Event::Apply(object) => Some(ConfigMapNews::There {
            namespace: object.namespace()?,
            name: object.name_any(),
            version: object.resource_version()?,
        }),
        Event::Delete(object) => Some(ConfigMapNews::Gone {
            namespace: object.namespace()?,
            name: object.name_any(),
        }),
    }
}
