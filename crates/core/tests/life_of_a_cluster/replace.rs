//! A node lost with its machine, whose place a fresh one takes.

mod successor;

use std::collections::BTreeMap;
use std::net::IpAddr;

use casskop_core::effect::{Effect, Wake};
use casskop_types::labels::{OPERATION_ARGUMENT, OPERATION_NAME, OPERATION_STATUS};
use casskop_types::operation::{OperationName, OperationStatus, RecordState};
use casskop_types::status::PodLastOperation;

use super::formed;
use super::world::{Conflict, Death, World, address_of};

const LOST: &str = "ring-dc1-rack2-1";
const ALSO_LOST: &str = "ring-dc1-rack3-0";

/// The machines of these pods are gone: their nodes are down, and their pods are not ready.
fn lost(pods: &[&str]) -> World {
    let mut world = formed(2);
    for pod in pods {
        world.node_is(pod, false);
    }
    world
}

fn ask(world: &mut World, pod: &str) {
    world.label(pod, &[(OPERATION_NAME, "replace"), (OPERATION_STATUS, "ToDo")]);
}

/// By name, as it takes where other nodes are down as well.
fn ask_by_address(world: &mut World, pod: &str) {
    let address = address_of(&world.pods[pod]).to_string();
    world.label(pod, &[(OPERATION_ARGUMENT, &address)]);
    ask(world, pod);
}

fn last(world: &World, rack: &str) -> PodLastOperation {
    let status = world.cluster.status.as_ref().unwrap();
    status.cassandra_rack_status[rack]
        .pod_last_operation
        .clone()
        .unwrap()
}

fn host_ids(world: &World) -> Vec<&str> {
    world
        .members
        .values()
        .map(|(host_id, _)| host_id.as_str())
        .collect()
}

/// The lost one is gone from the ring, its successor is there, and nobody else was touched.
fn assert_replaced(world: &World, before: &BTreeMap<String, String>) {
    assert_eq!(world.members.len(), 6, "{:?}", world.members);
    assert!(world.members.values().all(|(_, up)| *up));
    assert!(!host_ids(world).contains(&format!("host-of-{LOST}").as_str()));
    assert!(host_ids(world).contains(&format!("host-of-{LOST}-1").as_str()));
    let mut others = world.uids();
    assert_ne!(others.remove(LOST), before.get(LOST).cloned());
    let mut before = before.clone();
    before.remove(LOST);
    assert_eq!(others, before);
    assert!(world.told.is_empty(), "{:?}", world.told);
    assert_eq!(world.label_of(LOST, OPERATION_STATUS).as_deref(), Some("Done"));
    let last = last(world, "dc1-rack2");
    assert_eq!(
        (last.name, last.status),
        (Some(OperationName::Replace), Some(OperationStatus::Done))
    );
    assert_eq!(
        (last.pods, last.pods_ok, last.pods_ko),
        (vec![], vec![LOST.to_owned()], vec![])
    );
    assert_eq!(world.waiting().status, "False", "{}", world.waiting().message);
}

fn message_of(world: &World, rack: &str) -> String {
    let status = world.cluster.status.as_ref().unwrap();
    let record = status.cassandra_rack_status[rack].operations.last().unwrap();
    assert_eq!(record.state, RecordState::Error);
    record.message.clone().unwrap()
}

#[test]
fn a_fresh_node_takes_the_place_of_the_lost_one() {
    let mut world = lost(&[LOST]);
    let before = world.uids();
    ask(&mut world, LOST);
    world.settle();
    assert_replaced(&world, &before);
    let status = world.cluster.status.as_ref().unwrap();
    let node = &status.cassandra_node_status[LOST];
    assert_eq!(node.host_id, Some(format!("host-of-{LOST}-1")));
}

/// What the operator writes itself may be the last that happens: nothing else would wake it.
#[test]
fn no_step_waits_for_an_event_of_the_operators_own() {
    let mut world = lost(&[LOST]);
    ask(&mut world, LOST);
    while world.pods.contains_key(LOST) {
        let plan = world.pass(Death::Never);
        assert!(matches!(plan.wake, Wake::After(_)), "{plan:?}");
    }
}

#[test]
fn it_comes_to_the_same_end_wherever_the_operator_dies() {
    for deadly_pass in 0..6 {
        for writes in 0..5 {
            let mut world = lost(&[LOST]);
            let before = world.uids();
            ask(&mut world, LOST);
            for pass in 0..=deadly_pass {
                world.pass(if pass == deadly_pass {
                    Death::AfterWrites(writes)
                } else {
                    Death::Never
                });
                world.controllers();
            }
            world.settle();
            assert_replaced(&world, &before);
        }
    }
}

#[test]
fn two_lost_nodes_are_replaced_one_after_the_other() {
    let mut world = lost(&[LOST, ALSO_LOST]);
    ask(&mut world, LOST);
    ask(&mut world, ALSO_LOST);
    world.settle();
    let told = world.waiting().message;
    assert!(
        told.contains("is down as well, and may hold the only other replica"),
        "{told}"
    );
    ask_by_address(&mut world, LOST);
    ask_by_address(&mut world, ALSO_LOST);
    let mut most = 0;
    for _ in 0..40 {
        world.pass(Death::Never);
        most = most.max(world.told.len());
        world.controllers();
    }
    world.settle();
    assert_eq!(most, 1);
    assert_eq!(world.members.len(), 6);
    assert!(world.members.values().all(|(_, up)| *up));
    for rack in ["dc1-rack2", "dc1-rack3"] {
        assert_eq!(last(&world, rack).pods_ko, Vec::<String>::new());
    }
}

#[test]
fn a_node_that_is_not_lost_is_not_replaced() {
    type Arrange = fn(&mut World);
    let table: [(&str, Arrange); 4] = [
        ("pod ring-dc1-rack2-1 is ready: its node is not lost", |world| {
            world.node_is(LOST, true);
        }),
        // Its pod is not ready, and others see the node.
        ("is alive, as pod ring-dc1-rack1-0 sees the ring", |world| {
            let address = address_of(&world.pods[LOST]);
            world.members.get_mut(&address).unwrap().1 = true;
        }),
        ("host id host-of-ring-dc1-rack2-1 is no member", |world| {
            let address = address_of(&world.pods[LOST]);
            world.members.remove(&address);
        }),
        (
            "ran node host-of-ring-dc1-rack2-1 last, a member, and not",
            |world| {
                let other = address_of(&world.pods[ALSO_LOST]).to_string();
                world.label(LOST, &[(OPERATION_ARGUMENT, &other)]);
            },
        ),
    ];
    for (why, arrange) in table {
        let mut world = lost(&[LOST]);
        let before = world.uids();
        let claims = world.claims.clone();
        ask(&mut world, LOST);
        arrange(&mut world);
        world.settle();
        assert!(
            message_of(&world, "dc1-rack2").contains(why),
            "{}",
            message_of(&world, "dc1-rack2")
        );
        assert_eq!((world.uids(), &world.claims), (before, &claims));
        assert!(world.told.is_empty());
    }
}

#[test]
fn a_lost_node_that_comes_back_in_time_keeps_its_data() {
    let mut world = lost(&[LOST]);
    let (before, claims) = (world.uids(), world.claims.clone());
    ask(&mut world, LOST);
    world.pass(Death::Never);
    world.node_is(LOST, true);
    world.settle();
    assert!(message_of(&world, "dc1-rack2").contains("is ready again"));
    assert_eq!((world.uids(), &world.claims), (before, &claims));
    assert!(world.told.is_empty());
    assert_eq!(world.label_of(LOST, OPERATION_STATUS).as_deref(), Some("Error"));
}

/// What an operator sent before it died may arrive after another one has seen the node come back.
#[test]
fn a_deletion_that_arrives_late_does_not_take_the_disk_of_a_node_that_came_back() {
    let mut world = lost(&[LOST]);
    let claims = world.claims.clone();
    ask(&mut world, LOST);
    world.pass(Death::Never);
    let read = world.versions.clone();
    let plan = world.pass(Death::AfterWrites(2));
    let deletes = |effect: &&Effect| matches!(effect, Effect::DeleteClaim { .. });
    let sent = plan.effects.iter().find(deletes).unwrap();
    assert_eq!(
        world.told.len(),
        1,
        "the turn is recorded, and nothing is deleted"
    );
    world.node_is(LOST, true);
    world.settle();
    assert!(message_of(&world, "dc1-rack2").contains("is ready again"));
    assert!(world.told.is_empty());
    assert_eq!(world.execute(sent, Some(&read)), Err(Conflict));
    assert_eq!(world.claims, claims);
}

/// To an operator that dies it is back, to the next one it is lost again, and only then arrives what the first one sent.
#[test]
fn a_disk_does_not_go_while_an_earlier_word_may_leave_the_successor_untold() {
    let mut world = lost(&[LOST]);
    ask(&mut world, LOST);
    world.pass(Death::Never);
    world.node_is(LOST, true);
    let late = world.think();
    world.node_is(LOST, false);
    let (plan, read) = (world.think(), world.versions.clone());
    let claims = world.claims.clone();
    for effect in plan.first.iter().chain(&late.first).chain(&late.effects) {
        world.execute(effect, None).unwrap();
    }
    world.write_status(&plan);
    let mut writes = plan.effects.iter();
    while writes
        .next()
        .is_some_and(|effect| world.execute(effect, Some(&read)).is_ok())
    {}
    assert!(
        world.told.contains_key(LOST) || world.claims == claims,
        "{:?}",
        world.told
    );
    world.settle();
    assert_eq!(world.claims, claims);
}

/// Without a claim, once the turn is recorded: nobody can say any more that it is down.
#[test]
fn a_node_without_a_claim_that_is_removed_by_hand_ends_it() {
    for writes in [0, 2] {
        let mut world = lost(&[LOST]);
        world.claims.remove(LOST);
        ask(&mut world, LOST);
        world.pass(Death::Never);
        world.pass(Death::AfterWrites(writes));
        let host_id = world.member(LOST);
        world.members.retain(|_, (known, _)| *known != host_id);
        world.settle();
        assert!(message_of(&world, "dc1-rack2").contains("no longer, down"));
        assert!(world.told.is_empty());
    }
}

/// Not even begun: what is begun is given up where a node has the lost one not down.
#[test]
fn a_node_that_another_one_has_not_heard_of_is_replaced_once_it_has() {
    let mut world = lost(&[LOST]);
    let address = address_of(&world.pods[LOST]);
    world.unheard.insert(address);
    ask(&mut world, LOST);
    world.settle();
    let waiting = world.waiting();
    for part in ["is not down at", "delete that pod"] {
        assert!(waiting.message.contains(part), "{}", waiting.message);
    }
    assert_eq!(world.label_of(LOST, OPERATION_STATUS).as_deref(), Some("ToDo"));
    let before = world.uids();
    world.unheard.clear();
    world.settle();
    assert_replaced(&world, &before);
}

/// Once its claim is kept, it is: no deletion is sent that a later return of the node would have to outrun.
#[test]
fn a_node_that_comes_and_goes_keeps_its_disk() {
    let mut world = lost(&[LOST]);
    ask(&mut world, LOST);
    world.pass(Death::Never);
    world.pass(Death::AfterWrites(2));
    world.node_is(LOST, true);
    let plan = world.pass(Death::Never);
    let keeps = |effect: &Effect| matches!(effect, Effect::KeepClaim { .. });
    assert!(plan.effects.iter().any(keeps), "{:?}", plan.effects);
    world.node_is(LOST, false);
    let plan = world.pass(Death::Never);
    let deletes = |effect: &Effect| matches!(effect, Effect::DeleteClaim { .. } | Effect::DeletePod { .. });
    assert!(!plan.effects.iter().any(deletes), "{:?}", plan.effects);
    assert!(message_of(&world, "dc1-rack2").contains("came back meanwhile"));
    // Whoever asks again means it.
    ask(&mut world, LOST);
    world.settle();
    assert_eq!(world.label_of(LOST, OPERATION_STATUS).as_deref(), Some("Done"));
}

/// A cluster without data volumes: there is no claim to keep, and the replacement ends all the same.
#[test]
fn a_node_without_a_claim_that_comes_back_ends_it() {
    let mut world = lost(&[LOST]);
    world.claims.remove(LOST);
    ask(&mut world, LOST);
    world.pass(Death::Never);
    world.pass(Death::AfterWrites(2));
    assert_eq!(world.told.len(), 1, "the turn is recorded");
    world.node_is(LOST, true);
    world.settle();
    assert!(message_of(&world, "dc1-rack2").contains("is ready again"));
    assert!(world.told.is_empty());
}

#[test]
fn a_lost_node_that_is_removed_by_hand_meanwhile_ends_it_and_the_pod_joins_as_a_new_node() {
    let mut world = lost(&[LOST]);
    let address: IpAddr = address_of(&world.pods[LOST]);
    ask(&mut world, LOST);
    world.pass(Death::Never);
    world.pass(Death::Never);
    world.members.remove(&address);
    world.settle();
    assert!(message_of(&world, "dc1-rack2").contains("joins as a new node"));
    assert!(world.told.is_empty());
    assert_eq!(world.members.len(), 6);
}

/// What runs on a lost node cannot tell how it stands, and must not hold its replacement up.
#[test]
fn what_ran_on_the_lost_node_ends_with_it() {
    let mut world = formed(2);
    world.label(LOST, &[(OPERATION_NAME, "cleanup"), (OPERATION_STATUS, "ToDo")]);
    world.pass(Death::Never);
    world.pass(Death::Never);
    assert!(world.in_flight.contains_key(LOST));
    let before = world.uids();
    world.node_is(LOST, false);
    world.in_flight.clear();
    world.fail_calls("the connection broke");
    world.calls.clear();
    ask(&mut world, LOST);
    world.settle();
    assert_replaced(&world, &before);
    let status = world.cluster.status.as_ref().unwrap();
    let records = &status.cassandra_rack_status["dc1-rack2"].operations;
    let cleanup = records
        .iter()
        .find(|record| record.name == OperationName::Cleanup)
        .unwrap();
    assert_eq!(cleanup.message.as_deref(), Some("its node was lost"));
}

/// The claim goes by its pod's name, so the node that is named has to be that pod's.
#[test]
fn the_disk_of_another_node_than_the_one_named_is_not_taken() {
    let mut world = lost(&[LOST]);
    // It joined beside a node that was lost before, and that is a member still.
    world
        .members
        .insert("127.9.9.9".parse().unwrap(), ("lost-before".to_owned(), false));
    let claims = world.claims.clone();
    world.label(LOST, &[(OPERATION_ARGUMENT, "127.9.9.9")]);
    ask(&mut world, LOST);
    world.settle();
    let message = message_of(&world, "dc1-rack2");
    assert!(
        message.contains("ran node host-of-ring-dc1-rack2-1 last, a member"),
        "{message}"
    );

    // Nor does one pod take the place of another's node.
    world.members.remove(&"127.9.9.9".parse::<IpAddr>().unwrap());
    world.node_is(ALSO_LOST, false);
    let status = world.cluster.status.as_mut().unwrap();
    status.cassandra_node_status.remove(LOST);
    let address = address_of(&world.pods[LOST]);
    world.members.remove(&address);
    let also_lost = address_of(&world.pods[ALSO_LOST]).to_string();
    world.label(LOST, &[(OPERATION_ARGUMENT, &also_lost)]);
    ask(&mut world, LOST);
    world.settle();
    let message = message_of(&world, "dc1-rack2");
    assert!(message.contains("is that of pod ring-dc1-rack3-0"), "{message}");
    assert_eq!(world.claims, claims);
}

/// A StatefulSet's controller makes no pod before those of lower ordinals are ready.
#[test]
fn lost_nodes_of_one_rack_are_replaced_in_the_order_in_which_pods_are_made() {
    let mut world = lost(&["ring-dc1-rack2-0", LOST]);
    ask_by_address(&mut world, LOST);
    world.settle();
    assert_eq!(world.claims.len(), 6);
    let told = world.waiting().message;
    assert!(
        told.contains("pod ring-dc1-rack2-0, which comes before it, is not ready"),
        "{told}"
    );
    ask_by_address(&mut world, "ring-dc1-rack2-0");
    world.settle();
    assert_eq!(world.members.len(), 6);
    assert!(world.members.values().all(|(_, up)| *up));
    assert_eq!(last(&world, "dc1-rack2").pods_ko, Vec::<String>::new());
}

/// A list from before the claim and the pod went: the ring, which has the successor by then, is no proof that nothing was deleted.
#[test]
fn what_is_read_late_does_not_end_a_replacement() {
    let mut world = lost(&[LOST]);
    ask(&mut world, LOST);
    world.pass(Death::Never);
    let (pods, claims) = (world.pods.clone(), world.claims.clone());
    world.pass(Death::Never);
    world.controllers();
    let (fresh_pods, fresh_claims) = (world.pods.clone(), world.claims.clone());
    assert!(host_ids(&world).contains(&format!("host-of-{LOST}-1").as_str()));
    world.pods = pods;
    world.claims = claims;
    world.pass(Death::Never);
    (world.pods, world.claims) = (fresh_pods, fresh_claims);
    world.settle();
    assert_eq!(world.label_of(LOST, OPERATION_STATUS).as_deref(), Some("Done"));
}

/// A Kubernetes node is deleted, and its pods with it, while another node is replaced.
#[test]
fn a_request_whose_pod_goes_before_its_turn_is_not_forgotten_in_silence() {
    let mut world = lost(&[LOST, ALSO_LOST]);
    ask_by_address(&mut world, LOST);
    ask_by_address(&mut world, ALSO_LOST);
    world.pass(Death::Never);
    world.pods.remove(ALSO_LOST);
    world.pass(Death::Never);
    let told = world.notes("OperationForgotten");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("replace on pod ring-dc1-rack3-0 was not begun"),
        "{told:?}"
    );
}
