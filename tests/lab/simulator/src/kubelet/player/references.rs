//! What a pod refers to: the claim that is its disk, the secret with its credentials, the disks of its ring.

use std::net::IpAddr;

use casskop_bootstrap::ring_config_map::{self, Access, RingRecord};
use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use kube::{Api, ResourceExt};

use super::{Leaving, NodeSpec, Player, RETRY, Told};
use crate::ring::{HostId, Process};
use crate::steering::Credentials;

/// Whether a disk of a ring's is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RingFate {
    Alive,
    Lost,
}

impl Player {
    /// Whether anything is left of a ring whose nodes are all down when a fresh node starts: a cluster that was deleted
    /// with its claims and created again under the same name has nothing to do with the old one.
    pub(super) async fn fate_of_ring(&self, node: &NodeSpec, host: HostId) -> Result<RingFate, Leaving> {
        let claims = self.kubelet.world.look(|state| {
            let cluster = state.clusters.get(&node.cluster)?;
            let known = cluster.ring.node(host).is_some();
            let up = cluster.ring.nodes().any(|(_, node)| node.process == Process::Up);
            let empty = cluster.ring.nodes().next().is_none();
            (!known && !up && !empty).then(|| {
                // Claims of nodes the ring knows: others that start right now have fresh ones.
                let members = cluster
                    .claims
                    .iter()
                    .filter(|(host, _)| cluster.ring.node(**host).is_some());
                members.map(|(_, claim)| claim.clone()).collect::<Vec<_>>()
            })
        });
        let Some(claims) = claims else {
            return Ok(RingFate::Alive);
        };
        let api: Api<PersistentVolumeClaim> =
            Api::namespaced(self.kubelet.client.clone(), &self.id.namespace);
        for (claim, uid) in &claims {
            // What the API server does not say is gone is not gone.
            match self.or_leave(api.get_metadata_opt(claim)).await? {
                Ok(Some(found)) if found.uid().as_ref() != Some(uid) => {}
                Ok(None) => {}
                Ok(Some(_)) | Err(_) => return Ok(RingFate::Alive),
            }
        }
        Ok(RingFate::Lost)
    }

    /// The uid of the claim that is the node's disk; without one, the disk lives as long as the pod.
    pub(super) async fn disk(&self, node: &NodeSpec) -> Result<String, Leaving> {
        let Some(claim) = &node.claim else {
            return Ok(self.uid.clone());
        };
        let claims: Api<PersistentVolumeClaim> =
            Api::namespaced(self.kubelet.client.clone(), &self.id.namespace);
        self.fetch(|| async { Ok(claims.get_metadata(claim).await?.uid()) }.boxed())
            .await
    }

    /// The dead node to replace, as the operator's ConfigMap has it when the init container reads it, once in a pod's life.
    pub(super) async fn replaces(&mut self, node: &NodeSpec) -> Result<Option<IpAddr>, Leaving> {
        if node.replace.is_some() {
            return Ok(node.replace);
        }
        if let Told::ToReplace(replaced) = self.told {
            return Ok(replaced);
        }
        let name = ring_config_map::name(&node.cluster.name);
        let records: Api<ConfigMap> = Api::namespaced(self.kubelet.client.clone(), &self.id.namespace);
        let record =
            self.fetch(|| async { Ok(Some(records.get_opt(&name).await?.unwrap_or_default())) }.boxed());
        let data = record.await?.data.unwrap_or_default();
        let entry = data.get(&format!("{}{}", ring_config_map::REPLACE_PREFIX, self.id.name));
        let replaced = entry.and_then(|address| address.parse().ok());
        self.facts.bootstrap_message = RingRecord::termination_message(Access::Read, replaced);
        self.told = Told::ToReplace(replaced);
        Ok(replaced)
    }

    /// User and password as of the pod's creation, read where the pod's environment points.
    pub(super) async fn credentials(&self, node: &NodeSpec) -> Result<Option<Credentials>, Leaving> {
        let Some(reference) = &node.credentials else {
            return Ok(None);
        };
        let secrets: Api<Secret> = Api::namespaced(self.kubelet.client.clone(), &self.id.namespace);
        let found = self.fetch(|| {
            async {
                let mut texts = Vec::new();
                for (secret, key) in [&reference.user, &reference.password] {
                    let data = secrets.get(secret).await?.data.unwrap_or_default();
                    texts.push(
                        data.get(key)
                            .and_then(|bytes| String::from_utf8(bytes.0.clone()).ok()),
                    );
                }
                let password = texts.pop().flatten();
                let user = texts.pop().flatten();
                Ok(user
                    .zip(password)
                    .map(|(user, password)| Credentials { user, password }))
            }
            .boxed()
        });
        found.await.map(Some)
    }

    /// Asks until there is an answer: a kubelet holds a pod back while something it mounts is missing.
    async fn fetch<'a, T>(
        &self,
        ask: impl Fn() -> BoxFuture<'a, Result<Option<T>, kube::Error>>,
    ) -> Result<T, Leaving> {
        loop {
            let asked = self.or_leave(async {
                let _slot = self.kubelet.requests.acquire().await;
                ask().await
            });
            match asked.await? {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => tracing::warn!(pod = %self.id, %error, "reading what the pod refers to"),
            }
            self.or_leave(tokio::time::sleep(RETRY)).await?;
        }
    }
}
