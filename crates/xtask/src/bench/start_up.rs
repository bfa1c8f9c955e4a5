//! How long the plugin takes to say anything.

use std::process::Command;

use anyhow::Result;

use super::budget::{Amounts, Outcome};
use super::stage::{Stage, median, run};

/// Runs of each; a process start is short, and one in many is disturbed.
const RUNS: usize = 101;

/// `--help`, which needs no cluster, and as the control `kubectl version --client`, which needs none either. They take
/// turns, so that whatever else the machine does meets both.
pub(crate) fn measure(stage: &Stage<'_>) -> Result<Outcome> {
    let (mut times, mut controls) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        times.push(run(Command::new(stage.plugin_program()).arg("--help"))?);
        controls.push(run(Command::new("kubectl").args(["version", "--client"]))?);
    }
    let amounts = Amounts {
        time: Some(median(times)?),
        ..Amounts::default()
    };
    Ok(Outcome::measured(amounts, Some(median(controls)?)))
}
