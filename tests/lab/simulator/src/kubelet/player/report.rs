//! What a kubelet writes of a pod: its status, and in the end its deletion.

use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use serde_json::json;

use super::super::status::{Doing, Facts, pod_status};
use super::{Leaving, Player, RETRY};

impl Player {
    pub(super) async fn delete(&self) {
        let preconditions = Preconditions {
            uid: Some(self.uid.clone()),
            resource_version: None,
        };
        let now = DeleteParams {
            preconditions: Some(preconditions),
            ..DeleteParams::default().grace_period(0)
        };
        loop {
            let deleted = {
                let _slot = self.kubelet.requests.acquire().await;
                self.pods().delete(&self.id.name, &now).await
            };
            match deleted {
                Ok(_) => return,
                Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => return,
                Err(error) => tracing::warn!(pod = %self.id, %error, "pod not deleted"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Writes the pod's status if it says anything new. One patch, straight to where the pod has got.
    pub(super) async fn publish(&mut self, doing: Doing) -> Result<(), Leaving> {
        if self.facts.doing != doing {
            self.facts.doing = doing;
            self.facts.changed = Timestamp::now();
        }
        self.facts.address = self.address.map(IpAddr::from);
        let known = |published: &Facts| {
            published.doing == self.facts.doing
                && published.restarts == self.facts.restarts
                && published.address == self.facts.address
        };
        if self.published.as_ref().is_some_and(known) {
            return Ok(());
        }
        let patch = json!({"metadata": {"uid": self.uid}, "status": pod_status(&self.pod, &self.facts)});
        let written = async {
            loop {
                let patched = {
                    let _slot = self.kubelet.requests.acquire().await;
                    self.pods()
                        .patch_status(&self.id.name, &PatchParams::default(), &Patch::Merge(&patch))
                        .await
                };
                match patched {
                    Ok(_) => return,
                    // Gone, or another pod by now: the watch is about to say so.
                    Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => return,
                    Err(error) => tracing::warn!(pod = %self.id, %error, "pod status not written"),
                }
                tokio::time::sleep(RETRY).await;
            }
        };
        self.or_leave(written).await?;
        self.published = Some(self.facts.clone());
        Ok(())
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.kubelet.client.clone(), &self.id.namespace)
    }
}
