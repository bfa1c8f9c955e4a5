//! The racks grow by a node each, and shrink by it again. Where rows are is read off the nodes' disks: with a replica in each
//! rack, the nodes of a rack have all rows between them.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use casskop_types::operation::OperationName;
use casskop_types::status::ClusterAction;
use serde_json::json;

use super::{KEYSPACE, Life, NAME, RACKS, racks, settled};

/// The rack whose disks are looked at.
const FIRST: &str = "life-dc1-rack1-0";
const SECOND: &str = "life-dc1-rack1-1";

/// Three nodes join, and a cleanup takes from the older ones what is theirs no more.
pub(super) async fn a_second_node_in_each_rack(life: &Life, written: usize) -> Result<usize> {
    // A cleanup rewrites data files. What is in memory then stays with the older node until the next one, unless the joining node
    // happened to stream from it, which flushes.
    for pod in &life.pods {
        life.site.inside(pod, &["nodetool", "flush", KEYSPACE])?;
    }
    let in_files = i64::try_from(written)?;
    life.change(&json!({ "nodesPerRacks": 2 }))?;
    all(life, ClusterAction::ScaleUp).await?;
    settled(&life.site, 6).await?;
    for pod in &life.pods {
        life.site.operation_done(pod, OperationName::Cleanup).await?;
    }
    life.has_members(6).await?;
    let (left, right) = (keys(life, FIRST)?, keys(life, SECOND)?);
    let both: Vec<_> = left.intersection(&right).filter(|id| **id < in_files).collect();
    ensure!(both.is_empty(), "both nodes hold {both:?}");
    ensure!(!left.is_empty() && !right.is_empty(), "one node holds everything");
    holds(&(&left | &right), written)?;
    life.intact().await
}

/// Three nodes leave, and hand their rows over before their disks go.
pub(super) async fn one_node_in_each_rack_again(life: &Life, written: usize) -> Result<usize> {
    life.site.typed(&format!(
        "kubectl casskop decommission --yes --crd {NAME} --dc dc1 --wait --timeout 10m"
    ))?;
    all(life, ClusterAction::ScaleDown).await?;
    // The datacenter has a number of its own now; the steps after this one write it without.
    life.change(&json!({ "nodesPerRacks": 1 }))?;
    settled(&life.site, 3).await?;
    life.has_members(3).await?;
    // Before anything is read: a read at ALL would bring back what one node lost.
    holds(&keys(life, FIRST)?, written)?;
    for rack in RACKS {
        let [stays, leaves] = [0, 1].map(|ordinal| format!("{NAME}-dc1-{rack}-{ordinal}"));
        ensure!(life.has_claim(&stays).await?, "the claim of {stays} is gone");
        ensure!(!life.has_claim(&leaves).await?, "the claim of {leaves} is left");
    }
    life.intact().await
}

async fn all(life: &Life, action: ClusterAction) -> Result<()> {
    life.action_done(&racks().each_ref().map(String::as_str), action)
        .await
}

fn keys(life: &Life, pod: &str) -> Result<BTreeSet<i64>> {
    let keys = life.site.keys_on_disk(pod, KEYSPACE)?;
    keys.iter().map(|key| Ok(key.parse()?)).collect()
}

fn holds(keys: &BTreeSet<i64>, written: usize) -> Result<()> {
    let lacks: Vec<i64> = (0..i64::try_from(written)?)
        .filter(|id| !keys.contains(id))
        .collect();
    ensure!(lacks.is_empty(), "of {written} rows the disks lack {lacks:?}");
    Ok(())
}
