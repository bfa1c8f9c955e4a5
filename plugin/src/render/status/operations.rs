//! The operations on nodes: those that run, those that wait for their turn, those that failed.

use casskop_core::view::{ClusterView, OperationView, RackView};
use casskop_types::operation::OperationStatus;

use crate::follow::elapsed;
use crate::printer::Tone;
use crate::render::layout::{Detail, Layout};
use crate::render::pace::Paces;
use crate::render::progress::{bar, in_numbers};
use crate::render::table::{Cell, Table};

/// As many operations are shown before `-v` asks for all of them.
const FEW: usize = 10;

pub(super) fn lines(view: &ClusterView, paces: &Paces, layout: &Layout) -> Vec<String> {
    let mut operations: Vec<&OperationView> = view
        .operations
        .iter()
        .filter(|operation| layout.detail == Detail::Everything || !has_ended_well(operation))
        .collect();
    operations.sort_by_key(|operation| place(operation));
    let shown = if layout.detail == Detail::Brief {
        FEW
    } else {
        usize::MAX
    };
    let (shown, left_out) = operations.split_at(operations.len().min(shown));
    if shown.is_empty() {
        return Vec::new();
    }
    let mut lines = table(shown, layout).lines(layout);
    for operation in shown {
        let speed = paces.speed(operation, layout.now);
        let numbers = operation
            .progress
            .as_ref()
            .and_then(|progress| in_numbers(progress, speed));
        for told in [numbers, operation.message.clone()].into_iter().flatten() {
            let text = format!("{} on {}: {told}", operation.name, operation.pod);
            lines.extend(layout.wrapped(&text, 2));
        }
    }
    if !left_out.is_empty() {
        let count =
            |of: fn(&OperationView) -> bool| left_out.iter().filter(|operation| of(operation)).count();
        let states = [
            (count(OperationView::is_running), "running"),
            (count(OperationView::is_queued), "queued"),
            (count(has_failed), "failed"),
        ];
        let states: Vec<String> = states
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, state)| format!("{number} {state}"))
            .collect();
        lines.push(format!(
            "{} more operations: {}; -v shows all",
            left_out.len(),
            states.join(", ")
        ));
    }
    lines
}

fn has_ended_well(operation: &OperationView) -> bool {
    operation.status == OperationStatus::Done
}

fn has_failed(operation: &OperationView) -> bool {
    operation.status == OperationStatus::Error
}

fn place(operation: &OperationView) -> usize {
    match operation.status {
        _ if operation.is_running() => 0,
        OperationStatus::Error => 1,
        _ if operation.is_queued() => 2,
        _ => 3,
    }
}

fn table(shown: &[&OperationView], layout: &Layout) -> Table {
    let bar_of = |operation: &OperationView| operation.progress.as_ref().and_then(bar);
    let has_bars = shown.iter().any(|operation| bar_of(operation).is_some());
    let abouts: Vec<Option<String>> = shown.iter().map(|operation| operation.about()).collect();
    let has_arguments = abouts.iter().any(Option::is_some);
    let mut header = vec!["OPERATION", "POD", "STATUS", "FOR"];
    if has_bars {
        header.push("PROGRESS");
    }
    if has_arguments {
        header.push("ARGUMENT");
    }
    let mut table = Table::new(&header).spare(&["ARGUMENT", "FOR"]);
    for (operation, about) in shown.iter().zip(abouts) {
        let ended = operation.ended.unwrap_or(layout.now);
        let mut cells = vec![
            operation.name.as_str().into(),
            operation.pod.as_str().into(),
            status(operation),
            operation.started.map(|started| elapsed(started, ended)).into(),
        ];
        if has_bars {
            cells.push(bar_of(operation).into());
        }
        if has_arguments {
            cells.push(about.into());
        }
        table.row(cells);
    }
    table
}

fn status(operation: &OperationView) -> Cell {
    let tone = match operation.status {
        OperationStatus::Error => Tone::Bad,
        OperationStatus::Done => Tone::Good,
        _ => Tone::Busy,
    };
    Cell::toned(tone, &operation.status)
}

/// What goes on in a rack, in a few words.
pub(super) fn of_rack(view: &ClusterView, rack: &RackView, layout: &Layout) -> Option<String> {
    let of_rack = |operation: &&OperationView| {
        let mut nodes = view.nodes.iter().filter(|node| node.rack == rack.rack);
        nodes.any(|node| node.uid == operation.pod_uid)
    };
    let operations: Vec<&OperationView> = view.operations.iter().filter(of_rack).collect();
    let running: Vec<&&OperationView> = operations
        .iter()
        .filter(|operation| operation.is_running())
        .collect();
    let queued = operations
        .iter()
        .filter(|operation| operation.is_queued())
        .count();
    let runs = match running.as_slice() {
        // CassKop tells of it in the status of the rack alone.
        [] => rack.operation.as_ref().map(|operation| match operation.started {
            Some(started) => format!("{} {}", operation.name, elapsed(started, layout.now)),
            None => operation.name.to_string(),
        }),
        [one] => Some(
            match (
                one.progress.as_ref().and_then(|progress| progress.percent),
                one.started,
            ) {
                (Some(percent), _) => format!("{} {percent}%", one.name),
                (None, Some(started)) => format!("{} {}", one.name, elapsed(started, layout.now)),
                (None, None) => one.name.to_string(),
            },
        ),
        [first, ..] => Some(format!("{} on {} pods", first.name, running.len())),
    };
    match (runs, queued) {
        (None, 0) => None,
        (Some(runs), 0) => Some(runs),
        (None, queued) => Some(format!("{queued} queued")),
        (Some(runs), queued) => Some(format!("{runs}, {queued} queued")),
    }
}
