//! A new seed list goes to every rack, once all are ready for it, and to none before.

use casskop_types::status::{ActionStatus, ClusterAction};
use serde_json::{Value, json};

use super::world::{Death, World};
use super::{RACKS, action};

fn one_rack_after_the_other(auto_update: bool) -> Value {
    json!({
        "nodesPerRacks": 1, "cassandraImage": "cassandra:5.0.9", "autoUpdateSeedList": auto_update,
        "topology": {"dc": [{"name": "dc1", "rack": [{"name": "rack1"}, {"name": "rack2"}]}]},
    })
}

fn seeds(world: &World, set: &str) -> String {
    let spec = world.sets[set].spec.as_ref().unwrap();
    let pod = spec.template.spec.as_ref().unwrap();
    let bootstrap = pod
        .init_containers
        .as_ref()
        .unwrap()
        .iter()
        .find(|container| container.name == "bootstrap");
    let environment = bootstrap.unwrap().env.clone().unwrap();
    let seeds = environment
        .into_iter()
        .find(|variable| variable.name == "CASSANDRA_SEEDS")
        .unwrap();
    seeds.value.unwrap()
}

const NEW: &str = "ring-dc1-rack1-0.ring.ns,ring-dc1-rack2-0.ring.ns,ring-dc1-rack1-1.ring.ns";
const OLD: &str = "ring-dc1-rack1-0.ring.ns,ring-dc1-rack2-0.ring.ns";

#[test]
fn a_grown_ring_gets_its_new_seeds_once_all_racks_have_grown() {
    let mut world = World::new(&one_rack_after_the_other(true));
    world.settle();
    assert_eq!(seeds(&world, RACKS[0]), OLD);
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(2));
    let mut held_back = false;
    for _ in 0..100 {
        world.pass(Death::Never);
        world.controllers();
        let states = ["dc1-rack1", "dc1-rack2"].map(|rack| action(&world, rack));
        let staged = (
            Some(ClusterAction::UpdateSeedList),
            Some(ActionStatus::Configuring),
        );
        held_back |= states[0] == staged && states[1].0 == Some(ClusterAction::ScaleUp);
        if states.iter().any(|(name, status)| {
            *name == Some(ClusterAction::ScaleUp) && *status != Some(ActionStatus::Done)
        }) {
            assert_eq!(
                seeds(&world, RACKS[0]),
                OLD,
                "rolled out in the middle of a scale-up"
            );
        }
    }
    world.settle();
    assert!(held_back, "no rack was held back for another");
    assert_eq!([seeds(&world, RACKS[0]), seeds(&world, RACKS[1])], [NEW, NEW]);
    for rack in ["dc1-rack1", "dc1-rack2"] {
        assert_eq!(
            action(&world, rack),
            (Some(ClusterAction::UpdateSeedList), Some(ActionStatus::Done))
        );
    }
    assert_eq!(world.cluster.status.as_ref().unwrap().seed_list.join(","), NEW);
    assert_eq!(world.most_down, 1);
}

#[test]
fn the_list_stays_unless_it_is_to_follow_the_topology_or_a_user_changes_it() {
    let mut world = World::new(&one_rack_after_the_other(false));
    world.settle();
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(2));
    world.settle();
    assert_eq!(seeds(&world, RACKS[0]), OLD);
    let status = world.cluster.status.as_mut().unwrap();
    status.seed_list = NEW.split(',').map(str::to_owned).collect();
    world.settle();
    assert_eq!([seeds(&world, RACKS[0]), seeds(&world, RACKS[1])], [NEW, NEW]);
}

#[test]
fn a_list_put_back_before_it_was_rolled_out_restarts_nobody() {
    let mut world = World::new(&one_rack_after_the_other(true));
    world.replication.clear();
    world.settle();
    let before = world.uids();
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(2));
    world.pass(Death::Never);
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(1));
    world.settle();
    assert_eq!(world.pods.len(), 2, "{:?}", world.pods.keys());
    assert_eq!(before, world.uids());
    assert_eq!(seeds(&world, RACKS[0]), OLD);
}
