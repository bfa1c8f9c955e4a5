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
//! | empty or joining | any | JVMs run, but none takes part in the ring yet | any | wait |
//! | empty or joining | any | names do not resolve for now | any | wait |
//! | empty | first, not replacing | silent | no | the complete list: it founds the ring |
//! | empty | first, not replacing | nobody there, or silent for long | unknown | the complete list: it founds the ring |
//! | empty | first, not replacing | silent | unknown | wait |
//! | empty | first, not replacing | nobody there | could not be asked | the complete list: it founds the ring |
//! | empty | first, not replacing | silent, however long | could not be asked | wait |
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
        (Disk::Empty | Disk::Joining, Others::Starting) => Wait(Waiting::ForNodesToStart),
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
            )
            | (JoiningAs::NewMember, Standing::First, History::Unreachable, Silence::NobodyThere) => {
                CompleteList
            }
            (JoiningAs::NewMember, Standing::First, History::Unknown, Silence::Short) => {
                Wait(Waiting::ToBeSureNobodyAnswers)
            }
            (JoiningAs::NewMember, Standing::First, History::Unreachable, Silence::Short | Silence::Long) => {
                Wait(Waiting::ForTheRecord)
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
    /// At least one node accepts connections of other nodes.
    Answered,
    /// At least one JVM runs, but none accepts connections of other nodes: it replays its commit log, or drains.
    Starting,
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
    /// Nothing says: there is no ConfigMap yet, or the pod may not read it.
    Unknown,
    /// The API server did not answer, as happens when all machines start at once. It may well know.
    Unreachable,
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
    /// There is a ring, and its nodes are about to start.
    ForNodesToStart,
    /// A new member needs one running node to join through.
    ForAnyNode,
    /// A bootstrap was interrupted, and the nodes it streamed from are gone.
    ToFinishJoining,
    /// A replacement streams from the others.
    ToReplace,
    /// The first seed without its data is a new member like any other.
    AfterLosingTheDisk,
    /// The first seed, other pods exist, and the API server did not say whether the ring has formed.
    ForTheRecord,
    /// The first seed, and the other pods may just be slower.
    ToBeSureNobodyAnswers,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForNames => "the name service does not answer, and founding a second ring must be ruled out",
            Self::ForNodesToStart => "this node joins through another, and the others are still starting",
            Self::ForAnyNode => "this node has no data and joins through another, and none answers",
            Self::ToFinishJoining => "this node was joining when it stopped, and no other node answers",
            Self::ToReplace => "this node replaces another and streams from the rest, and none answers",
            Self::AfterLosingTheDisk => {
                "this first seed has no data although the ring has formed before: it joins like a new node, and no other answers"
            }
            Self::ForTheRecord => {
                "this first seed has no data, and when its pod started the API server did not answer whether the ring has formed before; no other node answers, so delete the pod to have it asked again"
            }
            Self::ToBeSureNobodyAnswers => "this first seed has no data, and it is not certain yet that no other node is there",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Disk::{Empty, Joined, Joining};
    use History::{Formed, NotFormed, Unknown, Unreachable};
    use Others::{Answered, NamesUnavailable, Starting};
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
            for others in [Answered, Starting, NamesUnavailable, SHORT, LONG, NOBODY] {
                for history in [Formed, NotFormed, Unknown, Unreachable] {
                    assert_eq!(decide(Joined, standing, others, history), CompleteList);
                }
            }
        }
    }

    #[test]
    fn a_seed_that_lost_its_disk_bootstraps() {
        for standing in [First, Listed] {
            for history in [Formed, Unknown, Unreachable] {
                assert_eq!(decide(Empty, standing, Answered, history), ThroughOthers);
            }
        }
        for silent in [SHORT, LONG] {
            assert_eq!(
                decide(Empty, First, silent, Unreachable),
                Wait(Waiting::ForTheRecord)
            );
        }
        assert_eq!(decide(Empty, First, NOBODY, Unreachable), CompleteList);
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
            for history in [Formed, NotFormed, Unknown, Unreachable] {
                assert_eq!(
                    decide(disk, First, NamesUnavailable, history),
                    Wait(Waiting::ForNames)
                );
            }
        }
    }

    #[test]
    fn a_jvm_that_starts_is_proof_of_a_ring() {
        for disk in [Empty, Joining] {
            for standing in [First, Listed, Unlisted] {
                for history in [Formed, NotFormed, Unknown, Unreachable] {
                    assert_eq!(
                        decide(disk, standing, Starting, history),
                        Wait(Waiting::ForNodesToStart)
                    );
                }
            }
        }
    }

    #[test]
    fn a_replacement_never_founds_a_ring() {
        for history in [Formed, NotFormed, Unknown, Unreachable] {
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

    /// All machines restart at once, and come back in any order or not at all; any of the disks may be lost with its machine.
    /// What comes up starts when it is allowed to, given who runs by then. In a ring that is known to have formed nobody
    /// founds another one, and all that come up find each other once one with data does.
    #[test]
    fn a_full_restart_ends_in_one_ring_whatever_is_lost() {
        const NODES: usize = 4;
        let standings = [First, Listed, Listed, Unlisted];
        // Each node: gone with its machine, back with an empty disk, half joined, or back with its data.
        for case in 0..4_usize.pow(4) {
            let fate: Vec<Option<Disk>> = (0..4_u32)
                .map(|node| [None, Some(Empty), Some(Joining), Some(Joined)][case / 4_usize.pow(node) % 4])
                .collect();
            for order in orders() {
                let mut starts: Vec<Option<SeedDecision>> = vec![None; NODES];
                // Twice as many rounds as nodes: whoever waits looks again.
                for node in order.iter().copied().cycle().take(2 * NODES * NODES) {
                    let Some(disk) = fate[node].filter(|_| starts[node].is_none()) else {
                        continue;
                    };
                    let others = if starts.iter().any(Option::is_some) {
                        Answered
                    } else {
                        LONG
                    };
                    match decide(disk, standings[node], others, Formed) {
                        Wait(_) => {}
                        decision => starts[node] = Some(decision),
                    }
                }
                let data = fate.contains(&Some(Joined));
                for (node, start) in starts.iter().enumerate() {
                    let expected = match fate[node] {
                        Some(Joined) => Some(CompleteList),
                        Some(Empty | Joining) if data => Some(ThroughOthers),
                        _ => None,
                    };
                    assert_eq!(*start, expected, "{fate:?} in order {order:?}, node {node}");
                }
            }
        }
    }

    /// All orders of four nodes.
    fn orders() -> Vec<[usize; 4]> {
        let all = (0..256).map(|code| [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6 & 3]);
        all.filter(|order| (0..4).all(|node| order.contains(&node)))
            .collect()
    }
}
