//! A paused cluster.

use casskop_types::labels::PAUSED;
use serde_json::json;

use super::formed;

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
    assert_eq!(world.waiting().reason, "Paused");
    assert!(world.waiting().message.contains(PAUSED));
    assert_eq!(world.notes("Paused").len(), 1);

    world.cluster.metadata.annotations = None;
    world.settle();
    assert_ne!(world.sets, before);
    assert_eq!(world.made.len(), 1);
    assert_eq!(world.waiting().status, "False");
}
