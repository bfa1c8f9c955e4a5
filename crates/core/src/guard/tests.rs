use casskop_types::CassandraCluster;
use casskop_types::operation::{OperationCommand, OperationStatus, RemoveTarget, TableWork};
use insta::assert_snapshot;
use k8s_openapi::api::core::v1::Pod;
use rstest::rstest;

use super::*;
use crate::view::RackRef;
use crate::view::tests::{cluster as demo, pod};

fn cleanup() -> OperationCommand {
    OperationCommand::on_all_tables(TableWork::Cleanup)
}

fn rack(text: &str) -> RackRef {
    text.parse().unwrap()
}

/// The cluster `demo` with racks dc2.rack1 (asked to restart), dc2.rack2 (restarting) and dc1.rack1.
fn views(pods: &[Pod]) -> Vec<ClusterView> {
    vec![ClusterView::of(&demo(), pods)]
}

/// The same, with nothing under way in dc1.rack1.
fn calm() -> CassandraCluster {
    let mut cluster = demo();
    let rack = cluster
        .status
        .as_mut()
        .unwrap()
        .cassandra_rack_status
        .get_mut("dc1-rack1")
        .unwrap();
    rack.operations.clear();
    rack.pod_last_operation = None;
    cluster
}

fn three() -> Vec<Pod> {
    (0..3)
        .map(|ordinal| pod(ordinal, &format!("u{ordinal}"), "", "ready"))
        .collect()
}

fn of(scope: PodScope) -> PodSelection {
    PodSelection { cluster: None, scope }
}

fn names(targets: &[PodTarget]) -> Vec<&str> {
    targets.iter().map(|target| target.pod.as_str()).collect()
}

#[test]
fn a_restart_asks_for_free_racks_and_leaves_queued_ones() {
    let view = ClusterView::of(&calm(), &[]);
    let plan = restart(
        &view,
        &RackSelection::Racks(vec![rack("dc1.rack1"), rack("dc2.rack1")]),
    )
    .unwrap();
    assert_eq!(
        plan,
        RestartPlan {
            ask: vec![rack("dc1.rack1")],
            queued: vec![rack("dc2.rack1")]
        }
    );
}

#[test]
fn a_restart_that_waits_for_its_turn_is_not_asked_again() {
    let mut cluster = calm();
    let status = cluster.status.as_mut().unwrap();
    let action = status
        .cassandra_rack_status
        .get_mut("dc2-rack2")
        .unwrap()
        .cassandra_last_action
        .as_mut()
        .unwrap();
    action.status = Some(casskop_types::status::ActionStatus::ToDo);
    let plan = restart(&ClusterView::of(&cluster, &[]), &RackSelection::Full).unwrap();
    assert_eq!(plan.ask, [rack("dc1.rack1")]);
    assert_eq!(plan.queued, [rack("dc2.rack1"), rack("dc2.rack2")]);
}

#[test]
fn restarts_are_refused_whole() {
    let view = ClusterView::of(&demo(), &[]);
    let refusal = |selection| restart(&view, &selection).unwrap_err();
    assert_snapshot!(
        refusal(RackSelection::Racks(vec![rack("dc1.rack9")])),
        @"cassandracluster `demo` has no rack `dc1.rack9`; it has dc2.rack1, dc2.rack2, dc1.rack1"
    );
    assert_snapshot!(
        refusal(RackSelection::Datacenters(vec!["dc1".to_owned(), "dc3".to_owned()])),
        @"cassandracluster `demo` has no datacenter `dc3`; it has dc2, dc1"
    );
    assert_snapshot!(
        refusal(RackSelection::Datacenters(vec!["dc2".to_owned()])),
        @"rack dc2.rack2 of cassandracluster `demo` is busy: RollingRestart is Ongoing since 2026-11-21T08:00:00Z; watch it with `kubectl get cassandracluster demo --namespace data --watch`"
    );
    assert_snapshot!(
        refusal(RackSelection::Racks(vec![rack("dc1.rack1")])),
        @"rack dc1.rack1 of cassandracluster `demo` is busy: cleanup runs on pod demo-dc1-rack1-2 since 2026-11-21T07:30:00Z; watch it with `kubectl casskop cleanup status --crd demo --namespace data`"
    );
}

#[test]
fn the_only_cluster_needs_no_name() {
    let mut other = demo();
    other.metadata.name = Some("prod".to_owned());
    let one = views(&[]);
    let two = vec![one[0].clone(), ClusterView::of(&other, &[])];
    assert_eq!(cluster(&one, None).unwrap().name, "demo");
    assert_eq!(cluster(&two, Some("prod")).unwrap().name, "prod");
    assert_snapshot!(
        cluster(&two, None).unwrap_err(),
        @"this namespace has several cassandraclusters; choose one with --crd: demo, prod"
    );
    assert_snapshot!(
        cluster(&two, Some("demmo")).unwrap_err(),
        @"cassandracluster `demmo` not found; the namespace has demo, prod"
    );
    assert_snapshot!(
        cluster(&[], Some("demo")).unwrap_err(),
        @"cassandracluster `demo` not found; the namespace has none, choose another with --namespace"
    );
    assert_snapshot!(
        cluster(&[], None).unwrap_err(),
        @"there is no cassandracluster in this namespace; choose another with --namespace"
    );
}

#[rstest]
#[case::all(PodScope::All, &["demo-dc1-rack1-0", "demo-dc1-rack1-1", "demo-dc1-rack1-2"])]
#[case::prefix(PodScope::Prefix("demo-dc1".to_owned()), &["demo-dc1-rack1-0", "demo-dc1-rack1-1", "demo-dc1-rack1-2"])]
#[case::rack(PodScope::Racks(vec![rack("dc1.rack1")]), &["demo-dc1-rack1-0", "demo-dc1-rack1-1", "demo-dc1-rack1-2"])]
#[case::named_twice(
    PodScope::Named(vec!["demo-dc1-rack1-1".to_owned(), "demo-dc1-rack1-1".to_owned()]),
    &["demo-dc1-rack1-1"]
)]
fn pods_are_selected_by_what_people_know(#[case] scope: PodScope, #[case] pods: &[&str]) {
    let plan = pod_operation(&views(&three()), &of(scope), &cleanup()).unwrap();
    assert_eq!(names(&plan.ask), pods);
}

#[rstest]
#[case::a_part_of_the_name_is_no_prefix(PodScope::Prefix("rack1".to_owned()))]
#[case::no_pod_there(PodScope::Datacenters(vec!["dc2".to_owned()]))]
#[case::no_such_pod(PodScope::Named(vec!["demo-dc1-rack1-7".to_owned()]))]
#[case::no_such_datacenter(PodScope::Datacenters(vec!["dc7".to_owned()]))]
fn what_selects_nothing_is_refused(#[case] scope: PodScope) {
    pod_operation(&views(&three()), &of(scope), &cleanup()).unwrap_err();
}

#[test]
fn a_pod_that_was_asked_already_is_not_asked_again() {
    let mut pods = three();
    pods[1] = pod(
        1,
        "u1",
        "operation-name: cleanup, operation-status: ToDo",
        "ready",
    );
    pods[2] = pod(
        2,
        "u2",
        "operation-name: cleanup, operation-status: Done",
        "ready",
    );
    let plan = pod_operation(&views(&pods), &of(PodScope::All), &cleanup()).unwrap();
    assert_eq!(names(&plan.ask), ["demo-dc1-rack1-0", "demo-dc1-rack1-2"]);
    assert_eq!(plan.asked.len(), 1);
    assert_eq!(
        (plan.asked[0].0.pod.as_str(), plan.asked[0].1),
        ("demo-dc1-rack1-1", OperationStatus::ToDo)
    );
}

#[rstest]
#[case::another_operation("operation-name: upgradesstables, operation-status: ToDo", false)]
#[case::another_source(
    "operation-name: rebuild, operation-status: Ongoing, operation-argument: dc9",
    false
)]
#[case::another_one_held_back("operation-name: cleanup, operation-status: Paused", false)]
#[case::the_same_held_back(
    "operation-name: rebuild, operation-status: Paused, operation-argument: dc2",
    true
)]
#[case::a_suggestion("operation-name: cleanup, operation-status: Manual", true)]
#[case::ended("operation-name: upgradesstables, operation-status: Error", true)]
#[case::words_nobody_knows("operation-name: cleanup, operation-status: Done-ish", true)]
fn a_pod_has_room_for_one_request(#[case] labels: &str, #[case] free: bool) {
    let mut pods = three();
    pods[1] = pod(1, "u1", labels, "ready");
    let rebuild = OperationCommand::Rebuild {
        from_dc: "dc2".to_owned(),
    };
    let plan = pod_operation(&views(&pods), &of(PodScope::All), &rebuild);
    assert_eq!(plan.is_ok(), free, "{plan:?}");
}

#[test]
fn pods_that_do_not_run_are_left_out_unless_named() {
    let mut pods = three();
    pods[0] = pod(0, "u0", "", "pending");
    pods[1] = pod(1, "u1", "", "deleted");
    pods[2] = pod(2, "u2", "", "not ready");
    let plan = pod_operation(&views(&pods), &of(PodScope::All), &cleanup()).unwrap();
    assert_eq!(names(&plan.ask), ["demo-dc1-rack1-2"]);
    assert_eq!(plan.left_out.len(), 2);
    let named = of(PodScope::Named(vec!["demo-dc1-rack1-0".to_owned()]));
    assert_snapshot!(
        pod_operation(&views(&pods), &named, &cleanup()).unwrap_err(),
        @"pod `demo-dc1-rack1-0` is not running, so cleanup cannot begin; see `kubectl describe pod demo-dc1-rack1-0 --namespace data`"
    );
}

#[test]
fn refusals_about_pods_say_what_there_is() {
    let views = views(&three());
    let refusal = |selection| pod_operation(&views, &selection, &cleanup()).unwrap_err();
    assert_snapshot!(
        refusal(of(PodScope::Named(vec!["web-0".to_owned()]))),
        @"pod `web-0` is not a Cassandra pod of this namespace; the namespace has demo-dc1-rack1-0, demo-dc1-rack1-1, demo-dc1-rack1-2"
    );
    assert_snapshot!(
        refusal(of(PodScope::Prefix("web".to_owned()))),
        @"--prefix web selects no running Cassandra pod; the namespace has demo-dc1-rack1-0, demo-dc1-rack1-1, demo-dc1-rack1-2"
    );
}

#[test]
fn a_rebuild_streams_from_a_datacenter_of_the_cluster() {
    let views = views(&three());
    let check = |from_dc: &str| {
        let command = OperationCommand::Rebuild {
            from_dc: from_dc.to_owned(),
        };
        let plan = pod_operation(&views, &of(PodScope::All), &command).unwrap();
        source_datacenter(&views, &plan, &command)
    };
    assert_eq!(check("dc2"), Ok(()));
    assert_snapshot!(
        check("dc9").unwrap_err(),
        @"cassandracluster `demo` has no datacenter `dc9` to rebuild from; it has dc2, dc1; add --force if another Kubernetes cluster holds `dc9`"
    );
}

const LOST: &str = "demo-dc1-rack1-1";

/// Node 0 is busy, node 1 is lost, node 2 is free.
fn one_lost() -> Vec<ClusterView> {
    views(&[
        pod(
            0,
            "u0",
            "operation-name: cleanup, operation-status: Ongoing",
            "ready",
        ),
        pod(1, "u1", "", "pending"),
        pod(2, "u2", "", "ready"),
    ])
}

fn remove(views: &[ClusterView], lost: &str, from: Option<&str>) -> Result<RemovalPlan, Refusal> {
    let from = from.map_or(From::AnyOf(None), |pod| From::Pod(pod.to_owned()));
    removal(
        views,
        &RemovalRequest {
            lost: lost.parse::<RemoveTarget>().unwrap(),
            from,
        },
    )
}

#[rstest]
#[case::any_free_node("demo-dc1-rack1-1_10.0.9.9", None)]
#[case::the_pod_knows_its_address(LOST, None)]
#[case::by_address("10.0.9.9", None)]
#[case::by_ipv6_address("2001:db8::1", Some("demo-dc1-rack1-2"))]
#[case::by_host_id("5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1", Some("demo-dc1-rack1-2"))]
fn a_lost_node_is_removed_by_a_free_one(#[case] lost: &str, #[case] from: Option<&str>) {
    let RemovalPlan::Ask(target) = remove(&one_lost(), lost, from).unwrap() else {
        panic!("not asked")
    };
    assert_eq!(target.pod, "demo-dc1-rack1-2");
}

#[test]
fn removals_that_would_do_harm_are_refused() {
    let views = one_lost();
    let refusal = |lost, from| remove(&views, lost, from).unwrap_err();
    assert_snapshot!(
        refusal("demo-dc1-rack1-2_10.0.9.9", None),
        @"pod `demo-dc1-rack1-2` is ready at 10.0.0.3: removing a node in service would delete its data; to shrink the rack lower nodesPerRacks, to remove a node that is gone give its --previous-ip alone"
    );
    assert_snapshot!(
        refusal("10.0.0.3", None),
        @"pod `demo-dc1-rack1-2` is ready at 10.0.0.3: removing a node in service would delete its data; to shrink the rack lower nodesPerRacks, to remove a node that is gone give its --previous-ip alone"
    );
    assert_snapshot!(
        refusal(LOST, Some(LOST)),
        @"pod `demo-dc1-rack1-1` cannot remove itself; ask another node with --from-pod, or leave the choice to --crd"
    );
    assert_snapshot!(
        refusal("prod-dc1-rack1-0_10.0.9.9", None),
        @"pod `prod-dc1-rack1-0` cannot be a pod of cassandracluster `demo`, whose pods are named demo-<dc>-<rack>-<n>"
    );
    assert_snapshot!(
        refusal("demo-dc1-rack1-7", None),
        @"the address pod `demo-dc1-rack1-7` had is not known; give it with --previous-ip, or give the node's --host-id alone"
    );
    assert_snapshot!(
        refusal("demo-dc1-rack1-1_10.0.9.9", Some("demo-dc1-rack1-0")),
        @"pod `demo-dc1-rack1-0` is busy: cleanup is Ongoing; wait for its end, or choose other pods"
    );
}

#[test]
fn a_node_whose_pod_is_gone_is_removed_by_the_host_id_that_was_seen_in_it() {
    let gone = "demo-dc1-rack1-7";
    let mut views = one_lost();
    let seen = "5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1".to_owned();
    views[0].host_ids.insert(gone.to_owned(), seen);
    let plan = remove(&views, gone, None).unwrap();
    assert!(matches!(plan, RemovalPlan::Ask(_)), "{plan:?}");
}

#[test]
fn a_node_that_hangs_is_not_asked_to_drain() {
    let mut pods = three();
    pods[1] = pod(1, "u1", "", "not ready");
    let views = views(&pods);
    let named = of(PodScope::Named(vec!["demo-dc1-rack1-1".to_owned()]));
    assert_snapshot!(
        pod_operation(&views, &named, &OperationCommand::Restart).unwrap_err(),
        @"pod `demo-dc1-rack1-1` is not ready, so its node cannot be drained; `kubectl delete pod demo-dc1-rack1-1 --namespace data` restarts it without"
    );
    let plan = pod_operation(&views, &of(PodScope::All), &OperationCommand::Restart).unwrap();
    assert_eq!(names(&plan.ask), ["demo-dc1-rack1-0", "demo-dc1-rack1-2"]);
    assert_eq!(plan.left_out.len(), 1);
}

#[test]
fn a_removal_by_no_free_node_is_refused() {
    let views = views(&[pod(0, "u0", "", "not ready"), pod(1, "u1", "", "pending")]);
    assert_snapshot!(
        remove(&views, "10.0.9.9", None).unwrap_err(),
        @"cassandracluster `demo` has no ready node without another operation; see `kubectl get pods --selector cassandracluster=demo --namespace data`"
    );
}

#[test]
fn a_removal_that_runs_is_not_given_to_a_second_node() {
    let views = views(&[
        pod(0, "u0", "", "ready"),
        pod(
            2,
            "u2",
            "operation-name: remove, operation-status: Ongoing, operation-argument: demo-dc1-rack1-1_10.0.9.9",
            "ready",
        ),
    ]);
    let RemovalPlan::Asked(target) = remove(&views, "demo-dc1-rack1-1_10.0.9.9", None).unwrap() else {
        panic!("asked twice")
    };
    assert_eq!(target.pod, "demo-dc1-rack1-2");
}
