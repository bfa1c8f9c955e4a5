//! What the plan amounts to over many passes, also when the operator dies between any two writes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what the test's world lacks is a bug of the test"
)]

#[path = "life_of_a_cluster/adoption.rs"]
mod adoption;
#[path = "life_of_a_cluster/crossed_addresses.rs"]
mod crossed_addresses;
#[path = "life_of_a_cluster/datacenters.rs"]
mod datacenters;
#[path = "life_of_a_cluster/edits.rs"]
mod edits;
#[path = "life_of_a_cluster/exploration.rs"]
mod exploration;
#[path = "life_of_a_cluster/follow_ups.rs"]
mod follow_ups;
#[path = "life_of_a_cluster/hooks.rs"]
mod hooks;
#[path = "life_of_a_cluster/moves.rs"]
mod moves;
#[path = "life_of_a_cluster/overlaps.rs"]
mod overlaps;
#[path = "life_of_a_cluster/pausing.rs"]
mod pausing;
#[path = "life_of_a_cluster/repairs.rs"]
mod repairs;
#[path = "life_of_a_cluster/replace.rs"]
mod replace;
#[path = "life_of_a_cluster/requests.rs"]
mod requests;
#[path = "life_of_a_cluster/restart_of_nodes.rs"]
mod restart_of_nodes;
#[path = "life_of_a_cluster/ring_record.rs"]
mod ring_record;
#[path = "life_of_a_cluster/scale_down.rs"]
mod scale_down;
#[path = "life_of_a_cluster/seed_lists.rs"]
mod seed_lists;
#[path = "life_of_a_cluster/storage.rs"]
mod storage;
mod world;

use casskop_core::call::{CallState, NodeCall};
use casskop_core::effect::{Effect, Wake};
use casskop_types::labels::OPERATION_ABORT;
use casskop_types::operation::{OperationStatus, RecordState};
use casskop_types::status::{ActionStatus, ClusterAction, Phase};
use proptest::prelude::*;
use serde_json::json;
use world::{Death, World};

const RACKS: [&str; 3] = ["ring-dc1-rack1", "ring-dc1-rack2", "ring-dc1-rack3"];

fn three_racks(nodes: i32) -> serde_json::Value {
    json!({
        "nodesPerRacks": nodes, "dataCapacity": "1Gi", "cassandraImage": "cassandra:5.0.9",
        "topology": {"dc": [{"name": "dc1", "rack": [{"name": "rack1"}, {"name": "rack2"}, {"name": "rack3"}]}]},
    })
}

fn formed(nodes: i32) -> World {
    let mut world = World::new(&three_racks(nodes));
    world.settle();
    assert_eq!(world.cluster.status.as_ref().unwrap().phase, Some(Phase::Running));
    world
}

/// The operator dies in a pass, after so many writes, and another one takes over.
fn dies_and_settles(world: &mut World, deadly_pass: usize, writes: usize, node_is_quick: bool) {
    for pass in 0..=deadly_pass {
        world.pass(if pass == deadly_pass {
            Death::AfterWrites(writes)
        } else {
            Death::Never
        });
        if node_is_quick {
            world.nodes_finish();
        }
        world.controllers();
    }
    world.die();
    world.settle();
}

fn ask_for_restart(world: &mut World, racks: &[usize]) {
    world.edit_spec(|spec| {
        for rack in racks {
            spec["topology"]["dc"][0]["rack"][*rack]["rollingRestart"] = json!(true);
        }
    });
}

fn action(world: &World, rack: &str) -> (Option<ClusterAction>, Option<ActionStatus>) {
    let status = world.cluster.status.as_ref().unwrap();
    let action = status.cassandra_rack_status[rack]
        .cassandra_last_action
        .clone()
        .unwrap();
    (action.name, action.status)
}

#[test]
fn first_pods_come_one_by_one_and_before_all_others() {
    let mut world = World::new(&three_racks(2));
    let mut order: Vec<String> = Vec::new();
    for _ in 0..60 {
        world.pass(Death::Never);
        let before = world.pods.len();
        world.controllers();
        assert!(world.pods.len() <= before + 1, "two nodes at once");
        order.extend(
            world
                .pods
                .keys()
                .filter(|pod| !order.contains(pod))
                .cloned()
                .collect::<Vec<_>>(),
        );
    }
    let expected: Vec<_> = [0, 1]
        .iter()
        .flat_map(|ordinal| RACKS.iter().map(move |rack| format!("{rack}-{ordinal}")))
        .collect();
    assert_eq!(order, expected);
    let status = world.cluster.status.unwrap();
    assert_eq!(status.phase, Some(Phase::Running));
    assert_eq!(status.nodes_ready.as_deref(), Some("6/6"));
    assert_eq!(status.cassandra_node_status.len(), 6);
}

#[test]
fn a_node_the_others_have_not_heard_of_is_asked_about_until_they_have() {
    for grown in [false, true] {
        let mut world = if grown {
            formed(1)
        } else {
            World::new(&three_racks(1))
        };
        if grown {
            world.edit_spec(|spec| spec["nodesPerRacks"] = json!(2));
        }
        let last = if grown {
            "ring-dc1-rack3-1"
        } else {
            "ring-dc1-rack3-0"
        };
        while !world.pods.get(last).is_some_and(world::is_ready) {
            world.pass(Death::Never);
            world.controllers();
        }
        while world.controllers() {}
        let address = world::address_of(&world.pods[last]);
        world.members.get_mut(&address).unwrap().1 = false;
        let plan = world.pass(Death::Never);
        assert_ne!(plan.wake, Wake::OnEvent, "no event comes any more");
        let waiting = plan
            .status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Waiting")
            .unwrap();
        assert_eq!(waiting.status, "True");
        assert!(waiting.message.contains(last), "{}", waiting.message);
        world.members.get_mut(&address).unwrap().1 = true;
        world.settle();
        let status = world.cluster.status.as_ref().unwrap();
        assert_eq!(status.phase, Some(Phase::Running));
        assert_eq!(status.last_cluster_action_status, Some(ActionStatus::Done));
    }
}

#[test]
fn a_settled_cluster_plans_nothing_and_asks_nobody() {
    let mut world = formed(1);
    let before = world.cluster.status.clone();
    let plan = world.pass(Death::Never);
    assert_eq!(plan.effects, vec![]);
    assert_eq!(plan.wake, casskop_core::effect::Wake::OnEvent);
    assert_eq!(world.cluster.status, before);
}

#[test]
fn a_restart_replaces_the_pods_of_its_rack_once() {
    let mut world = formed(2);
    let before: Vec<_> = world
        .pods
        .keys()
        .map(|pod| (pod.clone(), world.uid(pod)))
        .collect();
    ask_for_restart(&mut world, &[1]);
    world.settle();
    for (pod, uid) in before {
        assert_eq!(pod.starts_with(RACKS[1]), world.uid(&pod) != uid, "{pod}");
    }
    assert_eq!(
        action(&world, "dc1-rack2"),
        (Some(ClusterAction::RollingRestart), Some(ActionStatus::Done))
    );
    assert_eq!(world.most_down, 1);
    let spec = serde_json::to_value(&world.cluster.spec).unwrap();
    assert_eq!(
        spec["topology"]["dc"][0]["rack"][1]["rollingRestart"],
        json!(false)
    );
}

#[test]
fn restarts_of_all_racks_go_one_rack_at_a_time() {
    let mut world = formed(2);
    ask_for_restart(&mut world, &[0, 1, 2]);
    for _ in 0..200 {
        world.pass(Death::Never);
        world.controllers();
        let rolling = ["dc1-rack1", "dc1-rack2", "dc1-rack3"].iter().filter(|rack| {
            action(&world, rack) == (Some(ClusterAction::RollingRestart), Some(ActionStatus::Ongoing))
        });
        assert!(rolling.count() <= 1);
    }
    world.settle();
    assert_eq!(world.most_down, 1);
    assert!(world.pods.values().all(|pod| {
        pod.metadata
            .labels
            .as_ref()
            .unwrap()
            .contains_key("rolling-restart")
    }));
}

#[test]
fn a_second_request_for_a_restart_in_the_middle_of_the_first_is_a_second_restart() {
    let mut world = formed(1);
    ask_for_restart(&mut world, &[0]);
    while action(&world, "dc1-rack1").1 != Some(ActionStatus::Ongoing) || world.cluster.status.is_none() {
        world.pass(Death::Never);
    }
    let first = world.uid("ring-dc1-rack1-0");
    ask_for_restart(&mut world, &[0]);
    world.settle();
    let pods_made = world.uid("ring-dc1-rack1-0");
    assert_ne!(first, pods_made);
    assert_eq!(pods_made, "pod-uid-5", "three first pods, then two restarts");
}

#[test]
fn nothing_goes_down_while_a_node_is_down_and_the_reason_is_said() {
    let mut world = formed(1);
    world.broken.insert("ring-dc1-rack3-0".to_owned());
    let address = world::address_of(&world.pods["ring-dc1-rack3-0"]);
    world.members.get_mut(&address).unwrap().1 = false;
    let broken = world.pods.get_mut("ring-dc1-rack3-0").unwrap();
    broken.status.as_mut().unwrap().conditions.as_mut().unwrap()[0].status = "False".to_owned();
    let uid = world.uid("ring-dc1-rack1-0");
    ask_for_restart(&mut world, &[0]);
    for _ in 0..20 {
        world.pass(Death::Never);
        world.controllers();
    }
    assert_eq!(world.uid("ring-dc1-rack1-0"), uid);
    let status = world.cluster.status.as_ref().unwrap();
    let waiting = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Waiting")
        .unwrap();
    assert_eq!(
        (waiting.status.as_str(), waiting.message.as_str()),
        (
            "True",
            "pod ring-dc1-rack3-0 is not ready: if it stays so, see `kubectl logs ring-dc1-rack3-0 --container cassandra`"
        )
    );
}

#[test]
fn a_node_that_the_ring_sees_down_holds_back_a_restart_though_its_pod_is_ready() {
    let mut world = formed(1);
    let address = world::address_of(&world.pods["ring-dc1-rack2-0"]);
    world.members.get_mut(&address).unwrap().1 = false;
    let uid = world.uid("ring-dc1-rack1-0");
    ask_for_restart(&mut world, &[0]);
    for _ in 0..10 {
        world.pass(Death::Never);
        world.controllers();
    }
    assert_eq!(world.uid("ring-dc1-rack1-0"), uid);
    world.members.get_mut(&address).unwrap().1 = true;
    world.settle();
    assert_ne!(world.uid("ring-dc1-rack1-0"), uid);
}

#[test]
fn scaling_up_joins_one_node_at_a_time_and_suggests_the_cleanup_of_the_older_ones() {
    for (auto_pilot, expected) in [(false, OperationStatus::Manual), (true, OperationStatus::ToDo)] {
        let mut world = formed(1);
        world.edit_spec(|spec| {
            spec["autoPilot"] = json!(auto_pilot);
            spec["nodesPerRacks"] = json!(2);
        });
        let mut seen = Vec::new();
        for _ in 0..80 {
            world.pass(Death::Never);
            let before = world.pods.len();
            world.controllers();
            assert!(world.pods.len() <= before + 1);
            seen.extend(world.label_of("ring-dc1-rack1-0", "operation-status"));
            world.nodes_finish();
        }
        assert!(seen.contains(&expected.to_string()), "{seen:?}");
        assert_eq!(world.label_of("ring-dc1-rack1-1", "operation-status"), None);
        assert_eq!(world.made.len(), if auto_pilot { 3 } else { 0 });
        assert_eq!(world.pods.len(), 6);
    }
}

#[test]
fn a_cleanup_runs_once_on_each_pod_one_at_a_time_in_a_rack() {
    let mut world = formed(3);
    for pod in world.pods.keys().cloned().collect::<Vec<_>>() {
        world.label(
            &pod,
            &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
        );
    }
    for _ in 0..30 {
        world.pass(Death::Never);
        for rack in RACKS {
            assert!(world.in_flight.keys().filter(|pod| pod.starts_with(rack)).count() <= 1);
        }
        world.nodes_finish();
    }
    world.settle();
    assert_eq!(world.made.len(), 9);
    let status = world.cluster.status.as_ref().unwrap();
    let last = status.cassandra_rack_status["dc1-rack1"]
        .pod_last_operation
        .clone()
        .unwrap();
    assert_eq!(last.status, Some(OperationStatus::Done));
    assert_eq!(
        last.pods_ok,
        ["ring-dc1-rack1-0", "ring-dc1-rack1-1", "ring-dc1-rack1-2"]
    );
    assert_eq!((last.pods.len(), last.pods_ko.len()), (0, 0));
    assert_eq!(
        world.label_of("ring-dc1-rack1-0", "operation-status").as_deref(),
        Some("Done")
    );
    assert!(
        world
            .label_of("ring-dc1-rack1-0", "operation-end")
            .is_some_and(|end| !end.is_empty())
    );
}

/// The operator dies in the middle of each try. One that gets a keyspace further each time may try for as long as it takes.
#[test]
fn a_cleanup_ends_as_an_error_only_if_its_tries_lead_nowhere() {
    let after_deaths = |gets_further: bool| {
        let mut world = formed(1);
        let pod = "ring-dc1-rack1-0";
        world.label(
            pod,
            &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
        );
        for death in 0..40 {
            world.pass(Death::Never);
            if gets_further {
                let keyspaces_done: Vec<String> = (0..=death).map(|number| format!("shop{number}")).collect();
                for state in world.calls.values_mut() {
                    *state = CallState::Running {
                        keyspaces_done: keyspaces_done.clone(),
                        work: None,
                    };
                }
                world.pass(Death::Never);
            }
            world.die();
            world.nodes_finish();
            world.calls_arrive();
        }
        world.settle();
        let status = world.cluster.status.as_ref().unwrap();
        let record = status.cassandra_rack_status["dc1-rack1"].operations[0].clone();
        (record.state, record.attempt, record.progress)
    };
    assert_eq!(after_deaths(false), (RecordState::Error, 20, None));
    // What is done leaves no list of keyspaces behind.
    assert_eq!(after_deaths(true), (RecordState::Done, 41, None));
}

/// A packet may be lost, and sent again by the kernel when the operator is dead: the node is idle until it arrives.
#[test]
fn what_a_dead_operator_sent_is_given_time_to_arrive() {
    let mut world = formed(1);
    let cleanup = [("operation-name", "cleanup"), ("operation-status", "ToDo")];
    world.label("ring-dc1-rack1-0", &cleanup);
    world.pass(Death::Never);
    assert_eq!(world.made.len(), 1);
    world.die();
    world.nodes_finish();
    let plan = world.pass(Death::Never);
    assert_eq!(world.made.len(), 1, "begun again at once");
    assert!(matches!(plan.wake, Wake::After(_)));
    world.calls_arrive();
    world.pass(Death::Never);
    assert_eq!(world.made.len(), 2);
}

/// Its end is asked for while what a dead operator sent is on its way: it is stopped when it has arrived.
#[test]
fn what_a_dead_operator_sent_is_stopped_where_its_end_was_asked_for() {
    const POD: &str = "ring-dc1-rack1-0";
    let mut world = formed(1);
    world.label(
        POD,
        &[("operation-name", "compact"), ("operation-status", "ToDo")],
    );
    // The status and the label.
    let plan = world.pass(Death::AfterWrites(2));
    let is_call = |effect: &&Effect| matches!(effect, Effect::StartCall { .. });
    let sent = plan.effects.iter().find(is_call).unwrap();
    assert!(world.made.is_empty());
    world.annotate(POD, OPERATION_ABORT, "compact");
    world.pass(Death::Never);
    let record = |world: &World| world.records().next().unwrap().clone();
    assert!(record(&world).abort_time.is_some() && record(&world).end_time.is_none());
    world.execute(sent, None).unwrap();
    // That call was another process's.
    world.calls.clear();
    world.settle();
    assert_eq!(world.stopped, [POD]);
    assert!(world.in_flight.is_empty());
    assert_eq!(record(&world).state, RecordState::Error);
}

#[test]
fn a_pod_that_goes_away_in_the_middle_ends_its_operation_and_not_the_others() {
    let mut world = formed(1);
    for rack in RACKS {
        world.label(
            &format!("{rack}-0"),
            &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
        );
    }
    world.pass(Death::Never);
    assert_eq!(world.in_flight.len(), 3);
    world.pods.remove("ring-dc1-rack2-0");
    world.in_flight.remove("ring-dc1-rack2-0");
    world.controllers();
    world.settle();
    let state = |rack: &str| {
        let status = world.cluster.status.as_ref().unwrap();
        status.cassandra_rack_status[rack].operations[0].clone()
    };
    assert_eq!(state("dc1-rack1").state, RecordState::Done);
    assert_eq!(state("dc1-rack2").state, RecordState::Error);
    assert!(state("dc1-rack2").message.unwrap().contains("went away"));
    let last = world.cluster.status.as_ref().unwrap().cassandra_rack_status["dc1-rack2"]
        .pod_last_operation
        .clone();
    assert_eq!(last.unwrap().pods_ko, ["ring-dc1-rack2-0"]);
}

#[test]
fn a_request_that_cannot_be_read_is_answered_on_its_label() {
    let mut world = formed(1);
    world.label(
        "ring-dc1-rack1-0",
        &[("operation-name", "cleanpu"), ("operation-status", "ToDo")],
    );
    world.label(
        "ring-dc1-rack2-0",
        &[
            ("operation-name", "remove"),
            ("operation-status", "ToDo"),
            ("operation-argument", "Not.A.Pod"),
        ],
    );
    world.label(
        "ring-dc1-rack3-0",
        &[
            ("operation-name", "rebuild"),
            ("operation-status", "ToDo"),
            ("operation-argument", "dc7"),
        ],
    );
    world.settle();
    for rack in RACKS {
        assert_eq!(
            world
                .label_of(&format!("{rack}-0"), "operation-status")
                .as_deref(),
            Some("Error")
        );
    }
    assert!(world.made.is_empty());
    let notes: Vec<_> = world.notices.iter().map(|notice| notice.note.as_str()).collect();
    assert!(
        notes.iter().any(|note| note.contains("`cleanpu` is not one of")),
        "{notes:?}"
    );
    assert!(
        notes
            .iter()
            .any(|note| note.contains("`Not.A.Pod` is neither a pod's name")),
        "{notes:?}"
    );
    assert!(notes.iter().any(|note| note.contains("dc7")), "{notes:?}");
}

#[test]
fn a_request_waits_for_an_argument_that_is_written_after_its_status() {
    let mut world = formed(1);
    let pod = "ring-dc1-rack1-0";
    world.label(pod, &[("operation-name", "rebuild")]);
    world.pass(Death::Never);
    world.label(pod, &[("operation-status", "ToDo")]);
    world.settle();
    assert!(world.made.is_empty());
    assert_eq!(world.label_of(pod, "operation-status").as_deref(), Some("ToDo"));
    let status = world.cluster.status.as_ref().unwrap();
    let waiting = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Waiting")
        .unwrap();
    assert_eq!(
        (waiting.status.as_str(), waiting.message.as_str()),
        (
            "True",
            "rebuild on pod ring-dc1-rack1-0 waits: rebuild needs the datacenter to stream from: \
             set the label operation-argument to its name"
        )
    );
    world.label(pod, &[("operation-argument", "dc1")]);
    world.settle();
    let from_dc = "dc1".to_owned();
    assert_eq!(world.made.len(), 1);
    assert_eq!(world.made[0].call, NodeCall::Rebuild { from_dc });
    assert_eq!(world.label_of(pod, "operation-status").as_deref(), Some("Done"));
}

#[test]
fn operations_wait_for_a_restart_and_a_restart_for_the_operation_of_its_rack() {
    let mut world = formed(1);
    world.label(
        "ring-dc1-rack1-0",
        &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
    );
    world.pass(Death::Never);
    assert_eq!(world.in_flight.len(), 1);
    let uid = world.uid("ring-dc1-rack1-0");
    ask_for_restart(&mut world, &[0]);
    world.label(
        "ring-dc1-rack2-0",
        &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
    );
    for _ in 0..10 {
        world.pass(Death::Never);
        world.controllers();
        assert_eq!(world.uid("ring-dc1-rack1-0"), uid, "restarted under a cleanup");
        assert_eq!(world.in_flight.len(), 1, "an operation overtook a restart");
    }
    world.nodes_finish();
    world.settle();
    assert_ne!(world.uid("ring-dc1-rack1-0"), uid);
    assert_eq!(world.made.len(), 2);
}

#[test]
fn a_lost_node_is_removed_and_its_pod_dropped() {
    let mut world = formed(1);
    let lost = world::address_of(&world.pods["ring-dc1-rack2-0"]);
    world.members.get_mut(&lost).unwrap().1 = false;
    let pod = world.pods.get_mut("ring-dc1-rack2-0").unwrap();
    pod.status.as_mut().unwrap().conditions.as_mut().unwrap()[0].status = "False".to_owned();
    let uid = world.uid("ring-dc1-rack2-0");
    world.label(
        "ring-dc1-rack1-0",
        &[
            ("operation-name", "remove"),
            ("operation-status", "ToDo"),
            ("operation-argument", "ring-dc1-rack2-0"),
        ],
    );
    world.settle();
    let host_id = "host-of-ring-dc1-rack2-0".to_owned();
    assert_eq!(world.made[0].call, NodeCall::RemoveNode { host_id });
    assert_eq!(world.made.len(), 1);
    assert_ne!(world.uid("ring-dc1-rack2-0"), uid);
    assert!(!world.members.contains_key(&lost));
    assert_eq!(
        world.label_of("ring-dc1-rack1-0", "operation-status").as_deref(),
        Some("Done")
    );
}

/// The operator dies before it writes any label, again and again, and the removal goes on by what the ring says.
#[test]
fn a_request_whose_label_is_never_written_is_carried_out_once() {
    let mut world = formed(1);
    world.node_is("ring-dc1-rack2-0", false);
    world.label(
        "ring-dc1-rack1-0",
        &[
            ("operation-name", "remove"),
            ("operation-status", "ToDo"),
            ("operation-argument", "ring-dc1-rack2-0"),
        ],
    );
    for _ in 0..40 {
        let label = |effect: &Effect| matches!(effect, Effect::LabelPod { .. });
        let plan = world.think();
        let others = plan.effects.iter().take_while(|effect| !label(effect)).count();
        let status = usize::from(world.status_differs(&plan));
        world.pass(Death::AfterWrites(status + others));
        world.controllers();
        world.nodes_finish();
    }
    world.settle();
    let status = world.cluster.status.clone().unwrap();
    let records = &status.cassandra_rack_status["dc1-rack1"].operations;
    assert_eq!(records.len(), 1, "the request was taken up again: {records:?}");
    assert_eq!(records[0].state, RecordState::Done);
    assert_eq!(
        world.label_of("ring-dc1-rack1-0", "operation-status").as_deref(),
        Some("Done")
    );
}

/// A restart that waits for the lost node does not hold back its removal.
#[test]
fn a_lost_node_is_removed_while_a_restart_waits_for_it() {
    let mut world = formed(1);
    world.node_is("ring-dc1-rack2-0", false);
    ask_for_restart(&mut world, &[0]);
    for _ in 0..5 {
        world.pass(Death::Never);
        world.controllers();
    }
    world.label(
        "ring-dc1-rack3-0",
        &[
            ("operation-name", "remove"),
            ("operation-status", "ToDo"),
            ("operation-argument", "ring-dc1-rack2-0"),
        ],
    );
    let before = world.uid("ring-dc1-rack1-0");
    world.settle();
    assert_eq!(
        world.label_of("ring-dc1-rack3-0", "operation-status").as_deref(),
        Some("Done")
    );
    assert_ne!(
        world.uid("ring-dc1-rack1-0"),
        before,
        "the restart did not follow"
    );
}

/// The address of one lost node with the name of another pod: the other's disk is not taken.
#[test]
fn a_removal_that_names_another_nodes_pod_is_refused() {
    let mut world = formed(1);
    world.node_is("ring-dc1-rack2-0", false);
    world.node_is("ring-dc1-rack3-0", false);
    let address = world::address_of(&world.pods["ring-dc1-rack2-0"]);
    let argument = format!("ring-dc1-rack3-0_{address}");
    world.label(
        "ring-dc1-rack1-0",
        &[
            ("operation-name", "remove"),
            ("operation-status", "ToDo"),
            ("operation-argument", &argument),
        ],
    );
    for _ in 0..10 {
        world.pass(Death::Never);
        world.controllers();
        world.nodes_finish();
    }
    assert_eq!(
        world.label_of("ring-dc1-rack1-0", "operation-status").as_deref(),
        Some("Error")
    );
    assert_eq!((world.claims.len(), world.made.len()), (3, 0));
}

#[test]
fn a_live_node_is_not_removed() {
    let mut world = formed(1);
    world.label(
        "ring-dc1-rack1-0",
        &[
            ("operation-name", "remove"),
            ("operation-status", "ToDo"),
            ("operation-argument", "ring-dc1-rack2-0"),
        ],
    );
    world.settle();
    assert!(world.made.is_empty());
    assert_eq!(
        world.label_of("ring-dc1-rack1-0", "operation-status").as_deref(),
        Some("Error")
    );
    assert_eq!(world.members.len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// However often and wherever the operator dies, a cluster forms, restarts once and cleans up once.
    #[test]
    fn dying_anywhere_changes_nothing_about_the_end(deaths in prop::collection::vec(0..6usize, 0..40)) {
        let mut deaths = deaths.into_iter();
        let mut world = World::new(&three_racks(2));
        let run = |world: &mut World, deaths: &mut dyn Iterator<Item = usize>| {
            for death in deaths.take(15) {
                world.pass(Death::AfterWrites(death));
                world.controllers();
                if death % 2 == 0 {
                    world.nodes_finish();
                }
            }
            world.settle();
        };
        run(&mut world, &mut deaths);
        prop_assert_eq!(world.pods.len(), 6);
        let uids: Vec<_> = world.pods.keys().map(|pod| (pod.clone(), world.uid(pod))).collect();
        ask_for_restart(&mut world, &[0, 2]);
        run(&mut world, &mut deaths);
        for (pod, uid) in uids {
            prop_assert_eq!(!pod.starts_with(RACKS[1]), world.uid(&pod) != uid, "{}", pod);
        }
        prop_assert!(world.uid("ring-dc1-rack1-0").as_str() <= "pod-uid-99");
        prop_assert!(world.most_down <= 1);
        let pods_made = world.pods.values().filter_map(|pod| pod.metadata.uid.clone()).collect::<std::collections::BTreeSet<_>>();
        prop_assert_eq!(pods_made.len(), 6);
        for pod in world.pods.keys().cloned().collect::<Vec<_>>() {
            world.label(&pod, &[("operation-name", "cleanup"), ("operation-status", "ToDo")]);
        }
        run(&mut world, &mut deaths);
        for pod in world.pods.keys() {
            prop_assert_eq!(world.label_of(pod, "operation-status"), Some("Done".to_owned()));
        }
    }
}

/// A run is known by its record: the second of two requests within one second is another run.
#[test]
fn two_requests_within_a_second_are_two_runs() {
    let mut world = formed(1);
    for runs in 1..=2 {
        world.label(
            "ring-dc1-rack1-0",
            &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
        );
        for _ in 0..6 {
            let plan = world.think();
            world.write_status(&plan);
            for effect in &plan.effects {
                world.execute(effect, None).unwrap();
            }
            world.nodes_finish();
        }
        assert_eq!(world.made.len(), runs);
        assert_eq!(
            world.label_of("ring-dc1-rack1-0", "operation-status").as_deref(),
            Some("Done")
        );
    }
    let status = world.cluster.status.as_ref().unwrap();
    let records = &status.cassandra_rack_status["dc1-rack1"].operations;
    assert_ne!(records[0].id, records[1].id);
}
