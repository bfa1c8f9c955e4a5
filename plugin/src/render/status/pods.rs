//! The pods of a cluster.

use casskop_core::view::{ClusterView, NodeView, OperationView, PodState};
use casskop_types::operation::OperationStatus;

use crate::follow::elapsed;
use crate::printer::Tone;
use crate::render::layout::{Detail, Layout};
use crate::render::table::{Cell, Table};

/// As many pods are shown before `-v` asks for all of them: with what else there is they fill a screen.
const FEW: usize = 20;
/// Signs of a host id that tell the nodes of a ring apart; git shows as many of its own ids.
const SHORT_ID: usize = 8;

pub(super) fn lines(view: &ClusterView, layout: &Layout) -> Vec<String> {
    if view.nodes.is_empty() {
        return vec!["No pods.".to_owned()];
    }
    let mut shown: Vec<&NodeView> = view.nodes.iter().collect();
    if layout.detail == Detail::Brief && shown.len() > FEW {
        shown.sort_by_key(|node| interest(view, node));
        shown.retain(|node| interest(view, node) != Interest::Nothing);
        shown.truncate(FEW);
    }
    let mut lines = if shown.is_empty() {
        Vec::new()
    } else {
        table(view, &shown, layout).lines(layout)
    };
    let left_out: Vec<&NodeView> = view
        .nodes
        .iter()
        .filter(|node| !shown.iter().any(|known| known.uid == node.uid))
        .collect();
    if !left_out.is_empty() {
        lines.push(summary(&left_out, &shown));
    }
    lines
}

/// What is looked at first when not every pod is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Interest {
    Down,
    Works,
    Failed,
    Nothing,
}

fn interest(view: &ClusterView, node: &NodeView) -> Interest {
    if node.state != PodState::Ready {
        return Interest::Down;
    }
    match operation(view, node) {
        Some(operation) if operation.is_running() => Interest::Works,
        Some(operation) if operation.status == OperationStatus::Error => Interest::Failed,
        _ => Interest::Nothing,
    }
}

fn summary(left_out: &[&NodeView], shown: &[&NodeView]) -> String {
    let ready = left_out
        .iter()
        .filter(|node| node.state == PodState::Ready)
        .count();
    let more = if shown.is_empty() { "" } else { " more" };
    let states = match left_out.len() - ready {
        0 => "all ready".to_owned(),
        down => format!("{ready} ready, {down} not"),
    };
    format!("{}{more} pods, {states}; -v shows every pod", left_out.len())
}

fn table(view: &ClusterView, shown: &[&NodeView], layout: &Layout) -> Table {
    const BRIEF: [&str; 6] = ["POD", "STATE", "ADDRESS", "HOST ID", "RESTARTS", "OPERATION"];
    const WIDE: [&str; 9] = [
        "POD",
        "STATE",
        "ADDRESS",
        "HOST ID",
        "RESTARTS",
        "OPERATION",
        "AGE",
        "IMAGE",
        "MACHINE",
    ];
    let wide = layout.detail == Detail::Everything;
    let mut table = if wide {
        Table::new(&WIDE)
    } else {
        Table::new(&BRIEF).spare(&["RESTARTS", "HOST ID", "ADDRESS"])
    };
    for node in shown {
        let mut cells = vec![
            node.pod.as_str().into(),
            state(node.state),
            node.address.map(|address| address.to_string()).into(),
            node.host_id.as_deref().map(|id| host_id(id, layout)).into(),
            node.restarts.to_string().into(),
            operation(view, node).map_or_else(|| None.into(), told),
        ];
        if wide {
            cells.extend([
                node.created.map(|created| elapsed(created, layout.now)).into(),
                node.image_tag.clone().into(),
                node.machine.clone().into(),
            ]);
        }
        table.row(cells);
    }
    table
}

/// A host id in full where there is room for it.
fn host_id(id: &str, layout: &Layout) -> String {
    if layout.detail == Detail::Everything {
        id.to_owned()
    } else {
        id.chars().take(SHORT_ID).collect()
    }
}

fn state(state: PodState) -> Cell {
    let tone = match state {
        PodState::Ready => Tone::Good,
        PodState::NotReady | PodState::Terminating => Tone::Busy,
        PodState::NotRunning => Tone::Bad,
    };
    Cell::toned(tone, &state)
}

/// The operation of a pod that says most: what runs, else what waits, else what failed.
fn operation<'a>(view: &'a ClusterView, node: &NodeView) -> Option<&'a OperationView> {
    let weight = |operation: &OperationView| match operation.status {
        _ if operation.is_running() => Some(0),
        _ if operation.is_queued() => Some(1),
        OperationStatus::Error => Some(2),
        _ => None,
    };
    view.operations
        .iter()
        .filter(|operation| operation.pod_uid == node.uid)
        .filter_map(|operation| Some((weight(operation)?, operation)))
        .min_by_key(|(weight, _)| *weight)
        .map(|(_, operation)| operation)
}

fn told(operation: &OperationView) -> Cell {
    let text = format!("{} {}", operation.name, operation.status);
    let tone = if operation.status == OperationStatus::Error {
        Tone::Bad
    } else {
        Tone::Busy
    };
    Cell::toned(tone, &text)
}
