//! CassKop's lock. A live CassKop operator and this one would both write the same StatefulSets, so while CassKop's
//! `casskop-lock` is held by a pod that runs, this operator does not act.
//!
//! CassKop takes the lock as a ConfigMap owned by its pod, for as long as that pod exists.

use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::ListParams;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use tokio::time::sleep;

use crate::cli::Scope;
use crate::failure::Failure;

/// Name of CassKop's lock.
pub const LOCK: &str = "casskop-lock";
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Where CassKop's lock is looked for: where the clusters are, for CassKop runs beside the clusters of its namespace, and
/// where this operator runs.
#[derive(Clone)]
pub struct LegacyLock {
    client: Client,
    places: Vec<Scope>,
}

/// A lock that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Namespace of the lock.
    pub namespace: String,
    /// What holds it.
    pub by: Holder,
}

/// What holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A pod that has not ended.
    Pod(String),
    /// The lock names no pod, so nobody can tell whether its holder is alive.
    Nobody,
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let namespace = &self.namespace;
        match &self.by {
            Holder::Pod(pod) => write!(
                f,
                "CassKop runs (pod {namespace}/{pod} holds configmap {LOCK}); scale its deployment to 0 to let this operator act"
            ),
            Holder::Nobody => write!(
                f,
                "configmap {namespace}/{LOCK} of CassKop names no pod; delete it once no CassKop operator runs"
            ),
        }
    }
}

/// Judges a lock, given the pods of its namespace that have the name of its owner.
pub fn evaluate(lock: &ConfigMap, pods: &[Pod]) -> Option<Held> {
    let namespace = lock.namespace().unwrap_or_default();
    let Some(owner) = owner(lock) else {
        return Some(Held {
            namespace,
            by: Holder::Nobody,
        });
    };
    let alive = |pod: &&Pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        // An evicted pod stays as Failed, and CassKop's successor deletes the lock.
        pod.uid().as_deref() == Some(owner.uid) && !matches!(phase, Some("Failed" | "Succeeded"))
    };
    let pod = pods.iter().find(alive)?;
    Some(Held {
        namespace,
        by: Holder::Pod(pod.name_any()),
    })
}

struct Owner<'a> {
    name: &'a str,
    uid: &'a str,
}

fn owner(lock: &ConfigMap) -> Option<Owner<'_>> {
    let owners = lock.metadata.owner_references.as_ref()?;
    let pod = owners.iter().find(|owner| owner.kind == "Pod")?;
    Some(Owner {
        name: &pod.name,
        uid: &pod.uid,
    })
}

impl LegacyLock {
    /// The lock beside the clusters of `scope` and in `own_namespace`.
    pub fn new(client: Client, scope: &Scope, own_namespace: &str) -> Self {
        let mut places = vec![scope.clone()];
        if scope.namespace().is_some_and(|watched| watched != own_namespace) {
            places.push(Scope::Namespace(own_namespace.to_owned()));
        }
        Self { client, places }
    }

    /// Waits until no live CassKop operator holds the lock.
    pub async fn free(&self) {
        let mut told = None;
        while let Some(why) = self.why_not_free().await {
            if told.as_ref() != Some(&why) {
                tracing::warn!("waiting: {why}");
                told = Some(why);
            }
            sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    /// Whether certainly no live CassKop operator holds the lock.
    pub async fn is_free(&self) -> bool {
        self.why_not_free().await.is_none()
    }

    async fn why_not_free(&self) -> Option<String> {
        match self.look().await {
            Ok(held) => held.map(|held| held.to_string()),
            Err(failure) => Some(format!("cannot look for CassKop's lock: {failure}")),
        }
    }

    async fn look(&self) -> Result<Option<Held>, Failure> {
        for place in &self.places {
            let locks = self
                .locks(place)
                .list(&ListParams::default().fields(&named(LOCK)))
                .await;
            let locks =
                locks.map_err(|error| Failure::of_api(format!("configmap {LOCK} in {place}"), error))?;
            for lock in locks {
                if let Some(held) = self.judge(&lock).await? {
                    return Ok(Some(held));
                }
            }
        }
        Ok(None)
    }

    async fn judge(&self, lock: &ConfigMap) -> Result<Option<Held>, Failure> {
        let Some(owner) = owner(lock) else {
            return Ok(evaluate(lock, &[]));
        };
        let namespace = lock.namespace().unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let pods = pods.list(&ListParams::default().fields(&named(owner.name))).await;
        match pods.map_err(|error| Failure::of_api(format!("pod {namespace}/{}", owner.name), error)) {
            Ok(pods) => Ok(evaluate(lock, &pods.items)),
            // In its own namespace the operator may not see pods. Kubernetes deletes the lock of a deleted pod, so it
            // nearly always is what it seems; a lock that an evicted pod left behind has to be deleted by hand.
            Err(Failure::Forbidden(_)) => Ok(Some(Held {
                namespace,
                by: Holder::Pod(owner.name.to_owned()),
            })),
            Err(failure) => Err(failure),
        }
    }

    /// Watches for a CassKop operator that starts while this one runs, and returns what it holds.
    pub async fn taken(&self) -> Held {
        let watches = self.places.iter().map(|place| {
            let one = watcher::Config::default().fields(&named(LOCK));
            watcher(self.locks(place), one).default_backoff().boxed()
        });
        let mut events = futures::stream::select_all(watches);
        while let Some(event) = events.next().await {
            let Ok(Event::Apply(lock) | Event::InitApply(lock)) = event else {
                continue;
            };
            match self.judge(&lock).await {
                Ok(Some(held)) => return held,
                Ok(None) => {}
                Err(failure) => tracing::warn!("cannot judge CassKop's lock: {failure}"),
            }
        }
        // Watches never end.
        std::future::pending().await
    }

    fn locks(&self, place: &Scope) -> Api<ConfigMap> {
        match place {
            Scope::AllNamespaces => Api::all(self.client.clone()),
            Scope::Namespace(namespace) => Api::namespaced(self.client.clone(), namespace),
        }
    }
}

/// Selecting by name lets the Role grant this one ConfigMap instead of all.
fn named(name: &str) -> String {
    format!("metadata.name={name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn lock(owners: &serde_json::Value) -> ConfigMap {
        let metadata = json!({ "namespace": "ns", "name": LOCK, "ownerReferences": owners });
        serde_json::from_value(json!({ "metadata": metadata })).unwrap()
    }

    fn pod(uid: &str, phase: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "namespace": "ns", "name": "casskop-1", "uid": uid },
            "status": { "phase": phase },
        }))
        .unwrap()
    }

    #[rstest]
    #[case::running(vec![pod("1", "Running")], true)]
    #[case::starting(vec![pod("1", "Pending")], true)]
    #[case::evicted(vec![pod("1", "Failed")], false)]
    #[case::ended(vec![pod("1", "Succeeded")], false)]
    #[case::another_pod_of_that_name(vec![pod("2", "Running")], false)]
    #[case::gone(vec![], false)]
    fn a_lock_is_held_while_its_pod_lives(#[case] pods: Vec<Pod>, #[case] is_held: bool) {
        let owners = json!([{ "apiVersion": "v1", "kind": "Pod", "name": "casskop-1", "uid": "1" }]);
        let held = evaluate(&lock(&owners), &pods);
        assert_eq!(held.is_some(), is_held);
        if let Some(held) = held {
            assert!(held.to_string().contains("ns/casskop-1"), "{held}");
        }
    }

    #[test]
    fn a_lock_without_a_pod_is_for_a_person_to_judge() {
        let held = evaluate(&lock(&json!([])), &[]).unwrap();
        assert_eq!(held.by, Holder::Nobody);
        assert!(held.to_string().contains("delete it"), "{held}");
    }
}
