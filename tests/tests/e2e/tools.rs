//! Cassandra's own tools and logs through the plugin, against real kubelets.

use anyhow::{Result, anyhow, ensure};
use casskop_tests::ring::{self, Ring};

use crate::NODES;

#[tokio::test]
async fn nodetool_and_cqlsh_run_in_the_pods_and_their_exit_codes_come_back() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let [first, second, _] = &ring.pods();
    let status = ring
        .typed(&format!("kubectl casskop nodetool --pod {first} -- status"))?
        .stdout;
    let up = status.lines().filter(|line| line.starts_with("UN ")).count();
    assert_eq!(up, ring::NODES, "{status}");

    // Several pods: in order, each line after its pod.
    let info = ring
        .typed(&format!(
            "kubectl casskop nodetool --pod {first} --pod {second} -- info"
        ))?
        .stdout;
    let pods: Vec<&str> = info
        .lines()
        .filter(|line| line.contains("Gossip active"))
        .filter_map(|line| line.split_once(' ').map(|(pod, _)| pod))
        .collect();
    assert_eq!(pods, [format!("[{first}]"), format!("[{second}]")], "{info}");

    let code = ring
        .typed(&format!(
            "set +e; kubectl casskop nodetool --pod {first} -- nosuchcommand > /dev/null 2>&1; echo $?"
        ))?
        .stdout;
    let same = ring
        .typed(&format!(
            "set +e; kubectl exec {first} -c cassandra -- nodetool nosuchcommand > /dev/null 2>&1; echo $?"
        ))?
        .stdout;
    assert_eq!(code, same);
    assert_ne!(code.trim(), "0");

    // What one node was told through standard input, another answers.
    ring.write_rows("typed", 1).await?;
    ring.typed(&format!(
        "printf 'INSERT INTO typed.rows (id, value) VALUES (4711, 1);' | kubectl casskop cqlsh --pod {first}"
    ))?;
    let answer = ring
        .typed(&format!(
            "kubectl casskop cqlsh --pod {second} -- -e 'CONSISTENCY ALL; SELECT id FROM typed.rows'"
        ))?
        .stdout;
    assert!(answer.contains("4711"), "{answer}");
    ring.cql(first, "DROP KEYSPACE typed;")?;
    Ok(())
}

#[tokio::test]
async fn logs_of_all_pods_come_together() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let [first, ..] = &ring.pods();
    // Other tests have clusters of their own beside this one.
    let last = ring
        .typed("kubectl casskop logs --crd demo --dc dc1 --tail 1")?
        .stdout;
    let pods: Vec<&str> = last
        .lines()
        .filter_map(|line| line.split_once("] "))
        .map(|(pod, _)| pod)
        .collect();
    let expected: Vec<String> = ring.pods().iter().map(|pod| format!("[{pod}")).collect();
    assert_eq!(pods, expected, "{last}");
    let init = ring
        .typed(&format!("kubectl casskop logs --pod {first} -c bootstrap"))?
        .stdout;
    assert!(!init.is_empty(), "the init container has said something");
    Ok(())
}

/// Whoever follows the logs hears of each table that is made while he listens, from the nodes themselves.
#[tokio::test]
async fn logs_are_followed_until_nobody_reads_them() -> Result<()> {
    const TABLES: usize = 60;
    let ring = Ring::shared(NODES).await?;
    let pods = ring.pods();
    let [first, ..] = &pods;
    ring.cql(
        first,
        "CREATE KEYSPACE followed WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3};",
    )?;
    let followed = std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            ring.typed(
                "timeout 180 kubectl casskop logs --crd demo --dc dc1 --follow --tail 0 | grep -m 4 'Initializing followed'",
            )
        });
        let mut made = 0;
        while !follower.is_finished() && made < TABLES {
            ring.cql(
                first,
                &format!("CREATE TABLE followed.t{made} (id int PRIMARY KEY);"),
            )?;
            made += 1;
        }
        ensure!(made < TABLES, "nothing is heard of {made} tables");
        follower.join().map_err(|_| anyhow!("the follower panicked"))?
    })?;
    ring.cql(first, "DROP KEYSPACE followed;")?;
    let lines: Vec<&str> = followed.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{followed:?}");
    for line in lines {
        let of_a_pod = pods.iter().any(|pod| line.starts_with(&format!("[{pod}] ")));
        assert!(of_a_pod, "{line}");
    }
    Ok(())
}
