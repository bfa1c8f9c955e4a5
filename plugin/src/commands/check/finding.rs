//! What a check found.

use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    /// Something to know of, or something that could not be found out.
    Warning,
    /// Something that does not work.
    Failed,
}

impl Verdict {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// One line of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    /// What was looked at.
    pub(super) subject: String,
    /// What was found, and what to do about it.
    pub(super) message: String,
}

impl Finding {
    pub(super) fn new(verdict: Verdict, subject: &str, message: impl Into<String>) -> Self {
        Self {
            verdict,
            subject: subject.to_owned(),
            message: message.into(),
        }
    }

    pub(super) fn ok(subject: &str, message: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, subject, message)
    }

    pub(super) fn warning(subject: &str, message: impl Into<String>) -> Self {
        Self::new(Verdict::Warning, subject, message)
    }

    pub(super) fn failed(subject: &str, message: impl Into<String>) -> Self {
        Self::new(Verdict::Failed, subject, message)
    }
}
