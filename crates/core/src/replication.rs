//! How many replicas keyspaces have, and whether the nodes that would remain can hold them.
//!
//! Cassandra counts the same way before it lets a node go (since 4.0; 3.11 does not look). It cannot be left to the
//! node alone: asked to force, it looks at nothing, and unforced it stumbles over its own `system_distributed`.

use std::collections::{BTreeMap, BTreeSet};

/// Keyspaces of Cassandra's own whose rows can be made again: repair history and traces.
const EXPENDABLE: [&str; 2] = ["system_distributed", "system_traces"];

/// Replicas by keyspace, for every keyspace that is replicated between nodes.
pub type Replication = BTreeMap<String, KeyspaceReplicas>;

/// The replicas of one keyspace, read off its token ranges.
///
/// Numbers are bounded by the number of nodes: RF 5 on three nodes counts 3, which is as much as a removal can hurt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyspaceReplicas {
    /// The most replicas that a range has in each datacenter.
    pub per_datacenter: BTreeMap<String, usize>,
    /// The most replicas that a range has altogether.
    pub in_all: usize,
    /// Whether every range has the same number of replicas in a datacenter, as `NetworkTopologyStrategy` places them.
    /// `SimpleStrategy` heeds no datacenter.
    pub placement: Placement,
}

/// What decides where replicas are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Placement {
    /// So many in each datacenter.
    #[default]
    ByDatacenter,
    /// So many, wherever.
    Anywhere,
}

impl KeyspaceReplicas {
    /// Adds up ranges, each given as its number of replicas in each datacenter.
    pub fn of_ranges(ranges: impl IntoIterator<Item = BTreeMap<String, usize>>) -> Self {
        let mut ranges = ranges.into_iter();
        let Some(first) = ranges.next() else {
            return Self::default();
        };
        let mut found = Self {
            in_all: first.values().sum(),
            per_datacenter: first.clone(),
            placement: Placement::ByDatacenter,
        };
        for range in ranges {
            if range != first {
                found.placement = Placement::Anywhere;
            }
            found.in_all = found.in_all.max(range.values().sum());
            for (datacenter, count) in range {
                let most = found.per_datacenter.entry(datacenter).or_default();
                *most = count.max(*most);
            }
        }
        found
    }
}

/// Datacenters that have replicas of some keyspace.
pub fn datacenters(replication: &Replication) -> BTreeSet<&str> {
    let names = replication
        .values()
        .flat_map(|keyspace| keyspace.per_datacenter.keys());
    names.map(String::as_str).collect()
}

/// The nodes that would be left of the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remaining<'a> {
    /// The datacenter that loses nodes.
    pub datacenter: &'a str,
    /// Members left there.
    pub in_datacenter: usize,
    /// Members left in the whole ring.
    pub in_all: usize,
}

/// Whether nodes may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every keyspace keeps the replicas it asks for.
    Fits,
    /// Only expendable keyspaces object: their names.
    Expendable(Vec<String>),
    /// These would lose replicas.
    Short(Vec<Shortage>),
}

/// A keyspace that asks for more replicas than nodes would remain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// The keyspace.
    pub keyspace: String,
    /// Replicas it has now.
    pub has: usize,
    /// Nodes that would remain for them.
    pub remain: usize,
    /// The statement that would make it fit.
    pub remedy: String,
}

/// Judges what would be left.
pub fn verdict(replication: &Replication, remaining: Remaining<'_>) -> Verdict {
    let short = replication
        .iter()
        .filter_map(|(keyspace, replicas)| shortage(keyspace, replicas, remaining));
    let (expendable, short): (Vec<_>, Vec<_>) =
        short.partition(|shortage| EXPENDABLE.contains(&shortage.keyspace.as_str()));
    if !short.is_empty() {
        Verdict::Short(short)
    } else if expendable.is_empty() {
        Verdict::Fits
    } else {
        Verdict::Expendable(expendable.into_iter().map(|shortage| shortage.keyspace).collect())
    }
}

fn shortage(keyspace: &str, replicas: &KeyspaceReplicas, remaining: Remaining<'_>) -> Option<Shortage> {
    let (has, remain) = match replicas.placement {
        Placement::ByDatacenter => (
            replicas
                .per_datacenter
                .get(remaining.datacenter)
                .copied()
                .unwrap_or(0),
            remaining.in_datacenter,
        ),
        Placement::Anywhere => (replicas.in_all, remaining.in_all),
    };
    (has > remain).then(|| Shortage {
        keyspace: keyspace.to_owned(),
        has,
        remain,
        remedy: remedy(keyspace, replicas, remaining),
    })
}

fn remedy(keyspace: &str, replicas: &KeyspaceReplicas, remaining: Remaining<'_>) -> String {
    let options = match replicas.placement {
        Placement::Anywhere => format!(
            "'class': 'SimpleStrategy', 'replication_factor': {}",
            remaining.in_all
        ),
        Placement::ByDatacenter => {
            let mut factors = replicas.per_datacenter.clone();
            factors.insert(remaining.datacenter.to_owned(), remaining.in_datacenter);
            let factors = factors.iter().filter(|(_, factor)| **factor > 0);
            let factors: Vec<_> = factors
                .map(|(dc, factor)| format!(", '{dc}': {factor}"))
                .collect();
            let factors = factors.concat();
            format!("'class': 'NetworkTopologyStrategy'{factors}")
        }
    };
    let name = if keyspace
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    {
        keyspace.to_owned()
    } else {
        format!("\"{keyspace}\"")
    };
    format!("ALTER KEYSPACE {name} WITH replication = {{{options}}}")
}

impl std::fmt::Display for Shortage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            keyspace,
            has,
            remain,
            remedy,
        } = self;
        let nodes = if *remain == 1 { "node" } else { "nodes" };
        write!(
            f,
            "keyspace {keyspace} has {has} replicas and {remain} {nodes} would remain for them: {remedy}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
        counts
            .iter()
            .map(|(dc, count)| ((*dc).to_owned(), *count))
            .collect()
    }

    /// Counts of one range by datacenter.
    type Range<'a> = &'a [(&'a str, usize)];

    fn replication(keyspaces: &[(&str, &[Range<'_>])]) -> Replication {
        let replicas =
            |ranges: &[Range<'_>]| KeyspaceReplicas::of_ranges(ranges.iter().map(|counts| range(counts)));
        keyspaces
            .iter()
            .map(|(name, ranges)| ((*name).to_owned(), replicas(ranges)))
            .collect()
    }

    const ONE_LESS: Remaining<'static> = Remaining {
        datacenter: "dc1",
        in_datacenter: 2,
        in_all: 5,
    };

    #[test]
    fn replicas_that_fit_the_remaining_nodes_hold_nobody_back() {
        let known = replication(&[
            ("shop", &[&[("dc1", 2), ("dc2", 3)]]),
            ("elsewhere", &[&[("dc2", 3)]]),
        ]);
        assert_eq!(verdict(&known, ONE_LESS), Verdict::Fits);
    }

    #[test]
    fn a_keyspace_with_as_many_replicas_as_nodes_holds_the_node_and_says_what_helps() {
        let known = replication(&[
            ("shop", &[&[("dc1", 3), ("dc2", 3)]]),
            ("system_traces", &[&[("dc1", 3)]]),
        ]);
        let Verdict::Short(short) = verdict(&known, ONE_LESS) else {
            panic!("it fits")
        };
        assert_eq!(short.len(), 1, "an expendable keyspace adds nothing");
        assert_eq!(
            short[0].to_string(),
            "keyspace shop has 3 replicas and 2 nodes would remain for them: \
             ALTER KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 2, 'dc2': 3}"
        );
    }

    #[test]
    fn a_datacenter_that_goes_leaves_the_replication() {
        let known = replication(&[("Shop", &[&[("dc1", 1), ("dc2", 3)]])]);
        let none = Remaining {
            datacenter: "dc1",
            in_datacenter: 0,
            in_all: 3,
        };
        let Verdict::Short(short) = verdict(&known, none) else {
            panic!("it fits")
        };
        assert_eq!(
            short[0].remedy,
            "ALTER KEYSPACE \"Shop\" WITH replication = {'class': 'NetworkTopologyStrategy', 'dc2': 3}"
        );
    }

    #[test]
    fn replicas_anywhere_count_in_the_whole_ring() {
        let ranges: &[&[(&str, usize)]] = &[&[("dc1", 3)], &[("dc1", 1), ("dc2", 2)]];
        let known = replication(&[("old", ranges)]);
        assert_eq!(verdict(&known, ONE_LESS), Verdict::Fits);
        let few = Remaining {
            in_all: 2,
            ..ONE_LESS
        };
        let Verdict::Short(short) = verdict(&known, few) else {
            panic!("it fits")
        };
        assert_eq!((short[0].has, short[0].remain), (3, 2));
    }

    #[test]
    fn repair_history_and_traces_are_no_reason_to_keep_a_node() {
        let known = replication(&[
            ("system_distributed", &[&[("dc1", 3)]]),
            ("system_auth", &[&[("dc1", 1)]]),
        ]);
        assert_eq!(
            verdict(&known, ONE_LESS),
            Verdict::Expendable(vec!["system_distributed".to_owned()])
        );
        let auth = replication(&[("system_auth", &[&[("dc1", 3)]])]);
        assert!(matches!(verdict(&auth, ONE_LESS), Verdict::Short(_)));
    }
}
