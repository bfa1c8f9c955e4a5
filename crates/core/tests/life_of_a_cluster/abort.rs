//! Operations are ended before their end.

use casskop_core::effect::Effect;
use casskop_types::labels::OPERATION_ABORT;
use casskop_types::operation::RecordState;

use super::formed;
use super::requests::{POD, ask, last, pods, records, status_of};
use super::world::Death;

#[test]
fn a_request_that_waits_is_aborted_and_does_not_begin() {
    for held_back in ["ToDo", "Paused", "Manual"] {
        let mut world = formed(2);
        ask(&mut world, POD, "cleanup");
        world.pass(Death::Never);
        let other = "ring-dc1-rack1-1";
        ask(&mut world, other, "compact");
        world.label(other, &[("operation-status", held_back)]);
        world.pass(Death::Never);
        world.annotate(other, OPERATION_ABORT, "compact");
        world.settle();
        assert_eq!(world.made.len(), 1, "{held_back}");
        assert_eq!(status_of(&world, other), "Error");
        assert_eq!(world.annotation_of(other, OPERATION_ABORT), None);
        assert_eq!(
            records(&world)[1].message.as_deref(),
            Some("aborted before it began")
        );
        assert_eq!(status_of(&world, POD), "Done");
        // Asked for anew, it runs.
        ask(&mut world, other, "compact");
        world.settle();
        assert_eq!(world.made.len(), 2);
        assert_eq!(status_of(&world, other), "Done");
    }
}

#[test]
fn work_of_the_compaction_executor_is_stopped_in_the_node() {
    for name in ["cleanup", "upgradesstables", "scrub", "compact", "garbagecollect"] {
        let mut world = formed(2);
        ask(&mut world, POD, name);
        ask(&mut world, "ring-dc1-rack1-1", name);
        world.pass(Death::Never);
        world.annotate(POD, OPERATION_ABORT, name);
        world.pass(Death::Never);
        assert_eq!(world.stopped, [POD], "{name}");
        world.settle();
        assert_eq!(status_of(&world, POD), "Error");
        assert_eq!(world.annotation_of(POD, OPERATION_ABORT), None);
        let message = records(&world)[0].message.clone().unwrap();
        assert!(message.starts_with("aborted"), "{message}");
        let told = last(&world);
        assert_eq!(
            (told.pods, told.pods_ok, told.pods_ko),
            (pods(&[]), pods(&[1]), pods(&[0])),
            "the other one ran"
        );
        assert_eq!(world.made.len(), 2);
    }
}

#[test]
fn what_ends_before_it_is_stopped_is_done() {
    let mut world = formed(1);
    ask(&mut world, POD, "cleanup");
    world.pass(Death::Never);
    world.annotate(POD, OPERATION_ABORT, "cleanup");
    world.node_finishes(POD);
    world.settle();
    assert_eq!(status_of(&world, POD), "Done");
    assert!(world.stopped.is_empty());
    assert_eq!(world.annotation_of(POD, OPERATION_ABORT), None);
}

/// The operator dies between the record of the end and the label.
#[test]
fn an_end_that_is_written_late_takes_the_word_to_end_away_in_the_same_write() {
    let mut world = formed(1);
    ask(&mut world, POD, "cleanup");
    world.pass(Death::Never);
    world.annotate(POD, OPERATION_ABORT, "cleanup");
    while records(&world)[0].state != RecordState::Error {
        world.pass_without_labels();
        world.calls_arrive();
    }
    assert_eq!(status_of(&world, POD), "Ongoing");
    let plan = world.pass(Death::Never);
    assert_eq!(plan.effects.len(), 1, "{:?}", plan.effects);
    assert_eq!(status_of(&world, POD), "Error");
    assert_eq!(world.annotation_of(POD, OPERATION_ABORT), None);
}

/// However the operator dies, and also if somebody takes the word back: what was told to stop is not begun again.
#[test]
fn an_aborted_operation_is_never_started_again() {
    for deaths in 0..8 {
        for taken_back in [false, true] {
            let mut world = formed(1);
            ask(&mut world, POD, "compact");
            world.pass(Death::Never);
            world.annotate(POD, OPERATION_ABORT, "compact");
            world.pass(Death::AfterWrites(deaths));
            let recorded = records(&world)[0].abort_time.is_some();
            if taken_back && recorded {
                let metadata = &mut world.pods.get_mut(POD).unwrap().metadata;
                metadata.annotations.as_mut().unwrap().remove(OPERATION_ABORT);
            }
            world.die();
            for again in 0..4 {
                world.pass(Death::AfterWrites(again));
                world.die();
            }
            world.settle();
            assert_eq!(world.made.len(), 1, "{deaths} {taken_back}");
            assert_eq!(status_of(&world, POD), "Error");
            assert_eq!(records(&world)[0].state, RecordState::Error);
            assert!(
                records(&world)[0]
                    .message
                    .as_ref()
                    .unwrap()
                    .starts_with("aborted")
            );
        }
    }
}

#[test]
fn a_node_that_still_runs_it_is_told_again() {
    let mut world = formed(1);
    ask(&mut world, POD, "scrub");
    world.pass(Death::Never);
    world.die();
    world.annotate(POD, OPERATION_ABORT, "scrub");
    let plan = world.pass(Death::AfterWrites(1));
    assert!(
        plan.effects
            .iter()
            .any(|effect| matches!(effect, Effect::StopCall { .. }))
    );
    assert_eq!(status_of(&world, POD), "Ongoing");
    let plan = world.pass(Death::AfterWrites(0));
    assert!(
        plan.effects
            .iter()
            .any(|effect| matches!(effect, Effect::StopCall { .. }))
    );
    assert_eq!(records(&world)[0].state, RecordState::Ongoing);
    let note = world.waiting().message;
    assert!(note.contains("is stopped"), "{note}");
    world.settle();
    assert_eq!(status_of(&world, POD), "Error");
}

#[test]
fn what_cassandra_cannot_stop_goes_on_and_that_is_said() {
    for (name, argument) in [("rebuild", "dc1"), ("flush", "")] {
        let mut world = formed(1);
        world.label(POD, &[("operation-argument", argument)]);
        ask(&mut world, POD, name);
        world.pass(Death::Never);
        world.annotate(POD, OPERATION_ABORT, name);
        world.pass(Death::Never);
        assert_eq!(world.notes("OperationNotAborted").len(), 1, "{name}");
        assert_eq!(world.annotation_of(POD, OPERATION_ABORT), None);
        world.settle();
        assert_eq!(status_of(&world, POD), "Done");
        assert_eq!(world.notes("OperationNotAborted").len(), 1);
    }
}

#[test]
fn there_may_be_nothing_to_abort() {
    let mut world = formed(1);
    ask(&mut world, POD, "cleanup");
    world.settle();
    for name in ["cleanup", "compact", "cleanpu"] {
        world.annotate(POD, OPERATION_ABORT, name);
        world.settle();
        assert_eq!(world.annotation_of(POD, OPERATION_ABORT), None);
        let notes = world.notes("OperationNotAborted");
        assert!(notes.last().unwrap().contains(&format!("`{name}`")), "{notes:?}");
    }
    assert_eq!(world.made.len(), 1);
    assert_eq!(status_of(&world, POD), "Done");
}
