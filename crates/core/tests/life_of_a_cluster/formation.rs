//! A ring comes to be, and grows.

use casskop_core::effect::Wake;
use casskop_types::conditions::{ConditionType, condition};
use casskop_types::operation::OperationStatus;
use casskop_types::status::{ActionStatus, Phase};
use serde_json::json;

use super::world::{Death, World, address_of, is_ready};
use super::{RACKS, formed, three_racks};

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
        while !world.pods.get(last).is_some_and(is_ready) {
            world.pass(Death::Never);
            world.controllers();
        }
        while world.controllers() {}
        let address = address_of(&world.pods[last]);
        world.members.get_mut(&address).unwrap().1 = false;
        let plan = world.pass(Death::Never);
        assert_ne!(plan.wake, Wake::OnEvent, "no event comes any more");
        let waiting = condition(&plan.status.conditions, ConditionType::Waiting).unwrap();
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
