//! What of each object a plan can depend on, as one number to compare.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use casskop_types::labels;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use crate::cluster_id::{ClusterId, Guarded};

/// An object that wakes its cluster when it changes.
pub trait Fingerprint {
    /// The cluster it belongs to, by its labels.
    fn cluster(&self) -> Option<ClusterId>;
    /// Equal for two states of the object between which nothing changed that a plan can depend on.
    fn fingerprint(&self) -> u64;
}

/// Of the status only the seed list counts: editing it by hand is how CassKop's users ask for another one. The rest is
/// the operator's own writing.
impl Fingerprint for Guarded {
    fn cluster(&self) -> Option<ClusterId> {
        Some(ClusterId::new(&self.namespace()?, &self.name_any()))
    }

    fn fingerprint(&self) -> u64 {
        digest(|state| {
            let metadata = match &self.0 {
                Ok(cluster) => {
                    cluster
                        .status
                        .as_ref()
                        .map(|status| &status.seed_list)
                        .hash(state);
                    &cluster.metadata
                }
                Err(invalid) => &invalid.metadata,
            };
            identity(metadata, state);
            metadata.generation.hash(state);
            metadata.labels.hash(state);
            metadata.annotations.hash(state);
            metadata.finalizers.hash(state);
        })
    }
}

impl Fingerprint for StatefulSet {
    fn cluster(&self) -> Option<ClusterId> {
        cluster_by_label(&self.metadata)
    }

    fn fingerprint(&self) -> u64 {
        digest(|state| {
            identity(&self.metadata, state);
            self.metadata.generation.hash(state);
            self.metadata.labels.hash(state);
            self.metadata.annotations.hash(state);
            if let Some(status) = &self.status {
                status.observed_generation.hash(state);
                status.current_revision.hash(state);
                status.update_revision.hash(state);
                status.replicas.hash(state);
                status.ready_replicas.hash(state);
                status.current_replicas.hash(state);
                status.updated_replicas.hash(state);
            }
        })
    }
}

impl Fingerprint for Pod {
    fn cluster(&self) -> Option<ClusterId> {
        cluster_by_label(&self.metadata)
    }

    fn fingerprint(&self) -> u64 {
        digest(|state| {
            identity(&self.metadata, state);
            ours(self.metadata.labels.as_ref(), "operation-").hash(state);
            ours(
                self.metadata.annotations.as_ref(),
                "cassandraclusters.db.orange.com/",
            )
            .hash(state);
            let Some(status) = &self.status else { return };
            status.phase.hash(state);
            status.pod_ip.hash(state);
            status.reason.hash(state);
            // The others (`Initialized`, `ContainersReady`, ...) change on the way to these two.
            let conditions = status.conditions.iter().flatten();
            for condition in
                conditions.filter(|condition| matches!(condition.type_.as_str(), "Ready" | "PodScheduled"))
            {
                (&condition.type_, &condition.status, &condition.reason).hash(state);
                // The scheduler has one reason, `Unschedulable`, for a claim that will be bound in a moment and for a pod that
                // fits no machine.
                let tells = condition.type_ == "PodScheduled";
                tells.then_some(&condition.message).hash(state);
            }
            for container in status.init_container_statuses.iter().flatten() {
                container_state(container, state);
            }
            for container in status.container_statuses.iter().flatten() {
                container_state(container, state);
            }
        })
    }
}

impl Fingerprint for Service {
    fn cluster(&self) -> Option<ClusterId> {
        cluster_by_label(&self.metadata)
    }

    fn fingerprint(&self) -> u64 {
        digest(|state| {
            identity(&self.metadata, state);
            self.metadata.labels.hash(state);
            self.metadata.annotations.hash(state);
            // A Service has no generation.
            serde_json::to_string(&self.spec).unwrap_or_default().hash(state);
        })
    }
}

/// Its status, which follows every pod's readiness, is left out: the pods themselves are watched.
impl Fingerprint for PodDisruptionBudget {
    fn cluster(&self) -> Option<ClusterId> {
        cluster_by_label(&self.metadata)
    }

    fn fingerprint(&self) -> u64 {
        digest(|state| {
            identity(&self.metadata, state);
            self.metadata.generation.hash(state);
            self.metadata.labels.hash(state);
            self.metadata.annotations.hash(state);
        })
    }
}

fn digest(write: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut state = DefaultHasher::new();
    write(&mut state);
    state.finish()
}

fn identity(metadata: &ObjectMeta, state: &mut DefaultHasher) {
    metadata.uid.hash(state);
    metadata.deletion_timestamp.is_some().hash(state);
}

pub(crate) fn cluster_by_label(metadata: &ObjectMeta) -> Option<ClusterId> {
    let name = metadata.labels.as_ref()?.get(labels::CLUSTER)?;
    Some(ClusterId::new(metadata.namespace.as_ref()?, name))
}

fn ours<'a>(map: Option<&'a BTreeMap<String, String>>, prefix: &str) -> Vec<(&'a String, &'a String)> {
    map.into_iter()
        .flatten()
        .filter(|(key, _)| key.starts_with(prefix))
        .collect()
}

/// Waiting and terminated states carry a reason (`ImagePullBackOff`, `OOMKilled`) and an exit code; their messages change
/// with every back-off and count for nothing.
fn container_state(container: &ContainerStatus, state: &mut DefaultHasher) {
    (
        &container.name,
        container.ready,
        container.started,
        container.restart_count,
    )
        .hash(state);
    let Some(now) = &container.state else { return };
    now.running.is_some().hash(state);
    now.waiting.as_ref().map(|waiting| &waiting.reason).hash(state);
    now.terminated
        .as_ref()
        .map(|ended| (ended.exit_code, &ended.reason))
        .hash(state);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn pod(change: &Value) -> Pod {
        let mut pod = json!({
            "metadata": {
                "namespace": "ns", "name": "demo-dc1-rack1-0", "uid": "1",
                "labels": { "app": "cassandracluster", "cassandracluster": "demo" },
            },
            "status": {
                "phase": "Running", "podIP": "10.0.0.1",
                "conditions": [{ "type": "Ready", "status": "True" }],
                "containerStatuses": [{
                    "name": "cassandra", "ready": true, "restartCount": 0, "image": "", "imageID": "",
                    "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s" } },
                }],
            },
        });
        json_merge(&mut pod, change);
        serde_json::from_value(pod).unwrap()
    }

    fn json_merge(into: &mut Value, from: &Value) {
        match (into, from) {
            (Value::Object(into), Value::Object(from)) => {
                for (key, value) in from {
                    json_merge(into.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
            (into, from) => *into = from.clone(),
        }
    }

    #[rstest]
    #[case::recreated(json!({ "metadata": { "uid": "2" } }))]
    #[case::going(json!({ "metadata": { "deletionTimestamp": "2026-11-21T08:00:00Z" } }))]
    #[case::asked_for_an_operation(json!({ "metadata": { "labels": { "operation-name": "cleanup" } } }))]
    #[case::long_argument(json!({ "metadata": { "annotations": { "cassandraclusters.db.orange.com/operation-argument": "x" } } }))]
    #[case::unready(json!({ "status": { "conditions": [{ "type": "Ready", "status": "False" }] } }))]
    #[case::unschedulable(json!({ "status": { "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable" }] } }))]
    #[case::moved(json!({ "status": { "podIP": "10.0.0.2" } }))]
    #[case::failed(json!({ "status": { "phase": "Failed" } }))]
    #[case::no_image(json!({ "status": { "containerStatuses": [{ "name": "cassandra", "ready": true, "restartCount": 0,
        "image": "", "imageID": "", "state": { "waiting": { "reason": "ImagePullBackOff" } } }] } }))]
    fn matters(#[case] change: Value) {
        assert_ne!(pod(&change).fingerprint(), pod(&json!({})).fingerprint());
    }

    #[rstest]
    #[case::other_version(json!({ "metadata": { "resourceVersion": "77" } }))]
    #[case::managed_fields(json!({ "metadata": { "managedFields": [{ "manager": "kubelet" }] } }))]
    #[case::a_users_label(json!({ "metadata": { "labels": { "team": "blue" } } }))]
    #[case::heartbeat(json!({ "status": { "conditions": [{ "type": "Ready", "status": "True", "lastProbeTime": "2026-11-21T08:00:00Z" }] } }))]
    #[case::longer_back_off(json!({ "status": { "containerStatuses": [{ "name": "cassandra", "ready": true, "restartCount": 0,
        "image": "", "imageID": "", "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 20s" } } }] } }))]
    fn does_not_matter(#[case] change: Value) {
        assert_eq!(pod(&change).fingerprint(), pod(&json!({})).fingerprint());
    }

    /// First its claims wait for their volumes, which passes; then it fits no machine, which does not.
    #[test]
    fn why_the_scheduler_finds_no_place_matters() {
        let unschedulable = |message: &str| {
            let why = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message });
            pod(&json!({ "status": { "conditions": [why] } })).fingerprint()
        };
        assert_ne!(
            unschedulable("pod has unbound immediate PersistentVolumeClaims"),
            unschedulable("0/6 nodes are available: 6 node(s) didn't match Pod's node affinity/selector"),
        );
    }

    #[test]
    fn an_object_belongs_to_the_cluster_its_label_names() {
        assert_eq!(pod(&json!({})).cluster(), Some(ClusterId::new("ns", "demo")));
    }

    #[rstest]
    #[case::own_status_write(json!({ "status": { "phase": "Running" } }), false)]
    #[case::seed_list_edited(json!({ "status": { "seedlist": ["a"] } }), true)]
    #[case::spec_edited(json!({ "metadata": { "generation": 2 } }), true)]
    fn of_a_clusters_status_only_the_seed_list_counts(#[case] change: Value, #[case] counts: bool) {
        let cluster = |change: &Value| -> Guarded {
            let mut cluster = json!({
                "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
                "metadata": { "namespace": "ns", "name": "demo", "generation": 1 },
                "spec": {}, "status": {},
            });
            json_merge(&mut cluster, change);
            serde_json::from_value(cluster).unwrap()
        };
        assert_eq!(
            cluster(&change).fingerprint() != cluster(&json!({})).fingerprint(),
            counts
        );
    }
}
