//! Labels of pods: requests, and what became of them.

use casskop_core::effect::PodLabels;
use casskop_types::operation::request_metadata;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch};
use serde_json::json;

use super::{Executor, owner};
use crate::failure::Failure;

impl Executor<'_> {
    /// A pod changes often, with what its kubelet says of it. Only another request is a conflict.
    pub(super) async fn label_pod(&self, change: &PodLabels) -> Result<(), Failure> {
        let conflict = match self.patch_pod(change, &change.resource_version).await {
            Err(conflict @ Failure::Conflict(_)) => conflict,
            ended => return ended,
        };
        match self.version_asked_for_the_same(change).await? {
            Some(version) => {
                self.term_holds()?;
                self.patch_pod(change, &version).await
            }
            None => Err(conflict),
        }
    }

    /// The resourceVersion of the pod as it is now. It is listed, since reading one pod would be a verb more for the Role.
    async fn version_asked_for_the_same(&self, change: &PodLabels) -> Result<Option<String>, Failure> {
        let name = change.pod.to_string();
        let this = ListParams::default().fields(&format!("metadata.name={name}"));
        let listed = self.api::<Pod>().list_metadata(&this).await;
        let listed = listed.map_err(|error| self.failure("pod", &name, error))?;
        let stored = listed.items.into_iter().map(|pod| pod.metadata);
        let mut same = stored.filter(|stored| {
            stored.uid.as_ref() == Some(&change.uid) && request_metadata(stored) == change.asked
        });
        Ok(same.next().and_then(|stored| stored.resource_version))
    }

    async fn patch_pod(&self, change: &PodLabels, version: &str) -> Result<(), Failure> {
        let pod = change.pod.to_string();
        let patch = Patch::Merge(json!({ "metadata": {
            "uid": change.uid,
            "resourceVersion": version,
            "labels": change.labels,
            "annotations": change.annotations,
        }}));
        let patched = self.api::<Pod>().patch(&pod, &owner(), &patch).await;
        patched
            .map(drop)
            .map_err(|error| self.other_is_conflict("pod", &pod, error))
    }
}
