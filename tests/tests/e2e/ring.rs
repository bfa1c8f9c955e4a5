//! A ring of real Cassandra, brought up by the operator.

use anyhow::Result;
use casskop_tests::ring::{NODES as ALL, Ring};

use crate::NODES;

#[tokio::test]
async fn every_node_sees_every_node_up() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    assert_eq!(ring.agrees().await?.len(), ALL);
    Ok(())
}

#[tokio::test]
async fn what_one_node_was_told_another_answers() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let [first, .., last] = &ring.pods();
    ring.write_rows("told", 1).await?;
    let insert = "CONSISTENCY ALL; INSERT INTO told.rows (id, value) VALUES (1, 4711);";
    ring.cql_in_time(first, insert).await?;
    assert_eq!(ring.rows(last, "told", "ONE").await?.get(&1), Some(&4711));
    ring.cql(first, "DROP KEYSPACE told;").map(drop)
}
