//! New content of the ConfigMap with the hooks rolls the pods, once; what is found at first sight does not.

use casskop_core::effect::Effect;
use casskop_core::fact::Fact;
use casskop_types::labels::CONFIG_MAP_CONTENT;
use casskop_types::status::{ActionStatus, ClusterAction};
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::json;

use super::world::{Death, World, set_ready};
use super::{action, ask_for_restart, three_racks};

const ROLLED: (Option<ClusterAction>, Option<ActionStatus>) =
    (Some(ClusterAction::UpdateConfigMap), Some(ActionStatus::Done));

fn formed(nodes: i32) -> World {
    let mut spec = three_racks(nodes);
    spec["configMapName"] = json!("hooks");
    let mut world = World::new(&spec);
    world.hooks = holding("one");
    world.settle();
    world
}

fn holding(digest: &str) -> Fact<Option<String>> {
    Fact::Known(Some(digest.to_owned()))
}

/// The operator has read it in this pass, and in the ones that follow has no reason to.
fn read_once(world: &mut World, digest: &str) {
    world.hooks = holding(digest);
    world.pass(Death::Never);
    world.hooks = Fact::default();
}

/// How many pods were ever made.
fn made(world: &World) -> usize {
    let number = |uid: &str| -> usize { uid.strip_prefix("pod-uid-").unwrap().parse().unwrap() };
    world.uids().values().map(|uid| number(uid)).max().unwrap()
}

/// What the templates of the racks say, or nothing.
fn annotations(world: &World) -> Vec<String> {
    let of = |set: &StatefulSet| {
        let template = set.spec.as_ref()?.template.metadata.as_ref()?;
        template.annotations.as_ref()?.get(CONFIG_MAP_CONTENT).cloned()
    };
    world
        .sets
        .values()
        .map(|set| of(set).unwrap_or_default())
        .collect()
}

#[test]
fn what_is_found_at_first_sight_rolls_nothing() {
    let mut world = formed(1);
    assert_eq!(annotations(&world), [""; 3]);
    // As after an adoption, or the upgrade of an operator that did not look: there is no record, and it holds something else now.
    world.cluster.status.as_mut().unwrap().config_map_content = None;
    world.hooks = holding("two");
    let plan = world.pass(Death::Never);
    assert_eq!((plan.first, plan.effects), (vec![], vec![]));
    let recorded = world
        .cluster
        .status
        .as_ref()
        .unwrap()
        .config_map_content
        .clone()
        .unwrap();
    assert_eq!(
        (recorded.first_seen.as_str(), recorded.last_seen.as_str()),
        ("two", "two")
    );
    world.settle();
    assert_eq!(annotations(&world), [""; 3]);
}

#[test]
fn new_content_rolls_each_rack_once_and_one_at_a_time() {
    let mut world = formed(2);
    let (before, pods) = (world.uids(), made(&world));
    world.most_down = 0;
    read_once(&mut world, "two");
    world.settle();
    assert!(
        world
            .uids()
            .iter()
            .zip(&before)
            .all(|(now, before)| now.1 != before.1)
    );
    assert_eq!(made(&world), pods + 6);
    assert_eq!(world.most_down, 1);
    for rack in ["dc1-rack1", "dc1-rack2", "dc1-rack3"] {
        assert_eq!(action(&world, rack), ROLLED);
    }
    // The next process reads it again.
    world.hooks = holding("two");
    world.die();
    let plan = world.pass(Death::Never);
    assert_eq!((plan.first, plan.effects), (vec![], vec![]));
    // Back to what it was at first is another change.
    read_once(&mut world, "one");
    world.settle();
    assert_eq!(made(&world), pods + 12);
    assert_eq!(annotations(&world), ["one"; 3]);
}

#[test]
fn no_death_of_the_operator_rolls_a_rack_twice_or_not_at_all() {
    let world = formed(1);
    for deadly_pass in 0..12 {
        for writes in 0..3 {
            let mut world = world.clone();
            let pods = made(&world);
            world.hooks = holding("two");
            for pass in 0..=deadly_pass {
                let death = if pass == deadly_pass {
                    Death::AfterWrites(writes)
                } else {
                    Death::Never
                };
                world.pass(death);
                world.controllers();
            }
            world.settle();
            assert_eq!(made(&world), pods + 3, "pass {deadly_pass}, write {writes}");
            assert_eq!(annotations(&world), ["two"; 3]);
        }
    }
}

#[test]
fn content_that_is_changed_back_rolls_only_what_had_the_new_one() {
    let mut world = formed(1);
    let before = world.uids();
    read_once(&mut world, "two");
    assert_eq!(
        annotations(&world),
        ["two", "", ""],
        "the first rack begins at once"
    );
    read_once(&mut world, "one");
    world.settle();
    assert_eq!(annotations(&world), ["one", "", ""]);
    assert_eq!(world.made_anew_since(&before), ["ring-dc1-rack1-0"]);

    // Before any rack could begin.
    let mut world = formed(1);
    let (name, pod) = world.pods.iter_mut().next_back().unwrap();
    set_ready(pod, "False");
    let name = name.clone();
    read_once(&mut world, "two");
    assert_eq!(action(&world, "dc1-rack1").1, Some(ActionStatus::ToDo));
    read_once(&mut world, "one");
    set_ready(world.pods.get_mut(&name).unwrap(), "True");
    world.settle();
    assert_eq!(
        (world.uids(), annotations(&world)),
        (before, vec![String::new(); 3])
    );
    assert_eq!(action(&world, "dc1-rack1").1, Some(ActionStatus::Done));
}

#[test]
fn what_changes_again_in_the_middle_of_a_roll_reaches_every_rack() {
    let mut world = formed(1);
    read_once(&mut world, "two");
    world.controllers();
    read_once(&mut world, "three");
    world.settle();
    assert_eq!(annotations(&world), ["three"; 3]);
    assert_eq!(action(&world, "dc1-rack3"), ROLLED);
}

#[test]
fn a_canary_gets_new_content_before_the_rest() {
    let mut world = formed(2);
    world.edit_spec(|spec| spec["topology"]["dc"][0]["rack"][0]["rollingPartition"] = json!(1));
    world.settle();
    let before = world.uids();
    read_once(&mut world, "two");
    world.settle();
    assert_eq!(
        world.made_anew_since(&before),
        [
            "ring-dc1-rack1-1",
            "ring-dc1-rack2-0",
            "ring-dc1-rack2-1",
            "ring-dc1-rack3-0",
            "ring-dc1-rack3-1"
        ]
    );
    world.edit_spec(|spec| spec["topology"]["dc"][0]["rack"][0]["rollingPartition"] = json!(0));
    world.settle();
    assert!(
        world
            .made_anew_since(&before)
            .contains(&"ring-dc1-rack1-0".to_owned())
    );
}

#[test]
fn a_restart_or_a_new_image_brings_new_content_along() {
    let mut world = formed(1);
    let pods = made(&world);
    ask_for_restart(&mut world, &[0, 1, 2]);
    world.pass(Death::Never);
    read_once(&mut world, "two");
    world.settle();
    world.edit_spec(|spec| spec["cassandraImage"] = json!("cassandra:5.0.10"));
    read_once(&mut world, "three");
    world.settle();
    assert_eq!(made(&world), pods + 6, "each pod once for each of the two");
    assert_eq!(annotations(&world), ["three"; 3]);
}

/// Its name rolls the racks as ever, and what it holds then is what they run with.
#[test]
fn another_config_map_starts_anew() {
    let mut world = formed(1);
    read_once(&mut world, "two");
    world.settle();
    let pods = made(&world);
    world.edit_spec(|spec| spec["configMapName"] = json!("others"));
    read_once(&mut world, "three");
    world.settle();
    assert_eq!(
        (made(&world), annotations(&world)),
        (pods + 3, vec![String::new(); 3])
    );
    read_once(&mut world, "one");
    world.settle();
    assert_eq!(
        (made(&world), annotations(&world)),
        (pods + 6, vec!["one".to_owned(); 3])
    );
    world.edit_spec(|spec| drop(spec.as_object_mut().unwrap().remove("configMapName")));
    world.settle();
    assert_eq!(
        (made(&world), annotations(&world)),
        (pods + 9, vec![String::new(); 3])
    );
    assert_eq!(world.cluster.status.as_ref().unwrap().config_map_content, None);
}

#[test]
fn a_rack_that_is_added_later_starts_with_the_content_there_is() {
    let mut world = formed(1);
    read_once(&mut world, "two");
    world.settle();
    let pods = made(&world);
    world.edit_spec(|spec| {
        let racks = spec["topology"]["dc"][0]["rack"].as_array_mut().unwrap();
        racks.push(json!({"name": "rack4"}));
    });
    world.settle();
    assert_eq!(
        (made(&world), annotations(&world)),
        (pods + 1, vec!["two".to_owned(); 4])
    );
}

/// Pods that mount it do not start: those that run are left alone, whatever else is asked for.
#[test]
fn without_the_config_map_nothing_is_rolled_and_it_is_said() {
    let mut world = formed(1);
    let before = world.uids();
    world.hooks = Fact::Known(None);
    world.edit_spec(|spec| spec["cassandraImage"] = json!("cassandra:5.0.10"));
    world.settle();
    assert_eq!(world.uids(), before);
    let waiting = world.waiting();
    assert_eq!(waiting.reason, "ObjectRefused");
    assert!(waiting.message.contains("configmap hooks"), "{}", waiting.message);
    let plan = world.pass(Death::Never);
    let touches = |effect: &&Effect| matches!(effect, Effect::UpdateStatefulSet(_));
    assert_eq!(plan.effects.iter().find(touches), None);
    read_once(&mut world, "one");
    world.settle();
    assert_eq!(
        action(&world, "dc1-rack3").0,
        Some(ClusterAction::UpdateDockerImage)
    );
    assert_eq!(
        (annotations(&world), world.waiting().status.as_str()),
        (vec![String::new(); 3], "False")
    );
}
