//! Carries a plan out: first what the status will tell of as done, then the status, which is the intent, then the effects in
//! order. The first that fails ends the pass; what is half done is found again by the next one.
//!
//! Every write carries what it was planned on (uid, resourceVersion), so that a plan made from a stale read loses against
//! the API server instead of undoing something.

mod pod_labels;
mod ring_record;
mod summary;

use casskop_core::call::{CallKey, NodeCall};
use casskop_core::effect::Effect;
use casskop_core::plan::Plan;
use casskop_types::cluster::CassandraCluster;
use casskop_types::conditions::say_the_same;
use casskop_types::labels::{CLUSTER_UID, KEPT_BY_OPERATION};
use casskop_types::names::PodName;
use casskop_types::operation::OperationName;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::net::IpAddr;

pub use summary::summary;

use crate::calls::Calls;
use crate::cluster_id::ClusterId;
use crate::cluster_patch;
use crate::events::CONTROLLER;
use crate::failure::Failure;
use crate::keyring::Keyring;
use crate::lease::Term;
use crate::merge_patch::merge_patch;
use crate::nodes::{Node, Nodes};

/// What effects are carried out with.
pub struct Executor<'a> {
    /// The API server.
    pub client: &'a Client,
    /// The way to the nodes.
    pub nodes: &'a Nodes,
    /// Where long calls run.
    pub calls: &'a Calls,
    /// Nothing is written once it has ended.
    pub term: &'a Term,
    /// The cluster the plan is for.
    pub cluster: &'a ClusterId,
    /// Users and passwords of Jolokia.
    pub keyring: Keyring,
}

impl Executor<'_> {
    /// Writes the plan's status onto `stored`, unless it says the same.
    pub async fn write_status(&self, stored: &CassandraCluster, plan: &Plan) -> Result<(), Failure> {
        let before = stored.status.clone().unwrap_or_default();
        if say_the_same(&before, &plan.status) {
            return Ok(());
        }
        let changes = merge_patch(&value(&before)?, &value(&plan.status)?);
        let patch = json!({
            "metadata": { "resourceVersion": stored.metadata.resource_version },
            "status": changes,
        });
        self.patch_status(patch).await
    }

    /// Writes `patch` onto the status subresource. It holds the resourceVersion of what was read.
    pub async fn patch_status(&self, patch: Value) -> Result<(), Failure> {
        self.term_holds()?;
        let clusters: Api<CassandraCluster> = self.api();
        let patched = clusters
            .patch_status(&self.cluster.name, &owner(), &Patch::Merge(patch))
            .await;
        patched
            .map(drop)
            .map_err(|error| self.gone_is_conflict("status of cluster", "", error))
    }

    /// Carries out one effect of a plan made from `planned_on`.
    pub async fn carry_out(&mut self, effect: &Effect, planned_on: &CassandraCluster) -> Result<(), Failure> {
        self.term_holds()?;
        match effect {
            Effect::ApplyService(service) => self.apply::<Service>("service", service).await,
            Effect::ApplyDisruptionBudget(budget) => {
                self.apply::<PodDisruptionBudget>("poddisruptionbudget", budget)
                    .await
            }
            Effect::RecordRing(record) => self.record_ring(record).await,
            Effect::TellPod {
                record,
                pod,
                replaces,
            } => self.tell_pod(record, pod, *replaces).await,
            Effect::CreateStatefulSet(set) => self.create_stateful_set(set).await,
            // The licence is the proof, made by core from facts of this pass; its being here is its whole use.
            Effect::UpdateStatefulSet(set) | Effect::LowerReplicas { set, licence: _ } => {
                self.update_stateful_set(set).await
            }
            Effect::ResetRollingRestart { .. }
            | Effect::PutBack(_)
            | Effect::KeepSpec(_)
            | Effect::AddFinalizer
            | Effect::RemoveFinalizer => match cluster_patch::of(effect, planned_on) {
                Some(patch) => self.patch_cluster(patch).await,
                None => Ok(()),
            },
            Effect::LabelPod(change) => self.label_pod(change).await,
            Effect::StartCall {
                key,
                pod,
                address,
                call,
            } => self.start_call(key, pod, *address, call).await,
            Effect::StopCall {
                key,
                pod,
                address,
                operation,
            } => self.stop_call(key, pod, *address, *operation).await,
            Effect::ForgetCall(key) => {
                self.calls.forget(self.cluster, key);
                Ok(())
            }
            // The licence is the proof, made by core from facts of this pass; its being here is its whole use.
            Effect::DeleteClaim {
                name,
                uid,
                resource_version,
                licence: _,
            } => {
                let how = deletion(uid, Some(resource_version));
                self.delete::<PersistentVolumeClaim>("claim", name, &how).await
            }
            Effect::DeleteStatefulSet {
                name,
                uid,
                resource_version,
                licence: _,
            } => {
                let how = deletion(uid, Some(resource_version));
                self.delete::<StatefulSet>("statefulset", name, &how).await
            }
            Effect::OrphanStatefulSet {
                name,
                uid,
                resource_version,
            } => {
                let how = DeleteParams {
                    propagation_policy: Some(PropagationPolicy::Orphan),
                    ..deletion(uid, Some(resource_version))
                };
                self.delete::<StatefulSet>("statefulset", name, &how).await
            }
            Effect::GrowClaim { name, uid, capacity } => self.grow_claim(name, uid, capacity).await,
            Effect::StampClaim { name, uid } => {
                let cluster_uid = json!(planned_on.metadata.uid);
                self.annotate_claim(name, uid, CLUSTER_UID, &cluster_uid).await
            }
            Effect::KeepClaim { name, uid, record } => {
                self.annotate_claim(name, uid, KEPT_BY_OPERATION, &json!(record))
                    .await
            }
            Effect::DeletePod {
                pod,
                uid,
                grace_seconds,
            } => {
                let how = DeleteParams {
                    grace_period_seconds: Some(*grace_seconds),
                    ..deletion(uid, None)
                };
                self.delete::<Pod>("pod", &pod.to_string(), &how).await
            }
        }
    }

    async fn start_call(
        &mut self,
        key: &CallKey,
        pod: &PodName,
        address: IpAddr,
        call: &NodeCall,
    ) -> Result<(), Failure> {
        let node = self.node(pod, address).await?;
        self.calls.start(self.cluster, key, node, call.clone())
    }

    async fn stop_call(
        &mut self,
        key: &CallKey,
        pod: &PodName,
        address: IpAddr,
        operation: OperationName,
    ) -> Result<(), Failure> {
        self.calls.stop(self.cluster, key);
        // A later pass tells it again; what else is to be done does not wait for it.
        let node = match self.node(pod, address).await {
            Ok(node) => node,
            Err(error) => {
                tracing::warn!(%pod, %operation, %error, "the node cannot be told to stop");
                return Ok(());
            }
        };
        if let Err(error) = node.stop(operation).await {
            tracing::warn!(%pod, %operation, %error, "the node was not told to stop");
        }
        Ok(())
    }

    async fn node(&mut self, pod: &PodName, address: IpAddr) -> Result<Node, Failure> {
        let keyring = &mut self.keyring;
        let credentials = keyring.credentials(self.client, self.cluster, pod).await?;
        let namespace = &self.cluster.namespace;
        Ok(self
            .nodes
            .node(namespace, &pod.to_string(), address, credentials.as_ref()))
    }

    async fn apply<K>(&self, kind: &str, object: &K) -> Result<(), Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Serialize,
    {
        let name = object.meta().name.clone().unwrap_or_default();
        let applied = self
            .api::<K>()
            .patch(&name, &owner().force(), &Patch::Apply(object))
            .await;
        applied
            .map(drop)
            .map_err(|error| self.failure(kind, &name, error))
    }

    async fn create_stateful_set(&self, set: &StatefulSet) -> Result<(), Failure> {
        let created = self.api::<StatefulSet>().create(&written(), set).await;
        created
            .map(drop)
            .map_err(|error| self.failure("statefulset", &name_of(set), error))
    }

    async fn update_stateful_set(&self, set: &StatefulSet) -> Result<(), Failure> {
        let name = name_of(set);
        let updated = self.api::<StatefulSet>().replace(&name, &written(), set).await;
        updated
            .map(drop)
            .map_err(|error| self.gone_is_conflict("statefulset", &name, error))
    }

    async fn patch_cluster(&self, patch: Value) -> Result<(), Failure> {
        let patch = serde_json::from_value(patch)
            .map_err(|error| Failure::Invalid(format!("patch of cluster {}: {error}", self.cluster)))?;
        let clusters: Api<CassandraCluster> = self.api();
        let patched = clusters
            .patch(&self.cluster.name, &owner(), &Patch::Json::<()>(patch))
            .await;
        patched
            .map(drop)
            .map_err(|error| match self.gone_is_conflict("cluster", "", error) {
                // A `test` of the patch did not hold: the spec is not the one planned on.
                Failure::Invalid(text) => Failure::Conflict(text),
                failure => failure,
            })
    }

    async fn grow_claim(&self, name: &str, uid: &str, capacity: &str) -> Result<(), Failure> {
        let spec = json!({ "resources": { "requests": { "storage": capacity } } });
        self.patch_claim(name, json!({ "metadata": { "uid": uid }, "spec": spec }))
            .await
    }

    async fn annotate_claim(&self, name: &str, uid: &str, key: &str, value: &Value) -> Result<(), Failure> {
        let patch = json!({ "metadata": { "uid": uid, "annotations": { key: value } } });
        self.patch_claim(name, patch).await
    }

    async fn patch_claim(&self, name: &str, patch: Value) -> Result<(), Failure> {
        let claims: Api<PersistentVolumeClaim> = self.api();
        let patched = claims.patch(name, &owner(), &Patch::Merge(patch)).await;
        patched
            .map(drop)
            .map_err(|error| self.other_is_conflict("claim", name, error))
    }

    /// What is gone, or another one of the same name, is not what was read. A patch that names another uid than the stored one is
    /// refused as an attempt to change it (422, not 409).
    fn other_is_conflict(&self, kind: &str, name: &str, error: kube::Error) -> Failure {
        let other_uid = match &error {
            kube::Error::Api(status) => {
                let causes = status.details.iter().flat_map(|details| &details.causes);
                causes.into_iter().any(|cause| cause.field == "metadata.uid")
            }
            _ => false,
        };
        match self.gone_is_conflict(kind, name, error) {
            Failure::Invalid(text) if other_uid => Failure::Conflict(text),
            failure => failure,
        }
    }

    /// What is gone already need not be deleted.
    async fn delete<K>(&self, kind: &str, name: &str, how: &DeleteParams) -> Result<(), Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let deleted = self.api::<K>().delete(name, how).await;
        match deleted.map_err(|error| self.failure(kind, name, error)) {
            Ok(_) | Err(Failure::NotFound(_)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.cluster.namespace)
    }

    fn term_holds(&self) -> Result<(), Failure> {
        if self.term.holds() {
            Ok(())
        } else {
            Err(Failure::NotLeading)
        }
    }

    fn failure(&self, kind: &str, name: &str, error: kube::Error) -> Failure {
        let name = if name.is_empty() { &self.cluster.name } else { name };
        Failure::of_api(format!("{kind} {}/{name}", self.cluster.namespace), error)
    }

    fn gone_is_conflict(&self, kind: &str, name: &str, error: kube::Error) -> Failure {
        match self.failure(kind, name, error) {
            Failure::NotFound(text) => Failure::Conflict(text),
            failure => failure,
        }
    }
}

fn name_of<K: Resource>(object: &K) -> String {
    object.meta().name.clone().unwrap_or_default()
}

/// The deletion of the very object that was read, and of what it owns.
fn deletion(uid: &str, resource_version: Option<&String>) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: resource_version.cloned(),
        }),
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    }
}

fn owner() -> PatchParams {
    PatchParams::apply(CONTROLLER)
}

fn written() -> PostParams {
    PostParams {
        field_manager: Some(CONTROLLER.to_owned()),
        ..PostParams::default()
    }
}

fn value(status: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(status)
        .map_err(|error| Failure::Invalid(format!("status cannot be written: {error}")))
}
