//! A node lost with its machine.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use casskop_simulator::ring::HostId;
use casskop_simulator::{Client, ClusterId, Command, PodId, PodView, Power};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use crate::cluster::Cluster;
use crate::ground::Ground;

/// What is lost.
pub struct LostNode {
    /// The pod that stays behind.
    pub pod: String,
    /// Its uid.
    pub uid: String,
    /// The node's address.
    pub address: IpAddr,
    /// Its host id.
    pub host: HostId,
    machine: String,
    simulator: Client,
    cluster: ClusterId,
}

impl LostNode {
    /// Switches the machine off on which a pod's node runs, and waits until the cluster's status shows that it is gone.
    pub async fn of(cluster: &Cluster<'_>, namespace: &str, pod: &str) -> Result<Self> {
        let (simulator, id) = cluster.simulator()?;
        let pods = simulator.world().await?.pods;
        let lost = pods
            .iter()
            .find(|known| known.id == PodId::new(namespace, pod))
            .with_context(|| format!("no node runs in {pod}"))?;
        let on_machine = |known: &&PodView| known.cluster == id && known.node == lost.node;
        let neighbours = pods.iter().filter(on_machine).count();
        ensure!(neighbours == 1, "{neighbours} nodes run on machine {}", lost.node);
        simulator
            .command(&Command::SetPower {
                node: lost.node.clone(),
                power: Power::Off,
            })
            .await?;
        let all = pods.iter().filter(|known| known.cluster == id).count();
        let rest = format!("{}/{all}", all - 1);
        cluster
            .status_is("a node is lost", |status| {
                status.nodes_ready.as_deref() == Some(&rest)
            })
            .await?;
        Ok(Self {
            pod: pod.to_owned(),
            uid: lost.uid.clone(),
            address: lost.address,
            host: lost.host,
            machine: lost.node.clone(),
            simulator,
            cluster: id,
        })
    }

    /// Whether the ring still counts on the node.
    pub async fn is_member(&self) -> Result<bool> {
        let ring = self.simulator.ring(&self.cluster).await?.ring;
        Ok(ring
            .node(self.host)
            .is_some_and(|node| node.membership.owns_data()))
    }

    /// Has a fresh node take its place, as somebody asks for it who has kubectl alone, and waits until it has.
    pub async fn replace(&self, ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
        ground.typed(&format!(
            "kubectl label pod {} --overwrite operation-name=replace operation-argument= operation-status=ToDo",
            self.pod
        ))?;
        cluster.operations_end(&[&self.pod], "Done").await?;
        ensure!(
            !self.is_member().await?,
            "the ring still counts on the node of {}",
            self.pod
        );
        let uids = cluster.uids().await?;
        ensure!(uids[&self.pod] != self.uid, "pod {} was not made anew", self.pod);
        let records: Api<ConfigMap> = Api::namespaced(ground.client.clone(), &ground.namespace);
        let record = records.get(&format!("{}-bootstrap", self.cluster.name)).await?;
        let told = record.data.unwrap_or_default();
        ensure!(
            !told.keys().any(|key| key.starts_with("replace.")),
            "left behind: {told:?}"
        );
        Ok(())
    }

    /// Switches the machine on again, for whoever needs it next.
    pub async fn repair_machine(self) -> Result<()> {
        let power = Command::SetPower {
            node: self.machine,
            power: Power::On,
        };
        Ok(self.simulator.command(&power).await?)
    }
}
