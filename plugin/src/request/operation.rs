//! Writing on pods: their operation labels.

use casskop_core::guard::{self, PodChange, PodPlan, PodScope, PodSelection, PodTarget};
use casskop_core::view::ClusterView;
use casskop_types::CassandraCluster;
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{Namespace, TRIES, patch_params};
use crate::cli::DryRun;
use crate::failure::Failure;
use crate::kube_access::{Access, Call, CallError, FIELD_MANAGER, Kind};

/// Writes under way at once. An API server's default fairness lets one user have about this many; more would only queue there.
const AT_ONCE: usize = 64;

/// A pod after it was written to.
pub(crate) struct Changed {
    /// Which pod.
    pub(crate) target: PodTarget,
    /// The pod as it is now, or why it was not written to.
    pub(crate) pod: Result<Pod, Failure>,
}

/// Writes to pods, many at once; results come in the order of the pods.
pub(crate) fn change_pods<'a>(
    access: &'a Access,
    namespace: &'a Namespace,
    targets: Vec<PodTarget>,
    change: &'a PodChange,
    dry_run: DryRun,
) -> impl StreamExt<Item = Changed> + 'a {
    let write = Write {
        access,
        clusters: &namespace.clusters,
        change,
        params: patch_params(dry_run),
    };
    stream::iter(targets)
        .map(move |target| {
            let write = write.clone();
            async move {
                let pod = match dry_run {
                    DryRun::Client => write.imagined(&namespace.pods, &target),
                    DryRun::None | DryRun::Server => write.to(&target).await,
                };
                Changed { target, pod }
            }
        })
        .buffered(AT_ONCE)
}

#[derive(Clone)]
struct Write<'a> {
    access: &'a Access,
    clusters: &'a [CassandraCluster],
    change: &'a PodChange,
    params: PatchParams,
}

impl Write<'_> {
    /// Writes to one pod, unless it has got another request since it was looked at.
    async fn to(&self, target: &PodTarget) -> Result<Pod, Failure> {
        let mut target = target.clone();
        for _ in 0..TRIES {
            let call = Call {
                verb: "patch",
                resource: Kind::Pods,
                name: Some(target.pod.clone()),
            };
            let patch = Patch::Merge(self.patch(&target));
            let pods = self.access.pods();
            let patched = pods.patch(&target.pod, &self.params, &patch);
            match self.access.call(&call, patched).await {
                Ok(pod) => return Ok(pod),
                Err(CallError::Changed { .. }) => match self.look_again(&target).await? {
                    Look::Write(seen) => target = seen,
                    Look::IsSo(pod) => return Ok(*pod),
                },
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::Contended {
            object: format!("pod `{}`", target.pod),
            tries: TRIES,
        })
    }

    /// A pod as it would be.
    fn imagined(&self, pods: &[Pod], target: &PodTarget) -> Result<Pod, Failure> {
        let is_it = |pod: &&Pod| pod.metadata.uid.as_deref() == Some(target.uid.as_str());
        let gone = || Failure::Ended(format!("pod `{}` is gone; try again", target.pod));
        let pod = pods.iter().find(is_it).ok_or_else(gone)?;
        let mut value = serde_json::to_value(pod).map_err(Failure::Render)?;
        json_patch::merge(&mut value, &self.patch(target));
        serde_json::from_value(value).map_err(Failure::Render)
    }

    /// The patch holds for this version of this pod only: a pod's status changes often, and so may its labels.
    fn patch(&self, target: &PodTarget) -> Value {
        let mut patch = self.change.patch(requested_by(self.access)).to_merge_patch();
        patch["metadata"]["uid"] = json!(target.uid);
        patch["metadata"]["resourceVersion"] = json!(target.resource_version);
        patch
    }

    async fn look_again(&self, target: &PodTarget) -> Result<Look, Failure> {
        let call = Call {
            verb: "get",
            resource: Kind::Pods,
            name: Some(target.pod.clone()),
        };
        let pod = self
            .access
            .call(&call, self.access.pods().get(&target.pod))
            .await?;
        if pod.metadata.uid.as_deref() != Some(target.uid.as_str()) {
            return Err(Failure::Ended(format!(
                "pod `{}` was replaced by a new one meanwhile; try again",
                target.pod
            )));
        }
        let views: Vec<ClusterView> = self
            .clusters
            .iter()
            .map(|cluster| ClusterView::of(cluster, std::slice::from_ref(&pod)))
            .collect();
        let selection = PodSelection {
            cluster: None,
            scope: PodScope::Named(vec![target.pod.clone()]),
        };
        let PodPlan { mut ask, asked, .. } = guard::pod_change(&views, &selection, self.change)?;
        if !asked.is_empty() {
            return Ok(Look::IsSo(Box::new(pod)));
        }
        let stopped = || Failure::Ended(format!("pod `{}` has stopped running; try again", target.pod));
        ask.pop().map(Look::Write).ok_or_else(stopped)
    }
}

/// What a pod is like after it changed under a write.
enum Look {
    /// It may be written to.
    Write(PodTarget),
    /// Somebody else has written the same meanwhile; writing it again could run an operation twice.
    IsSo(Box<Pod>),
}

/// Who asks, as far as this side knows: the API server knows better, in its audit log.
fn requested_by(access: &Access) -> Option<String> {
    let user = &access.place().user;
    (!user.is_empty()).then(|| format!("{user} ({FIELD_MANAGER})"))
}
