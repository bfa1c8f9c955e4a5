//! Every answer a real node was heard to give is asked again of a simulated node in the same state, and must be the same:
//! values, error texts, and the form of what is too large to be equal.
//!
//! The recorded nodes 192.0.2.1 to .3 stand in racks 1 to 3 of dc1, 192.0.2.4 in dc2. Simulated nodes get the same
//! addresses here, so that most answers can be compared word for word.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Node;
use crate::ring::{
    Boot, Force, HostId, Keyspace, Location, Moment, Operation, Release, Replication, Ring, Task, Transport,
};
use crate::steering::{Credentials, Ending, Span};

#[derive(Deserialize)]
struct Trace {
    cassandra: Release,
    topic: String,
    exchanges: Vec<Exchange>,
}

#[derive(Deserialize)]
struct Exchange {
    state: String,
    http_status: u16,
    request: Value,
    answer: Value,
}

/// Calls that somebody disturbed.
const CLEANUP: &str = "forceKeyspaceCleanup";
const COMPACTION: &str = "forceKeyspaceCompaction";

/// States in which nodes were recorded and which the simulator does not claim to know: release, topic, state, reason.
const NOT_PLAYED: &[(&str, &str, &str, &str)] = &[
    (
        "",
        "node-status",
        "the node is starting",
        "a start takes no time, or all MBeans are missing meanwhile",
    ),
    (
        "",
        "node-status",
        "the node joins, before it streams",
        "gossip takes no time",
    ),
];

#[tokio::test]
async fn simulated_nodes_answer_as_real_ones_did() {
    let mut compared = 0;
    let mut differences = Vec::new();
    for trace in traces() {
        for exchange in &trace.exchanges {
            let unplayed = |(release, topic, state, _): &(&str, &str, &str, &str)| {
                let recorded = trace.cassandra.to_string();
                recorded.starts_with(release) && *topic == trace.topic && *state == exchange.state
            };
            if NOT_PLAYED.iter().any(unplayed) {
                continue;
            }
            compared += 1;
            if let Err(difference) = compare(&trace, exchange).await {
                let Trace { cassandra, topic, .. } = &trace;
                differences.push(format!("{cassandra} {topic}, {}: {difference}", exchange.state));
            }
        }
    }
    assert!(compared > 50, "the traces were found: {compared}");
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

fn traces() -> Vec<Trace> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces");
    let mut traces = Vec::new();
    for directory in fs::read_dir(&root).expect("recorded traces").flatten() {
        for file in fs::read_dir(directory.path()).into_iter().flatten().flatten() {
            if file
                .path()
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let text = fs::read_to_string(file.path()).expect("a readable file");
                traces.push(serde_json::from_str(&text).expect("a trace"));
            }
        }
    }
    traces
}

async fn compare(trace: &Trace, exchange: &Exchange) -> Result<(), String> {
    let scene = Scene::of(trace, &exchange.state).ok_or("no such scene is set")?;
    let request = cast(&exchange.request, &exchange.state);
    let credentials = (trace.topic == "credentials").then(|| Credentials {
        user: "jolokia".to_owned(),
        password: "right".to_owned(),
    });
    let user = match exchange.state.as_str() {
        "the right credentials" => Some("jolokia:right"),
        "a wrong password" => Some("jolokia:wrong"),
        _ => None,
    };
    let node = Node::of(scene.ring, host(scene.asked), credentials).await;
    let disturbed = match exchange.state.as_str() {
        "another cleanup was asked for meanwhile" => Some(CLEANUP),
        "it was stopped" => Some(COMPACTION),
        _ => None,
    };
    if let Some(call) = disturbed {
        node.rule(call, Span::UntilReleased, Ending::Normal, None);
    }
    let (reply, ()) = tokio::join!(node.send(&request, user), async {
        if let Some(call) = disturbed {
            node.called(call, 1).await;
            disturb(&node, trace.cassandra, call);
            node.release(call);
        }
    });
    let (status, answer) = reply.ok_or("no answer")?;
    if status != exchange.http_status {
        return Err(format!("HTTP status {status}, not {}", exchange.http_status));
    }
    if status != 200 {
        return Ok(());
    }
    let pairs = match (&exchange.answer, &answer) {
        (Value::Array(real), Value::Array(ours)) => real.iter().zip(ours).collect(),
        pair => vec![pair],
    };
    for (real, ours) in pairs {
        let (real, ours) = (comparable(real), comparable(ours));
        if !agree(&real, &ours) {
            return Err(format!("\n  real {real}\n  ours {ours}"));
        }
    }
    Ok(())
}

/// What the recorder did while the call was in flight.
fn disturb(node: &Node, release: Release, call: &str) {
    let change = |ring: &mut Ring| {
        if call == COMPACTION {
            ring.stop_compactions(node.host, Task::Compaction.operation_type(release.at_least(5, 0)));
        } else {
            ring.begin(node.host, cleanup(), Moment(0)).expect("accepted");
        }
    };
    node.world.change_ring(&node.cluster, change);
}

/// Puts simulated host ids in the place of recorded ones.
fn cast(request: &Value, state: &str) -> Value {
    let mut request = request.clone();
    if request["operation"] == "removeNode(java.lang.String)" {
        let meant = match state {
            "a host id the ring does not know" => return request,
            "the host id of a node that is up" => 4,
            "the host id of the node asked" => 1,
            _ => 2,
        };
        request["arguments"] = json!([host(meant).to_string()]);
    }
    request
}

/// A ring in a certain state, and the number of the node that is asked.
struct Scene {
    ring: Ring,
    asked: u8,
}

impl Scene {
    fn of(trace: &Trace, state: &str) -> Option<Self> {
        let mut lab = Stage::new(trace.cassandra);
        let asked = match state {
            "the agent is up, Cassandra is not" => {
                return Some(Self {
                    ring: Ring::new("traces"),
                    asked: 1,
                });
            }
            "the mode has just become NORMAL" => {
                lab.joined(&[1]);
                lab.ring.set_native_transport(host(1), Transport::Off);
                1
            }
            "a ring of one"
            | "one keyspace of a user, shop"
            | "the right credentials"
            | "a wrong password"
            | "no credentials"
            | "a keyspace with rows"
            | "nothing to upgrade"
            | "a ring of one, with rows" => lab.joined(&[1]),
            _ if trace.topic == "refusals" || trace.topic == "protocol" => lab.joined(&[1]),
            "keyspaces are replicated in different ways" => {
                let first = lab.joined(&[1]);
                lab.ring
                    .put_keyspace("other", keyspace(Replication::by_dc([("dc1", 2)])));
                first
            }
            "the node itself joins" | "the node joins and streams" => {
                lab.joined(&[1]);
                lab.boot(2);
                2
            }
            "another node joins" | "another node joins and streams" => {
                lab.joined(&[1]);
                lab.boot(2);
                1
            }
            "the node has joined" => {
                lab.joined(&[1, 2]);
                2
            }
            "another node has joined"
            | "two nodes"
            | "another cleanup was asked for meanwhile"
            | "the node's own keyspace"
            | "an unknown table"
            | "it was stopped"
            | "an unknown keyspace" => lab.joined(&[1, 2]),
            "a compaction is under way" => lab.at_work(compaction()),
            "a cleanup is under way" | "another cleanup is under way" => lab.at_work(cleanup()),
            "three nodes, and a keyspace with three replicas" | "forced" => {
                lab.joined(&[1, 2, 3]);
                3
            }
            "a decommission was refused" => {
                lab.joined(&[1, 2, 3]);
                let refused = Operation::Decommission {
                    force: Force::Checked,
                };
                lab.ring
                    .begin(host(3), refused, Moment(0))
                    .expect_err("three replicas");
                3
            }
            "the node leaves" | "the node leaves and streams" | "a decommission is under way" => {
                lab.leaving();
                3
            }
            "another node leaves" => {
                lab.leaving();
                1
            }
            "the node has left" => {
                lab.left();
                3
            }
            "another node has left" => lab.left(),
            "another node has left and its process has ended" => {
                lab.left();
                lab.ring.stop(host(3));
                1
            }
            _ => match lab.move_of_node_2(state) {
                Some(asked) => asked,
                None => return Self::of_two_data_centres(lab, state),
            },
        };
        Some(Self {
            ring: lab.ring,
            asked,
        })
    }

    /// The later acts: node 3 has left, node 4 stands in another data centre. Node 4 has never met node 3.
    fn of_two_data_centres(mut lab: Stage, state: &str) -> Option<Self> {
        let met_node_3 = [
            "another node is being rebuilt",
            "another node is down",
            "a removal is under way",
            "a dead node has been removed",
        ];
        if met_node_3.contains(&state) {
            lab.left();
            lab.ring.stop(host(3));
        } else {
            lab.joined(&[1, 2]);
        }
        lab.joined(&[4]);
        let shop = Replication::by_dc([("dc1", 1), ("dc2", 1)]);
        lab.ring.put_keyspace("shop", keyspace(shop));
        let rebuild = Operation::Rebuild {
            source_dc: Some("dc1".to_owned()),
            keyspace: None,
        };
        let remove = Operation::RemoveNode {
            host: host(2).to_string(),
        };
        let asked = match state {
            "an unknown data centre"
            | "from another data centre"
            | "a rebuild has ended"
            | "a node of the ring" => 4,
            "a rebuild is under way" | "another rebuild is under way" => lab.under_way(4, rebuild),
            "another node is being rebuilt" => {
                lab.under_way(4, rebuild);
                1
            }
            "two data centres with one replica each"
            | "a host id the ring does not know"
            | "the host id of a node that is up"
            | "the host id of the node asked" => 1,
            "another node is down" | "the host id of a dead node" => {
                lab.ring.stop(host(2));
                1
            }
            "a removal is under way" | "another removal is under way" => {
                lab.ring.stop(host(2));
                lab.under_way(1, remove)
            }
            "a dead node has been removed" | "the host id of a node already removed" => {
                lab.remove_node_2();
                1
            }
            "the node is drained" => {
                lab.remove_node_2();
                lab.done(4, Operation::Drain)
            }
            _ => return None,
        };
        Some(Self {
            ring: lab.ring,
            asked,
        })
    }
}

struct Stage {
    ring: Ring,
    release: Release,
}

impl Stage {
    fn new(release: Release) -> Self {
        Self {
            ring: Ring::new("traces"),
            release,
        }
    }

    fn boot(&mut self, number: u8) {
        let (dc, rack) = if number == 4 { ("dc2", 1) } else { ("dc1", number) };
        let location = Location {
            dc: dc.to_owned(),
            rack: format!("rack{rack}"),
        };
        let address = [192, 0, 2, number].into();
        let boot = Boot {
            host: host(number),
            address,
            location,
            release: self.release,
            num_tokens: 1,
            replace: None,
        };
        self.ring.boot(boot).expect("nothing stands in the way");
    }

    /// Lets nodes join, and creates the keyspace once there is one. Returns the first node's number.
    fn joined(&mut self, numbers: &[u8]) -> u8 {
        for number in numbers {
            self.boot(*number);
            self.ring.finish_joining(host(*number));
        }
        if !self.ring.keyspaces().contains_key("shop") {
            self.ring
                .put_keyspace("shop", keyspace(Replication::by_dc([("dc1", 1)])));
        }
        1
    }

    /// The first of two nodes, at work.
    fn at_work(&mut self, operation: Operation) -> u8 {
        self.joined(&[1, 2]);
        self.under_way(1, operation)
    }

    fn under_way(&mut self, number: u8, operation: Operation) -> u8 {
        self.ring
            .begin(host(number), operation, Moment(0))
            .expect("accepted");
        number
    }

    fn done(&mut self, number: u8, operation: Operation) -> u8 {
        self.under_way(number, operation);
        let calls: Vec<_> = self.ring.calls().map(|(id, _)| id).collect();
        for call in calls {
            self.ring.finish(call).expect("in flight").expect("done");
        }
        number
    }

    fn move_of_node_2(&mut self, state: &str) -> Option<u8> {
        const THERE: &str = "1000000000000000000";
        let asked = match state {
            "another node moves" | "another node has moved" => 1,
            "what is no token"
            | "a token that is free"
            | "a token that is taken"
            | "the node moves"
            | "the node has moved" => 2,
            _ => return None,
        };
        self.joined(&[1, 2]);
        match state {
            "a token that is taken" => self.done(2, relocation("0")),
            "the node moves" | "another node moves" => self.under_way(2, relocation(THERE)),
            "the node has moved" | "another node has moved" => self.done(2, relocation(THERE)),
            _ => 2,
        };
        Some(asked)
    }

    fn leaving(&mut self) {
        self.joined(&[1, 2, 3]);
        self.under_way(3, Operation::Decommission { force: Force::Forced });
    }

    fn left(&mut self) -> u8 {
        self.joined(&[1, 2, 3]);
        self.done(3, Operation::Decommission { force: Force::Forced });
        1
    }

    fn remove_node_2(&mut self) {
        self.ring.stop(host(2));
        self.done(
            1,
            Operation::RemoveNode {
                host: host(2).to_string(),
            },
        );
    }
}

fn cleanup() -> Operation {
    let keyspace = "shop".to_owned();
    Operation::Cleanup { keyspace }
}

fn relocation(token: &str) -> Operation {
    Operation::Move {
        token: token.to_owned(),
    }
}

fn compaction() -> Operation {
    Operation::Maintain {
        name: COMPACTION.to_owned(),
        keyspace: "shop".to_owned(),
    }
}

fn host(number: u8) -> HostId {
    HostId::of_disk(&format!("node {number}"))
}

fn keyspace(replication: Replication) -> Keyspace {
    Keyspace {
        tables: vec!["orders".to_owned()],
        ..Keyspace::full(replication)
    }
}

/// Two answers are the same; of lists of work under way, each entry has the form of each.
fn agree(real: &Value, ours: &Value) -> bool {
    match (&real["work"], &ours["work"]) {
        (Value::Array(real), Value::Array(ours)) => match (real.first(), ours.first()) {
            (None, _) => true,
            (Some(form), _) => !ours.is_empty() && ours.iter().all(|entry| entry == form),
        },
        _ => real == ours,
    }
}

/// What must be equal of an answer.
fn comparable(answer: &Value) -> Value {
    let asked = &answer["request"];
    let what = ["attribute", "operation", "type"]
        .iter()
        .find_map(|key| asked[key].as_str());
    let what = what.unwrap_or_default();
    let value = &answer["value"];
    match what.split('(').next().unwrap_or_default() {
        // Work comes and goes, and no two pieces have the same size: it is its form that counts. Compactions of a
        // node's own keyspaces happen at any time, and are none of ours.
        "Compactions" | "CurrentStreams" if value.is_array() => {
            let entries = value.as_array().into_iter().flatten();
            let ours = entries.filter(|entry| entry["keyspace"] != "system");
            json!({"request": plain(asked), "work": ours.map(form).collect::<Vec<_>>()})
        }
        // Sizes and times: numbers, and a text with a unit.
        "LoadString" | "Uptime" | "StartTime" | "HeapMemoryUsage" | "Value" | "Count" | "Tokens"
        | "version" => {
            json!({"request": plain(asked), "status": answer["status"], "form": form(value)})
        }
        // Recorded nodes have one token each, simulated ones many at other places.
        "LoadMap" | "TokenToEndpointMap" | "Ownership" | "effectiveOwnership" if value.is_object() => {
            let entries = value.as_object().into_iter().flatten();
            let by_token = what == "TokenToEndpointMap";
            let of = |(key, value): (&String, &Value)| {
                if by_token {
                    value.clone()
                } else {
                    json!([key, form(value)])
                }
            };
            let set: BTreeSet<String> = entries.map(of).map(|entry| entry.to_string()).collect();
            json!({"request": plain(asked), "set": set})
        }
        "threadPrint" => {
            json!({"request": plain(asked), "calls": calls_in(value.as_str().unwrap_or_default())})
        }
        _ => {
            let mut answer = answer.clone();
            if let Some(Value::String(trace)) = answer.get_mut("stacktrace") {
                *trace = trace.lines().next().unwrap_or_default().to_owned();
            }
            if let Some(timestamp) = answer.get_mut("timestamp") {
                *timestamp = Value::from("seconds");
            }
            plain(&answer)
        }
    }
}

/// Without what differs from run to run: ids, tokens, and the order of sets.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) if !fields.is_empty() && fields.keys().all(|key| is_uuid(key)) => {
            let set: BTreeSet<String> = fields.values().filter_map(Value::as_str).map(text).collect();
            set.into_iter().collect()
        }
        Value::Object(fields) => {
            let plain = fields.iter().map(|(key, value)| (text(key), plain(value)));
            Value::Object(plain.collect::<Map<_, _>>())
        }
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let set: BTreeSet<String> = items.iter().filter_map(Value::as_str).map(text).collect();
            set.into_iter().collect()
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::String(string) => text(string).into(),
        other => other.clone(),
    }
}

fn is_uuid(string: &str) -> bool {
    string.len() == 36 && string.bytes().filter(|byte| *byte == b'-').count() == 4
}

fn text(string: &str) -> String {
    if is_uuid(string) {
        return "<uuid>".to_owned();
    }
    if let Some((head, work)) = string.split_once("Compaction interrupted: ") {
        let (task, progress) = work.split_once('(').unwrap_or_default();
        let (_, table) = progress.rsplit_once('(').unwrap_or_default();
        return format!("{head}Compaction interrupted: {task}(<progress>)@({table}");
    }
    if let Some(range) = string.strip_prefix("TokenRange(") {
        let (_, replicas) = range.split_once("endpoints:").unwrap_or_default();
        let (_, details) = replicas.split_once("endpoint_details:[").unwrap_or_default();
        let details: BTreeSet<&str> = details
            .trim_end_matches("])")
            .split("), ")
            .map(|one| one.trim_end_matches(')'))
            .collect();
        let fields: Vec<&str> = range
            .split(", ")
            .filter_map(|part| part.split_once(':'))
            .map(|(name, _)| name)
            .take(3)
            .collect();
        return format!("{fields:?} {details:?}");
    }
    for (before, after) in [
        ("Signatures found: ", ". Use a signature"),
        ("available datacenters are: ", ""),
    ] {
        let Some((head, rest)) = string.split_once(before) else {
            continue;
        };
        let (list, tail) = if after.is_empty() {
            (rest, "")
        } else {
            rest.split_once(after).unwrap_or((rest, ""))
        };
        let separator = if list.contains('(') { ")," } else { "," };
        let set: BTreeSet<&str> = list
            .split(separator)
            .map(|one| one.trim_end_matches(')'))
            .collect();
        return format!("{head}{before}{set:?}{after}{tail}");
    }
    if let Some((head, nodes)) = string.split_once("confirmation from [") {
        let nodes: BTreeSet<&str> = nodes.trim_end_matches("].").split(',').collect();
        // The token comes first: "Removing token (…)".
        let (removal, _) = head.split_once('(').unwrap_or_default();
        return format!("{removal}(<token>) {nodes:?}");
    }
    string.to_owned()
}

/// The form of a value: its fields and types.
fn form(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let form = fields
                .iter()
                .map(|(key, value)| (key.clone(), form_of_field(key, value)));
            Value::Object(form.collect::<Map<_, _>>())
        }
        Value::Array(_) => "list".into(),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        other => other.clone(),
    }
}

/// What a node without credentials cannot have among the agent's settings.
const CREDENTIALS: [&str; 2] = ["user", "password"];

/// Names are to be equal, sizes and ids only of one type. Streams show one session; which file it is at is chance.
fn form_of_field(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("taskType" | "unit" | "description" | "keyspace" | "columnfamily", _) => value.clone(),
        ("config", Value::Object(settings)) => settings
            .keys()
            .filter(|key| !CREDENTIALS.contains(&key.as_str()))
            .cloned()
            .collect(),
        ("sessions", Value::Array(sessions)) => sessions.first().map(form).into_iter().collect(),
        _ => form(value),
    }
}

/// The calls of `StorageService` in a thread dump, with the kind of thread each is on.
fn calls_in(dump: &str) -> Value {
    let mut calls = BTreeSet::new();
    let mut thread = "";
    for line in dump.lines() {
        if let Some(name) = line.strip_prefix('"') {
            thread = name.split(['-', ':', '"']).next().unwrap_or_default();
        }
        let frame = line
            .trim_start()
            .strip_prefix("at org.apache.cassandra.service.StorageService.");
        if let Some((method, _)) = frame.and_then(|frame| frame.split_once('(')) {
            calls.insert(format!("{thread}: {method}"));
        }
    }
    calls.into_iter().collect()
}
