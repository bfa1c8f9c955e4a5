//! `cassandra-rackdc.properties`, read by `GossipingPropertyFileSnitch`.

use super::{Files, Node, Notice, Tree, scalar_text, sorted};

const FILE: &str = "cassandra-rackdc.properties";

/// Writes the datacenter and the rack, and what the user adds, over the stock file.
pub fn render(files: &mut Files, tree: &Tree, node: &Node, notices: &mut Vec<Notice>) {
    let text = files.entry(FILE.to_owned()).or_default();
    for (key, value) in tree
        .block("cassandra-rackdc-properties")
        .map(sorted)
        .unwrap_or_default()
    {
        match (key, scalar_text(value)) {
            ("prefer_local" | "dc_suffix", Some(value)) => *text = with_property(text, key, &value),
            ("dc" | "rack", _) => notices.push(Notice::NotUsable {
                file: FILE,
                key: key.to_owned(),
                why: "follows from spec.topology, left out",
            }),
            _ => notices.push(Notice::NotUsable {
                file: FILE,
                key: key.to_owned(),
                why: "is not known, left out",
            }),
        }
    }
    *text = with_property(text, "dc", &tree.datacenter);
    *text = with_property(text, "rack", &node.rack);
}

/// The property in the place where the file first sets it, or at the end.
fn with_property(text: &str, key: &str, value: &str) -> String {
    let sets = |line: &&str| line.split('=').next().is_some_and(|name| name.trim() == key);
    let place = text
        .lines()
        .position(|line| sets(&line))
        .unwrap_or(text.lines().count());
    let before = text.lines().take(place);
    let after = text.lines().skip(place).filter(|line| !sets(line));
    let property = format!("{key}={value}");
    before
        .chain([property.as_str()])
        .chain(after)
        .fold(String::new(), |out, line| out + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_set_once() {
        assert_eq!(
            with_property("# dc=x\ndc = dc1\nrack=r\ndc=dc2\n", "dc", "dc3"),
            "# dc=x\ndc=dc3\nrack=r\n"
        );
        assert_eq!(with_property("", "rack", "rack1"), "rack=rack1\n");
    }
}
