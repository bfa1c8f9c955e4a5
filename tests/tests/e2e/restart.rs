//! A rolling restart: one rack's pod is another one afterwards, and the data is where it was.

use anyhow::Result;
use casskop_tests::ring::{NODES as ALL, Ring};

use crate::NODES;

#[tokio::test]
async fn a_restart_of_a_rack_replaces_its_pod_alone_and_loses_nothing() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    ring.write_rows("restarted", 100).await?;
    let before = ring.uids().await?;
    assert_eq!(before.len(), ALL);

    let told = ring.typed("kubectl casskop restart --crd demo --rack dc1.rack1 --wait --timeout 5m")?;
    assert!(
        told.stdout
            .starts_with("Namespace cassandra\nTrigger restart of dc1.rack1\n"),
        "{}",
        told.stdout
    );

    let after = ring.uids().await?;
    assert_eq!(after.len(), ALL);
    for (pod, uid) in &after {
        let renewed = before.get(pod) != Some(uid);
        assert_eq!(renewed, pod == "demo-dc1-rack1-0", "{pod}");
    }
    let told = ring.typed("kubectl logs demo-dc1-rack1-0 -c bootstrap")?;
    let formed = "bootstrap: configmap demo-bootstrap says that the ring has formed before\n";
    assert!(told.stdout.contains(formed), "{}", told.stdout);
    ring.agrees().await?;
    let [first, ..] = ring.pods();
    assert_eq!(ring.count_rows(&first, "restarted", "ALL").await?, 100);
    Ok(())
}

#[tokio::test]
async fn a_node_that_is_restarted_alone_has_written_down_all_it_held() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let [other, pod, _] = ring.pods();
    ring.write_rows("drained", 100).await?;
    let before = ring.uids().await?;
    let members = ring.agrees().await?;

    let told = ring.typed(&format!(
        "kubectl casskop restart --pod {pod} --wait --timeout 5m"
    ))?;
    let done = format!("pod/{pod} restart done\n");
    assert!(told.stdout.ends_with(&done), "{}", told.stdout);

    for (known, uid) in &ring.uids().await? {
        assert_eq!(before.get(known) != Some(uid), *known == pod, "{known}");
    }
    let log = ring.typed(&format!("kubectl logs {pod} -c cassandra"))?;
    let nothing_left = "Log replay complete, 0 replayed mutations";
    assert!(log.stdout.contains(nothing_left), "{}", log.stdout);
    assert_eq!(ring.agrees().await?, members, "it came back as who it was");
    assert_eq!(ring.count_rows(&other, "drained", "ALL").await?, 100);
    Ok(())
}
