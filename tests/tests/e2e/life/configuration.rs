//! Cassandra's configuration changes, and the nodes take it up one by one.

use anyhow::{Result, ensure};
use casskop_types::status::ClusterAction;
use serde_json::json;

use super::{Life, racks, settled};

/// Half of what it is by default.
const CONCURRENT_READS: usize = 16;

pub(super) async fn changes(life: &Life) -> Result<usize> {
    life.change(&json!({
        "config": { "cassandra-yaml": { "concurrent_reads": CONCURRENT_READS } },
    }))?;
    life.action_done(
        &racks().each_ref().map(String::as_str),
        ClusterAction::UpdateStatefulSet,
    )
    .await?;
    settled(&life.site, 3).await?;
    let ask = "SELECT value FROM system_views.settings WHERE name = 'concurrent_reads';";
    for pod in &life.pods {
        let answer = life.site.cql(pod, ask)?;
        ensure!(
            answer
                .lines()
                .any(|line| line.trim() == CONCURRENT_READS.to_string()),
            "{pod} runs with {answer}"
        );
    }
    life.intact().await
}
