//! Carries the plans of tasks out: the status first, which is the intent, then what it tells of.

use std::fmt::Debug;

use casskop_core::effect::Notice;
use casskop_core::task::{FanOutPlan, Fate, Hold, PodWrite, SchedulePlan, TaskPlan};
use casskop_types::CassandraCluster;
use casskop_types::task::labels::FINALIZER;
use casskop_types::task::{CassandraTask, K8ssandraTask, ScheduledTask};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::events::CONTROLLER;
use crate::failure::Failure;
use crate::merge_patch::merge_patch;
use crate::reconcile::Operator;

/// Writes what passes over the tasks of a namespace want.
pub(super) struct Writer<'a> {
    pub(super) operator: &'a Operator,
    pub(super) namespace: &'a str,
}

impl Writer<'_> {
    pub(super) async fn task(
        &self,
        task: &CassandraTask,
        owner: Option<&CassandraCluster>,
        plan: &TaskPlan,
    ) -> Result<(), Failure> {
        if plan.fate == Fate::IsDeleted {
            return self
                .delete::<CassandraTask>(&task.name_any(), task.metadata.uid.as_deref())
                .await;
        }
        let written = self.status(task, task.status.as_ref(), &plan.status).await?;
        let kept = written.is_none_or(|task| {
            let status = task.status.unwrap_or_default();
            status.pod_statuses.len() == plan.status.pod_statuses.len()
        });
        if !kept {
            // Nothing would be known of what is begun, and it would be begun again.
            return Err(Failure::Invalid(
                "the definition of cassandratasks has no status.podStatuses: apply crds/ again".to_owned(),
            ));
        }
        self.tell(task, &plan.notices);
        for write in &plan.writes {
            self.pod(write).await?;
        }
        let labels = task.labels();
        let has_labels = plan
            .labels
            .iter()
            .all(|(key, value)| labels.get(*key) == Some(value));
        if !has_labels {
            let mut metadata = json!({ "uid": task.metadata.uid, "labels": plan.labels });
            if let Some(owner) = owner.filter(|_| task.owner_references().is_empty()) {
                metadata["ownerReferences"] = json!([owner.controller_owner_ref(&())]);
            }
            self.patch::<CassandraTask>(&task.name_any(), json!({ "metadata": metadata }))
                .await?;
        }
        Ok(())
    }

    pub(super) async fn fan_out(
        &self,
        task: &K8ssandraTask,
        owner: Option<&CassandraCluster>,
        plan: FanOutPlan,
    ) -> Result<(), Failure> {
        let name = task.name_any();
        if plan.fate == Fate::IsDeleted {
            return self
                .delete::<K8ssandraTask>(&name, task.metadata.uid.as_deref())
                .await;
        }
        if plan.hold != Hold::Stays {
            let others = task.finalizers().iter().filter(|one| *one != FINALIZER);
            let mut finalizers: Vec<&str> = others.map(String::as_str).collect();
            let mut metadata = json!({ "resourceVersion": task.metadata.resource_version });
            if plan.hold == Hold::IsTaken {
                finalizers.push(FINALIZER);
                if let Some(owner) = owner.filter(|_| task.owner_references().is_empty()) {
                    metadata["ownerReferences"] = json!([owner.controller_owner_ref(&())]);
                }
            }
            metadata["finalizers"] = json!(finalizers);
            // Its news makes the next pass, which makes the tasks.
            return self
                .patch::<K8ssandraTask>(&name, json!({ "metadata": metadata }))
                .await;
        }
        self.status(task, task.status.as_ref(), &plan.status).await?;
        for made in &plan.create {
            self.create(made).await?;
        }
        self.tell(task, &plan.notices);
        for name in &plan.delete {
            self.delete::<CassandraTask>(name, None).await?;
        }
        Ok(())
    }

    pub(super) async fn schedule(&self, task: &ScheduledTask, plan: SchedulePlan) -> Result<(), Failure> {
        if let Some(run) = &plan.create {
            match self.create(run).await {
                // Made by a pass that did not live to write the status.
                Ok(()) | Err(Failure::Conflict(_)) => {}
                Err(failure) => return Err(failure),
            }
        }
        self.status(task, task.status.as_ref(), &plan.status).await?;
        self.tell(task, &plan.notices);
        for name in &plan.delete {
            self.delete::<CassandraTask>(name, None).await?;
        }
        Ok(())
    }

    /// Writes a request on the very pod it was planned for. One that is gone, or another by now, is looked at again.
    pub(super) async fn pod(&self, write: &PodWrite) -> Result<(), Failure> {
        let mut patch = write.patch.to_merge_patch();
        patch["metadata"]["uid"] = json!(write.uid);
        patch["metadata"]["resourceVersion"] = json!(write.version);
        match self.patch::<Pod>(&write.pod, patch).await {
            Err(Failure::NotFound(what)) => Err(Failure::Conflict(what)),
            written => written,
        }
    }

    /// What it became, unless it is as wanted already.
    async fn status<K, S>(&self, object: &K, stored: Option<&S>, wanted: &S) -> Result<Option<K>, Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
        S: Serialize + Default + PartialEq,
    {
        if stored.map_or(*wanted == S::default(), |stored| stored == wanted) {
            return Ok(None);
        }
        let stored = stored.map_or(Ok(json!({})), value)?;
        let patch = json!({
            "metadata": { "resourceVersion": object.meta().resource_version },
            "status": merge_patch(&stored, &value(wanted)?),
        });
        self.term_holds()?;
        let written = self
            .api::<K>()
            .patch_status(&object.name_any(), &owned(), &Patch::Merge(patch))
            .await;
        written
            .map(Some)
            .map_err(|error| self.failure(&format!("status of {}", object.name_any()), error))
    }

    async fn create(&self, task: &CassandraTask) -> Result<(), Failure> {
        self.term_holds()?;
        let how = PostParams {
            field_manager: Some(CONTROLLER.to_owned()),
            ..PostParams::default()
        };
        let created = self.api::<CassandraTask>().create(&how, task).await;
        created
            .map(drop)
            .map_err(|error| self.failure(&task.name_any(), error))
    }

    async fn patch<K>(&self, name: &str, patch: Value) -> Result<(), Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        self.term_holds()?;
        let patched = self.api::<K>().patch(name, &owned(), &Patch::Merge(patch)).await;
        patched.map(drop).map_err(|error| self.failure(name, error))
    }

    /// What is gone already need not be deleted.
    async fn delete<K>(&self, name: &str, uid: Option<&str>) -> Result<(), Failure>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        self.term_holds()?;
        let how = DeleteParams {
            preconditions: uid.map(|uid| Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        match self
            .api::<K>()
            .delete(name, &how)
            .await
            .map_err(|error| self.failure(name, error))
        {
            Ok(_) | Err(Failure::NotFound(_)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    fn tell<K: Resource<DynamicType = ()>>(&self, object: &K, notices: &[Notice]) {
        for notice in notices {
            tracing::info!(reason = notice.reason, "{}", notice.note);
            self.operator.events.publish(notice, object.object_ref(&()));
        }
    }

    fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.operator.client.clone(), self.namespace)
    }

    fn term_holds(&self) -> Result<(), Failure> {
        if self.operator.term.holds() {
            Ok(())
        } else {
            Err(Failure::NotLeading)
        }
    }

    fn failure(&self, what: &str, error: kube::Error) -> Failure {
        Failure::of_api(format!("{}/{what}", self.namespace), error)
    }
}

fn owned() -> PatchParams {
    PatchParams {
        field_manager: Some(CONTROLLER.to_owned()),
        ..PatchParams::default()
    }
}

fn value(status: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(status)
        .map_err(|error| Failure::Invalid(format!("status cannot be written: {error}")))
}
