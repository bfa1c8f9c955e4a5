use casskop_types::CassandraCluster;
use k8s_openapi::api::core::v1::Pod;
use rstest::rstest;

use super::*;

/// A cluster of two datacenters, as the operator reports it in the middle of work.
pub(crate) fn cluster() -> CassandraCluster {
    read(
        "
        apiVersion: db.orange.com/v2
        kind: CassandraCluster
        metadata: {name: demo, namespace: data}
        spec:
          topology:
            dc:
            - name: dc2
              rack: [{name: rack1, rollingRestart: true}, {name: rack2}]
            - name: dc1
              rack: [{name: rack1}]
        status:
          phase: Pending
          conditions:
          - type: Waiting
            status: 'True'
            reason: NodeNotReady
            message: pod demo-dc1-rack1-0 is not ready
            lastTransitionTime: '2026-11-21T08:00:00Z'
          cassandraNodeStatus:
            demo-dc1-rack1-0: {hostId: h-1-0, nodeIp: 10.0.0.1}
          cassandraRackStatus:
            dc2-rack2:
              phase: Running
              cassandraLastAction: {name: RollingRestart, status: Ongoing, startTime: '2026-11-21T08:00:00Z'}
            dc1-rack1:
              phase: Running
              cassandraLastAction:
                name: UpdateSeedList
                status: Done
                startTime: '2026-11-21T07:00:00Z'
                endTime: '2026-11-21T07:05:00Z'
              podLastOperation: {name: cleanup, status: Ongoing, pods: [demo-dc1-rack1-2]}
              operations:
              - {id: a, name: cleanup, pod: demo-dc1-rack1-2, podUid: u2, attempt: 1, state: Error, startTime: '2026-11-21T07:10:00Z', message: an older one}
              - {id: b, name: cleanup, pod: demo-dc1-rack1-2, podUid: u2, attempt: 1, state: Ongoing, startTime: '2026-11-21T07:30:00Z', message: keyspace orders}
              - {id: c, name: cleanup, pod: demo-dc1-rack1-10, podUid: gone, attempt: 1, state: Done, startTime: '2026-11-21T06:00:00Z', endTime: '2026-11-21T06:01:00Z'}
        ",
    )
}

/// A pod of rack dc1.rack1.
pub(crate) fn pod(ordinal: i32, uid: &str, extra_labels: &str, state: &str) -> Pod {
    let (phase, ready, metadata) = match state {
        "ready" => ("Running", "True", ""),
        "not ready" => ("Running", "False", ""),
        "deleted" => ("Running", "True", "deletionTimestamp: '2026-11-21T08:00:00Z'"),
        _ => ("Pending", "False", ""),
    };
    read(&format!(
        "
        metadata:
          name: demo-dc1-rack1-{ordinal}
          uid: {uid}
          resourceVersion: '7'
          {metadata}
          labels:
            {{app: cassandracluster, cassandracluster: demo, cassandraclusters.db.orange.com.dc: dc1,
              cassandraclusters.db.orange.com.rack: rack1, {extra_labels}}}
        status:
          phase: {phase}
          podIP: 10.0.0.{}
          conditions: [{{type: Ready, status: '{ready}'}}]
        ",
        ordinal + 1
    ))
}

fn read<T: serde::de::DeserializeOwned>(yaml: &str) -> T {
    serde_yaml::from_str(yaml).unwrap()
}

#[test]
fn a_view_is_ordered_as_people_count() {
    let pods = [
        pod(10, "u10", "", "ready"),
        pod(2, "u2", "", "not ready"),
        pod(0, "u0", "", "deleted"),
    ];
    let view = ClusterView::of(&cluster(), &pods);
    let racks: Vec<String> = view.racks.iter().map(|rack| rack.rack.to_string()).collect();
    assert_eq!(racks, ["dc2.rack1", "dc2.rack2", "dc1.rack1"]);
    assert_eq!(view.datacenters(), ["dc2", "dc1"]);
    let nodes: Vec<_> = view
        .nodes
        .iter()
        .map(|node| (node.pod.as_str(), node.state))
        .collect();
    assert_eq!(
        nodes,
        [
            ("demo-dc1-rack1-0", PodState::Terminating),
            ("demo-dc1-rack1-2", PodState::NotReady),
            ("demo-dc1-rack1-10", PodState::Ready),
        ]
    );
    assert_eq!(view.nodes[0].host_id.as_deref(), Some("h-1-0"));
}

#[test]
fn pods_of_other_clusters_are_left_out() {
    let mut stranger = pod(0, "x", "", "ready");
    stranger
        .metadata
        .labels
        .as_mut()
        .unwrap()
        .insert("cassandracluster".to_owned(), "demo-2".to_owned());
    assert!(ClusterView::of(&cluster(), &[stranger]).nodes.is_empty());
}

#[test]
fn racks_show_what_is_asked_and_what_is_done() {
    let view = ClusterView::of(&cluster(), &[]);
    let [asked, restarting, cleaned] = view.racks.as_slice() else {
        panic!("{:?}", view.racks)
    };
    assert!(asked.restart_asked && asked.action.is_none());
    assert!(restarting.action.as_ref().unwrap().is_pending() && !restarting.restart_asked);
    assert!(!cleaned.action.as_ref().unwrap().is_pending());
    let operation = cleaned.operation.as_ref().unwrap();
    assert_eq!(
        (operation.name, operation.pod.as_deref()),
        (OperationName::Cleanup, Some("demo-dc1-rack1-2"))
    );
    assert_eq!(view.waiting.unwrap().message, "pod demo-dc1-rack1-0 is not ready");
}

#[test]
fn an_operation_that_casskop_left_as_ongoing_holds_no_rack() {
    let mut cluster = cluster();
    let rack = cluster
        .status
        .as_mut()
        .unwrap()
        .cassandra_rack_status
        .get_mut("dc1-rack1")
        .unwrap();
    rack.operations.clear();
    assert!(ClusterView::of(&cluster, &[]).racks[2].operation.is_some());
    let rack = cluster
        .status
        .as_mut()
        .unwrap()
        .cassandra_rack_status
        .get_mut("dc1-rack1")
        .unwrap();
    rack.pod_last_operation.as_mut().unwrap().pods.clear();
    assert!(ClusterView::of(&cluster, &[]).racks[2].operation.is_none());
}

#[test]
fn a_cluster_without_topology_has_one_rack() {
    let bare: CassandraCluster = read("{metadata: {name: demo}, spec: {}}");
    let view = ClusterView::of(&bare, &[]);
    assert_eq!(view.racks.len(), 1);
    assert_eq!(view.racks[0].rack.to_string(), "dc1.rack1");
    let dc_only: CassandraCluster =
        read("{metadata: {name: demo}, spec: {topology: {dc: [{name: eu, rack: []}]}}}");
    assert_eq!(
        ClusterView::of(&dc_only, &[]).racks[0].rack.to_string(),
        "eu.rack1"
    );
}

#[rstest]
#[case::labels_and_record_agree(
    "operation-name: cleanup, operation-status: Ongoing",
    OperationStatus::Ongoing,
    Some("keyspace orders")
)]
#[case::a_new_request_is_newer_than_any_record(
    "operation-name: cleanup, operation-status: ToDo",
    OperationStatus::ToDo,
    None
)]
#[case::labels_read_later_than_the_record(
    "operation-name: cleanup, operation-status: Error",
    OperationStatus::Ongoing,
    Some("keyspace orders")
)]
#[case::labels_taken_away("x: y", OperationStatus::Ongoing, Some("keyspace orders"))]
#[case::labels_of_another_operation(
    "operation-name: rebuild, operation-status: Done",
    OperationStatus::Ongoing,
    Some("keyspace orders")
)]
fn the_last_cleanup_of_a_pod(
    #[case] labels: &str,
    #[case] status: OperationStatus,
    #[case] message: Option<&str>,
) {
    let view = ClusterView::of(&cluster(), &[pod(2, "u2", labels, "ready")]);
    let cleanup = view.operation("u2", OperationName::Cleanup).unwrap();
    assert_eq!((cleanup.status, cleanup.message.as_deref()), (status, message));
}

#[test]
fn times_come_from_labels_where_no_record_is() {
    let labels = "operation-name: rebuild, operation-status: Done, operation-argument: dc2,
        operation-start: 20261121T080102, operation-end: 20261121T080203";
    let view = ClusterView::of(&cluster(), &[pod(0, "u0", labels, "ready")]);
    let rebuild = view.operation("u0", OperationName::Rebuild).unwrap();
    assert_eq!(rebuild.started.unwrap().to_string(), "2026-11-21T08:01:02Z");
    assert_eq!(rebuild.ended.unwrap().to_string(), "2026-11-21T08:02:03Z");
    assert_eq!(rebuild.argument.as_deref(), Some("dc2"));
}

#[test]
fn what_happened_to_a_pod_that_is_gone_is_still_told() {
    let view = ClusterView::of(&cluster(), &[]);
    let gone = view.operation("gone", OperationName::Cleanup).unwrap();
    assert_eq!(
        (gone.pod.as_str(), gone.status),
        ("demo-dc1-rack1-10", OperationStatus::Done)
    );
}

#[rstest]
#[case("dc1.rack1")]
#[case("dc1/rack1")]
#[case("dc1-rack1")]
fn racks_are_read_as_casskops_plugin_read_them(#[case] text: &str) {
    assert_eq!(text.parse::<RackRef>().unwrap().to_string(), "dc1.rack1");
}

#[rstest]
#[case("dc1")]
#[case("dc1.")]
#[case(".rack1")]
#[case("dc-1.rack1")]
#[case("")]
fn what_is_no_rack_is_refused_with_an_example(#[case] text: &str) {
    let error = text.parse::<RackRef>().unwrap_err();
    assert!(error.to_string().contains("as dc1.rack1"), "{error}");
}

/// What an operator of CassKop leaves: neither records nor conditions, `Initializing` as the last action.
fn of_casskop() -> CassandraCluster {
    read(
        "
        metadata: {name: demo, namespace: data, creationTimestamp: '2026-11-01T08:00:00Z'}
        spec: {nodesPerRacks: 2, topology: {dc: [{name: dc1, rack: [{name: rack1}]}]}}
        status:
          phase: Running
          lastClusterAction: Initializing
          lastClusterActionStatus: Done
          cassandraRackStatus:
            dc1-rack1:
              phase: Running
              cassandraLastAction: {Name: Initializing, status: Done, endTime: '2026-11-01T08:05:00Z'}
              podLastOperation: {}
        ",
    )
}

#[test]
fn a_cluster_of_casskop_is_healthy_without_conditions_and_records() {
    let pods = [pod(0, "u0", "", "ready"), pod(1, "u1", "", "ready")];
    let view = ClusterView::of(&of_casskop(), &pods);
    assert_eq!(view.troubles, [""; 0]);
    assert_eq!(view.node_count.to_string(), "2/2");
    assert_eq!(view.created.unwrap().to_string(), "2026-11-01T08:00:00Z");
    let action = view.action.unwrap();
    assert_eq!(
        (action.name, action.status),
        (ClusterAction::Initializing, ActionStatus::Done)
    );
}

#[test]
fn what_keeps_a_cluster_from_being_healthy_is_named() {
    let mut failing = pod(1, "u1", "", "pending");
    failing.status = Some(read(
        "{phase: Pending, conditions: [{type: PodScheduled, status: 'False', message: 0/6 nodes are available}]}",
    ));
    let view = ClusterView::of(&of_casskop(), &[pod(0, "u0", "", "ready"), failing]);
    assert_eq!(
        view.troubles,
        [
            "1 of 2 nodes are ready",
            "pod demo-dc1-rack1-1 is unschedulable (0/6 nodes are available)"
        ]
    );
    let waits = ClusterView::of(&cluster(), &[]);
    assert_eq!(
        waits.troubles,
        [
            "its phase is Pending",
            "0 of 3 nodes are ready",
            "work waits: NodeNotReady"
        ]
    );
    let unseen: CassandraCluster = read("{metadata: {name: demo}, spec: {topology: {dc: []}}}");
    assert_eq!(
        ClusterView::of(&unseen, &[pod(0, "u0", "", "ready")]).troubles,
        ["no operator has taken it up"]
    );
}

#[test]
fn pods_of_a_namesake_in_another_namespace_are_left_out() {
    let mut elsewhere = pod(0, "u0", "", "ready");
    elsewhere.metadata.namespace = Some("other".to_owned());
    assert!(ClusterView::of(&of_casskop(), &[elsewhere]).nodes.is_empty());
}

#[test]
fn releases_are_the_nodes_own_words_or_the_tags_of_their_images() {
    let mut with_image = pod(0, "u0", "", "ready");
    with_image.spec = Some(read(
        "{nodeName: m1, containers: [{name: cassandra, image: 'registry:5000/team/cassandra:4.1.10@sha256:00'}]}",
    ));
    let mut cluster = of_casskop();
    let view = ClusterView::of(&cluster, std::slice::from_ref(&with_image));
    assert_eq!(view.releases, ["4.1.10"]);
    assert_eq!(view.nodes[0].machine.as_deref(), Some("m1"));
    let status = cluster.status.as_mut().unwrap();
    status
        .cassandra_rack_status
        .get_mut("dc1-rack1")
        .unwrap()
        .release_version = Some("4.1.9".to_owned());
    assert_eq!(ClusterView::of(&cluster, &[with_image]).releases, ["4.1.9"]);
}

#[test]
fn a_view_of_some_racks_has_their_nodes_and_operations_alone() {
    let pods = [pod(
        2,
        "u2",
        "operation-name: cleanup, operation-status: ToDo",
        "ready",
    )];
    let view = ClusterView::of(&cluster(), &pods);
    let of = |rack: &str| view.clone().only(&[rack.parse().unwrap()]);
    let other = of("dc2.rack2");
    assert_eq!(
        (other.racks.len(), other.nodes.len(), other.operations.len()),
        (1, 0, 0)
    );
    let own = of("dc1.rack1");
    assert_eq!((own.racks.len(), own.nodes.len()), (1, 1));
    assert!(own.operations.iter().any(OperationView::is_queued));
}
