//! A pod's status as a kubelet would write it, computed from what the pod is doing.

use std::net::IpAddr;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// The container Cassandra runs in.
const CASSANDRA: &str = "cassandra";

/// The init container that prepares Cassandra's start.
const BOOTSTRAP: &str = "bootstrap";

/// What a pod is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// Its containers are being created.
    Creating,
    /// Its images cannot be pulled.
    PullingInVain,
    /// An init container fails again and again.
    InitFailing,
    /// Cassandra ends right after its start, with this last line in its log.
    CrashLooping(String),
    /// Cassandra runs, and the readiness probe passes or not.
    Running(Readiness),
}

/// The readiness probe's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    Ready,
    NotReady,
}

/// The rest of what the status tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) doing: Doing,
    pub(super) address: Option<IpAddr>,
    pub(super) host_address: IpAddr,
    pub(super) restarts: u32,
    /// What the init container `bootstrap` said as it ended.
    pub(super) bootstrap_message: String,
    /// When the kubelet took the pod up.
    pub(super) since: Timestamp,
    /// When `doing` came to be.
    pub(super) changed: Timestamp,
}

/// The status object, as a merge patch would set it.
pub(super) fn pod_status(pod: &Pod, facts: &Facts) -> Value {
    let ready = facts.doing == Doing::Running(Readiness::Ready);
    let initialized = !matches!(
        facts.doing,
        Doing::Creating | Doing::PullingInVain | Doing::InitFailing
    ) || pod
        .spec
        .as_ref()
        .and_then(|spec| spec.init_containers.as_ref())
        .is_none();
    let phase = match facts.doing {
        Doing::Running(_) | Doing::CrashLooping(_) => "Running",
        Doing::Creating | Doing::PullingInVain | Doing::InitFailing => "Pending",
    };
    let spec = pod.spec.as_ref();
    let init = spec
        .and_then(|spec| spec.init_containers.as_deref())
        .unwrap_or_default();
    let main = spec.map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let init: Vec<Value> = init
        .iter()
        .enumerate()
        .map(|(index, one)| init_container(index, one, facts))
        .collect();
    let main: Vec<Value> = main.iter().map(|one| container(one, facts)).collect();
    let ips: Vec<Value> = facts.address.iter().map(|ip| json!({"ip": ip})).collect();
    json!({
        "phase": phase,
        "podIP": facts.address,
        "podIPs": ips,
        "hostIP": facts.host_address,
        "hostIPs": [{"ip": facts.host_address}],
        "startTime": seconds(facts.since),
        "conditions": conditions(pod, facts, initialized, ready),
        "initContainerStatuses": init,
        "containerStatuses": main,
    })
}

fn conditions(pod: &Pod, facts: &Facts, initialized: bool, ready: bool) -> Vec<Value> {
    let condition = |kind: &str, holds: bool, reason: &str| {
        let status = if holds { "True" } else { "False" };
        let mut condition =
            json!({"type": kind, "status": status, "lastTransitionTime": seconds(facts.changed)});
        if !holds {
            condition["reason"] = reason.into();
        }
        condition
    };
    let scheduled = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref())
        .and_then(|conditions| {
            conditions
                .iter()
                .find(|condition| condition.type_ == "PodScheduled")
        })
        .and_then(|condition| serde_json::to_value(condition).ok());
    let mut conditions = vec![
        scheduled.unwrap_or_else(|| condition("PodScheduled", true, "")),
        condition("Initialized", initialized, "ContainersNotInitialized"),
        condition("ContainersReady", ready, "ContainersNotReady"),
        condition("Ready", ready, "ContainersNotReady"),
    ];
    conditions.retain(|condition| !condition.is_null());
    conditions
}

fn init_container(index: usize, container: &k8s_openapi::api::core::v1::Container, facts: &Facts) -> Value {
    let mut done = json!({"terminated": {"exitCode": 0, "reason": "Completed",
        "startedAt": seconds(facts.since), "finishedAt": seconds(facts.since)}});
    if container.name == BOOTSTRAP && !facts.bootstrap_message.is_empty() {
        done["terminated"]["message"] = json!(facts.bootstrap_message);
    }
    let (state, ready) = match facts.doing {
        Doing::Creating => (waiting("PodInitializing", None), false),
        Doing::PullingInVain => (pull_back_off(container), false),
        Doing::InitFailing if container.name == BOOTSTRAP || index == 0 => (
            waiting("CrashLoopBackOff", Some("back-off restarting failed container")),
            false,
        ),
        _ => (done, true),
    };
    entry(container, &state, ready, facts, 0)
}

fn container(container: &k8s_openapi::api::core::v1::Container, facts: &Facts) -> Value {
    let running = json!({"running": {"startedAt": seconds(facts.since)}});
    let restarts = if container.name == CASSANDRA {
        facts.restarts
    } else {
        0
    };
    let (state, ready) = match &facts.doing {
        Doing::Creating => (waiting("ContainerCreating", None), false),
        Doing::PullingInVain => (pull_back_off(container), false),
        Doing::InitFailing => (waiting("PodInitializing", None), false),
        Doing::CrashLooping(_) if container.name == CASSANDRA => (
            waiting("CrashLoopBackOff", Some("back-off restarting failed container")),
            false,
        ),
        Doing::Running(Readiness::NotReady) if container.name == CASSANDRA => (running, false),
        Doing::CrashLooping(_) | Doing::Running(_) => (running, true),
    };
    let mut entry = entry(container, &state, ready, facts, restarts);
    if let Doing::CrashLooping(message) = &facts.doing
        && container.name == CASSANDRA
    {
        entry["lastState"] = json!({"terminated": {"exitCode": 3, "reason": "Error", "message": message,
            "startedAt": seconds(facts.changed), "finishedAt": seconds(facts.changed)}});
    }
    entry
}

fn entry(
    container: &k8s_openapi::api::core::v1::Container,
    state: &Value,
    ready: bool,
    facts: &Facts,
    restarts: u32,
) -> Value {
    let image = container.image.as_deref().unwrap_or_default();
    let started = !matches!(
        facts.doing,
        Doing::Creating | Doing::PullingInVain | Doing::InitFailing
    );
    json!({
        "name": container.name,
        "image": image,
        "imageID": if started { format!("simulated://{image}") } else { String::new() },
        "containerID": if started { format!("simulated://{}-{restarts}", container.name) } else { String::new() },
        "ready": ready,
        "started": started,
        "restartCount": restarts,
        "state": state,
        "lastState": {},
    })
}

fn pull_back_off(container: &k8s_openapi::api::core::v1::Container) -> Value {
    let image = container.image.as_deref().unwrap_or_default();
    waiting(
        "ImagePullBackOff",
        Some(&format!("Back-off pulling image \"{image}\"")),
    )
}

fn waiting(reason: &str, message: Option<&str>) -> Value {
    match message {
        Some(message) => json!({"waiting": {"reason": reason, "message": message}}),
        None => json!({"waiting": {"reason": reason}}),
    }
}

/// Kubernetes keeps times to the second.
fn seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Container, PodSpec};

    use super::*;

    fn pod() -> Pod {
        let named = |name: &str| Container {
            name: name.to_owned(),
            image: Some(format!("registry/{name}:1")),
            ..Container::default()
        };
        let spec = PodSpec {
            init_containers: Some(vec![named("base-config-builder"), named(BOOTSTRAP)]),
            containers: vec![named("side"), named(CASSANDRA)],
            ..PodSpec::default()
        };
        Pod {
            spec: Some(spec),
            ..Pod::default()
        }
    }

    fn status(doing: Doing) -> Value {
        let address = IpAddr::from([127, 7, 4, 1]);
        let (since, changed) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        let facts = Facts {
            doing,
            address: Some(address),
            host_address: address,
            restarts: 2,
            bootstrap_message: "read".to_owned(),
            since,
            changed,
        };
        pod_status(&pod(), &facts)
    }

    fn ready(status: &Value) -> &Value {
        let conditions = status["conditions"].as_array().expect("conditions");
        &conditions
            .iter()
            .find(|condition| condition["type"] == "Ready")
            .expect("Ready")["status"]
    }

    #[test]
    fn a_ready_node_is_running_and_ready_in_one_status() {
        let status = status(Doing::Running(Readiness::Ready));
        assert_eq!(status["phase"], "Running");
        assert_eq!(ready(&status), "True");
        assert_eq!(status["podIP"], "127.7.4.1");
        assert_eq!(status["containerStatuses"][1]["ready"], true);
        assert_eq!(status["containerStatuses"][1]["restartCount"], 2);
        assert_eq!(
            status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"],
            0
        );
        assert_eq!(
            status["initContainerStatuses"][1]["state"]["terminated"]["message"],
            "read"
        );
        assert_eq!(status["startTime"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn only_cassandra_is_not_ready_while_the_ring_says_so() {
        let status = status(Doing::Running(Readiness::NotReady));
        assert_eq!(ready(&status), "False");
        assert_eq!(status["containerStatuses"][0]["ready"], true);
        assert_eq!(status["containerStatuses"][1]["ready"], false);
    }

    #[test]
    fn failures_show_where_a_kubelet_shows_them() {
        let pulling = status(Doing::PullingInVain);
        assert_eq!(pulling["phase"], "Pending");
        assert_eq!(
            pulling["containerStatuses"][1]["state"]["waiting"]["reason"],
            "ImagePullBackOff"
        );
        let crashing = status(Doing::CrashLooping("no seeds".to_owned()));
        assert_eq!(
            crashing["containerStatuses"][1]["state"]["waiting"]["reason"],
            "CrashLoopBackOff"
        );
        assert_eq!(
            crashing["containerStatuses"][1]["lastState"]["terminated"]["message"],
            "no seeds"
        );
        let failing = status(Doing::InitFailing);
        assert_eq!(
            failing["initContainerStatuses"][1]["state"]["waiting"]["reason"],
            "CrashLoopBackOff"
        );
        assert_eq!(ready(&failing), "False");
    }
}
