//! Asking pods for an operation: their operation labels.

use casskop_core::guard::{self, PodScope, PodSelection, PodTarget};
use casskop_core::view::ClusterView;
use casskop_types::CassandraCluster;
use casskop_types::operation::{OperationCommand, OperationRequest};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::TRIES;
use crate::failure::Failure;
use crate::kube_access::{Access, Call, CallError, FIELD_MANAGER, Kind};

/// Writes under way at once. An API server's default fairness lets one user have about this many; more would only queue there.
const AT_ONCE: usize = 64;

/// A pod after it was asked.
pub(crate) struct Asked {
    /// Which pod.
    pub(crate) target: PodTarget,
    /// The pod as it is now, or why it was not asked.
    pub(crate) pod: Result<Pod, Failure>,
}

/// Asks pods, many at once; results come in the order of the pods.
pub(crate) fn ask_pods<'a>(
    access: &'a Access,
    clusters: &'a [CassandraCluster],
    targets: Vec<PodTarget>,
    command: &'a OperationCommand,
) -> impl StreamExt<Item = Asked> + 'a {
    stream::iter(targets)
        .map(move |target| async move {
            let pod = ask_pod(access, clusters, &target, command).await;
            Asked { target, pod }
        })
        .buffered(AT_ONCE)
}

/// Asks one pod, unless it has got another request since it was looked at.
pub(crate) async fn ask_pod(
    access: &Access,
    clusters: &[CassandraCluster],
    target: &PodTarget,
    command: &OperationCommand,
) -> Result<Pod, Failure> {
    let request = OperationRequest::to_do(command, requested_by(access));
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let mut target = target.clone();
    for _ in 0..TRIES {
        let call = Call {
            verb: "patch",
            resource: Kind::Pods,
            name: Some(target.pod.clone()),
        };
        let patch = Patch::Merge(guarded(&request, &target));
        match access
            .call(&call, access.pods().patch(&target.pod, &params, &patch))
            .await
        {
            Ok(pod) => return Ok(pod),
            Err(CallError::Changed { .. }) => match look_again(access, clusters, &target, command).await? {
                Look::Ask(seen) => target = seen,
                Look::Asked(pod) => return Ok(*pod),
            },
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::Contended {
        object: format!("pod `{}`", target.pod),
        tries: TRIES,
    })
}

/// The patch holds for this version of this pod only: a pod's status changes often, and so may its labels.
fn guarded(request: &OperationRequest, target: &PodTarget) -> Value {
    let mut patch = request.to_patch().to_merge_patch();
    patch["metadata"]["uid"] = json!(target.uid);
    patch["metadata"]["resourceVersion"] = json!(target.resource_version);
    patch
}

/// What a pod is like after it changed under a write.
enum Look {
    /// It may be asked.
    Ask(PodTarget),
    /// Somebody else has asked for the same meanwhile; writing it again could run it twice.
    Asked(Box<Pod>),
}

async fn look_again(
    access: &Access,
    clusters: &[CassandraCluster],
    target: &PodTarget,
    command: &OperationCommand,
) -> Result<Look, Failure> {
    let call = Call {
        verb: "get",
        resource: Kind::Pods,
        name: Some(target.pod.clone()),
    };
    let pod = access.call(&call, access.pods().get(&target.pod)).await?;
    if pod.metadata.uid.as_deref() != Some(target.uid.as_str()) {
        return Err(Failure::Ended(format!(
            "pod `{}` was replaced by a new one meanwhile; try again",
            target.pod
        )));
    }
    let views: Vec<ClusterView> = clusters
        .iter()
        .map(|cluster| ClusterView::of(cluster, std::slice::from_ref(&pod)))
        .collect();
    let selection = PodSelection {
        cluster: None,
        scope: PodScope::Named(vec![target.pod.clone()]),
    };
    let plan = guard::pod_operation(&views, &selection, command)?;
    if !plan.asked.is_empty() {
        return Ok(Look::Asked(Box::new(pod)));
    }
    let stopped = || Failure::Ended(format!("pod `{}` has stopped running; try again", target.pod));
    plan.ask.into_iter().next().map(Look::Ask).ok_or_else(stopped)
}

/// Who asks, as far as this side knows: the API server knows better, in its audit log.
fn requested_by(access: &Access) -> Option<String> {
    let user = &access.place().user;
    (!user.is_empty()).then(|| format!("{user} ({FIELD_MANAGER})"))
}
