//! What all pods have in common.

use std::collections::BTreeSet;

use casskop_types::CassandraCluster;
use casskop_types::cluster::CassandraClusterSpec;
use casskop_types::names::DATA_VOLUME;
use k8s_openapi::api::core::v1::ResourceRequirements;

use super::{AntiAffinity, BackRest, Images, MainProcess, PodSettings, Probe, Probes, Problems, said};
use crate::desired::defaults;
use crate::quantity::Amount;

pub(super) fn settings(cluster: &CassandraCluster, problems: &mut Problems) -> Option<PodSettings> {
    let before = problems.0.len();
    let spec = &cluster.spec;
    check_sidecars(spec, problems);
    check_storage(spec, problems);
    let heap_memory_limit = heap_memory_limit(cluster, problems);
    let images = images(cluster);
    let pod = spec.pod.as_ref();
    let back_rest = spec.back_rest_sidecar.as_ref();
    let settings = PodSettings {
        product_name: product_name(spec, &images.cassandra),
        images,
        image_pull_policy: said(spec.image_pull_policy.as_ref())
            .unwrap_or(defaults::IMAGE_PULL_POLICY)
            .to_owned(),
        image_pull_secret: named(spec.image_pull_secret.as_ref()),
        jolokia_secret: named(spec.image_jolokia_secret.as_ref()),
        server_version: said(spec.server_version.as_ref()).map(str::to_owned),
        main_process: if spec.debug == Some(true) {
            MainProcess::Idle
        } else {
            MainProcess::Cassandra
        },
        environment: spec.env_vars.clone().unwrap_or_default(),
        jmx: spec.jmx_configuration.clone(),
        heap_memory_limit,
        read_only_root_filesystem: spec.read_only_root_filesystem.unwrap_or(true),
        probes: probes(spec),
        run_as_user: spec.run_as_user.unwrap_or(defaults::RUN_AS_USER),
        fs_group: spec.fs_group.unwrap_or(defaults::FS_GROUP),
        anti_affinity: if spec.hard_anti_affinity == Some(true) {
            AntiAffinity::Required
        } else {
            AntiAffinity::Preferred
        },
        annotations: pod.and_then(|pod| pod.annotations.clone()).unwrap_or_default(),
        tolerations: pod.and_then(|pod| pod.tolerations.clone()).unwrap_or_default(),
        share_process_namespace: spec.share_process_namespace,
        service_account: said(spec.service_account_name.as_ref())
            .unwrap_or(defaults::SERVICE_ACCOUNT)
            .to_owned(),
        hooks: said(spec.config_map_name.as_ref()).map(str::to_owned),
        mounts_data: said(spec.data_capacity.as_ref()).is_some(),
        storage: spec.storage_configs.clone().unwrap_or_default(),
        sidecars: spec.sidecar_configs.clone().unwrap_or_default(),
        bootstrap_environment: back_rest
            .and_then(|sidecar| sidecar.env_vars.clone())
            .unwrap_or_default(),
        back_rest: self::back_rest(cluster),
    };
    (problems.0.len() == before).then_some(settings)
}

/// The cluster's resources. Limits that are left out are the requests, unless the cluster was adopted without them.
pub(super) fn cluster_resources(cluster: &CassandraCluster) -> ResourceRequirements {
    let mut resources = cluster.spec.resources.clone().unwrap_or_default();
    let without_limits = cluster
        .status
        .as_ref()
        .and_then(|status| status.pinned.as_ref())
        .is_some_and(|pinned| pinned.without_limits == Some(true));
    if resources.limits.is_none() && !without_limits {
        resources.limits.clone_from(&resources.requests);
    }
    resources
}

/// What the spec names, else what was pinned when the cluster was first seen, else our default.
fn images(cluster: &CassandraCluster) -> Images {
    let spec = &cluster.spec;
    let pinned = cluster.status.as_ref().and_then(|status| status.pinned.as_ref());
    let image = |named: Option<&String>, pinned: Option<&String>, default: &str| {
        said(named).or(said(pinned)).unwrap_or(default).to_owned()
    };
    Images {
        cassandra: image(
            spec.cassandra_image.as_ref(),
            pinned.and_then(|pinned| pinned.cassandra_image.as_ref()),
            defaults::CASSANDRA_IMAGE,
        ),
        bootstrap: image(
            spec.bootstrap_image.as_ref(),
            pinned.and_then(|pinned| pinned.bootstrap_image.as_ref()),
            defaults::BOOTSTRAP_IMAGE,
        ),
        config_builder: image(
            spec.config_builder_image.as_ref(),
            pinned.and_then(|pinned| pinned.config_builder_image.as_ref()),
            defaults::CONFIG_BUILDER_IMAGE,
        ),
    }
}

fn back_rest(cluster: &CassandraCluster) -> Option<BackRest> {
    let sidecar = cluster.spec.back_rest_sidecar.clone().unwrap_or_default();
    let pinned = cluster.status.as_ref().and_then(|status| status.pinned.as_ref());
    (sidecar.enabled != Some(false)).then(|| BackRest {
        image: said(sidecar.image.as_ref())
            .or(said(
                pinned.and_then(|pinned| pinned.back_rest_sidecar_image.as_ref()),
            ))
            .unwrap_or(defaults::BACK_REST_IMAGE)
            .to_owned(),
        image_pull_policy: said(sidecar.image_pull_policy.as_ref()).map(str::to_owned),
        resources: sidecar.resources,
        mounts: sidecar.volume_mount.unwrap_or_default(),
    })
}

/// As the configuration builder calls the product: without a type, by the image's name.
fn product_name(spec: &CassandraClusterSpec, cassandra_image: &str) -> String {
    let before_colon = cassandra_image.split(':').next().unwrap_or_default();
    let by_image = if before_colon.contains("dse") {
        "dse"
    } else {
        "cassandra"
    };
    said(spec.server_type.as_ref()).unwrap_or(by_image).to_owned()
}

fn probes(spec: &CassandraClusterSpec) -> Probes {
    Probes {
        liveness: Probe {
            initial_delay: spec.liveness_initial_delay_seconds.unwrap_or(120),
            timeout: spec.liveness_health_check_timeout.unwrap_or(20),
            period: spec.liveness_health_check_period.unwrap_or(10),
            failure_threshold: spec.liveness_failure_threshold,
            success_threshold: spec.liveness_success_threshold,
        },
        readiness: Probe {
            initial_delay: spec.readiness_initial_delay_seconds.unwrap_or(60),
            timeout: spec.readiness_health_check_timeout.unwrap_or(10),
            period: spec.readiness_health_check_period.unwrap_or(10),
            failure_threshold: spec.readiness_failure_threshold,
            success_threshold: spec.readiness_success_threshold,
        },
    }
}

fn heap_memory_limit(cluster: &CassandraCluster, problems: &mut Problems) -> Option<i128> {
    let limits = cluster_resources(cluster).limits?;
    let memory = limits.get("memory")?;
    let amount: Amount = problems.note("spec.resources.limits.memory", memory.0.parse())?;
    amount.is_positive().then(|| amount.ceil())
}

/// Kubernetes takes no two containers of one name, and the operator's own come first.
fn check_sidecars(spec: &CassandraClusterSpec, problems: &mut Problems) {
    let mut names: BTreeSet<&str> = defaults::CONTAINERS.into_iter().collect();
    for (index, sidecar) in spec.sidecar_configs.iter().flatten().enumerate() {
        let path = format!("spec.sidecarConfigs[{index}].name");
        if sidecar.name.is_empty() {
            problems.add(path, "is missing");
        } else if !names.insert(&sidecar.name) {
            problems.add(
                path,
                format!("there is another container `{}` in the pod", sidecar.name),
            );
        }
    }
}

/// Volumes come from claim templates, and a StatefulSet has none without a data volume.
fn check_storage(spec: &CassandraClusterSpec, problems: &mut Problems) {
    let mut names = BTreeSet::from([DATA_VOLUME]);
    for (index, storage) in spec.storage_configs.iter().flatten().enumerate() {
        if !names.insert(&storage.name) {
            problems.add(
                format!("spec.storageConfigs[{index}].name"),
                format!("there is another volume `{}` in the pod", storage.name),
            );
        }
    }
    let datacenters = spec
        .topology
        .iter()
        .filter_map(|topology| topology.dc.as_deref())
        .flatten();
    let everywhere = said(spec.data_capacity.as_ref()).is_some()
        || (datacenters.clone().count() > 0
            && datacenters
                .clone()
                .all(|dc| said(dc.data_capacity.as_ref()).is_some()));
    if names.len() > 1 && !everywhere {
        problems.add(
            "spec.storageConfigs",
            "no volume is made where there is no data volume: set spec.dataCapacity",
        );
    }
}

fn named(secret: Option<&casskop_types::cluster::SecretReference>) -> Option<String> {
    secret.and_then(|secret| secret.named()).map(str::to_owned)
}
