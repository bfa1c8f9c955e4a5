//! Tables as kubectl prints them, from views; parts of objects by kubectl's templates.

mod jsonpath;

pub(crate) mod layout;
pub(crate) mod pace;
mod printable;
mod progress;
mod ring;
mod status;
mod table;
mod tasks;
mod tools;

use casskop_core::view::{ClusterView, NodeView, OperationView};
use casskop_types::operation::OperationName;
use jiff::Timestamp;

pub(crate) use jsonpath::{JsonPath, JsonPathError};

use crate::follow::elapsed;
pub(crate) use layout::{Detail, Layout};
pub(crate) use pace::Paces;
pub(crate) use printable::{painted, printable};
pub(crate) use ring::ring;
#[cfg(test)]
pub(crate) use status::fixtures;
pub(crate) use status::status;
use table::{Cell, Table};
pub(crate) use tasks::{schedules, task, task_name, tasks};
pub(crate) use tools::{preview, rows, seeds, tree};

/// kubectl's word for nothing in a cell.
const NONE: &str = "<none>";

/// How much of each thing a table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Columns {
    Usual,
    /// `-o wide`.
    All,
}

/// How far an operation is on each pod.
pub(crate) fn operations(
    shown: &[(&ClusterView, &NodeView)],
    name: OperationName,
    columns: Columns,
    now: Timestamp,
) -> String {
    let cell = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
    let rows = shown.iter().map(|(view, node)| {
        let operation = view.operation(&node.uid, name);
        let started = operation.and_then(|operation| operation.started);
        let ended = operation.and_then(|operation| operation.ended);
        let mut row = vec![
            node.pod.clone(),
            node.rack.to_string(),
            cell(operation.map(|operation| operation.status.to_string())),
            cell(started.map(|started| elapsed(started, now))),
            cell(started.map(|started| elapsed(started, ended.unwrap_or(now)))),
        ];
        if columns == Columns::All {
            row.push(cell(operation.and_then(OperationView::about)));
            row.push(cell(node.address.map(|address| address.to_string())));
            row.push(cell(node.host_id.clone()));
        }
        row.push(cell(operation.and_then(|operation| operation.message.clone())));
        row
    });
    match columns {
        Columns::Usual => table(&["POD", "RACK", "STATUS", "STARTED AGO", "TOOK", "MESSAGE"], rows),
        Columns::All => table(
            &[
                "POD",
                "RACK",
                "STATUS",
                "STARTED AGO",
                "TOOK",
                "ARGUMENT",
                "ADDRESS",
                "HOST ID",
                "MESSAGE",
            ],
            rows,
        ),
    }
}

fn table<R>(header: &[&'static str], rows: impl Iterator<Item = R>) -> String
where
    R: IntoIterator<Item = String>,
{
    let mut table = Table::new(header);
    for row in rows {
        table.row(row.into_iter().map(Cell::from).collect());
    }
    table.whole()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::printer::Ink;

    #[test]
    fn what_others_wrote_does_not_reach_the_terminal_as_control_sequences() {
        let table = table(
            &["MESSAGE"],
            ["x\u{1b}[2J\r".to_owned()].into_iter().map(|cell| [cell]),
        );
        assert_eq!(table, "MESSAGE\nx\u{fffd}[2J\u{fffd}");
        assert_eq!(super::rows(&[["\u{9b}2J".to_owned()]]), "\u{fffd}2J");
        let mut cluster = fixtures::rolling();
        cluster.waiting.as_mut().unwrap().message = "no\u{1b}[31m room".to_owned();
        cluster.releases = vec!["5\u{1b}]0;x\u{7}".to_owned()];
        cluster.nodes[0].machine = Some("w\u{1b}c".to_owned());
        for ink in [Ink::Plain, Ink::Colored] {
            let layout = Layout {
                width: None,
                ink,
                detail: Detail::Everything,
                now: "2026-11-21T08:10:00Z".parse().unwrap(),
            };
            let lines = status(&[cluster.clone()], &Paces::default(), &layout).join("\n");
            for foreign in ["no\u{1b}", "5\u{1b}", "w\u{1b}", "\u{7}"] {
                assert!(!lines.contains(foreign), "{foreign:?} in {lines:?}");
            }
            assert!(lines.contains("no\u{fffd}[31m room"), "{lines:?}");
        }
    }

    #[test]
    fn wide_shows_what_tells_nodes_apart() {
        let cluster = serde_yaml::from_str(
            "{metadata: {name: demo, namespace: data}, spec: {}, status: {cassandraNodeStatus: {
               demo-dc1-rack1-0: {hostId: 5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1, nodeIp: 10.0.0.1}}}}",
        )
        .unwrap();
        let pod = |ordinal: u8, labels: &str| {
            serde_yaml::from_str(&format!(
                "{{metadata: {{name: demo-dc1-rack1-{ordinal}, uid: u{ordinal}, labels: {{cassandracluster: demo,
                   cassandraclusters.db.orange.com.dc: dc1, cassandraclusters.db.orange.com.rack: rack1{labels}}}}},
                   status: {{phase: Running, podIP: 10.0.0.{ordinal}}}}}"
            ))
            .unwrap()
        };
        let labels = ", operation-name: rebuild, operation-status: Ongoing, operation-argument: dc2, operation-start: 20261121T080000";
        let view = ClusterView::of(&cluster, &[pod(0, labels), pod(1, "")]);
        let shown: Vec<_> = view.nodes.iter().map(|node| (&view, node)).collect();
        let now = "2026-11-21T08:01:30Z".parse().unwrap();
        assert_snapshot!(operations(&shown, OperationName::Rebuild, Columns::Usual, now), @r"
            POD                RACK        STATUS    STARTED AGO   TOOK     MESSAGE
            demo-dc1-rack1-0   dc1.rack1   Ongoing   1m30s         1m30s    <none>
            demo-dc1-rack1-1   dc1.rack1   <none>    <none>        <none>   <none>
        ");
        assert_snapshot!(operations(&shown, OperationName::Rebuild, Columns::All, now), @r"
            POD                RACK        STATUS    STARTED AGO   TOOK     ARGUMENT   ADDRESS    HOST ID                                MESSAGE
            demo-dc1-rack1-0   dc1.rack1   Ongoing   1m30s         1m30s    dc2        10.0.0.0   5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1   <none>
            demo-dc1-rack1-1   dc1.rack1   <none>    <none>        <none>   <none>     10.0.0.1   <none>                                 <none>
        ");
    }
}
