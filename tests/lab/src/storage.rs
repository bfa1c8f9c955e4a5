//! Volumes: the controller-manager's own host path provisioner, behind a default StorageClass `standard`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::cache::remove_all;

/// The default StorageClass of every lab.
pub const STORAGE_CLASS: &str = "standard";

/// Where the provisioner puts volumes; it cannot be told another place.
const VOLUMES: &str = "/tmp/hostpath_pv/";

/// Makes claims without a class, and those of class `standard`, bind at once. Volumes bind when claimed and not when
/// a pod is placed, since every node of a lab sees every directory.
pub async fn install(client: &kube::Client) -> Result<()> {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": { "storageclass.kubernetes.io/is-default-class": "true" },
        },
        "provisioner": "kubernetes.io/host-path",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    });
    Api::<StorageClass>::all(client.clone())
        .patch(
            STORAGE_CLASS,
            &PatchParams::apply("casskop-lab"),
            &Patch::Apply(&class),
        )
        .await
        .context("cannot install the StorageClass standard")?;
    Ok(())
}

/// Removes the volumes a lab provisioned and did not delete. They lie outside its directory, under names that only
/// the PersistentVolumes tell, and the API server may be dead; but its audit log holds the request that created each.
pub fn remove_volumes(audit_log: &Path) -> Result<()> {
    let log = match fs::read(audit_log) {
        Ok(log) => log,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", audit_log.display())),
    };
    for volume in volumes_in(&String::from_utf8_lossy(&log)) {
        remove_all(&volume)?;
    }
    // The directory is shared by all labs of the machine: only the last one can remove it.
    match fs::remove_dir(VOLUMES) {
        Err(error)
            if !matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Err(error).with_context(|| format!("cannot remove {VOLUMES}"))
        }
        _ => Ok(()),
    }
}

/// Directories of the provisioner named in a log: the fixed place and a UUID, nothing else may follow it.
fn volumes_in(log: &str) -> BTreeSet<PathBuf> {
    log.match_indices(VOLUMES)
        .filter_map(|(at, _)| {
            let rest = &log[at + VOLUMES.len()..];
            let name = rest.get(..36)?;
            let is_uuid = name.chars().enumerate().all(|(index, letter)| match index {
                8 | 13 | 18 | 23 => letter == '-',
                _ => letter.is_ascii_hexdigit(),
            });
            let ends = rest[36..].starts_with(['"', '\\']);
            (is_uuid && ends).then(|| Path::new(VOLUMES).join(name))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_volume_names_are_believed() {
        let uuid = "0d5f2b1c-93a4-4d8e-8a7c-1f2e3d4c5b6a";
        let log = format!(
            r#"{{"path":"/tmp/hostpath_pv/{uuid}"}} {{"path":"/tmp/hostpath_pv/{uuid}/../../etc"}}
               {{"path":"/tmp/hostpath_pv/../../../../etc/passwd-and-more-of-that-kind"}} {{"path":"/tmp/hostpath_pv/"}}"#
        );
        assert_eq!(volumes_in(&log), BTreeSet::from([Path::new(VOLUMES).join(uuid)]));
    }
}
