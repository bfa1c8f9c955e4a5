//! How far nodes are with their work.

use casskop_core::call::CallState;
use casskop_core::questions::Question;
use casskop_core::work::Work;

use super::requests::{POD, ask, records};
use super::world::{Death, World};
use super::{ask_for_restart, formed};

fn at(percent: u64) -> Work {
    Work {
        completed: percent * 10,
        total: 1000,
        unit: "bytes".to_owned(),
    }
}

fn tell(world: &mut World, now: &Work) {
    for state in world.calls.values_mut() {
        if let CallState::Running { work, .. } = state {
            *work = Some(now.clone());
        }
    }
}

#[test]
fn the_record_says_how_far_the_node_is_without_a_write_for_each_percent() {
    let mut world = formed(1);
    ask(&mut world, POD, "cleanup");
    world.pass(Death::Never);
    let mut writes = Vec::new();
    for percent in [0, 1, 2, 3, 4, 50, 51, 99, 100] {
        tell(&mut world, &at(percent));
        let before = world.cluster.status.clone();
        world.pass(Death::Never);
        if world.cluster.status != before {
            let progress = records(&world)[0].progress.clone().unwrap();
            assert_eq!(progress.unit.as_deref(), Some("bytes"));
            writes.push(progress.percent.unwrap());
        }
    }
    assert_eq!(writes, [0, 2, 4, 50, 99, 100]);
    world.settle();
    assert_eq!(records(&world)[0].progress, None, "the end is what counts");
}

#[test]
fn a_node_that_goes_on_by_itself_is_asked_how_far_it_is() {
    let mut world = formed(1);
    ask(&mut world, POD, "rebuild");
    world.label(POD, &[("operation-argument", "dc1")]);
    world.pass(Death::Never);
    world.die();
    world.work = Some(at(30));
    world.pass(Death::Never);
    assert_eq!(records(&world)[0].progress.clone().unwrap().percent, Some(30));
    // While this process makes the call, that one asks.
    let asked = |world: &World| {
        let asked = world.asked();
        let mut asked = asked.values().flatten();
        asked.any(|question| matches!(question, Question::Work(_)))
    };
    assert!(asked(&world));
    world.settle();
    assert!(!asked(&world));
    ask_for_restart(&mut world, &[1]);
    ask(&mut world, POD, "cleanup");
    world.settle();
    assert!(!asked(&world));
}
