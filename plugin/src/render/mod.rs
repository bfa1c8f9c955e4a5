//! Tables as kubectl prints them, from views.

pub(crate) mod layout;
pub(crate) mod pace;
mod progress;
mod status;
mod table;
mod tools;

use casskop_core::view::{ClusterView, NodeView};
use casskop_types::operation::OperationName;
use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;

use crate::follow::elapsed;
pub(crate) use layout::{Detail, Layout};
pub(crate) use pace::Paces;
#[cfg(test)]
pub(crate) use status::fixtures;
pub(crate) use status::status;
pub(crate) use tools::{preview, rows, seeds, tree};

/// kubectl's word for nothing in a cell.
const NONE: &str = "<none>";

/// How far an operation is on each pod.
pub(crate) fn operations(shown: &[(&ClusterView, &NodeView)], name: OperationName, now: Timestamp) -> String {
    let rows = shown.iter().map(|(view, node)| {
        let operation = view.operation(&node.uid, name);
        let started = operation.and_then(|operation| operation.started);
        let ended = operation.and_then(|operation| operation.ended);
        let cell = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
        [
            node.pod.clone(),
            node.rack.to_string(),
            cell(operation.map(|operation| operation.status.to_string())),
            cell(started.map(|started| elapsed(started, now))),
            cell(started.map(|started| elapsed(started, ended.unwrap_or(now)))),
            cell(operation.and_then(|operation| operation.message.clone())),
        ]
    });
    table(["POD", "RACK", "STATUS", "STARTED AGO", "TOOK", "MESSAGE"], rows)
}

fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 3));
    }
    let text: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    text.join("\n")
}
