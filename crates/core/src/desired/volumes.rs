//! Volumes of a pod, where containers see them, and the claims behind them.

use std::collections::BTreeSet;

use casskop_types::names::DATA_VOLUME;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, EmptyDirVolumeSource, PersistentVolumeClaim, PersistentVolumeClaimSpec,
    Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::defaults::{self, CASSANDRA};
use crate::validate::{ValidatedCluster, ValidatedRack};

const DATA_PATH: &str = "/var/lib/cassandra";

/// Volumes of their own that pods have, before [`share_claims`].
pub(super) fn of_pod(cluster: &ValidatedCluster) -> Vec<Volume> {
    let empty = ["bootstrap", "extra-lib", "tools", "log", "tmp"].map(|name| Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    });
    let hooks = cluster.pod.hooks.as_ref().map(|name| Volume {
        name: "cassandra-config".to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: name.clone(),
            default_mode: Some(0o755),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    });
    empty.into_iter().chain(hooks).collect()
}

/// Mounts of the init containers that see the configuration as `/bootstrap`.
pub(super) fn of_config_builders() -> Vec<VolumeMount> {
    vec![mount("bootstrap", "/bootstrap")]
}

/// Mounts of the init container `bootstrap`.
pub(super) fn of_bootstrap(cluster: &ValidatedCluster) -> Vec<VolumeMount> {
    let mut mounts = vec![
        mount("bootstrap", "/etc/cassandra"),
        mount("extra-lib", "/extra-lib"),
        mount("tools", "/opt/bin"),
    ];
    mounts.extend(
        cluster
            .pod
            .hooks
            .as_ref()
            .map(|_| mount("cassandra-config", "/configmap")),
    );
    mounts
}

/// Mounts of Cassandra's container.
pub(super) fn of_cassandra(cluster: &ValidatedCluster, data: DataMount) -> Vec<VolumeMount> {
    let mut mounts = vec![
        mount("bootstrap", "/etc/cassandra"),
        mount("extra-lib", "/extra-lib"),
        mount("tools", "/opt/bin"),
    ];
    mounts.extend(data.mount());
    mounts.push(mount("tmp", "/tmp"));
    mounts.push(mount("log", "/var/log/cassandra"));
    mounts.extend(
        cluster
            .pod
            .storage
            .iter()
            .map(|storage| mount(&storage.name, &storage.mount_path)),
    );
    mounts
}

/// Mounts of the backup container, after the user's.
pub(super) fn of_back_rest(data: DataMount) -> Vec<VolumeMount> {
    let mut mounts = vec![
        mount("bootstrap", "/etc/cassandra"),
        mount("extra-lib", "/extra-lib"),
    ];
    mounts.extend(data.mount());
    mounts.push(mount("tmp", "/tmp"));
    mounts
}

/// Whether containers see the data volume.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum DataMount {
    /// They do.
    Mounted,
    /// They do not.
    Absent,
}

impl DataMount {
    /// CassKop mounts the data volume only if the spec itself sizes it; where a datacenter alone does, data lands in the
    /// container (its quirk Q22). A StatefulSet that exists keeps it that way: mounting the empty volume now would hide
    /// the data there is.
    pub(super) fn of(cluster: &ValidatedCluster, rack: &ValidatedRack, stored: Option<&StatefulSet>) -> Self {
        let mounted = cluster.pod.mounts_data || (rack.data.is_some() && stored.is_none_or(mounts_data));
        if mounted { Self::Mounted } else { Self::Absent }
    }

    fn mount(self) -> Option<VolumeMount> {
        (self == Self::Mounted).then(|| mount(DATA_VOLUME, DATA_PATH))
    }
}

fn mounts_data(stored: &StatefulSet) -> bool {
    let cassandra = stored
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref())
        .and_then(|pod| defaults::container(pod, CASSANDRA));
    cassandra.is_some_and(|cassandra| {
        cassandra
            .volume_mounts
            .iter()
            .flatten()
            .any(|mount| mount.name == DATA_VOLUME)
    })
}

/// Claims of each pod. A StatefulSet that exists keeps its own: they cannot be changed.
pub fn claim_templates(cluster: &ValidatedCluster, rack: &ValidatedRack) -> Vec<PersistentVolumeClaim> {
    let Some(data) = &rack.data else { return Vec::new() };
    let data = PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
        resources: Some(VolumeResourceRequirements {
            requests: Some([("storage".to_owned(), Quantity(data.capacity.clone()))].into()),
            limits: None,
        }),
        storage_class_name: data.storage_class.clone(),
        ..PersistentVolumeClaimSpec::default()
    };
    let others = cluster
        .pod
        .storage
        .iter()
        .map(|storage| (storage.name.clone(), storage.pvc_spec.clone()));
    std::iter::once((DATA_VOLUME.to_owned(), data))
        .chain(others)
        .map(|(name, spec)| PersistentVolumeClaim {
            metadata: ObjectMeta {
                name: Some(name),
                labels: Some(cluster.rack_labels(&rack.id)),
                ..ObjectMeta::default()
            },
            spec: Some(spec),
            status: None,
        })
        .collect()
}

/// Where Cassandra's container has a claim mounted, no other volume may have the path: Cassandra's own other mount of it goes,
/// other containers get the claim there instead, and the volume they had is of no use any more.
pub(super) fn share_claims(
    containers: &mut [Container],
    claims: &[PersistentVolumeClaim],
    volumes: &mut Vec<Volume>,
) {
    let shared: Vec<(String, String)> = containers
        .iter()
        .filter(|container| container.name == CASSANDRA)
        .flat_map(|container| container.volume_mounts.iter().flatten())
        .filter(|mount| {
            claims
                .iter()
                .any(|claim| claim.metadata.name.as_ref() == Some(&mount.name))
        })
        .map(|mount| (mount.name.clone(), mount.mount_path.clone()))
        .collect();
    let mut replaced = BTreeSet::new();
    for container in containers {
        let is_cassandra = container.name == CASSANDRA;
        if let Some(mounts) = &mut container.volume_mounts {
            mounts.retain_mut(|mount| {
                if shared.iter().any(|(claim, _)| *claim == mount.name) {
                    return true;
                }
                let Some((claim, _)) = shared.iter().find(|(_, path)| *path == mount.mount_path) else {
                    return true;
                };
                replaced.insert(std::mem::replace(&mut mount.name, claim.clone()));
                !is_cassandra
            });
        }
    }
    volumes.retain(|volume| !replaced.contains(&volume.name));
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}
