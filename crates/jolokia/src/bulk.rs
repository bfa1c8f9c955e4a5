//! Several requests in one HTTP round trip.

use serde_json::Value;

use crate::call::Call;
use crate::error::CallError;
use crate::request::Request;

/// Requests that go out together.
///
/// Jolokia works on them one after the other in one of its five threads and answers each for itself.
/// Only prompt calls belong in a bulk: one that blocks would hold the others' answers back.
#[derive(Clone, Debug, Default)]
pub struct Bulk {
    requests: Vec<Request>,
}

impl Bulk {
    /// Nothing asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a call.
    #[must_use]
    pub fn ask<T>(mut self, call: &Call<T>) -> Self {
        self.requests.push(call.request().clone());
        self
    }

    /// The body of the POST: a list of requests.
    pub fn to_json(&self) -> Value {
        self.requests.iter().map(Request::to_json).collect()
    }

    /// Pairs Jolokia's list of answers, which is in the order of the requests, with what was asked.
    ///
    /// # Errors
    /// [`CallError::Malformed`] when it is not a list of as many answers as there are requests.
    pub fn parse(self, answers: Value) -> Result<Answers, CallError> {
        let malformed = |reason: String| CallError::Malformed {
            call: "bulk request",
            reason,
        };
        match answers {
            Value::Array(answers) if answers.len() == self.requests.len() => Ok(Answers {
                pairs: self.requests.into_iter().zip(answers).collect(),
            }),
            Value::Array(answers) => Err(malformed(format!(
                "{} answers to {} requests",
                answers.len(),
                self.requests.len()
            ))),
            _ => Err(malformed("not a list of answers".into())),
        }
    }
}

/// The answers to a [`Bulk`].
#[derive(Clone, Debug)]
pub struct Answers {
    pairs: Vec<(Request, Value)>,
}

impl Answers {
    /// The answer to `call`.
    ///
    /// # Errors
    /// What [`Call::parse`] says of it; [`CallError::Malformed`] when the bulk did not ask it.
    pub fn to<T>(&self, call: &Call<T>) -> Result<T, CallError> {
        match self.pairs.iter().find(|(request, _)| request == call.request()) {
            Some((_, answer)) => call.parse(answer),
            None => Err(CallError::Malformed {
                call: call.request().name(),
                reason: "was not asked".into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Category;
    use crate::storage_service::{keyspaces, operation_mode, release_version};
    use serde_json::json;

    #[test]
    fn each_call_finds_its_own_answer() {
        let bulk = Bulk::new().ask(&operation_mode()).ask(&release_version());
        let answers =
            json!([{"status": 200, "value": "NORMAL"}, {"status": 404, "error": "gone", "error_type": "x"}]);
        let answers = bulk.parse(answers).unwrap();
        assert_eq!(answers.to(&operation_mode()).unwrap().to_string(), "NORMAL");
        assert_eq!(
            answers.to(&release_version()).unwrap_err().category(),
            Category::Missing
        );
        assert_eq!(
            answers.to(&keyspaces()).unwrap_err().category(),
            Category::Malformed
        );
    }

    #[test]
    fn a_missing_answer_is_not_guessed() {
        for answers in [json!([]), json!({"status": 200, "value": "NORMAL"})] {
            let error = Bulk::new().ask(&operation_mode()).parse(answers).unwrap_err();
            assert_eq!(error.category(), Category::Malformed);
        }
    }
}
