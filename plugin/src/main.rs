//! `kubectl casskop`: asks the operator for day-2 work on Cassandra clusters, and shows it being done.

mod cli;
mod commands;
mod complete;
mod exec;
mod exit;
mod failure;
mod follow;
mod host;
mod invocation;
mod kube_access;
mod printer;
mod render;
mod report;
mod request;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use host::{Asked, Host, Screen};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let mut out = io::stdout().lock();
    // Not locked: a line of progress must not keep a message of the TLS library from being written.
    let mut err = io::stderr();
    let mut input = io::stdin();
    let host = Host {
        out: &mut out,
        err: &mut err,
        out_screen: Screen::of(&io::stdout()),
        err_screen: Screen::of(&io::stderr()),
        asked: Asked::at(&input),
        input: &mut input,
        now: jiff::Timestamp::now,
    };
    host.run(&args).into()
}
