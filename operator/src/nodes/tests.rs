//! What is known of a node is what it answers.

use casskop_core::work::Work;
use casskop_jolokia::JolokiaClient;
use casskop_types::operation::OperationName;
use serde_json::{Value, json};

use super::*;
use crate::test_agent::{Agent, Reply};

const HOST_ID: &str = "5e4fb5ad-1bf0-4ab8-9ac8-9a1ae6a0a3ff";
const OTHER_ID: &str = "13841b22-9ce3-4343-b86a-e01e91192e56";

/// An answer of its own to each question: two that were confused, or one that were not asked, would be seen.
fn answer(request: &Value) -> Value {
    match request["attribute"].as_str() {
        Some("ReleaseVersion") => json!("4.1.10"),
        Some("OperationMode") => json!("LEAVING"),
        Some("LocalHostId") => json!(HOST_ID),
        Some("EndpointToHostId") => json!({ "10.0.0.6": OTHER_ID }),
        Some("LiveNodes") => json!(["10.0.0.1"]),
        Some("UnreachableNodes") => json!(["10.0.0.2"]),
        Some("JoiningNodes") => json!(["10.0.0.3"]),
        Some("LeavingNodes") => json!(["10.0.0.4"]),
        Some("MovingNodes") => json!(["10.0.0.5"]),
        Some("Compactions") => json!([{
            "taskType": "Cleanup", "keyspace": "shop", "columnfamily": "carts",
            "completed": "3", "total": "4", "unit": "keys",
        }]),
        Some("NonLocalStrategyKeyspaces") => json!(["shop"]),
        Some("Tokens") => json!(["-7"]),
        Some(_) => Value::Null,
        None => operation(request),
    }
}

fn operation(request: &Value) -> Value {
    match (request["operation"].as_str(), &request["arguments"]) {
        (Some("threadPrint([Ljava.lang.String;)"), _) => json!(
            "\"worker\" #41\n\tat org.apache.cassandra.service.StorageService.rebuild(StorageService.java:1)\n"
        ),
        (Some("describeRingJMX(java.lang.String)"), shop) if *shop == json!(["shop"]) => json!([
            "TokenRange(start_token:1, end_token:2, endpoints:[10.0.0.1], rpc_endpoints:[10.0.0.1], \
             endpoint_details:[EndpointDetails(host:10.0.0.1, datacenter:dc7, rack:rack1)])"
        ]),
        _ => Value::Null,
    }
}

/// All of them, so that a new one is missed by the compiler.
fn all_questions() -> BTreeSet<Question> {
    let all = [
        Question::Ring,
        Question::InFlight,
        Question::Work(OperationName::Cleanup),
        Question::Replication,
        Question::Tokens,
    ];
    for question in all {
        match question {
            Question::Ring
            | Question::InFlight
            | Question::Work(_)
            | Question::Replication
            | Question::Tokens => {}
        }
    }
    all.into()
}

#[tokio::test]
async fn every_fact_is_the_nodes_own_word() {
    let agent = Agent::new(|request| Reply::Answer(answer(request)));
    let node = Node::new(JolokiaClient::new(agent), &Arc::new(Metrics::default()));
    let address = |last: u8| IpAddr::from([10, 0, 0, last]);
    let replicas = KeyspaceReplicas::of_ranges([BTreeMap::from([("dc7".to_owned(), 1)])]);
    let expected = NodeFacts {
        release_version: Fact::Known("4.1.10".to_owned()),
        mode: Fact::Known(OperationMode::from("LEAVING")),
        host_id: Fact::Known(HOST_ID.to_owned()),
        ring: Fact::Known(RingView {
            live: [address(1)].into(),
            unreachable: [address(2)].into(),
            joining: [address(3)].into(),
            leaving: [address(4)].into(),
            moving: [address(5)].into(),
            host_ids: [(address(6), OTHER_ID.to_owned())].into(),
        }),
        in_flight: Fact::Known(["rebuild".to_owned()].into()),
        work: Fact::Known(Some(Work {
            completed: 3,
            total: 4,
            unit: "keys".to_owned(),
        })),
        replication: Fact::Known([("shop".to_owned(), replicas)].into()),
        tokens: Fact::Known(vec!["-7".to_owned()]),
    };
    assert_eq!(node.facts(&all_questions()).await, expected);
}

#[tokio::test]
async fn what_a_node_does_not_answer_is_not_known() {
    let agent = Agent::new(|_| Reply::HangUp);
    let node = Node::new(JolokiaClient::new(agent), &Arc::new(Metrics::default()));
    let facts = node.facts(&all_questions()).await;
    let unknown = [
        matches!(facts.release_version, Fact::Unknown(_)),
        matches!(facts.mode, Fact::Unknown(_)),
        matches!(facts.host_id, Fact::Unknown(_)),
        matches!(facts.ring, Fact::Unknown(_)),
        matches!(facts.in_flight, Fact::Unknown(_)),
        matches!(facts.work, Fact::Unknown(_)),
        matches!(facts.replication, Fact::Unknown(_)),
        matches!(facts.tokens, Fact::Unknown(_)),
    ];
    assert_eq!(unknown, [true; 8], "{facts:?}");
}
