//! Nodes without a pod are taken out of the ring.

use casskop_core::call::NodeCall;

use super::world::{Death, address_of};
use super::{ask_for_restart, formed};

#[test]
fn a_lost_node_is_removed_and_its_pod_dropped() {
    let mut world = formed(1);
    let lost = address_of(&world.pods["ring-dc1-rack2-0"]);
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
    let address = address_of(&world.pods["ring-dc1-rack2-0"]);
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
