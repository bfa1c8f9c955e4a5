//! Tables of the verbs that only look.

use casskop_core::preview::RackChange;
use casskop_core::view::seeds::SeedView;
use casskop_core::view::tree::Branch;

use super::{NONE, table};

/// Seeds, and what their names resolve to.
pub(crate) fn seeds(seeds: &[SeedView]) -> String {
    let none = || NONE.to_owned();
    let rows = seeds.iter().map(|seed| {
        [
            seed.seed.clone(),
            seed.rack.as_ref().map_or_else(none, ToString::to_string),
            seed.state.map_or_else(none, |state| state.to_string()),
            seed.address.map_or_else(none, |address| address.to_string()),
            match &seed.resolves_to {
                None => "<unknown>".to_owned(),
                Some(addresses) if addresses.is_empty() => none(),
                Some(addresses) => addresses.join(","),
            },
        ]
    });
    table(&["SEED", "RACK", "STATE", "ADDRESS", "RESOLVES TO"], rows)
}

/// What racks would go through.
pub(crate) fn preview(racks: &[RackChange]) -> String {
    let rows = racks.iter().map(|rack| {
        let actions: Vec<String> = rack.actions.iter().map(ToString::to_string).collect();
        [
            rack.rack.to_string(),
            actions.join(", "),
            if rack.nodes == rack.wanted {
                rack.nodes.to_string()
            } else {
                format!("{} -> {}", rack.nodes, rack.wanted)
            },
            rack.restarts.to_string(),
            if rack.fields.is_empty() {
                NONE.to_owned()
            } else {
                rack.fields.join(", ")
            },
        ]
    });
    table(&["RACK", "ACTIONS", "NODES", "RESTARTS", "CHANGED FIELDS"], rows)
}

/// Objects under objects.
pub(crate) fn tree(root: &Branch) -> String {
    let mut rows = Vec::new();
    branches(root, "", "", &mut rows);
    table(&["OBJECT", "READY", "STATE"], rows.into_iter())
}

fn branches(branch: &Branch, before: &str, below: &str, rows: &mut Vec<[String; 3]>) {
    let ready = match branch.ready {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    };
    rows.push([
        format!("{before}{}/{}", branch.kind, branch.name),
        ready.to_owned(),
        branch.state.clone(),
    ]);
    let last = branch.children.len().saturating_sub(1);
    for (place, child) in branch.children.iter().enumerate() {
        let (corner, line) = if place == last {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        branches(
            child,
            &format!("{below}{corner}"),
            &format!("{below}{line}"),
            rows,
        );
    }
}

/// Rows without a header.
pub(crate) fn rows<const N: usize>(rows: &[[String; N]]) -> String {
    table(&[], rows.iter().cloned())
}
