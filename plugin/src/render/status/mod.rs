//! What clusters are and do, for `status`.

#[cfg(test)]
pub(crate) mod fixtures;
mod operations;
mod pods;
#[cfg(test)]
mod tests;

use casskop_core::view::{ActionView, ClusterView, RackView, Waiting};
use casskop_types::status::{ActionStatus, Phase};

use super::NONE;
use super::layout::{Detail, Layout};
use super::pace::Paces;
use super::table::{Cell, Table};
use crate::follow::elapsed;
use crate::printer::Tone;

/// Column at which the values of a cluster begin.
const VALUES: usize = 12;
/// As many troubles are told before `-v` asks for all of them.
const FEW_TROUBLES: usize = 6;

/// One cluster in full; of several a line each, unless more is asked for.
pub(crate) fn status(views: &[ClusterView], paces: &Paces, layout: &Layout) -> Vec<String> {
    if views.len() > 1 && layout.detail == Detail::Brief {
        return list(views, layout);
    }
    let full: Vec<Vec<String>> = views.iter().map(|view| one(view, paces, layout)).collect();
    full.join(&String::new())
}

/// A line a cluster, and what those wait for that wait.
fn list(views: &[ClusterView], layout: &Layout) -> Vec<String> {
    let mut table = Table::new(&[
        "NAMESPACE",
        "NAME",
        "HEALTH",
        "PHASE",
        "NODES",
        "ACTION",
        "CASSANDRA",
        "AGE",
    ])
    .spare(&["CASSANDRA", "AGE", "PHASE"]);
    for view in views {
        table.row(vec![
            view.namespace.as_str().into(),
            view.name.as_str().into(),
            health(view),
            phase(view.phase),
            view.node_count.to_string().into(),
            view.action
                .map(|action| format!("{} {}", action.name, action.status))
                .into(),
            Some(view.releases.join(","))
                .filter(|releases| !releases.is_empty())
                .into(),
            view.created.map(|created| elapsed(created, layout.now)).into(),
        ]);
    }
    let mut lines = table.lines(layout);
    for view in views {
        let Some(waiting) = &view.waiting else { continue };
        let text = format!(
            "{}/{} waits ({}): {}",
            view.namespace,
            view.name,
            why(waiting, layout),
            waiting.message
        );
        lines.push(String::new());
        lines.extend(layout.wrapped(&text, 2));
    }
    lines
}

/// Itself, its racks, its pods, its operations.
fn one(view: &ClusterView, paces: &Paces, layout: &Layout) -> Vec<String> {
    let mut lines = itself(view, layout);
    lines.push(String::new());
    lines.extend(racks(view, layout));
    for part in [pods::lines(view, layout), operations::lines(view, paces, layout)] {
        if !part.is_empty() {
            lines.push(String::new());
            lines.extend(part);
        }
    }
    lines
}

fn itself(view: &ClusterView, layout: &Layout) -> Vec<String> {
    let mut lines = Vec::new();
    let mut value = |name: &str, tone: Option<Tone>, text: &str| {
        let wrapped = layout.wrapped(text, VALUES);
        for (index, line) in wrapped.into_iter().enumerate() {
            let name = if index == 0 {
                format!("{name:<VALUES$}")
            } else {
                String::new()
            };
            let line = tone.map_or_else(|| line.clone(), |tone| layout.paint(tone, &line));
            lines.push(format!("{name}{line}"));
        }
    };
    value(
        "Cluster:",
        None,
        &format!("{} (namespace {})", view.name, view.namespace),
    );
    if let Some(waiting) = &view.waiting {
        value("Waiting:", Some(Tone::Busy), &why(waiting, layout));
        value("", Some(Tone::Busy), &waiting.message);
    }
    let few = if layout.detail == Detail::Brief {
        FEW_TROUBLES
    } else {
        usize::MAX
    };
    let (troubles, left_out) = view.troubles.split_at(view.troubles.len().min(few));
    match troubles.split_first() {
        None => value("Health:", Some(Tone::Good), "healthy"),
        Some((first, rest)) => {
            value("Health:", Some(Tone::Bad), &format!("not healthy: {first}"));
            for trouble in rest {
                value("", Some(Tone::Bad), trouble);
            }
        }
    }
    if !left_out.is_empty() {
        value(
            "",
            Some(Tone::Bad),
            &format!("and {} more; -v shows all", left_out.len()),
        );
    }
    value("Phase:", None, view.phase.map_or(NONE, Phase::as_str));
    value(
        "Nodes:",
        None,
        &format!("{} of {} ready", view.node_count.ready, view.node_count.wanted),
    );
    if let Some(action) = view.action {
        value("Action:", None, &format!("{} {}", action.name, action.status));
    }
    if !view.releases.is_empty() {
        value("Cassandra:", None, &view.releases.join(", "));
    }
    if let Some(created) = view.created {
        value("Age:", None, &elapsed(created, layout.now));
    }
    lines
}

fn why(waiting: &Waiting, layout: &Layout) -> String {
    format!("{} for {}", waiting.reason, elapsed(waiting.since, layout.now))
}

fn racks(view: &ClusterView, layout: &Layout) -> Vec<String> {
    let mut table = Table::new(&["RACK", "PHASE", "READY", "ACTION", "OPERATION"]).spare(&["PHASE"]);
    for rack in &view.racks {
        let ready = rack.nodes.to_string();
        table.row(vec![
            rack.rack.to_string().into(),
            phase(rack.phase),
            if rack.nodes.ready < rack.nodes.wanted {
                Cell::toned(Tone::Bad, &ready)
            } else {
                ready.into()
            },
            action(rack, layout),
            operations::of_rack(view, rack, layout).into(),
        ]);
    }
    table.lines(layout)
}

fn action(rack: &RackView, layout: &Layout) -> Cell {
    let Some(action) = &rack.action else {
        return if rack.restart_asked {
            Cell::toned(Tone::Busy, &"RollingRestart asked")
        } else {
            None.into()
        };
    };
    let told = format!("{} {}", action.name, action.status);
    match (running_since(action), layout.detail) {
        (Some(since), _) => Cell::toned(Tone::Busy, &format!("{told} {}", elapsed(since, layout.now))),
        (None, _) if rack.restart_asked => Cell::toned(Tone::Busy, &format!("{told}, RollingRestart asked")),
        (None, Detail::Everything) => match action.ended {
            Some(ended) => format!("{told} {} ago", elapsed(ended, layout.now)).into(),
            None => told.into(),
        },
        (None, Detail::Brief | Detail::Pods) => told.into(),
    }
}

fn running_since(action: &ActionView) -> Option<jiff::Timestamp> {
    let runs = action.is_pending() && action.status != ActionStatus::ToDo;
    action.started.filter(|_| runs)
}

fn health(view: &ClusterView) -> Cell {
    if view.is_healthy() {
        Cell::toned(Tone::Good, &"healthy")
    } else {
        Cell::toned(Tone::Bad, &"not healthy")
    }
}

fn phase(phase: Option<Phase>) -> Cell {
    match phase {
        None => None.into(),
        Some(Phase::Running) => Phase::Running.as_str().into(),
        Some(other) => Cell::toned(Tone::Busy, &other),
    }
}
