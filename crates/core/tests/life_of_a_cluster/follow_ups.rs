//! What an action leaves to be done on nodes is asked for with autoPilot, and suggested without.

use casskop_core::call::NodeCall;
use casskop_core::replication::KeyspaceReplicas;
use casskop_types::conditions::ConditionReason;
use casskop_types::labels::{
    OPERATION_ARGUMENT, OPERATION_NAME, OPERATION_OPTIONS, OPERATION_REQUESTED_BY, OPERATION_STATUS,
};
use casskop_types::operation::{OperationName, TableWork};
use serde_json::{Value, json};

use super::world::{Death, Made, World};

fn two_racks(auto_pilot: bool) -> Value {
    json!({
        "nodesPerRacks": 1, "cassandraImage": "cassandra:4.1.10", "autoPilot": auto_pilot,
        "topology": {"dc": [{"name": "dc1", "rack": [{"name": "rack1"}, {"name": "rack2"}]}]},
    })
}

fn request(world: &World, pod: &str) -> [Option<String>; 3] {
    [OPERATION_NAME, OPERATION_STATUS, OPERATION_ARGUMENT].map(|label| world.label_of(pod, label))
}

fn asked(name: &str, status: &str, argument: Option<&str>) -> [Option<String>; 3] {
    [
        Some(name.to_owned()),
        Some(status.to_owned()),
        argument.map(str::to_owned),
    ]
}

fn replicates(world: &mut World, keyspace: &str, datacenters: &[&str]) {
    let counts = datacenters.iter().map(|dc| ((*dc).to_owned(), 1)).collect();
    let replicas = KeyspaceReplicas::of_ranges([counts]);
    world.replication.insert(keyspace.to_owned(), replicas);
}

/// A ring with data, to which a datacenter of two nodes was added.
fn with_a_new_datacenter(auto_pilot: bool) -> World {
    let mut world = World::new(&two_racks(auto_pilot));
    world.settle();
    world.edit_spec(|spec| {
        let new = json!({"name": "dc2", "nodesPerRacks": 2, "rack": [{"name": "rack1"}]});
        spec["topology"]["dc"].as_array_mut().unwrap().push(new);
    });
    world.settle();
    world
}

const NEW: [&str; 2] = ["ring-dc2-rack1-0", "ring-dc2-rack1-1"];

fn waits_for(world: &World) -> Option<(String, String)> {
    let waiting = world.waiting();
    (waiting.status == "True").then_some((waiting.reason, waiting.message))
}

#[test]
fn a_new_major_release_has_its_sstables_upgraded_once_every_rack_runs_it() {
    for (auto_pilot, status, calls) in [(true, "Done", 2), (false, "Manual", 0)] {
        let mut world = World::new(&two_racks(auto_pilot));
        world.settle();
        world.edit_spec(|spec| spec["cassandraImage"] = json!("cassandra:5.0.9"));
        world.settle();
        for pod in ["ring-dc1-rack1-0", "ring-dc1-rack2-0"] {
            assert_eq!(request(&world, pod), asked("upgradesstables", status, None));
        }
        let upgrades = |made: &&Made| {
            matches!(
                made.call,
                NodeCall::Tables {
                    work: TableWork::UpgradeSstables,
                    ..
                }
            )
        };
        assert_eq!(world.made.iter().filter(upgrades).count(), calls);
        assert_eq!(world.made.len(), calls);
        let status = world.cluster.status.as_ref().unwrap();
        let rack = &status.cassandra_rack_status["dc1-rack1"];
        assert_eq!(rack.release_version.as_deref(), Some("5.0.9"));
    }
}

#[test]
fn a_minor_release_leaves_the_sstables_alone() {
    let mut world = World::new(&two_racks(true));
    world.settle();
    world.edit_spec(|spec| spec["cassandraImage"] = json!("cassandra:4.1.11"));
    world.settle();
    assert_eq!(world.label_of("ring-dc1-rack1-0", OPERATION_NAME), None);
    let status = world.cluster.status.as_ref().unwrap();
    let rack = &status.cassandra_rack_status["dc1-rack1"];
    assert_eq!(rack.release_version.as_deref(), Some("4.1.11"));
}

#[test]
fn a_new_datacenter_says_that_it_holds_no_data_until_a_keyspace_replicates_there() {
    let mut world = with_a_new_datacenter(true);
    let (reason, message) = waits_for(&world).expect("it waits");
    assert_eq!(reason, ConditionReason::NoReplicas.as_str());
    assert!(message.contains("datacenter dc2 holds no data"), "{message}");
    assert_eq!(world.label_of(NEW[0], OPERATION_NAME), None);

    replicates(&mut world, "shop", &["dc1", "dc2"]);
    replicates(&mut world, "archive", &["dc1"]);
    world.settle();
    assert_eq!(waits_for(&world), None);
    let rebuilds = world
        .made
        .iter()
        .map(|made| (made.pod.as_str(), made.call.clone()));
    let from = |source: &str| NodeCall::Rebuild {
        from_dc: source.to_owned(),
    };
    assert_eq!(rebuilds.collect::<Vec<_>>(), NEW.map(|pod| (pod, from("dc1"))));
    let left_out = world.notes("KeyspacesLeftOut");
    assert!(left_out[0].contains("archive"));
}

#[test]
fn without_auto_pilot_the_rebuild_is_suggested() {
    let mut world = with_a_new_datacenter(false);
    replicates(&mut world, "shop", &["dc1", "dc2"]);
    world.settle();
    for pod in NEW {
        assert_eq!(request(&world, pod), asked("rebuild", "Manual", Some("dc1")));
    }
    assert_eq!(world.made, []);
    assert_eq!(waits_for(&world), None);
}

#[test]
fn nodes_that_were_rebuilt_by_hand_are_not_rebuilt_again() {
    let mut world = with_a_new_datacenter(true);
    replicates(&mut world, "shop", &["dc1", "dc2"]);
    for pod in NEW {
        world.label(
            pod,
            &[
                (OPERATION_NAME, "rebuild"),
                (OPERATION_STATUS, "Done"),
                (OPERATION_ARGUMENT, "dc1"),
            ],
        );
    }
    world.settle();
    assert_eq!(world.made, []);
    assert_eq!(waits_for(&world), None);
}

#[test]
fn datacenters_that_come_up_together_have_nothing_to_rebuild() {
    let mut spec = two_racks(true);
    let second = json!({"name": "dc2", "rack": [{"name": "rack1"}]});
    spec["topology"]["dc"].as_array_mut().unwrap().push(second);
    let mut world = World::new(&spec);
    world.settle();
    replicates(&mut world, "shop", &["dc1", "dc2"]);
    world.settle();
    assert_eq!((waits_for(&world), world.made.len()), (None, 0));
}

#[test]
fn a_request_of_a_users_is_not_overwritten_and_what_it_displaces_is_told() {
    let mut world = World::new(&two_racks(true));
    world.settle();
    let pod = "ring-dc1-rack1-0";
    world.label(pod, &[(OPERATION_NAME, "cleanup"), (OPERATION_STATUS, "Paused")]);
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(2));
    world.settle();
    assert_eq!(request(&world, pod), asked("cleanup", "Paused", None));
    world.label(pod, &[(OPERATION_NAME, "upgradesstables")]);
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(3));
    world.settle();
    assert_eq!(request(&world, pod), asked("upgradesstables", "Paused", None));
    let told = world.notes("OperationNotQueued");
    assert_eq!(
        told,
        [
            "pod ring-dc1-rack1-0 should get a cleanup, and has upgradesstables asked for: ask for it afterwards"
        ]
    );
}

/// What a task asked for is not what asks for the cleanup: it would be withdrawn with the task.
#[test]
fn a_cleanup_after_more_nodes_is_nobody_elses() {
    let mut world = World::new(&two_racks(true));
    world.settle();
    let pod = "ring-dc1-rack1-0";
    world.annotate(pod, OPERATION_REQUESTED_BY, "CassandraTask t (uid/pod/0)");
    world.label(pod, &[(OPERATION_NAME, "flush"), (OPERATION_STATUS, "ToDo")]);
    world.settle();
    assert_eq!(request(&world, pod), asked("flush", "Done", None));
    assert_eq!(world.annotation_of(pod, OPERATION_REQUESTED_BY), None);
    // As an earlier operator left it.
    world.annotate(pod, OPERATION_REQUESTED_BY, "CassandraTask t (uid/pod/0)");
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(2));
    world.settle();
    assert_eq!(request(&world, pod), asked("cleanup", "Done", None));
    let status = world.cluster.status.as_ref().unwrap();
    let records = &status.cassandra_rack_status["dc1-rack1"].operations;
    let cleanup = records
        .iter()
        .find(|record| record.name == OperationName::Cleanup);
    assert_eq!(cleanup.unwrap().requested_by, None);
}

#[test]
fn a_cleanup_of_some_tables_does_not_stand_for_the_one_after_more_nodes() {
    let mut world = World::new(&two_racks(true));
    world.settle();
    let pod = "ring-dc1-rack1-0";
    world.annotate(pod, OPERATION_OPTIONS, r#"{"keyspace":"shop"}"#);
    world.label(pod, &[(OPERATION_NAME, "cleanup"), (OPERATION_STATUS, "Paused")]);
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(2));
    world.settle();
    let told = world.notes("OperationNotQueued");
    assert_eq!(
        told,
        [
            "pod ring-dc1-rack1-0 should get a cleanup, and has cleanup of some tables asked for: ask for it afterwards"
        ]
    );
}

#[test]
fn a_pod_made_anew_before_its_turn_gets_its_request_again() {
    let mut world = with_a_new_datacenter(false);
    replicates(&mut world, "shop", &["dc1", "dc2"]);
    world.settle();
    let restart = |world: &mut World| {
        world.edit_spec(|spec| spec["topology"]["dc"][1]["rack"][0]["rollingRestart"] = json!(true));
        world.settle();
    };
    restart(&mut world);
    for pod in NEW {
        assert_eq!(
            request(&world, pod),
            asked("rebuild", "Manual", Some("dc1")),
            "after the restart"
        );
        world.label(pod, &[(OPERATION_STATUS, "ToDo")]);
    }
    world.settle();
    assert_eq!(world.made.len(), 2);
    // What has got its data keeps it.
    restart(&mut world);
    assert_eq!(NEW.map(|pod| world.label_of(pod, OPERATION_NAME)), [None, None]);
    assert_eq!(world.made.len(), 2);
}

#[test]
fn an_upgrade_of_sstables_that_a_restart_overtook_is_asked_for_again() {
    let mut world = World::new(&two_racks(false));
    world.settle();
    world.edit_spec(|spec| spec["cassandraImage"] = json!("cassandra:5.0.9"));
    world.settle();
    world
        .edit_spec(|spec| spec["config"] = json!({"cassandra-yaml": {"storage_compatibility_mode": "NONE"}}));
    world.settle();
    for pod in ["ring-dc1-rack1-0", "ring-dc1-rack2-0"] {
        assert_eq!(request(&world, pod), asked("upgradesstables", "Manual", None));
        world.label(pod, &[(OPERATION_STATUS, "ToDo")]);
    }
    world.settle();
    assert_eq!(world.made.len(), 2);
    let racks = &world.cluster.status.as_ref().unwrap().cassandra_rack_status;
    assert!(racks.values().all(|rack| rack.awaits_upgradesstables.is_none()));
}

#[test]
fn an_upgrade_of_some_tables_alone_leaves_the_rest_asked_for() {
    let mut world = World::new(&two_racks(false));
    world.settle();
    world.edit_spec(|spec| spec["cassandraImage"] = json!("cassandra:5.0.9"));
    world.settle();
    let pod = "ring-dc1-rack1-0";
    world.annotate(pod, OPERATION_OPTIONS, r#"{"keyspace":"shop"}"#);
    world.label(pod, &[(OPERATION_STATUS, "ToDo")]);
    world.settle();
    assert_eq!(world.made.len(), 1);
    assert_eq!(request(&world, pod), asked("upgradesstables", "Manual", None));
    world.label(pod, &[(OPERATION_STATUS, "ToDo")]);
    world.settle();
    assert_eq!(world.made.len(), 2);
    let racks = &world.cluster.status.as_ref().unwrap().cassandra_rack_status;
    assert!(racks["dc1-rack1"].awaits_upgradesstables.is_none());
}

#[test]
fn a_rack_added_to_a_datacenter_that_waits_for_its_data_gets_its_own() {
    let mut world = with_a_new_datacenter(true);
    world.edit_spec(|spec| {
        spec["topology"]["dc"][1]["rack"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "rack2"}));
    });
    world.settle();
    replicates(&mut world, "shop", &["dc1", "dc2"]);
    world.settle();
    assert_eq!(world.made.len(), 4, "{:?}", world.made);
}

#[test]
fn a_rebuild_that_something_else_stands_in_the_way_of_is_waited_for_and_follows() {
    let mut world = with_a_new_datacenter(true);
    world.label(
        NEW[0],
        &[(OPERATION_NAME, "cleanup"), (OPERATION_STATUS, "Manual")],
    );
    replicates(&mut world, "shop", &["dc1", "dc2"]);
    world.settle();
    assert_eq!(world.made.len(), 1, "the other one");
    let (_, message) = waits_for(&world).expect("it waits");
    assert!(
        message.contains("ring-dc2-rack1-0 should get a rebuild, and has cleanup asked for"),
        "{message}"
    );
    world.label(NEW[0], &[(OPERATION_STATUS, "ToDo")]);
    world.settle();
    assert_eq!(world.made.len(), 3);
    assert_eq!(request(&world, NEW[0]), asked("rebuild", "Done", Some("dc1")));
    assert_eq!(waits_for(&world), None);
}

/// The end is recorded, and the pod goes before its label has been looked at.
#[test]
fn sstables_that_were_upgraded_are_not_upgraded_again_when_the_pod_is_made_anew() {
    let mut world = World::new(&two_racks(true));
    world.settle();
    world.edit_spec(|spec| spec["cassandraImage"] = json!("cassandra:5.0.9"));
    let pods = ["ring-dc1-rack1-0", "ring-dc1-rack2-0"];
    let is_done = |world: &World, pod: &str| {
        world.pods.contains_key(pod) && world.label_of(pod, OPERATION_STATUS).as_deref() == Some("Done")
    };
    let done = |world: &World| pods.iter().all(|pod| is_done(world, pod));
    for _ in 0..200 {
        world.pass(Death::Never);
        if done(&world) {
            break;
        }
        world.controllers();
        world.nodes_finish();
    }
    assert!(done(&world));
    world.edit_spec(|spec| spec["config"] = json!({"cassandra-yaml": {"num_tokens": 8}}));
    world.settle();
    assert_eq!(world.made.len(), 2, "{:?}", world.made);
}
