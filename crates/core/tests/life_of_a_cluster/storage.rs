//! Data volumes grow without a pod being restarted, rack after rack.

use casskop_types::labels::LAST_APPLIED_CONFIGURATION;
use casskop_types::status::{ActionStatus, ClusterAction};
use serde_json::json;

use super::world::{Death, World, data_size};
use super::{RACKS, action, formed};

fn ask_for(world: &mut World, capacity: &str) {
    world.edit_spec(|spec| spec["dataCapacity"] = json!(capacity));
}

fn sizes(world: &World) -> Vec<String> {
    let volumes = world.volumes.values().map(|volume| volume.is.clone());
    volumes.chain(world.sets.values().map(data_size)).collect()
}

fn templates(world: &World) -> Vec<serde_json::Value> {
    let specs = world.sets.values().map(|set| set.spec.clone().unwrap());
    specs
        .map(|spec| json!([spec.template, spec.replicas, spec.selector]))
        .collect()
}

#[test]
fn volumes_grow_and_the_statefulset_is_made_anew_around_its_pods() {
    let mut world = formed(2);
    let before = (world.uids(), templates(&world));
    ask_for(&mut world, "2Gi");
    world.settle();
    assert_eq!(sizes(&world), vec!["2Gi"; 9]);
    assert_eq!((world.uids(), templates(&world)), before);
    let status = world.cluster.status.as_ref().unwrap();
    for rack in ["dc1-rack1", "dc1-rack2", "dc1-rack3"] {
        let done = (Some(ClusterAction::StorageUpsize), Some(ActionStatus::Done));
        assert_eq!(action(&world, rack), done);
        let copy = &status.cassandra_rack_status[rack].stateful_set_snapshot_before_storage_resize;
        assert_eq!(*copy, None);
    }
}

#[test]
fn one_rack_at_a_time_is_without_its_statefulset() {
    let mut world = formed(1);
    ask_for(&mut world, "2Gi");
    for _ in 0..60 {
        world.pass(Death::Never);
        assert!(world.sets.len() >= RACKS.len() - 1);
        world.controllers();
    }
    world.settle();
    assert_eq!(sizes(&world), vec!["2Gi"; 6]);
}

#[test]
fn an_operator_that_dies_between_any_two_writes_leaves_nothing_behind() {
    let before = templates(&formed(1));
    for writes in 0..4 {
        let mut world = formed(1);
        let pods = world.uids();
        ask_for(&mut world, "2Gi");
        for _ in 0..80 {
            world.pass(Death::AfterWrites(writes));
            world.controllers();
            world.pass(Death::AfterWrites(1));
            world.pass(Death::Never);
        }
        world.settle();
        assert_eq!(sizes(&world), vec!["2Gi"; 6], "died after {writes} writes");
        assert_eq!((world.uids(), templates(&world)), (pods, before.clone()));
    }
}

#[test]
fn a_size_that_the_storage_class_refuses_is_put_back_with_its_words() {
    let mut world = formed(1);
    world.fixed_volumes = Some("the storageclass that provisions the pvc must support resize".to_owned());
    let before = world.sets.clone();
    ask_for(&mut world, "2Gi");
    world.settle();
    assert_eq!(world.cluster.spec.data_capacity.as_deref(), Some("1Gi"));
    assert_eq!(world.sets, before);
    let told = world.notes("CorrectCRDConfig");
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("dataCapacity of datacenter dc1 was put back"),
        "{}",
        told[0]
    );
    assert!(told[0].contains("must support resize"), "{}", told[0]);
}

#[test]
fn where_nothing_can_be_put_back_the_refusal_is_waited_for_and_other_changes_go_on() {
    let mut world = formed(1);
    world.fixed_volumes = Some("not with this class".to_owned());
    ask_for(&mut world, "2Gi");
    let annotations = world.cluster.metadata.annotations.as_mut().unwrap();
    annotations.remove(LAST_APPLIED_CONFIGURATION);
    world.edit_spec(|spec| spec["cassandraImage"] = json!("cassandra:5.0.10"));
    for _ in 0..60 {
        world.pass(Death::Never);
        world.controllers();
    }
    let status = world.cluster.status.as_ref().unwrap();
    let waiting = world.waiting();
    assert!(
        waiting.message.contains("not with this class"),
        "{}",
        waiting.message
    );
    assert_eq!(sizes(&world), vec!["1Gi"; 6]);
    let images = status
        .cassandra_rack_status
        .values()
        .map(|rack| rack.release_version.as_deref());
    assert_eq!(images.collect::<Vec<_>>(), vec![Some("5.0.10"); 3]);
}

#[test]
fn what_casskop_left_in_the_middle_is_brought_to_its_end() {
    let mut world = formed(2);
    let pods = world.uids();
    let before = templates(&world);
    // As CassKop leaves it: the copy is written, the StatefulSet is gone, the action goes on.
    let set = world.sets.remove(RACKS[0]).unwrap();
    let status = world.cluster.status.as_mut().unwrap();
    let rack = status.cassandra_rack_status.get_mut("dc1-rack1").unwrap();
    rack.stateful_set_snapshot_before_storage_resize = Some(serde_json::to_string(&set).unwrap());
    let last = rack.cassandra_last_action.as_mut().unwrap();
    (last.name, last.status) = (Some(ClusterAction::StorageUpsize), Some(ActionStatus::Ongoing));
    ask_for(&mut world, "2Gi");
    world.settle();
    assert_eq!(sizes(&world), vec!["2Gi"; 9]);
    assert_eq!((world.uids(), templates(&world)), (pods, before));
}

#[test]
fn volumes_grow_while_a_node_is_down_whose_disk_is_full() {
    let mut world = formed(1);
    let full = "ring-dc1-rack2-0";
    world.node_is(full, false);
    ask_for(&mut world, "2Gi");
    for _ in 0..60 {
        world.pass(Death::Never);
        world.controllers();
    }
    assert_eq!(sizes(&world), vec!["2Gi"; 6]);
    world.node_is(full, true);
    world.settle();
}

#[test]
fn a_claim_that_is_refused_later_is_waited_for() {
    let mut world = formed(1);
    ask_for(&mut world, "2Gi");
    while !world.volumes_lag() {
        world.pass(Death::Never);
    }
    world.fixed_volumes = Some("exceeded quota".to_owned());
    for _ in 0..60 {
        world.pass(Death::Never);
        world.controllers();
    }
    assert!(
        world.waiting().message.contains("exceeded quota"),
        "{}",
        world.waiting().message
    );
    world.fixed_volumes = None;
    world.settle();
    assert_eq!(sizes(&world), vec!["2Gi"; 6]);
}

#[test]
fn a_canary_is_not_ended_by_larger_volumes() {
    let mut world = formed(2);
    world.edit_spec(|spec| {
        spec["topology"]["dc"][0]["rack"][0]["rollingPartition"] = json!(1);
        spec["cassandraImage"] = json!("cassandra:5.0.10");
    });
    world.settle();
    let first = "ring-dc1-rack1-0";
    let before = world.uid(first);
    ask_for(&mut world, "2Gi");
    world.settle();
    assert_eq!(data_size(&world.sets[RACKS[0]]), "1Gi");
    assert_eq!(data_size(&world.sets[RACKS[1]]), "2Gi");
    assert_eq!(world.uid(first), before);
    world.edit_spec(|spec| spec["topology"]["dc"][0]["rack"][0]["rollingPartition"] = json!(0));
    world.settle();
    assert_eq!(sizes(&world), vec!["2Gi"; 9]);
}
