//! A lost node is taken out of the ring, and another one joins in its place.

use anyhow::{Context, Result};
use casskop_lab::wait::{Answer, until};
use casskop_tests::ring::{NODES as ALL, Ring};
use casskop_tests::site::PATIENCE;
use k8s_openapi::api::core::v1::Pod;

use crate::NODES;

const VICTIM: &str = "demo-dc1-rack3-0";
const REMOVER: &str = "demo-dc1-rack2-0";
const WITNESS: &str = "demo-dc1-rack1-0";

/// A line of `nodetool status`.
#[derive(Debug)]
struct Member {
    state: String,
    address: String,
    host_id: String,
}

/// The ring as a node sees it.
fn members(ring: &Ring, seen_by: &str) -> Result<Vec<Member>> {
    let status = ring.inside(seen_by, &["nodetool", "status"])?;
    // State, address, load and its unit, tokens, share, host id, rack.
    let member = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let state = words
            .first()
            .filter(|word| matches!(**word, "UN" | "DN" | "UL" | "UJ" | "DL"))?;
        let host_id = words.iter().find(|word| word.len() == 36)?;
        Some(Member {
            state: (*state).to_owned(),
            address: (*words.get(1)?).to_owned(),
            host_id: (*host_id).to_owned(),
        })
    };
    Ok(status.lines().filter_map(member).collect())
}

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

#[tokio::test]
async fn a_removed_node_is_gone_for_the_others_and_a_fresh_one_joins() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    ring.write_rows("survives", 100)?;
    let previous = address(&ring.pod(VICTIM).await?)?;
    let lost = members(&ring, WITNESS)?
        .into_iter()
        .find(|member| member.address == previous)
        .context("the node is no member to begin with")?
        .host_id;

    let no_room = NoRoom::make(&ring)?;
    ring.typed(&format!("kubectl delete pod {VICTIM}"))?;
    until("the others see the node down", PATIENCE, async || {
        let seen = members(&ring, REMOVER)?;
        let down = seen
            .iter()
            .any(|member| member.host_id == lost && member.state == "DN");
        Ok(if down {
            Answer::Yes(())
        } else {
            Answer::not_yet(format!("{seen:?}"))
        })
    })
    .await?;
    ring.typed(&format!(
        "kubectl casskop removenode --pod {VICTIM} --previous-ip {previous} --from-pod {REMOVER} --wait --timeout 5m"
    ))?;
    let seen = members(&ring, WITNESS)?;
    assert!(
        seen.len() == ALL - 1
            && seen
                .iter()
                .all(|member| member.state == "UN" && member.host_id != lost),
        "{seen:?}"
    );

    drop(no_room);
    ring.settled(PATIENCE).await?;
    let seen = members(&ring, WITNESS)?;
    assert!(
        seen.len() == ALL
            && seen
                .iter()
                .all(|member| member.state == "UN" && member.host_id != lost),
        "{seen:?}"
    );
    assert_eq!(ring.count_rows(WITNESS, "survives", "ALL")?, 100);
    Ok(())
}
