//! Nodes without a pod are taken out of the ring.

use casskop_core::call::NodeCall;

use super::world::{Death, World, address_of};
use super::{ask_for_restart, formed};

/// The node of a pod is asked to take another one, which the argument names, out of the ring.
fn ask(world: &mut World, pod: &str, argument: &str) {
    world.label(
        pod,
        &[
            ("operation-name", "remove"),
            ("operation-status", "ToDo"),
            ("operation-argument", argument),
        ],
    );
}

#[test]
fn a_lost_node_is_removed_and_its_pod_dropped() {
    let mut world = formed(1);
    let lost = address_of(&world.pods["ring-dc1-rack2-0"]);
    world.node_is("ring-dc1-rack2-0", false);
    let uid = world.uid("ring-dc1-rack2-0");
    ask(&mut world, "ring-dc1-rack1-0", "ring-dc1-rack2-0");
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
    ask(&mut world, "ring-dc1-rack3-0", "ring-dc1-rack2-0");
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
    let address = address_of(&world.pods["ring-dc1-rack2-0"]);
    let argument = format!("ring-dc1-rack3-0_{address}");
    ask(&mut world, "ring-dc1-rack1-0", &argument);
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
    ask(&mut world, "ring-dc1-rack1-0", "ring-dc1-rack2-0");
    world.settle();
    assert!(world.made.is_empty());
    assert_eq!(
        world.label_of("ring-dc1-rack1-0", "operation-status").as_deref(),
        Some("Error")
    );
    assert_eq!(world.members.len(), 3);
}
