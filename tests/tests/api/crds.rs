//! The CRD as the API server applies it.

use anyhow::Context as _;
use casskop_lab::state::Nodes;
use casskop_tests::ground::{Ground, repository};
use casskop_types::CassandraCluster;
use kube::Api;
use kube::api::ListParams;

/// A cluster of one datacenter with some racks.
fn cluster(name: &str, datacenter: &str, racks: &[&str]) -> String {
    let racks: Vec<_> = racks
        .iter()
        .map(|rack| format!("      - name: {rack}\n"))
        .collect();
    let racks = racks.concat();
    format!(
        "apiVersion: db.orange.com/v2\n\
         kind: CassandraCluster\n\
         metadata:\n  name: {name}\n\
         spec:\n  nodesPerRacks: 1\n  dataCapacity: 1Gi\n  topology:\n    dc:\n    - name: {datacenter}\n      rack:\n{racks}"
    )
}

#[tokio::test]
async fn objects_of_existing_users_apply_unchanged() {
    let ground = Ground::new(Nodes::None).await.unwrap();
    let clusters = Api::<CassandraCluster>::namespaced(ground.client.clone(), &ground.namespace);
    let full = repository().join("crates/types/tests/fixtures/full.yaml");
    // The file names the namespace of its user.
    let text = std::fs::read_to_string(full).unwrap();
    let kept: Vec<_> = text
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("  namespace:"))
        .collect();
    let text = kept.concat();
    let applied = ground
        .kubectl()
        .unwrap()
        .arguments(["apply", "-f", "-"])
        .input(text.clone())
        .run()
        .unwrap();
    assert!(applied.success, "{}", applied.stderr);
    let first = only(&clusters).await.unwrap();
    // A second time changes nothing: `kubectl` says "configured" all the same, because its idea of the object has fields
    // that are not kept, its status for one.
    let again = ground
        .kubectl()
        .unwrap()
        .arguments(["apply", "-f", "-"])
        .input(text)
        .run()
        .unwrap();
    assert!(again.success, "{}", again.stderr);
    assert_eq!(
        only(&clusters).await.unwrap().metadata.resource_version,
        first.metadata.resource_version
    );
}

async fn only(clusters: &Api<CassandraCluster>) -> anyhow::Result<CassandraCluster> {
    let mut found = clusters.list(&ListParams::default()).await?.items;
    anyhow::ensure!(found.len() == 1, "{} clusters", found.len());
    found.pop().context("one cluster")
}

#[tokio::test]
async fn kubectl_knows_the_short_name_and_the_columns() {
    let ground = Ground::new(Nodes::None).await.unwrap();
    let applied = ground
        .kubectl()
        .unwrap()
        .arguments(["apply", "-f", "-"])
        .input(cluster("demo", "dc1", &["rack1"]))
        .run()
        .unwrap();
    assert_eq!(
        applied.stdout, "cassandracluster.db.orange.com/demo created\n",
        "{}",
        applied.stderr
    );
    let table = ground
        .kubectl()
        .unwrap()
        .arguments(["get", "cassc"])
        .run()
        .unwrap();
    let header: Vec<&str> = table
        .stdout
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(
        header,
        ["NAME", "PHASE", "ACTION", "ACTION-STATUS", "NODES-READY", "AGE"],
        "{}",
        table.stderr
    );
}

#[tokio::test]
async fn what_can_never_work_is_refused_with_a_reason() {
    let ground = Ground::new(Nodes::None).await.unwrap();
    // With a dash, `dc1`, a dash and `rack1` these are 53 characters; the name alone would be allowed.
    let long = "a-name-of-forty-three-characters-in-its-all";
    assert_eq!(long.len(), 43);
    for (object, reason) in [
        (
            cluster("demo", "dc-1", &["rack1"]),
            "lower-case letters and digits and starts with a letter",
        ),
        (
            cluster("demo", "dc1", &["rack-1"]),
            "a rack's name is lower-case letters and digits",
        ),
        (cluster("demo", "dc1", &["rack1", "rack1"]), "Duplicate value"),
        (
            cluster(long, "dc1", &["rack1"]),
            "may have at most 52 characters: use shorter names",
        ),
    ] {
        let applied = ground
            .kubectl()
            .unwrap()
            .arguments(["apply", "-f", "-"])
            .input(object.clone())
            .run()
            .unwrap();
        assert_eq!(applied.code, Some(1), "taken:\n{object}");
        assert!(
            applied.stderr.contains(reason),
            "no word of {reason:?} in: {}",
            applied.stderr
        );
    }
    let clusters = Api::<CassandraCluster>::namespaced(ground.client.clone(), &ground.namespace);
    assert!(
        clusters
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}
