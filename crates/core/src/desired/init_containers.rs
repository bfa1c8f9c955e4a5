//! The init containers: copy the image's configuration, render the user's over it, finish it.

use k8s_openapi::api::core::v1::{Container, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::defaults::{BASE_CONFIG_BUILDER, BOOTSTRAP, CONFIG_BUILDER};
use super::{environment, volumes};
use crate::validate::{ValidatedCluster, ValidatedRack};

/// All three, in the order in which they run.
pub(super) fn init_containers(
    cluster: &ValidatedCluster,
    rack: &ValidatedRack,
    seeds: &[String],
) -> Vec<Container> {
    let pod = &cluster.pod;
    vec![
        Container {
            image: Some(pod.images.cassandra.clone()),
            command: Some(vec!["/bin/sh".to_owned()]),
            args: Some(vec![
                "-c".to_owned(),
                "cp -r /etc/cassandra/* /bootstrap/".to_owned(),
            ]),
            volume_mounts: Some(volumes::of_config_builders()),
            ..init_container(cluster, BASE_CONFIG_BUILDER)
        },
        Container {
            image: Some(pod.images.config_builder.clone()),
            env: Some(environment::of_config_builder(cluster, rack, seeds)),
            volume_mounts: Some(volumes::of_config_builders()),
            ..init_container(cluster, CONFIG_BUILDER)
        },
        Container {
            image: Some(pod.images.bootstrap.clone()),
            env: Some(environment::of_bootstrap(cluster, seeds)),
            volume_mounts: Some(volumes::of_bootstrap(cluster)),
            ..init_container(cluster, BOOTSTRAP)
        },
    ]
}

/// What the init containers have in common.
fn init_container(cluster: &ValidatedCluster, name: &str) -> Container {
    let amounts = [("cpu", "0.5"), ("memory", "0.5Gi")];
    let amounts = Some(
        amounts
            .map(|(what, amount)| (what.to_owned(), Quantity(amount.to_owned())))
            .into(),
    );
    Container {
        name: name.to_owned(),
        image_pull_policy: Some(cluster.pod.image_pull_policy.clone()),
        resources: Some(ResourceRequirements {
            limits: amounts.clone(),
            requests: amounts,
            claims: None,
        }),
        ..Container::default()
    }
}
