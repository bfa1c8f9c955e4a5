//! Keyspaces: how they are replicated and what was written to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::identity::{HostId, Location, Release};
use super::partitions::{Partitions, Token};

/// Replication of a keyspace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "class")]
pub enum Replication {
    /// `LocalStrategy`: every node has data of its own, which is never moved.
    LocalStrategy,
    /// `EverywhereStrategy`: every node is a replica.
    EverywhereStrategy,
    /// `SimpleStrategy`: the next nodes on the ring, whatever their data centre.
    SimpleStrategy {
        /// Number of replicas.
        replication_factor: u32,
    },
    /// `NetworkTopologyStrategy`: replicas counted per data centre, on distinct racks where it can be done.
    NetworkTopologyStrategy {
        /// Number of replicas in each data centre that has any.
        replicas: BTreeMap<String, u32>,
    },
}

impl Replication {
    /// `NetworkTopologyStrategy` from pairs of data centre and replication factor.
    pub fn by_dc<D: Into<String>>(replicas: impl IntoIterator<Item = (D, u32)>) -> Self {
        Self::NetworkTopologyStrategy {
            replicas: replicas
                .into_iter()
                .map(|(dc, factor)| (dc.into(), factor))
                .collect(),
        }
    }

    /// Whether data of the keyspace moves between nodes at all.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::LocalStrategy)
    }

    /// How many replicas are wanted in a data centre; for a strategy blind to data centres, in all.
    pub fn factor_in(&self, dc: &str) -> u32 {
        match self {
            Self::LocalStrategy | Self::EverywhereStrategy => 1,
            Self::SimpleStrategy { replication_factor } => *replication_factor,
            Self::NetworkTopologyStrategy { replicas } => replicas.get(dc).copied().unwrap_or(0),
        }
    }

    /// The replicas of the data at `token`. `ring` is sorted by token.
    pub(super) fn replicas(&self, ring: &[RingEntry<'_>], token: Token) -> Vec<HostId> {
        let start = ring.partition_point(|entry| entry.token < token);
        let clockwise = || ring[start..].iter().chain(&ring[..start]);
        match self {
            Self::LocalStrategy => Vec::new(),
            Self::EverywhereStrategy => distinct(clockwise(), usize::MAX),
            Self::SimpleStrategy { replication_factor } => distinct(
                clockwise(),
                usize::try_from(*replication_factor).unwrap_or(usize::MAX),
            ),
            Self::NetworkTopologyStrategy { replicas } => replicas
                .iter()
                .flat_map(|(dc, factor)| {
                    let in_dc = clockwise().filter(|entry| entry.location.dc == *dc);
                    rack_aware(in_dc, usize::try_from(*factor).unwrap_or(usize::MAX))
                })
                .collect(),
        }
    }
}

/// One token of the ring, with its node.
#[derive(Clone, Copy, Debug)]
pub(super) struct RingEntry<'a> {
    pub(super) token: Token,
    pub(super) host: HostId,
    pub(super) location: &'a Location,
}

fn distinct<'a>(entries: impl Iterator<Item = &'a RingEntry<'a>>, wanted: usize) -> Vec<HostId> {
    let mut chosen = Vec::new();
    for entry in entries {
        if chosen.len() >= wanted {
            break;
        }
        if !chosen.contains(&entry.host) {
            chosen.push(entry.host);
        }
    }
    chosen
}

/// Cassandra's rule: walk clockwise, take the first node of each rack; nodes of racks already used are skipped and
/// fill up at the end, in the order they were met.
fn rack_aware<'a>(entries: impl Iterator<Item = &'a RingEntry<'a>>, wanted: usize) -> Vec<HostId> {
    let (mut chosen, mut skipped, mut racks) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        if chosen.len() >= wanted {
            return chosen;
        }
        if chosen.contains(&entry.host) || skipped.contains(&entry.host) {
            continue;
        }
        if racks.contains(&entry.location.rack.as_str()) {
            skipped.push(entry.host);
        } else {
            racks.push(entry.location.rack.as_str());
            chosen.push(entry.host);
        }
    }
    let missing = wanted.saturating_sub(chosen.len());
    chosen.extend(skipped.into_iter().take(missing));
    chosen
}

/// A keyspace and the partitions that were ever written to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Keyspace {
    /// How it is replicated.
    pub replication: Replication,
    /// What was written to it.
    pub written: Partitions,
    /// Its tables.
    pub tables: Vec<String>,
}

impl Keyspace {
    /// A keyspace with one table, `t`, and data in every partition.
    pub fn full(replication: Replication) -> Self {
        Self {
            replication,
            written: Partitions::ALL,
            tables: vec!["t".to_owned()],
        }
    }
}

/// What one node has on disk of one keyspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Holding {
    /// The partitions on disk, owned or not.
    pub partitions: Partitions,
    /// The oldest release whose format any of its `SSTables` is in.
    pub format: Release,
}

/// Keyspaces every node brings along, with the replication they have before anybody alters it.
pub(super) fn system_keyspaces() -> BTreeMap<String, Keyspace> {
    let keyspace = |replication, written, tables: &[&str]| Keyspace {
        replication,
        written,
        tables: tables.iter().map(|&table| table.to_owned()).collect(),
    };
    let simple = |replication_factor| Replication::SimpleStrategy { replication_factor };
    [
        (
            "system",
            keyspace(
                Replication::LocalStrategy,
                Partitions::NONE,
                &["local", "peers_v2"],
            ),
        ),
        (
            "system_schema",
            keyspace(
                Replication::LocalStrategy,
                Partitions::NONE,
                &["keyspaces", "tables"],
            ),
        ),
        (
            "system_auth",
            keyspace(simple(1), Partitions::first(1), &["roles", "role_permissions"]),
        ),
        (
            "system_distributed",
            keyspace(simple(3), Partitions::NONE, &["repair_history"]),
        ),
        (
            "system_traces",
            keyspace(simple(2), Partitions::NONE, &["sessions", "events"]),
        ),
    ]
    .into_iter()
    .map(|(name, keyspace)| (name.to_owned(), keyspace))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(dc: &str, rack: &str) -> Location {
        Location {
            dc: dc.to_owned(),
            rack: rack.to_owned(),
        }
    }

    #[test]
    fn replicas_are_spread_over_racks_before_a_rack_is_used_twice() {
        let hosts: Vec<HostId> = ["a", "b", "c", "d"].map(HostId::of_disk).to_vec();
        let (one, two) = (location("dc1", "r1"), location("dc1", "r2"));
        let entry = |token, host: usize, location| RingEntry {
            token,
            host: hosts[host],
            location,
        };
        let ring = [
            entry(10, 0, &one),
            entry(20, 1, &one),
            entry(30, 2, &two),
            entry(40, 3, &two),
        ];
        let replicas = |factor, token| Replication::by_dc([("dc1", factor)]).replicas(&ring, token);

        assert_eq!(
            replicas(2, 5),
            [hosts[0], hosts[2]],
            "the second node shares the first one's rack"
        );
        assert_eq!(
            replicas(3, 5),
            [hosts[0], hosts[2], hosts[1]],
            "a third replica fills up in ring order"
        );
        assert_eq!(replicas(2, 45), [hosts[0], hosts[2]], "the ring wraps");
        assert_eq!(
            Replication::by_dc([("dc2", 3)]).replicas(&ring, 5),
            [],
            "no node of that data centre"
        );
        let simple = Replication::SimpleStrategy {
            replication_factor: 2,
        };
        assert_eq!(simple.replicas(&ring, 15), [hosts[1], hosts[2]]);
    }
}
