//! Kubernetes events about clusters, published in the background: no pass waits for one or fails for one.
//!
//! kube's own recorder counts events of one reason as a series under the text of the first ("rack dc1-rack1 restarted", four
//! times), which loses which rack the others were about. Here each notice is one event: core makes one per transition,
//! so there is no flood to fold.

use std::sync::Arc;

use casskop_core::effect::{Notice, NoticeKind};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::mpsc;

use crate::metrics::Metrics;

/// Name under which the operator reports events and owns applied fields.
pub const CONTROLLER: &str = "casskop-operator";
/// What the API server takes as an event's note, in bytes.
const NOTE_MAX: usize = 1024;
const WAITING_MAX: usize = 256;

/// Publishes events, in order.
#[derive(Debug, Clone)]
pub struct Events {
    waiting: mpsc::Sender<Event>,
    instance: String,
    metrics: Arc<Metrics>,
}

impl Events {
    /// Starts publishing in the name of `instance`, the operator's pod.
    pub fn start(client: Client, instance: &str, metrics: &Arc<Metrics>) -> Self {
        let (waiting, mut queue) = mpsc::channel::<Event>(WAITING_MAX);
        tokio::spawn(async move {
            while let Some(event) = queue.recv().await {
                let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
                let events: Api<Event> = Api::namespaced(client.clone(), namespace);
                if let Err(error) = events.create(&PostParams::default(), &event).await {
                    tracing::warn!("cannot publish an event: {error}");
                }
            }
        });
        Self {
            waiting,
            instance: instance.to_owned(),
            metrics: Arc::clone(metrics),
        }
    }

    /// Publishes `notice` about `object`.
    pub fn publish(&self, notice: &Notice, object: ObjectReference) {
        let event = event(notice, object, &self.instance, Timestamp::now());
        if self.waiting.try_send(event).is_err() {
            self.metrics.event_dropped();
            tracing::warn!("event not published, too many are waiting: {}", notice.note);
        }
    }
}

fn event(notice: &Notice, object: ObjectReference, instance: &str, now: Timestamp) -> Event {
    let about = object.name.as_deref().unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            namespace: object.namespace.clone(),
            name: Some(format!("{about}.{:x}", now.as_nanosecond())),
            ..ObjectMeta::default()
        },
        type_: Some(
            match notice.kind {
                NoticeKind::Normal => "Normal",
                NoticeKind::Warning => "Warning",
            }
            .to_owned(),
        ),
        reason: Some(notice.reason.to_owned()),
        action: Some("Reconcile".to_owned()),
        note: Some(shortened(&notice.note)),
        event_time: Some(MicroTime(now)),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        regarding: Some(object),
        ..Event::default()
    }
}

fn shortened(note: &str) -> String {
    if note.len() <= NOTE_MAX {
        return note.to_owned();
    }
    let room = NOTE_MAX - '…'.len_utf8();
    let end = (0..=room)
        .rev()
        .find(|&at| note.is_char_boundary(at))
        .unwrap_or_default();
    format!("{}…", &note[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_becomes_an_event_the_api_server_takes() {
        let notice = Notice::warning("OperationFailed", "é".repeat(600));
        let cluster = ObjectReference {
            namespace: Some("prod".into()),
            name: Some("demo".into()),
            ..ObjectReference::default()
        };
        let event = event(&notice, cluster, "operator-0", Timestamp::from_second(1).unwrap());
        assert_eq!(event.metadata.name.as_deref(), Some("demo.3b9aca00"));
        assert_eq!(event.metadata.namespace.as_deref(), Some("prod"));
        assert_eq!(event.type_.as_deref(), Some("Warning"));
        let note = event.note.unwrap();
        assert!(note.len() <= NOTE_MAX && note.ends_with("é…"), "{note}");
    }
}
