//! A request together with how its answer is read.

use serde_json::Value;

use crate::answer::value_of;
use crate::error::{CallError, Unexpected};
use crate::request::Request;

/// How long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Answered at once by a healthy node, so the client puts a time limit on it.
    Prompt,
    /// Answered when the work is done, which may take hours: the caller decides how long to wait, and
    /// dropping the call's future closes the connection. The work goes on inside the node all the same.
    Blocking,
}

/// One typed JMX call: what is sent and how the answer becomes a `T`.
#[derive(Clone, Debug)]
pub struct Call<T> {
    request: Request,
    pace: Pace,
    read: fn(&Value) -> Result<T, Unexpected>,
}

impl<T> Call<T> {
    /// Reads `attribute` of `mbean`.
    pub(crate) fn attribute(
        mbean: &'static str,
        attribute: &'static str,
        read: fn(&Value) -> Result<T, Unexpected>,
    ) -> Self {
        Self {
            request: Request::Read { mbean, attribute },
            pace: Pace::Prompt,
            read,
        }
    }

    /// Invokes `operation` (full signature) of `mbean`.
    pub(crate) fn operation(
        pace: Pace,
        mbean: &'static str,
        operation: &'static str,
        arguments: Vec<Value>,
        read: fn(&Value) -> Result<T, Unexpected>,
    ) -> Self {
        Self {
            request: Request::Exec {
                mbean,
                operation,
                arguments,
            },
            pace,
            read,
        }
    }

    /// The request as it goes out.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Whether the answer comes at once or when the work is done.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Reads Jolokia's whole answer to this call, the envelope included.
    ///
    /// # Errors
    /// [`CallError::Jolokia`] when the node refused or failed the call, [`CallError::Malformed`] when the
    /// answer is not of the expected form, [`CallError::NotDone`] when the node says it did not do it.
    pub fn parse(&self, answer: &Value) -> Result<T, CallError> {
        let value = value_of(answer).map_err(|error| error.named(self.request.name()))?;
        (self.read)(value).map_err(|unexpected| unexpected.into_error(self.request.name()))
    }
}
