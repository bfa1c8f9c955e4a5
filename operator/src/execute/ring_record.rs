//! The record that the ring has formed, which pods read when they start.

use casskop_core::ring_record::{RING_FORMED, Whose, whose};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use super::{Executor, name_of, written};
use crate::failure::Failure;

impl Executor<'_> {
    /// Created and never changed: a user's object of that name would be changed otherwise, or would go with the cluster.
    ///
    /// A refusal is a failure of its own kind: it lasts until somebody does something about it, and nothing but further
    /// nodes has to wait for that.
    pub(super) async fn record_ring(&self, record: &ConfigMap) -> Result<(), Failure> {
        let recorded = self.create_record(record).await;
        recorded.map_err(|failure| match failure {
            Failure::Forbidden(text) | Failure::Invalid(text) => Failure::RecordRefused(text),
            failure => failure,
        })
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
}
