//! What a cluster costs in which nothing happens.

use std::time::Duration;

use anyhow::Result;
use casskop_lab::progress::Progress;
use casskop_simulator::CallQuery;

use super::budget::{self, Amounts, Budget, Outcome};
use super::cluster::{Cluster, spec};
use super::stage::{Operator, Stage, is_background};
use crate::printer::Printer;

/// How long nothing happens: twice the lease's duration, so that renewals are among what is seen.
const WINDOW: Duration = Duration::from_secs(30);

/// An operator with this one cluster: its requests, its questions to nodes, and its memory.
pub(crate) async fn measure(
    stage: &Stage<'_>,
    operator: &Operator,
    cluster: &Cluster,
    printer: &Printer,
) -> Result<Vec<(Budget, Outcome)>> {
    cluster.form(spec(&[3], 1), 3).await?;
    stage.quiet().await?;
    let query = CallQuery {
        cluster: Some(cluster.id()),
        ..CallQuery::default()
    };
    let asked_before = stage.simulator.calls(&query).await?.len();
    let mut requests = stage.operator_requests()?;
    tokio::time::sleep(WINDOW).await;
    let requests = requests.read()?;
    let (background, others): (Vec<_>, Vec<_>) = requests.iter().partition(|request| is_background(request));
    printer.note(&format!(
        "idle for {} s: {} requests for watches and the lease, {} others",
        WINDOW.as_secs(),
        background.len(),
        others.len()
    ));
    for other in &others {
        printer.note(&format!("  {} {}", other.verb, other.uri));
    }
    let idle = Amounts {
        requests: Some(others.len()),
        calls: Some(stage.simulator.calls(&query).await?.len() - asked_before),
        ..Amounts::default()
    };
    let memory = Amounts {
        memory: Some(operator.memory()?),
        ..Amounts::default()
    };
    Ok(vec![
        (budget::IDLE, Outcome::measured(idle, None)),
        (budget::MEMORY_OF_ONE, Outcome::measured(memory, None)),
    ])
}
