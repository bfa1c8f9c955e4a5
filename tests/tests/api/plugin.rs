//! `kubectl casskop` against a real API server: what it writes, what it refuses, what it says, how it ends.
//!
//! No operator runs here: where one is waited for, the test writes what an operator would.

mod busy_server;
mod decommission;
mod dry_run;
mod held;
mod lost_nodes;
mod operations;
mod plugin_run;
mod restart;
mod stage;
mod status;
mod tools;

use anyhow::Result;

use plugin_run::Ended;
use stage::Stage;

#[tokio::test]
async fn wrong_names_are_answered_with_the_right_ones() -> Result<()> {
    let stage = Stage::set().await?;
    stage.cluster("demo", TWO_RACKS).await?;
    stage.cluster("prod", TWO_RACKS).await?;
    let before = stage.version_of("demo").await?;
    let refused = |said: &str| Ended {
        code: 2,
        out: String::new(),
        err: format!("error: {said}\n"),
    };
    assert_eq!(
        stage.run(&["restart", "--crd", "demmo", "--full"]).await?,
        refused("cassandracluster `demmo` not found; the namespace has demo, prod")
    );
    assert_eq!(
        stage
            .run(&["restart", "--crd", "demo", "--rack", "dc1.rack1", "dc1.rack7"])
            .await?,
        refused("cassandracluster `demo` has no rack `dc1.rack7`; it has dc1.rack1, dc1.rack2")
    );
    assert_eq!(
        stage.run(&["restart", "--crd", "demo", "--dc", "dc2"]).await?,
        refused("cassandracluster `demo` has no datacenter `dc2`; it has dc1")
    );
    assert_eq!(
        stage.run(&["cleanup", "start"]).await?,
        refused("this namespace has several cassandraclusters; choose one with --crd: demo, prod")
    );
    assert_eq!(
        stage.run(&["cleanup", "--pod", "web-0"]).await?,
        refused(
            "pod `web-0` is not a Cassandra pod of this namespace; the namespace has none, choose another with --namespace"
        )
    );
    assert_eq!(stage.version_of("demo").await?, before, "nothing was written");
    Ok(())
}

#[tokio::test]
async fn a_user_without_rights_hears_which_are_missing() -> Result<()> {
    let stage = Stage::set().await?;
    stage.cluster("demo", TWO_RACKS).await?;
    let ann = stage.as_user("ann")?;
    let ended = ann.run(&["restart", "--crd", "demo", "--full"]).await?;
    let namespace = stage.namespace();
    assert_eq!(ended.code, 1);
    assert_eq!(
        ended.err,
        format!(
            "error: user `ann` must not get cassandraclusters.db.orange.com in namespace `{namespace}`; ask for a Role with verb \
             `get` on resource `cassandraclusters.db.orange.com`, and check with `kubectl auth can-i get \
             cassandraclusters.db.orange.com --namespace {namespace}`\n"
        )
    );
    assert!(ended.out.is_empty(), "{}", ended.out);
    Ok(())
}

const TWO_RACKS: &str =
    r#"{"topology": {"dc": [{"name": "dc1", "rack": [{"name": "rack1"}, {"name": "rack2"}]}]}}"#;
