//! Reading and writing tasks.

use std::fmt::Debug;

use casskop_core::view::tasks::TaskView;
use casskop_types::task::{CassandraTask, K8ssandraTask};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{DeleteParams, Patch, PostParams, Preconditions};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{list, patch_params};
use crate::cli::DryRun;
use crate::failure::Failure;
use crate::kube_access::{Access, Call, CallError, FIELD_MANAGER, Kind};

/// Kinds of tasks.
pub(crate) trait Task:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize
{
    /// In the words of messages.
    const KIND: Kind;
}

impl Task for K8ssandraTask {
    const KIND: Kind = Kind::TasksOfClusters;
}

impl Task for CassandraTask {
    const KIND: Kind = Kind::TasksOfDatacenters;
}

impl Task for casskop_types::task::ScheduledTask {
    const KIND: Kind = Kind::Schedules;
}

/// A task by its name.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    OfCluster(Box<K8ssandraTask>),
    OfDatacenter(Box<CassandraTask>),
}

impl Found {
    /// What people see of it.
    pub(crate) fn view(&self) -> TaskView {
        match self {
            Self::OfCluster(task) => TaskView::of_cluster(task),
            Self::OfDatacenter(task) => TaskView::of_datacenter(task),
        }
    }
}

/// The task of that name: of a cluster, or else of a datacenter.
pub(crate) async fn task(access: &Access, name: &str) -> Result<Found, Failure> {
    if let Some(task) = task_of::<K8ssandraTask>(access, name).await? {
        return Ok(Found::OfCluster(Box::new(task)));
    }
    match task_of::<CassandraTask>(access, name).await? {
        Some(task) => Ok(Found::OfDatacenter(Box::new(task))),
        None => Err(Failure::Wrong(format!(
            "there is no task `{name}` in namespace `{}`; `kubectl casskop task list` shows all",
            access.place().namespace
        ))),
    }
}

/// An object of a kind, if there is one of that name.
pub(crate) async fn task_of<K: Task>(access: &Access, name: &str) -> Result<Option<K>, CallError> {
    let call = call::<K>("get", name);
    match access.call(&call, access.api::<K>().get(name)).await {
        Ok(task) => Ok(Some(task)),
        Err(CallError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The tasks of clusters.
pub(crate) async fn tasks_of_clusters(access: &Access) -> Result<Vec<K8ssandraTask>, CallError> {
    list(access, K8ssandraTask::KIND, None).await
}

/// The tasks of datacenters with these labels.
pub(crate) async fn tasks_of_datacenters(
    access: &Access,
    labels: Option<&str>,
) -> Result<Vec<CassandraTask>, CallError> {
    list(access, CassandraTask::KIND, labels).await
}

/// Makes an object, unless there is one of its name.
pub(crate) async fn create_task<K: Task>(access: &Access, task: &K, dry_run: DryRun) -> Result<K, Failure> {
    let mut task = task.clone();
    task.meta_mut().namespace = Some(access.place().namespace.clone());
    if dry_run == DryRun::Client {
        return Ok(task);
    }
    let name = task.name_any();
    let how = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        dry_run: dry_run == DryRun::Server,
    };
    let tasks = access.api::<K>();
    let made = access
        .call(&call::<K>("create", &name), tasks.create(&how, &task))
        .await;
    made.map_err(|error| match error {
        CallError::Exists { .. } => Failure::Wrong(format!(
            "{} `{name}` is there already; choose another --name",
            K::kind(&()).to_lowercase()
        )),
        error => error.into(),
    })
}

/// Changes fields of an object.
pub(crate) async fn merge_task<K: Task>(
    access: &Access,
    name: &str,
    fields: &Value,
    dry_run: DryRun,
) -> Result<(), Failure> {
    if dry_run == DryRun::Client {
        return Ok(());
    }
    let params = patch_params(dry_run);
    let patch = Patch::Merge(fields);
    let (call, api) = (call::<K>("patch", name), access.api::<K>());
    access.call(&call, api.patch(name, &params, &patch)).await?;
    Ok(())
}

/// Deletes an object.
pub(crate) async fn delete_task<K: Task>(access: &Access, task: &K, dry_run: DryRun) -> Result<(), Failure> {
    if dry_run == DryRun::Client {
        return Ok(());
    }
    let name = task.name_any();
    let how = DeleteParams {
        dry_run: dry_run == DryRun::Server,
        // Not another one that somebody made under its name meanwhile.
        preconditions: Some(Preconditions {
            uid: task.uid(),
            resource_version: None,
        }),
        ..DeleteParams::background()
    };
    let (call, api) = (call::<K>("delete", &name), access.api::<K>());
    access.call(&call, api.delete(&name, &how)).await?;
    Ok(())
}

fn call<K: Task>(verb: &'static str, name: &str) -> Call {
    Call {
        verb,
        resource: K::KIND,
        name: Some(name.to_owned()),
    }
}
