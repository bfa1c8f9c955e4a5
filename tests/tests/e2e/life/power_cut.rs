//! As after a power cut: every node goes at once, and they find each other again.

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_tests::site::{NAMESPACE, PATIENCE, Site};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::DeleteParams;

/// Every node sees one ring afterwards, with all nodes in it.
pub(super) async fn everywhere(site: &Site, pods: &[String]) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(site.client.clone(), NAMESPACE);
    let mut before = Vec::new();
    for pod in pods {
        before.push(site.pod(pod).await?.metadata.uid);
        api.delete(pod, &DeleteParams::default().grace_period(0)).await?;
    }
    until("all pods are new and ready", PATIENCE, async || {
        let mut ready = 0;
        for (pod, before) in pods.iter().zip(&before) {
            let Some(pod) = api.get_opt(pod).await? else {
                continue;
            };
            let conditions = pod
                .status
                .and_then(|status| status.conditions)
                .unwrap_or_default();
            let is_ready = conditions
                .iter()
                .any(|one| one.type_ == "Ready" && one.status == "True");
            ready += usize::from(is_ready && pod.metadata.uid != *before);
        }
        Ok(if ready == pods.len() {
            Answer::Yes(())
        } else {
            Answer::not_yet(ready)
        })
    })
    .await?;
    for pod in pods {
        site.members(pod, pods.len()).await?;
    }
    Ok(())
}
