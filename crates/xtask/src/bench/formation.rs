//! Clusters and datacenters that come up.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::budget::{self, Amounts, Budget, Outcome};
use super::cluster::{Cluster, is_settled, spec, topology};
use super::control::Control;
use super::rack_of_two::timed;
use super::stage::{Stage, median};
use super::{CONTROL, OURS, ROUNDS};

/// Racks of the cluster that is formed.
const RACKS: usize = 6;

/// Racks of a datacenter that is added, or emptied.
const RACKS_OF_ONE: usize = 3;

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

/// Datacenters of three racks with a node each: added to a cluster, and emptied again.
pub(crate) async fn datacenters(stage: &Stage<'_>, control: &Control) -> Result<Vec<(Budget, Outcome)>> {
    let cluster = Cluster::new(stage, OURS, "datacenters");
    cluster.form(spec(&[RACKS_OF_ONE], 1), RACKS_OF_ONE).await?;
    control.form(&cluster.stateful_sets().await?).await?;
    let (mut added, mut control_added) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        stage.quiet().await?;
        let had = cluster.stateful_sets().await?.len();
        added.push(change(&cluster, round + 1, 0).await?);
        let sets = cluster.stateful_sets().await?;
        control_added.push(control.form(sets.get(had..).unwrap_or_default()).await?);
    }
    let (mut emptied, mut control_emptied) = (Vec::new(), Vec::new());
    let sets = cluster.stateful_sets().await?;
    for round in 1..=ROUNDS {
        stage.quiet().await?;
        emptied.push(change(&cluster, ROUNDS + 1, round).await?);
        let mut took = Duration::ZERO;
        for set in sets
            .iter()
            .rev()
            .skip((round - 1) * RACKS_OF_ONE)
            .take(RACKS_OF_ONE)
        {
            took += control
                .scale(&set.metadata.name.clone().unwrap_or_default(), 0)
                .await?;
        }
        control_emptied.push(took);
    }
    Ok(vec![
        (budget::ADD_DATACENTER, timed(added, median(control_added)?)?),
        (
            budget::EMPTY_DATACENTER,
            timed(emptied, median(control_emptied)?)?,
        ),
    ])
}

/// The time until the cluster has so many datacenters, the last of them empty.
async fn change(cluster: &Cluster, datacenters: usize, empty: usize) -> Result<Duration> {
    let mut topology = topology(&vec![RACKS_OF_ONE; datacenters]);
    for datacenter in topology["dc"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .rev()
        .take(empty)
    {
        datacenter["nodesPerRacks"] = json!(0);
    }
    let nodes = (datacenters - empty) * RACKS_OF_ONE;
    let began = Instant::now();
    let before = cluster.edit(json!({ "topology": topology })).await?;
    cluster
        .until(&before, |cluster| is_settled(cluster, nodes))
        .await?;
    Ok(began.elapsed())
}

/// The namespaces of both.
pub(crate) fn namespaces(stage: &Stage<'_>) -> Result<()> {
    stage.namespace(OURS)?;
    stage.namespace(CONTROL)
}
