//! Sends calls to one node and reads the answers.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use serde_json::Value;
use tokio::time::timeout;

use crate::bulk::{Answers, Bulk};
use crate::call::{Call, Pace};
use crate::dial::{ByteStream, Dial, TcpDial};
use crate::error::CallError;
use crate::http_exchange::{Exchanged, post};
use crate::node_status::NodeStatus;

/// Talks to the Jolokia agent of one node.
#[derive(Clone)]
pub struct JolokiaClient {
    dial: Arc<dyn Dial>,
    authorization: Option<HeaderValue>,
    limits: TimeLimits,
}

/// How long the client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// For the connection.
    pub connect: Duration,
    /// For the answer to prompt calls, counted from the connection. Blocking calls have none.
    pub answer: Duration,
}

impl Default for TimeLimits {
    /// Two seconds to connect; ten to answer, since a node in a long garbage collection is slow, not gone.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            answer: Duration::from_secs(10),
        }
    }
}

/// User and password of the agent (HTTP basic). Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Key `username` of the Jolokia secret.
    pub username: String,
    /// Key `password` of the Jolokia secret.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(redacted)")
    }
}

impl Credentials {
    fn header(&self) -> Option<HeaderValue> {
        let token = STANDARD.encode(format!("{}:{}", self.username, self.password));
        // Base64 holds no character a header cannot: this never is `None`.
        let mut header = HeaderValue::try_from(format!("Basic {token}")).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

impl JolokiaClient {
    /// Reaches the agent through `dial`, without credentials and with the default time limits.
    pub fn new(dial: impl Dial + 'static) -> Self {
        Self {
            dial: Arc::new(dial),
            authorization: None,
            limits: TimeLimits::default(),
        }
    }

    /// Reaches the agent at `address`.
    pub fn at(address: SocketAddr) -> Self {
        Self::new(TcpDial(address))
    }

    /// The same with `credentials`; `None` for an agent that asks for none.
    #[must_use]
    pub fn with_credentials(mut self, credentials: Option<&Credentials>) -> Self {
        self.authorization = credentials.and_then(Credentials::header);
        self
    }

    /// The same with other time limits.
    #[must_use]
    pub fn with_limits(mut self, limits: TimeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Makes one call.
    ///
    /// A blocking call ends when the node answers or the connection breaks. Dropping the future closes the
    /// connection; the node goes on with the work.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call<T>(&self, call: &Call<T>) -> Result<T, CallError> {
        let request = call.request();
        call.parse(
            &self
                .exchange(request.name(), &request.to_json(), call.pace())
                .await?,
        )
    }

    /// Asks several prompt calls in one round trip.
    ///
    /// # Errors
    /// See [`CallError`]; errors of single calls are inside the [`Answers`].
    pub async fn ask(&self, bulk: Bulk) -> Result<Answers, CallError> {
        let answers = self
            .exchange("bulk request", &bulk.to_json(), Pace::Prompt)
            .await?;
        bulk.parse(answers)
    }

    /// Reads the node's status in one round trip.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn status(&self) -> Result<NodeStatus, CallError> {
        NodeStatus::parse(&self.ask(NodeStatus::question()).await?)
    }

    async fn exchange(&self, call: &'static str, body: &Value, pace: Pace) -> Result<Value, CallError> {
        let stream = self.connect().await?;
        let target = self.dial.to_string();
        let exchange = post(stream, self.authorization.clone(), body.to_string().into_bytes());
        let exchanged = match pace {
            Pace::Blocking => exchange.await,
            Pace::Prompt => match timeout(self.limits.answer, exchange).await {
                Ok(exchanged) => exchanged,
                Err(_) => {
                    return Err(CallError::Timeout {
                        target,
                        limit: self.limits.answer,
                    });
                }
            },
        };
        match exchanged {
            Ok(Exchanged { status: 200, body }) => {
                serde_json::from_slice(&body).map_err(|error| CallError::Malformed {
                    call,
                    reason: format!("not json: {error}"),
                })
            }
            Ok(Exchanged {
                status: status @ (401 | 403),
                ..
            }) => Err(CallError::Unauthorized { target, status }),
            Ok(Exchanged { status, .. }) => Err(CallError::Http { target, status }),
            Err(reason) => Err(CallError::Lost { target, reason }),
        }
    }

    async fn connect(&self) -> Result<Box<dyn ByteStream>, CallError> {
        let connected = match timeout(self.limits.connect, self.dial.dial()).await {
            Ok(connected) => connected,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no connection in time")),
        };
        connected.map_err(|source| CallError::Unreachable {
            target: self.dial.to_string(),
            source,
        })
    }
}

impl fmt::Debug for JolokiaClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JolokiaClient")
            .field("target", &self.dial.to_string())
            .field("credentials", &self.authorization.as_ref().map(|_| "redacted"))
            .field("limits", &self.limits)
            .finish()
    }
}
