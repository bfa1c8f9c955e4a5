//! Looks at what each write is about to destroy, and asks the simulated ring whether it may go.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::http::{Method, StatusCode};
use casskop_simulator::ring::{HostId, OperationMode, Process, Ring};
use casskop_simulator::{ClientError, ClusterId};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::{Api, ResourceExt};

use super::write::Write;
use crate::cluster::Cluster;
use crate::ground::Ground;

/// Whoever looks at the writes.
#[derive(Clone)]
pub struct Witness(Arc<Inner>);

struct Inner {
    client: kube::Client,
    namespace: String,
    simulator: casskop_simulator::Client,
    cluster: ClusterId,
    /// The user deleted the cluster: its nodes go, and nobody counts on them.
    farewell: AtomicBool,
    crimes: Mutex<Vec<String>>,
}

impl Witness {
    /// Looks at the writes about a cluster.
    pub fn of(ground: &Ground, cluster: &str) -> Result<Self> {
        let (simulator, cluster) = Cluster::simulator_of(ground, cluster)?;
        Ok(Self(Arc::new(Inner {
            client: ground.client.clone(),
            namespace: ground.namespace.clone(),
            simulator,
            cluster,
            farewell: AtomicBool::new(false),
            crimes: Mutex::default(),
        })))
    }

    /// From now on everything may go.
    pub fn bid_farewell(&self) {
        self.0.farewell.store(true, Ordering::Relaxed);
    }

    /// What a write destroys that the ring counts on. Whether that happens depends on the API server's answer.
    pub async fn suspects(&self, write: &Write) -> Option<String> {
        if self.0.farewell.load(Ordering::Relaxed) {
            return None;
        }
        match self.destroys(write).await {
            Ok(found) => found,
            Err(error) => Some(format!("nobody can tell whether {write} is right: {error:#}")),
        }
    }

    /// Notes what was suspected, if the write was accepted.
    pub fn notes(&self, suspicion: Option<String>, answered: StatusCode) {
        let accepted = suspicion.filter(|_| answered.is_success());
        self.crimes().extend(accepted);
    }

    /// What was destroyed although the ring counted on it.
    pub fn found(&self) -> Vec<String> {
        self.crimes().clone()
    }

    fn crimes(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.crimes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn destroys(&self, write: &Write) -> Result<Option<String>> {
        let name = write.name.as_str();
        match (&write.method, write.resource.as_str()) {
            (&Method::DELETE, "persistentvolumeclaims") => {
                if self.is_replaced(name).await? {
                    return Ok(None);
                }
                let member = self.claims_of_members(|claim| claim == name).await?;
                Ok(member.map(|claim| format!("claim {claim} deleted while its node is a member")))
            }
            (&Method::DELETE, "statefulsets") => {
                if write.body["propagationPolicy"] == "Orphan" {
                    // Its pods stay.
                    return Ok(None);
                }
                let member = self.claims_of_members(|claim| ordinal(claim, name).is_some());
                Ok(member
                    .await?
                    .map(|claim| format!("statefulset deleted while the node of claim {claim} is a member")))
            }
            (&Method::PUT, "statefulsets") => self.lowers(write).await,
            (&Method::DELETE, "pods") => {
                let runs = self.claims_of(
                    |claim| claim == format!("data-{name}"),
                    |ring, host| {
                        ring.node(host).is_some_and(|node| {
                            node.process == Process::Up && node.mode != OperationMode::Drained
                        })
                    },
                );
                Ok(runs
                    .await?
                    .map(|_| format!("pod {name} deleted while its node is up, and not drained")))
            }
            _ => Ok(None),
        }
    }

    /// Whether the node of a claim is down, and the next pod of its name has been told to take its place.
    async fn is_replaced(&self, claim: &str) -> Result<bool> {
        let records: Api<ConfigMap> = Api::namespaced(self.0.client.clone(), &self.0.namespace);
        let record = records
            .get_opt(&format!("{}-bootstrap", self.0.cluster.name))
            .await?;
        let told = record.and_then(|record| record.data).unwrap_or_default();
        let pod = claim.strip_prefix("data-").unwrap_or_default();
        let Some(address) = told.get(&format!("replace.{pod}")).cloned() else {
            return Ok(false);
        };
        let is_lost = move |ring: &Ring, host: HostId| {
            ring.node(host)
                .is_some_and(|node| node.address.to_string() == address && node.process == Process::Down)
        };
        Ok(self.claims_of(|known| known == claim, is_lost).await?.is_some())
    }

    async fn lowers(&self, write: &Write) -> Result<Option<String>> {
        let sets: Api<StatefulSet> = Api::namespaced(self.0.client.clone(), &self.0.namespace);
        let Some(stored) = sets.get_opt(&write.name).await? else {
            return Ok(None);
        };
        let before = stored.spec.and_then(|spec| spec.replicas).unwrap_or(1);
        let after = write
            .body
            .pointer("/spec/replicas")
            .and_then(serde_json::Value::as_i64)
            .unwrap_or(1);
        if after >= i64::from(before) {
            return Ok(None);
        }
        let above = |claim: &str| ordinal(claim, &write.name).is_some_and(|ordinal| ordinal >= after);
        let member = self.claims_of_members(above).await?;
        Ok(member.map(|claim| format!("{write} to {after} while the node of claim {claim} is a member")))
    }

    async fn claims_of_members(&self, which: impl Fn(&str) -> bool) -> Result<Option<String>> {
        let is_member = |ring: &Ring, host| ring.node(host).is_some_and(|node| node.membership.owns_data());
        self.claims_of(which, is_member).await
    }

    /// The first of these claims whose node is like that. A claim's uid is its node's identity.
    async fn claims_of(
        &self,
        which: impl Fn(&str) -> bool,
        is: impl Fn(&Ring, HostId) -> bool,
    ) -> Result<Option<String>> {
        let ring = match self.0.simulator.ring(&self.0.cluster).await {
            Ok(view) => view.ring,
            // No node has ever started.
            Err(ClientError::Refused { status, .. }) if status == StatusCode::NOT_FOUND => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.0.client.clone(), &self.0.namespace);
        let listed = claims.list(&kube::api::ListParams::default()).await?.items;
        let mut found = listed.iter().filter(|claim| which(&claim.name_any()));
        let found = found.find(|claim| {
            let host = claim.uid().map(|uid| HostId::of_disk(&uid));
            host.is_some_and(|host| is(&ring, host))
        });
        Ok(found.map(ResourceExt::name_any))
    }
}

/// The ordinal of the pod of a StatefulSet whose claim this is.
fn ordinal(claim: &str, set: &str) -> Option<i64> {
    let pod = claim.strip_prefix("data-")?.strip_prefix(set)?;
    pod.strip_prefix('-')?.parse().ok()
}
