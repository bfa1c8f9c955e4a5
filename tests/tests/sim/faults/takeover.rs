//! A cluster that CassKop's operator left in the middle of its work is taken over, and then worked on.

use anyhow::{Result, ensure};
use casskop_tests::cluster::Cluster;
use casskop_tests::faults::stage::{Faults, Stage};
use casskop_tests::ground::Ground;
use casskop_types::status::ClusterAction;
use serde_json::json;

use super::operation;
use crate::NODES;
use crate::adoption::{casskop, left, taken_over, untouched};

/// Lives through it under faults, and tells what happened.
pub(super) async fn live_through(faults: Faults) -> Result<String> {
    let ground = Ground::new(NODES).await?;
    casskop::create(&ground).await?;
    let cluster = Cluster::existing(&ground, casskop::NAME);
    let before = untouched(&ground, &cluster).await?;
    let unfinished = ["RollingRestart", "Ongoing"];
    let racks = [
        ("rack1", left("Running", ["Initializing", "Done"], &json!({}))),
        ("rack2", left("Running", unfinished, &json!({}))),
    ];
    casskop::leave(&ground, "Pending", unfinished, &racks).await?;
    let mut stage = Stage::new(&ground, casskop::NAME, faults).await?;
    let nodes = casskop::RACKS.len() * casskop::NODES_PER_RACK;
    let adoption = operation("adoption", 2, &[]);
    stage
        .carry_out(adoption, async || taken_over(&cluster, nodes).await.map(drop))
        .await?;
    let after = untouched(&ground, &cluster).await?;
    ensure!(after == before, "it was {before:?}, and is {after:?}");
    let restart = operation("RollingRestart of what was taken over", 5, &[]);
    stage
        .carry_out(restart, async || {
            cluster.casskop(["restart", "--crd", casskop::NAME, "--full"])?;
            for rack in casskop::RACKS {
                cluster
                    .action_done(&format!("dc1-{rack}"), ClusterAction::RollingRestart)
                    .await?;
            }
            cluster.settled(nodes).await.map(drop)
        })
        .await?;
    stage.conclude(1)
}
