//! Which seeds a node starts with.
//!
//! # What Cassandra does with seeds
//!
//! * A node that finds **itself** among its seeds never bootstraps: it takes tokens and joins without streaming. On the very
//!   first node of a ring that is needed, on any other node without data it loses data silently.
//! * Before it starts, a node asks its seeds (and the peers it remembers) for the ring's state. If **none answers**, it stops
//!   with `Unable to gossip with any peers` — unless it is among its own seeds. After a whole ring went down, somebody
//!   must therefore be its own seed, or nobody ever comes back.
//! * A node that has once completed its bootstrap does not bootstrap again; being its own seed is then harmless.
//!
//! So whether a node may be its own seed hangs on what is on its disk. No init container can see that disk (the pod
//! template mounts it in the Cassandra container only), so the decision is taken in that container, before each start of the
//! JVM, by a line in `cassandra-env.sh`. `CassKop` decided in the init container by a connection attempt: a ring whose nodes all
//! restarted at once came back as several rings of one (Orange-OpenSource/casskop #384), and a node that met a name server
//! out of order founded a ring of its own (cscetbon/casskop #149).
//!
//! # The decision
//!
//! | disk | standing | other nodes | ring is known to have formed | seeds |
//! |---|---|---|---|---|
//! | joined | any | any | any | the complete list, itself included if it is listed |
//! | empty or joining | any | some answer | any | the others |
//! | empty or joining | any | names do not resolve for now | any | wait |
//! | empty | first, not replacing | silent | no | the complete list: it founds the ring |
//! | empty | first, not replacing | nobody there, or silent for long | unknown | the complete list: it founds the ring |
//! | empty | first, not replacing | silent | unknown | wait |
//! | empty | first | silent | yes | wait: it lost its disk |
//! | empty | seed or member, or replacing | silent | any | wait |
//! | joining | any | silent | any | wait: half of its data is elsewhere |
//!
//! A node that waits for too long gives up with a message, and the kubelet starts the container again.
//!
//! It follows that a JVM runs on an empty disk only if it founds the ring or another node answered it, so a node that answers
//! is proof of a ring. And a node with data starts whatever the others do, as its own seed if it is listed; the rest find
//! these. Both together keep one ring one.

use std::fmt;
use std::net::IpAddr;

/// Decides by the table in the module's documentation.
pub fn decide_seeds(facts: Facts) -> SeedDecision {
    use SeedDecision::{CompleteList, ThroughOthers, Wait};
    let Facts {
        disk,
        standing,
        others,
        history,
        joining_as,
    } = facts;
    match (disk, others) {
        (Disk::Joined, _) => CompleteList,
        (Disk::Empty | Disk::Joining, Others::Answered) => ThroughOthers,
        (Disk::Empty | Disk::Joining, Others::NamesUnavailable) => Wait(Waiting::ForNames),
        (Disk::Joining, Others::Silent { .. }) => Wait(Waiting::ToFinishJoining),
        (Disk::Empty, Others::Silent { for_long }) => match (joining_as, standing, history, for_long) {
            (JoiningAs::Replacement, ..) => Wait(Waiting::ToReplace),
            (JoiningAs::NewMember, Standing::Listed | Standing::Unlisted, ..) => Wait(Waiting::ForAnyNode),
            (JoiningAs::NewMember, Standing::First, History::Formed, _) => Wait(Waiting::AfterLosingTheDisk),
            (JoiningAs::NewMember, Standing::First, History::NotFormed, _)
            | (
                JoiningAs::NewMember,
                Standing::First,
                History::Unknown,
                Silence::Long | Silence::NobodyThere,
            ) => CompleteList,
            (JoiningAs::NewMember, Standing::First, History::Unknown, Silence::Short) => {
                Wait(Waiting::ToBeSureNobodyAnswers)
            }
        },
    }
}

/// What is known when a JVM is about to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// What the node's disk holds.
    pub disk: Disk,
    /// The node's place in the seed list.
    pub standing: Standing,
    /// What the other nodes say.
    pub others: Others,
    /// Whether the operator has recorded that the ring exists.
    pub history: History,
    /// Whether the node takes the place of another.
    pub joining_as: JoiningAs,
}

/// What a node's data directories say of its membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// No node has ever run on it.
    Empty,
    /// A node began to join the ring through others on it, and was not seen to end that.
    Joining,
    /// A member's data.
    Joined,
}

/// A node's place in the static seed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The first entry: the one node that may found the ring.
    First,
    /// A later entry.
    Listed,
    /// Not in the list.
    Unlisted,
}

/// What the attempts to reach any other node of the ring came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// At least one JVM accepts connections.
    Answered,
    /// The name service does not answer, so nothing is known.
    NamesUnavailable,
    /// No JVM accepts connections.
    Silent {
        /// For how long, and whether there are pods at all.
        for_long: Silence,
    },
}

/// How much a silence tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// There are other pods, and they may be about to start.
    Short,
    /// There are other pods, and they had the time to start.
    Long,
    /// Name service knows no other pod: this is the first of its cluster.
    NobodyThere,
}

/// What the operator's ConfigMap says about the ring's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum History {
    /// It has formed before.
    Formed,
    /// It has never formed.
    NotFormed,
    /// The ConfigMap could not be read.
    Unknown,
}

/// In whose place a node joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoiningAs {
    /// Its own.
    NewMember,
    /// A dead node's.
    Replacement,
}

/// The seeds to start with, if it may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeedDecision {
    /// The static list as it is.
    CompleteList,
    /// The static list without the node itself.
    ThroughOthers,
    /// Not now.
    Wait(Waiting),
}

/// Why a node does not start yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// The name service is out of order.
    ForNames,
    /// A new member needs one running node to join through.
    ForAnyNode,
    /// A bootstrap was interrupted, and the nodes it streamed from are gone.
    ToFinishJoining,
    /// A replacement streams from the others.
    ToReplace,
    /// The first seed without its data is a new member like any other.
    AfterLosingTheDisk,
    /// The first seed, and the other pods may just be slower.
    ToBeSureNobodyAnswers,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForNames => "the name service does not answer, and founding a second ring must be ruled out",
            Self::ForAnyNode => "this node has no data and joins through another, and none answers",
            Self::ToFinishJoining => "this node was joining when it stopped, and no other node answers",
            Self::ToReplace => "this node replaces another and streams from the rest, and none answers",
            Self::AfterLosingTheDisk => {
                "this first seed has no data although the ring has formed before: it joins like a new node, and no other answers"
            }
            Self::ToBeSureNobodyAnswers => "this first seed has no data, and the other pods do not answer yet",
        })
    }
}

/// The static seed list as one node sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedList {
    entries: Vec<String>,
    own: Option<usize>,
    address: String,
}

impl SeedList {
    /// Reads `CASSANDRA_SEEDS`. The node's own entry is the one that is its address, or that its full name begins with
    /// (entries are `<pod>.<cluster>.<namespace>`, the full name goes on with `.svc.` and the cluster's domain).
    pub fn parse(seeds: &str, address: &str, full_name: Option<&str>) -> Self {
        let entries: Vec<String> = seeds
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::to_owned)
            .collect();
        let own = entries.iter().position(|entry| {
            let host = host_of(entry);
            same_address(host, address)
                || full_name.is_some_and(|name| {
                    let rest = name.strip_prefix(host.trim_end_matches('.'));
                    host.contains('.') && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                })
        });
        Self {
            entries,
            own,
            address: address.to_owned(),
        }
    }

    /// The node's place in the list.
    pub fn standing(&self) -> Standing {
        match self.own {
            Some(0) => Standing::First,
            Some(_) => Standing::Listed,
            None => Standing::Unlisted,
        }
    }

    /// The entries of other nodes.
    pub fn others(&self) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .enumerate()
            .filter(|(place, _)| Some(*place) != self.own)
            .map(|(_, entry)| entry.as_str())
    }

    /// True if there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries, as `cassandra.yaml` holds them. The node's own is its address: its name may still resolve to the
    /// address of the pod before this one, and then it would not recognise itself.
    pub fn complete(&self) -> String {
        let entries = self.entries.iter().enumerate();
        entries
            .map(|(place, entry)| {
                if Some(place) == self.own {
                    &self.address
                } else {
                    entry
                }
            })
            .cloned()
            .collect::<Vec<_>>()
            .join(",")
    }

    /// The others' entries, and `also` if no listed seed is among those that answered.
    pub fn through_others(&self, answered: &[Peer]) -> String {
        let mut list: Vec<String> = self.others().map(str::to_owned).collect();
        if !answered.iter().any(|peer| matches!(peer, Peer::Seed(_))) {
            list.extend(answered.iter().map(|peer| match peer {
                Peer::Seed(entry) => entry.clone(),
                Peer::Member(address) => address.to_string(),
            }));
        }
        list.join(",")
    }
}

/// Another node of the ring, as it was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// By its entry in the seed list.
    Seed(String),
    /// By its address, from the cluster's headless Service.
    Member(IpAddr),
}

/// The host of a seed entry: Cassandra takes `host`, `host:port` and `[v6]:port`.
pub fn host_of(entry: &str) -> &str {
    if let Some(rest) = entry.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => entry,
    }
}

/// The port of a seed entry, if it has one.
pub fn port_of(entry: &str) -> Option<u16> {
    let rest = match entry.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once("]:")?.1,
        None => entry.split_once(':').filter(|(_, port)| !port.contains(':'))?.1,
    };
    rest.parse().ok()
}

/// Compares as addresses, not as text: `::1` and `0:0::1` are the same, `10.0.0.1` and `10.0.0.11` are not.
pub fn same_address(one: &str, other: &str) -> bool {
    match (one.parse::<IpAddr>(), other.parse::<IpAddr>()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Disk::{Empty, Joined, Joining};
    use History::{Formed, NotFormed, Unknown};
    use Others::{Answered, NamesUnavailable};
    use SeedDecision::{CompleteList, ThroughOthers, Wait};
    use Standing::{First, Listed, Unlisted};

    const SHORT: Others = Others::Silent {
        for_long: Silence::Short,
    };
    const LONG: Others = Others::Silent {
        for_long: Silence::Long,
    };
    const NOBODY: Others = Others::Silent {
        for_long: Silence::NobodyThere,
    };

    fn decide(disk: Disk, standing: Standing, others: Others, history: History) -> SeedDecision {
        decide_seeds(Facts {
            disk,
            standing,
            others,
            history,
            joining_as: JoiningAs::NewMember,
        })
    }

    #[test]
    fn fresh_cluster() {
        assert_eq!(decide(Empty, First, NOBODY, Unknown), CompleteList);
        assert_eq!(
            decide(Empty, First, SHORT, Unknown),
            Wait(Waiting::ToBeSureNobodyAnswers)
        );
        assert_eq!(decide(Empty, First, LONG, Unknown), CompleteList);
        assert_eq!(decide(Empty, First, SHORT, NotFormed), CompleteList);
        for standing in [Listed, Unlisted] {
            for silent in [SHORT, LONG, NOBODY] {
                assert_eq!(
                    decide(Empty, standing, silent, NotFormed),
                    Wait(Waiting::ForAnyNode)
                );
            }
            assert_eq!(decide(Empty, standing, Answered, NotFormed), ThroughOthers);
        }
    }

    #[test]
    fn every_node_of_a_ring_that_went_down_comes_back_alone() {
        for standing in [First, Listed, Unlisted] {
            for others in [Answered, NamesUnavailable, SHORT, LONG, NOBODY] {
                for history in [Formed, NotFormed, Unknown] {
                    assert_eq!(decide(Joined, standing, others, history), CompleteList);
                }
            }
        }
    }

    #[test]
    fn a_seed_that_lost_its_disk_bootstraps() {
        for standing in [First, Listed] {
            for history in [Formed, Unknown] {
                assert_eq!(decide(Empty, standing, Answered, history), ThroughOthers);
            }
        }
        for silent in [SHORT, LONG, NOBODY] {
            assert_eq!(
                decide(Empty, First, silent, Formed),
                Wait(Waiting::AfterLosingTheDisk)
            );
        }
    }

    #[test]
    fn an_interrupted_bootstrap_goes_on_through_others_only() {
        for standing in [First, Listed, Unlisted] {
            assert_eq!(decide(Joining, standing, Answered, Unknown), ThroughOthers);
            for silent in [SHORT, LONG, NOBODY] {
                assert_eq!(
                    decide(Joining, standing, silent, NotFormed),
                    Wait(Waiting::ToFinishJoining)
                );
            }
        }
    }

    #[test]
    fn a_failing_name_service_founds_no_ring() {
        for disk in [Empty, Joining] {
            for history in [Formed, NotFormed, Unknown] {
                assert_eq!(
                    decide(disk, First, NamesUnavailable, history),
                    Wait(Waiting::ForNames)
                );
            }
        }
    }

    #[test]
    fn a_replacement_never_founds_a_ring() {
        for history in [Formed, NotFormed, Unknown] {
            for others in [SHORT, LONG, NOBODY] {
                let facts = Facts {
                    disk: Empty,
                    standing: First,
                    others,
                    history,
                    joining_as: JoiningAs::Replacement,
                };
                assert_eq!(decide_seeds(facts), Wait(Waiting::ToReplace));
            }
        }
    }

    #[test]
    fn the_own_entry_is_found_by_name_or_address() {
        let seeds = "demo-dc1-rack1-0.demo.ns,demo-dc1-rack1-1.demo.ns, demo-dc1-rack1-10.demo.ns";
        let at = |name: &str| SeedList::parse(seeds, "10.0.0.1", Some(name)).own;
        assert_eq!(at("demo-dc1-rack1-0.demo.ns.svc.cluster.local"), Some(0));
        assert_eq!(at("demo-dc1-rack1-1.demo.ns.svc.cluster.local"), Some(1));
        assert_eq!(at("demo-dc1-rack1-10.demo.ns.svc.cluster.local"), Some(2));
        assert_eq!(at("demo-dc1-rack1-2.demo.ns.svc.cluster.local"), None);
        assert_eq!(at("demo-dc1-rack1-0.demo.ns2.svc.cluster.local"), None);
        assert_eq!(
            SeedList::parse("10.0.0.11,10.0.0.1:7000", "10.0.0.1", None).own,
            Some(1)
        );
        assert_eq!(SeedList::parse("[fd00::1]:7000", "fd00:0::1", None).own, Some(0));
        assert_eq!(
            SeedList::parse("demo-dc1-rack1-0", "10.0.0.1", Some("demo-dc1-rack1-0.demo")).own,
            None
        );
    }

    #[test]
    fn lists_as_cassandra_gets_them() {
        let list = SeedList::parse(
            "a.demo.ns,b.demo.ns,c.demo.ns",
            "10.0.0.1",
            Some("b.demo.ns.svc.x"),
        );
        assert_eq!(list.standing(), Listed);
        assert_eq!(list.complete(), "a.demo.ns,10.0.0.1,c.demo.ns");
        let member = Peer::Member("10.0.0.7".parse().unwrap());
        assert_eq!(
            list.through_others(&[Peer::Seed("a.demo.ns".into()), member.clone()]),
            "a.demo.ns,c.demo.ns"
        );
        assert_eq!(
            list.through_others(std::slice::from_ref(&member)),
            "a.demo.ns,c.demo.ns,10.0.0.7"
        );
        let lone = SeedList::parse("a.demo.ns", "10.0.0.1", Some("a.demo.ns"));
        assert_eq!(lone.through_others(&[member]), "10.0.0.7");
    }

    #[test]
    fn hosts_and_ports_of_entries() {
        for (entry, host, port) in [
            ("a.b", "a.b", None),
            ("a.b:7000", "a.b", Some(7000)),
            ("10.0.0.1:7000", "10.0.0.1", Some(7000)),
            ("fd00::1", "fd00::1", None),
            ("[fd00::1]:7000", "fd00::1", Some(7000)),
        ] {
            assert_eq!((host_of(entry), port_of(entry)), (host, port), "{entry}");
        }
    }
}
