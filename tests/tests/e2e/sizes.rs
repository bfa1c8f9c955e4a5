//! A datacenter grows by a node and shrinks by it again; where the rows are is read off the nodes' disks.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use casskop_lab::wait::{Answer, until};
use casskop_tests::ring::{OTHER_DC, PATIENCE, Ring};
use casskop_types::status::{ActionStatus, ClusterAction};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;

use crate::NODES;

const KEYSPACE: &str = "sized";

const ROWS: usize = 200;

#[tokio::test]
async fn a_node_that_leaves_hands_its_rows_over_before_its_disk_goes() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let [first, ..] = ring.pods();
    ring.write_rows(KEYSPACE, ROWS)?;
    ring.extend_to_other_dc(KEYSPACE).await?;
    let wait = "--wait --timeout 5m";
    ring.typed(&format!("kubectl casskop rebuild --pod {OTHER_DC} dc1 {wait}"))?;
    ensure!(keys(&ring, OTHER_DC)?.len() == ROWS, "not all rows came to dc2");

    resize(&ring, 2)?;
    ends(&ring, ClusterAction::ScaleUp).await?;
    let grown = "demo-dc2-rack1-1";
    ensure!(members(&ring, &first)? == 5, "the new node is no member");
    ring.typed(&format!("kubectl casskop cleanup start --pod {OTHER_DC} {wait}"))?;
    let (left, right) = (keys(&ring, OTHER_DC)?, keys(&ring, grown)?);
    ensure!(
        !left.is_empty() && !right.is_empty(),
        "one of the two nodes holds everything"
    );
    ensure!(
        left.is_disjoint(&right) && left.len() + right.len() == ROWS,
        "{} and {}",
        left.len(),
        right.len()
    );

    resize(&ring, 1)?;
    ends(&ring, ClusterAction::ScaleDown).await?;
    ensure!(
        members(&ring, &first)? == 4,
        "the node that left is a member still"
    );
    ensure!(
        keys(&ring, OTHER_DC)?.len() == ROWS,
        "rows went with the node that left"
    );
    ensure!(ring.count_rows(OTHER_DC, KEYSPACE, "LOCAL_ONE")? == ROWS);
    let claims: Api<PersistentVolumeClaim> =
        Api::namespaced(ring.client.clone(), casskop_tests::ring::NAMESPACE);
    ensure!(
        claims.get_opt(&format!("data-{grown}")).await?.is_none(),
        "its claim is left"
    );
    ensure!(claims.get_opt(&format!("data-{OTHER_DC}")).await?.is_some());
    ring.cql(&first, &format!("DROP KEYSPACE {KEYSPACE};")).map(drop)
}

fn keys(ring: &Ring, pod: &str) -> Result<BTreeSet<String>> {
    Ok(ring.keys_on_disk(pod, KEYSPACE)?.into_iter().collect())
}

/// Nodes that a node sees up and normal.
fn members(ring: &Ring, pod: &str) -> Result<usize> {
    let status = ring.inside(pod, &["nodetool", "status"])?;
    Ok(status.lines().filter(|line| line.starts_with("UN ")).count())
}

fn resize(ring: &Ring, nodes: usize) -> Result<()> {
    let patch =
        format!(r#"[{{"op": "add", "path": "/spec/topology/dc/1/nodesPerRacks", "value": {nodes}}}]"#);
    ring.typed(&format!(
        "kubectl patch cassandracluster demo --type json --patch '{patch}'"
    ))
    .map(drop)
}

async fn ends(ring: &Ring, action: ClusterAction) -> Result<()> {
    until(&format!("{action} is done"), PATIENCE, async || {
        let status = ring.cluster().await?.status.unwrap_or_default();
        let last = status.cassandra_rack_status["dc2-rack1"]
            .cassandra_last_action
            .clone();
        let done =
            last.is_some_and(|last| last.name == Some(action) && last.status == Some(ActionStatus::Done));
        Ok(if done {
            Answer::Yes(())
        } else {
            Answer::not_yet(serde_json::json!(status))
        })
    })
    .await
}
