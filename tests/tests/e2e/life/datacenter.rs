//! A second datacenter: it joins without data and gets all of it; it is emptied and goes.

use anyhow::{Result, ensure};
use casskop_lab::wait::{Answer, until};
use casskop_tests::site::PATIENCE;
use casskop_types::operation::OperationName;
use casskop_types::status::ClusterAction;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Api;
use serde_json::json;

use super::{KEYSPACE, Life, NAMESPACE, OTHER_DC, RACKS, datacenter, intact, settled, status_is};

const RACK: &str = "dc2-rack1";

/// Rows there are at least before it comes.
const ENOUGH: usize = 50;

pub(super) async fn comes_and_gets_the_data(life: &Life) -> Result<usize> {
    until("there is something to get", PATIENCE, async || {
        let written = life.client.seen()?.acknowledged;
        Ok(if written >= ENOUGH {
            Answer::Yes(())
        } else {
            Answer::not_yet(written)
        })
    })
    .await?;
    let written = life.intact().await?;
    life.change(&json!({ "autoPilot": true }))?;
    resize(life, 1)?;
    settled(&life.site, 4).await?;
    life.has_members(4).await?;
    life.site
        .replicate(KEYSPACE, &[("dc1", 3), ("dc2", 1)], &nodes(life))
        .await?;
    // Nobody asks for it but the operator. It takes each row from one replica; all of them have what was written before.
    life.site.operation_done(OTHER_DC, OperationName::Rebuild).await?;
    intact(&life.site, OTHER_DC, written, "LOCAL_ONE").await?;
    life.intact().await
}

pub(super) async fn goes(life: &Life) -> Result<usize> {
    life.site.replicate(KEYSPACE, &[("dc1", 3)], &nodes(life)).await?;
    resize(life, 0)?;
    life.action_done(&[RACK], ClusterAction::ScaleDown).await?;
    life.has_members(3).await?;
    life.change(&json!({ "topology": { "dc": [datacenter("dc1", &RACKS)] } }))?;
    status_is(&life.site, "the datacenter is forgotten", |status| {
        !status.cassandra_rack_status.contains_key(RACK)
    })
    .await?;
    settled(&life.site, 3).await?;
    let sets: Api<StatefulSet> = Api::namespaced(life.site.client.clone(), NAMESPACE);
    ensure!(
        sets.get_opt("life-dc2-rack1").await?.is_none(),
        "its StatefulSet is left"
    );
    ensure!(!life.has_claim(OTHER_DC).await?, "its claim is left");
    life.intact().await
}

fn resize(life: &Life, nodes: usize) -> Result<()> {
    let mut dc2 = datacenter("dc2", &["rack1"]);
    dc2["nodesPerRacks"] = json!(nodes);
    life.change(&json!({ "topology": { "dc": [datacenter("dc1", &RACKS), dc2] } }))
}

/// The nodes of both datacenters.
fn nodes(life: &Life) -> [&str; 4] {
    let [rack1, rack2, rack3] = life.pods.each_ref().map(String::as_str);
    [rack1, rack2, rack3, OTHER_DC]
}
