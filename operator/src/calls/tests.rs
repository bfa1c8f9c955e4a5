//! Long calls against an agent that answers as told.

use casskop_jolokia::JolokiaClient;
use serde_json::{Value, json};

use super::*;
use crate::test_agent::{Agent, Reply};
use casskop_types::operation::TokenSpan;

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
    NodeCall::Tables {
        work: TableWork::Cleanup,
        options: TableOptions::default(),
        skip: skip.iter().map(|keyspace| (*keyspace).to_owned()).collect(),
    }
}

fn tables(work: TableWork, keyspace: Option<&str>) -> NodeCall {
    NodeCall::Tables {
        work,
        options: TableOptions {
            threads: Some(2),
            ..TableOptions::of_keyspace(keyspace.map(str::to_owned))
        },
        skip: Vec::new(),
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
    assert_eq!(agent.worked_on(), ["auth", "shop"]);
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
    assert_eq!(agent.worked_on(), ["shop"]);
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
    assert_eq!(agent.worked_on(), ["dc1"], "asked once: the first may be running");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_opened_is_tried_again() {
    let mut bench = Bench::new();
    let agent = Agent::working(|_| Reply::Answer(Value::Null));
    agent.refuse(3);
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
    assert_eq!(agent.worked_on(), ["dc1"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stays_away_fails_the_call_for_certain() {
    let mut bench = Bench::new();
    let agent = Agent::working(|_| Reply::Answer(Value::Null));
    agent.refuse(usize::MAX);
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

/// One of each, so that a new one is missed by the compiler.
fn one_of_each() -> [NodeCall; 13] {
    let all = [
        tables(TableWork::Cleanup, None),
        tables(TableWork::UpgradeSstables, None),
        tables(TableWork::Scrub, None),
        tables(TableWork::Compact, None),
        tables(TableWork::Flush, None),
        tables(TableWork::GarbageCollect, None),
        NodeCall::Rebuild {
            from_dc: "dc1".to_owned(),
        },
        NodeCall::ReloadSsl,
        NodeCall::Move {
            token: "-9".to_owned(),
        },
        NodeCall::RemoveNode {
            host_id: HOST_ID.to_owned(),
        },
        NodeCall::Drain,
        NodeCall::Decommission {
            replicas: Replicas::MustHold,
        },
        NodeCall::Decommission {
            replicas: Replicas::MayFall,
        },
    ];
    for call in &all {
        match call {
            NodeCall::Tables {
                work:
                    TableWork::Cleanup
                    | TableWork::UpgradeSstables
                    | TableWork::Scrub
                    | TableWork::Compact
                    | TableWork::Flush
                    | TableWork::GarbageCollect,
                ..
            }
            | NodeCall::Rebuild { .. }
            | NodeCall::ReloadSsl
            | NodeCall::Move { .. }
            | NodeCall::RemoveNode { .. }
            | NodeCall::Drain
            | NodeCall::Decommission { .. } => {}
        }
    }
    all
}

const HOST_ID: &str = "5e4fb5ad-1bf0-4ab8-9ac8-9a1ae6a0a3ff";

/// What the node is asked to do for each, and with what. A call that were not made, or that did not use what the node says
/// of itself, would be seen here.
#[tokio::test]
async fn every_call_asks_the_node_for_its_work() {
    let clean = "forceKeyspaceCleanup(int,java.lang.String,[Ljava.lang.String;)";
    let upgrade = "upgradeSSTables(java.lang.String,boolean,int,[Ljava.lang.String;)";
    let scrub = "scrub(boolean,boolean,boolean,boolean,int,java.lang.String,[Ljava.lang.String;)";
    let compact = "forceKeyspaceCompaction(boolean,java.lang.String,[Ljava.lang.String;)";
    let flush = "forceKeyspaceFlush(java.lang.String,[Ljava.lang.String;)";
    let collect = "garbageCollect(java.lang.String,int,java.lang.String,[Ljava.lang.String;)";
    let both = |work: &dyn Fn(&str) -> Value| vec![work("shop"), work("system")];
    let expected = [
        vec![json!([clean, [2, "shop", []]])],
        vec![
            json!([upgrade, ["shop", true, 2, []]]),
            json!([upgrade, ["system", true, 2, []]]),
        ],
        both(&|keyspace| json!([scrub, [false, false, true, false, 2, keyspace, []]])),
        both(&|keyspace| json!([compact, [false, keyspace, []]])),
        both(&|keyspace| json!([flush, [keyspace, []]])),
        both(&|keyspace| json!([collect, ["ROW", 2, keyspace, []]])),
        vec![json!(["rebuild(java.lang.String)", ["dc1"]])],
        vec![json!(["reloadSslCertificates()", []])],
        vec![json!(["move(java.lang.String)", ["-9"]])],
        vec![json!(["removeNode(java.lang.String)", [HOST_ID]])],
        vec![json!(["drain()", []])],
        vec![json!(["decommission(boolean)", [false]])],
        vec![json!(["decommission(boolean)", [true]])],
    ];
    for (call, expected) in one_of_each().into_iter().zip(expected) {
        let asked = executed(call.clone(), "4.1.10").await;
        assert_eq!(asked, expected, "{call:?}");
    }
    // Of one keyspace, where one is named.
    let only = executed(tables(TableWork::Compact, Some("auth")), "4.1.10").await;
    assert_eq!(only, [json!([compact, [false, "auth", []]])]);
    let options = |change: fn(&mut TableOptions)| {
        let mut options = TableOptions::of_keyspace(Some("auth".to_owned()));
        options.tables = vec!["roles".to_owned()];
        change(&mut options);
        options
    };
    let spelt = |start: &str, end: &str| TokenSpan {
        start: start.to_owned(),
        end: end.to_owned(),
    };
    let split: fn(&mut TableOptions) = |options| options.split_output = true;
    let roles = json!(["roles"]);
    let of_tokens = "forceKeyspaceCompactionForTokenRange(java.lang.String,java.lang.String,java.lang.String,[Ljava.lang.String;)";
    let all_flags: fn(&mut TableOptions) = |options| {
        options.no_snapshot = true;
        options.skip_corrupted = true;
        options.no_validate = true;
        options.threads = Some(0);
    };
    let tokens = TableOptions {
        tokens: Some(spelt("-9", "10")),
        ..options(|_| {})
    };
    for (work, options, expected) in [
        (
            TableWork::Scrub,
            options(all_flags),
            json!([scrub, [true, true, false, false, 0, "auth", roles]]),
        ),
        (
            TableWork::Compact,
            options(split),
            json!([compact, [true, "auth", roles]]),
        ),
        (
            TableWork::Compact,
            tokens,
            json!([of_tokens, ["auth", "-9", "10", roles]]),
        ),
        (TableWork::Flush, options(|_| {}), json!([flush, ["auth", roles]])),
        (
            TableWork::Cleanup,
            options(all_flags),
            json!([clean, [0, "auth", roles]]),
        ),
    ] {
        let call = NodeCall::Tables {
            work,
            options,
            skip: Vec::new(),
        };
        assert_eq!(executed(call, "4.1.10").await, [expected]);
    }
    // The version is the node's own.
    let [.., old] = one_of_each();
    assert_eq!(executed(old, "3.11.19").await, [json!(["decommission()", []])]);
}

/// The operations a node of that version is asked for.
async fn executed(call: NodeCall, version: &'static str) -> Vec<Value> {
    let mut bench = Bench::new();
    let agent = Agent::new(move |request| {
        Reply::Answer(match request["attribute"].as_str() {
            Some("NonLocalStrategyKeyspaces") => json!(["shop"]),
            Some("Keyspaces") => json!(["shop", "system"]),
            Some("ReleaseVersion") => json!(version),
            None if call_returns_a_code(request) => json!(0),
            _ => Value::Null,
        })
    });
    bench.start("a", &agent, call).unwrap();
    let states = bench.states("a").await;
    assert!(
        matches!(states.last(), Some(CallState::Succeeded { .. })),
        "{states:?}"
    );
    let executed = agent
        .requests()
        .into_iter()
        .filter(|request| request["type"] == "exec");
    executed
        .map(|request| json!([request["operation"], request["arguments"]]))
        .collect()
}

fn call_returns_a_code(request: &Value) -> bool {
    let operation = request["operation"].as_str().unwrap_or_default();
    [
        "forceKeyspaceCleanup",
        "upgradeSSTables",
        "scrub",
        "garbageCollect",
    ]
    .iter()
    .any(|name| operation.starts_with(name))
}

/// The agent works on a keyspace for ever, and says how far it is: one step after the other.
fn at_work(steps: &'static [u64]) -> Agent {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    Agent::new(move |request| match request["attribute"].as_str() {
        Some("NonLocalStrategyKeyspaces") => Reply::Answer(json!(["shop"])),
        Some("Compactions") => {
            let at = asked.fetch_add(1, Ordering::Relaxed).min(steps.len() - 1);
            Reply::Answer(json!([
                {"taskType": "Cleanup", "keyspace": "shop", "columnfamily": "carts",
                    "completed": steps[at].to_string(), "total": "1000", "unit": "bytes"},
                {"taskType": "Compaction", "keyspace": "shop", "columnfamily": "carts",
                    "completed": "7", "total": "9000", "unit": "bytes"},
            ]))
        }
        _ => Reply::Never,
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_tells_how_far_the_node_is_when_that_is_news() {
    let mut bench = Bench::new();
    let agent = at_work(&[100, 101, 105, 500]);
    bench.start("a", &agent, cleanup(&[])).unwrap();
    let mut told = Vec::new();
    while told.len() < 2 {
        assert_eq!(bench.woken.recv().await, Some(demo()));
        let states = bench.calls.states(&demo());
        let CallState::Running { work: Some(work), .. } = &states[&key("a")] else {
            panic!("{states:?}")
        };
        told.push((work.percent(), work.unit.clone()));
    }
    assert_eq!(
        told,
        [(Some(10), "bytes".to_owned()), (Some(50), "bytes".to_owned())]
    );
    let questions = agent.requests();
    let questions = questions
        .iter()
        .filter(|asked| asked["attribute"] == "Compactions");
    assert_eq!(questions.count(), 4);
}

#[tokio::test]
async fn a_call_that_is_stopped_begins_no_further_keyspace() {
    let mut bench = Bench::new();
    let agent = Agent::working(|_| Reply::Answer(json!(0)));
    bench.start("a", &agent, cleanup(&[])).unwrap();
    // It has not come to its first keyspace: it runs only when this test waits.
    bench.calls.stop(&demo(), &key("a"));
    let states = bench.states("a").await;
    let Some(CallState::Failed { reason, .. }) = states.last() else {
        panic!("{states:?}")
    };
    assert_eq!(reason, "stopped before keyspace auth");
    assert!(agent.worked_on().is_empty(), "{:?}", agent.worked_on());
}
