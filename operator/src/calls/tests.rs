//! Long calls against an agent that answers as told.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use casskop_jolokia::{ByteStream, Dial, Dialling, JolokiaClient};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::*;

/// What the agent does with a request.
enum Reply {
    Answer(Value),
    Fail(&'static str),
    HangUp,
    Never,
}

/// An agent behind an in-memory connection; notes the keyspaces it was asked to work on.
#[derive(Clone)]
struct Agent {
    replies: Arc<dyn Fn(&Value) -> Reply + Send + Sync>,
    asked: Arc<Mutex<Vec<String>>>,
    refusals: Arc<AtomicUsize>,
}

impl Agent {
    fn new(replies: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Self {
        Self {
            replies: Arc::new(replies),
            asked: Arc::default(),
            refusals: Arc::default(),
        }
    }

    /// Two keyspaces to work on, each with `reply`.
    fn working(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::new(move |request| match request["attribute"].as_str() {
            Some("NonLocalStrategyKeyspaces" | "Keyspaces") => Reply::Answer(json!(["shop", "auth"])),
            _ => reply(keyspace(request)),
        })
    }

    fn asked(&self) -> Vec<String> {
        lock(&self.asked).clone()
    }

    async fn respond(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
        let body = request
            .into_body()
            .collect()
            .await
            .map_err(io::Error::other)?
            .to_bytes();
        let request: Value = serde_json::from_slice(&body)?;
        if request["type"] == "exec" || request["type"] == "EXEC" {
            lock(&self.asked).push(keyspace(&request).to_owned());
        }
        let answer = match (self.replies)(&request) {
            Reply::Answer(value) => {
                json!({ "request": request, "value": value, "status": 200, "timestamp": 1 })
            }
            Reply::Fail(message) => json!({
                "request": request, "status": 500, "error_type": "java.lang.RuntimeException",
                "error": format!("java.lang.RuntimeException : {message}"), "stacktrace": "",
            }),
            Reply::HangUp => return Err(io::Error::other("hanging up")),
            Reply::Never => std::future::pending().await,
        };
        Ok(Response::new(Full::new(Bytes::from(answer.to_string()))))
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
                Ok::<_, Infallible>(())
            });
            Ok(Box::new(ours) as Box<dyn ByteStream>)
        })
    }
}

struct Bench {
    calls: Calls,
    woken: mpsc::UnboundedReceiver<ClusterId>,
    metrics: Arc<Metrics>,
}

impl Bench {
    fn new() -> Self {
        let (wake, woken) = mpsc::unbounded_channel();
        let metrics = Arc::new(Metrics::default());
        Self {
            calls: Calls::new(wake, &metrics),
            woken,
            metrics,
        }
    }

    fn start(&self, record: &str, agent: &Agent, call: NodeCall) -> Result<(), Failure> {
        let node = Node::new(JolokiaClient::new(agent.clone()), &self.metrics);
        self.calls.start(&demo(), &key(record), node, call)
    }

    /// The states the call goes through, each of which wakes the cluster.
    async fn states(&mut self, record: &str) -> Vec<CallState> {
        let mut states = Vec::new();
        while !states
            .last()
            .is_some_and(|state| !matches!(state, CallState::Running { .. }))
        {
            assert_eq!(self.woken.recv().await, Some(demo()));
            states.push(self.calls.states(&demo())[&key(record)].clone());
        }
        states
    }
}

fn demo() -> ClusterId {
    ClusterId::new("ns", "demo")
}

fn key(record: &str) -> CallKey {
    CallKey {
        pod_uid: "pod-1".to_owned(),
        record: record.to_owned(),
        attempt: 1,
    }
}

fn cleanup(skip: &[&str]) -> NodeCall {
    NodeCall::Cleanup {
        threads: 0,
        skip: skip.iter().map(|keyspace| (*keyspace).to_owned()).collect(),
    }
}

fn done(keyspaces: &[&str]) -> Vec<String> {
    keyspaces.iter().map(|keyspace| (*keyspace).to_owned()).collect()
}

#[tokio::test]
async fn a_cleanup_does_every_keyspace_in_order_and_tells_how_far_it_is() {
    let mut bench = Bench::new();
    let agent = Agent::working(|_| Reply::Answer(json!(0)));
    bench.start("a", &agent, cleanup(&[])).unwrap();
    let states = bench.states("a").await;
    assert_eq!(
        states.last(),
        Some(&CallState::Succeeded {
            keyspaces_done: done(&["auth", "shop"])
        })
    );
    assert_eq!(agent.asked(), ["auth", "shop"]);
    bench.calls.forget(&demo(), &key("a"));
    assert!(bench.calls.states(&demo()).is_empty());
}

#[tokio::test]
async fn what_an_earlier_attempt_did_is_not_done_again() {
    let mut bench = Bench::new();
    let agent = Agent::working(|_| Reply::Answer(json!(0)));
    bench.start("a", &agent, cleanup(&["auth"])).unwrap();
    let states = bench.states("a").await;
    assert_eq!(
        states,
        [CallState::Succeeded {
            keyspaces_done: done(&["auth", "shop"])
        }]
    );
    assert_eq!(agent.asked(), ["shop"]);
}

#[tokio::test]
async fn what_the_node_refuses_has_failed() {
    let mut bench = Bench::new();
    let agent = Agent::working(|keyspace| match keyspace {
        "shop" => Reply::Fail("no space left"),
        _ => Reply::Answer(json!(0)),
    });
    bench.start("a", &agent, cleanup(&[])).unwrap();
    let states = bench.states("a").await;
    let Some(CallState::Failed {
        keyspaces_done,
        reason,
    }) = states.last()
    else {
        panic!("{states:?}")
    };
    assert_eq!(*keyspaces_done, done(&["auth"]));
    assert!(reason.contains("no space left"), "{reason}");
}

#[tokio::test]
async fn a_cleanup_the_node_aborted_is_not_taken_for_done() {
    let mut bench = Bench::new();
    bench
        .start("a", &Agent::working(|_| Reply::Answer(json!(1))), cleanup(&[]))
        .unwrap();
    let states = bench.states("a").await;
    assert!(matches!(&states[..], [CallState::Failed { .. }]), "{states:?}");
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_the_outcome_unknown() {
    let mut bench = Bench::new();
    let agent = Agent::new(|_| Reply::HangUp);
    bench
        .start(
            "a",
            &agent,
            NodeCall::Rebuild {
                from_dc: "dc1".to_owned(),
            },
        )
        .unwrap();
    let states = bench.states("a").await;
    assert!(matches!(&states[..], [CallState::Lost { .. }]), "{states:?}");
    assert_eq!(agent.asked(), ["dc1"], "asked once: the first may be running");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_opened_is_tried_again() {
    let mut bench = Bench::new();
    let agent = Agent::working(|_| Reply::Answer(Value::Null));
    agent.refusals.store(3, Ordering::Relaxed);
    bench
        .start(
            "a",
            &agent,
            NodeCall::Rebuild {
                from_dc: "dc1".to_owned(),
            },
        )
        .unwrap();
    let states = bench.states("a").await;
    assert!(matches!(&states[..], [CallState::Succeeded { .. }]), "{states:?}");
    assert_eq!(agent.asked(), ["dc1"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stays_away_fails_the_call_for_certain() {
    let mut bench = Bench::new();
    let agent = Agent::working(|_| Reply::Answer(Value::Null));
    agent.refusals.store(usize::MAX, Ordering::Relaxed);
    bench
        .start(
            "a",
            &agent,
            NodeCall::Rebuild {
                from_dc: "dc1".to_owned(),
            },
        )
        .unwrap();
    let states = bench.states("a").await;
    assert!(matches!(&states[..], [CallState::Failed { .. }]), "{states:?}");
}

#[tokio::test]
async fn the_same_call_starts_once_and_a_node_has_two_at_most() {
    let bench = Bench::new();
    let agent = Agent::new(|_| Reply::Never);
    let rebuild = || NodeCall::Rebuild {
        from_dc: "dc1".to_owned(),
    };
    bench.start("a", &agent, rebuild()).unwrap();
    bench.start("a", &agent, rebuild()).unwrap();
    assert_eq!(bench.calls.states(&demo()).len(), 1);
    bench.start("b", &agent, rebuild()).unwrap();
    let refused = bench.start("c", &agent, rebuild()).unwrap_err();
    assert_eq!(refused.category(), "conflict");
    assert!(bench.metrics.exposition().contains("casskop_running_calls 2\n"));
}

#[tokio::test]
async fn calls_of_a_cluster_that_is_gone_are_dropped() {
    let bench = Bench::new();
    bench
        .start(
            "a",
            &Agent::new(|_| Reply::Never),
            NodeCall::Rebuild {
                from_dc: "dc1".to_owned(),
            },
        )
        .unwrap();
    bench.calls.abandon(&demo());
    assert!(bench.calls.states(&demo()).is_empty());
}
