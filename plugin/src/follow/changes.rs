//! What has changed from one view to the next, a line each: for files and pipes, and for screen readers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use casskop_core::view::{ClusterView, NodeView, OperationView, RackView};

/// What was told last of everything there is.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    told: BTreeMap<String, String>,
}

impl Changes {
    /// Lines for what is new, other or gone since the last views.
    pub(crate) fn since_last(&mut self, views: &[ClusterView]) -> Vec<String> {
        let now: BTreeMap<String, String> = views.iter().flat_map(facts).collect();
        let changed = now
            .iter()
            .filter(|(what, how)| self.told.get(*what) != Some(*how))
            .map(|(what, how)| format!("{what}: {how}"));
        let gone = self.told.keys().filter(|what| !now.contains_key(*what));
        let lines = changed.chain(gone.map(|what| format!("{what}: gone"))).collect();
        self.told = now;
        lines
    }
}

/// What a view tells, by what it tells it of.
fn facts(view: &ClusterView) -> Vec<(String, String)> {
    let name = format!("{}/{}", view.namespace, view.name);
    let mut facts = vec![
        (format!("cluster {name}"), cluster(view)),
        (
            format!("cluster {name} waits"),
            view.waiting.as_ref().map_or_else(
                || "for nothing".to_owned(),
                |waiting| format!("{}: {}", waiting.reason, waiting.message),
            ),
        ),
    ];
    facts.extend(
        view.racks
            .iter()
            .map(|known| (format!("rack {} of {name}", known.rack), rack(known))),
    );
    facts.extend(
        view.nodes
            .iter()
            .map(|known| (format!("pod {}", known.pod), node(known))),
    );
    facts.extend(view.operations.iter().map(|known| {
        let what = format!("{} on {}", known.name, known.pod);
        (what, operation(known))
    }));
    facts
}

fn cluster(view: &ClusterView) -> String {
    let phase = view
        .phase
        .map_or("not taken up by an operator", |phase| phase.as_str());
    let mut text = format!("{phase}, {} nodes ready", view.node_count);
    if let Some(action) = view.action {
        let _ = write!(text, ", {} {}", action.name, action.status);
    }
    text
}

fn rack(rack: &RackView) -> String {
    let mut text = format!("{} nodes ready", rack.nodes);
    if let Some(action) = &rack.action {
        let _ = write!(text, ", {} {}", action.name, action.status);
    }
    if rack.restart_asked {
        text.push_str(", RollingRestart asked");
    }
    text
}

fn node(node: &NodeView) -> String {
    let mut text = node.trouble.clone().unwrap_or_else(|| node.state.to_string());
    if let Some(address) = node.address {
        let _ = write!(text, ", {address}");
    }
    if node.restarts > 0 {
        let _ = write!(text, ", restarted {} times", node.restarts);
    }
    text
}

/// Progress is news every ten percent.
fn operation(operation: &OperationView) -> String {
    let percent = operation.progress.as_ref().and_then(|progress| progress.percent);
    let mut text = operation.status.to_string();
    if let Some(percent) = percent {
        let _ = write!(text, ", at least {}% done", percent / 10 * 10);
    }
    if let Some(message) = &operation.message {
        let _ = write!(text, ", {message}");
    }
    text
}
