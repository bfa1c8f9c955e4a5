//! The terminal of this process, handed to a command in a pod.

use std::io::{self, IsTerminal};

use futures::SinkExt;
use futures::channel::mpsc::Sender;
use kube::api::TerminalSize;
use rustix::termios::{self, OptionalActions, Termios};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// What a command reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// Nothing.
    None,
    /// Standard input, whatever it is.
    Pipe,
    /// The keys of a terminal, on which it also writes.
    Terminal,
}

impl Input {
    /// The keys where somebody sits at a terminal, standard input as it is elsewhere.
    pub(crate) fn of_this_process() -> Self {
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            Self::Terminal
        } else {
            Self::Pipe
        }
    }
}

/// The terminal while its keys go to the command; given back as it was when dropped.
pub(super) struct Terminal {
    before: Termios,
    sizes: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Takes every key from the terminal, and tells the command of its size.
    pub(super) fn take(sizes: Option<Sender<TerminalSize>>) -> Result<Self, Failure> {
        let stdin = io::stdin();
        let not_taken = |error: rustix::io::Errno| Failure::Terminal(error.into());
        let before = termios::tcgetattr(&stdin).map_err(not_taken)?;
        let mut raw = before.clone();
        raw.make_raw();
        let changes = signal(SignalKind::window_change()).map_err(Failure::Runtime)?;
        termios::tcsetattr(&stdin, OptionalActions::Drain, &raw).map_err(not_taken)?;
        Ok(Self {
            before,
            sizes: sizes.map(|sizes| tokio::spawn(tell_sizes(sizes, changes))),
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
        if let Some(sizes) = &self.sizes {
            sizes.abort();
        }
    }
}

async fn tell_sizes(mut to: Sender<TerminalSize>, mut changes: tokio::signal::unix::Signal) {
    loop {
        if let Some((width, height)) = terminal_size::terminal_size() {
            let size = TerminalSize {
                width: width.0,
                height: height.0,
            };
            if to.send(size).await.is_err() {
                return;
            }
        }
        if changes.recv().await.is_none() {
            return;
        }
    }
}
