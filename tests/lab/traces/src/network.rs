//! The addresses of the recorded ring: those set aside for documentation (RFC 5737), in a network namespace
//! of the recorder's own, so that nothing has to be replaced in what the nodes say.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// How many nodes have an address.
const NODES: u8 = 4;

/// The address of node `number`, from 1.
pub(crate) const fn address(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, number))
}

/// Whether this process runs where the addresses are.
pub(crate) fn has_addresses() -> bool {
    TcpListener::bind((address(NODES), 0)).is_ok()
}

/// Starts this program again where they are; nothing outside sees it. Needs root.
pub(crate) fn run_again_in_own_namespace() -> Result<()> {
    let add = |number| format!(" && ip address add {}/32 dev lo", address(number));
    let setup = format!("ip link set lo up{}", (1..=NODES).map(add).collect::<String>());
    let program = std::env::current_exe().context("cannot find this program")?;
    let status = Command::new("unshare")
        .args([
            "--net",
            "--",
            "sh",
            "-c",
            &format!("{setup} && exec \"$@\""),
            "recorder",
        ])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .status()
        .context("cannot run unshare (util-linux) and ip (iproute2)")?;
    ensure!(
        status.success(),
        "the recorder in its own network namespace failed: {status}"
    );
    Ok(())
}
