//! How far a node is with its work: the attributes of `CompactionManager` and `StreamManager`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::attributes::STORAGE_PORT;
use crate::ring::{CallId, NodeView, Partitions, Session, Stream, derived_uuid};

/// Bytes on disk a partition of the model stands for.
pub(super) const BYTES_PER_PARTITION: u64 = 64 * 1024;

pub(super) fn compaction_manager(view: NodeView<'_>, attribute: &str) -> Option<Value> {
    let five = view.node().release.at_least(5, 0);
    let compactions = view.ring().calls().filter(|(_, call)| call.host == view.host());
    let compactions = compactions.filter_map(|(id, call)| {
        let (task, keyspace) = call.operation.compaction()?;
        Some((id, keyspace, task.description(five)))
    });
    match attribute {
        "Compactions" => Some(
            compactions
                .map(|(id, keyspace, task)| running(view, id, keyspace, task))
                .collect(),
        ),
        "CompactionSummary" => {
            let line = |(_, keyspace, task)| {
                let (table, total) = table_of(view, keyspace);
                Value::from(format!("{task}@{keyspace}({table}, 0/{total})bytes"))
            };
            Some(compactions.map(line).collect())
        }
        "CoreCompactorThreads" => Some(2.into()),
        _ => None,
    }
}

/// One entry of `Compactions`: texts throughout.
fn running(view: NodeView<'_>, id: CallId, keyspace: &str, task: &str) -> Value {
    let (table, total) = table_of(view, keyspace);
    let directory = format!(
        "/var/lib/cassandra/data/{keyspace}/{table}-{}",
        table_id(keyspace, &table)
    );
    let five = view.node().release.at_least(5, 0);
    let reader = if five {
        "BigTableReader:big"
    } else {
        "BigTableReader"
    };
    let mut entry = json!({
        "id": derived_uuid(&format!("table {keyspace}.{table}")),
        "compactionId": derived_uuid(&format!("compaction {}", id.0)),
        "keyspace": keyspace,
        "columnfamily": table,
        "taskType": task,
        "completed": "0",
        "total": total.to_string(),
        "unit": "bytes",
        "sstables": format!("{reader}(path='{directory}/nb-1-big-Data.db')"),
    });
    if five {
        entry["targetDirectory"] = format!("{directory}/nb-2-big-Data.db").into();
        entry["totalCompressed"] = total.to_string().into();
    }
    entry
}

/// A keyspace's table that stands for all of them, and the bytes a node holds of it.
fn table_of(view: NodeView<'_>, keyspace: &str) -> (String, u64) {
    let known = view.ring().keyspaces().get(keyspace);
    let table = known
        .and_then(|known| known.tables.first())
        .cloned()
        .unwrap_or_default();
    (table, bytes(view.node().held(keyspace)))
}

fn table_id(keyspace: &str, table: &str) -> String {
    derived_uuid(&format!("table {keyspace}.{table}")).replace('-', "")
}

pub(super) fn bytes(partitions: Partitions) -> u64 {
    u64::from(partitions.len()) * BYTES_PER_PARTITION
}

pub(super) fn streams(view: NodeView<'_>) -> Value {
    let plans = view.ring().streams(view.host()).into_iter();
    plans.map(|plan| stream_state(view, &plan)).collect()
}

/// The composite Cassandra makes of a `StreamState`: nothing has moved yet.
fn stream_state(view: NodeView<'_>, plan: &Stream) -> Value {
    let total = |moved: fn(&Session) -> &BTreeMap<String, Partitions>| -> u64 {
        plan.sessions
            .iter()
            .flat_map(moved)
            .map(|(_, partitions)| bytes(*partitions))
            .sum()
    };
    let (receives, sends) = (
        total(|session| &session.receives),
        total(|session| &session.sends),
    );
    let percentage = |total: u64| if total == 0 { 100.0 } else { 0.0 };
    let sessions: Vec<Value> = plan
        .sessions
        .iter()
        .map(|session| stream_session(view, plan, session))
        .collect();
    json!({
        "planId": plan.plan,
        "description": plan.description,
        "currentRxBytes": 0,
        "totalRxBytes": receives,
        "rxPercentage": percentage(receives),
        "currentTxBytes": 0,
        "totalTxBytes": sends,
        "txPercentage": percentage(sends),
        "sessions": sessions,
    })
}

fn stream_session(view: NodeView<'_>, plan: &Stream, session: &Session) -> Value {
    let tables = |moved: &BTreeMap<String, Partitions>| -> Vec<(String, String, u64)> {
        let table = |(keyspace, partitions): (&String, &Partitions)| {
            (keyspace.clone(), table_of(view, keyspace).0, bytes(*partitions))
        };
        moved.iter().map(table).collect()
    };
    let summaries = |moved: &[(String, String, u64)]| -> Vec<Value> {
        let summary = |(keyspace, table, size): &(String, String, u64)| json!({"files": 1, "tableId": derived_uuid(&format!("table {keyspace}.{table}")), "totalSize": size});
        moved.iter().map(summary).collect()
    };
    let files = |moved: &[(String, String, u64)], direction: &str| -> Vec<Value> {
        let file = |(keyspace, table, size): &(String, String, u64)| {
            json!({
                "planId": plan.plan, "sessionIndex": 0, "peer": session.peer.to_string(),
                "peer storage port": STORAGE_PORT, "direction": direction,
                "fileName": format!("{keyspace}/{table}-0"), "currentBytes": 0, "totalBytes": size,
            })
        };
        moved.iter().map(file).collect()
    };
    let (receives, sends) = (tables(&session.receives), tables(&session.sends));
    json!({
        "planId": plan.plan,
        "peer": session.peer.to_string(),
        "peer_port": STORAGE_PORT,
        "connecting": session.peer.to_string(),
        "connecting_port": STORAGE_PORT,
        "sessionIndex": 0,
        "state": "PREPARING",
        "receivingFiles": files(&receives, "IN"),
        "receivingSummaries": summaries(&receives),
        "sendingFiles": files(&sends, "OUT"),
        "sendingSummaries": summaries(&sends),
    })
}
