//! What real nodes answered, read by the parsers of this crate: `tests/lab/traces`, every version in it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a trace that cannot be read fails its test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use casskop_jolokia::storage_service::{
    Jobs, Output, Replication, Scrub, Tables, cleanup, compact, compact_tokens, decommission, describe_ring,
    drain, flush, garbage_collect, host_ids, keyspaces, live_nodes, local_host_id, move_to,
    native_transport_running, non_local_keyspaces, operation_mode, rebuild, release_version, reload_ssl,
    removal_status, remove_node, scrub, tokens, unreachable_nodes, upgrade_sstables,
};
use casskop_jolokia::{
    Call, CallError, Category, CompactionTask, InFlight, NodeOperation, NodeStatus, OperationMode,
    ReleaseVersion, RemovalStatus, compaction_manager, diagnostics, ownership, stream_manager,
};
use serde_json::Value;

/// All recordings of one Cassandra version.
struct Recording {
    version: ReleaseVersion,
    topics: BTreeMap<String, Value>,
}

/// The recordings of all versions there are.
fn recordings() -> Vec<Recording> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/lab/traces");
    let mut recordings = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let Ok(version) = entry.file_name().to_str().unwrap().parse() else {
            continue;
        };
        let read = |path: &Path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let topics = fs::read_dir(entry.path()).unwrap().map(|file| {
            let path = file.unwrap().path();
            (
                path.file_stem().unwrap().to_str().unwrap().to_owned(),
                read(&path),
            )
        });
        recordings.push(Recording {
            version,
            topics: topics.collect(),
        });
    }
    recordings.sort_by_key(|recording| recording.version);
    let lines = recordings
        .iter()
        .map(|recording| (recording.version.major, recording.version.minor));
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [(4, 0), (4, 1), (5, 0)],
        "the versions with a recording"
    );
    recordings
}

impl Recording {
    fn is_5(&self) -> bool {
        self.version.major == 5
    }

    fn exchanges(&self, topic: &str) -> &Vec<Value> {
        self.topics
            .get(topic)
            .unwrap_or_else(|| panic!("{}: no {topic}", self.version))["exchanges"]
            .as_array()
            .unwrap()
    }

    /// What `call` makes of the answer recorded in `state`; the recorded request has to be the call's.
    fn answer<T>(&self, topic: &str, state: &str, call: &Call<T>) -> Result<T, CallError> {
        let request = call.request().to_json();
        let of_state = |exchange: &&Value| exchange["state"] == state && exchange["request"] == request;
        let exchange = self.exchanges(topic).iter().find(of_state);
        let exchange =
            exchange.unwrap_or_else(|| panic!("{}: {topic}: no {request} in \"{state}\"", self.version));
        call.parse(&exchange["answer"])
    }

    fn status(&self, state: &str) -> Result<NodeStatus, CallError> {
        let exchange = self
            .exchanges("node-status")
            .iter()
            .find(|exchange| exchange["state"] == state);
        let exchange = exchange.unwrap_or_else(|| panic!("{}: no status in \"{state}\"", self.version));
        let question = NodeStatus::question();
        assert_eq!(
            exchange["request"],
            question.to_json(),
            "the recording asks another question: record again"
        );
        NodeStatus::parse(&question.parse(exchange["answer"].clone())?)
    }

    fn in_flight(&self, state: &str) -> InFlight {
        self.answer("DiagnosticCommand", state, &diagnostics::in_flight())
            .unwrap()
    }
}

/// The category and the words of a refusal.
fn refusal<T: std::fmt::Debug>(answer: Result<T, CallError>) -> (Category, String) {
    let error = answer.unwrap_err();
    (error.category(), error.to_string())
}

fn node(number: u8) -> IpAddr {
    [192, 0, 2, number].into()
}

/// The parts of an object name; Jolokia echoes them sorted.
fn keys(mbean: &Value) -> BTreeSet<&str> {
    mbean.as_str().unwrap_or_default().split([':', ',']).collect()
}

#[test]
fn every_answer_echoes_the_request_it_was_recorded_for() {
    for recording in recordings() {
        for (topic, content) in &recording.topics {
            for exchange in content["exchanges"].as_array().unwrap() {
                let (requests, answers) = match &exchange["request"] {
                    Value::Array(requests) => {
                        (requests.clone(), exchange["answer"].as_array().unwrap().clone())
                    }
                    request => (vec![request.clone()], vec![exchange["answer"].clone()]),
                };
                for (request, answer) in requests.iter().zip(answers) {
                    // Refusals before the dispatch (credentials, unknown operations) echo nothing.
                    if answer["status"] == 200 {
                        assert_eq!(
                            keys(&answer["request"]["mbean"]),
                            keys(&request["mbean"]),
                            "{topic}"
                        );
                        assert_eq!(answer["request"]["attribute"], request["attribute"], "{topic}");
                    }
                }
            }
        }
    }
}

#[test]
fn who_owns_what_of_a_ring_of_two_is_read() {
    for recording in recordings() {
        let (topic, state) = ("ownership", "two nodes");
        let loads = recording.answer(topic, state, &ownership::loads()).unwrap();
        assert_eq!(loads.keys().copied().collect::<Vec<_>>(), [node(1), node(2)]);
        assert!(loads.values().all(|load| load.ends_with("iB")), "{loads:?}");
        let owners = recording
            .answer(topic, state, &ownership::token_owners())
            .unwrap();
        assert_eq!(
            owners,
            [
                ("-6148914691236517206".to_owned(), node(1)),
                ("0".to_owned(), node(2))
            ]
            .into()
        );
        // The first token is two thirds of the ring behind the second.
        let percent = |shares: BTreeMap<IpAddr, f64>| {
            shares
                .into_iter()
                .map(|(address, share)| (address, format!("{:.0}", share * 100.0)))
                .collect::<Vec<_>>()
        };
        let expected = [(node(1), "67".to_owned()), (node(2), "33".to_owned())];
        let of_tokens = recording
            .answer(topic, state, &ownership::token_shares())
            .unwrap();
        assert_eq!(percent(of_tokens), expected);
        let of_data = recording
            .answer(topic, state, &ownership::effective_shares())
            .unwrap();
        assert_eq!(percent(of_data), expected);

        let state = "keyspaces are replicated in different ways";
        let (category, said) = refusal(recording.answer(topic, state, &ownership::effective_shares()));
        assert_eq!(category, Category::Refused);
        assert!(
            said.contains("don't have the same replication settings"),
            "{said}"
        );
    }
}

#[test]
fn a_ring_of_one_is_read() {
    for recording in recordings() {
        let status = recording.status("a ring of one").unwrap();
        assert_eq!(status.version, recording.version);
        assert_eq!(status.mode, OperationMode::Normal);
        assert_eq!(status.live, [node(1)].into());
        assert_eq!(status.host_ids.get(&node(1)), status.host_id.as_ref());
        assert!(status.host_id.is_some() && status.unreachable.is_empty() && status.native_transport_running);
        assert_eq!(status.removal, RemovalStatus::Idle);

        let state = "a ring of one";
        let read = "StorageService";
        assert_eq!(
            recording.answer(read, state, &release_version()).unwrap(),
            status.version
        );
        assert_eq!(
            recording.answer(read, state, &local_host_id()).unwrap(),
            status.host_id
        );
        assert_eq!(
            recording.answer(read, state, &host_ids()).unwrap(),
            status.host_ids
        );
        assert_eq!(recording.answer(read, state, &live_nodes()).unwrap(), status.live);
        assert_eq!(
            recording.answer(read, state, &unreachable_nodes()).unwrap(),
            status.unreachable
        );
        assert!(
            recording
                .answer(read, state, &native_transport_running())
                .unwrap()
        );
        assert_eq!(
            recording.answer(read, state, &removal_status()).unwrap(),
            RemovalStatus::Idle
        );
        let compactions = recording.answer("CompactionManager", state, &compaction_manager::compactions());
        // The node compacts tables of its own whenever it likes.
        assert!(
            compactions
                .unwrap()
                .iter()
                .all(|compaction| compaction.task == CompactionTask::Compaction)
        );
        let streams = recording.answer("StreamManager", state, &stream_manager::current_streams());
        assert_eq!(streams.unwrap(), []);
        assert_eq!(recording.in_flight(state), InFlight::default());
    }
}

#[test]
fn a_node_that_starts_has_no_mbeans_then_no_ring() {
    for recording in recordings() {
        let (category, words) = refusal(recording.status("the agent is up, Cassandra is not"));
        assert_eq!(category, Category::Missing, "{words}");
        let status = recording.status("the node is starting").unwrap();
        assert_eq!(status.mode, OperationMode::Starting);
        assert!(!status.native_transport_running);
    }
}

#[test]
fn a_joining_node_is_told_apart_from_a_member() {
    for recording in recordings() {
        let own = recording.status("the node joins and streams").unwrap();
        assert_eq!(own.mode, OperationMode::Joining);
        let [stream] = own.streams.as_slice() else {
            panic!("{:?}", own.streams)
        };
        assert_eq!(stream.description, "Bootstrap");
        assert_eq!(stream.peers, [node(1)].into());
        assert!(
            stream.received > 0 && stream.received <= stream.to_receive,
            "{stream:?}"
        );

        let others = recording.status("another node joins and streams").unwrap();
        assert_eq!(others.mode, OperationMode::Normal);
        assert_eq!(others.joining, [node(2)].into());
        assert!(
            others.host_ids.contains_key(&node(2)),
            "a joining node is in the map already"
        );
        let joined = recording.status("another node has joined").unwrap();
        assert!(joined.joining.is_empty() && joined.host_ids.contains_key(&node(2)));
    }
}

#[test]
fn a_leaving_node_is_seen_by_itself_and_by_others() {
    for recording in recordings() {
        let own = recording.status("the node leaves and streams").unwrap();
        assert_eq!(
            (own.mode, own.leaving),
            (OperationMode::Leaving, [node(3)].into())
        );
        assert!(
            own.streams
                .iter()
                .any(|stream| stream.description == "Unbootstrap" && stream.sent > 0)
        );
        assert_eq!(
            recording.status("another node leaves").unwrap().leaving,
            [node(3)].into()
        );
        assert_eq!(
            recording.status("the node has left").unwrap().mode,
            OperationMode::Decommissioned
        );
        assert!(
            !recording
                .status("another node has left")
                .unwrap()
                .host_ids
                .contains_key(&node(3))
        );
        let ended = recording
            .status("another node has left and its process has ended")
            .unwrap();
        assert_eq!(
            (ended.unreachable.clone(), ended.down_members()),
            ([node(3)].into(), [].into())
        );
        assert_eq!(
            recording
                .in_flight("the node leaves")
                .operations()
                .collect::<Vec<_>>(),
            [NodeOperation::Decommission]
        );
    }
}

#[test]
fn a_refused_decommission_says_which_keyspace_objects() {
    for recording in recordings() {
        let call = decommission(recording.version, Replication::MustHold);
        let state = "three nodes, and a keyspace with three replicas";
        let (category, words) = refusal(recording.answer("decommission", state, &call));
        assert_eq!(category, Category::Refused);
        assert_eq!(
            words,
            "decommission: Not enough live nodes to maintain replication factor in keyspace system_distributed \
             (RF = 3, N = 3). Perform a forceful decommission to ignore."
        );
        let status = recording.status("a decommission was refused").unwrap();
        assert!(status.mode.is_member(), "{}", status.mode);
        let left = if recording.is_5() {
            OperationMode::DecommissionFailed
        } else {
            OperationMode::Normal
        };
        assert_eq!(status.mode, left);

        let forced = decommission(recording.version, Replication::MayFall);
        recording.answer("decommission", "forced", &forced).unwrap();
        let (category, _) = refusal(recording.answer("decommission", "the node itself joins", &forced));
        assert_eq!(category, Category::Refused);
    }
}

#[test]
fn a_node_that_moves_has_its_former_token_until_it_is_there() {
    const THERE: &str = "1000000000000000000";
    for recording in recordings() {
        for (state, token, mode) in [
            ("two nodes", "0", None),
            ("the node moves", "0", Some(OperationMode::Moving)),
            ("the node has moved", THERE, Some(OperationMode::Normal)),
        ] {
            assert_eq!(
                recording.answer("tokens", state, &tokens()).unwrap(),
                [token],
                "{state}"
            );
            if let Some(mode) = mode {
                assert_eq!(recording.status(state).unwrap().mode, mode, "{state}");
            }
        }
        recording
            .answer("move", "a token that is free", &move_to(THERE))
            .unwrap();
        let calls = recording.in_flight("the node moves");
        assert_eq!(calls.operations().collect::<Vec<_>>(), [NodeOperation::Move]);
        assert_eq!(
            recording.status("another node moves").unwrap().moving,
            [node(2)].into()
        );
        assert_eq!(
            recording.status("another node has moved").unwrap().moving,
            [].into()
        );
        for (state, token, words) in [
            ("what is no token", "here", "Invalid token for Murmur3Partitioner"),
            (
                "a token that is taken",
                "0",
                "target token 0 is already owned by another node",
            ),
        ] {
            let (category, said) = refusal(recording.answer("move", state, &move_to(token)));
            assert_eq!(category, Category::Refused);
            assert!(said.contains(words), "{said}");
        }
    }
}

#[test]
fn a_cleanup_is_seen_at_work_and_its_result_is_checked() {
    let call = cleanup(Tables::of("shop"), Jobs::ALL_COMPACTORS);
    for recording in recordings() {
        let state = "a cleanup is under way";
        let status = recording.status(state).unwrap();
        let mut compactions = status.compactions.iter();
        let compaction = compactions
            .find(|compaction| compaction.task == CompactionTask::Cleanup)
            .unwrap();
        assert_eq!(
            (compaction.keyspace.as_str(), compaction.table.as_str()),
            ("shop", "orders")
        );
        assert!(compaction.completed <= compaction.total && compaction.total > 0);
        let calls = recording.in_flight(state);
        assert!(
            calls.contains(NodeOperation::Cleanup) && calls.total() == 1,
            "{calls:?}"
        );

        for state in ["two nodes", "another node joins"] {
            recording.answer("cleanup", state, &call).unwrap();
        }
        // 4.1 lets the second interrupt the first; 5.0 gives the second up.
        let first = recording.answer("cleanup", "another cleanup was asked for meanwhile", &call);
        let second = recording.answer("cleanup", "another cleanup is under way", &call);
        if recording.is_5() {
            first.unwrap();
            assert_eq!(refusal(second).0, Category::NotDone);
        } else {
            second.unwrap();
            assert!(refusal(first).1.contains("Compaction interrupted: Cleanup"));
        }
        for state in ["another node leaves", "the node itself joins"] {
            let (category, words) = refusal(recording.answer("cleanup", state, &call));
            assert_eq!(category, Category::Refused);
            assert!(
                words.contains("involved in cluster membership changes"),
                "{state}: {words}"
            );
        }
        let (_, words) = refusal(recording.answer(
            "cleanup",
            "an unknown keyspace",
            &cleanup(Tables::of("nowhere"), Jobs::ALL_COMPACTORS),
        ));
        assert_eq!(words, "forceKeyspaceCleanup: Keyspace nowhere does not exist");
    }
}

#[test]
fn a_rebuild_is_seen_at_work_and_its_source_is_checked() {
    for recording in recordings() {
        let state = "a rebuild is under way";
        let status = recording.status(state).unwrap();
        let [stream] = status.streams.as_slice() else {
            panic!("{:?}", status.streams)
        };
        assert_eq!(stream.description, "Rebuild");
        assert!(stream.received > 0 && stream.to_receive >= stream.received);
        assert!(recording.in_flight(state).contains(NodeOperation::Rebuild));
        recording
            .answer("StreamManager", state, &stream_manager::current_streams())
            .unwrap();

        recording
            .answer("rebuild", "from another data centre", &rebuild("dc1"))
            .unwrap();
        let (_, words) =
            refusal(recording.answer("rebuild", "another rebuild is under way", &rebuild("dc1")));
        assert!(words.contains("still rebuilding"), "{words}");
        let (_, words) = refusal(recording.answer("rebuild", "an unknown data centre", &rebuild("nowhere")));
        assert!(words.contains("'nowhere' is not a valid datacenter"), "{words}");
    }
}

#[test]
fn a_removal_is_seen_at_work_and_its_target_is_checked() {
    for recording in recordings() {
        let down = recording.status("another node is down").unwrap();
        assert_eq!(down.down_members(), [node(2)].into());
        let dead = remove_node(&down.host_ids[&node(2)]);
        let state = "a removal is under way";
        assert!(matches!(
            recording.status(state).unwrap().removal,
            RemovalStatus::Removing(_)
        ));
        assert!(recording.in_flight(state).contains(NodeOperation::RemoveNode));
        recording
            .answer("removenode", "the host id of a dead node", &dead)
            .unwrap();
        let after = recording.status("a dead node has been removed").unwrap();
        assert!(!after.host_ids.contains_key(&node(2)) && after.removal == RemovalStatus::Idle);

        let up = remove_node(&down.host_ids[&node(4)]);
        let own = remove_node(&down.host_ids[&node(1)]);
        let unknown = remove_node(&"ffffffff-ffff-4fff-bfff-ffffffffffff".parse().unwrap());
        for (state, call, words) in [
            ("a host id the ring does not know", &unknown, "Host ID not found."),
            (
                "the host id of a node already removed",
                &dead,
                "Host ID not found.",
            ),
            (
                "the host id of a node that is up",
                &up,
                "is alive and owns this ID. Use decommission",
            ),
            ("the host id of the node asked", &own, "Cannot remove self"),
        ] {
            let refused = refusal(recording.answer("removenode", state, call));
            assert!(refused.1.contains(words), "{state}: {}", refused.1);
        }
    }
}

#[test]
fn replication_is_read_off_the_ring() {
    for recording in recordings() {
        let ranges = |state, keyspace| recording.answer("describeRing", state, &describe_ring(keyspace));
        let alone = ranges("a ring of one", "shop").unwrap();
        let one = BTreeMap::from([("dc1".to_owned(), 1)]);
        assert!(alone.iter().all(|range| range.replicas_per_datacenter() == one));
        let both = ranges("two data centres with one replica each", "shop").unwrap();
        let one_each = BTreeMap::from([("dc1".to_owned(), 1), ("dc2".to_owned(), 1)]);
        assert!(
            both.iter()
                .all(|range| range.replicas_per_datacenter() == one_each)
        );
        assert_eq!(refusal(ranges("a ring of one", "system")).0, Category::Refused);
        assert_eq!(refusal(ranges("a ring of one", "nowhere")).0, Category::Refused);

        let state = "one keyspace of a user, shop";
        let all = recording.answer("StorageService", state, &keyspaces()).unwrap();
        let replicated = recording
            .answer("StorageService", state, &non_local_keyspaces())
            .unwrap();
        assert!(all.contains(&"system".to_owned()) && !replicated.contains(&"system".to_owned()));
        assert!(replicated.contains(&"shop".to_owned()) && replicated.contains(&"system_auth".to_owned()));
    }
}

#[test]
fn the_short_operations_return() {
    for recording in recordings() {
        let upgrade = |keyspace| upgrade_sstables(Tables::of(keyspace), Jobs::ALL_COMPACTORS);
        recording
            .answer("upgradesstables", "nothing to upgrade", &upgrade("shop"))
            .unwrap();
        recording
            .answer("upgradesstables", "the node's own keyspace", &upgrade("system"))
            .unwrap();
        let refused =
            refusal(recording.answer("upgradesstables", "an unknown keyspace", &upgrade("nowhere")));
        assert_eq!(refused.0, Category::Refused);
        recording
            .answer("flush", "a keyspace with rows", &flush(Tables::of("shop")))
            .unwrap();
        recording.answer("drain", "a node of the ring", &drain()).unwrap();
        assert_eq!(
            recording.status("the node is drained").unwrap().mode,
            OperationMode::Drained
        );
    }
}

#[test]
fn work_on_tables_returns_or_says_what_is_not_there() {
    let nowhere = ["nowhere".to_owned()];
    let calls = |tables| {
        let jobs = Jobs::ALL_COMPACTORS;
        [
            ("scrub", scrub(tables, jobs, Scrub::default())),
            ("garbagecollect", garbage_collect(tables, jobs)),
            ("compact", compact(tables, Output::Few)),
            ("compact-tokens", compact_tokens(tables, "-100", "100")),
        ]
    };
    for recording in recordings() {
        for (topic, call) in calls(Tables::of("shop")) {
            recording.answer(topic, "two nodes", &call).unwrap();
        }
        let names = &nowhere;
        let unknown_table = Tables {
            keyspace: "shop",
            names,
        };
        for (state, tables, words) in [
            (
                "an unknown table",
                unknown_table,
                "Unknown keyspace/cf pair (shop.nowhere)",
            ),
            (
                "an unknown keyspace",
                Tables::of("nowhere"),
                "Keyspace nowhere does not exist",
            ),
        ] {
            for (topic, call) in calls(tables) {
                let (category, told) = refusal(recording.answer(topic, state, &call));
                assert_eq!(category, Category::Refused, "{topic}");
                assert!(told.ends_with(words), "{topic}: {told}");
            }
        }
        recording.answer("reloadssl", "two nodes", &reload_ssl()).unwrap();
    }
}

#[test]
fn a_compaction_is_seen_at_work_and_fails_when_it_is_stopped() {
    for recording in recordings() {
        let state = "a compaction is under way";
        let seen = recording.answer("CompactionManager", state, &compaction_manager::compactions());
        let seen = seen.unwrap();
        let is_it = |one: &casskop_jolokia::Compaction| {
            one.task == CompactionTask::Compaction
                && (one.keyspace.as_str(), one.table.as_str()) == ("shop", "orders")
        };
        assert!(seen.iter().any(is_it), "{seen:?}");
        assert!(recording.in_flight(state).contains(NodeOperation::Compact));
        let stop = compaction_manager::stop(&CompactionTask::Compaction, recording.version);
        recording.answer("stop", state, &stop.unwrap()).unwrap();
        let compaction = compact(Tables::of("shop"), Output::Few);
        let (_, words) = refusal(recording.answer("compact", "it was stopped", &compaction));
        assert!(words.contains("Compaction interrupted"), "{words}");
    }
}

#[test]
fn wrong_credentials_are_an_http_status() {
    for recording in recordings() {
        let right = recording.answer("credentials", "the right credentials", &operation_mode());
        assert_eq!(right.unwrap(), OperationMode::Normal);
        for state in ["a wrong password", "no credentials"] {
            let mut exchanges = recording.exchanges("credentials").iter();
            let exchange = exchanges.find(|exchange| exchange["state"] == state).unwrap();
            assert_eq!(exchange["http_status"], 401);
        }
    }
}
