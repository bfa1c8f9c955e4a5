//! Node objects and their leases.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::addresses::PodCidr;
use crate::steering::{Cordon, Power};
use crate::world::World;

const LEASE_NAMESPACE: &str = "kube-node-lease";
/// The node life-cycle controller gives up on a node after 50 s without a renewal.
const RENEWAL: Duration = Duration::from_secs(15);
const LEASE_SECONDS: i32 = 40;
const AT_ONCE: usize = 8;

/// Which machines to play.
#[derive(Clone, Debug)]
pub(crate) struct Machines {
    pub(crate) count: u32,
    pub(crate) zones: u32,
    pub(crate) prefix: String,
    pub(crate) block: PodCidr,
}

impl Machines {
    /// Name of a machine.
    pub(crate) fn name(&self, index: u32) -> String {
        format!("{}-{index}", self.prefix)
    }

    /// Creates the nodes, or brings back those of an earlier run.
    pub(crate) async fn register(&self, client: &Client, world: &World) -> anyhow::Result<()> {
        stream::iter(0..self.count)
            .map(|index| async move {
                let name = self.name(index);
                self.register_one(client, index)
                    .await
                    .with_context(|| format!("registering node {name}"))?;
                world.change(|state| state.nodes.insert(name, watch::Sender::new(Power::On)));
                anyhow::Ok(())
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn register_one(&self, client: &Client, index: u32) -> anyhow::Result<()> {
        let nodes: Api<Node> = Api::all(client.clone());
        let node: Node = serde_json::from_value(self.object(index))?;
        let name = self.name(index);
        match nodes.create(&PostParams::default(), &node).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let object = self.object(index);
                let labels = json!({"metadata": {"labels": object["metadata"]["labels"]}});
                nodes
                    .patch(&name, &PatchParams::default(), &Patch::Merge(labels))
                    .await?;
                let status = json!({"status": object["status"]});
                nodes
                    .patch_status(&name, &PatchParams::default(), &Patch::Merge(status))
                    .await?;
            }
            created => {
                created?;
            }
        }
        // The namespace of the leases appears a moment after the API server; the first round of renewals makes up
        // for it well before anybody misses the lease.
        if let Err(error) = renew(client, &name).await {
            tracing::debug!(node = name, %error, "no lease yet");
        }
        Ok(())
    }

    fn object(&self, index: u32) -> Value {
        let name = self.name(index);
        let zone = format!("zone{}", index % self.zones + 1);
        let resources = json!({"cpu": "256", "memory": "2Ti", "pods": "1000", "ephemeral-storage": "10Ti"});
        json!({
            "metadata": {"name": name, "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/region": "simulated",
                "topology.kubernetes.io/zone": zone,
                "casskop-lab/simulated": "true",
            }},
            "spec": {},
            "status": {
                "capacity": resources,
                "allocatable": resources,
                "addresses": [
                    {"type": "InternalIP", "address": self.block.node(index)},
                    {"type": "Hostname", "address": name},
                ],
                "conditions": conditions(Power::On),
                "nodeInfo": {
                    "kubeletVersion": "v1.34.4", "operatingSystem": "linux", "architecture": "amd64",
                    "containerRuntimeVersion": "simulated://1", "machineID": name, "systemUUID": name,
                    "bootID": name, "kernelVersion": "simulated", "osImage": "simulated", "kubeProxyVersion": "",
                },
            },
        })
    }

    /// Renews leases until the world ends, evenly spread over the period.
    pub(crate) async fn keep_alive(&self, client: &Client, world: &World) {
        let mut ticks = tokio::time::interval(RENEWAL / self.count.max(1));
        for index in (0..self.count).cycle() {
            ticks.tick().await;
            let name = self.name(index);
            let on = |state: &crate::world::State| {
                state
                    .nodes
                    .get(&name)
                    .is_some_and(|power| *power.borrow() == Power::On)
            };
            if world.look(on)
                && let Err(error) = renew(client, &name).await
            {
                tracing::warn!(node = name, %error, "lease not renewed");
            }
        }
    }
}

/// Switches a machine on or off: its processes, and what the node life-cycle controller would write once the lease ran
/// out (it takes 50 s): the machine's conditions, and that none of its pods is ready.
pub(crate) async fn set_power(
    client: &Client,
    world: &Arc<World>,
    node: &str,
    power: Power,
) -> anyhow::Result<()> {
    let switch = world.look(|state| state.nodes.get(node).cloned());
    let switch = switch.with_context(|| format!("no simulated node {node}"))?;
    if power == Power::Off {
        switch.send_replace(power);
    }
    let nodes: Api<Node> = Api::all(client.clone());
    let status = json!({"status": {"conditions": conditions(power)}});
    nodes
        .patch_status(node, &PatchParams::default(), &Patch::Merge(status))
        .await?;
    match power {
        Power::On => {
            renew(client, node).await?;
            switch.send_replace(power);
        }
        Power::Off => mark_pods_not_ready(client, node).await?,
    }
    world.wake_all();
    Ok(())
}

/// The controller does so only where it was the one to find the machine's conditions changed.
async fn mark_pods_not_ready(client: &Client, node: &str) -> anyhow::Result<()> {
    let here = ListParams::default().fields(&format!("spec.nodeName={node}"));
    let condition =
        json!({"type": "Ready", "status": "False", "lastTransitionTime": format!("{:.0}", Timestamp::now())});
    let patch = Patch::Strategic(json!({"status": {"conditions": [condition]}}));
    for pod in Api::<Pod>::all(client.clone()).list_metadata(&here).await? {
        let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
        match pods
            .patch_status(&pod.name_any(), &PatchParams::default(), &patch)
            .await
        {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            patched => drop(patched?),
        }
    }
    Ok(())
}

/// Makes the scheduler pass a machine by, or use it again.
pub(crate) async fn set_cordon(client: &Client, node: &str, cordon: Cordon) -> anyhow::Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let patch = json!({"spec": {"unschedulable": cordon == Cordon::Cordoned}});
    nodes
        .patch(node, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}

fn conditions(power: Power) -> Value {
    let now = format!("{:.0}", Timestamp::now());
    let condition = |kind: &str, healthy: &str| {
        let (status, reason) = match power {
            Power::On => (healthy, "Simulated"),
            Power::Off => ("Unknown", "NodeStatusUnknown"),
        };
        json!({"type": kind, "status": status, "reason": reason,
               "lastHeartbeatTime": now, "lastTransitionTime": now})
    };
    json!([
        condition("MemoryPressure", "False"),
        condition("DiskPressure", "False"),
        condition("PIDPressure", "False"),
        condition("Ready", "True"),
    ])
}

async fn renew(client: &Client, node: &str) -> anyhow::Result<()> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), LEASE_NAMESPACE);
    let now = format!("{:.6}", Timestamp::now());
    let spec = json!({"holderIdentity": node, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now});
    let patch = json!({"spec": spec});
    match leases
        .patch(node, &PatchParams::default(), &Patch::Merge(&patch))
        .await
    {
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            let lease: Lease = serde_json::from_value(json!({"metadata": {"name": node}, "spec": spec}))?;
            leases.create(&PostParams::default(), &lease).await?;
        }
        renewed => {
            renewed?;
        }
    }
    Ok(())
}
