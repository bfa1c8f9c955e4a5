//! Clusters that CassKop made and left in the middle of something: what is observed counts, and not what its status says.

#[path = "adoption/nodes.rs"]
mod nodes;

use std::collections::BTreeMap;

use casskop_core::call::NodeCall;
use casskop_types::labels::{LAST_APPLIED_CONFIGURATION, STATEFUL_SET_LAST_APPLIED};
use casskop_types::operation::{OperationStatus, TableOptions, TableWork};
use casskop_types::status::{ActionStatus, ClusterAction, Phase};
use k8s_openapi::api::apps::v1::StatefulSetSpec;
use rstest::rstest;
use serde_json::{Value, json};

use super::world::{self, Death, World};
use super::{RACKS, action};

const FIRST_RACK: &str = "dc1-rack1";

/// A cluster that runs as CassKop made it, its status as CassKop writes it where nothing is under way.
fn casskops(nodes: i32) -> World {
    let images = json!({
        "cassandraImage": "cassandra:3.11.10",
        "bootstrapImage": "ghcr.io/cscetbon/casskop-bootstrap:0.1.21",
        "configBuilderImage": "datastax/cass-config-builder:1.0.4",
    });
    let mut spec = super::three_racks(nodes);
    spec.as_object_mut()
        .unwrap()
        .extend(images.as_object().unwrap().clone());
    let mut world = World::new(&spec);
    world.settle();
    for set in world.sets.values_mut() {
        let made = serde_json::to_string(set).unwrap();
        set.metadata.annotations = Some([(STATEFUL_SET_LAST_APPLIED.to_owned(), made)].into());
    }
    // The spec says no more than its user wrote: CassKop's defaults stand in its StatefulSets.
    world.edit_spec(|spec| {
        for image in images.as_object().unwrap().keys() {
            spec.as_object_mut().unwrap().remove(image);
        }
    });
    remember(&mut world);
    let racks = RACKS.map(|rack| (rack.strip_prefix("ring-").unwrap(), settled()));
    leave_status(&mut world, "Running", &racks);
    world.most_down = 0;
    world
}

/// CassKop's copy of the object, with all that the API server keeps beside the spec.
fn remember(world: &mut World) {
    let mut copy = serde_json::to_value(&world.cluster).unwrap();
    copy["metadata"] = json!({
        "name": "ring", "namespace": "ns", "uid": "cluster-uid", "generation": 17, "creationTimestamp": null,
        "managedFields": [{"manager": "casskop", "operation": "Update", "fieldsV1": {"f:spec": {}}}],
    });
    copy["spec"]["imagePullSecret"] = json!({});
    copy["spec"]["imageJolokiaSecret"] = json!({});
    copy["spec"]["topology"]["dc"][0]["resources"] = json!({});
    copy["status"] = json!({});
    let annotation = (LAST_APPLIED_CONFIGURATION.to_owned(), copy.to_string());
    world.cluster.metadata.annotations = Some([annotation].into());
}

fn settled() -> Value {
    json!({
        "phase": "Running",
        "cassandraLastAction": {
            "name": "Initializing", "status": "Done", "endTime": "2026-01-02T03:04:05Z", "updatedNodes": null,
        },
        "podLastOperation": {"pods": null, "podsOK": null, "podsKO": null},
    })
}

fn unfinished(name: &str, status: &str) -> Value {
    json!({
        "phase": "Pending",
        "cassandraLastAction": {"name": name, "status": status, "startTime": "2026-01-02T03:04:05Z"},
        "podLastOperation": {},
    })
}

fn leaving(action_status: &str, operation: &str, pods: &[&str]) -> Value {
    let mut rack = unfinished("ScaleDown", action_status);
    rack["podLastOperation"] = json!({
        "name": "decommission", "status": operation, "startTime": "2026-01-02T03:04:05Z",
        "pods": pods, "podsOK": [], "podsKO": [],
    });
    rack
}

fn leave_status(world: &mut World, phase: &str, racks: &[(&str, Value)]) {
    let nodes: BTreeMap<&String, Value> = world
        .pods
        .iter()
        .map(|(name, pod)| {
            let address = world::address_of(pod);
            (
                name,
                json!({"hostId": world.members[&address].0, "nodeIp": address}),
            )
        })
        .collect();
    let seeds = RACKS.map(|rack| format!("{rack}-0.ring.ns"));
    let racks: BTreeMap<_, _> = racks.iter().cloned().collect();
    let status = json!({
        "phase": phase, "lastClusterAction": "Initializing", "lastClusterActionStatus": "Done",
        "seedlist": seeds, "cassandraNodeStatus": nodes, "cassandraRackStatus": racks,
    });
    world.cluster.status = Some(serde_json::from_value(status).unwrap());
}

fn leave_rack(world: &mut World, rack: &str, left: Value) {
    let status = world.cluster.status.as_mut().unwrap();
    status
        .cassandra_rack_status
        .insert(rack.to_owned(), serde_json::from_value(left).unwrap());
}

/// What a restart, or a write, would change.
fn untouched(
    world: &World,
) -> (
    BTreeMap<String, String>,
    Vec<StatefulSetSpec>,
    Vec<Option<i64>>,
    Value,
) {
    let specs = world.sets.values().map(|set| set.spec.clone().unwrap());
    let generations = world.sets.values().map(|set| set.metadata.generation);
    (
        world.uids(),
        specs.collect(),
        generations.collect(),
        serde_json::to_value(&world.cluster.spec).unwrap(),
    )
}

/// Whatever CassKop's status says is under way: where nothing is, nothing is done, and the status says so.
#[rstest]
#[case::settled(settled())]
#[case::nothing(json!({}))]
#[case::first_pods_of_a_cluster_that_is_complete(
    json!({"phase": "Initializing", "initializingSubPhase": "FirstPodPerRack",
        "cassandraLastAction": {"name": "Initializing", "status": "Ongoing"}})
)]
#[case::next_pods_of_a_cluster_that_is_complete(
    json!({"phase": "Initializing", "initializingSubPhase": "NextPodPerRack",
        "cassandraLastAction": {"name": "UpdateDockerImage", "status": "Ongoing"}})
)]
#[case::stale_update(unfinished("UpdateStatefulSet", "Ongoing"))]
#[case::resources_staged_and_taken_back(unfinished("UpdateResources", "ToDo"))]
#[case::image_taken_back(unfinished("UpdateDockerImage", "ToDo"))]
#[case::seeds_held_back_and_taken_back(unfinished("UpdateSeedList", "Configuring"))]
#[case::seeds_rolled_out(unfinished("UpdateSeedList", "Ongoing"))]
#[case::config_map_rolled_out(unfinished("UpdateConfigMap", "Ongoing"))]
#[case::grown(unfinished("ScaleUp", "Ongoing"))]
#[case::not_grown(unfinished("ScaleUp", "ToDo"))]
#[case::shrunk(unfinished("ScaleDown", "Ongoing"))]
#[case::not_shrunk(leaving("ToDo", "ToDo", &[]))]
#[case::stuck_before_the_last_step(leaving("Ongoing", "Finalizing", &["ring-dc1-rack1-7"]))]
#[case::one_left_and_no_more_are_to(leaving("Continue", "Continue", &[]))]
#[case::words_nobody_knows(unfinished("Rebalance", "Perhaps"))]
fn a_status_that_no_longer_holds_moves_no_pod(#[case] left: Value) {
    let mut world = casskops(2);
    leave_rack(&mut world, FIRST_RACK, left);
    let before = untouched(&world);
    world.settle();
    assert_eq!(untouched(&world), before);
    assert_eq!((world.most_down, world.made.len()), (0, 0));
    let status = world.cluster.status.as_ref().unwrap();
    assert_eq!(
        (
            status.phase,
            status.nodes_ready.as_deref(),
            status.last_cluster_action_status
        ),
        (Some(Phase::Running), Some("6/6"), Some(ActionStatus::Done))
    );
    for rack in status.cassandra_rack_status.values() {
        assert_eq!(
            (rack.phase, rack.initializing_sub_phase),
            (Some(Phase::Running), None)
        );
        let action = rack.cassandra_last_action.as_ref();
        assert!(
            action.is_none_or(|action| action.name.is_none() || action.status == Some(ActionStatus::Done)),
            "{rack:?}"
        );
        let last = rack.pod_last_operation.clone().unwrap_or_default();
        let ended = last.status.is_none_or(|status| status == OperationStatus::Done);
        assert!(last.pods.is_empty() && ended, "{last:?}");
    }
}

/// Seen a second time, and by a version with other defaults, it still is what CassKop made.
#[test]
fn defaults_of_the_first_sight_stay() {
    let mut world = casskops(1);
    world.settle();
    let before = untouched(&world);
    let pinned = world.cluster.status.as_ref().unwrap().pinned.clone().unwrap();
    assert_eq!(
        [
            pinned.cassandra_image,
            pinned.bootstrap_image,
            pinned.config_builder_image
        ]
        .map(Option::unwrap),
        [
            "cassandra:3.11.10",
            "ghcr.io/cscetbon/casskop-bootstrap:0.1.21",
            "datastax/cass-config-builder:1.0.4"
        ]
    );
    for _ in 0..2 {
        world.die();
        world.settle();
        assert_eq!(untouched(&world), before);
    }
}

/// CassKop reads its clock for the label once and for the record once more. A restart that was made is not made again for the
/// second between them.
#[rstest]
#[case::a_second_apart("20260102T030404")]
#[case::in_another_zone("20260102T040405")]
fn a_restart_that_casskop_began_is_not_begun_again(#[case] label: &str) {
    let mut world = casskops(2);
    let template = &mut world
        .sets
        .get_mut(RACKS[0])
        .unwrap()
        .spec
        .as_mut()
        .unwrap()
        .template;
    let labels = template.metadata.as_mut().unwrap().labels.as_mut().unwrap();
    labels.insert("rolling-restart".to_owned(), label.to_owned());
    while world.controllers() {}
    leave_rack(&mut world, FIRST_RACK, unfinished("RollingRestart", "Ongoing"));
    let before = untouched(&world);
    world.settle();
    assert_eq!(untouched(&world), before);
    assert_eq!(
        action(&world, FIRST_RACK),
        (Some(ClusterAction::RollingRestart), Some(ActionStatus::Done))
    );
}

/// CassKop resets the flag, and then its write of the StatefulSet fails: what was asked for is done.
#[test]
fn a_restart_that_casskop_never_got_to_is_made() {
    let mut world = casskops(1);
    let first = format!("{}-0", RACKS[0]);
    let before = world.uid(&first);
    leave_rack(&mut world, FIRST_RACK, unfinished("RollingRestart", "ToDo"));
    world.settle();
    assert_ne!(world.uid(&first), before);
    assert_eq!(
        action(&world, FIRST_RACK),
        (Some(ClusterAction::RollingRestart), Some(ActionStatus::Done))
    );
}

/// A cleanup that CassKop asked for runs in the node: it is waited for, and not asked for again.
#[test]
fn a_cleanup_that_casskop_began_is_not_begun_again() {
    let mut world = casskops(1);
    let pod = "ring-dc1-rack1-0";
    world.label(
        pod,
        &[
            ("operation-name", "cleanup"),
            ("operation-status", "Ongoing"),
            ("operation-start", "20260102T030405"),
            ("operation-end", ""),
        ],
    );
    let mut rack = settled();
    rack["podLastOperation"] = json!({
        "name": "cleanup", "status": "Ongoing", "startTime": "2026-01-02T03:04:05Z", "operatorName": "casskop-6d4",
        "pods": [pod, pod], "podsOK": [], "podsKO": [],
    });
    leave_rack(&mut world, FIRST_RACK, rack);
    let cleanup = NodeCall::Tables {
        work: TableWork::Cleanup,
        options: TableOptions::default(),
        skip: Vec::new(),
    };
    world.in_flight.insert(pod.to_owned(), cleanup);
    for _ in 0..3 {
        world.pass(Death::Never);
        assert_eq!(
            world.label_of(pod, "operation-status").as_deref(),
            Some("Ongoing")
        );
    }
    world.settle();
    assert_eq!(world.label_of(pod, "operation-status").as_deref(), Some("Done"));
    let status = world.cluster.status.as_ref().unwrap();
    let last = status.cassandra_rack_status[FIRST_RACK]
        .pod_last_operation
        .clone();
    let last = last.unwrap();
    assert_eq!(
        (last.pods_ok, last.pods, last.pods_ko),
        (vec![pod.to_owned()], vec![], vec![])
    );
}

/// Nobody carries out CassKop's scheduled backups any more: that is said once.
#[test]
fn scheduled_backups_of_casskops_are_told_of_once() {
    let mut world = casskops(1);
    world.scheduled_backups = vec!["nightly".to_owned(), "weekly".to_owned()];
    world.settle();
    world.die();
    world.settle();
    let told = world.notes("BackupsNotScheduled");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].ends_with("CassandraBackup nightly, weekly"), "{told:?}");
}
