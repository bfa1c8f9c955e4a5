//! Why a run ends badly.

use std::io;
use std::time::Duration;

use casskop_core::guard::Refusal;

use crate::exit::ExitStatus;
use crate::kube_access::{AccessError, CallError};

/// Why a run ends badly, told in one line that names the object and says what to do next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The request cannot be right; nothing was written.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The request fits nothing that is there; nothing was written.
    #[error("{0}")]
    Wrong(String),
    /// A command could not be run in a pod, or nobody saw its end.
    #[error("cannot run the command in pod `{pod}`: {reason}")]
    Exec {
        /// The pod.
        pod: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {cause}", path.display())]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The terminal does not give its keys away.
    #[error("cannot use the terminal: {0}; try again with standard input from a file")]
    Terminal(#[source] io::Error),
    /// What will be lost has to be confirmed, and there is nobody to ask.
    #[error("nobody can be asked whether to {deed}, since standard input is no terminal; add --yes")]
    NobodyToAsk {
        /// What is to be done.
        deed: String,
    },
    /// Somebody was asked, and said no.
    #[error("not confirmed; nothing was written")]
    Declined,
    /// Labels that select nothing, ever.
    #[error("--selector {selector}: {reason}")]
    Selector {
        /// As written.
        selector: String,
        /// What the API server says to it.
        reason: String,
    },
    /// No API server to talk to.
    #[error(transparent)]
    Access(Box<AccessError>),
    /// The API server did not do what was asked.
    #[error(transparent)]
    Call(Box<CallError>),
    /// Somebody else keeps changing the object.
    #[error("{object} was changed by somebody else {tries} times in a row; try again")]
    Contended {
        /// The object.
        object: String,
        /// How often the write was tried.
        tries: u32,
    },
    /// Some pods were asked and some could not be.
    #[error("{written} of {all} pods were asked; not asked: {missing}; {first}", missing = missing.join(", "))]
    Partly {
        /// Pods that were asked.
        written: usize,
        /// Pods of the request.
        all: usize,
        /// Pods that were not asked.
        missing: Vec<String>,
        /// What happened to the first of them.
        #[source]
        first: Box<Failure>,
    },
    /// The operator could not carry out the request.
    #[error("{0}")]
    Ended(String),
    /// The time to wait has passed.
    #[error("timed out after {} waiting for {on}; the request stays: {next}", seconds(*after))]
    TimedOut {
        /// The time.
        after: Duration,
        /// What is not done.
        on: String,
        /// How to see it go on.
        next: String,
    },
    /// The user, or the system, stopped the waiting.
    #[error("stopped waiting for {on}; the request stays: {next}")]
    Stopped {
        /// What is not done.
        on: String,
        /// How to see it go on.
        next: String,
        /// As which status it ends.
        status: ExitStatus,
    },
    /// A result could not be put into the asked form.
    #[error("cannot write the result: {0}")]
    Render(#[source] serde_json::Error),
    /// Standard output.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// Tokio.
    #[error("cannot start: {0}")]
    Runtime(#[source] io::Error),
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        Self::Access(Box::new(error))
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

impl Failure {
    /// What the shell is told.
    pub(crate) fn status(&self) -> ExitStatus {
        match self {
            Self::Refused(_)
            | Self::Wrong(_)
            | Self::NobodyToAsk { .. }
            | Self::Declined
            | Self::Selector { .. } => ExitStatus::Refused,
            Self::TimedOut { .. } => ExitStatus::TimedOut,
            Self::Stopped { status, .. } => *status,
            Self::Access(_)
            | Self::Call(_)
            | Self::Contended { .. }
            | Self::Partly { .. }
            | Self::Ended(_)
            | Self::Exec { .. }
            | Self::File { .. }
            | Self::Terminal(_)
            | Self::Render(_)
            | Self::Output(_)
            | Self::Runtime(_) => ExitStatus::Failure,
        }
    }

    /// Whether whoever reads the output has gone.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// A duration as the flags take it.
pub(crate) fn seconds(duration: Duration) -> String {
    jiff::SignedDuration::try_from(duration)
        .map_or_else(|_| format!("{duration:?}"), |duration| format!("{duration:#}"))
}
