//! What the plan amounts to over many passes, also when the operator dies between any two writes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what the test's world lacks is a bug of the test"
)]

mod abort;
mod adoption;
mod crossed_addresses;
mod datacenters;
mod edits;
mod exploration;
mod follow_ups;
mod formation;
mod hooks;
mod moves;
mod overlaps;
mod pausing;
mod progress;
mod records;
mod remove;
mod repairs;
mod replace;
mod requests;
mod restart_of_nodes;
mod ring_record;
mod rolling_restart;
mod scale_down;
mod seed_lists;
mod storage;
mod world;

use casskop_types::status::{ActionStatus, ClusterAction, Phase};
use proptest::prelude::*;
use serde_json::json;

use world::{Death, World};

const RACKS: [&str; 3] = ["ring-dc1-rack1", "ring-dc1-rack2", "ring-dc1-rack3"];

fn three_racks(nodes: i32) -> serde_json::Value {
    json!({
        "nodesPerRacks": nodes, "dataCapacity": "1Gi", "cassandraImage": "cassandra:5.0.9",
        "topology": {"dc": [{"name": "dc1", "rack": [{"name": "rack1"}, {"name": "rack2"}, {"name": "rack3"}]}]},
    })
}

fn formed(nodes: i32) -> World {
    let mut world = World::new(&three_racks(nodes));
    world.settle();
    assert_eq!(world.cluster.status.as_ref().unwrap().phase, Some(Phase::Running));
    world
}

/// The operator dies in a pass, after so many writes, and another one takes over.
fn dies_and_settles(world: &mut World, deadly_pass: usize, writes: usize, node_is_quick: bool) {
    for pass in 0..=deadly_pass {
        world.pass(if pass == deadly_pass {
            Death::AfterWrites(writes)
        } else {
            Death::Never
        });
        if node_is_quick {
            world.nodes_finish();
        }
        world.controllers();
    }
    world.die();
    world.settle();
}

fn ask_for_restart(world: &mut World, racks: &[usize]) {
    world.edit_spec(|spec| {
        for rack in racks {
            spec["topology"]["dc"][0]["rack"][*rack]["rollingRestart"] = json!(true);
        }
    });
}

fn action(world: &World, rack: &str) -> (Option<ClusterAction>, Option<ActionStatus>) {
    let status = world.cluster.status.as_ref().unwrap();
    let action = status.cassandra_rack_status[rack]
        .cassandra_last_action
        .clone()
        .unwrap();
    (action.name, action.status)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// However often and wherever the operator dies, a cluster forms, restarts once and cleans up once.
    #[test]
    fn dying_anywhere_changes_nothing_about_the_end(deaths in prop::collection::vec(0..6usize, 0..40)) {
        let mut deaths = deaths.into_iter();
        let mut world = World::new(&three_racks(2));
        let run = |world: &mut World, deaths: &mut dyn Iterator<Item = usize>| {
            for death in deaths.take(15) {
                world.pass(Death::AfterWrites(death));
                world.controllers();
                if death % 2 == 0 {
                    world.nodes_finish();
                }
            }
            world.settle();
        };
        run(&mut world, &mut deaths);
        prop_assert_eq!(world.pods.len(), 6);
        let uids = world.uids();
        ask_for_restart(&mut world, &[0, 2]);
        run(&mut world, &mut deaths);
        for (pod, uid) in uids {
            prop_assert_eq!(!pod.starts_with(RACKS[1]), world.uid(&pod) != uid, "{}", pod);
        }
        prop_assert!(world.uid("ring-dc1-rack1-0").as_str() <= "pod-uid-99");
        prop_assert!(world.most_down <= 1);
        let pods_made: std::collections::BTreeSet<_> = world.uids().into_values().collect();
        prop_assert_eq!(pods_made.len(), 6);
        for pod in world.pods.keys().cloned().collect::<Vec<_>>() {
            world.label(&pod, &[("operation-name", "cleanup"), ("operation-status", "ToDo")]);
        }
        run(&mut world, &mut deaths);
        for pod in world.pods.keys() {
            prop_assert_eq!(world.label_of(pod, "operation-status"), Some("Done".to_owned()));
        }
    }
}
