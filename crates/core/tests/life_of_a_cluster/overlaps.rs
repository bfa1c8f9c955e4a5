//! Requests that come while an operation runs, and ends that meet labels of before.

use casskop_core::call::NodeCall;
use casskop_types::labels::{OPERATION_ABORT, OPERATION_PARALLELISM};
use casskop_types::operation::RecordState;
use serde_json::json;

use super::formed;
use super::requests::{ask, rack, records, status_of};
use super::world::{Death, World};

const POD: &str = "ring-dc1-rack1-0";
const OTHER: &str = "ring-dc1-rack1-1";

#[test]
fn a_request_for_another_keyspace_is_carried_out_after_the_one_that_runs() {
    for passes_between in 0..3 {
        let mut world = formed(1);
        world.label(POD, &[("operation-argument", "shop")]);
        ask(&mut world, POD, "compact");
        world.pass(Death::Never);
        for _ in 0..passes_between {
            world.pass(Death::Never);
        }
        world.label(
            POD,
            &[("operation-argument", "sales"), ("operation-status", "ToDo")],
        );
        world.settle();
        let keyspaces: Vec<_> = world
            .made
            .iter()
            .map(|made| match &made.call {
                NodeCall::Tables { options, .. } => options.keyspace.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(keyspaces, [Some("shop".to_owned()), Some("sales".to_owned())]);
        assert_eq!(status_of(&world, POD), "Done");
        assert!(
            records(&world)
                .iter()
                .all(|record| record.state == RecordState::Done)
        );
    }
}

#[test]
fn what_runs_is_stopped_also_if_its_label_says_paused() {
    let mut world = formed(1);
    ask(&mut world, POD, "cleanup");
    world.pass(Death::Never);
    world.label(POD, &[("operation-status", "Paused")]);
    world.annotate(POD, OPERATION_ABORT, "cleanup");
    world.settle();
    assert_eq!(world.stopped, [POD]);
    assert_eq!(records(&world).len(), 1, "{:?}", records(&world));
    assert_eq!(status_of(&world, POD), "Error");
    ask(&mut world, POD, "cleanup");
    world.settle();
    assert_eq!(status_of(&world, POD), "Done");
    assert_eq!(world.made.len(), 2);
}

/// More ends in one pass than records are kept, and the operator dies before a label is written.
#[test]
fn a_record_is_kept_until_its_end_is_on_the_label() {
    const NODES: usize = 24;
    let mut world = World::new(&json!({
        "nodesPerRacks": NODES, "dataCapacity": "1Gi", "cassandraImage": "cassandra:5.0.9",
        "topology": {"dc": [{"name": "dc1", "rack": [{"name": "rack1"}]}]},
    }));
    world.replication.clear();
    world.settle();
    let pods: Vec<String> = world.pods.keys().cloned().collect();
    assert_eq!(pods.len(), NODES);
    for pod in &pods {
        ask(&mut world, pod, "flush");
        world.annotate(pod, OPERATION_PARALLELISM, "24");
    }
    world.pass(Death::Never);
    assert_eq!(world.in_flight.len(), NODES);
    world.nodes_finish();
    world.pass(Death::AfterWrites(1));
    world.die();
    world.settle();
    assert_eq!(world.made.len(), NODES, "a recorded end was repeated");
    for pod in &pods {
        assert_eq!(status_of(&world, pod), "Done");
        assert_eq!(world.annotation_of(pod, OPERATION_PARALLELISM), None);
    }
}

#[test]
fn a_closed_batch_keeps_its_lists_when_a_request_ends_that_was_never_begun() {
    let mut world = formed(2);
    ask(&mut world, POD, "cleanup");
    ask(&mut world, OTHER, "cleanup");
    world.settle();
    let before = rack(&world).pod_last_operation.clone().unwrap();
    assert_eq!(before.pods_ok, [POD, OTHER]);
    world.label(POD, &[("operation-status", "Paused")]);
    world.annotate(POD, OPERATION_ABORT, "cleanup");
    world.settle();
    assert_eq!(status_of(&world, POD), "Error");
    assert_eq!(rack(&world).pod_last_operation, Some(before));
}

/// Nobody waits for the end of what runs to be told that what is behind it will not begin.
#[test]
fn a_request_that_waits_behind_another_one_on_its_pod_can_be_aborted() {
    for status in ["ToDo", "Paused"] {
        let mut world = formed(1);
        ask(&mut world, POD, "cleanup");
        world.pass(Death::Never);
        world.label(
            POD,
            &[("operation-name", "compact"), ("operation-status", status)],
        );
        world.annotate(POD, OPERATION_ABORT, "compact");
        world.pass(Death::Never);
        assert_eq!(world.label_of(POD, "operation-name").as_deref(), Some("compact"));
        assert_eq!(status_of(&world, POD), "Error");
        assert_eq!(world.annotation_of(POD, OPERATION_ABORT), None);
        assert_eq!(world.in_flight.len(), 1, "what runs goes on");
        world.settle();
        let ends: Vec<_> = records(&world)
            .iter()
            .map(|record| (record.name.as_str(), record.state))
            .collect();
        assert_eq!(
            ends,
            [("cleanup", RecordState::Done), ("compact", RecordState::Error)]
        );
        assert_eq!(world.made.len(), 1);
        assert_eq!(world.notes("OperationNotAborted"), Vec::<String>::new());
    }
}

#[test]
fn an_abort_ends_what_runs_and_what_waits_behind_it_under_the_same_name() {
    let mut world = formed(1);
    world.label(POD, &[("operation-argument", "shop")]);
    ask(&mut world, POD, "compact");
    world.pass(Death::Never);
    world.label(
        POD,
        &[("operation-argument", "sales"), ("operation-status", "ToDo")],
    );
    world.annotate(POD, OPERATION_ABORT, "compact");
    world.settle();
    assert_eq!(world.made.len(), 1);
    assert_eq!(world.stopped, [POD]);
    assert_eq!(records(&world).len(), 2, "{:?}", records(&world));
    assert!(
        records(&world)
            .iter()
            .all(|record| record.state == RecordState::Error)
    );
    assert_eq!(status_of(&world, POD), "Error");
    assert_eq!(world.annotation_of(POD, OPERATION_ABORT), None);
}
