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
            Self::ToBeSureNobodyAnswers => "this first seed has no data, and it is not certain yet that no other node is there",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Disk::{Empty, Joined, Joining};
    use History::{Formed, NotFormed, Unknown};
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
    fn a_jvm_that_starts_is_proof_of_a_ring() {
        for disk in [Empty, Joining] {
            for standing in [First, Listed, Unlisted] {
                for history in [Formed, NotFormed, Unknown] {
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
}
