//! A request becomes a record, and is carried out once.

use casskop_core::call::{CallState, NodeCall};
use casskop_core::effect::{Effect, Wake};
use casskop_types::labels::OPERATION_ABORT;
use casskop_types::operation::{OperationName, OperationStatus, RecordState};

use super::world::{Conflict, Death, World};
use super::{RACKS, formed};

#[test]
fn a_cleanup_runs_once_on_each_pod_one_at_a_time_in_a_rack() {
    let mut world = formed(3);
    for pod in world.pods.keys().cloned().collect::<Vec<_>>() {
        world.label(
            &pod,
            &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
        );
    }
    for _ in 0..30 {
        world.pass(Death::Never);
        for rack in RACKS {
            assert!(world.in_flight.keys().filter(|pod| pod.starts_with(rack)).count() <= 1);
        }
        world.nodes_finish();
    }
    world.settle();
    assert_eq!(world.made.len(), 9);
    let status = world.cluster.status.as_ref().unwrap();
    let last = status.cassandra_rack_status["dc1-rack1"]
        .pod_last_operation
        .clone()
        .unwrap();
    assert_eq!(last.status, Some(OperationStatus::Done));
    assert_eq!(
        last.pods_ok,
        ["ring-dc1-rack1-0", "ring-dc1-rack1-1", "ring-dc1-rack1-2"]
    );
    assert_eq!((last.pods.len(), last.pods_ko.len()), (0, 0));
    assert_eq!(
        world.label_of("ring-dc1-rack1-0", "operation-status").as_deref(),
        Some("Done")
    );
    assert!(
        world
            .label_of("ring-dc1-rack1-0", "operation-end")
            .is_some_and(|end| !end.is_empty())
    );
}

/// The operator dies in the middle of each try. One that gets a keyspace further each time may try for as long as it takes.
#[test]
fn a_cleanup_ends_as_an_error_only_if_its_tries_lead_nowhere() {
    let after_deaths = |gets_further: bool| {
        let mut world = formed(1);
        let pod = "ring-dc1-rack1-0";
        world.label(
            pod,
            &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
        );
        for death in 0..40 {
            world.pass(Death::Never);
            if gets_further {
                let keyspaces_done: Vec<String> = (0..=death).map(|number| format!("shop{number}")).collect();
                for state in world.calls.values_mut() {
                    *state = CallState::Running {
                        keyspaces_done: keyspaces_done.clone(),
                        work: None,
                    };
                }
                world.pass(Death::Never);
            }
            world.die();
            world.nodes_finish();
            world.calls_arrive();
        }
        world.settle();
        let status = world.cluster.status.as_ref().unwrap();
        let record = status.cassandra_rack_status["dc1-rack1"].operations[0].clone();
        (record.state, record.attempt, record.progress)
    };
    assert_eq!(after_deaths(false), (RecordState::Error, 20, None));
    // What is done leaves no list of keyspaces behind.
    assert_eq!(after_deaths(true), (RecordState::Done, 41, None));
}

/// A packet may be lost, and sent again by the kernel when the operator is dead: the node is idle until it arrives.
#[test]
fn what_a_dead_operator_sent_is_given_time_to_arrive() {
    let mut world = formed(1);
    let cleanup = [("operation-name", "cleanup"), ("operation-status", "ToDo")];
    world.label("ring-dc1-rack1-0", &cleanup);
    world.pass(Death::Never);
    assert_eq!(world.made.len(), 1);
    world.die();
    world.nodes_finish();
    let plan = world.pass(Death::Never);
    assert_eq!(world.made.len(), 1, "begun again at once");
    assert!(matches!(plan.wake, Wake::After(_)));
    world.calls_arrive();
    world.pass(Death::Never);
    assert_eq!(world.made.len(), 2);
}

/// Its end is asked for while what a dead operator sent is on its way: it is stopped when it has arrived.
#[test]
fn what_a_dead_operator_sent_is_stopped_where_its_end_was_asked_for() {
    const POD: &str = "ring-dc1-rack1-0";
    let mut world = formed(1);
    world.label(
        POD,
        &[("operation-name", "compact"), ("operation-status", "ToDo")],
    );
    // The status and the label.
    let plan = world.pass(Death::AfterWrites(2));
    let is_call = |effect: &&Effect| matches!(effect, Effect::StartCall { .. });
    let sent = plan.effects.iter().find(is_call).unwrap();
    assert!(world.made.is_empty());
    world.annotate(POD, OPERATION_ABORT, "compact");
    world.pass(Death::Never);
    let record = |world: &World| world.records().next().unwrap().clone();
    assert!(record(&world).abort_time.is_some() && record(&world).end_time.is_none());
    world.execute(sent, None).unwrap();
    // That call was another process's.
    world.calls.clear();
    world.settle();
    assert_eq!(world.stopped, [POD]);
    assert!(world.in_flight.is_empty());
    assert_eq!(record(&world).state, RecordState::Error);
}

#[test]
fn a_pod_that_goes_away_in_the_middle_ends_its_operation_and_not_the_others() {
    let mut world = formed(1);
    for rack in RACKS {
        world.label(
            &format!("{rack}-0"),
            &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
        );
    }
    world.pass(Death::Never);
    assert_eq!(world.in_flight.len(), 3);
    world.pods.remove("ring-dc1-rack2-0");
    world.in_flight.remove("ring-dc1-rack2-0");
    world.controllers();
    world.settle();
    let state = |rack: &str| {
        let status = world.cluster.status.as_ref().unwrap();
        status.cassandra_rack_status[rack].operations[0].clone()
    };
    assert_eq!(state("dc1-rack1").state, RecordState::Done);
    assert_eq!(state("dc1-rack2").state, RecordState::Error);
    assert!(state("dc1-rack2").message.unwrap().contains("went away"));
    let last = world.cluster.status.as_ref().unwrap().cassandra_rack_status["dc1-rack2"]
        .pod_last_operation
        .clone();
    assert_eq!(last.unwrap().pods_ko, ["ring-dc1-rack2-0"]);
}

#[test]
fn a_request_that_cannot_be_read_is_answered_on_its_label() {
    let mut world = formed(1);
    world.label(
        "ring-dc1-rack1-0",
        &[("operation-name", "cleanpu"), ("operation-status", "ToDo")],
    );
    world.label(
        "ring-dc1-rack2-0",
        &[
            ("operation-name", "remove"),
            ("operation-status", "ToDo"),
            ("operation-argument", "Not.A.Pod"),
        ],
    );
    world.label(
        "ring-dc1-rack3-0",
        &[
            ("operation-name", "rebuild"),
            ("operation-status", "ToDo"),
            ("operation-argument", "dc7"),
        ],
    );
    world.settle();
    for rack in RACKS {
        assert_eq!(
            world
                .label_of(&format!("{rack}-0"), "operation-status")
                .as_deref(),
            Some("Error")
        );
    }
    assert!(world.made.is_empty());
    let notes: Vec<_> = world.notices.iter().map(|notice| notice.note.as_str()).collect();
    assert!(
        notes.iter().any(|note| note.contains("`cleanpu` is not one of")),
        "{notes:?}"
    );
    assert!(
        notes
            .iter()
            .any(|note| note.contains("`Not.A.Pod` is neither a pod's name")),
        "{notes:?}"
    );
    assert!(notes.iter().any(|note| note.contains("dc7")), "{notes:?}");
}

#[test]
fn a_request_waits_for_an_argument_that_is_written_after_its_status() {
    let mut world = formed(1);
    let pod = "ring-dc1-rack1-0";
    world.label(pod, &[("operation-name", "rebuild")]);
    world.pass(Death::Never);
    world.label(pod, &[("operation-status", "ToDo")]);
    world.settle();
    assert!(world.made.is_empty());
    assert_eq!(world.label_of(pod, "operation-status").as_deref(), Some("ToDo"));
    let waiting = world.waiting();
    assert_eq!(
        (waiting.status.as_str(), waiting.message.as_str()),
        (
            "True",
            "rebuild on pod ring-dc1-rack1-0 waits: rebuild needs the datacenter to stream from: \
             set the label operation-argument to its name"
        )
    );
    world.label(pod, &[("operation-argument", "dc1")]);
    world.settle();
    let from_dc = "dc1".to_owned();
    assert_eq!(world.made.len(), 1);
    assert_eq!(world.made[0].call, NodeCall::Rebuild { from_dc });
    assert_eq!(world.label_of(pod, "operation-status").as_deref(), Some("Done"));
}

/// The operator dies before it writes any label, again and again, and the removal goes on by what the ring says.
/// The end of the one before is not written over it: it would look done.
#[test]
fn a_request_made_as_the_one_before_ends_is_carried_out() {
    let mut world = formed(1);
    let pod = "ring-dc1-rack1-0";
    world.label(
        pod,
        &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
    );
    world.pass(Death::Never);
    world.nodes_finish();
    let (plan, read) = (world.think(), world.versions.clone());
    let ends = |effect: &&Effect| matches!(effect, Effect::LabelPod(_));
    let end = plan.effects.iter().find(ends).unwrap();
    world.write_status(&plan);
    world.label(
        pod,
        &[
            ("operation-name", "upgradesstables"),
            ("operation-status", "ToDo"),
        ],
    );
    assert_eq!(world.execute(end, Some(&read)), Err(Conflict));
    world.settle();
    let operations: Vec<_> = world.made.iter().map(|made| made.call.operation()).collect();
    assert_eq!(
        operations,
        [OperationName::Cleanup, OperationName::UpgradeSstables]
    );
    assert_eq!(world.label_of(pod, "operation-status").as_deref(), Some("Done"));
}

#[test]
fn a_request_whose_label_is_never_written_is_carried_out_once() {
    let mut world = formed(1);
    world.node_is("ring-dc1-rack2-0", false);
    world.label(
        "ring-dc1-rack1-0",
        &[
            ("operation-name", "remove"),
            ("operation-status", "ToDo"),
            ("operation-argument", "ring-dc1-rack2-0"),
        ],
    );
    for _ in 0..40 {
        world.pass_without_labels();
        world.controllers();
        world.nodes_finish();
    }
    world.settle();
    let status = world.cluster.status.clone().unwrap();
    let records = &status.cassandra_rack_status["dc1-rack1"].operations;
    assert_eq!(records.len(), 1, "the request was taken up again: {records:?}");
    assert_eq!(records[0].state, RecordState::Done);
    assert_eq!(
        world.label_of("ring-dc1-rack1-0", "operation-status").as_deref(),
        Some("Done")
    );
}

/// A run is known by its record: the second of two requests within one second is another run.
#[test]
fn two_requests_within_a_second_are_two_runs() {
    let mut world = formed(1);
    for runs in 1..=2 {
        world.label(
            "ring-dc1-rack1-0",
            &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
        );
        for _ in 0..6 {
            let plan = world.think();
            world.write_status(&plan);
            for effect in &plan.effects {
                world.execute(effect, None).unwrap();
            }
            world.nodes_finish();
        }
        assert_eq!(world.made.len(), runs);
        assert_eq!(
            world.label_of("ring-dc1-rack1-0", "operation-status").as_deref(),
            Some("Done")
        );
    }
    let status = world.cluster.status.as_ref().unwrap();
    let records = &status.cassandra_rack_status["dc1-rack1"].operations;
    assert_ne!(records[0].id, records[1].id);
}
