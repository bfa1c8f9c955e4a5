//! That the ring has formed is recorded before it matters, once, and whatever the operator dies of.

use casskop_core::effect::{Effect, Notice, Wake};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Pod;
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

/// A Role of an earlier release, or a quota: the operator does all it can without the record, and says what would help.
#[test]
fn a_record_that_is_refused_keeps_further_nodes_waiting_and_nothing_else() {
    let mut world = World::new(&three_racks(1));
    let why = "configmaps is forbidden: User \"operator\" cannot create resource \"configmaps\"";
    world.refused_record = Some(why.to_owned());
    world.settle();
    assert_eq!(world.pods.len(), 1, "the first node comes, and no other");
    assert_eq!(world.cluster.status.as_ref().unwrap().ring_recorded, None);
    let waiting = world.waiting();
    assert_eq!(waiting.reason, "ObjectRefused");
    for word in [why, "ring-bootstrap", "Role", "quota"] {
        assert!(waiting.message.contains(word), "{}", waiting.message);
    }
    let plan = world.pass(Death::Never);
    assert_eq!((plan.first, plan.effects), (vec![], vec![]));
    assert_eq!(plan.wake, Wake::After(SignedDuration::from_secs(30)));
    let told = |notice: &&Notice| notice.reason == "Waiting";
    assert_eq!(world.notices.iter().filter(told).count(), 1);

    world.refused_record = None;
    world.settle();
    assert!(world.ring_recorded);
    assert_eq!(world.pods.len(), 3);
    assert_eq!(world.waiting().status, "False");
}

/// A ring that runs, whose operator was renewed and whose Role was not.
#[test]
fn a_ring_without_its_record_is_rolled_and_grows_once_it_has_one() {
    let mut world = World::new(&three_racks(2));
    world.settle();
    world.cluster.status.as_mut().unwrap().ring_recorded = None;
    world.ring_recorded = false;
    world.refused_record = Some("exceeded quota: count/configmaps".to_owned());
    let before = world.pods.clone();
    world.edit_spec(|spec| spec["cassandraImage"] = json!("cassandra:new"));
    world.settle();
    let same = |(name, pod): &(&String, &Pod)| before[*name].metadata.uid == pod.metadata.uid;
    assert_eq!(world.pods.iter().filter(same).count(), 0);
    assert!(
        world.waiting().message.contains("exceeded quota"),
        "it is told all along"
    );
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(3));
    world.settle();
    assert_eq!(world.pods.len(), 6, "none is added");
    world.refused_record = None;
    world.settle();
    assert_eq!(world.pods.len(), 9);
}
