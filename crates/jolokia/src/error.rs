//! Why a call brought no answer, in a bounded set of categories.

use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::Value;

/// Why a call brought no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection: nothing was sent, so the call certainly did not happen.
    #[error("cannot connect to jolokia at {target}: {source}")]
    Unreachable {
        /// What was dialled.
        target: String,
        /// What the dialling said.
        source: io::Error,
    },
    /// No answer within the time limit; the node may still be working on it.
    #[error("jolokia at {target} did not answer within {} s", limit.as_secs_f32())]
    Timeout {
        /// What was dialled.
        target: String,
        /// The limit that passed.
        limit: Duration,
    },
    /// The connection broke after the request went out: whether the call happened is not known.
    #[error("connection to jolokia at {target} broke before it answered: {reason}")]
    Lost {
        /// What was dialled.
        target: String,
        /// What broke.
        reason: String,
    },
    /// HTTP 401 or 403: the agent wants other credentials.
    #[error(
        "jolokia at {target} refused the credentials (http {status}): put back what the secret had when the pod started; new ones take a secret of another name"
    )]
    Unauthorized {
        /// What was dialled.
        target: String,
        /// 401 or 403.
        status: u16,
    },
    /// Any other HTTP status that is not 200.
    #[error("jolokia at {target} answered http {status}")]
    Http {
        /// What was dialled.
        target: String,
        /// The HTTP status.
        status: u16,
    },
    /// The node refused or failed the call; `message` is what it said.
    #[error("{call}: {message}")]
    Jolokia {
        /// Attribute or operation asked.
        call: &'static str,
        /// Jolokia's status: 404 for what the node does not have, 500 for an exception.
        status: u64,
        /// Java class of the exception.
        error_type: String,
        /// First line of the exception's message.
        message: String,
    },
    /// The operation returned, and says that it did not do its work.
    #[error("{call}: {outcome}")]
    NotDone {
        /// Operation asked.
        call: &'static str,
        /// What it returned.
        outcome: NotDone,
    },
    /// The answer is not of the form this call has on any known version.
    #[error("{call}: unexpected answer from jolokia: {reason}")]
    Malformed {
        /// Attribute or operation asked.
        call: &'static str,
        /// What was expected and what came.
        reason: String,
    },
}

/// What a compaction-like operation returned instead of success
/// (`CompactionManager.AllSSTableOpStatus`, 0 being success).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDone {
    /// 1: stopped, or refused because the node has not joined the ring.
    Aborted,
    /// 2: another compaction of the same tables could not be cancelled.
    UnableToCancel,
    /// A number no known version returns.
    Other(i64),
}

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => f.write_str("aborted by the node; see its log"),
            Self::UnableToCancel => {
                f.write_str("not done: running compactions could not be cancelled; try again later")
            }
            Self::Other(code) => write!(f, "not done: the node returned {code}"),
        }
    }
}

/// The bounded set of reasons, for metrics and events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Not connected; nothing was sent.
    Unreachable,
    /// Connected, no answer in time.
    Timeout,
    /// Sent, connection broke before the answer.
    Lost,
    /// Credentials refused.
    Unauthorized,
    /// Unexpected HTTP status.
    HttpStatus,
    /// The node has no such MBean, attribute or operation (yet).
    Missing,
    /// The node refused or failed the call.
    Refused,
    /// The node says that it did not do the work.
    NotDone,
    /// The answer could not be read.
    Malformed,
}

impl Category {
    /// The category as a metric label: lowercase, stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Lost => "lost",
            Self::Unauthorized => "unauthorized",
            Self::HttpStatus => "http_status",
            Self::Missing => "missing",
            Self::Refused => "refused",
            Self::NotDone => "not_done",
            Self::Malformed => "malformed",
        }
    }

    /// Whether a call that failed so may nevertheless have started work in the node.
    pub fn outcome_unknown(self) -> bool {
        matches!(self, Self::Timeout | Self::Lost | Self::Malformed)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl CallError {
    /// The kind of failure, for metrics and decisions.
    pub fn category(&self) -> Category {
        match self {
            Self::Unreachable { .. } => Category::Unreachable,
            Self::Timeout { .. } => Category::Timeout,
            Self::Lost { .. } => Category::Lost,
            Self::Unauthorized { .. } => Category::Unauthorized,
            Self::Http { .. } => Category::HttpStatus,
            Self::Jolokia { status: 404, .. } => Category::Missing,
            Self::Jolokia { .. } => Category::Refused,
            Self::NotDone { .. } => Category::NotDone,
            Self::Malformed { .. } => Category::Malformed,
        }
    }
}

/// A value that is not what the call's parser expects.
#[derive(Clone, Debug, PartialEq)]
pub enum Unexpected {
    /// Another form of JSON or text than this call has.
    Form(String),
    /// The operation's own word that it did not do its work.
    NotDone(NotDone),
}

impl Unexpected {
    /// Says what was expected, and quotes the start of what came.
    pub(crate) fn new(expected: &str, found: &Value) -> Self {
        const QUOTED: usize = 80;
        let mut found = found.to_string();
        if let Some((end, _)) = found.char_indices().nth(QUOTED) {
            found.truncate(end);
            found.push('…');
        }
        Self::Form(format!("expected {expected}, found {found}"))
    }

    pub(crate) fn into_error(self, call: &'static str) -> CallError {
        match self {
            Self::Form(reason) => CallError::Malformed { call, reason },
            Self::NotDone(outcome) => CallError::NotDone { call, outcome },
        }
    }
}

/// What the envelope says when it holds no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Jolokia {
        status: u64,
        error_type: String,
        message: String,
    },
    Malformed(String),
}

impl Refusal {
    pub(crate) fn named(self, call: &'static str) -> CallError {
        match self {
            Self::Jolokia {
                status,
                error_type,
                message,
            } => CallError::Jolokia {
                call,
                status,
                error_type,
                message,
            },
            Self::Malformed(reason) => CallError::Malformed { call, reason },
        }
    }
}
