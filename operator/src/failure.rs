//! Why a pass, or a step of it, failed.

use kube::core::response::reason;

/// Why a step failed. Every message names the object.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The object is not as it was when observed: look again.
    #[error("{0}")]
    Conflict(String),
    /// The API server does not let us.
    #[error("{0}; compare the operator's Role with operator/deploy/")]
    Forbidden(String),
    /// The API server refuses the content.
    #[error("{0}")]
    Invalid(String),
    /// The API server does not let the ring be recorded. The rest of a plan can do without, and is planned again: no pass
    /// fails of it.
    #[error("{0}")]
    RecordRefused(String),
    /// The object is not there.
    #[error("{0}")]
    NotFound(String),
    /// It took too long.
    #[error("{0}")]
    Timeout(String),
    /// The API server failed, or cannot be reached.
    #[error("{0}")]
    ApiServer(String),
    /// The lease has passed, or may pass, to another operator.
    #[error("the leader lease is not held any more")]
    NotLeading,
}

impl Failure {
    /// What the API server, or the way to it, answered about `object`.
    pub fn of_api(object: impl std::fmt::Display, error: kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::ApiServer(format!(
                "{object}: the API server cannot be asked: {}",
                innermost(&error)
            ));
        };
        let text = format!("{object}: {}", status.message);
        match (status.code, status.reason.as_str()) {
            // "Already exists" is a conflict too: what was observed did not have the object.
            (409, _) => Self::Conflict(text),
            (401 | 403, _) => Self::Forbidden(text),
            (404, _) => Self::NotFound(text),
            (400 | 422, _) => Self::Invalid(text),
            (_, reason::TIMEOUT | reason::SERVER_TIMEOUT) => Self::Timeout(text),
            _ => Self::ApiServer(text),
        }
    }

    /// The kind of failure, for metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "conflict",
            Self::Forbidden(_) => "forbidden",
            Self::Invalid(_) => "invalid",
            Self::RecordRefused(_) => "record_refused",
            Self::NotFound(_) => "not_found",
            Self::Timeout(_) => "timeout",
            Self::ApiServer(_) => "api_server",
            Self::NotLeading => "not_leading",
        }
    }
}

/// The error at the end of the chain says what happened ("connection refused"); those before it say "service error".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;
    use rstest::rstest;

    #[rstest]
    #[case(409, "AlreadyExists", "conflict")]
    #[case(409, "Conflict", "conflict")]
    #[case(403, "Forbidden", "forbidden")]
    #[case(404, "NotFound", "not_found")]
    #[case(422, "Invalid", "invalid")]
    #[case(504, "Timeout", "timeout")]
    #[case(500, "InternalError", "api_server")]
    fn answers_have_a_category(#[case] code: u16, #[case] reason: &str, #[case] category: &str) {
        let status = Status::failure("no", reason).with_code(code).boxed();
        let failure = Failure::of_api("pod demo-dc1-rack1-0", kube::Error::Api(status));
        assert_eq!(failure.category(), category);
        assert!(
            failure.to_string().starts_with("pod demo-dc1-rack1-0: no"),
            "{failure}"
        );
    }
}
