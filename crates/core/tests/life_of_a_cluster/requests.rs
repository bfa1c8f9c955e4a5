//! What a request may say besides its name: on what, and how many at once.

use casskop_core::call::NodeCall;
use casskop_types::labels::{OPERATION_ENDED_OPTIONS, OPERATION_OPTIONS, OPERATION_PARALLELISM};
use casskop_types::operation::{OperationName, OperationRecord, OperationStatus, TableOptions, TableWork};
use casskop_types::status::{PodLastOperation, RackStatus};
use serde_json::json;

use super::formed;
use super::world::{Death, World};

pub(super) const POD: &str = "ring-dc1-rack1-0";

pub(super) fn ask(world: &mut World, pod: &str, name: &str) {
    world.label(pod, &[("operation-name", name), ("operation-status", "ToDo")]);
}

pub(super) fn rack(world: &World) -> &RackStatus {
    &world.cluster.status.as_ref().unwrap().cassandra_rack_status["dc1-rack1"]
}

pub(super) fn records(world: &World) -> &[OperationRecord] {
    &rack(world).operations
}

pub(super) fn last(world: &World) -> PodLastOperation {
    rack(world).pod_last_operation.clone().unwrap()
}

pub(super) fn status_of(world: &World, pod: &str) -> String {
    world.label_of(pod, "operation-status").unwrap()
}

pub(super) fn pods(ordinals: &[i32]) -> Vec<String> {
    ordinals
        .iter()
        .map(|ordinal| format!("ring-dc1-rack1-{ordinal}"))
        .collect()
}

#[test]
fn work_on_tables_is_done_on_all_keyspaces_or_on_the_one_named() {
    for (name, work, threads) in [
        ("scrub", TableWork::Scrub, Some(2)),
        ("compact", TableWork::Compact, None),
        ("flush", TableWork::Flush, None),
        ("garbagecollect", TableWork::GarbageCollect, Some(2)),
    ] {
        for keyspace in [None, Some("shop")] {
            let mut world = formed(1);
            if let Some(keyspace) = keyspace {
                world.label(POD, &[("operation-argument", keyspace)]);
            }
            ask(&mut world, POD, name);
            world.settle();
            let call = NodeCall::Tables {
                work,
                options: TableOptions {
                    threads,
                    ..TableOptions::of_keyspace(keyspace.map(str::to_owned))
                },
                skip: Vec::new(),
            };
            let made: Vec<_> = world.made.iter().map(|made| made.call.clone()).collect();
            assert_eq!(made, [call]);
            assert_eq!(status_of(&world, POD), "Done", "{name}");
            assert_eq!(last(&world).pods_ok, [POD]);
        }
    }
}

/// Its options are of that request alone: one that is made by label afterwards is for all tables.
#[test]
fn a_request_for_some_tables_is_for_no_others_and_the_next_one_is_for_all() {
    let mut world = formed(1);
    let some = r#"{"keyspace":"shop","tables":["carts"],"threads":1}"#;
    world.annotate(POD, OPERATION_OPTIONS, some);
    ask(&mut world, POD, "cleanup");
    world.settle();
    assert_eq!(status_of(&world, POD), "Done");
    assert_eq!(world.annotation_of(POD, OPERATION_OPTIONS), None);
    assert_eq!(
        world.annotation_of(POD, OPERATION_ENDED_OPTIONS).as_deref(),
        Some(some)
    );
    world.label(POD, &[("operation-status", "ToDo")]);
    world.settle();
    let call = |options| NodeCall::Tables {
        work: TableWork::Cleanup,
        options,
        skip: Vec::new(),
    };
    let made: Vec<_> = world.made.iter().map(|made| made.call.clone()).collect();
    let of_carts = TableOptions {
        tables: vec!["carts".to_owned()],
        threads: Some(1),
        ..TableOptions::of_keyspace(Some("shop".to_owned()))
    };
    let of_all = TableOptions {
        threads: Some(0),
        ..TableOptions::default()
    };
    assert_eq!(made, [call(of_carts), call(of_all)]);
    assert_eq!(world.annotation_of(POD, OPERATION_ENDED_OPTIONS), None);
}

/// Whoever prepares the next request while one runs keeps what he wrote.
#[test]
fn options_of_a_request_to_come_are_not_taken_away() {
    let mut world = formed(1);
    ask(&mut world, POD, "cleanup");
    world.pass(Death::Never);
    let next = r#"{"keyspace":"shop"}"#;
    world.annotate(POD, OPERATION_OPTIONS, next);
    world.settle();
    assert_eq!(status_of(&world, POD), "Done");
    assert_eq!(world.annotation_of(POD, OPERATION_OPTIONS).as_deref(), Some(next));
    assert_eq!(world.annotation_of(POD, OPERATION_ENDED_OPTIONS), None);
    world.label(POD, &[("operation-status", "ToDo")]);
    world.settle();
    let options = world.made.iter().map(|made| match &made.call {
        NodeCall::Tables { options, .. } => options.keyspace.as_deref(),
        other => panic!("{other:?}"),
    });
    assert_eq!(options.collect::<Vec<_>>(), [None, Some("shop")]);
}

#[test]
fn threads_are_the_operators_choice_where_none_are_asked_for() {
    for (name, threads) in [
        ("cleanup", Some(3)),
        ("upgradesstables", Some(0)),
        ("scrub", Some(2)),
        ("garbagecollect", Some(2)),
        ("compact", None),
        ("flush", None),
    ] {
        let mut world = formed(1);
        world.edit_spec(|spec| spec["keyspaceCleanupThreads"] = json!(3));
        world.settle();
        ask(&mut world, POD, name);
        world.settle();
        let NodeCall::Tables { options, .. } = &world.made[0].call else {
            panic!("{name}: {:?}", world.made[0].call);
        };
        assert_eq!(options.threads, threads, "{name}");
    }
}

/// An older definition drops what it does not know of a record: then all tables would be worked on.
#[test]
fn what_lost_its_options_is_not_begun_again_for_all_tables() {
    let mut world = formed(1);
    world.annotate(POD, OPERATION_OPTIONS, r#"{"keyspace":"shop"}"#);
    ask(&mut world, POD, "cleanup");
    world.pass(Death::Never);
    let racks = &mut world.cluster.status.as_mut().unwrap().cassandra_rack_status;
    racks.get_mut("dc1-rack1").unwrap().operations[0].options = None;
    world.die();
    world.nodes_finish();
    world.settle();
    assert_eq!(world.made.len(), 1);
    assert_eq!(status_of(&world, POD), "Error");
    let message = records(&world)[0].message.clone().unwrap();
    assert!(message.contains("apply crds/ again"), "{message}");
}

/// Options prepared for work on tables are none of a rebuild's.
#[test]
fn a_rebuild_minds_no_options() {
    let mut world = formed(1);
    world.label(POD, &[("operation-argument", "dc1")]);
    ask(&mut world, POD, "rebuild");
    world.pass(Death::Never);
    world.annotate(POD, OPERATION_OPTIONS, r#"{"keyspace":"shop"}"#);
    world.die();
    world.pass(Death::Never);
    world.nodes_finish();
    world.settle();
    assert_eq!(status_of(&world, POD), "Done");
    assert_eq!(
        world.made.len(),
        2,
        "nobody heard how it ended, so it is done again"
    );
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    for options in [
        "{",
        r#"{"tables":["carts"]}"#,
        r#"{"noSnapshot":true}"#,
        r#"{"table":"carts"}"#,
    ] {
        let mut world = formed(1);
        world.annotate(POD, OPERATION_OPTIONS, options);
        ask(&mut world, POD, "cleanup");
        world.settle();
        assert!(world.made.is_empty(), "{options}");
        assert_eq!(status_of(&world, POD), "Error", "{options}");
        let message = records(&world)[0].message.clone().unwrap();
        assert!(message.starts_with("options of cleanup: "), "{message}");
    }
}

#[test]
fn what_cannot_be_a_keyspace_is_refused() {
    let mut world = formed(1);
    world.label(POD, &[("operation-argument", "ring-dc1-rack1-0")]);
    ask(&mut world, POD, "compact");
    world.settle();
    assert!(world.made.is_empty());
    assert_eq!(status_of(&world, POD), "Error");
    let message = records(&world)[0].message.clone().unwrap();
    assert!(message.contains("is not a keyspace"), "{message}");
}

/// A node that goes on while operators come and go is asked, and is not asked to do it twice.
#[test]
fn work_on_tables_is_found_again_in_the_node_by_the_next_operator() {
    for name in ["scrub", "compact", "flush", "garbagecollect"] {
        let mut world = formed(1);
        ask(&mut world, POD, name);
        world.pass(Death::Never);
        for _ in 0..3 {
            world.die();
            world.pass(Death::Never);
            assert_eq!(world.made.len(), 1, "{name}");
            assert_eq!(status_of(&world, POD), "Ongoing");
        }
        // Nobody heard how it ended, so it is done again.
        world.nodes_finish();
        world.settle();
        assert_eq!(world.made.len(), 2, "{name}");
        assert_eq!(records(&world)[0].attempt, 2);
        assert_eq!(status_of(&world, POD), "Done");
    }
}

#[test]
fn as_many_run_at_once_as_the_request_that_starts_allows() {
    let mut world = formed(4);
    for (pod, parallelism) in pods(&[0, 1, 2, 3])
        .iter()
        .zip([None, Some("3"), Some("3"), Some("2")])
    {
        ask(&mut world, pod, "cleanup");
        if let Some(parallelism) = parallelism {
            world.annotate(pod, OPERATION_PARALLELISM, parallelism);
        }
    }
    world.pass(Death::Never);
    assert_eq!(
        world.in_flight.keys().cloned().collect::<Vec<_>>(),
        pods(&[0, 1, 2]),
        "the last one allows for one other"
    );
    assert_eq!(last(&world).pods, pods(&[0, 1, 2]));
    world.node_finishes("ring-dc1-rack1-1");
    world.pass(Death::Never);
    assert_eq!(world.in_flight.len(), 2);
    let told = last(&world);
    assert_eq!(
        (told.pods, told.pods_ok, told.pods_ko),
        (pods(&[0, 2]), pods(&[1]), pods(&[]))
    );
    world.fail_calls("no space left");
    world.pass(Death::Never);
    world.settle();
    let told = last(&world);
    assert_eq!(told.status, Some(OperationStatus::Done));
    assert_eq!(
        (told.pods, told.pods_ok, told.pods_ko),
        (pods(&[]), pods(&[1, 3]), pods(&[0, 2]))
    );
    assert_eq!(world.made.len(), 4);
}

#[test]
fn a_request_that_allows_for_one_waits_for_all_others() {
    let mut world = formed(3);
    for (pod, parallelism) in pods(&[0, 1, 2]).iter().zip(["2", "2", "1"]) {
        ask(&mut world, pod, "cleanup");
        world.annotate(pod, OPERATION_PARALLELISM, parallelism);
    }
    world.pass(Death::Never);
    assert_eq!(world.in_flight.len(), 2);
    world.node_finishes(POD);
    world.pass(Death::Never);
    assert_eq!(world.in_flight.keys().collect::<Vec<_>>(), ["ring-dc1-rack1-1"]);
    // It is changed while it waits.
    world.annotate("ring-dc1-rack1-2", OPERATION_PARALLELISM, "2");
    world.pass(Death::Never);
    assert_eq!(world.in_flight.len(), 2);
}

#[test]
fn a_removal_shares_its_rack_with_nothing_however_many_may_run() {
    let mut world = formed(2);
    let lost = "ring-dc1-rack2-0";
    world.node_is(lost, false);
    world.label(POD, &[("operation-argument", lost)]);
    ask(&mut world, POD, "remove");
    world.pass(Death::Never);
    assert_eq!(world.in_flight.len(), 1);
    let other = "ring-dc1-rack1-1";
    ask(&mut world, other, "cleanup");
    world.annotate(other, OPERATION_PARALLELISM, "5");
    world.pass(Death::Never);
    assert_eq!(world.in_flight.keys().collect::<Vec<_>>(), [POD]);
}

#[test]
fn two_names_at_once_are_both_told_in_the_end() {
    let mut world = formed(3);
    for (pod, name) in pods(&[0, 1, 2]).iter().zip(["cleanup", "flush", "cleanup"]) {
        world.annotate(pod, OPERATION_PARALLELISM, "2");
        ask(&mut world, pod, name);
    }
    world.pass(Death::Never);
    assert_eq!(last(&world).pods, pods(&[1]));
    world.node_finishes("ring-dc1-rack1-1");
    world.pass(Death::Never);
    let told = last(&world);
    assert_eq!(told.name, Some(OperationName::Cleanup));
    assert_eq!(told.pods, pods(&[0, 2]), "the one that ran before is among them");
    world.settle();
    assert_eq!(last(&world).pods_ok, pods(&[0, 2]));
}

#[test]
fn a_number_at_once_that_is_none_is_refused() {
    let mut world = formed(1);
    world.annotate(POD, OPERATION_PARALLELISM, "0");
    ask(&mut world, POD, "cleanup");
    world.settle();
    assert!(world.made.is_empty());
    assert_eq!(status_of(&world, POD), "Error");
    let notes = world.notes("OperationRefused");
    assert!(notes[0].contains("`0` is not a number from 1"), "{notes:?}");
}

#[test]
fn a_paused_request_waits_aside_and_comes_back_into_the_line() {
    let mut world = formed(3);
    for pod in pods(&[0, 1, 2]) {
        ask(&mut world, &pod, "cleanup");
    }
    world.pass(Death::Never);
    world.label("ring-dc1-rack1-1", &[("operation-status", "Paused")]);
    world.settle();
    assert_eq!(status_of(&world, "ring-dc1-rack1-1"), "Paused");
    assert_eq!(last(&world).pods_ok, pods(&[0, 2]), "nobody waits for it");
    world.label("ring-dc1-rack1-1", &[("operation-status", "ToDo")]);
    world.settle();
    assert_eq!(status_of(&world, "ring-dc1-rack1-1"), "Done");
    assert_eq!(world.made.len(), 3);
}

#[test]
fn what_runs_is_not_paused_and_that_is_said() {
    let mut world = formed(1);
    ask(&mut world, POD, "cleanup");
    world.pass(Death::Never);
    world.pass(Death::Never);
    world.label(POD, &[("operation-status", "Paused")]);
    world.pass(Death::Never);
    assert_eq!(status_of(&world, POD), "Ongoing");
    assert_eq!(world.notes("OperationNotPaused").len(), 1);
    world.settle();
    assert_eq!(status_of(&world, POD), "Done");
}
