//! Racks are restarted, one at a time.

use casskop_types::status::{ActionStatus, ClusterAction};
use serde_json::json;

use super::world::{Death, address_of};
use super::{RACKS, action, ask_for_restart, formed};

#[test]
fn a_restart_replaces_the_pods_of_its_rack_once() {
    let mut world = formed(2);
    let before = world.uids();
    ask_for_restart(&mut world, &[1]);
    world.settle();
    for (pod, uid) in before {
        assert_eq!(pod.starts_with(RACKS[1]), world.uid(&pod) != uid, "{pod}");
    }
    assert_eq!(
        action(&world, "dc1-rack2"),
        (Some(ClusterAction::RollingRestart), Some(ActionStatus::Done))
    );
    assert_eq!(world.most_down, 1);
    let spec = serde_json::to_value(&world.cluster.spec).unwrap();
    assert_eq!(
        spec["topology"]["dc"][0]["rack"][1]["rollingRestart"],
        json!(false)
    );
}

#[test]
fn restarts_of_all_racks_go_one_rack_at_a_time() {
    let mut world = formed(2);
    ask_for_restart(&mut world, &[0, 1, 2]);
    for _ in 0..200 {
        world.pass(Death::Never);
        world.controllers();
        let rolling = ["dc1-rack1", "dc1-rack2", "dc1-rack3"].iter().filter(|rack| {
            action(&world, rack) == (Some(ClusterAction::RollingRestart), Some(ActionStatus::Ongoing))
        });
        assert!(rolling.count() <= 1);
    }
    world.settle();
    assert_eq!(world.most_down, 1);
    assert!(world.pods.values().all(|pod| {
        pod.metadata
            .labels
            .as_ref()
            .unwrap()
            .contains_key("rolling-restart")
    }));
}

#[test]
fn a_second_request_for_a_restart_in_the_middle_of_the_first_is_a_second_restart() {
    let mut world = formed(1);
    ask_for_restart(&mut world, &[0]);
    while action(&world, "dc1-rack1").1 != Some(ActionStatus::Ongoing) || world.cluster.status.is_none() {
        world.pass(Death::Never);
    }
    let first = world.uid("ring-dc1-rack1-0");
    ask_for_restart(&mut world, &[0]);
    world.settle();
    let pods_made = world.uid("ring-dc1-rack1-0");
    assert_ne!(first, pods_made);
    assert_eq!(pods_made, "pod-uid-5", "three first pods, then two restarts");
}

#[test]
fn nothing_goes_down_while_a_node_is_down_and_the_reason_is_said() {
    let mut world = formed(1);
    world.broken.insert("ring-dc1-rack3-0".to_owned());
    world.node_is("ring-dc1-rack3-0", false);
    let uid = world.uid("ring-dc1-rack1-0");
    ask_for_restart(&mut world, &[0]);
    for _ in 0..20 {
        world.pass(Death::Never);
        world.controllers();
    }
    assert_eq!(world.uid("ring-dc1-rack1-0"), uid);
    let waiting = world.waiting();
    assert_eq!(
        (waiting.status.as_str(), waiting.message.as_str()),
        (
            "True",
            "pod ring-dc1-rack3-0 is not ready: if it stays so, see `kubectl logs ring-dc1-rack3-0 --container cassandra`"
        )
    );
}

#[test]
fn a_node_that_the_ring_sees_down_holds_back_a_restart_though_its_pod_is_ready() {
    let mut world = formed(1);
    let address = address_of(&world.pods["ring-dc1-rack2-0"]);
    world.members.get_mut(&address).unwrap().1 = false;
    let uid = world.uid("ring-dc1-rack1-0");
    ask_for_restart(&mut world, &[0]);
    for _ in 0..10 {
        world.pass(Death::Never);
        world.controllers();
    }
    assert_eq!(world.uid("ring-dc1-rack1-0"), uid);
    world.members.get_mut(&address).unwrap().1 = true;
    world.settle();
    assert_ne!(world.uid("ring-dc1-rack1-0"), uid);
}

#[test]
fn operations_wait_for_a_restart_and_a_restart_for_the_operation_of_its_rack() {
    let mut world = formed(1);
    world.label(
        "ring-dc1-rack1-0",
        &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
    );
    world.pass(Death::Never);
    assert_eq!(world.in_flight.len(), 1);
    let uid = world.uid("ring-dc1-rack1-0");
    ask_for_restart(&mut world, &[0]);
    world.label(
        "ring-dc1-rack2-0",
        &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
    );
    for _ in 0..10 {
        world.pass(Death::Never);
        world.controllers();
        assert_eq!(world.uid("ring-dc1-rack1-0"), uid, "restarted under a cleanup");
        assert_eq!(world.in_flight.len(), 1, "an operation overtook a restart");
    }
    world.nodes_finish();
    world.settle();
    assert_ne!(world.uid("ring-dc1-rack1-0"), uid);
    assert_eq!(world.made.len(), 2);
}
