//! A lost node is taken out of the ring and another one joins, or a fresh one takes its place.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use casskop_lab::wait::{Answer, until};
use casskop_tests::ring::{NODES as ALL, OTHER_DC, Ring};
use casskop_tests::site::PATIENCE;
use casskop_tests::traffic::Client;
use casskop_types::operation::OperationName;
use k8s_openapi::api::core::v1::Pod;

use crate::NODES;

const VICTIM: &str = "demo-dc1-rack3-0";
const REMOVER: &str = "demo-dc1-rack2-0";
const WITNESS: &str = "demo-dc1-rack1-0";

/// Keeps new pods off all nodes as long as it is there: to a pod that goes, it is as if its machine had gone too.
struct NoRoom<'a>(&'a Ring);

impl<'a> NoRoom<'a> {
    fn make(ring: &'a Ring) -> Result<Self> {
        let made = Self(ring);
        ring.typed("kubectl cordon --selector=kubernetes.io/os=linux")?;
        Ok(made)
    }
}

impl Drop for NoRoom<'_> {
    fn drop(&mut self) {
        // What fails here shows in the test that next needs a pod.
        let _uncordoned = self.0.typed("kubectl uncordon --selector=kubernetes.io/os=linux");
    }
}

fn address(pod: &Pod) -> Result<String> {
    let status = pod.status.as_ref();
    status
        .and_then(|status| status.pod_ip.clone())
        .context("the pod has no address")
}

/// A node without a machine.
struct Lost<'a> {
    host_id: String,
    address: String,
    no_room: NoRoom<'a>,
}

async fn lose(ring: &Ring) -> Result<Lost<'_>> {
    let address = address(&ring.pod(VICTIM).await?)?;
    let host_id = ring
        .ring_seen_by(WITNESS)?
        .into_iter()
        .find(|member| member.address == address)
        .context("the node is no member to begin with")?
        .host_id;
    let no_room = NoRoom::make(ring)?;
    ring.typed(&format!("kubectl delete pod {VICTIM}"))?;
    for other in [WITNESS, REMOVER, OTHER_DC] {
        until(&format!("{other} sees the node down"), PATIENCE, async || {
            let seen = ring.ring_seen_by(other)?;
            let down = seen
                .iter()
                .any(|member| member.host_id == host_id && member.state == "DN");
            Ok(if down {
                Answer::Yes(())
            } else {
                Answer::not_yet(format!("{seen:?}"))
            })
        })
        .await?;
    }
    Ok(Lost {
        host_id,
        address,
        no_room,
    })
}

async fn is_whole_without(ring: &Ring, lost: &str) -> Result<()> {
    let members = ring.agrees().await?;
    ensure!(!members.contains(lost), "{lost} is a member still: {members:?}");
    Ok(())
}

#[tokio::test]
async fn a_removed_node_is_gone_for_the_others_and_a_fresh_one_joins() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    ring.write_rows("survives", 100).await?;
    let Lost {
        host_id: lost,
        address: previous,
        no_room,
    } = lose(&ring).await?;
    ring.typed(&format!(
        "kubectl casskop removenode --yes --pod {VICTIM} --previous-ip {previous} --from-pod {REMOVER} --wait --timeout 5m"
    ))?;
    let members = ring.members(WITNESS, ALL - 1).await?;
    assert!(!members.contains(&lost), "{members:?}");

    drop(no_room);
    ring.settled(PATIENCE).await?;
    is_whole_without(&ring, &lost).await?;
    assert_eq!(ring.count_rows(WITNESS, "survives", "ALL").await?, 100);
    Ok(())
}

#[tokio::test]
async fn a_fresh_node_takes_the_place_of_a_lost_one_under_traffic() -> Result<()> {
    let command = format!("kubectl casskop replace --yes --pod {VICTIM}");
    replaced_under_traffic("replaced", &command, |_| Ok(())).await
}

#[tokio::test]
async fn a_task_replaces_a_lost_node_and_outlives_the_operator() -> Result<()> {
    let command =
        format!("kubectl casskop task create replacenode --crd demo --pod {VICTIM} --yes --name fresh");
    replaced_under_traffic("succeeded", &command, |ring| ring.kill_the_operator()).await?;
    let ring = Ring::shared(NODES).await?;
    ring.typed("kubectl casskop task wait fresh --timeout 1m")
        .map(drop)
}

/// Two of three nodes are left to a client at QUORUM, and then the fresh one has what the lost one had.
async fn replaced_under_traffic(
    keyspace: &str,
    command: &str,
    meanwhile: impl Fn(&Ring) -> Result<()>,
) -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    ring.write_rows(keyspace, 0).await?;
    let others = [WITNESS, REMOVER].map(str::to_owned).to_vec();
    let client = Client::start(ring.kubectl_from_anywhere(), others, &format!("{keyspace}.rows"));
    until("the client writes", PATIENCE, async || {
        Ok(match client.seen()?.acknowledged {
            0 => Answer::not_yet("nothing is acknowledged"),
            _ => Answer::Yes(()),
        })
    })
    .await?;
    let lost = lose(&ring).await?;
    // What is written from here on two nodes may acknowledge without the fresh one, which then has it by a repair.
    let before = client.seen()?.acknowledged;
    let pending = ring.pod(VICTIM).await?.metadata.uid;
    ring.typed(command)?;
    until("the pod without a machine is made anew", PATIENCE, async || {
        let pods = ring.uids().await?;
        let now = pods.get(VICTIM);
        Ok(if now.is_some() && now != pending.as_ref() {
            Answer::Yes(())
        } else {
            Answer::not_yet(format!("{pods:?}"))
        })
    })
    .await?;
    drop(lost.no_room);
    meanwhile(&ring)?;
    ring.operation_done(VICTIM, OperationName::Replace).await?;
    ring.settled(PATIENCE).await?;
    let traffic = client.stop()?;
    is_whole_without(&ring, &lost.host_id).await?;
    let held: BTreeSet<_> = ring.keys_on_disk(VICTIM, keyspace)?.into_iter().collect();
    let lacks: Vec<_> = (0..before).filter(|id| !held.contains(&id.to_string())).collect();
    ensure!(
        lacks.is_empty(),
        "of {before} rows the fresh node lacks {lacks:?}"
    );
    let acknowledged = traffic.acknowledged;
    let rows = ring.count_rows(WITNESS, keyspace, "ALL").await?;
    ensure!(rows >= acknowledged, "{rows} of {acknowledged} rows are left");
    Ok(())
}
