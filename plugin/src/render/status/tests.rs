//! Each state a cluster can be in, as people see it.

use casskop_core::view::ClusterView;
use casskop_types::CassandraCluster;
use insta::assert_snapshot;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::status;
use crate::printer::Ink;
use crate::render::layout::{Detail, Layout};

/// A terminal of 80 columns that shows no colors.
const TERMINAL: Option<usize> = Some(80);
/// A pipe.
const PIPE: Option<usize> = None;

fn layout(width: Option<usize>, detail: Detail) -> Layout {
    Layout {
        width,
        ink: Ink::Plain,
        detail,
        now: "2026-11-21T08:10:00Z".parse().unwrap(),
    }
}

fn shown(views: &[ClusterView], width: Option<usize>, detail: Detail) -> String {
    let lines = status(views, &layout(width, detail));
    if let Some(width) = width {
        for line in &lines {
            assert!(line.chars().count() <= width, "too wide: {line}");
        }
    }
    lines.join("\n")
}

/// A cluster `demo` of two racks with this status.
fn cluster(nodes_per_rack: i32, status: Value) -> CassandraCluster {
    let mut cluster = json!({
        "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
        "metadata": { "name": "demo", "namespace": "data", "creationTimestamp": "2026-11-09T08:00:00Z" },
        "spec": {
            "nodesPerRacks": nodes_per_rack,
            "topology": { "dc": [{ "name": "dc1", "rack": [{ "name": "rack1" }, { "name": "rack2" }] }] },
        },
    });
    cluster["status"] = status;
    serde_json::from_value(cluster).unwrap()
}

/// A ready pod.
fn pod(rack: &str, ordinal: usize) -> Value {
    json!({
        "metadata": {
            "name": format!("demo-dc1-{rack}-{ordinal}"), "namespace": "data", "uid": format!("{rack}-{ordinal}"),
            "creationTimestamp": "2026-11-09T08:01:00Z",
            "labels": {
                "app": "cassandracluster", "cassandracluster": "demo",
                "cassandraclusters.db.orange.com.dc": "dc1", "cassandraclusters.db.orange.com.rack": rack,
            },
        },
        "spec": { "nodeName": format!("worker-{}", ordinal % 6), "containers": [{ "name": "cassandra", "image": "cassandra:5.0.9" }] },
        "status": {
            "phase": "Running", "podIP": format!("10.0.{}.{}", &rack[4..], ordinal + 1),
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{ "name": "cassandra", "image": "", "imageID": "", "ready": true, "restartCount": 0 }],
        },
    })
}

fn pods(nodes_per_rack: usize) -> Vec<Value> {
    let of = |rack: &'static str| (0..nodes_per_rack).map(move |ordinal| pod(rack, ordinal));
    of("rack1").chain(of("rack2")).collect()
}

fn with_labels(mut pod: Value, labels: &Value) -> Value {
    for (key, value) in labels.as_object().unwrap() {
        pod["metadata"]["labels"][key] = value.clone();
    }
    pod
}

fn view(cluster: &CassandraCluster, pods: Vec<Value>) -> ClusterView {
    let pods: Vec<Pod> = pods
        .into_iter()
        .map(|pod| serde_json::from_value(pod).unwrap())
        .collect();
    ClusterView::of(cluster, &pods)
}

fn rack(action: &str, status: &str, operations: &Value) -> Value {
    json!({
        "phase": "Running", "releaseVersion": "5.0.9", "operations": operations,
        "cassandraLastAction": { "name": action, "status": status, "startTime": "2026-11-21T08:05:55Z" },
    })
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({ "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-11-21T08:06:48Z" })
}

fn host_ids() -> Value {
    json!({
        "demo-dc1-rack1-0": { "hostId": "5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1", "nodeIp": "10.0.1.1" },
        "demo-dc1-rack2-0": { "hostId": "c7a10fe2-7b1f-4a4e-8d5b-2f1f0f4f9a02", "nodeIp": "10.0.2.1" },
    })
}

fn healthy() -> ClusterView {
    let done = rack("Initializing", "Done", &json!([]));
    let status = json!({
        "phase": "Running", "lastClusterAction": "Initializing", "lastClusterActionStatus": "Done",
        "cassandraNodeStatus": host_ids(),
        "cassandraRackStatus": { "dc1-rack1": done, "dc1-rack2": done },
        "conditions": [condition("Waiting", "False", "NothingPending", "nothing waits")],
    });
    view(&cluster(1, status), pods(1))
}

/// The pod of the first rack is down for its restart; the second rack waits for its turn.
fn rolling() -> ClusterView {
    let message = "pod demo-dc1-rack1-0 is not ready: if it stays so, see `kubectl logs demo-dc1-rack1-0 --container cassandra`";
    let status = json!({
        "phase": "Pending", "lastClusterAction": "RollingRestart", "lastClusterActionStatus": "Ongoing",
        "cassandraNodeStatus": host_ids(),
        "cassandraRackStatus": {
            "dc1-rack1": rack("RollingRestart", "Ongoing", &json!([])),
            "dc1-rack2": rack("RollingRestart", "ToDo", &json!([])),
        },
        "conditions": [condition("Waiting", "True", "NodeNotReady", message)],
    });
    let mut pods = pods(1);
    pods[0]["status"]["conditions"][0]["status"] = json!("False");
    pods[0]["status"]["containerStatuses"][0]["restartCount"] = json!(1);
    view(&cluster(1, status), pods)
}

/// A cleanup runs on one pod, waits on another, and has failed on a third.
fn operations() -> ClusterView {
    let record = |pod: &str, uid: &str, state: &str, message: Value| {
        let end = (state == "Error").then_some("2026-11-21T08:07:00Z");
        json!({
            "id": pod, "name": "cleanup", "pod": pod, "podUid": uid, "attempt": 1, "state": state,
            "startTime": "2026-11-21T08:06:48Z", "endTime": end, "message": message,
        })
    };
    let records = json!([
        record("demo-dc1-rack1-0", "rack1-0", "Ongoing", Value::Null),
        record("demo-dc1-rack1-1", "rack1-1", "Error", json!("the disk is full")),
    ]);
    let status = json!({
        "phase": "Running", "lastClusterAction": "ScaleUp", "lastClusterActionStatus": "Done",
        "cassandraRackStatus": {
            "dc1-rack1": rack("ScaleUp", "Done", &records),
            "dc1-rack2": rack("ScaleUp", "Done", &json!([])),
        },
    });
    let mut pods = pods(2);
    let labelled = |pod: &Value, status: &str| {
        with_labels(
            pod.clone(),
            &json!({ "operation-name": "cleanup", "operation-status": status }),
        )
    };
    pods[0] = labelled(&pods[0], "Ongoing");
    pods[1] = labelled(&pods[1], "Error");
    pods[2] = labelled(&pods[2], "ToDo");
    view(&cluster(2, status), pods)
}

/// As CassKop's operator leaves it in the middle of a cleanup: no records, no conditions, labels alone.
fn of_casskop() -> ClusterView {
    let status = json!({
        "phase": "Running", "lastClusterAction": "Initializing", "lastClusterActionStatus": "Done",
        "cassandraRackStatus": {
            "dc1-rack1": {
                "phase": "Running", "cassandraLastAction": { "Name": "Initializing", "status": "Done" },
                "podLastOperation": {
                    "Name": "cleanup", "status": "Ongoing", "startTime": "2026-11-21T08:06:48Z",
                    "pods": ["demo-dc1-rack1-0"], "podsOK": [], "podsKO": [],
                },
            },
            "dc1-rack2": { "phase": "Running", "cassandraLastAction": { "Name": "Initializing", "status": "Done" } },
        },
    });
    let mut pods = pods(1);
    let labels = json!({
        "operation-name": "cleanup", "operation-status": "Ongoing", "operation-start": "20261121T080648",
    });
    pods[0] = with_labels(pods[0].clone(), &labels);
    for pod in &mut pods {
        pod["spec"]["containers"][0]["image"] = json!("ghcr.io/cscetbon/cassandra:3.11.10");
    }
    view(&cluster(1, status), pods)
}

/// 300 pods: one is down, one works, three wait.
fn large() -> ClusterView {
    let done = rack("Initializing", "Done", &json!([]));
    let status = json!({
        "phase": "Pending", "lastClusterAction": "Initializing", "lastClusterActionStatus": "Done",
        "cassandraRackStatus": { "dc1-rack1": done, "dc1-rack2": done },
    });
    let mut pods = pods(150);
    let asked = |pod: &Value, status: &str| {
        with_labels(
            pod.clone(),
            &json!({ "operation-name": "upgradesstables", "operation-status": status }),
        )
    };
    pods[10] = asked(&pods[10], "Ongoing");
    for waits in &mut pods[11..14] {
        *waits = asked(waits, "ToDo");
    }
    pods[200]["status"] = json!({
        "phase": "Pending",
        "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/6 nodes are available: 6 Insufficient memory." }],
    });
    view(&cluster(150, status), pods)
}

/// No operator has looked at it yet.
fn unseen() -> ClusterView {
    view(&cluster(1, Value::Null), vec![])
}

#[test]
fn a_healthy_cluster() {
    assert_snapshot!("healthy", shown(&[healthy()], TERMINAL, Detail::Brief));
}

#[test]
fn a_healthy_cluster_in_every_detail() {
    assert_snapshot!(
        "healthy-everything",
        shown(&[healthy()], PIPE, Detail::Everything)
    );
}

#[test]
fn a_rolling_restart_waits_for_a_node() {
    assert_snapshot!("rolling", shown(&[rolling()], TERMINAL, Detail::Brief));
    assert_snapshot!("rolling-in-a-pipe", shown(&[rolling()], PIPE, Detail::Brief));
}

#[test]
fn operations_run_wait_and_fail() {
    assert_snapshot!("operations", shown(&[operations()], TERMINAL, Detail::Brief));
}

#[test]
fn a_cluster_of_casskops_operator() {
    assert_snapshot!("casskop", shown(&[of_casskop()], TERMINAL, Detail::Brief));
}

#[test]
fn three_hundred_pods_are_summed_up_until_all_are_asked_for() {
    let large = [large()];
    let brief = shown(&large, TERMINAL, Detail::Brief);
    assert_snapshot!("large", brief);
    let every_pod = shown(&large, TERMINAL, Detail::Pods);
    assert_eq!(
        every_pod
            .lines()
            .filter(|line| line.starts_with("demo-dc1-rack"))
            .count(),
        300
    );
}

#[test]
fn several_clusters_have_a_line_each() {
    let views = [healthy(), rolling(), unseen()];
    assert_snapshot!("several", shown(&views, TERMINAL, Detail::Brief));
    assert_snapshot!("several-in-a-pipe", shown(&views, PIPE, Detail::Brief));
}

#[test]
fn colors_say_nothing_that_words_do_not() {
    let plain = layout(TERMINAL, Detail::Brief);
    let colored = Layout {
        ink: Ink::Colored,
        ..plain
    };
    for view in [healthy(), rolling(), operations(), large(), unseen()] {
        let views = [view];
        let mut stripped = String::new();
        let mut escape = false;
        for c in status(&views, &colored).join("\n").chars() {
            match (c, escape) {
                ('\u{1b}', _) => escape = true,
                ('m', true) => escape = false,
                (_, true) => {}
                (c, false) => stripped.push(c),
            }
        }
        assert_eq!(stripped, status(&views, &plain).join("\n"));
    }
}
