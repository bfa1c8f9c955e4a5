//! The agent over HTTP, as its clients meet it.

mod traces;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Agent, Identity, serve};
use crate::calls::{CallLog, CallOutcome, CallQuery};
use crate::names::{ClusterId, PodId};
use crate::ring::{Boot, HostId, Keyspace, Location, NUM_TOKENS, OperationMode, Release, Replication, Ring};
use crate::steering::{CallPattern, CallRule, Credentials, Ending, Scope, Span};
use crate::world::{Waiting, World};

const STORAGE_SERVICE: &str = "org.apache.cassandra.db:type=StorageService";
const COMPACTION: &str = "forceKeyspaceCompaction(boolean,java.lang.String,[Ljava.lang.String;)";
const CLEANUP: &str = "forceKeyspaceCleanup(int,java.lang.String,[Ljava.lang.String;)";

/// A node of a ring, and its agent.
struct Node {
    world: Arc<World>,
    cluster: ClusterId,
    pod: PodId,
    host: HostId,
    address: SocketAddr,
    agent: Arc<Agent>,
    ended: CancellationToken,
}

impl Node {
    async fn start(release: Release, credentials: Option<Credentials>) -> Self {
        let mut ring = Ring::new("demo");
        for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
            let location = Location {
                dc: "dc1".to_owned(),
                rack: format!("rack{}", number + 1),
            };
            let boot = Boot {
                host: HostId::of_disk(name),
                address: format!("127.7.4.{}", number + 1).parse().expect("an address"),
                location,
                release,
                num_tokens: NUM_TOKENS,
                replace: None,
            };
            ring.boot(boot).expect("it starts");
            ring.finish_joining(HostId::of_disk(name));
        }
        ring.put_keyspace("ks1", Keyspace::full(Replication::by_dc([("dc1", 3)])));
        Self::of(ring, HostId::of_disk("a"), credentials).await
    }

    /// The agent of one node of a ring.
    async fn of(ring: Ring, host: HostId, credentials: Option<Credentials>) -> Self {
        let world = Arc::new(World::new());
        let cluster = ClusterId::new("ns", "demo");
        world.change_ring(&cluster, |empty| *empty = ring);
        let pod = PodId::new("ns", "demo-dc1-rack1-0");
        let identity = Identity {
            pod: pod.clone(),
            pod_uid: "uid".to_owned(),
            cluster: cluster.clone(),
            host,
        };
        let ended = CancellationToken::new();
        let agent = Arc::new(Agent::new(
            Arc::clone(&world),
            identity,
            credentials,
            ended.clone(),
        ));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(serve(listener, Arc::clone(&agent)));
        Self {
            world,
            cluster,
            pod,
            host,
            address,
            agent,
            ended,
        }
    }

    async fn five() -> Self {
        Self::start(Release::new(5, 0, 6), None).await
    }

    async fn post(&self, body: &Value) -> Value {
        let (status, answer) = self.send(body, None).await.expect("an answer");
        assert_eq!(status, StatusCode::OK);
        answer
    }

    async fn send(&self, body: &Value, user: Option<&str>) -> Option<(StatusCode, Value)> {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::post(format!("http://{}/jolokia/", self.address));
        if let Some(user) = user {
            request = request.header(
                header::AUTHORIZATION,
                format!("Basic {}", BASE64_STANDARD.encode(user)),
            );
        }
        let request = request
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a request");
        let response = client.request(request).await.ok()?;
        let status = response.status();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    async fn read(&self, attribute: &str) -> Value {
        self.post(&json!({"type": "read", "mbean": STORAGE_SERVICE, "attribute": attribute}))
            .await
    }

    async fn exec(&self, operation: &str, arguments: &Value) -> Value {
        self.post(&exec(operation, arguments)).await
    }

    fn rule(&self, name: &str, takes: Span, ends: Ending, times: Option<u32>) {
        let calls = CallPattern::named(name);
        let rule = CallRule {
            scope: Scope::Everywhere,
            calls,
            takes,
            ends,
            times,
        };
        self.world.change(|state| state.steering.add_rule(rule));
    }

    fn release(&self, name: &str) {
        self.world.release(
            Scope::Pod(self.pod.clone()),
            Waiting::Call {
                name: Some(name.to_owned()),
            },
        );
    }

    fn log(&self, name: &str) -> CallLog {
        self.world
            .look(|state| state.calls.select(&CallQuery::of(self.cluster.clone(), name)))
    }

    /// Returns once so many calls of a name are in flight, or have been.
    async fn called(&self, name: &str, times: usize) {
        self.until(|node| node.log(name).len() >= times).await;
    }

    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        let mut changes = self.world.watch();
        let waited = tokio::time::timeout(Duration::from_secs(20), changes.wait_for(|_| holds(self))).await;
        waited.expect("in time").expect("the world goes on");
    }
}

fn exec(operation: &str, arguments: &Value) -> Value {
    json!({"type": "exec", "mbean": STORAGE_SERVICE, "operation": operation, "arguments": arguments})
}

fn cleanup() -> Value {
    exec(CLEANUP, &json!([0, "ks1", []]))
}

#[tokio::test]
async fn a_read_repeats_the_request_and_carries_value_and_status() {
    let node = Node::five().await;
    let answer = node.read("OperationMode").await;
    assert_eq!(answer["value"], "NORMAL");
    assert_eq!(answer["status"], 200);
    let request = json!({"mbean": STORAGE_SERVICE, "attribute": "OperationMode", "type": "read"});
    assert_eq!(answer["request"], request);
    assert!(answer["timestamp"].is_u64(), "{answer}");
    assert_eq!(node.log("OperationMode").len(), 1);
}

#[tokio::test]
async fn several_requests_are_answered_in_order() {
    let node = Node::five().await;
    let one = |attribute: &str| json!({"type": "READ", "mbean": STORAGE_SERVICE, "attribute": attribute});
    let answers = node
        .post(&json!([one("LiveNodes"), one("NoSuch"), one("ReleaseVersion")]))
        .await;
    let mut live: Vec<_> = answers[0]["value"].as_array().into_iter().flatten().collect();
    live.sort_by_key(ToString::to_string);
    assert_eq!(live, ["127.7.4.1", "127.7.4.2", "127.7.4.3"]);
    assert_eq!(answers[1]["status"], 404);
    assert_eq!(
        answers[1]["error_type"],
        "javax.management.AttributeNotFoundException"
    );
    assert_eq!(answers[2]["value"], "5.0.6");
}

#[tokio::test]
async fn the_host_id_map_is_gone_in_5_0() {
    let five = Node::five().await;
    assert_eq!(five.read("HostIdMap").await["status"], 404);
    assert_eq!(
        five.read("EndpointToHostId").await["value"]["127.7.4.1"],
        five.host.to_string()
    );
    let four = Node::start(Release::new(4, 1, 10), None).await;
    assert_eq!(
        four.read("HostIdMap").await["value"]["127.7.4.1"],
        four.host.to_string()
    );
}

#[tokio::test]
async fn operations_have_the_signatures_of_their_release() {
    let five = Node::five().await;
    let overloaded = five.exec("forceKeyspaceCleanup", &json!([0, "ks1", []])).await;
    assert_eq!(overloaded["status"], 400);
    assert!(
        overloaded["error"]
            .as_str()
            .is_some_and(|error| error.contains("is overloaded")),
        "{overloaded}"
    );
    let old = five.exec("decommission", &json!([])).await;
    assert_eq!(old["status"], 400);
    let wanted = "requires 1 parameters, not 0 as given";
    assert!(
        old["error"].as_str().is_some_and(|error| error.contains(wanted)),
        "{old}"
    );
    let unknown = five.exec("rebuild(int)", &json!([1])).await;
    assert_eq!(unknown["status"], 400);
}

#[tokio::test]
async fn refusals_come_as_exceptions_with_http_200() {
    let node = Node::five().await;
    let refused = node.exec("decommission(boolean)", &json!([false])).await;
    assert_eq!(refused["status"], 500);
    assert_eq!(refused["error_type"], "java.lang.UnsupportedOperationException");
    let error = refused["error"].as_str().unwrap_or_default();
    assert!(
        error.contains("Not enough live nodes to maintain replication factor"),
        "{error}"
    );
    assert!(refused["stacktrace"].is_string());
    let unknown_dc = node.exec("rebuild(java.lang.String)", &json!(["dc9"])).await;
    assert_eq!(unknown_dc["status"], 400);
    let log = node.log("decommission");
    assert!(matches!(log.records()[0].outcome, CallOutcome::Failed(_)));
}

#[tokio::test]
async fn a_blocking_call_shows_while_it_runs_and_answers_when_it_is_done() {
    let node = Node::five().await;
    node.rule("forceKeyspaceCleanup", Span::UntilReleased, Ending::Normal, None);
    let body = cleanup();
    let (answer, ()) = tokio::join!(node.post(&body), async {
        node.called("forceKeyspaceCleanup", 1).await;
        let compactions = json!({"type": "read", "mbean": "org.apache.cassandra.db:type=CompactionManager",
            "attribute": "Compactions"});
        // The call is logged a moment before the ring has it.
        node.until(|node| {
            node.world
                .look(|state| state.clusters[&node.cluster].ring.calls().count() == 1)
        })
        .await;
        assert_eq!(node.post(&compactions).await["value"][0]["taskType"], "Cleanup");
        let threads = json!({"type": "exec", "mbean": "com.sun.management:type=DiagnosticCommand",
            "operation": "threadPrint([Ljava.lang.String;)", "arguments": [[]]});
        let dump = node.post(&threads).await["value"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(
            dump.contains("at org.apache.cassandra.service.StorageService.forceKeyspaceCleanup("),
            "{dump}"
        );
        node.release("forceKeyspaceCleanup");
    });
    assert_eq!(answer["value"], 0);
    assert_eq!(node.log("forceKeyspaceCleanup").max_concurrent_on_a_pod(), 1);
}

#[tokio::test]
async fn a_call_outlives_the_client_that_made_it() {
    let node = Node::five().await;
    node.rule("forceKeyspaceCleanup", Span::UntilReleased, Ending::Normal, None);
    let body = cleanup();
    tokio::select! {
        answer = node.send(&body, None) => panic!("nothing was released, and yet {answer:?}"),
        () = node.called("forceKeyspaceCleanup", 1) => {}
    }
    // The client is gone: its future was dropped.
    assert_eq!(
        node.log("forceKeyspaceCleanup").records()[0].outcome,
        CallOutcome::InFlight
    );
    // Only what already waits can be released; asking for the mode costs nothing and comes after the call's start.
    node.until(|node| {
        node.world
            .look(|state| state.clusters[&node.cluster].ring.calls().count() == 1)
    })
    .await;
    tokio::task::yield_now().await;
    node.release("forceKeyspaceCleanup");
    node.until(|node| node.log("forceKeyspaceCleanup").records()[0].outcome == CallOutcome::Done)
        .await;
}

#[tokio::test]
async fn a_sixth_request_waits_for_one_of_five_threads() {
    let node = Arc::new(Node::five().await);
    node.rule(
        "forceKeyspaceCompaction",
        Span::UntilReleased,
        Ending::Normal,
        None,
    );
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let node = Arc::clone(&node);
        calls.spawn(async move { node.post(&exec(COMPACTION, &json!([false, "ks1", []]))).await });
    }
    node.until(|node| {
        node.world
            .look(|state| state.clusters[&node.cluster].ring.calls().count() == 5)
    })
    .await;
    let sixth = node.agent.thread();
    let mut sixth = std::pin::pin!(sixth);
    assert!(
        futures::poll!(&mut sixth).is_pending(),
        "no thread takes the request up"
    );
    node.release("forceKeyspaceCompaction");
    assert!(sixth.await.is_ok());
    assert_eq!(calls.join_all().await.len(), 5);
    assert_eq!(node.log("forceKeyspaceCompaction").max_concurrent(), 5);
}

#[tokio::test]
async fn wrong_credentials_are_turned_away() {
    let credentials = Credentials {
        user: "jolokia".to_owned(),
        password: "right".to_owned(),
    };
    let node = Node::start(Release::new(5, 0, 6), Some(credentials)).await;
    let body = json!({"type": "read", "mbean": STORAGE_SERVICE, "attribute": "OperationMode"});
    for user in [None, Some("jolokia:wrong")] {
        let (status, _) = node.send(&body, user).await.expect("an answer");
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let (status, answer) = node.send(&body, Some("jolokia:right")).await.expect("an answer");
    assert_eq!((status, &answer["value"]), (StatusCode::OK, &json!("NORMAL")));
    let outcomes: Vec<_> = node
        .log("OperationMode")
        .records()
        .iter()
        .map(|call| call.outcome.clone())
        .collect();
    assert_eq!(
        outcomes,
        [
            CallOutcome::Unauthorized,
            CallOutcome::Unauthorized,
            CallOutcome::Done
        ]
    );
}

#[tokio::test]
async fn rules_make_calls_fail_a_number_of_times() {
    let node = Node::five().await;
    let broken = Ending::Exception {
        class: "java.io.IOException".to_owned(),
        message: "disk".to_owned(),
    };
    node.rule("forceKeyspaceCleanup", Span::AtOnce, broken, Some(2));
    for _ in 0..2 {
        let answer = node.post(&cleanup()).await;
        assert_eq!(answer["error"], "java.io.IOException : disk");
    }
    assert_eq!(node.post(&cleanup()).await["value"], 0);
    node.rule("OperationMode", Span::AtOnce, Ending::HttpStatus(503), Some(1));
    let read = json!({"type": "read", "mbean": STORAGE_SERVICE, "attribute": "OperationMode"});
    assert_eq!(
        node.send(&read, None).await.map(|(status, _)| status),
        Some(StatusCode::SERVICE_UNAVAILABLE)
    );
    node.rule("OperationMode", Span::AtOnce, Ending::Disconnect, Some(1));
    assert_eq!(node.send(&read, None).await, None, "the connection was cut");
    node.rule(
        "OperationMode",
        Span::AtOnce,
        Ending::Value("JOINING".into()),
        Some(1),
    );
    assert_eq!(node.post(&read).await["value"], "JOINING");
    assert_eq!(node.post(&read).await["value"], "NORMAL");
}

#[tokio::test]
async fn a_cut_connection_does_not_stop_the_work() {
    let node = Node::five().await;
    node.rule("decommission", Span::AtOnce, Ending::Disconnect, None);
    assert_eq!(
        node.send(&exec("decommission(boolean)", &json!([true])), None)
            .await,
        None
    );
    node.until(|node| {
        let mode = |state: &crate::world::State| {
            state.clusters[&node.cluster]
                .ring
                .node(node.host)
                .map(|node| node.mode)
        };
        node.world.look(mode) == Some(OperationMode::Decommissioned)
    })
    .await;
}

#[tokio::test]
async fn a_node_that_ends_refuses_connections() {
    let node = Node::five().await;
    node.ended.cancel();
    let read = json!({"type": "read", "mbean": STORAGE_SERVICE, "attribute": "OperationMode"});
    let refused = async {
        while node.send(&read, None).await.is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refused)
        .await
        .expect("refused in time");
}

#[tokio::test]
async fn probes_may_ask_by_path() {
    let node = Node::five().await;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let path = format!("http://{}/jolokia/read/{STORAGE_SERVICE}/LiveNodes", node.address);
    let request = Request::get(path).body(Full::default()).expect("a request");
    let response = client.request(request).await.expect("an answer");
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("127.7.4.1"));
}
