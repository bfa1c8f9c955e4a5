//! How a run ends. The numbers are an interface: `docs/exit-codes.md`.

use std::process::ExitCode;

/// What a finished run says to the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// What was asked for is done, or is written where nothing more was asked.
    Success,
    /// The API server or the operation failed.
    Failure,
    /// The command line or the request is wrong; nothing was written.
    Refused,
    /// `status --exit-code`: a cluster is not healthy. `check`: something that is needed does not work.
    Unhealthy,
    /// `--timeout` passed. The request stays.
    TimedOut,
    /// Ctrl-C while waiting. The request stays.
    Interrupted,
    /// SIGTERM while waiting. The request stays.
    Terminated,
    /// A command run in a pod ended with this code.
    Command(u8),
}

impl ExitStatus {
    /// The number a shell sees in `$?`.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Refused => 2,
            Self::Unhealthy => 3,
            // As timeout(1) ends, so that scripts need one rule for both.
            Self::TimedOut => 124,
            // 128 + the number of the signal, as shells report it.
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Command(code) => code,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}
