//! Completion: what may stand at the end of a command line.
//!
//! kubectl runs `kubectl_complete-casskop` with the words typed so far, the last of them unfinished, and reads one candidate a line, and
//! a last line with what the shell may do besides (kubectl, `plugin_completion.go`; the numbers are cobra's `ShellCompDirective`). The
//! shells' own scripts (`kubectl casskop completion`) ask in the same way, by `kubectl-casskop __complete`. Whatever goes wrong, nothing
//! is said: a person is typing.

mod names;
mod words;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use crate::cli;
use crate::exit::ExitStatus;
use crate::invocation::Invocation;
use crate::printer::Printer;
use words::{Candidate, Wanted};

/// The word by which shells' scripts ask.
pub(crate) const WORD: &str = "__complete";

/// What a person at a prompt waits at most.
const PATIENCE: Duration = Duration::from_millis(900);

/// The words to complete, if that is what the program was called for.
pub(crate) fn asked(args: &[OsString]) -> Option<Vec<String>> {
    let program = args.first().map(OsString::as_os_str).and_then(file_name)?;
    let rest = if program.starts_with("kubectl_complete-") {
        &args[1..]
    } else if args.get(1).is_some_and(|word| word == WORD) {
        &args[2..]
    } else {
        return None;
    };
    Some(
        rest.iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect(),
    )
}

fn file_name(program: &OsStr) -> Option<String> {
    Some(Path::new(program).file_name()?.to_string_lossy().into_owned())
}

/// Prints the candidates.
pub(crate) fn complete(words: &[String], printer: &mut Printer<'_>) -> ExitStatus {
    let mut command = cli::command(&Invocation::of(None));
    command.build();
    let question = words::question(&command, words);
    // Cobra: 0 lets the shell complete names of files, 4 does not.
    let (candidates, directive) = match question.wanted {
        Wanted::Candidates(candidates) => (candidates, 4),
        Wanted::Names(names) => (ask(names, &question.flags), 4),
        Wanted::Files => (Vec::new(), 0),
        Wanted::Nothing => (Vec::new(), 4),
    };
    for Candidate { value, about } in candidates {
        if !value.starts_with(&question.begun) {
            continue;
        }
        let line = match about.as_str() {
            "" => format!("{}{value}", question.before),
            about => format!("{}{value}\t{about}", question.before),
        };
        let _ = printer.line(&line);
    }
    let _ = printer.line(&format!(":{directive}"));
    let _ = printer.flush();
    ExitStatus::Success
}

fn ask(names: words::Names, flags: &words::Flags) -> Vec<Candidate> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        return Vec::new();
    };
    answered(runtime, PATIENCE, names::names(names, flags))
        .flatten()
        .unwrap_or_default()
}

/// What comes of this in time. Names of hosts are looked up by threads that nothing stops: nobody waits for those.
fn answered<T>(
    runtime: tokio::runtime::Runtime,
    patience: Duration,
    question: impl Future<Output = T>,
) -> Option<T> {
    let answer = runtime.block_on(async { tokio::time::timeout(patience, question).await });
    runtime.shutdown_background();
    answer.ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn nobody_waits_for_a_lookup_that_takes_too_long() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (go_on, held) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let lookup = async move {
            tokio::task::spawn_blocking(move || {
                let _ = held.recv_timeout(Duration::from_secs(10));
                tell.send(())
            })
            .await
        };
        assert!(answered(runtime, Duration::from_millis(1), lookup).is_none());
        assert_eq!(
            told.try_recv(),
            Err(mpsc::TryRecvError::Empty),
            "it was waited for"
        );
        drop(go_on);
    }
}
