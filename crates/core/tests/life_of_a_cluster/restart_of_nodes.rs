//! Single nodes that are drained, and whose pods are made anew.

use std::collections::BTreeMap;

use casskop_core::call::{CallState, NodeCall};
use casskop_types::labels::{OPERATION_ABORT, OPERATION_NAME, OPERATION_STATUS, PAUSED};
use casskop_types::operation::{OperationName, OperationRecord, OperationStatus, RecordState};
use jiff::SignedDuration;

use super::world::{Death, World};
use super::{action, ask_for_restart, dies_and_settles, formed};

const POD: &str = "ring-dc1-rack2-0";
const NEXT: &str = "ring-dc1-rack2-1";
const OTHER: &str = "ring-dc1-rack3-0";

fn ask(world: &mut World, pod: &str) {
    world.label(pod, &[(OPERATION_NAME, "restart"), (OPERATION_STATUS, "ToDo")]);
}

fn records(world: &World) -> Vec<OperationRecord> {
    world.records().cloned().collect()
}

/// These were told to drain, once each, and are new; no other pod is, and never were two down at once.
fn assert_restarted(world: &World, before: &BTreeMap<String, String>, pods: &[&str]) {
    let after = world.uids();
    for (pod, uid) in before {
        assert_eq!(after[pod] != *uid, pods.contains(&pod.as_str()), "{pod}");
    }
    assert!(world.members.values().all(|(_, up)| *up));
    assert!(world.most_down <= 1, "{} at once", world.most_down);
    for pod in pods {
        assert_eq!(world.label_of(pod, OPERATION_STATUS).as_deref(), Some("Done"));
        assert_eq!(world.label_of(pod, OPERATION_NAME).as_deref(), Some("restart"));
    }
    let records = records(world);
    assert_eq!(records.len(), pods.len());
    assert!(
        records.iter().all(|record| record.state == RecordState::Done),
        "{records:?}"
    );
    assert_eq!(world.waiting().status, "False", "{}", world.waiting().message);
}

fn drained(world: &World) -> Vec<&str> {
    let drains = world.made.iter().filter(|made| made.call == NodeCall::Drain);
    drains.map(|made| made.pod.as_str()).collect()
}

#[test]
fn a_node_is_drained_and_comes_back_in_a_new_pod() {
    let mut world = formed(2);
    let before = world.uids();
    let members = world.members.len();
    ask(&mut world, POD);
    world.settle();
    assert_restarted(&world, &before, &[POD]);
    assert_eq!(drained(&world), [POD]);
    assert_eq!(world.members.len(), members);
    let status = world.cluster.status.as_ref().unwrap();
    let last = status.cassandra_rack_status["dc1-rack2"]
        .pod_last_operation
        .clone()
        .unwrap();
    assert_eq!(
        (last.name, last.status, last.pods_ok, last.pods, last.pods_ko),
        (
            Some(OperationName::Restart),
            Some(OperationStatus::Done),
            vec![POD.to_owned()],
            vec![],
            vec![]
        )
    );
}

#[test]
fn nodes_of_several_racks_follow_each_other_whoever_was_asked_first() {
    let mut world = formed(2);
    let before = world.uids();
    ask(&mut world, OTHER);
    world.pass(Death::Never);
    for pod in [POD, NEXT] {
        ask(&mut world, pod);
    }
    world.settle();
    assert_restarted(&world, &before, &[POD, NEXT, OTHER]);
    assert_eq!(drained(&world), [OTHER, POD, NEXT]);
}

#[test]
fn it_comes_to_the_same_end_wherever_the_operator_dies() {
    for deadly_pass in 0..6 {
        for writes in 0..4 {
            for node_is_quick in [false, true] {
                let mut world = formed(2);
                let before = world.uids();
                ask(&mut world, POD);
                dies_and_settles(&mut world, deadly_pass, writes, node_is_quick);
                assert_restarted(&world, &before, &[POD]);
                assert_eq!(
                    drained(&world),
                    [POD],
                    "died in pass {deadly_pass} after {writes} writes"
                );
            }
        }
    }
}

/// The operator is dead when the drain ends, and its successor cannot ask: the mode tells, and the pod goes.
#[test]
fn a_drained_node_is_never_left_standing() {
    let mut world = formed(1);
    let before = world.uids();
    ask(&mut world, POD);
    world.pass(Death::Never);
    world.die();
    // Meanwhile another node goes down: the drained one serves nobody, so that its pod goes all the same.
    world.node_is(OTHER, false);
    world.nodes_finish();
    for _ in 0..4 {
        world.pass(Death::Never);
        world.controllers();
    }
    assert_ne!(world.uid(POD), before[POD]);
    world.node_is(OTHER, true);
    world.settle();
    assert_eq!(drained(&world), [POD]);
    assert_eq!(world.label_of(POD, OPERATION_STATUS).as_deref(), Some("Done"));
}

#[test]
fn a_node_that_was_not_told_is_not_drained_while_another_is_down() {
    let mut world = formed(1);
    ask(&mut world, POD);
    // The record is written, the node was not told.
    world.pass(Death::AfterWrites(1));
    world.die();
    world.node_is(OTHER, false);
    for _ in 0..3 {
        world.pass(Death::Never);
        world.controllers();
    }
    assert_eq!(drained(&world), Vec::<&str>::new());
    assert!(
        world.waiting().message.contains(OTHER),
        "{}",
        world.waiting().message
    );
    world.node_is(OTHER, true);
    world.settle();
    assert_eq!(drained(&world), [POD]);
}

#[test]
fn a_pod_that_does_not_come_back_is_waited_for_and_no_other_rack_is_touched() {
    let mut world = formed(1);
    let before = world.uids();
    world.broken.insert(POD.to_owned());
    ask(&mut world, POD);
    world.settle();
    ask(&mut world, OTHER);
    ask_for_restart(&mut world, &[0]);
    world.settle();
    let waiting = world.waiting();
    assert_eq!(waiting.status, "True");
    assert!(
        waiting
            .message
            .contains(&format!("pod {POD} is not ready: if it stays so, see")),
        "{}",
        waiting.message
    );
    let mut after = world.uids();
    assert_ne!(after.remove(POD), before.get(POD).cloned());
    let mut others = before.clone();
    others.remove(POD);
    assert_eq!(after, others);
    assert_eq!(world.most_down, 1);
    world.broken.clear();
    super::world::set_ready(world.pods.get_mut(POD).unwrap(), "True");
    let host_id = format!("host-of-{POD}");
    for member in world.members.values_mut().filter(|member| member.0 == host_id) {
        member.1 = true;
    }
    let address = super::world::address_of(&world.pods[POD]);
    world.members.retain(|_, member| member.0 != host_id);
    world.members.insert(address, (host_id, true));
    world.settle();
    assert_eq!(world.label_of(POD, OPERATION_STATUS).as_deref(), Some("Done"));
    assert_eq!(world.label_of(OTHER, OPERATION_STATUS).as_deref(), Some("Done"));
    assert_eq!(world.most_down, 1);
}

/// The image that the spec asks for by now does not start: it is corrected, and the pod that was restarted comes back with it.
#[test]
fn a_corrected_template_reaches_a_pod_that_cannot_start() {
    let mut world = formed(1);
    world.edit_spec(|spec| spec["cassandraImage"] = serde_json::json!("cassandra:5.0.10"));
    world.settle();
    world.bad_images.insert("cassandra:5.0.10".to_owned());
    ask(&mut world, POD);
    world.settle();
    assert_eq!(world.label_of(POD, OPERATION_STATUS).as_deref(), Some("Ongoing"));
    world.edit_spec(|spec| spec["cassandraImage"] = serde_json::json!("cassandra:5.0.11"));
    world.settle();
    assert_eq!(world.label_of(POD, OPERATION_STATUS).as_deref(), Some("Done"));
    assert_eq!(world.waiting().status, "False", "{}", world.waiting().message);
}

#[test]
fn racks_and_nodes_are_restarted_one_after_the_other() {
    let mut world = formed(2);
    let before = world.uids();
    ask(&mut world, POD);
    world.pass(Death::Never);
    ask_for_restart(&mut world, &[0, 1, 2]);
    world.pass(Death::Never);
    assert!(
        world
            .waiting()
            .message
            .contains(&format!("restart runs on pod {POD}"))
            || world.waiting().message.contains(&format!("restart on pod {POD}")),
        "{}",
        world.waiting().message
    );
    world.settle();
    assert_eq!(drained(&world), [POD]);
    assert_eq!(world.most_down, 1);
    for rack in ["dc1-rack1", "dc1-rack2", "dc1-rack3"] {
        let (_, status) = action(&world, rack);
        assert_eq!(status, Some(casskop_types::status::ActionStatus::Done));
    }
    let after = world.uids();
    assert!(before.iter().all(|(pod, uid)| after[pod] != *uid));
}

#[test]
fn it_can_be_aborted_before_it_begins_and_not_afterwards() {
    let mut world = formed(1);
    let before = world.uids();
    world.node_is(OTHER, false);
    ask(&mut world, POD);
    world.pass(Death::Never);
    assert!(
        world
            .waiting()
            .message
            .starts_with(&format!("restart on pod {POD} waits:")),
        "{}",
        world.waiting().message
    );
    world.annotate(POD, OPERATION_ABORT, "restart");
    world.settle();
    assert_eq!(world.label_of(POD, OPERATION_STATUS).as_deref(), Some("Error"));
    assert_eq!(world.uids(), before);
    world.node_is(OTHER, true);
    ask(&mut world, POD);
    world.pass(Death::Never);
    world.annotate(POD, OPERATION_ABORT, "restart");
    world.pass(Death::Never);
    assert_eq!(
        world.notes("OperationNotAborted"),
        [format!(
            "restart on pod {POD} is not aborted: its node drains, and a drained node serves again only once its pod is made anew"
        )]
    );
    world.settle();
    assert_ne!(world.uid(POD), before[POD]);
    assert_eq!(world.label_of(POD, OPERATION_STATUS).as_deref(), Some("Done"));
}

#[test]
fn a_drain_that_fails_or_never_ends_comes_to_an_end() {
    let mut world = formed(1);
    let before = world.uids();
    ask(&mut world, POD);
    world.pass(Death::Never);
    world.fail_calls("no such operation");
    world.settle();
    assert_eq!(world.uids(), before);
    let [record] = &records(&world)[..] else { panic!() };
    assert_eq!(
        (record.state, record.message.as_deref()),
        (RecordState::Error, Some("no such operation"))
    );
    ask(&mut world, POD);
    world.pass(Death::Never);
    for _ in 0..3 {
        world.pass(Death::Never);
    }
    assert_eq!(world.uid(POD), before[POD]);
    world.now += SignedDuration::from_mins(15);
    world.pass(Death::Never);
    assert!(!world.pods.contains_key(POD));
    world.settle();
    assert_eq!(world.label_of(POD, OPERATION_STATUS).as_deref(), Some("Done"));
}

/// A drain that its caller lost is not begun twice, nor are others than `ToDo` taken at their word.
#[test]
fn nothing_but_a_request_drains_a_node() {
    let mut world = formed(1);
    let before = world.uids();
    world.label(POD, &[(OPERATION_NAME, "restart"), (OPERATION_STATUS, "Ongoing")]);
    world.settle();
    assert_eq!(world.uids(), before);
    ask(&mut world, POD);
    world.pass(Death::Never);
    for state in world.calls.values_mut() {
        *state = CallState::Lost {
            keyspaces_done: vec![],
            reason: "the connection broke".to_owned(),
        };
    }
    world.pass(Death::Never);
    world.pass(Death::Never);
    assert_eq!(drained(&world), [POD]);
    assert_eq!(world.uid(POD), before[POD]);
    world.settle();
    assert_restarted(&world, &before, &[POD]);
}

#[test]
fn a_lost_node_is_removed_though_a_restart_waits_for_it() {
    let mut world = formed(2);
    world.node_is(OTHER, false);
    ask(&mut world, POD);
    world.pass(Death::Never);
    world.label(
        NEXT,
        &[
            (OPERATION_NAME, "remove"),
            ("operation-argument", OTHER),
            (OPERATION_STATUS, "ToDo"),
        ],
    );
    world.settle();
    assert_eq!(world.label_of(NEXT, OPERATION_STATUS).as_deref(), Some("Done"));
    assert_eq!(world.label_of(POD, OPERATION_STATUS).as_deref(), Some("Done"));
}

#[test]
fn what_is_asked_of_a_pod_that_goes_is_not_forgotten_in_silence() {
    let mut world = formed(1);
    ask(&mut world, POD);
    world.pass(Death::Never);
    world.label(POD, &[(OPERATION_NAME, "flush"), (OPERATION_STATUS, "ToDo")]);
    world.settle();
    let told = world.notes("OperationForgotten");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains(&format!("flush on pod {POD} was not begun")),
        "{told:?}"
    );
    assert_eq!(world.label_of(POD, OPERATION_NAME).as_deref(), Some("restart"));
}

#[test]
fn the_only_node_of_a_ring_is_restarted_too() {
    let mut world = World::new(&serde_json::json!({
        "nodesPerRacks": 1, "dataCapacity": "1Gi", "cassandraImage": "cassandra:5.0.9",
        "topology": {"dc": [{"name": "dc1", "rack": [{"name": "rack1"}]}]},
    }));
    world.settle();
    let pod = "ring-dc1-rack1-0";
    let before = world.uids();
    ask(&mut world, pod);
    world.settle();
    assert_restarted(&world, &before, &[pod]);
}

#[test]
fn a_removal_does_not_wait_for_a_restart_whose_pod_does_not_come_back() {
    let mut world = formed(2);
    world.broken.insert(NEXT.to_owned());
    ask(&mut world, NEXT);
    world.settle();
    assert_eq!(world.label_of(NEXT, OPERATION_STATUS).as_deref(), Some("Ongoing"));
    world.label(
        POD,
        &[
            (OPERATION_NAME, "remove"),
            ("operation-argument", NEXT),
            (OPERATION_STATUS, "ToDo"),
        ],
    );
    world.settle();
    let records = records(&world);
    let removal = records.iter().find(|record| record.name == OperationName::Remove);
    assert!(
        removal.is_some_and(|record| record.end_time.is_some()),
        "{removal:?}"
    );
}

#[test]
fn a_pause_says_that_a_node_may_stand_drained() {
    let mut world = formed(1);
    ask(&mut world, POD);
    world.pass(Death::Never);
    let annotations = world.cluster.metadata.annotations.get_or_insert_default();
    annotations.insert(PAUSED.to_owned(), "true".to_owned());
    world.settle();
    let waiting = world.waiting();
    assert!(
        waiting
            .message
            .contains(&format!("the node of pod {POD}, which is being restarted")),
        "{}",
        waiting.message
    );
    world.cluster.metadata.annotations = None;
    world.settle();
    assert_eq!(world.label_of(POD, OPERATION_STATUS).as_deref(), Some("Done"));
}
