//! The containers: the user's sidecars, Cassandra, backups.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, ExecAction, HTTPGetAction, Probe, ResourceRequirements,
    SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::defaults::{BACK_REST, CASSANDRA};
use super::volumes::DataMount;
use super::{environment, volumes};
use crate::validate::{self, BackRest, MainProcess, ValidatedCluster, ValidatedRack};

const BACK_REST_PORT: i32 = 4567;

/// All containers, in the order of the pod. All but Cassandra's get the environment of `bootstrap` after their own.
pub(super) fn containers(
    cluster: &ValidatedCluster,
    rack: &ValidatedRack,
    data: DataMount,
    bootstrap_environment: &[EnvVar],
) -> Vec<Container> {
    let with_bootstrap = |mut container: Container| {
        container
            .env
            .get_or_insert_default()
            .extend_from_slice(bootstrap_environment);
        container
    };
    let sidecars = cluster.pod.sidecars.iter().cloned().map(with_bootstrap);
    let back_rest = cluster
        .pod
        .back_rest
        .as_ref()
        .map(|settings| with_bootstrap(back_rest(settings, data)));
    sidecars
        .chain([cassandra(cluster, rack, data)])
        .chain(back_rest)
        .collect()
}

fn cassandra(cluster: &ValidatedCluster, rack: &ValidatedRack, data: DataMount) -> Container {
    let pod = &cluster.pod;
    let command: &[&str] = match pod.main_process {
        MainProcess::Cassandra => &["cassandra", "-f"],
        MainProcess::Idle => &["sh", "-c", "tail -f /dev/null"],
    };
    Container {
        name: CASSANDRA.to_owned(),
        image: Some(pod.images.cassandra.clone()),
        image_pull_policy: Some(pod.image_pull_policy.clone()),
        command: Some(texts(command)),
        ports: Some(cassandra_ports()),
        security_context: Some(SecurityContext {
            // Cassandra locks its memory, so that the heap is never swapped out.
            capabilities: Some(Capabilities {
                add: Some(texts(&["IPC_LOCK"])),
                drop: None,
            }),
            proc_mount: Some("Default".to_owned()),
            read_only_root_filesystem: Some(pod.read_only_root_filesystem),
            ..SecurityContext::default()
        }),
        env: Some(environment::of_cassandra(pod)),
        readiness_probe: Some(script_probe(
            &pod.probes.readiness,
            "/etc/cassandra/readiness-probe.sh",
        )),
        liveness_probe: Some(script_probe(
            &pod.probes.liveness,
            "/etc/cassandra/liveness-probe.sh",
        )),
        volume_mounts: Some(volumes::of_cassandra(cluster, data)),
        resources: Some(rack.resources.clone()),
        ..Container::default()
    }
}

fn cassandra_ports() -> Vec<ContainerPort> {
    [
        ("intra-node", 7000),
        ("intra-node-tls", 7001),
        ("jmx-port", 7199),
        ("cql", 9042),
        ("promjmx", 9500),
        ("jolokia", 8778),
    ]
    .into_iter()
    .map(|(name, port)| ContainerPort {
        name: Some(name.to_owned()),
        container_port: port,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    })
    .collect()
}

fn script_probe(probe: &validate::Probe, script: &str) -> Probe {
    Probe {
        exec: Some(ExecAction {
            command: Some(texts(&["/bin/bash", "-c", script])),
        }),
        initial_delay_seconds: Some(probe.initial_delay),
        timeout_seconds: Some(probe.timeout),
        period_seconds: Some(probe.period),
        failure_threshold: probe.failure_threshold,
        success_threshold: probe.success_threshold,
        ..Probe::default()
    }
}

fn back_rest(settings: &BackRest, data: DataMount) -> Container {
    let amounts = [("cpu", "0.5"), ("memory", "1Gi")];
    let amounts = Some(
        amounts
            .map(|(what, amount)| (what.to_owned(), Quantity(amount.to_owned())))
            .into(),
    );
    let resources = settings
        .resources
        .clone()
        .unwrap_or_else(|| ResourceRequirements {
            limits: amounts.clone(),
            requests: amounts,
            claims: None,
        });
    let mut mounts = settings.mounts.clone();
    mounts.extend(volumes::of_back_rest(data));
    Container {
        name: BACK_REST.to_owned(),
        image: Some(settings.image.clone()),
        image_pull_policy: settings.image_pull_policy.clone(),
        ports: Some(vec![ContainerPort {
            name: Some("http".to_owned()),
            container_port: BACK_REST_PORT,
            ..ContainerPort::default()
        }]),
        resources: Some(resources),
        // No liveness probe: CassKop's operator computes one and drops it.
        readiness_probe: Some(Probe {
            http_get: Some(HTTPGetAction {
                path: Some("/status".to_owned()),
                port: IntOrString::Int(BACK_REST_PORT),
                ..HTTPGetAction::default()
            }),
            initial_delay_seconds: Some(10),
            timeout_seconds: Some(5),
            period_seconds: Some(10),
            failure_threshold: Some(10),
            ..Probe::default()
        }),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
