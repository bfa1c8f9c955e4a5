//! Calling cargo on this workspace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};
use casskop_lab::components::{Component, Components};
use casskop_lab::programs::Programs;
use casskop_lab::progress::Progress;

use crate::printer::Printer;

/// The repository this program was built from.
pub(crate) fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// A cargo command in the repository; the cargo that runs this program, if that is known. It builds where this program
/// was built, however that place was chosen, since labs and tests look for the project's programs there.
pub(crate) fn command(arguments: &[&str]) -> Result<Command> {
    let programs = Programs::beside_this_one()?;
    let target = programs
        .directory()
        .parent()
        .context("this program is not in a target directory")?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(repository())
        .env("CARGO_TARGET_DIR", target)
        .args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(says_what_runs) {
            command.env_remove(name);
        }
    }
    Ok(command)
}

/// Whether cargo tells a program by this variable which package it is of, as `cargo run` tells this one. Some build scripts
/// (ring's) look at these, so cargo would build them anew, and all that depends on them, each time it is called with others
/// than the time before: once from here and once from a shell.
fn says_what_runs(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

/// Builds programs of the workspace into the directory this one is in. Cargo shows its own progress.
///
/// Always for the whole workspace: a selection of packages has other features of the dependencies, which would all be
/// built a second time.
pub(crate) fn build(printer: &Printer, programs: &[&str]) -> Result<()> {
    let mut arguments = vec!["build", "--workspace"];
    for program in programs {
        arguments.extend(["--bin", program]);
    }
    run(printer, &mut command(&arguments)?)
}

/// Builds programs as they ship, each with its own features only, and says where they are.
pub(crate) fn build_for_release(printer: &Printer, packages: &[&str]) -> Result<PathBuf> {
    let mut arguments = vec!["build", "--release", "--locked"];
    for package in packages {
        arguments.extend(["--package", package]);
    }
    run(printer, &mut command(&arguments)?)?;
    let programs = Programs::beside_this_one()?;
    let target = programs.directory().parent();
    Ok(target
        .context("this program is not in a target directory")?
        .join("release"))
}

/// PATH with the plugin and a kubectl first, so that `kubectl casskop` is the one just built.
pub(crate) fn path_with_plugin() -> Result<OsString> {
    let kubectl = Components::locate()?.require(Component::Kubectl)?;
    let programs = Programs::beside_this_one()?;
    let first = [
        programs.directory(),
        kubectl.parent().unwrap_or(Path::new("/usr/bin")),
    ];
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let all = first
        .into_iter()
        .map(Path::to_owned)
        .chain(std::env::split_paths(&rest));
    Ok(std::env::join_paths(all)?)
}

/// Runs a program to its end with its output on the terminal, and fails if it does.
pub(crate) fn run(printer: &Printer, command: &mut Command) -> Result<()> {
    let status = status(printer, command)?;
    if !status.success() {
        bail!("`{}` failed ({status})", words(command));
    }
    Ok(())
}

fn status(printer: &Printer, command: &mut Command) -> Result<ExitStatus> {
    printer.note(&format!("$ {}", words(command)));
    command
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))
}

fn words(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let mut words = vec![program.to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_not_told_which_program_calls_it() {
        // These tests are told as much by the cargo that runs them.
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some());
        let command = command(&["build"]).unwrap();
        let value = |name: &str| {
            let mut all = command.get_envs();
            all.find(|(known, _)| *known == name).map(|(_, value)| value)
        };
        for told in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"] {
            assert_eq!(value(told), Some(None), "{told}");
        }
        assert!(value("CARGO_TARGET_DIR").flatten().is_some());
        assert_eq!(value("PATH"), None, "all else is left as it is");
    }
}
