//! What the API server adds to a pod template when it stores one. Compared without that, nearly every field would differ.
//!
//! Follows `SetObjectDefaults_StatefulSet` of Kubernetes: what is set there for pods only (`enableServiceLinks`, requests that
//! equal limits) does not belong here.

use k8s_openapi::api::apps::v1::StatefulSetUpdateStrategy;
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, HTTPGetAction, LifecycleHandler, PodSecurityContext, PodSpec,
    PodTemplateSpec, Probe, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Fills an update strategy in as the API server would.
pub(super) fn fill_in_update_strategy(strategy: &mut StatefulSetUpdateStrategy) {
    default(&mut strategy.type_, "RollingUpdate");
    if strategy.type_.as_deref() == Some("RollingUpdate") {
        let rolling = strategy.rolling_update.get_or_insert_default();
        rolling.partition.get_or_insert(0);
        // At most one pod is down at a time: the default, which is stored or not as the API server's features go.
        drop_if(&mut rolling.max_unavailable, &IntOrString::Int(1));
    }
}

/// Fills a template in as the API server would.
pub(super) fn fill_in(template: &mut PodTemplateSpec) {
    if let Some(pod) = &mut template.spec {
        fill_in_pod(pod);
    }
}

fn fill_in_pod(pod: &mut PodSpec) {
    default(&mut pod.dns_policy, "ClusterFirst");
    default(&mut pod.restart_policy, "Always");
    default(&mut pod.scheduler_name, "default-scheduler");
    pod.security_context
        .get_or_insert_with(PodSecurityContext::default);
    pod.termination_grace_period_seconds.get_or_insert(30);
    // The old name of the same field is kept in step.
    if pod.service_account.is_none() {
        pod.service_account.clone_from(&pod.service_account_name);
    }
    pod.containers.iter_mut().for_each(fill_in_container);
    pod.init_containers
        .iter_mut()
        .flatten()
        .for_each(fill_in_container);
    pod.volumes.iter_mut().flatten().for_each(fill_in_volume);
}

fn fill_in_container(container: &mut Container) {
    if container.image_pull_policy.is_none() {
        let policy = if has_moving_tag(container.image.as_deref()) {
            "Always"
        } else {
            "IfNotPresent"
        };
        container.image_pull_policy = Some(policy.to_owned());
    }
    default(&mut container.termination_message_path, "/dev/termination-log");
    default(&mut container.termination_message_policy, "File");
    container.ports.iter_mut().flatten().for_each(fill_in_port);
    container.env.iter_mut().flatten().for_each(fill_in_variable);
    container
        .volume_mounts
        .iter_mut()
        .flatten()
        .for_each(fill_in_mount);
    for probe in [
        &mut container.liveness_probe,
        &mut container.readiness_probe,
        &mut container.startup_probe,
    ] {
        probe.iter_mut().for_each(fill_in_probe);
    }
    if let Some(lifecycle) = &mut container.lifecycle {
        for handler in [&mut lifecycle.post_start, &mut lifecycle.pre_stop] {
            handler.iter_mut().for_each(fill_in_handler);
        }
    }
    if let Some(context) = &mut container.security_context {
        default(&mut context.proc_mount, "Default");
    }
    for flag in [
        &mut container.stdin,
        &mut container.stdin_once,
        &mut container.tty,
    ] {
        drop_if(flag, &false);
    }
}

/// Whether an image has no tag or the tag `latest`, and no digest either.
fn has_moving_tag(image: Option<&str>) -> bool {
    let image = image.unwrap_or_default();
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or_default();
    name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn fill_in_port(port: &mut ContainerPort) {
    default(&mut port.protocol, "TCP");
    drop_if(&mut port.host_port, &0);
}

fn fill_in_variable(variable: &mut EnvVar) {
    let Some(source) = &mut variable.value_from else {
        return;
    };
    if let Some(field) = &mut source.field_ref {
        default(&mut field.api_version, "v1");
    }
    if let Some(resource) = &mut source.resource_field_ref {
        resource.divisor.get_or_insert_with(|| Quantity("0".to_owned()));
    }
}

fn fill_in_mount(mount: &mut VolumeMount) {
    drop_if(&mut mount.read_only, &false);
}

fn fill_in_probe(probe: &mut Probe) {
    // Zero is what Go has where nothing is set.
    for (number, otherwise) in [
        (&mut probe.timeout_seconds, 1),
        (&mut probe.period_seconds, 10),
        (&mut probe.success_threshold, 1),
        (&mut probe.failure_threshold, 3),
    ] {
        if number.is_none_or(|number| number == 0) {
            *number = Some(otherwise);
        }
    }
    drop_if(&mut probe.initial_delay_seconds, &0);
    probe.http_get.iter_mut().for_each(fill_in_http);
    if let Some(grpc) = &mut probe.grpc {
        grpc.service.get_or_insert_default();
    }
}

fn fill_in_handler(handler: &mut LifecycleHandler) {
    handler.http_get.iter_mut().for_each(fill_in_http);
}

fn fill_in_http(http: &mut HTTPGetAction) {
    default(&mut http.path, "/");
    default(&mut http.scheme, "HTTP");
}

fn fill_in_volume(volume: &mut Volume) {
    const READABLE: i32 = 0o644;
    if let Some(source) = &mut volume.config_map {
        source.default_mode.get_or_insert(READABLE);
    }
    if let Some(source) = &mut volume.secret {
        source.default_mode.get_or_insert(READABLE);
    }
}

fn default(field: &mut Option<String>, value: &str) {
    if field.as_deref().is_none_or(str::is_empty) {
        *field = Some(value.to_owned());
    }
}

fn drop_if<T: PartialEq>(field: &mut Option<T>, value: &T) {
    if field.as_ref() == Some(value) {
        *field = None;
    }
}

#[cfg(test)]
mod tests {
    use super::has_moving_tag;

    #[test]
    fn only_latest_moves() {
        let table = [
            ("cassandra", true),
            ("cassandra:latest", true),
            ("registry.example:5000/cassandra", true),
            ("registry.example:5000/cassandra:5.0", false),
            ("cassandra:5.0", false),
            ("cassandra@sha256:0123", false),
            ("cassandra:latest@sha256:0123", false),
        ];
        for (image, moving) in table {
            assert_eq!(has_moving_tag(Some(image)), moving, "{image}");
        }
    }
}
