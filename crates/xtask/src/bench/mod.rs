//! `cargo xtask bench`: the project's budgets with today's figures, each beside CassKop's and, where there is one, as a
//! multiple of a control in the same run: absolute times say as much about the machine as about the operator.

mod budget;
mod cluster;
mod control;
mod fleet;
mod formation;
mod idle;
mod rack_of_two;
mod stage;
mod start_up;
mod table;

use std::process::ExitCode;

use anyhow::Result;
use casskop_lab::lab::{Lab, Lifetime, Options};
use casskop_lab::progress::Progress;
use casskop_lab::state::Nodes;

use crate::printer::Printer;
use crate::{cargo, lab};
use budget::{Budget, Outcome, Verdict};
use cluster::Cluster;
use control::Control;
use stage::{Operator, Stage};

/// Simulated nodes of the lab.
const NODES: u16 = 6;

/// The namespace of the operator under measurement.
const OURS: &str = "bench";

/// The namespace without an operator.
const CONTROL: &str = "control";

/// How often short things are done; the middle one counts.
const ROUNDS: usize = 3;

pub(crate) async fn run(printer: &Printer) -> Result<ExitCode> {
    let nodes = Nodes::Simulated(NODES);
    lab::prepare(nodes, printer)?;
    let programs = cargo::build_for_release(printer, &["casskop-operator", "kubectl-casskop"])?;
    let options = Options {
        name: format!("bench-{}", std::process::id()),
        nodes,
        lifetime: Lifetime::Owned,
    };
    let lab = Lab::start(&options, printer).await?;
    let measured = measure(&lab, programs, printer).await;
    let ended = lab.stop();
    let rows = measured?;
    ended?;
    printer.result(&table::render(&rows));
    let exceeded = rows
        .iter()
        .filter(|(budget, outcome)| outcome.verdict(budget) == Verdict::Exceeded)
        .count();
    if exceeded > 0 {
        printer.result(&format!("{exceeded} budgets are exceeded."));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(
    lab: &Lab,
    programs: std::path::PathBuf,
    printer: &Printer,
) -> Result<Vec<(Budget, Outcome)>> {
    let stage = Stage::new(lab, programs).await?;
    let mut rows = Vec::new();
    printer.note("measuring the plugin's start");
    let start_up = start_up::measure(&stage)?;
    formation::namespaces(&stage)?;
    let operator = Operator::start(&stage, OURS)?;
    let control = Control::new(&stage, CONTROL);
    printer.note("measuring a cluster in which nothing happens");
    let alone = Cluster::new(&stage, OURS, "alone");
    let idle = idle::measure(&stage, &operator, &alone, printer).await?;
    printer.note("measuring formation");
    rows.push((budget::FORM, formation::form(&stage, &control).await?));
    printer.note("measuring restarts, configuration, cleanup and growth");
    rows.extend(rack_of_two::measure(&stage, &control).await?);
    printer.note("measuring datacenters that come and go");
    rows.extend(formation::datacenters(&stage, &control).await?);
    rows.extend(idle);
    drop(operator);
    printer.note("measuring 100 clusters");
    rows.extend(fleet::measure(&stage).await?);
    rows.push((budget::START_UP, start_up));
    Ok(rows)
}
