//! Whether a pod serves, why not, and what somebody can do about it.

use std::fmt;

use casskop_types::names::PodName;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};

/// Whether a pod serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// The Ready condition is true and the pod is not being deleted.
    Ready,
    /// It does not, and may at any moment: it starts, joins, or missed a probe.
    NotReady,
    /// It cannot.
    Failing(Trouble),
    /// It is being deleted.
    Terminating,
}

/// Why a pod will not get ready by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// No machine takes it, in the scheduler's words.
    Unschedulable(String),
    /// A container does not start, for a reason such as `ImagePullBackOff`.
    Waits {
        /// The kubelet's word for it.
        reason: String,
        /// The container.
        container: String,
    },
    /// A container ended, and may again and again.
    Ended {
        /// The container.
        container: String,
        /// How it ended.
        exit_code: i32,
    },
}

/// The scheduler's words for claims that have no volume yet.
const UNBOUND: &str = "unbound immediate PersistentVolumeClaims";

/// Whether a pod serves.
pub(crate) fn of(pod: &Pod) -> Readiness {
    if pod.metadata.deletion_timestamp.is_some() {
        return Readiness::Terminating;
    }
    let Some(status) = &pod.status else {
        return Readiness::NotReady;
    };
    let condition = |kind: &str| {
        status
            .conditions
            .iter()
            .flatten()
            .find(|condition| condition.type_ == kind)
    };
    if condition("Ready").is_some_and(|ready| ready.status == "True") {
        return Readiness::Ready;
    }
    if let Some(unscheduled) = condition("PodScheduled").filter(|scheduled| scheduled.status == "False") {
        let message = unscheduled.message.as_deref().unwrap_or("no node fits");
        return Readiness::Failing(Trouble::Unschedulable(message.to_owned()));
    }
    let containers = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten());
    let why = containers.filter(|container| !container.ready).find_map(trouble);
    why.map_or(Readiness::NotReady, Readiness::Failing)
}

/// The trouble a container reports, if it reports any: a reason to wait, or a failed run.
fn trouble(container: &ContainerStatus) -> Option<Trouble> {
    let current = container
        .state
        .as_ref()
        .and_then(|state| trouble_of(state, &container.name));
    current.or_else(|| {
        let last = container.last_state.as_ref()?;
        trouble_of(last, &container.name)
    })
}

fn trouble_of(state: &ContainerState, container: &str) -> Option<Trouble> {
    if let Some(reason) = state
        .waiting
        .as_ref()
        .and_then(|waiting| waiting.reason.as_deref())
    {
        let normal = matches!(reason, "PodInitializing" | "ContainerCreating");
        return (!normal).then(|| Trouble::Waits {
            reason: reason.to_owned(),
            container: container.to_owned(),
        });
    }
    let ended = state.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
    Some(Trouble::Ended {
        container: container.to_owned(),
        exit_code: ended.exit_code,
    })
}

impl Readiness {
    /// Trouble that every new pod may have for a moment, until its claims have volumes.
    pub(super) fn passes(&self) -> bool {
        matches!(self, Self::Failing(Trouble::Unschedulable(why)) if why.contains(UNBOUND))
    }

    /// What helps a pod that is not ready, as the end of a sentence that names it.
    pub(super) fn remedy(&self, pod: &PodName) -> String {
        match self {
            Self::Ready => "nothing is to be done".to_owned(),
            Self::NotReady => {
                format!("if it stays so, see `kubectl logs {pod} --container cassandra`")
            }
            Self::Failing(trouble) => trouble.remedy(pod),
            Self::Terminating => {
                format!("if its machine is lost for good, `kubectl delete pod {pod} --force` lets go of it")
            }
        }
    }
}

impl Trouble {
    fn remedy(&self, pod: &PodName) -> String {
        match self {
            Self::Unschedulable(why) if why.contains(UNBOUND) => {
                format!("if it stays so, see `kubectl describe persistentvolumeclaim {}`", pod.data_claim())
            }
            Self::Unschedulable(_) => {
                "make room for it, or change in the spec what it asks of a machine (resources, labels of its rack)"
                    .to_owned()
            }
            // It ends again and again: why, its log tells.
            Self::Waits { reason, container } if reason == "CrashLoopBackOff" => ended(pod, container),
            Self::Waits { .. } => format!(
                "see `kubectl describe pod {pod}`; a spec that is corrected is carried out at once"
            ),
            Self::Ended { container, .. } => ended(pod, container),
        }
    }
}

fn ended(pod: &PodName, container: &str) -> String {
    format!(
        "see `kubectl logs {pod} --container {container} --previous`; a spec that is corrected is carried out at once"
    )
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::NotReady => f.write_str("not ready"),
            Self::Failing(trouble) => trouble.fmt(f),
            Self::Terminating => f.write_str("terminating"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unschedulable(why) => write!(f, "unschedulable ({why})"),
            Self::Waits { reason, container } => write!(f, "not ready: {reason} in container {container}"),
            Self::Ended { container, exit_code } => {
                write!(
                    f,
                    "not ready: container {container} ended with exit code {exit_code}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What is said of a pod with that status.
    fn said(status: &Value) -> String {
        let pod: Pod =
            serde_json::from_value(json!({ "metadata": { "name": "demo-dc1-rack1-0" }, "status": status }))
                .unwrap();
        let name = "demo-dc1-rack1-0".parse().unwrap();
        let readiness = of(&pod);
        format!("{readiness}: {}", readiness.remedy(&name))
    }

    fn container(state: &Value, last_state: &Value) -> Value {
        json!({ "containerStatuses": [{
            "name": "cassandra", "image": "", "imageID": "", "ready": false, "restartCount": 1,
            "state": state, "lastState": last_state,
        }] })
    }

    #[test]
    fn what_is_wrong_with_a_pod_is_said_with_what_helps() {
        let waits = |reason: &str| container(&json!({ "waiting": { "reason": reason } }), &json!({}));
        let running = json!({ "running": {} });
        let unscheduled = |why: &str| json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "message": why }] });
        let log = "see `kubectl logs demo-dc1-rack1-0 --container cassandra --previous`; \
                   a spec that is corrected is carried out at once";
        let table = [
            (
                unscheduled("pod has unbound immediate PersistentVolumeClaims"),
                "unschedulable (pod has unbound immediate PersistentVolumeClaims): if it stays so, see \
                 `kubectl describe persistentvolumeclaim data-demo-dc1-rack1-0`"
                    .to_owned(),
            ),
            (
                unscheduled("0/6 nodes are available"),
                "unschedulable (0/6 nodes are available): make room for it, or change in the spec what it asks of a \
                 machine (resources, labels of its rack)"
                    .to_owned(),
            ),
            (
                waits("ImagePullBackOff"),
                "not ready: ImagePullBackOff in container cassandra: see `kubectl describe pod demo-dc1-rack1-0`; \
                 a spec that is corrected is carried out at once"
                    .to_owned(),
            ),
            (
                waits("CrashLoopBackOff"),
                format!("not ready: CrashLoopBackOff in container cassandra: {log}"),
            ),
            (
                container(&running, &json!({ "terminated": { "exitCode": 3 } })),
                format!("not ready: container cassandra ended with exit code 3: {log}"),
            ),
            (
                container(&running, &json!({})),
                "not ready: if it stays so, see `kubectl logs demo-dc1-rack1-0 --container cassandra`".to_owned(),
            ),
        ];
        for (status, expected) in table {
            assert_eq!(said(&status), expected);
        }
    }
}
