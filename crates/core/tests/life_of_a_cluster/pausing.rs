//! A paused cluster.

use casskop_types::conditions::{ConditionType, condition};
use casskop_types::labels::PAUSED;
use serde_json::json;

use super::formed;
use super::world::World;

#[test]
fn a_paused_cluster_is_left_alone_and_goes_on_when_it_is_resumed() {
    let mut world = formed(1);
    world.settle();
    let before = world.sets.clone();
    let annotations = world.cluster.metadata.annotations.get_or_insert_default();
    annotations.insert(PAUSED.to_owned(), "True".to_owned());
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(2));
    world.label(
        "ring-dc1-rack1-0",
        &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
    );
    world.settle();
    assert_eq!(world.sets, before);
    assert_eq!(world.made, []);
    let waiting = |world: &World| {
        let conditions = &world.cluster.status.as_ref().unwrap().conditions;
        condition(conditions, ConditionType::Waiting).unwrap().clone()
    };
    assert_eq!(waiting(&world).reason, "Paused");
    assert!(waiting(&world).message.contains(PAUSED));
    assert_eq!(
        world
            .notices
            .iter()
            .filter(|notice| notice.reason == "Paused")
            .count(),
        1
    );

    world.cluster.metadata.annotations = None;
    world.settle();
    assert_ne!(world.sets, before);
    assert_eq!(world.made.len(), 1);
    assert_eq!(waiting(&world).status, "False");
}
