//! `cargo xtask setup`: what this machine lacks, and nothing it has. Every part asks the cache first, so a second run
//! takes seconds, and one that was interrupted goes on where it stood.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use casskop_lab::cache::{Artifact, Cache};
use casskop_lab::components::{Component, Components};
use casskop_lab::progress::Progress;
use casskop_lab::{images, packages, tool};

use crate::cli::SetupOptions;
use crate::printer::Printer;

/// The release of cargo-deny that checks licences and sources.
const CARGO_DENY_VERSION: &str = "0.20.2";

pub(crate) fn run(options: &SetupOptions, printer: &Printer) -> Result<()> {
    control_plane(printer)?;
    if !options.simulated {
        real_nodes(printer)?;
        cargo_deny(printer)?;
    }
    printer.result(&format!(
        "ready; built components are kept in {}",
        Cache::locate()?.root().display()
    ));
    Ok(())
}

/// The client alone, for clusters that are there already.
pub(crate) fn client(printer: &Printer) -> Result<()> {
    build(&[Component::Kubectl], printer)
}

/// What every lab needs.
pub(crate) fn control_plane(printer: &Printer) -> Result<()> {
    build(&Component::CONTROL_PLANE, printer)
}

/// What real nodes need besides: kubelet, kube-proxy and DNS, Debian packages, Cassandra and the images.
pub(crate) fn real_nodes(printer: &Printer) -> Result<()> {
    let cache = Cache::locate()?;
    packages::ensure(&packages::REAL_NODES, &cache, printer)?;
    build(&Component::NODES, printer)?;
    // The product's own images are made when a lab starts, from the code as it then is.
    images::cassandra::archive(&cache, printer).map(drop)
}

fn build(components: &[Component], printer: &Printer) -> Result<()> {
    let here = Components::locate()?;
    for component in components {
        here.build(*component, printer)?;
    }
    Ok(())
}

/// The program that checks the dependencies' licences and sources.
pub(crate) fn cargo_deny(printer: &Printer) -> Result<PathBuf> {
    if let Some(installed) = tool::find("cargo-deny") {
        return Ok(installed);
    }
    let cache = Cache::locate()?;
    let artifact = Artifact::new("cargo-deny", CARGO_DENY_VERSION);
    let place = cache.install(&artifact, |to| {
        // Built without optimization: it runs for a second, and optimizing it would take minutes.
        let mut cargo = Command::new("cargo");
        cargo.args(["install", "--locked", "--debug", "--root"]).arg(to);
        cargo.args(["--version", CARGO_DENY_VERSION, "cargo-deny"]);
        // Not into this workspace's target directory, which may be removed at any time.
        cargo.env_remove("CARGO_TARGET_DIR");
        let step = format!("build cargo-deny {CARGO_DENY_VERSION}");
        tool::run(
            printer as &dyn Progress,
            &step,
            &cache.log("cargo-deny"),
            &mut cargo,
        )
    })?;
    Ok(place.join("bin/cargo-deny"))
}
