//! The fresh node's pod: whether it is told whose place it takes, and whether it starts.

use casskop_types::labels::OPERATION_STATUS;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{LOST, ask, host_ids, last, lost, message_of};
use crate::three_racks;
use crate::world::{Death, World};

/// The lost pod is gone, and its successor will not read what it is told, nor get ready.
fn with_a_deaf_successor() -> World {
    let mut world = lost(&[LOST]);
    ask(&mut world, LOST);
    while world.pods.contains_key(LOST) {
        world.pass(Death::Never);
    }
    world.pods_read = false;
    world.broken.insert(LOST.to_owned());
    world
}

/// CassKop's init image, or a service account that may not read the ConfigMap: the successor would join beside the lost node.
#[test]
fn nothing_is_begun_where_the_successor_would_not_be_told() {
    let mut world = World::new(&three_racks(2));
    world.pods_read = false;
    world.settle();
    world.node_is(LOST, false);
    let before = world.uids();
    ask(&mut world, LOST);
    world.settle();
    let message = message_of(&world, "dc1-rack2");
    assert!(message.contains("has read configmap ring-bootstrap"), "{message}");
    assert_eq!(world.uids(), before);
}

#[test]
fn a_successor_that_was_not_told_is_made_anew() {
    let mut world = lost(&[LOST]);
    ask(&mut world, LOST);
    world.pass(Death::Never);
    world.pass(Death::Never);
    assert!(!world.pods.contains_key(LOST), "claim and pod are gone");
    // The API server does not answer while it starts, and it does not get ready either.
    world.pods_read = false;
    world.broken.insert(LOST.to_owned());
    world.controllers();
    world.pods_read = true;
    world.broken.clear();
    world.settle();
    assert_eq!(world.members.len(), 6);
    assert!(!host_ids(&world).contains(&format!("host-of-{LOST}").as_str()));
    assert_eq!(world.label_of(LOST, OPERATION_STATUS).as_deref(), Some("Done"));
}

/// Its container may take half a minute to stop.
#[test]
fn a_pod_that_is_going_counts_as_one_that_was_not_told_only_once() {
    let mut world = with_a_deaf_successor();
    world.controllers();
    let attempt = |world: &World| {
        let racks = &world.cluster.status.as_ref().unwrap().cassandra_rack_status;
        racks["dc1-rack2"].operations[0].attempt
    };
    let before = attempt(&world);
    let going = Some(Time(world.now));
    world.pods.get_mut(LOST).unwrap().metadata.deletion_timestamp = going;
    for _ in 0..5 {
        world.pass(Death::Never);
    }
    assert_eq!(attempt(&world), before);
    assert!(world.pods.contains_key(LOST));
}

#[test]
fn a_pod_that_is_never_told_is_left_alone_in_the_end_and_that_is_said() {
    let mut world = with_a_deaf_successor();
    world.settle();
    assert_eq!(world.waiting().reason, "PodBlocked");
    let told = world.waiting().message;
    assert!(
        told.contains("record=unread") && told.contains("ring-bootstrap"),
        "{told}"
    );
    let uid = world.uid(LOST);
    for _ in 0..5 {
        world.pass(Death::Never);
        world.controllers();
    }
    assert_eq!(world.uid(LOST), uid);
    world.pods_read = true;
    world.broken.clear();
    // Somebody has put it right, and deletes the pod.
    world.pods.remove(LOST);
    world.settle();
    assert_eq!(world.label_of(LOST, OPERATION_STATUS).as_deref(), Some("Done"));
}

/// The fresh pod cannot start, and a corrected spec has to reach it.
#[test]
fn a_template_is_repaired_while_a_node_is_replaced() {
    let mut world = lost(&[LOST]);
    world.bad_images.insert("cassandra:5.0.9".to_owned());
    ask(&mut world, LOST);
    world.settle();
    assert!(
        world.waiting().message.contains("ImagePullBackOff"),
        "{}",
        world.waiting().message
    );
    world.edit_spec(|spec| spec["cassandraImage"] = serde_json::json!("cassandra:5.0.10"));
    world.settle();
    assert_eq!(world.members.len(), 6);
    assert!(world.members.values().all(|(_, up)| *up));
    assert!(!host_ids(&world).contains(&format!("host-of-{LOST}").as_str()));
    assert_eq!(last(&world, "dc1-rack2").pods_ko, Vec::<String>::new());
}

/// A quota, or a Role of an earlier release.
#[test]
fn a_pod_that_cannot_be_told_keeps_the_lost_one_waiting_with_its_disk() {
    let mut world = lost(&[LOST]);
    let claims = world.claims.clone();
    ask(&mut world, LOST);
    world.pass(Death::Never);
    world.refused_record = Some("configmaps is forbidden".to_owned());
    world.settle();
    assert_eq!(world.claims, claims);
    assert!(
        world.waiting().message.contains("configmaps is forbidden"),
        "{}",
        world.waiting().message
    );
    world.refused_record = None;
    world.settle();
    assert_eq!(world.label_of(LOST, OPERATION_STATUS).as_deref(), Some("Done"));
}
