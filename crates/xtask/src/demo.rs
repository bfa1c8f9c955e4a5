//! `cargo xtask demo`.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::cli::DemoOptions;
use crate::printer::Printer;

#[expect(clippy::unused_async, reason = "what it will run is asynchronous")]
pub(crate) async fn run(_options: &DemoOptions, _printer: &Printer) -> Result<ExitCode> {
    bail!("`cargo xtask demo` is not written yet")
}
