//! `cargo xtask test`: the layers from the cheapest to the dearest; the first that fails ends the run. Labs are shared
//! by the layers that can, and end with the run, however it ends.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use casskop_lab::cache::Cache;
use casskop_lab::images::{self, cassandra::Release};
use casskop_lab::lab::{Lab, Lifetime, Options, STATE_VARIABLE};
use casskop_lab::state::Nodes;

use crate::cli::{Layer, TestOptions};
use crate::printer::Printer;
use crate::{cargo, lab, setup};

/// Tells the tests that the long runs are wanted.
const FULL_VARIABLE: &str = "CASSKOP_TEST_FULL";

/// Simulated nodes of the shared lab: as many as the largest cluster of one test has racks with a node each.
const SIMULATED_NODES: u16 = 6;

/// Real nodes: one for each rack.
const REAL_NODES: u16 = 3;

pub(crate) async fn run(options: &TestOptions, printer: &Printer) -> Result<ExitCode> {
    let all = [Layer::Core, Layer::Api, Layer::Sim, Layer::E2e];
    let layers: BTreeSet<Layer> = if options.layers.is_empty() {
        all.into()
    } else {
        options.layers.iter().copied().collect()
    };
    if layers.contains(&Layer::Core) {
        core(options, printer)?;
    }
    // The API tests need no nodes, and do not mind them.
    let on_loopback: Vec<Layer> = layers
        .iter()
        .copied()
        .filter(|layer| matches!(layer, Layer::Api | Layer::Sim))
        .collect();
    let nodes = if on_loopback.contains(&Layer::Sim) {
        Nodes::Simulated(SIMULATED_NODES)
    } else {
        Nodes::None
    };
    in_lab(nodes, &on_loopback, options, printer).await?;
    let real: Vec<Layer> = layers
        .iter()
        .copied()
        .filter(|layer| *layer == Layer::E2e)
        .collect();
    in_lab(Nodes::Real(REAL_NODES), &real, options, printer).await?;
    Ok(ExitCode::SUCCESS)
}

fn core(options: &TestOptions, printer: &Printer) -> Result<()> {
    cargo::run(printer, &mut cargo::command(&["fmt", "--all", "--check"])?)?;
    // The layers that need a lab are left out of plain `cargo test`, and so of all targets too, whatever is named beside those.
    let layers = ["--test", "api", "--test", "sim", "--test", "e2e"];
    for targets in [&["--all-targets"][..], &layers] {
        let mut clippy = cargo::command(&["clippy", "--workspace", "--locked"])?;
        clippy.args(targets).args(["--", "-D", "warnings"]);
        cargo::run(printer, &mut clippy)?;
    }
    // Advisories come from a database outside the package registries: they are not part of the tests.
    let mut deny = Command::new(setup::cargo_deny(printer)?);
    deny.current_dir(cargo::repository())
        .args(["--locked", "check", "bans", "licenses", "sources"]);
    cargo::run(printer, &mut deny)?;
    let mut test = cargo::command(&["test", "--workspace", "--locked"])?;
    cargo::run(printer, with_arguments(&mut test, options))?;
    if !options.full {
        return Ok(());
    }
    // A million states: faster when all of it is optimized.
    let exploration = [
        "test",
        "--release",
        "-p",
        "casskop-core",
        "--test",
        "life_of_a_cluster",
        "--locked",
    ];
    let mut exploration = cargo::command(&exploration)?;
    exploration.env(FULL_VARIABLE, "1");
    exploration.args(["exploration::", "--", "--nocapture"]);
    cargo::run(printer, &mut exploration)
}

/// Runs layers in one lab made for them.
async fn in_lab(nodes: Nodes, layers: &[Layer], options: &TestOptions, printer: &Printer) -> Result<()> {
    if layers.is_empty() {
        return Ok(());
    }
    lab::prepare(nodes, printer)?;
    cargo::build(printer, &["casskop-operator", "kubectl-casskop"])?;
    let name = format!("test-{}", std::process::id());
    let lab = Lab::start(
        &Options {
            name,
            nodes,
            lifetime: Lifetime::Owned,
        },
        printer,
    )
    .await?;
    let outcome = layers
        .iter()
        .try_for_each(|layer| in_layer(*layer, &lab, options, printer));
    // The tests' failure is the one to report, if both fail.
    let ended = lab.stop();
    outcome.and(ended)
}

fn in_layer(layer: Layer, lab: &Lab, options: &TestOptions, printer: &Printer) -> Result<()> {
    let target = match layer {
        Layer::Core => return Ok(()),
        Layer::Api => "api",
        Layer::Sim => "sim",
        Layer::E2e => "e2e",
    };
    let mut test = cargo::command(&["test", "--workspace", "--locked", "--test", target])?;
    test.env(STATE_VARIABLE, lab.directory().path())
        .env("KUBECONFIG", lab.kubeconfig())
        .env("PATH", cargo::path_with_plugin()?);
    if layer == Layer::E2e {
        test.envs(jars(printer)?);
    }
    cargo::run(printer, with_options(&mut test, options))
        .with_context(|| format!("the {target} tests failed"))
}

/// Where Cassandra's jars are, for tests that ask Cassandra's own classes.
fn jars(printer: &Printer) -> Result<Vec<(String, PathBuf)>> {
    let cache = Cache::locate()?;
    Release::CONFIGURED
        .into_iter()
        .map(|release| {
            let variable = format!("CASSKOP_CASSANDRA_JARS_{}", release.line.replace('.', "_"));
            Ok((
                variable,
                images::cassandra::jars(&cache, printer, release)?.join("lib"),
            ))
        })
        .collect()
}

fn with_options<'a>(test: &'a mut Command, options: &TestOptions) -> &'a mut Command {
    if options.full {
        test.env(FULL_VARIABLE, "1");
    }
    with_arguments(test, options)
}

fn with_arguments<'a>(test: &'a mut Command, options: &TestOptions) -> &'a mut Command {
    if !options.arguments.is_empty() {
        test.arg("--").args(&options.arguments);
    }
    test
}
