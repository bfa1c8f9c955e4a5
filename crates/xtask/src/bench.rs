//! `cargo xtask bench`.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::cli::BenchOptions;
use crate::printer::Printer;

#[expect(clippy::unused_async, reason = "what it will run is asynchronous")]
pub(crate) async fn run(_options: &BenchOptions, _printer: &Printer) -> Result<ExitCode> {
    bail!("`cargo xtask bench` is not written yet")
}
