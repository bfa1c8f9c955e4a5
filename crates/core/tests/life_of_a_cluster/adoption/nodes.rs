//! Nodes that CassKop left on their way out, or took down without one.

use casskop_core::call::{NodeCall, Replicas};
use casskop_types::status::{ActionStatus, ClusterAction, Phase};
use rstest::rstest;
use serde_json::{Value, json};

use super::super::world::{self, Death, World};
use super::super::{RACKS, action};
use super::{FIRST_RACK, casskops, leave_rack, leaving, remember};

fn decommissions(world: &World) -> Vec<&str> {
    let made = world.made.iter();
    made.filter(|made| matches!(made.call, NodeCall::Decommission { .. }))
        .map(|made| made.pod.as_str())
        .collect()
}

/// A scale-down of one node of the first rack, left at each of its stages: the node is asked to leave at most once.
#[rstest]
#[case::wanted(leaving("ToDo", "ToDo", &[]), Stage::Member, 1)]
#[case::asked_and_forgotten(leaving("ToDo", "ToDo", &[]), Stage::Leaving, 0)]
#[case::asked_and_not_done(leaving("ToDo", "Ongoing", &["ring-dc1-rack1-1"]), Stage::Member, 1)]
#[case::leaving(leaving("Ongoing", "Ongoing", &["ring-dc1-rack1-1"]), Stage::Leaving, 0)]
#[case::out_before_it_was_recorded(leaving("ToDo", "ToDo", &[]), Stage::Out, 0)]
#[case::out(leaving("Ongoing", "Ongoing", &["ring-dc1-rack1-1"]), Stage::Out, 0)]
#[case::stuck_before_the_last_step(leaving("Ongoing", "Finalizing", &["ring-dc1-rack1-1"]), Stage::Out, 0)]
#[case::more_to_come(leaving("Continue", "Continue", &[]), Stage::Member, 1)]
fn a_scale_down_goes_on_from_where_the_node_is(
    #[case] left: Value,
    #[case] stage: Stage,
    #[case] decommissioned: usize,
) {
    let mut world = casskops(2);
    world.edit_spec(|spec| {
        spec["topology"]["dc"] = json!([
            {"name": "dc1", "nodesPerRacks": 1, "rack": [{"name": "rack1"}, {"name": "rack2"}, {"name": "rack3"}]},
        ]);
    });
    remember(&mut world);
    leave_rack(&mut world, FIRST_RACK, left);
    let pod = "ring-dc1-rack1-1";
    match stage {
        Stage::Member => {}
        Stage::Leaving => {
            let replicas = Replicas::MustHold;
            world
                .in_flight
                .insert(pod.to_owned(), NodeCall::Decommission { replicas });
        }
        Stage::Out => world.leave(pod),
    }
    while world.claims.contains_key(pod) {
        world.pass(Death::Never);
        world.controllers();
        world.nodes_finish();
    }
    let of_it = decommissions(&world).iter().filter(|left| **left == pod).count();
    assert_eq!(of_it, decommissioned);
    world.settle();
    assert_eq!(
        (world.pods.len(), world.claims.len(), world.members.len()),
        (3, 3, 3)
    );
    assert_eq!(
        action(&world, FIRST_RACK),
        (Some(ClusterAction::ScaleDown), Some(ActionStatus::Done))
    );
}

/// How far a node is that is to leave.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Member,
    Leaving,
    Out,
}

/// CassKop's operator dies between the pod and its claim. Nobody can prove any more whose the claim is: it stays, and that is
/// said, for a node that started on it would be the one that left.
#[test]
fn a_claim_that_casskop_forgot_is_told_of_and_kept() {
    let mut world = casskops(2);
    let pod = "ring-dc1-rack1-1";
    world.leave(pod);
    world.edit_spec(|spec| {
        spec["topology"]["dc"][0]["nodesPerRacks"] = json!(1);
    });
    remember(&mut world);
    let set = world.sets.get_mut(RACKS[0]).unwrap();
    set.spec.as_mut().unwrap().replicas = Some(1);
    while world.controllers() {}
    assert!(!world.pods.contains_key(pod));
    leave_rack(&mut world, FIRST_RACK, leaving("Ongoing", "Finalizing", &[pod]));
    world.settle();
    assert!(world.claims.contains_key(pod));
    let told = world.notes("ClaimLeft");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("data-ring-dc1-rack1-1"), "{told:?}");
}

/// CassKop's quirk Q1: a datacenter was added, and the racks that were there lost all their pods but the first, without a
/// decommission. Their nodes are members still, their disks are there: they come back, and nothing else happens before.
#[test]
fn nodes_that_casskop_took_down_while_it_added_a_datacenter_come_back() {
    let mut world = casskops(3);
    let members: Vec<String> = world
        .members
        .values()
        .map(|(host_id, _)| host_id.clone())
        .collect();
    for (name, set) in &mut world.sets {
        set.spec.as_mut().unwrap().replicas = Some(1);
        for ordinal in 1..3 {
            let pod = world.pods.remove(&format!("{name}-{ordinal}")).unwrap();
            world.members.get_mut(&world::address_of(&pod)).unwrap().1 = false;
        }
    }
    for rack in RACKS {
        let left = json!({
            "phase": "Initializing", "initializingSubPhase": "NextPodPerRack",
            "cassandraLastAction": {"name": "Initializing", "status": "Done"},
        });
        leave_rack(&mut world, rack.strip_prefix("ring-").unwrap(), left);
    }
    while world.controllers() {}
    let before = world.uid("ring-dc1-rack1-0");
    world.settle();
    assert_eq!(world.uid("ring-dc1-rack1-0"), before);
    let mut back: Vec<String> = world
        .members
        .values()
        .filter(|(_, up)| *up)
        .map(|(host_id, _)| host_id.clone())
        .collect();
    back.sort();
    let mut members = members;
    members.sort();
    assert_eq!(back, members);
    assert_eq!(world.made.len(), 0);
    assert_eq!(world.cluster.status.as_ref().unwrap().phase, Some(Phase::Running));
}

/// CassKop's quirk Q2: nodesPerRacks was lowered together with something else, and the last pod went without a decommission.
/// Its data is on its disk: what helps is said, nothing else goes down, and with the old number it comes back.
#[test]
fn a_node_that_casskop_took_down_without_a_decommission_is_missed_and_comes_back() {
    let mut world = casskops(2);
    let pod = "ring-dc1-rack1-1";
    let object = world.pods.remove(pod).unwrap();
    world.members.get_mut(&world::address_of(&object)).unwrap().1 = false;
    let set = world.sets.get_mut(RACKS[0]).unwrap();
    set.spec.as_mut().unwrap().replicas = Some(1);
    while world.controllers() {}
    world.edit_spec(|spec| spec["topology"]["dc"][0]["nodesPerRacks"] = json!(1));
    remember(&mut world);
    for _ in 0..5 {
        world.pass(Death::Never);
        world.controllers();
    }
    let waiting = world.waiting();
    assert_eq!(waiting.reason, "DataAtRisk", "{waiting:?}");
    assert!(waiting.message.contains("no pod runs it"), "{waiting:?}");
    assert_eq!((world.pods.len(), world.made.len()), (5, 0));
    world.edit_spec(|spec| spec["topology"]["dc"][0]["nodesPerRacks"] = json!(2));
    world.settle();
    assert_eq!((world.pods.len(), world.members.len()), (6, 6));
    assert!(world.members.values().all(|(_, up)| *up));
}
