//! A Jolokia agent for tests, behind an in-memory connection.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use casskop_jolokia::{ByteStream, Dial, Dialling};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

/// What the agent does with a request.
pub(crate) enum Reply {
    Answer(Value),
    Fail(&'static str),
    HangUp,
    Never,
}

/// An agent that answers as told, and notes what it was asked.
#[derive(Clone)]
pub(crate) struct Agent {
    replies: Arc<dyn Fn(&Value) -> Reply + Send + Sync>,
    asked: Arc<Mutex<Vec<Value>>>,
    refusals: Arc<AtomicUsize>,
}

impl Agent {
    pub(crate) fn new(replies: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Self {
        Self {
            replies: Arc::new(replies),
            asked: Arc::default(),
            refusals: Arc::default(),
        }
    }

    /// Two keyspaces to work on, each with `reply`.
    pub(crate) fn working(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::new(move |request| match request["attribute"].as_str() {
            Some("NonLocalStrategyKeyspaces" | "Keyspaces") => Reply::Answer(json!(["shop", "auth"])),
            _ => reply(keyspace(request)),
        })
    }

    /// The next connections are refused, so many of them.
    pub(crate) fn refuse(&self, connections: usize) {
        self.refusals.store(connections, Ordering::Relaxed);
    }

    /// What it was asked, those of a list one by one.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first text among the arguments of each operation it was asked for.
    pub(crate) fn worked_on(&self) -> Vec<String> {
        let executed = |request: &Value| request["type"] == "exec";
        let requests = self.requests();
        let executed = requests.iter().filter(|request| executed(request));
        executed.map(|request| keyspace(request).to_owned()).collect()
    }

    async fn respond(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
        let body = request
            .into_body()
            .collect()
            .await
            .map_err(io::Error::other)?
            .to_bytes();
        let answer = match serde_json::from_slice(&body)? {
            Value::Array(requests) => {
                let mut answers = Vec::new();
                for request in requests {
                    answers.push(self.answer(request).await?);
                }
                Value::Array(answers)
            }
            request => self.answer(request).await?,
        };
        Ok(Response::new(Full::new(Bytes::from(answer.to_string()))))
    }

    async fn answer(&self, request: Value) -> Result<Value, io::Error> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(request.clone());
        match (self.replies)(&request) {
            Reply::Answer(value) => {
                Ok(json!({ "request": request, "value": value, "status": 200, "timestamp": 1 }))
            }
            Reply::Fail(message) => Ok(json!({
                "request": request, "status": 500, "error_type": "java.lang.RuntimeException",
                "error": format!("java.lang.RuntimeException : {message}"), "stacktrace": "",
            })),
            Reply::HangUp => Err(io::Error::other("hanging up")),
            Reply::Never => std::future::pending().await,
        }
    }
}

fn keyspace(request: &Value) -> &str {
    let mut arguments = request["arguments"].as_array().into_iter().flatten();
    arguments.find_map(Value::as_str).unwrap_or_default()
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("agent")
    }
}

impl Dial for Agent {
    fn dial(&self) -> Dialling<'_> {
        Box::pin(async {
            if self.refusals.load(Ordering::Relaxed) > 0 {
                self.refusals.fetch_sub(1, Ordering::Relaxed);
                return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
            }
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            let agent = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| agent.clone().respond(request));
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(theirs), service);
                // An error is what a hung up connection is.
                let _ = served.await;
            });
            Ok(Box::new(ours) as Box<dyn ByteStream>)
        })
    }
}
