//! A cluster in the states that tests show.

use casskop_core::view::ClusterView;
use casskop_types::CassandraCluster;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// A cluster `demo` of two racks with this status.
pub(crate) fn cluster(nodes_per_rack: i32, status: Value) -> CassandraCluster {
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
pub(crate) fn pod(rack: &str, ordinal: usize) -> Value {
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

pub(crate) fn pods(nodes_per_rack: usize) -> Vec<Value> {
    let of = |rack: &'static str| (0..nodes_per_rack).map(move |ordinal| pod(rack, ordinal));
    of("rack1").chain(of("rack2")).collect()
}

pub(crate) fn with_labels(mut pod: Value, labels: &Value) -> Value {
    for (key, value) in labels.as_object().unwrap() {
        pod["metadata"]["labels"][key] = value.clone();
    }
    pod
}

pub(crate) fn view(cluster: &CassandraCluster, pods: Vec<Value>) -> ClusterView {
    let pods: Vec<Pod> = pods
        .into_iter()
        .map(|pod| serde_json::from_value(pod).unwrap())
        .collect();
    ClusterView::of(cluster, &pods)
}

pub(crate) fn rack(action: &str, status: &str, operations: &Value) -> Value {
    json!({
        "phase": "Running", "releaseVersion": "5.0.9", "operations": operations,
        "cassandraLastAction": { "name": action, "status": status, "startTime": "2026-11-21T08:05:55Z" },
    })
}

pub(crate) fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({ "type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-11-21T08:06:48Z" })
}

pub(crate) fn host_ids() -> Value {
    json!({
        "demo-dc1-rack1-0": { "hostId": "5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1", "nodeIp": "10.0.1.1" },
        "demo-dc1-rack2-0": { "hostId": "c7a10fe2-7b1f-4a4e-8d5b-2f1f0f4f9a02", "nodeIp": "10.0.2.1" },
    })
}

pub(crate) fn healthy() -> ClusterView {
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
pub(crate) fn rolling() -> ClusterView {
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

/// 10 GiB to go through, of which so many percent are done.
fn with_progress(mut record: Value, percent: i64) -> Value {
    const TOTAL: i64 = 10 << 30;
    record["progress"] = json!({
        "completed": TOTAL / 100 * percent, "total": TOTAL, "unit": "bytes", "percent": percent,
    });
    record
}

/// A rolling restart of both racks, and a cleanup after it: what an operator reports, by the seconds since it began.
pub(crate) fn maintenance() -> Vec<(i64, ClusterView)> {
    let down = |pod: &str| {
        let message =
            format!("pod {pod} is not ready: if it stays so, see `kubectl logs {pod} --container cassandra`");
        condition("Waiting", "True", "NodeNotReady", &message)
    };
    let nothing = || condition("Waiting", "False", "NothingPending", "nothing waits");
    let restart = |states: [&str; 2], waiting: Value, not_ready: Option<usize>| {
        let unfinished = states.iter().find(|state| **state != "Done");
        let status = json!({
            "phase": if not_ready.is_some() { "Pending" } else { "Running" },
            "lastClusterAction": "RollingRestart", "lastClusterActionStatus": unfinished.unwrap_or(&"Done"),
            "cassandraNodeStatus": host_ids(), "conditions": [waiting],
            "cassandraRackStatus": {
                "dc1-rack1": rack("RollingRestart", states[0], &json!([])),
                "dc1-rack2": rack("RollingRestart", states[1], &json!([])),
            },
        });
        let mut pods = pods(1);
        if let Some(place) = not_ready {
            pods[place]["status"]["conditions"][0]["status"] = json!("False");
        }
        view(&cluster(1, status), pods)
    };
    let ended = |mut record: Value| {
        record["state"] = json!("Done");
        record["endTime"] = json!("2026-11-21T08:09:17Z");
        record
    };
    let cleanup = |percent: Option<i64>| {
        let record = json!({
            "id": "1", "name": "cleanup", "pod": "demo-dc1-rack1-0", "podUid": "rack1-0", "attempt": 1,
            "state": "Ongoing", "startTime": "2026-11-21T08:07:55Z",
        });
        let records = match percent {
            Some(percent) => [with_progress(record, percent)],
            None => [ended(record)],
        };
        let status = json!({
            "phase": "Running", "lastClusterAction": "RollingRestart", "lastClusterActionStatus": "Done",
            "cassandraNodeStatus": host_ids(), "conditions": [nothing()],
            "cassandraRackStatus": {
                "dc1-rack1": rack("RollingRestart", "Done", &json!(records)),
                "dc1-rack2": rack("RollingRestart", "Done", &json!([])),
            },
        });
        view(&cluster(1, status), pods(1))
    };
    let second_rack_began = |mut restarting: ClusterView| {
        if let Some(action) = restarting.racks.get_mut(1).and_then(|rack| rack.action.as_mut()) {
            action.started = "2026-11-21T08:06:50Z".parse().ok();
        }
        restarting
    };
    vec![
        (0, restart(["ToDo", "ToDo"], nothing(), None)),
        (2, restart(["Ongoing", "ToDo"], down("demo-dc1-rack1-0"), Some(0))),
        (
            55,
            second_rack_began(restart(["Done", "Ongoing"], nothing(), None)),
        ),
        (
            57,
            second_rack_began(restart(["Done", "Ongoing"], down("demo-dc1-rack2-0"), Some(1))),
        ),
        (110, restart(["Done", "Done"], nothing(), None)),
        (120, cleanup(Some(0))),
        (130, cleanup(Some(12))),
        (140, cleanup(Some(25))),
        (200, cleanup(Some(99))),
        (202, cleanup(None)),
    ]
}

/// A cleanup runs on one pod, waits on another, and has failed on a third.
pub(crate) fn operations() -> ClusterView {
    let record = |pod: &str, uid: &str, state: &str, message: Value| {
        let end = (state == "Error").then_some("2026-11-21T08:07:00Z");
        json!({
            "id": pod, "name": "cleanup", "pod": pod, "podUid": uid, "attempt": 1, "state": state,
            "startTime": "2026-11-21T08:06:48Z", "endTime": end, "message": message,
        })
    };
    let records = json!([
        with_progress(record("demo-dc1-rack1-0", "rack1-0", "Ongoing", Value::Null), 37),
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
pub(crate) fn of_casskop() -> ClusterView {
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
pub(crate) fn large() -> ClusterView {
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
pub(crate) fn unseen() -> ClusterView {
    view(&cluster(1, Value::Null), vec![])
}
