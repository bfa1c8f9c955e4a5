//! `cargo xtask docs`: `docs/plugin/` from the plugin's command line. A test of the plugin fails when they differ; asked to, it writes them.

use anyhow::Result;

use crate::cargo;
use crate::printer::Printer;

/// Asks the plugin's test to write the pages.
const WRITE: &str = "CASSKOP_WRITE_DOCS";

pub(crate) fn run(printer: &Printer) -> Result<()> {
    let mut test = cargo::command(&[
        "test",
        "--quiet",
        "--package",
        "kubectl-casskop",
        "pages_are_as_the_command_line_has_it",
    ])?;
    cargo::run(printer, test.env(WRITE, "1"))
}
