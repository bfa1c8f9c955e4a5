//! What is asked of a cluster while everything that may happen does.

use casskop_core::fact::Fact;
use casskop_types::labels::{OPERATION_ABORT, OPERATION_ARGUMENT_ANNOTATION, OPERATION_PARALLELISM};
use serde_json::json;

use super::{LOST, Scenario};
use crate::world::World;

pub(super) fn ring(racks: &[&str], nodes: i32) -> World {
    let mut world = fresh(racks, nodes);
    world.replication.clear();
    if nodes > 0 {
        world.settle();
    }
    world
}

pub(super) fn nodes(world: &mut World, nodes: i32) {
    world.edit_spec(|spec| spec["nodesPerRacks"] = json!(nodes));
}

fn restart(world: &mut World) {
    world.edit_spec(|spec| spec["topology"]["dc"][0]["rack"][0]["rollingRestart"] = json!(true));
}

fn cleanup(world: &mut World) {
    if world.pods.contains_key("ring-dc1-rack1-0") {
        world.label(
            "ring-dc1-rack1-0",
            &[("operation-name", "cleanup"), ("operation-status", "ToDo")],
        );
    }
}

/// On two pods of a rack, two at once.
fn compact_both(world: &mut World) {
    for pod in ["ring-dc1-rack1-0", "ring-dc1-rack1-1"] {
        world.annotate(pod, OPERATION_PARALLELISM, "2");
        world.label(
            pod,
            &[("operation-name", "compact"), ("operation-status", "ToDo")],
        );
    }
}

fn abort_one(world: &mut World) {
    world.annotate("ring-dc1-rack1-0", OPERATION_ABORT, "compact");
}

fn pause_one(world: &mut World) {
    if world.label_of("ring-dc1-rack1-0", "operation-status").as_deref() == Some("ToDo") {
        world.label("ring-dc1-rack1-0", &[("operation-status", "Paused")]);
    }
}

/// One node of each rack, by label.
fn restart_nodes(world: &mut World) {
    for pod in ["ring-dc1-rack1-0", "ring-dc1-rack2-0"] {
        if world.pods.contains_key(pod) {
            world.label(
                pod,
                &[("operation-name", "restart"), ("operation-status", "ToDo")],
            );
        }
    }
}

fn move_one(world: &mut World) {
    let pod = "ring-dc1-rack2-0";
    if world.pods.contains_key(pod) {
        world.annotate(pod, OPERATION_ARGUMENT_ANNOTATION, "-5");
        world.label(pod, &[("operation-name", "move"), ("operation-status", "ToDo")]);
    }
}

fn without(mut world: World, pod: &str) -> World {
    world.node_is(pod, false);
    world
}

fn replace(world: &mut World) {
    if world.pods.contains_key(LOST) {
        world.label(
            LOST,
            &[("operation-name", "replace"), ("operation-status", "ToDo")],
        );
    }
}

fn image(world: &mut World) {
    world.edit_spec(|spec| spec["cassandraImage"] = json!("cassandra:5.0.10"));
}

fn volumes(world: &mut World) {
    world.edit_spec(|spec| spec["dataCapacity"] = json!("2Gi"));
}

fn with_hooks(racks: &[&str]) -> World {
    let mut world = ring(racks, 1);
    world.edit_spec(|spec| spec["configMapName"] = json!("hooks"));
    hold(&mut world, "one");
    world.settle();
    world
}

fn hold(world: &mut World, digest: &str) {
    world.hooks = Fact::Known(Some(digest.to_owned()));
}

fn second_datacenter(world: &mut World) {
    world.edit_spec(|spec| {
        let new = json!({"name": "dc2", "rack": [{"name": "rack1"}]});
        spec["topology"]["dc"].as_array_mut().unwrap().push(new);
    });
}

fn fresh(racks: &[&str], nodes: i32) -> World {
    let racks: Vec<_> = racks.iter().map(|name| json!({"name": name})).collect();
    World::new(&json!({
        "nodesPerRacks": nodes, "dataCapacity": "1Gi", "cassandraImage": "cassandra:5.0.9",
        "topology": {"dc": [{"name": "dc1", "rack": racks}]},
    }))
}

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "formation",
            start: fresh(&["rack1", "rack2"], 1),
            edits: vec![],
            falls: None,
        },
        Scenario {
            name: "scale-down, and thought better of",
            start: ring(&["rack1"], 2),
            edits: vec![|world| nodes(world, 1), |world| nodes(world, 2)],
            falls: None,
        },
        Scenario {
            name: "scale-down while a node falls",
            start: ring(&["rack1", "rack2"], 2),
            edits: vec![|world| nodes(world, 1)],
            falls: Some(("ring-dc1-rack2-0", 1)),
        },
        Scenario {
            name: "scale-up and restart",
            start: ring(&["rack1", "rack2"], 1),
            edits: vec![|world| nodes(world, 2), restart],
            falls: None,
        },
        Scenario {
            name: "restart, image and cleanup",
            start: ring(&["rack1", "rack2"], 1),
            edits: vec![restart, image, cleanup],
            falls: None,
        },
        Scenario {
            name: "scale-down, image and cleanup",
            start: ring(&["rack1"], 2),
            edits: vec![|world| nodes(world, 1), image, cleanup],
            falls: None,
        },
        Scenario {
            name: "two compactions at once, one of them paused and aborted",
            start: ring(&["rack1"], 2),
            edits: vec![compact_both, abort_one, pause_one],
            falls: None,
        },
        Scenario {
            name: "larger volumes, a restart and a node more",
            start: ring(&["rack1", "rack2"], 1),
            edits: vec![volumes, restart, |world| nodes(world, 2)],
            falls: None,
        },
        Scenario {
            name: "new content of the hooks, and thought better of, and an image",
            start: with_hooks(&["rack1", "rack2"]),
            edits: vec![|world| hold(world, "two"), |world| hold(world, "one"), image],
            falls: None,
        },
        Scenario {
            name: "another datacenter and an image, while a node falls",
            start: ring(&["rack1"], 1),
            edits: vec![second_datacenter, image],
            falls: Some(("ring-dc1-rack1-0", 1)),
        },
        Scenario {
            name: "a node of each rack is restarted, and a rack, and an image",
            start: ring(&["rack1", "rack2"], 1),
            edits: vec![restart_nodes, restart, image],
            falls: None,
        },
        Scenario {
            name: "a node is restarted while another falls, and a node more",
            start: ring(&["rack1", "rack2"], 1),
            edits: vec![restart_nodes, |world| nodes(world, 2)],
            falls: Some(("ring-dc1-rack2-0", 1)),
        },
        Scenario {
            name: "a node moves, one of another rack is cleaned up, and a rack is restarted",
            start: ring(&["rack1", "rack2"], 1),
            edits: vec![move_one, cleanup, restart],
            falls: None,
        },
        Scenario {
            name: "a node moves while another falls, and a node more",
            start: ring(&["rack1", "rack2"], 1),
            edits: vec![move_one, |world| nodes(world, 2)],
            falls: Some(("ring-dc1-rack1-0", 1)),
        },
        Scenario {
            name: "a lost node is replaced, and a restart and an image are asked for",
            start: without(ring(&["rack1", "rack2"], 1), LOST),
            edits: vec![replace, restart, image],
            falls: None,
        },
        Scenario {
            name: "a node that is to be replaced comes and goes",
            start: ring(&["rack1", "rack2"], 1),
            edits: vec![replace],
            falls: Some((LOST, 2)),
        },
    ]
}
