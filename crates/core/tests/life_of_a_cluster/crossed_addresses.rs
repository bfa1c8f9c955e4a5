//! Pods that came back under each other's addresses.

use serde_json::json;

use super::formed;
use super::world::{Death, World, address_of};

const CROSSED: [&str; 2] = ["ring-dc1-rack1-0", "ring-dc1-rack2-0"];

/// Two machines have rebooted, and each of the two pods got the address of the other: neither starts.
fn crossed(restarts_allowed: Option<i32>, restarts: i32) -> World {
    let mut world = formed(1);
    if let Some(allowed) = restarts_allowed {
        world.edit_spec(|spec| spec["restartCountBeforePodDeletion"] = json!(allowed));
        world.settle();
    }
    let addresses = CROSSED.map(|pod| address_of(&world.pods[pod]));
    for (pod, address) in CROSSED.iter().zip(addresses.iter().rev()) {
        world.node_is(pod, false);
        let status = world.pods.get_mut(*pod).unwrap().status.as_mut().unwrap();
        status.pod_ip = Some(address.to_string());
        status.container_statuses = Some(vec![
            serde_json::from_value(json!({
                "name": "cassandra", "image": "", "imageID": "", "ready": false, "restartCount": restarts,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            }))
            .unwrap(),
        ]);
    }
    world
}

#[test]
fn one_is_made_anew_and_the_other_has_its_address_to_itself_then() {
    let mut world = crossed(Some(4), 5);
    let uids = CROSSED.map(|pod| world.uid(pod));
    world.settle();
    assert_ne!(world.uid(CROSSED[0]), uids[0]);
    assert_eq!(
        world.uid(CROSSED[1]),
        uids[1],
        "nobody else has its address any more: it starts by itself"
    );
    assert!(!world.members.contains_key(&address_of(&world.pods[CROSSED[1]])));
    assert_eq!(world.notes("PodReplaced").len(), 1);
}

#[test]
fn they_are_given_as_many_restarts_as_the_spec_says() {
    let mut world = crossed(Some(9), 5);
    let uids = CROSSED.map(|pod| world.uid(pod));
    world.pass(Death::Never);
    assert_eq!(CROSSED.map(|pod| world.uid(pod)), uids);
}

#[test]
fn unasked_they_are_left_alone_and_the_reason_is_said() {
    let mut world = crossed(None, 5);
    let uids = CROSSED.map(|pod| world.uid(pod));
    world.pass(Death::Never);
    assert_eq!(CROSSED.map(|pod| world.uid(pod)), uids);
    assert!(
        world
            .waiting()
            .message
            .contains("where the ring knows another node"),
        "{}",
        world.waiting().message
    );
    assert!(world.waiting().message.contains("restartCountBeforePodDeletion"));
}

#[test]
fn a_node_that_joins_anew_under_a_pods_name_is_left_alone() {
    let mut world = crossed(Some(1), 5);
    let pod = CROSSED[0];
    let address = address_of(&world.pods[pod]);
    world
        .members
        .insert(address, ("a-host-id-nobody-has-recorded".to_owned(), true));
    let before = world.uid(pod);
    world.pass(Death::Never);
    assert_eq!(world.uid(pod), before);
}
