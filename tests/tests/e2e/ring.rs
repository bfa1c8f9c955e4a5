//! A ring of real Cassandra, brought up by the operator.

use anyhow::Result;
use casskop_tests::ring::{self, Ring};

use crate::NODES;

#[tokio::test]
async fn every_node_sees_every_node_up() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let [first, others @ ..] = ring.pods();
    let members = ring.members(&first, ring::NODES).await?;
    for pod in others.iter().map(String::as_str).chain([ring::OTHER_DC]) {
        assert_eq!(ring.members(pod, ring::NODES).await?, members, "{pod}");
    }
    Ok(())
}

#[tokio::test]
async fn what_one_node_was_told_another_answers() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let [first, .., last] = &ring.pods();
    ring.cql(
        first,
        "CREATE KEYSPACE IF NOT EXISTS told WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3}; \
         CREATE TABLE IF NOT EXISTS told.rows (id int PRIMARY KEY, text text); \
         CONSISTENCY ALL; INSERT INTO told.rows (id, text) VALUES (1, 'heard');",
    )?;
    let answer = ring.cql(last, "CONSISTENCY ONE; SELECT text FROM told.rows WHERE id = 1;")?;
    assert!(answer.contains("heard"), "{answer}");
    Ok(())
}
