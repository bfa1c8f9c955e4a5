//! The witness that the other tests rely on sees what is wrong.

use anyhow::Result;
use casskop_tests::cluster::{Cluster, spec};
use casskop_tests::faults::witness::Witness;
use casskop_tests::faults::write::Write;
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use serde_json::{Value, json};

use crate::NODES;

#[tokio::test]
async fn what_the_ring_counts_on_is_not_destroyed_unseen() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1"])], 2)).await?;
    cluster.settled(2).await?;
    let witness = Witness::of(&ground, "demo")?;
    let write = |method: &str, resource: &str, name: &str, body: Value| -> Result<Write> {
        Ok(Write {
            method: method.parse()?,
            resource: resource.to_owned(),
            name: name.to_owned(),
            body,
        })
    };
    let replicas = |count: i32| json!({ "spec": { "replicas": count } });
    for (method, resource, name, body) in [
        (
            "DELETE",
            "persistentvolumeclaims",
            "data-demo-dc1-rack1-1",
            json!(null),
        ),
        ("DELETE", "statefulsets", "demo-dc1-rack1", json!(null)),
        ("PUT", "statefulsets", "demo-dc1-rack1", replicas(1)),
        ("DELETE", "pods", "demo-dc1-rack1-0", json!(null)),
    ] {
        let wrong = write(method, resource, name, body)?;
        assert!(witness.suspects(&wrong).await.is_some(), "{wrong}");
    }
    for (method, resource, name, body) in [
        (
            "DELETE",
            "persistentvolumeclaims",
            "data-demo-dc1-rack1-7",
            json!(null),
        ),
        ("PUT", "statefulsets", "demo-dc1-rack1", replicas(2)),
        ("PUT", "statefulsets", "demo-dc1-rack1", replicas(3)),
        (
            "DELETE",
            "statefulsets",
            "demo-dc1-rack1",
            json!({ "propagationPolicy": "Orphan" }),
        ),
    ] {
        let right = write(method, resource, name, body)?;
        assert_eq!(witness.suspects(&right).await, None, "{right}");
    }
    Ok(())
}
