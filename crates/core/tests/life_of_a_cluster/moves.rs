//! Nodes of one token that get another one.

use casskop_core::call::NodeCall;
use casskop_types::labels::{OPERATION_ARGUMENT_ANNOTATION, OPERATION_NAME, OPERATION_STATUS};
use casskop_types::operation::{OperationRecord, RecordState};
use serde_json::json;

use super::world::{Death, World, address_of};
use super::{ask_for_restart, dies_and_settles, formed};

const POD: &str = "ring-dc1-rack2-0";
const BESIDE: &str = "ring-dc1-rack2-1";
const OTHER: &str = "ring-dc1-rack3-0";
const TOKEN: &str = "-3074457345618258603";

fn ask(world: &mut World, pod: &str, token: &str) {
    world.annotate(pod, OPERATION_ARGUMENT_ANNOTATION, token);
    world.label(pod, &[(OPERATION_NAME, "move"), (OPERATION_STATUS, "ToDo")]);
}

fn ask_for(world: &mut World, pod: &str, operation: &str) {
    world.label(pod, &[(OPERATION_NAME, operation), (OPERATION_STATUS, "ToDo")]);
}

fn tokens(world: &World, pod: &str) -> Vec<String> {
    world.tokens_of(&world.member(pod))
}

fn records(world: &World) -> Vec<OperationRecord> {
    world.records().cloned().collect()
}

fn called(world: &World) -> Vec<(&str, &str)> {
    let calls = world.made.iter();
    calls
        .map(|made| (made.pod.as_str(), made.call.storage_service_operation()))
        .collect()
}

/// Passes until so many calls were made.
fn passes_until_called(world: &mut World, calls: usize) {
    for _ in 0..20 {
        if called(world).len() == calls {
            return;
        }
        world.pass(Death::Never);
    }
    panic!("{:?}: {}", called(world), world.waiting().message);
}

fn state(world: &World, pod: &str) -> String {
    world.label_of(pod, OPERATION_STATUS).unwrap_or_default()
}

#[test]
fn a_node_gets_its_token() {
    let mut world = formed(1);
    ask(&mut world, POD, TOKEN);
    world.settle();
    assert_eq!(tokens(&world, POD), [TOKEN]);
    assert_eq!(called(&world), [(POD, "move")]);
    assert_eq!(state(&world, POD), "Done");
    assert_eq!(world.waiting().status, "False", "{}", world.waiting().message);
}

/// Its neighbours hold ranges meanwhile that a cleanup would delete.
#[test]
fn it_has_the_cluster_to_itself() {
    let mut world = formed(2);
    ask_for(&mut world, OTHER, "cleanup");
    world.pass(Death::Never);
    ask(&mut world, POD, TOKEN);
    world.pass(Death::Never);
    // Asked for after the move, in a rack where nothing runs.
    world.now += jiff::SignedDuration::from_secs(1);
    ask_for(&mut world, "ring-dc1-rack1-0", "flush");
    for _ in 0..3 {
        world.pass(Death::Never);
    }
    assert_eq!(called(&world), [(OTHER, "forceKeyspaceCleanup")]);
    let waits = world.waiting().message;
    assert!(waits.contains("move on pod ring-dc1-rack2-0"), "{waits}");
    world.nodes_finish();
    passes_until_called(&mut world, 2);
    for pod in [BESIDE, OTHER] {
        ask_for(&mut world, pod, "cleanup");
    }
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(3));
    for _ in 0..3 {
        world.pass(Death::Never);
        world.controllers();
    }
    assert_eq!(called(&world).len(), 2, "{:?}", called(&world));
    assert_eq!(called(&world)[1], (POD, "move"));
    let waits = world.waiting().message;
    assert!(waits.contains("move"), "{waits}");
    world.settle();
    for pod in [BESIDE, OTHER] {
        assert_eq!(state(&world, pod), "Done", "{pod}");
    }
    assert!(called(&world).contains(&("ring-dc1-rack1-0", "forceKeyspaceFlush")));
    assert_eq!(world.pods.len(), 9);
}

#[test]
fn it_is_done_once_wherever_the_operator_dies() {
    for deadly_pass in 0..5 {
        for writes in 0..4 {
            for node_is_quick in [false, true] {
                let mut world = formed(1);
                ask(&mut world, POD, TOKEN);
                dies_and_settles(&mut world, deadly_pass, writes, node_is_quick);
                assert_eq!(tokens(&world, POD), [TOKEN]);
                assert_eq!(
                    called(&world),
                    [(POD, "move")],
                    "died in pass {deadly_pass} after {writes} writes"
                );
                assert_eq!(state(&world, POD), "Done");
            }
        }
    }
}

#[test]
fn a_node_of_several_tokens_is_left_alone() {
    let mut world = formed(1);
    world
        .tokens
        .insert(world.member(POD), vec!["1".to_owned(), "2".to_owned()]);
    ask(&mut world, POD, TOKEN);
    world.settle();
    assert!(world.made.is_empty());
    assert_eq!(state(&world, POD), "Error");
    let why = records(&world)[0].message.clone().unwrap();
    assert!(
        why.contains("has 2 tokens") && why.contains("num_tokens: 1"),
        "{why}"
    );
}

#[test]
fn what_is_no_token_is_refused_and_none_is_waited_for() {
    let mut world = formed(1);
    ask_for(&mut world, POD, "move");
    world.settle();
    let waits = world.waiting().message;
    assert!(waits.contains("move needs the node's new token"), "{waits}");
    world.annotate(POD, OPERATION_ARGUMENT_ANNOTATION, "here");
    world.settle();
    let why = records(&world)[0].message.clone().unwrap();
    assert!(why.contains("`here` is not a token"), "{why}");
    assert!(world.made.is_empty());
}

/// The ring agrees to nothing while a node is MOVING, but to the restart of that very node.
#[test]
fn one_that_broke_it_off_is_restarted() {
    for operator_dies in [false, true] {
        let mut world = formed(1);
        let before = tokens(&world, POD);
        ask(&mut world, POD, TOKEN);
        passes_until_called(&mut world, 1);
        if operator_dies {
            world.die();
        }
        world.move_fails(POD);
        world.settle();
        let failed = records(&world).remove(0);
        assert_eq!(failed.state, RecordState::Error);
        let why = failed.message.unwrap();
        assert!(
            why.contains("kubectl casskop restart --pod ring-dc1-rack2-0"),
            "{why}"
        );
        assert_eq!(why.contains("Stream failed"), !operator_dies, "{why}");
        // Nothing else goes on meanwhile.
        let uid = world.uid(POD);
        let other = world.uid("ring-dc1-rack1-0");
        ask_for(&mut world, OTHER, "restart");
        for _ in 0..5 {
            world.pass(Death::Never);
            world.controllers();
        }
        let waits = world.waiting().message;
        assert!(waits.contains("moving to another token"), "{waits}");
        world.label(OTHER, &[(OPERATION_STATUS, "Paused")]);
        ask_for(&mut world, POD, "restart");
        world.settle();
        assert_eq!(state(&world, POD), "Done");
        assert_ne!(world.uid(POD), uid);
        assert_eq!(tokens(&world, POD), before);
        ask_for_restart(&mut world, &[0]);
        world.settle();
        assert_ne!(world.uid("ring-dc1-rack1-0"), other, "the ring agrees again");
        assert_eq!(called(&world), [(POD, "move"), (POD, "drain")]);
    }
}

/// Whoever was asked to move after it waits for it, in its rack and in another one, and does not keep it from being restarted.
#[test]
fn a_restart_is_not_held_up_by_moves_that_wait_for_it() {
    for waiting in [BESIDE, OTHER] {
        let mut world = formed(2);
        ask(&mut world, POD, TOKEN);
        passes_until_called(&mut world, 1);
        world.move_fails(POD);
        world.settle();
        ask(&mut world, waiting, "7");
        for _ in 0..3 {
            world.pass(Death::Never);
        }
        assert_eq!(called(&world).len(), 1);
        world.now += jiff::SignedDuration::from_secs(1);
        ask_for(&mut world, POD, "restart");
        world.settle();
        assert_eq!(called(&world), [(POD, "move"), (POD, "drain"), (waiting, "move")]);
        assert_eq!(
            (state(&world, POD).as_str(), state(&world, waiting).as_str()),
            ("Done", "Done")
        );
    }
}

/// An action that was asked for meanwhile waits for the ring to agree, which it does not before that restart.
#[test]
fn a_restart_is_not_held_up_by_an_action_that_waits_for_it() {
    let mut world = formed(1);
    ask(&mut world, POD, TOKEN);
    passes_until_called(&mut world, 1);
    ask_for_restart(&mut world, &[0]);
    world.pass(Death::Never);
    let before = world.uid("ring-dc1-rack1-0");
    world.move_fails(POD);
    for _ in 0..5 {
        world.pass(Death::Never);
        world.controllers();
    }
    assert_eq!(world.uid("ring-dc1-rack1-0"), before);
    let waits = world.waiting().message;
    assert!(
        waits.contains("kubectl casskop restart --pod ring-dc1-rack2-0"),
        "{waits}"
    );
    ask_for(&mut world, POD, "restart");
    world.settle();
    assert_eq!(state(&world, POD), "Done");
    assert_ne!(world.uid("ring-dc1-rack1-0"), before, "the action went on");
}

/// What was asked for between the move and the restart it waits for does not hide the restart.
#[test]
fn a_restart_is_found_behind_what_waits_for_a_move() {
    let mut world = formed(2);
    ask(&mut world, POD, TOKEN);
    passes_until_called(&mut world, 1);
    world.move_fails(POD);
    world.settle();
    ask(&mut world, OTHER, "7");
    world.pass(Death::Never);
    for (pod, operation) in [(BESIDE, "cleanup"), (POD, "restart")] {
        world.now += jiff::SignedDuration::from_secs(1);
        ask_for(&mut world, pod, operation);
        world.pass(Death::Never);
    }
    world.settle();
    let order = ["move", "drain", "move", "forceKeyspaceCleanup"];
    assert_eq!(
        called(&world).iter().map(|(_, call)| *call).collect::<Vec<_>>(),
        order
    );
}

/// A label alone moves no node: it says neither that it may, nor that nothing else is at work.
#[test]
fn a_label_that_says_ongoing_moves_nothing() {
    let mut world = formed(1);
    world.annotate(POD, OPERATION_ARGUMENT_ANNOTATION, TOKEN);
    world.label(POD, &[(OPERATION_NAME, "move"), (OPERATION_STATUS, "Ongoing")]);
    world.settle();
    assert!(world.made.is_empty() && records(&world).is_empty());
}

/// The call broke, and the node is at it still, or done with it, or never heard of it.
#[test]
fn a_lost_call_is_told_by_the_nodes_token() {
    for (node_ends, calls) in [(true, 1), (false, 1)] {
        let mut world = formed(1);
        ask(&mut world, POD, TOKEN);
        passes_until_called(&mut world, 1);
        if node_ends {
            world.nodes_finish();
        }
        world.connections_break();
        world.settle();
        assert_eq!(called(&world).len(), calls);
        assert_eq!(
            (state(&world, POD).as_str(), tokens(&world, POD)),
            ("Done", vec![TOKEN.to_owned()])
        );
    }
    let mut world = formed(1);
    ask(&mut world, POD, TOKEN);
    passes_until_called(&mut world, 1);
    // It never arrived.
    world.in_flight.clear();
    world.calls.clear();
    world.settle();
    assert_eq!(called(&world), [(POD, "move"), (POD, "move")]);
    assert_eq!(tokens(&world, POD), [TOKEN]);
}

#[test]
fn one_that_is_lost_amid_its_move_is_removed() {
    let mut world = formed(2);
    ask(&mut world, POD, TOKEN);
    passes_until_called(&mut world, 1);
    let address = address_of(&world.pods[POD]);
    let host_id = world.member(POD);
    world.annotate(OTHER, OPERATION_ARGUMENT_ANNOTATION, &address.to_string());
    ask_for(&mut world, OTHER, "remove");
    for _ in 0..3 {
        world.pass(Death::Never);
    }
    assert_eq!(called(&world), [(POD, "move")], "a node that is up moves on");
    world.node_is(POD, false);
    world.in_flight.clear();
    world.fail_calls("the node is gone");
    world.connections_break();
    passes_until_called(&mut world, 2);
    assert_eq!(
        world.made.last().unwrap().call,
        NodeCall::RemoveNode {
            host_id: host_id.clone()
        }
    );
    world.nodes_finish();
    assert!(world.members.values().all(|(known, _)| *known != host_id));
}
