//! That the ring has formed is recorded before it matters, once, and whatever the operator dies of.

use casskop_core::effect::Effect;
use serde_json::json;

use super::three_racks;
use super::world::{Death, World};

fn records(effects: &[Effect]) -> usize {
    let is_record = |effect: &&Effect| matches!(effect, Effect::RecordRing(_));
    effects.iter().filter(is_record).count()
}

/// The world minds that no second node starts without it.
#[test]
fn the_ring_is_recorded_once_while_it_forms() {
    let mut world = World::new(&three_racks(2));
    let mut recorded = 0;
    for _ in 0..60 {
        let plan = world.pass(Death::Never);
        assert_eq!(
            records(&plan.effects),
            0,
            "the status would say so before it is true"
        );
        recorded += records(&plan.first);
        world.controllers();
    }
    assert_eq!(world.pods.len(), 6);
    assert_eq!(recorded, 1);
}

#[test]
fn no_death_of_the_operator_loses_the_record() {
    for deadly_pass in 0..8 {
        for writes in 0..4 {
            let mut world = World::new(&three_racks(1));
            for pass in 0..=deadly_pass {
                world.pass(if pass == deadly_pass {
                    Death::AfterWrites(writes)
                } else {
                    Death::Never
                });
                let told = world
                    .cluster
                    .status
                    .as_ref()
                    .is_some_and(|status| status.ring_recorded == Some(true));
                assert!(!told || world.ring_recorded, "the status says what is not so");
                world.controllers();
            }
            world.settle();
            assert!(world.ring_recorded && world.pods.len() == 3);
        }
    }
}

/// As after an adoption, or an upgrade of the operator.
#[test]
fn a_ring_that_runs_already_is_recorded_and_nothing_else_is_done() {
    let mut world = World::new(&three_racks(1));
    world.settle();
    world.cluster.status.as_mut().unwrap().ring_recorded = None;
    world.ring_recorded = false;
    let plan = world.pass(Death::Never);
    assert_eq!((records(&plan.first), plan.effects), (1, vec![]));
    let plan = world.pass(Death::Never);
    assert_eq!((plan.first, plan.effects), (vec![], vec![]));
    assert!(world.ring_recorded);
}

/// It has no other that it could be parted from: with its disk gone it may start over.
#[test]
fn a_ring_of_one_is_recorded_when_it_grows() {
    let mut spec = three_racks(1);
    spec["topology"] = json!({"dc": [{"name": "dc1", "rack": [{"name": "rack1"}]}]});
    let mut world = World::new(&spec);
    world.settle();
    assert!(!world.ring_recorded);
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(2));
    world.settle();
    assert!(world.ring_recorded);
    assert_eq!(world.pods.len(), 2);
}
