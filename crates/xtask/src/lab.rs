//! `cargo xtask lab`: labs that stay until they are taken down.

use std::path::Path;

use anyhow::{Result, bail};
use casskop_lab::cache::Cache;
use casskop_lab::components::{Component, Components};
use casskop_lab::lab::{Lab, Lifetime, Options, STATE_VARIABLE};
use casskop_lab::nodes::front;
use casskop_lab::process::resident_bytes;
use casskop_lab::programs::Programs;
use casskop_lab::progress::{Progress, step};
use casskop_lab::state::{self, LabRecord, Nodes, Phase, StateDirectory};
use casskop_lab::{reaper, teardown};

use crate::cli::{LabCommand, UpOptions};
use crate::printer::Printer;
use crate::{cargo, setup};

/// Real nodes of a lab if no number is given: one for each rack of the smallest sensible ring.
const DEFAULT_NODES: u16 = 3;

pub(crate) async fn run(command: LabCommand, printer: &Printer) -> Result<()> {
    match command {
        LabCommand::Up(options) => up(&options, printer).await,
        LabCommand::Down { name } => down(name.as_deref(), printer),
        LabCommand::Status => status(printer),
        LabCommand::Env { name } => environment(name.as_deref(), printer),
        LabCommand::Forward { listen, to, network } => front::forward(listen, to, &network),
        LabCommand::Reap { directory } => reaper::watch(
            &Cache::locate()?,
            &StateDirectory::at(&directory),
            std::io::stdin(),
        ),
    }
}

async fn up(options: &UpOptions, printer: &Printer) -> Result<()> {
    let (nodes, default_name) = match options.simulated {
        Some(0) => (Nodes::None, "bare"),
        Some(count) => (Nodes::Simulated(count), "simulated"),
        None => (Nodes::Real(options.nodes.unwrap_or(DEFAULT_NODES)), "real"),
    };
    prepare(nodes, printer)?;
    let name = options.name.clone().unwrap_or_else(|| default_name.to_owned());
    let lab = Lab::start(
        &Options {
            name,
            nodes,
            lifetime: Lifetime::Detached,
        },
        printer,
    )
    .await?;
    printer.result(&format!("the lab {} is up", lab.name()));
    printer.result(&format!(
        "  use it:       eval \"$(cargo xtask lab env {})\"",
        lab.name()
    ));
    printer.result(&format!("  take it down: cargo xtask lab down {}", lab.name()));
    Ok(())
}

/// Builds what a lab with such nodes is made of.
pub(crate) fn prepare(nodes: Nodes, printer: &Printer) -> Result<()> {
    setup::control_plane(printer)?;
    match nodes {
        Nodes::None => Ok(()),
        Nodes::Simulated(_) => cargo::build(printer, &["casskop-simulator"]),
        Nodes::Real(_) => {
            setup::real_nodes(printer)?;
            cargo::build(printer, &["casskop-operator"])
        }
    }
}

fn down(name: Option<&str>, printer: &Printer) -> Result<()> {
    let cache = Cache::locate()?;
    let mut ended = 0;
    for (directory, record) in state::all(&cache)? {
        if name.is_some_and(|name| directory.name() != name) {
            continue;
        }
        let owner = record.as_ref().and_then(|record| record.owner.as_ref());
        if let Some(owner) = owner.filter(|owner| name.is_none() && owner.is_running()) {
            let (lab, pid) = (directory.name(), owner.pid());
            printer.note(&format!(
                "left {lab} alone: it belongs to process {pid} and ends with it"
            ));
            continue;
        }
        let title = format!("take down the lab {}", directory.name());
        step(printer as &dyn Progress, &title, || {
            teardown::down(&cache, &directory)
        })?;
        ended += 1;
    }
    match name {
        Some(name) if ended == 0 => bail!("there is no lab {name}: `cargo xtask lab status` lists them"),
        None if ended == 0 => printer.result("no lab to take down"),
        _ => {}
    }
    Ok(())
}

fn status(printer: &Printer) -> Result<()> {
    let labs = state::all(&Cache::locate()?)?;
    if labs.is_empty() {
        printer.result("no lab is up: `cargo xtask lab up --simulated 3` starts one");
    }
    for (directory, record) in labs {
        let Some(record) = record else {
            printer.result(&format!(
                "{}: no record left; `cargo xtask lab down` removes it",
                directory.name()
            ));
            continue;
        };
        printer.result(&format!("{}: {}", record.name, summary(&record)));
        printer.result(&format!("  state      {}", directory.path().display()));
        printer.result(&format!("  kubeconfig {}", directory.kubeconfig().display()));
        if let Some(simulator) = record.simulator {
            printer.result(&format!("  simulator  http://{simulator}"));
        }
        for process in &record.processes {
            let state = match resident_bytes(&process.identity) {
                Some(bytes) => format!("pid {}, {} MiB", process.identity.pid(), bytes / (1024 * 1024)),
                None => format!("ENDED, see {}", directory.log(&process.name).display()),
            };
            printer.result(&format!("  {:<26} {state}", process.name));
        }
    }
    Ok(())
}

fn summary(record: &LabRecord) -> String {
    let ended = record
        .processes
        .iter()
        .filter(|process| !process.identity.is_running())
        .count();
    let health = match (record.phase, ended) {
        (Phase::Starting, _) => "starting, or its start was cut short".to_owned(),
        (Phase::Running, 0) => "up".to_owned(),
        (Phase::Running, count) => format!("broken: {count} of its processes ended"),
    };
    let owner = match &record.owner {
        Some(owner) if owner.is_running() => format!(", ends with process {}", owner.pid()),
        Some(_) => ", left behind by a process that is gone".to_owned(),
        None => String::new(),
    };
    format!("{health}, {}{owner}", record.nodes)
}

fn environment(name: Option<&str>, printer: &Printer) -> Result<()> {
    let directory = choose(name)?;
    let lab = Lab::attach(&directory)?;
    let components = Components::locate()?;
    let kubectl = components.require(Component::Kubectl)?;
    cargo::build(printer, &["kubectl-casskop"])?;
    let programs = Programs::beside_this_one()?;
    let path = [Some(programs.directory()), kubectl.parent()];
    let path: Vec<String> = path.into_iter().flatten().map(quoted).collect();
    printer.result(&format!("export KUBECONFIG={}", quoted(&lab.kubeconfig())));
    printer.result(&format!("export {STATE_VARIABLE}={}", quoted(directory.path())));
    printer.result(&format!("export PATH={}:\"$PATH\"", path.join(":")));
    Ok(())
}

fn choose(name: Option<&str>) -> Result<StateDirectory> {
    let labs = state::all(&Cache::locate()?)?;
    if let Some(name) = name {
        return match labs.into_iter().find(|(directory, _)| directory.name() == name) {
            Some((directory, _)) => Ok(directory),
            None => bail!("there is no lab {name}: `cargo xtask lab status` lists them"),
        };
    }
    let lasting = |record: &Option<LabRecord>| record.as_ref().is_some_and(|record| record.owner.is_none());
    let mut lasting: Vec<_> = labs.into_iter().filter(|(_, record)| lasting(record)).collect();
    match (lasting.pop(), lasting.len()) {
        (None, _) => bail!("no lab is up: `cargo xtask lab up --simulated 3` starts one"),
        (Some((directory, _)), 0) => Ok(directory),
        (Some((last, _)), _) => {
            let names: Vec<String> = lasting
                .iter()
                .map(|(directory, _)| directory.name())
                .chain([last.name()])
                .collect();
            bail!("several labs are up: name one of {}", names.join(", "))
        }
    }
}

/// A word for a POSIX shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_the_shell() {
        assert_eq!(quoted(Path::new("/home/o'neil/x y")), r"'/home/o'\''neil/x y'");
    }
}
