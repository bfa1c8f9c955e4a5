//! A second datacenter: it joins without data, gets all of it, is emptied and goes.

use anyhow::{Result, ensure};
use casskop_types::operation::OperationName;
use casskop_types::status::ClusterAction;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Api;
use serde_json::json;

use super::{KEYSPACE, Life, NAMESPACE, RACKS, datacenter, intact, settled, status_is};

const POD: &str = "life-dc2-rack1-0";

const RACK: &str = "dc2-rack1";

pub(super) async fn comes_gets_the_data_and_goes(life: &Life, written: usize) -> Result<usize> {
    let dc1 = datacenter("dc1", &RACKS);
    let resize = |nodes: usize| {
        let mut dc2 = datacenter("dc2", &["rack1"]);
        dc2["nodesPerRacks"] = json!(nodes);
        life.change(&json!({ "topology": { "dc": [dc1, dc2] } }))
    };
    resize(1)?;
    settled(&life.site, 4).await?;
    life.has_members(4)?;
    let [rack1, rack2, rack3] = life.pods.each_ref().map(String::as_str);
    let nodes = [rack1, rack2, rack3, POD];
    life.site
        .replicate(KEYSPACE, &[("dc1", 3), ("dc2", 1)], &nodes)
        .await?;
    // Nobody asks for it but the operator. It takes each row from one replica; all of them have what was written before.
    life.site.operation_done(POD, OperationName::Rebuild).await?;
    intact(&life.site, POD, written, "LOCAL_ONE").await?;

    life.site.replicate(KEYSPACE, &[("dc1", 3)], &nodes).await?;
    resize(0)?;
    life.action_done(&[RACK], ClusterAction::ScaleDown).await?;
    life.has_members(3)?;
    life.change(&json!({ "topology": { "dc": [dc1] } }))?;
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
    ensure!(!life.has_claim(POD).await?, "its claim is left");
    life.intact().await
}
