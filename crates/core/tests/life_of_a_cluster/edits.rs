//! Edits and moments that other operators stumble over.

use casskop_core::call::NodeCall;
use casskop_types::status::{ActionStatus, ClusterAction, Phase};
use serde_json::json;

use super::world::Death;
use super::{RACKS, action, formed};

/// CassKop writes the StatefulSets in every pass then, and never comes to the second rack.
#[test]
fn a_setting_without_effect_writes_nothing() {
    let mut world = formed(1);
    for setting in ["noCheckStsAreEqual", "unlockNextOperation"] {
        world.edit_spec(|spec| spec[setting] = json!(true));
        let before = world.sets.clone();
        world.settle();
        assert_eq!(world.sets, before, "{setting}");
    }
    let spec = &world.cluster.spec;
    assert_eq!(
        spec.unlock_next_operation,
        Some(false),
        "it is reset, as CassKop does"
    );
    assert_eq!(spec.no_check_sts_are_equal, Some(true));
}

#[test]
fn a_spec_that_cannot_work_is_waited_for_until_it_is_corrected() {
    let mut world = formed(1);
    world.edit_spec(|spec| spec["sidecarConfigs"] = json!([{ "name": "cassandra", "image": "other" }]));
    world.settle();
    let waiting = world.waiting();
    assert_eq!(
        (waiting.status.as_str(), waiting.reason.as_str()),
        ("True", "InvalidSpec")
    );
    let expected = "the spec has to be corrected: spec.sidecarConfigs[0].name";
    assert!(waiting.message.starts_with(expected), "{}", waiting.message);
    world.edit_spec(|spec| spec["sidecarConfigs"] = json!([]));
    world.settle();
    assert_eq!(world.waiting().status, "False");
}

#[test]
fn a_datacenter_without_nodes_is_added_and_filled_later() {
    let mut world = formed(1);
    world.edit_spec(|spec| {
        let empty = json!({"name": "dc2", "nodesPerRacks": 0, "rack": [{"name": "rack1"}]});
        spec["topology"]["dc"].as_array_mut().unwrap().push(empty);
    });
    world.settle();
    assert_eq!(world.cluster.status.as_ref().unwrap().phase, Some(Phase::Running));
    assert_eq!(world.pods.len(), 3);
    world.edit_spec(|spec| spec["topology"]["dc"][1]["nodesPerRacks"] = json!(2));
    world.settle();
    assert_eq!((world.pods.len(), world.members.len()), (5, 5));
    assert_eq!(world.cluster.status.as_ref().unwrap().phase, Some(Phase::Running));
}

/// CassKop overwrites the action that a rack is in, and forgets the node that is leaving.
#[test]
fn changed_resources_wait_for_the_scale_down_that_is_under_way() {
    let mut world = formed(2);
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(1));
    while world.in_flight.is_empty() {
        world.pass(Death::Never);
        world.controllers();
    }
    world.edit_spec(|spec| spec["resources"] = json!({"limits": {"cpu": "2"}}));
    while !world.in_flight.is_empty() {
        let plan = world.pass(Death::Never);
        assert_eq!(
            action(&world, "dc1-rack1").0,
            Some(ClusterAction::ScaleDown),
            "{plan:?}"
        );
        world.controllers();
        world.nodes_finish();
    }
    world.settle();
    let left = world
        .made
        .iter()
        .filter(|made| matches!(made.call, NodeCall::Decommission { .. }));
    assert_eq!((left.count(), world.members.len(), world.claims.len()), (3, 3, 3));
    for rack in ["dc1-rack1", "dc1-rack2", "dc1-rack3"] {
        assert_eq!(
            action(&world, rack),
            (Some(ClusterAction::UpdateResources), Some(ActionStatus::Done))
        );
    }
}

/// Revisions agree as long as the controller has not seen the new template: that is no end.
#[test]
fn a_rollout_that_its_controller_has_not_seen_yet_is_not_over() {
    let mut world = formed(1);
    world.edit_spec(|spec| spec["cassandraImage"] = json!("cassandra:5.0.10"));
    let generation = |world: &super::World, set: &str| world.sets[set].metadata.generation;
    let before = RACKS.map(|set| generation(&world, set));
    for _ in 0..10 {
        world.pass(Death::Never);
    }
    let written = RACKS
        .iter()
        .zip(before)
        .filter(|(set, before)| generation(&world, set) != *before);
    assert_eq!(written.count(), 1);
    assert_eq!(
        action(&world, "dc1-rack1"),
        (
            Some(ClusterAction::UpdateDockerImage),
            Some(ActionStatus::Ongoing)
        )
    );
    world.settle();
    assert_eq!(world.most_down, 1);
}

/// casskop #342, instaclustr cassandra-operator #398: what happens while nobody looks, the next look finds.
#[test]
fn a_node_that_left_and_a_pod_that_went_while_the_operator_was_away_are_found() {
    let mut world = formed(2);
    world.edit_spec(|spec| spec["topology"]["dc"][0]["nodesPerRacks"] = json!(1));
    while world.in_flight.is_empty() {
        world.pass(Death::Never);
        world.controllers();
    }
    let leaving = world.in_flight.keys().next().cloned().unwrap();
    world.die();
    world.nodes_finish();
    // Somebody takes the pod as well; the StatefulSet makes it anew, on the disk of the node that left.
    world.pods.remove(&leaving);
    while world.controllers() {}
    world.settle();
    assert!(!world.claims.contains_key(&leaving), "the claim is left");
    let asked = world.made.iter().filter(|made| made.pod == leaving).count();
    assert_eq!((asked, world.pods.len(), world.members.len()), (1, 3, 3));
}
