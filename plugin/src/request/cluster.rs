//! Writing on a cluster: a few fields, each guarded by what was read.

use casskop_types::CassandraCluster;
use kube::api::Patch;
use serde_json::{Value, json};

use super::patch_params;
use crate::cli::DryRun;
use crate::failure::Failure;
use crate::kube_access::{Access, Call, CallError, Kind};

/// What came of a write.
pub(crate) enum Written {
    /// The object as it is now.
    Yes(Box<CassandraCluster>),
    /// Not written: the object is not as it was read.
    Changed,
}

/// Patches a cluster as it was read.
pub(super) async fn patch_cluster(
    access: &Access,
    cluster: &CassandraCluster,
    patch: json_patch::Patch,
    dry_run: DryRun,
) -> Result<Written, Failure> {
    let name = cluster.metadata.name.clone().unwrap_or_default();
    if dry_run == DryRun::Client {
        return imagined(cluster, &patch);
    }
    let call = Call {
        verb: "patch",
        resource: Kind::Clusters,
        name: Some(name.clone()),
    };
    let params = patch_params(dry_run);
    match access
        .call(
            &call,
            access.clusters().patch(&name, &params, &Patch::Json::<()>(patch)),
        )
        .await
    {
        Ok(cluster) => Ok(Written::Yes(Box::new(cluster))),
        Err(CallError::Changed { .. }) => Ok(Written::Changed),
        Err(error) => Err(error.into()),
    }
}

/// The part of a JSON patch (RFC 6902) by which it holds for this object, and no later one of its name.
pub(super) fn same_object(cluster: &CassandraCluster) -> Value {
    json!({ "op": "test", "path": "/metadata/uid", "value": cluster.metadata.uid })
}

/// The part by which it holds only as long as nothing of the object changes.
pub(super) fn unchanged(cluster: &CassandraCluster) -> Value {
    json!({ "op": "test", "path": "/metadata/resourceVersion", "value": cluster.metadata.resource_version })
}

/// A cluster as it would be.
fn imagined(cluster: &CassandraCluster, patch: &json_patch::Patch) -> Result<Written, Failure> {
    let mut value = serde_json::to_value(cluster).map_err(Failure::Render)?;
    if json_patch::patch(&mut value, patch).is_err() {
        return Ok(Written::Changed);
    }
    let cluster = serde_json::from_value(value).map_err(Failure::Render)?;
    Ok(Written::Yes(Box::new(cluster)))
}

/// Writes fields of a cluster, whatever else of it has changed meanwhile.
pub(crate) async fn merge_cluster(
    access: &Access,
    cluster: &CassandraCluster,
    fields: Value,
    dry_run: DryRun,
) -> Result<CassandraCluster, Failure> {
    if dry_run == DryRun::Client {
        let mut value = serde_json::to_value(cluster).map_err(Failure::Render)?;
        json_patch::merge(&mut value, &fields);
        return serde_json::from_value(value).map_err(Failure::Render);
    }
    let name = cluster.metadata.name.clone().unwrap_or_default();
    let call = Call {
        verb: "patch",
        resource: Kind::Clusters,
        name: Some(name.clone()),
    };
    let params = patch_params(dry_run);
    let clusters = access.clusters();
    let patch = Patch::Merge(fields);
    let patched = clusters.patch(&name, &params, &patch);
    Ok(access.call(&call, patched).await?)
}
