//! The watch of claims: that one is gone is all it tells, for nothing else does. A rack that shrinks, and a node that is
//! replaced, wait for it. Claims are read by the passes that need them.

use casskop_types::labels;
use futures::stream::{BoxStream, StreamExt as _};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Client;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};

use super::Sighting;
use crate::cli::Scope;
use crate::fingerprint::cluster_by_label;

/// Opens the watch. Where the operator may not watch, passes look for themselves, if later.
pub(super) fn gone(client: &Client, scope: &Scope) -> BoxStream<'static, Sighting> {
    let ours = format!("{}={}", labels::APP, labels::APP_VALUE);
    let config = watcher::Config::default().labels(&ours);
    let events = watch(
        super::api::<PartialObjectMeta<PersistentVolumeClaim>>(client, scope),
        config,
    );
    super::dispensable(events.default_backoff(), "persistentvolumeclaims")
        .filter_map(|event| {
            let gone = match event {
                Event::Delete(claim) => cluster_by_label(&claim.metadata),
                Event::Init | Event::InitApply(_) | Event::InitDone | Event::Apply(_) => None,
            };
            std::future::ready(gone.map(Sighting::Look))
        })
        .boxed()
}
