//! Clusters and datacenters that come up.

use std::time::Instant;

use anyhow::Result;

use super::budget::{Amounts, Outcome};
use super::cluster::{Cluster, is_settled, spec, topology};
use super::control::Control;
use super::stage::{Stage, median};
use super::{CONTROL, OURS, ROUNDS};

/// Racks of the cluster that is formed.
const RACKS: usize = 6;

/// Racks of a datacenter that is added.
const RACKS_ADDED: usize = 3;

/// Six racks with a node each, from the creation of the object until its status says that it runs. The requests are
/// all that the operator makes until it comes to rest.
pub(crate) async fn form(stage: &Stage<'_>, control: &Control) -> Result<Outcome> {
    let (mut times, mut controls, mut requests) = (Vec::new(), Vec::new(), 0);
    for round in 0..ROUNDS {
        let cluster = Cluster::new(stage, OURS, &format!("form{round}"));
        let mut asked = stage.operator_requests()?;
        let began = Instant::now();
        cluster.form(spec(&[RACKS], 1), RACKS).await?;
        times.push(began.elapsed());
        stage.quiet().await?;
        requests = requests.max(asked.read()?.len());
        controls.push(control.form(&cluster.stateful_sets().await?).await?);
    }
    let amounts = Amounts {
        time: Some(median(times)?),
        requests: Some(requests),
        ..Amounts::default()
    };
    Ok(Outcome::measured(amounts, Some(median(controls)?)))
}

/// A datacenter of three racks with a node each, added to a cluster.
pub(crate) async fn add_datacenter(stage: &Stage<'_>, control: &Control) -> Result<Outcome> {
    let (mut times, mut controls) = (Vec::new(), Vec::new());
    let cluster = Cluster::new(stage, OURS, "datacenters");
    let mut datacenters = vec![RACKS_ADDED];
    cluster.form(spec(&datacenters, 1), RACKS_ADDED).await?;
    control.form(&cluster.stateful_sets().await?).await?;
    for _ in 0..ROUNDS {
        stage.quiet().await?;
        let had = cluster.stateful_sets().await?.len();
        datacenters.push(RACKS_ADDED);
        let nodes = datacenters.iter().sum();
        let began = Instant::now();
        let before = cluster
            .edit(serde_json::json!({ "topology": topology(&datacenters) }))
            .await?;
        cluster
            .until(&before, |cluster| is_settled(cluster, nodes))
            .await?;
        times.push(began.elapsed());
        let sets = cluster.stateful_sets().await?;
        controls.push(control.form(sets.get(had..).unwrap_or_default()).await?);
    }
    let amounts = Amounts {
        time: Some(median(times)?),
        ..Amounts::default()
    };
    Ok(Outcome::measured(amounts, Some(median(controls)?)))
}

/// The namespaces of both.
pub(crate) fn namespaces(stage: &Stage<'_>) -> Result<()> {
    stage.namespace(OURS)?;
    stage.namespace(CONTROL)
}
