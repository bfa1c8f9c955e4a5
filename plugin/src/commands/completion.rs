//! `completion`: scripts for shells, and for kubectl.

use clap::ValueEnum;

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::printer::Printer;

/// Print what makes a shell complete the plugin's words
///
/// `kubectl casskop` is completed by kubectl (1.26 or newer), which runs `kubectl_complete-casskop`; `completion kubectl` prints that script.
/// A link of that name to the plugin's binary does the same. The others complete `kubectl-casskop`, called by its own name. All complete verbs,
/// flags, and the names of clusters, datacenters, racks and pods.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # For `kubectl casskop`, into any directory of PATH
  kubectl casskop completion kubectl > ~/.local/bin/kubectl_complete-casskop
  chmod +x ~/.local/bin/kubectl_complete-casskop
  # For `kubectl-casskop` in this bash
  source <(kubectl casskop completion bash)")]
pub(crate) struct Args {
    /// For what
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell")]
    Pwsh,
    Elvish,
    Kubectl,
}

pub(super) fn run(args: &Args, printer: &mut Printer<'_>) -> Result<ExitStatus, Failure> {
    let script = match args.shell {
        Shell::Bash => include_str!("completion/bash.sh"),
        Shell::Zsh => include_str!("completion/zsh.zsh"),
        Shell::Fish => include_str!("completion/fish.fish"),
        Shell::Pwsh => include_str!("completion/powershell.ps1"),
        Shell::Elvish => include_str!("completion/elvish.elv"),
        Shell::Kubectl => include_str!("completion/kubectl.sh"),
    };
    printer.line(script.trim_end())?;
    Ok(ExitStatus::Success)
}
