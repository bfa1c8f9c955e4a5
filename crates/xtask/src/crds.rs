//! `cargo xtask crds`: `crds/` from the types. A test of `casskop-types` fails when they differ.

use anyhow::{Context, Result};
use casskop_types::crd::{FILE_HEADER, manifests};

use crate::cargo::repository;
use crate::printer::Printer;

pub(crate) fn run(printer: &Printer) -> Result<()> {
    let directory = repository().join("crds");
    for manifest in manifests() {
        let text = format!("{FILE_HEADER}{}", serde_yaml::to_string(&manifest.definition)?);
        let path = directory.join(manifest.file_name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        printer.result(&format!("crds/{}", manifest.file_name));
    }
    Ok(())
}
