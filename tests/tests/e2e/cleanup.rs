//! A cleanup: nodes lose what they no longer own, and nothing else.

use std::collections::BTreeSet;

use anyhow::Result;
use casskop_lab::wait::{Answer, until};
use casskop_tests::ring::Ring;
use casskop_tests::site::PATIENCE;
use casskop_types::operation::OperationName;
use casskop_types::status::PodLastOperation;

use crate::NODES;

const ROWS: usize = 300;

#[tokio::test]
async fn after_a_cleanup_every_key_is_where_it_belongs_and_nowhere_else() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let [rack1, rack2, rack3] = &ring.pods();
    ring.write_rows("cleaned", ROWS).await?;
    let before: BTreeSet<String> = ring.keys_on_disk(rack2, "cleaned")?.into_iter().collect();
    assert_eq!(
        before.len(),
        ROWS,
        "with three replicas each node holds every row"
    );
    // One replica instead of three: two thirds of what a node holds is another's now.
    ring.replicate("cleaned", &[("dc1", 1)], &[rack1, rack2, rack3])
        .await?;
    for pod in [rack1, rack3] {
        ring.inside(pod, &["nodetool", "flush", "cleaned"])?;
    }

    // The way of `kubectl label`, and that of the plugin.
    ring.typed(&format!(
        "kubectl label pod {rack2} operation-name=cleanup --overwrite\n\
         kubectl label pod {rack2} operation-status=ToDo --overwrite"
    ))?;
    ring.typed("kubectl casskop cleanup start --pod demo-dc1-rack1-0 --wait --timeout 5m")?;
    ring.typed("kubectl casskop cleanup start --prefix demo-dc1-rack3 --wait --timeout 5m")?;
    ring.operation_done(rack2, OperationName::Cleanup).await?;

    let mut held = Vec::new();
    for pod in [rack1, rack2, rack3] {
        let keys = ring.keys_on_disk(pod, "cleaned")?;
        assert!(keys.len() < ROWS, "{pod} still holds {} rows", keys.len());
        held.extend(keys);
    }
    held.sort();
    let mut expected: Vec<String> = before.into_iter().collect();
    expected.sort();
    assert_eq!(held, expected, "each row on one node");
    assert_eq!(ring.count_rows(rack1, "cleaned", "ALL").await?, ROWS);
    ring.cql(rack1, "DROP KEYSPACE cleaned;")?;

    let told = until("the status tells of the cleanup", PATIENCE, async || {
        let last = last_operation(&ring).await?;
        let done = last.pods_ok == [rack2.as_str()] && last.pods.is_empty();
        Ok(if done {
            Answer::Yes(last)
        } else {
            Answer::not_yet(format!("{last:?}"))
        })
    })
    .await?;
    assert_eq!(told.name, Some(OperationName::Cleanup));
    Ok(())
}

/// What the status tells of the second rack, where CassKop's users look.
async fn last_operation(ring: &Ring) -> Result<PodLastOperation> {
    let status = ring.cluster().await?.status.unwrap_or_default();
    let rack = status.cassandra_rack_status.get("dc1-rack2");
    Ok(rack
        .and_then(|rack| rack.pod_last_operation.clone())
        .unwrap_or_default())
}
