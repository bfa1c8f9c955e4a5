//! What surrounds a run: its streams, its screen, its clock. Tests put buffers in their place.

use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write};

use jiff::Timestamp;

use crate::cli::{self, Color};
use crate::commands;
use crate::complete;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::printer::Printer;

/// The surroundings of a run.
pub(crate) struct Host<'a> {
    /// Standard output: results only.
    pub(crate) out: &'a mut dyn Write,
    /// Standard error: progress, warnings, errors.
    pub(crate) err: &'a mut dyn Write,
    /// What standard output is shown on.
    pub(crate) out_screen: Screen,
    /// What standard error is shown on.
    pub(crate) err_screen: Screen,
    /// Standard input: answers.
    pub(crate) input: &'a mut dyn Read,
    /// Who is at standard input.
    pub(crate) asked: Asked,
    /// The time.
    pub(crate) now: fn() -> Timestamp,
}

/// What a run wrote where nobody looks on.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Buffers {
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
    input: std::io::Empty,
}

#[cfg(test)]
impl Buffers {
    /// Surroundings without a terminal and without anybody, at the beginning of time.
    pub(crate) fn host(&mut self) -> Host<'_> {
        Host {
            out: &mut self.out,
            err: &mut self.err,
            out_screen: Screen::Plain,
            err_screen: Screen::Plain,
            input: &mut self.input,
            asked: Asked::Nobody,
            now: || Timestamp::UNIX_EPOCH,
        }
    }
}

/// Who answers a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Somebody at a terminal.
    Somebody,
    /// A script, a pipeline: what it sends is no answer to anything.
    Nobody,
}

impl Asked {
    /// Who is at an input of this process.
    pub(crate) fn at(input: &impl IsTerminal) -> Self {
        if input.is_terminal() {
            Self::Somebody
        } else {
            Self::Nobody
        }
    }
}

/// What a stream is shown on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Screen {
    /// A terminal that understands control sequences.
    Terminal,
    /// A file or a pipe, or a terminal that understands nothing (`TERM=dumb`).
    Plain,
}

impl Screen {
    /// What a stream of this process is shown on.
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if stream.is_terminal() && !dumb {
            Self::Terminal
        } else {
            Self::Plain
        }
    }

    /// Its columns; a pipe has none.
    pub(crate) fn width(self) -> Option<usize> {
        match self {
            Self::Terminal => {
                Some(terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0)))
            }
            Self::Plain => None,
        }
    }

    /// Whether to color what is shown on it (<https://no-color.org>: any text in `NO_COLOR` turns colors off).
    pub(crate) fn colors(self, asked: Color) -> bool {
        match asked {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                self == Self::Terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

impl Host<'_> {
    /// One whole run, from the command line to the exit status.
    pub(crate) fn run(self, args: &[OsString]) -> ExitStatus {
        if let Some(words) = complete::asked(args) {
            return complete::complete(&words, &mut Printer::plain(self));
        }
        let invocation = Invocation::of(args.first().map(OsString::as_os_str));
        let (cli, mut printer) = match cli::parse(&invocation, args) {
            Ok(cli) => {
                let printer = Printer::new(self, &cli.global);
                (cli, printer)
            }
            Err(shown) => return Printer::plain(self).clap(&shown),
        };
        let ended = commands::run(&cli, &mut printer);
        ended
            .and_then(|status| printer.flush().map(|()| status))
            .unwrap_or_else(|failure| end(&failure, &mut printer))
    }
}

fn end(failure: &Failure, printer: &mut Printer<'_>) -> ExitStatus {
    // Whoever read the output has seen enough (`| head`): no failure of ours.
    if failure.is_closed_pipe() {
        return ExitStatus::Success;
    }
    printer.error(failure);
    failure.status()
}
