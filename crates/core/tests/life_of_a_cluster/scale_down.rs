//! Nodes leave: never without a decommission, never two at once, and the disk last.

use casskop_core::call::{NodeCall, Replicas};
use casskop_core::replication::KeyspaceReplicas;
use casskop_types::operation::{OperationStatus, RecordState};
use casskop_types::status::{ActionStatus, ClusterAction};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use proptest::prelude::*;
use serde_json::json;

use super::world::{self, Death, World};
use super::{RACKS, action, formed};

fn shrink(world: &mut World, nodes: i32) {
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(nodes));
}

fn replicated(world: &mut World, keyspace: &str, replicas: usize) {
    let ranges = [[("dc1".to_owned(), replicas)].into()];
    world
        .replication
        .insert(keyspace.to_owned(), KeyspaceReplicas::of_ranges(ranges));
}

fn decommissions(world: &World) -> Vec<&str> {
    let made = world.made.iter();
    made.filter(|made| matches!(made.call, NodeCall::Decommission { .. }))
        .map(|made| made.pod.as_str())
        .collect()
}

#[test]
fn the_last_node_of_each_rack_leaves_one_after_the_other_with_its_disk() {
    let mut world = formed(2);
    shrink(&mut world, 1);
    for _ in 0..200 {
        world.pass(Death::Never);
        assert!(world.in_flight.len() <= 1, "two nodes leave at once");
        world.controllers();
        world.nodes_finish();
    }
    world.settle();
    assert_eq!(
        decommissions(&world),
        ["ring-dc1-rack1-1", "ring-dc1-rack2-1", "ring-dc1-rack3-1"]
    );
    assert_eq!(
        world.pods.keys().collect::<Vec<_>>(),
        RACKS.map(|rack| format!("{rack}-0")).iter().collect::<Vec<_>>()
    );
    assert_eq!(world.claims.len(), 3);
    assert_eq!(world.members.len(), 3);
    let status = world.cluster.status.as_ref().unwrap();
    assert_eq!(status.cassandra_node_status.len(), 3);
    for rack in ["dc1-rack1", "dc1-rack2", "dc1-rack3"] {
        assert_eq!(
            action(&world, rack),
            (Some(ClusterAction::ScaleDown), Some(ActionStatus::Done))
        );
        let last = status.cassandra_rack_status[rack]
            .pod_last_operation
            .clone()
            .unwrap();
        assert_eq!(last.status, Some(OperationStatus::Done));
        assert_eq!(last.pods_ok.len(), 1);
    }
}

#[test]
fn several_nodes_of_a_rack_leave_from_the_highest_ordinal_down() {
    let mut world = formed(3);
    shrink(&mut world, 1);
    world.settle();
    assert_eq!(
        decommissions(&world)[..2],
        ["ring-dc1-rack1-2", "ring-dc1-rack1-1"]
    );
    assert_eq!(world.pods.len(), 3);
}

#[test]
fn a_keyspace_that_needs_the_node_keeps_it_and_the_statement_that_helps_is_told() {
    let mut world = formed(2);
    replicated(&mut world, "shop", 4);
    shrink(&mut world, 1);
    for _ in 0..20 {
        world.pass(Death::Never);
        world.controllers();
    }
    assert_eq!((world.pods.len(), world.made.len()), (6, 0));
    let Condition { reason, message, .. } = world.waiting();
    assert_eq!(reason, "DataAtRisk");
    assert!(
        message.ends_with(
            "ALTER KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3}"
        ),
        "{message}"
    );
    // Nothing else is held back by it.
    world.label(
        "ring-dc1-rack1-0",
        &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
    );
    world.pass(Death::Never);
    world.nodes_finish();
    world.pass(Death::Never);
    assert_eq!(
        world.label_of("ring-dc1-rack1-0", "operation-status").as_deref(),
        Some("Done")
    );
    replicated(&mut world, "shop", 3);
    world.settle();
    assert_eq!(world.pods.len(), 3);
}

#[test]
fn expendable_keyspaces_are_overruled_and_the_user_is_told() {
    let mut world = formed(1);
    replicated(&mut world, "shop", 2);
    replicated(&mut world, "system_distributed", 3);
    world.edit_spec(|spec| {
        spec["topology"]["dc"][0]["rack"]
            .as_array_mut()
            .unwrap()
            .truncate(3);
        spec["nodesPerRacks"] = json!(2);
    });
    world.settle();
    shrink(&mut world, 1);
    replicated(&mut world, "system_distributed", 6);
    world.settle();
    let made: Vec<_> = world
        .made
        .iter()
        .filter_map(|made| match made.call {
            NodeCall::Decommission { replicas } => Some(replicas),
            _ => None,
        })
        .collect();
    assert_eq!(made, [Replicas::MayFall; 3]);
    assert!(
        world
            .notices
            .iter()
            .any(|notice| notice.reason == "DecommissionForced")
    );
}

#[test]
fn a_pod_that_never_started_goes_without_a_decommission() {
    let mut world = formed(1);
    world.broken.extend(["ring-dc1-rack1-1".to_owned()]);
    shrink(&mut world, 2);
    for _ in 0..20 {
        world.pass(Death::Never);
        world.controllers();
    }
    assert_eq!(
        action(&world, "dc1-rack1"),
        (Some(ClusterAction::ScaleUp), Some(ActionStatus::Ongoing))
    );
    assert_eq!(world.pods.len(), 4);
    shrink(&mut world, 1);
    world.settle();
    assert_eq!((world.pods.len(), world.claims.len()), (3, 3));
    assert_eq!(decommissions(&world), Vec::<&str>::new());
    assert_eq!(
        action(&world, "dc1-rack1"),
        (Some(ClusterAction::ScaleDown), Some(ActionStatus::Done))
    );
}

#[test]
fn a_member_that_is_down_is_not_taken_for_a_node_that_left() {
    let mut world = formed(2);
    let address = world::address_of(&world.pods["ring-dc1-rack1-1"]);
    world::set_ready(world.pods.get_mut("ring-dc1-rack1-1").unwrap(), "False");
    world.broken.insert("ring-dc1-rack1-1".to_owned());
    shrink(&mut world, 1);
    // Gossip has not missed it yet; then it has.
    for up in [true, false] {
        world.members.get_mut(&address).unwrap().1 = up;
        for _ in 0..10 {
            world.pass(Death::Never);
            world.controllers();
        }
    }
    assert_eq!(
        (world.pods.len(), world.claims.len(), world.made.len()),
        (6, 6, 0)
    );
    assert_eq!(world.waiting().reason, "NodeNotReady");
}

#[test]
fn a_node_that_somebody_decommissioned_by_hand_is_taken_down() {
    let mut world = formed(2);
    world.leave("ring-dc1-rack1-1");
    world.edit_spec(|spec| spec["topology"]["dc"][0]["nodesPerRacks"] = json!(1));
    world.settle();
    assert!(!decommissions(&world).contains(&"ring-dc1-rack1-1"));
    assert_eq!((world.pods.len(), world.claims.len()), (3, 3));
}

#[test]
fn a_size_raised_in_the_middle_lets_the_leaving_node_go_and_a_fresh_one_join() {
    let mut world = formed(2);
    shrink(&mut world, 1);
    while world.in_flight.is_empty() {
        world.pass(Death::Never);
        world.controllers();
    }
    shrink(&mut world, 2);
    world.settle();
    assert_eq!(decommissions(&world), ["ring-dc1-rack1-1"]);
    assert_eq!(world.pods.len(), 6);
    assert!(
        world
            .members
            .values()
            .any(|(host_id, _)| host_id == "host-of-ring-dc1-rack1-1-1"),
        "an old disk came back"
    );
}

#[test]
fn a_size_put_back_before_anything_left_changes_nothing() {
    let mut world = formed(2);
    world.label(
        "ring-dc1-rack3-0",
        &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
    );
    world.pass(Death::Never);
    shrink(&mut world, 1);
    for _ in 0..5 {
        world.pass(Death::Never);
    }
    shrink(&mut world, 2);
    world.nodes_finish();
    world.settle();
    assert_eq!(decommissions(&world), Vec::<&str>::new());
    assert_eq!(world.pods.len(), 6);
}

#[test]
fn a_changed_image_takes_no_node_along() {
    let mut world = formed(2);
    world.edit_spec(|spec| {
        spec["nodesPerRacks"] = json!(1);
        spec["cassandraImage"] = json!("cassandra:5.0.10");
    });
    world.settle();
    assert_eq!(decommissions(&world).len(), 3);
    assert_eq!(world.pods.len(), 3);
    let template = |name: &str| {
        world.sets[name]
            .spec
            .as_ref()
            .unwrap()
            .template
            .spec
            .as_ref()
            .unwrap()
            .containers[0]
            .image
            .clone()
    };
    assert!(
        RACKS
            .iter()
            .all(|rack| template(rack).as_deref() == Some("cassandra:5.0.10"))
    );
}

#[test]
fn a_failed_decommission_is_told_and_tried_again() {
    let mut world = formed(2);
    shrink(&mut world, 1);
    while world.in_flight.is_empty() {
        world.pass(Death::Never);
        world.controllers();
    }
    world.pass(Death::Never);
    let Condition { reason, message, .. } = world.waiting();
    assert_eq!(reason, "OperationOngoing");
    let expected = "the node of pod ring-dc1-rack1-1 is leaving the ring";
    assert!(message.starts_with(expected), "{message}");
    world.fail_calls("Stream failed");
    for _ in 0..20 {
        world.pass(Death::Never);
    }
    let Condition { reason, message, .. } = world.waiting();
    assert_eq!(reason, "DataAtRisk");
    assert!(
        message.contains("Stream failed") && message.contains("nodesPerRacks"),
        "{message}"
    );
    let state = world.cluster.status.as_ref().unwrap().cassandra_rack_status["dc1-rack1"].operations[0].state;
    assert_eq!(state, RecordState::Error);
    for _ in 0..150 {
        world.pass(Death::Never);
        world.controllers();
        world.nodes_finish();
    }
    world.settle();
    assert_eq!(world.pods.len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// However often and wherever the operator dies, each node leaves once, and no disk goes before its node.
    #[test]
    fn dying_anywhere_lets_every_node_leave_once(deaths in prop::collection::vec(0..6usize, 0..60)) {
        let mut world = formed(2);
        shrink(&mut world, 1);
        for death in deaths {
            world.pass(Death::AfterWrites(death));
            world.controllers();
            if death % 3 == 0 {
                world.nodes_finish();
            }
        }
        world.settle();
        let mut left = decommissions(&world);
        left.sort_unstable();
        prop_assert_eq!(left, ["ring-dc1-rack1-1", "ring-dc1-rack2-1", "ring-dc1-rack3-1"]);
        prop_assert_eq!((world.pods.len(), world.claims.len(), world.members.len()), (3, 3, 3));
    }
}

/// `CassKop` leaves `Continue` between two nodes of a scale-down.
#[test]
fn a_scale_down_that_casskop_left_half_way_goes_on() {
    let mut world = formed(3);
    shrink(&mut world, 1);
    while decommissions(&world).is_empty() {
        world.pass(Death::Never);
        world.controllers();
    }
    for status in [ActionStatus::Continue, ActionStatus::Finalizing] {
        let cluster = world.cluster.status.as_mut().unwrap();
        let rack = cluster.cassandra_rack_status.get_mut("dc1-rack1").unwrap();
        rack.cassandra_last_action.as_mut().unwrap().status = Some(status);
        world.pass(Death::Never);
    }
    world.settle();
    assert_eq!(world.pods.len(), 3);
}

/// A label alone makes no node leave: neither one of a former operator nor one of a user's.
#[test]
fn a_decommission_label_makes_no_node_leave() {
    for settled in [true, false] {
        let mut world = formed(2);
        if !settled {
            super::ask_for_restart(&mut world, &[0]);
        }
        for pod in ["ring-dc1-rack1-0", "ring-dc1-rack2-1"] {
            world.label(
                pod,
                &[
                    ("operation-name", "decommission"),
                    ("operation-status", "Ongoing"),
                ],
            );
        }
        world.settle();
        assert_eq!((decommissions(&world).len(), world.members.len()), (0, 6));
    }
}

/// A datacenter does not go from the topology before the claim of its last node went.
#[test]
fn a_record_on_its_way_keeps_its_datacenter() {
    let mut world = World::new(&json!({
        "dataCapacity": "1Gi", "cassandraImage": "cassandra:5.0.9",
        "topology": {"dc": [{"name": "dc1"}, {"name": "dc2"}]},
    }));
    world.replication.clear();
    world.settle();
    world.edit_spec(|spec| spec["topology"]["dc"][1]["nodesPerRacks"] = json!(0));
    while world.pods.contains_key("ring-dc2-rack1-0") {
        world.pass(Death::Never);
        world.controllers();
        world.nodes_finish();
    }
    assert!(
        world.claims.contains_key("ring-dc2-rack1-0"),
        "the claim went before"
    );
    world.edit_spec(|spec| drop(spec["topology"]["dc"].as_array_mut().unwrap().pop()));
    world.settle();
    assert_eq!(world.claims.keys().collect::<Vec<_>>(), ["ring-dc1-rack1-0"]);
}
