//! The ring as one of its nodes tells it, with the pods behind the addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::{ClusterView, RackRef};
use crate::observed::RingView;

/// Equal parts of the token ring, for pictures of it: few enough to be drawn, many enough for every node of a usual ring.
pub const SLICES: usize = 60;

/// What a node told of the ring.
#[derive(Debug, Clone, PartialEq)]
pub struct RingFacts {
    /// Pod of the node.
    pub told_by: String,
    /// Members, and what the node takes them for.
    pub ring: RingView,
    /// What each has on its disk, in Cassandra's words.
    pub loads: BTreeMap<IpAddr, String>,
    /// The member at each token.
    pub tokens: BTreeMap<String, IpAddr>,
    /// The share each owns, from 0 to 1.
    pub shares: BTreeMap<IpAddr, f64>,
    /// Of what.
    pub share_of: ShareOf,
}

/// Of what a node owns a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ShareOf {
    /// Of the data, as a replica: all shares of a datacenter are as many wholes as there are replicas.
    Data,
    /// Of the tokens, replicas left aside: keyspaces are replicated in different ways, so there is no one share of the data.
    Tokens,
}

/// The ring.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RingReport {
    /// Pod of the node that told it.
    pub told_by: String,
    /// Of what members own a share.
    pub share_of: ShareOf,
    /// Members and nodes that are joining, by datacenter, rack and pod; those of no pod at the end.
    pub members: Vec<MemberView>,
    /// Which member, by its place in `members`, has each of the [`SLICES`] equal parts of the tokens, from the lowest on: their
    /// middle, where a part has several. Empty where tokens are not Murmur3's.
    pub slices: Vec<usize>,
}

/// One member of the ring.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberView {
    /// Its address.
    pub address: IpAddr,
    /// Its host id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_id: Option<String>,
    /// Its pod, where it is one of this Kubernetes cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Its rack, by the labels of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<RackRef>,
    /// Whether the node that told it takes it for alive.
    pub liveness: Liveness,
    /// Where it is in its life.
    pub state: MemberState,
    /// What it has on its disk, in Cassandra's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<String>,
    /// Number of its tokens.
    pub tokens: usize,
    /// The share it owns, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Whether new nodes come to the ring through it.
    pub seed: bool,
}

/// Whether a node is taken for alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Liveness {
    /// It is.
    Up,
    /// It is not.
    Down,
}

/// Where a node is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MemberState {
    /// In service, as far as it is up.
    Normal,
    /// About to join.
    Joining,
    /// Being decommissioned, or removed.
    Leaving,
    /// Moving to other tokens.
    Moving,
}

impl fmt::Display for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Up => "Up",
            Self::Down => "Down",
        })
    }
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Normal => "Normal",
            Self::Joining => "Joining",
            Self::Leaving => "Leaving",
            Self::Moving => "Moving",
        })
    }
}

impl RingReport {
    /// The ring that a node of the cluster told of.
    pub fn of(cluster: &ClusterView, facts: &RingFacts) -> Self {
        let RingFacts { ring, .. } = facts;
        let addresses: BTreeSet<IpAddr> = ring.host_ids.keys().chain(&ring.joining).copied().collect();
        let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for owner in facts.tokens.values() {
            *counts.entry(*owner).or_default() += 1;
        }
        let place = |member: &MemberView| {
            let nodes = cluster.nodes.iter();
            let mut pods = nodes.map(|node| Some(&node.pod));
            pods.position(|pod| pod == member.pod.as_ref())
                .unwrap_or(usize::MAX)
        };
        let mut members: Vec<MemberView> = addresses
            .into_iter()
            .map(|address| {
                member(
                    cluster,
                    facts,
                    address,
                    counts.get(&address).copied().unwrap_or(0),
                )
            })
            .collect();
        members.sort_by_cached_key(|member| (place(member), member.address));
        Self {
            told_by: facts.told_by.clone(),
            share_of: facts.share_of,
            slices: slices(&facts.tokens, &members),
            members,
        }
    }
}

fn member(cluster: &ClusterView, facts: &RingFacts, address: IpAddr, tokens: usize) -> MemberView {
    let ring = &facts.ring;
    let node = cluster.nodes.iter().find(|node| node.address == Some(address));
    let state = if ring.joining.contains(&address) {
        MemberState::Joining
    } else if ring.leaving.contains(&address) {
        MemberState::Leaving
    } else if ring.moving.contains(&address) {
        MemberState::Moving
    } else {
        MemberState::Normal
    };
    MemberView {
        address,
        host_id: ring.host_ids.get(&address).cloned(),
        pod: node.map(|node| node.pod.clone()),
        rack: node.map(|node| node.rack.clone()),
        liveness: if ring.live.contains(&address) {
            Liveness::Up
        } else {
            Liveness::Down
        },
        state,
        load: facts.loads.get(&address).cloned(),
        tokens,
        share: facts.shares.get(&address).copied(),
        seed: node.is_some_and(|node| node.seed),
    }
}

/// The member at a token owns what lies before it, down to the token before (Cassandra's primary range).
fn slices(tokens: &BTreeMap<String, IpAddr>, members: &[MemberView]) -> Vec<usize> {
    let place = |owner: &IpAddr| members.iter().position(|member| member.address == *owner);
    let owners: Option<BTreeMap<i64, usize>> = tokens
        .iter()
        .map(|(token, owner)| Some((token.parse().ok()?, place(owner)?)))
        .collect();
    let Some(owners) = owners.filter(|owners| !owners.is_empty()) else {
        return Vec::new();
    };
    let lowest = owners.values().next().copied().unwrap_or_default();
    let parts = i128::try_from(SLICES).unwrap_or(i128::MAX);
    (0..parts)
        .map(|part| {
            let middle = i128::from(i64::MIN) + (i128::from(u64::MAX) * (2 * part + 1)) / (2 * parts);
            let middle = i64::try_from(middle).unwrap_or(i64::MAX);
            owners.range(middle..).next().map_or(lowest, |(_, owner)| *owner)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cluster, pod};
    use super::*;

    fn address(number: u8) -> IpAddr {
        [10, 0, 0, number].into()
    }

    /// Two pods of which one is down, a node elsewhere, and one that is joining.
    fn facts() -> RingFacts {
        RingFacts {
            told_by: "demo-dc1-rack1-0".to_owned(),
            ring: RingView {
                live: [address(1), address(9), address(7)].into(),
                unreachable: [address(3)].into(),
                joining: [address(7)].into(),
                leaving: [address(9)].into(),
                moving: BTreeSet::new(),
                host_ids: [(address(1), "a"), (address(3), "b"), (address(9), "c")]
                    .map(|(address, id)| (address, id.to_owned()))
                    .into(),
            },
            loads: [(address(1), "19.98 MiB".to_owned())].into(),
            tokens: [("-4611686018427387904", 1), ("0", 3), ("4611686018427387904", 9)]
                .map(|(token, number)| (token.to_owned(), address(number)))
                .into(),
            shares: [(address(1), 0.5), (address(3), 0.25), (address(9), 0.25)].into(),
            share_of: ShareOf::Tokens,
        }
    }

    fn report(facts: &RingFacts) -> RingReport {
        let pods = [pod(0, "u0", "", "ready"), pod(2, "u2", "", "not ready")];
        RingReport::of(&ClusterView::of(&cluster(), &pods), facts)
    }

    #[test]
    fn members_are_told_with_their_pods_and_those_of_none_last() {
        let told: Vec<String> = report(&facts())
            .members
            .iter()
            .map(|member| {
                let pod = member.pod.as_deref().unwrap_or("-");
                format!(
                    "{} {pod} {} {} {}",
                    member.address, member.liveness, member.state, member.tokens
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                "10.0.0.1 demo-dc1-rack1-0 Up Normal 1",
                "10.0.0.3 demo-dc1-rack1-2 Down Normal 1",
                "10.0.0.7 - Up Joining 0",
                "10.0.0.9 - Up Leaving 1"
            ]
        );
    }

    #[test]
    fn a_part_of_the_ring_belongs_to_the_next_token_and_the_end_to_the_first() {
        let slices = report(&facts()).slices;
        assert_eq!(slices.len(), SLICES);
        let owned = |member: usize| slices.iter().filter(|owner| **owner == member).count();
        assert_eq!([owned(0), owned(1), owned(2), owned(3)], [30, 15, 0, 15]);
        assert_eq!((slices[0], slices[15], slices[30], slices[59]), (0, 1, 3, 0));
    }

    #[test]
    fn tokens_of_another_partitioner_make_no_picture() {
        let mut facts = facts();
        facts
            .tokens
            .insert("85070591730234615865843651857942052864".to_owned(), address(1));
        assert_eq!(report(&facts).slices, [0; 0]);
        facts.tokens.clear();
        assert_eq!(report(&facts).slices, [0; 0]);
    }
}
