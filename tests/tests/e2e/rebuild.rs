//! A rebuild: a datacenter that was given replicas gets their data from another one.

use anyhow::Result;
use casskop_tests::ring::{OTHER_DC, Ring};
use casskop_types::operation::OperationName;

use crate::NODES;

const ROWS: usize = 100;

/// Gives the second datacenter a replica of a keyspace, which holds nothing yet.
async fn extend(ring: &Ring, keyspace: &str) -> Result<()> {
    ring.write_rows(keyspace, ROWS).await?;
    ring.extend_to_other_dc(keyspace).await?;
    assert_eq!(ring.count_rows(OTHER_DC, keyspace, "LOCAL_ONE").await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_rebuilt_node_serves_the_data_alone() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    extend(&ring, "rebuilt").await?;
    ring.typed("kubectl casskop rebuild --prefix demo-dc2 dc1 --wait --timeout 5m")?;
    assert_eq!(ring.count_rows(OTHER_DC, "rebuilt", "LOCAL_ONE").await?, ROWS);
    assert_eq!(ring.keys_on_disk(OTHER_DC, "rebuilt")?.len(), ROWS);
    Ok(())
}

#[tokio::test]
async fn a_rebuild_can_be_asked_for_by_labels_in_the_order_casskops_documentation_has_them() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    extend(&ring, "labelled").await?;
    ring.typed(
        "kubectl label pod demo-dc2-rack1-0 operation-name=rebuild --overwrite\n\
         kubectl label pod demo-dc2-rack1-0 operation-status=ToDo --overwrite\n\
         kubectl label pod demo-dc2-rack1-0 operation-argument=dc1 --overwrite",
    )?;
    ring.operation_done(OTHER_DC, OperationName::Rebuild).await?;
    assert_eq!(ring.count_rows(OTHER_DC, "labelled", "LOCAL_ONE").await?, ROWS);
    Ok(())
}
