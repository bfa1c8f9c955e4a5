//! The record that the ring has formed, and what single pods are told: pods read both when they start.

use std::net::IpAddr;

use casskop_core::ring_record::{RING_FORMED, Whose, replace_key, whose};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::Patch;
use serde_json::json;

use super::{Executor, name_of, owner, written};
use crate::failure::Failure;

impl Executor<'_> {
    /// Created and not changed here: a user's object of that name would be changed otherwise, or would go with the cluster.
    ///
    /// A refusal is a failure of its own kind: it lasts until somebody does something about it, and nothing but further
    /// nodes has to wait for that.
    pub(super) async fn record_ring(&self, record: &ConfigMap) -> Result<(), Failure> {
        let recorded = self.create_record(record).await;
        recorded.map_err(refused)
    }

    async fn create_record(&self, record: &ConfigMap) -> Result<(), Failure> {
        let name = name_of(record);
        let records: Api<ConfigMap> = self.api();
        let created = records.create(&written(), record).await;
        let text = match created.map_err(|error| self.failure("configmap", &name, error)) {
            Ok(_) => return Ok(()),
            Err(Failure::Conflict(text)) => text,
            Err(failure) => return Err(failure),
        };
        let stored = records.get(&name).await;
        let stored = stored.map_err(|error| self.gone_is_conflict("configmap", &name, error))?;
        match whose(&stored, record) {
            Whose::Ours => Ok(()),
            Whose::Predecessors => Err(Failure::Conflict(text)),
            Whose::Users => {
                tracing::warn!(
                    "configmap {name} is a user's own and left as it is: pods go by its {RING_FORMED}"
                );
                Ok(())
            }
        }
    }

    /// One entry of the ConfigMap, whoever made it, and no other.
    pub(super) async fn tell_pod(
        &self,
        record: &ConfigMap,
        pod: &str,
        replaces: Option<IpAddr>,
    ) -> Result<(), Failure> {
        let name = name_of(record);
        let records: Api<ConfigMap> = self.api();
        let entry = json!({ "data": { replace_key(pod): replaces } });
        let patched = records.patch(&name, &owner(), &Patch::Merge(entry)).await;
        let failure = |error| refused(self.failure("configmap", &name, error));
        match (patched.map_err(failure), replaces) {
            // Somebody deleted it.
            (Err(Failure::NotFound(_)), Some(address)) => {
                let mut record = record.clone();
                let data = record.data.get_or_insert_default();
                data.insert(replace_key(pod), address.to_string());
                let created = records.create(&written(), &record).await;
                created.map(drop).map_err(failure)
            }
            (Ok(_) | Err(Failure::NotFound(_)), _) => Ok(()),
            (Err(failure), _) => Err(failure),
        }
    }
}

/// What a rest of the plan can do without.
fn refused(failure: Failure) -> Failure {
    match failure {
        Failure::Forbidden(text) | Failure::Invalid(text) => Failure::RecordRefused(text),
        failure => failure,
    }
}
