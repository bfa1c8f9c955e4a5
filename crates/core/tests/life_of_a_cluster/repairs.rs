//! A bad image, and back: the repair gets through, and nobody else is touched. Also canaries, which are bad images found early.

use casskop_types::status::{ActionStatus, ClusterAction, Phase};
use serde_json::json;

use super::world::{self, Death, World};
use super::{RACKS, action, formed, three_racks};

const BAD: &str = "cassandra:5.0.0-broken";
const GOOD: &str = "cassandra:5.0.10";

fn image(world: &mut World, image: &str) {
    world.bad_images.insert(BAD.to_owned());
    world.edit_spec(|spec| spec["cassandraImage"] = json!(image));
}

fn run(world: &mut World) {
    for _ in 0..40 {
        world.pass(Death::Never);
        world.controllers();
    }
}

fn image_of(world: &World, pod: &str) -> String {
    let hash = world.label_of(pod, "controller-revision-hash");
    let set = pod.rsplit_once('-').unwrap().0;
    let newest = world.sets[set].status.as_ref().unwrap().update_revision.clone();
    let template = world.sets[set]
        .spec
        .as_ref()
        .unwrap()
        .template
        .spec
        .as_ref()
        .unwrap();
    let image = template.containers[0].image.clone().unwrap();
    if hash == newest {
        image
    } else {
        format!("older than {image}")
    }
}

#[test]
fn a_bad_image_stops_at_its_first_pod_and_a_good_one_gets_through() {
    let mut world = formed(2);
    let before = world.uids();
    image(&mut world, BAD);
    run(&mut world);
    assert_eq!(world.made_anew_since(&before), ["ring-dc1-rack1-1"]);
    assert!(
        world.waiting().message.contains("ring-dc1-rack1-1"),
        "{}",
        world.waiting().message
    );
    image(&mut world, GOOD);
    world.settle();
    assert!(world.pods.values().all(world::is_ready));
    assert!(world.pods.keys().all(|pod| image_of(&world, pod) == GOOD));
    assert_eq!(world.most_down, 1);
    for rack in ["dc1-rack1", "dc1-rack2", "dc1-rack3"] {
        assert_eq!(
            action(&world, rack),
            (Some(ClusterAction::UpdateDockerImage), Some(ActionStatus::Done))
        );
    }
}

#[test]
fn going_back_to_the_image_before_touches_one_pod_only() {
    let mut world = formed(2);
    let before = world.uids();
    image(&mut world, BAD);
    run(&mut world);
    image(&mut world, "cassandra:5.0.9");
    world.settle();
    assert_eq!(world.made_anew_since(&before).len(), 1);
    assert_eq!(
        world.cluster.status.as_ref().unwrap().nodes_ready.as_deref(),
        Some("6/6")
    );
}

#[test]
fn a_cluster_that_never_came_up_is_repaired_by_a_good_image() {
    let mut spec = three_racks(1);
    spec["cassandraImage"] = json!(BAD);
    let mut world = World::new(&spec);
    world.bad_images.insert(BAD.to_owned());
    run(&mut world);
    assert_eq!(world.pods.len(), 1);
    assert!(
        world.waiting().message.contains("ring-dc1-rack1-0"),
        "{}",
        world.waiting().message
    );
    image(&mut world, GOOD);
    world.settle();
    assert_eq!(world.cluster.status.as_ref().unwrap().phase, Some(Phase::Running));
    assert_eq!(world.pods.len(), 3);
}

#[test]
fn the_only_node_of_a_cluster_is_repaired_too() {
    let mut world = World::new(&json!({"cassandraImage": "cassandra:5.0.9", "dataCapacity": "1Gi"}));
    world.settle();
    image(&mut world, BAD);
    run(&mut world);
    assert!(!world.pods.values().all(world::is_ready));
    image(&mut world, GOOD);
    world.settle();
    assert!(world.pods.values().all(world::is_ready));
}

#[test]
fn a_canary_is_rolled_out_to_the_pods_above_the_partition_and_the_rest_later() {
    let mut world = formed(2);
    world.edit_spec(|spec| {
        spec["cassandraImage"] = json!(GOOD);
        for rack in 0..3 {
            spec["topology"]["dc"][0]["rack"][rack]["rollingPartition"] = json!(1);
        }
    });
    world.settle();
    for rack in RACKS {
        assert_eq!(image_of(&world, &format!("{rack}-1")), GOOD);
        assert_eq!(
            image_of(&world, &format!("{rack}-0")),
            format!("older than {GOOD}")
        );
    }
    assert_eq!(action(&world, "dc1-rack3").1, Some(ActionStatus::Done));
    world.edit_spec(|spec| spec["topology"]["dc"][0]["rack"][1]["rollingPartition"] = json!(0));
    world.settle();
    assert_eq!(image_of(&world, "ring-dc1-rack2-0"), GOOD);
    assert_eq!(image_of(&world, "ring-dc1-rack1-0"), format!("older than {GOOD}"));
    assert_eq!(world.most_down, 1);
}

/// A pod that misses a probe while another node is down: it may serve, so its rack does not roll (rule 3).
#[test]
fn a_pod_that_is_only_not_ready_is_no_excuse_to_roll_while_another_node_is_down() {
    let mut world = formed(1);
    world.node_is("ring-dc1-rack2-0", false);
    world::set_ready(world.pods.get_mut("ring-dc1-rack1-0").unwrap(), "False");
    let uids = ["ring-dc1-rack1-0", "ring-dc1-rack2-0"].map(|pod| world.uid(pod));
    image(&mut world, GOOD);
    run(&mut world);
    assert_eq!(
        ["ring-dc1-rack1-0", "ring-dc1-rack2-0"].map(|pod| world.uid(pod)),
        uids
    );
}

/// A whole cluster is to restart, and a rack behind the first in the queue is down by a bad image: its repair goes first.
#[test]
fn a_repair_is_not_held_back_by_a_restart_that_waits_for_it() {
    let mut world = formed(1);
    image(&mut world, BAD);
    run(&mut world);
    // Rack 1 is down. The others are asked to restart, and the image is put right.
    world.edit_spec(|spec| {
        for rack in [1, 2] {
            spec["topology"]["dc"][0]["rack"][rack]["rollingRestart"] = json!(true);
        }
    });
    run(&mut world);
    image(&mut world, GOOD);
    world.settle();
    assert!(world.pods.values().all(world::is_ready));
    assert!(world.pods.keys().all(|pod| image_of(&world, pod) == GOOD));
}

/// The repair and another size in one edit: the repair first, for no size changes while the rack is down.
#[test]
fn a_repair_and_another_size_in_one_edit_both_happen() {
    let mut world = formed(1);
    image(&mut world, BAD);
    run(&mut world);
    world.edit_spec(|spec| {
        spec["cassandraImage"] = json!(GOOD);
        spec["nodesPerRacks"] = json!(2);
    });
    world.settle();
    assert_eq!(world.pods.len(), 6);
    assert!(world.pods.values().all(world::is_ready));
}
