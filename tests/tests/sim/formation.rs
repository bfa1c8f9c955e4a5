//! How clusters come up.

use anyhow::Result;
use casskop_bootstrap::ring_config_map::RingRecord;
use casskop_bootstrap::seeds::History;
use casskop_simulator::ring::Moment;
use casskop_tests::cluster::{Cluster, spec};
use casskop_tests::ground::Ground;
use casskop_tests::operator::Operator;
use casskop_types::conditions::{ConditionType, condition};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::NODES;

#[tokio::test]
async fn a_cluster_of_two_datacenters_forms_one_node_at_a_time() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(
        &ground,
        "demo",
        spec(&[("dc1", &["rack1", "rack2"]), ("dc2", &["rack1"])], 2),
    )
    .await?;
    let status = cluster.settled(6).await?;
    assert_eq!(status.cassandra_node_status.len(), 6, "{status:?}");
    let expected = [
        "dc1-rack1-0",
        "dc1-rack1-1",
        "dc1-rack2-0",
        "dc2-rack1-0",
        "dc2-rack1-1",
    ]
    .map(|pod| format!("demo-{pod}.demo.{}", ground.namespace));
    assert_eq!(status.seed_list, expected);
    let (simulator, id) = cluster.simulator()?;
    let ring = simulator.ring(&id).await?;
    assert_eq!(ring.ring.nodes().count(), 6);
    assert_eq!(simulator.max_down_since(&id, Moment(0)).await?, 0);
    let first_pods = ["demo-dc1-rack1-0", "demo-dc1-rack2-0", "demo-dc2-rack1-0"];
    let pods = cluster.pods().await?;
    let created = |name: &str| pods[name].metadata.creation_timestamp.clone().map(|time| time.0);
    for later in pods.keys().filter(|name| !first_pods.contains(&name.as_str())) {
        for first in first_pods {
            assert!(created(first) <= created(later), "{later} came before {first}");
        }
    }
    let outcome = ground
        .kubectl()?
        .arguments(["get", "service,pdb", "-o", "name"])
        .run()?;
    assert_eq!(
        outcome.stdout,
        "service/demo\nservice/demo-exporter-jmx\npoddisruptionbudget.policy/demo\n"
    );
    Ok(())
}

/// Here by a quota; a Role of an earlier release does the same.
#[tokio::test]
async fn a_ring_that_may_not_be_recorded_goes_on_with_the_node_it_has_and_says_so() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    ground.typed("kubectl create quota full-up --hard=count/configmaps=0")?;
    let _operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1", "rack2"])], 1)).await?;
    let status = cluster
        .status_is("the quota is named", |status| {
            let waiting = condition(&status.conditions, ConditionType::Waiting);
            waiting.is_some_and(|waiting| waiting.message.contains("full-up"))
        })
        .await?;
    assert_eq!(status.ring_recorded, None);
    assert_eq!(
        status.nodes_ready.as_deref(),
        Some("1/2"),
        "the rest of the status is written"
    );
    assert_eq!(cluster.pods().await?.len(), 1);
    ground.typed("kubectl delete quota full-up")?;
    // Any event makes it try again at once.
    ground.typed("kubectl annotate cassandracluster demo quota=raised")?;
    let status = cluster.settled(2).await?;
    assert_eq!(status.ring_recorded, Some(true));
    Ok(())
}

/// Before the second node is there, so that no crash can lose it, and for one cluster object only.
#[tokio::test]
async fn pods_are_told_that_the_ring_has_formed_before_a_second_one_is_made() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let operator = Operator::start(&ground)?;
    let cluster = Cluster::create(&ground, "demo", spec(&[("dc1", &["rack1", "rack2"])], 1)).await?;
    let status = cluster.settled(2).await?;
    assert_eq!(status.ring_recorded, Some(true));
    let object = cluster.object().await?;
    let records: Api<ConfigMap> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let record = records.get("demo-bootstrap").await?;
    let told = RingRecord::parse(&serde_json::to_string(&record)?, "demo-dc1-rack1-0");
    let expected = RingRecord {
        history: History::Formed,
        replaces: None,
    };
    assert_eq!(told, Some(expected), "as the bootstrap image reads it");
    let owners = record.metadata.owner_references.clone().unwrap_or_default();
    assert_eq!(owners.len(), 1);
    assert_eq!(Some(&owners[0].uid), object.metadata.uid.as_ref());
    let pods = cluster.pods().await?;
    let second = pods["demo-dc1-rack2-0"].metadata.creation_timestamp.clone();
    assert!(record.metadata.creation_timestamp <= second);

    // What a person changes stays, also under another operator.
    let anew = json!({ "data": { "ring-formed": "false" } });
    records
        .patch("demo-bootstrap", &PatchParams::default(), &Patch::Merge(anew))
        .await?;
    operator.kill()?;
    let _operator = Operator::start(&ground)?;
    cluster.edit(json!({ "nodesPerRacks": 2 })).await?;
    cluster.settled(4).await?;
    let data = records.get("demo-bootstrap").await?.data.unwrap_or_default();
    assert_eq!(data["ring-formed"], "false");
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_can_never_work_says_so_and_the_others_go_on() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let mut bad = spec(&[("dc1", &["rack1"])], 1);
    bad["config"] = serde_json::json!({ "cassandra-yaml": "not an object" });
    bad["resources"] = serde_json::json!({ "limits": { "memory": "much" } });
    let bad = Cluster::create(&ground, "bad", bad).await;
    let good = Cluster::create(&ground, "good", spec(&[("dc1", &["rack1"])], 1)).await?;
    good.settled(1).await?;
    if let Ok(bad) = bad {
        let status = bad
            .status_is("the spec is refused", |status| {
                status
                    .conditions
                    .iter()
                    .any(|condition| condition.type_ == "Valid" && condition.status == "False")
            })
            .await?;
        assert!(status.cassandra_rack_status.is_empty(), "{status:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_pod_that_cannot_be_created_says_what_is_missing() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let _operator = Operator::start(&ground)?;
    let mut spec = spec(&[("dc1", &["rack1"])], 1);
    spec["serviceAccountName"] = json!("nobody-made-it");
    let cluster = Cluster::create(&ground, "demo", spec).await?;
    let status = cluster
        .status_is("the missing account is named", |status| {
            let waiting = condition(&status.conditions, ConditionType::Waiting);
            waiting.is_some_and(|waiting| waiting.message.contains("\"nobody-made-it\" not found"))
        })
        .await?;
    let waiting = condition(&status.conditions, ConditionType::Waiting).map(|waiting| waiting.reason.clone());
    assert_eq!(waiting.as_deref(), Some("PodBlocked"));
    let account =
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "nobody-made-it" } });
    let made = ground
        .kubectl()?
        .arguments(["apply", "-f", "-"])
        .input(account.to_string())
        .run()?;
    assert!(made.success, "{made:?}");
    cluster.settled(1).await?;
    Ok(())
}
