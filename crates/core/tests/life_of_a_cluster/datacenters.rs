//! Datacenters come and go, and edits that cannot be carried out are put back.

use casskop_core::replication::KeyspaceReplicas;
use casskop_types::status::{ActionStatus, ClusterAction, Phase};
use serde_json::{Value, json};

use super::world::{Death, World};

fn two_datacenters() -> Value {
    json!({
        "nodesPerRacks": 2, "dataCapacity": "2Gi", "cassandraImage": "cassandra:5.0.9",
        "topology": {"dc": [
            {"name": "dc1", "rack": [{"name": "rack1"}, {"name": "rack2"}]},
            {"name": "dc2", "rack": [{"name": "rack1"}]},
        ]},
    })
}

fn formed() -> World {
    let mut world = World::new(&two_datacenters());
    world.settle();
    assert_eq!(world.pods.len(), 6);
    world
}

fn spec(world: &World) -> Value {
    serde_json::to_value(&world.cluster.spec).unwrap()
}

#[test]
fn a_datacenter_is_emptied_and_removed() {
    let mut world = formed();
    world.edit_spec(|spec| spec["topology"]["dc"][1]["nodesPerRacks"] = json!(0));
    world.settle();
    assert!(
        world.pods.keys().all(|pod| pod.starts_with("ring-dc1-")),
        "{:?}",
        world.pods.keys()
    );
    assert_eq!(
        (world.pods.len(), world.claims.len(), world.made.len()),
        (4, 4, 2)
    );
    assert_eq!(world.sets.len(), 3);
    world.edit_spec(|spec| {
        spec["topology"]["dc"].as_array_mut().unwrap().pop();
    });
    world.settle();
    assert_eq!(
        world.sets.keys().collect::<Vec<_>>(),
        ["ring-dc1-rack1", "ring-dc1-rack2"]
    );
    let status = world.cluster.status.as_ref().unwrap();
    assert_eq!(status.last_cluster_action, Some(ClusterAction::ActionDeleteDc));
    assert_eq!(status.last_cluster_action_status, Some(ActionStatus::Done));
    assert_eq!(
        status.cassandra_rack_status.keys().collect::<Vec<_>>(),
        ["dc1-rack1", "dc1-rack2"]
    );
    assert_eq!(status.phase, Some(Phase::Running));
}

#[test]
fn a_datacenter_that_holds_replicas_is_not_emptied_and_the_size_is_put_back() {
    let mut world = formed();
    let replicas = KeyspaceReplicas::of_ranges([[("dc1".to_owned(), 2), ("dc2".to_owned(), 1)].into()]);
    world.replication.insert("shop".to_owned(), replicas);
    world.edit_spec(|spec| spec["topology"]["dc"][1]["nodesPerRacks"] = json!(0));
    world.settle();
    assert_eq!((world.pods.len(), world.made.len()), (6, 0));
    assert_eq!(spec(&world), two_datacenters());
    let told = world.notes("CorrectCRDConfig");
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("spec.topology.dc[1].nodesPerRacks was put back"),
        "{}",
        told[0]
    );
    assert!(
        told[0].contains(
            "ALTER KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 2}"
        ),
        "{}",
        told[0]
    );
    assert_eq!(
        world.cluster.status.as_ref().unwrap().last_cluster_action,
        Some(ClusterAction::CorrectCrdConfig)
    );
}

#[test]
fn what_cannot_go_is_put_back_and_no_pod_is_touched() {
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut spec = two_datacenters();
        edit(&mut spec);
        spec
    };
    let edits = [
        (
            "datacenter dc1 has nodes",
            edited(&|spec| {
                spec["topology"]["dc"].as_array_mut().unwrap().remove(0);
            }),
        ),
        (
            "rack rack2 cannot be removed",
            edited(&|spec| {
                spec["topology"]["dc"][0]["rack"].as_array_mut().unwrap().pop();
            }),
        ),
        (
            "does not shrink to 1Gi",
            edited(&|spec| spec["dataCapacity"] = json!("1Gi")),
        ),
        (
            "not emptied as a whole",
            edited(&|spec| spec["nodesPerRacks"] = json!(0)),
        ),
    ];
    for (why, edit) in edits {
        let mut world = formed();
        let before = world.uids();
        world.edit_spec(|spec| *spec = edit.clone());
        world.settle();
        assert_eq!(spec(&world), two_datacenters(), "{why}");
        assert_eq!(world.uids(), before);
        let told = world.notes("CorrectCRDConfig");
        assert!(told.len() == 1 && told[0].contains(why), "{told:?}");
    }
}

#[test]
fn a_new_datacenter_of_several_nodes_leaves_the_others_as_they_are() {
    let mut world = formed();
    let before = world.uids();
    world.edit_spec(|spec| {
        let new = json!({"name": "dc0", "rack": [{"name": "rack1"}, {"name": "rack2"}]});
        spec["topology"]["dc"].as_array_mut().unwrap().insert(0, new);
    });
    for _ in 0..60 {
        world.pass(Death::Never);
        let pods = world.pods.len();
        world.controllers();
        assert!(world.pods.len() <= pods + 1, "two nodes join at once");
    }
    world.settle();
    assert_eq!(world.pods.len(), 10);
    assert!(world.made_anew_since(&before).is_empty());
}
