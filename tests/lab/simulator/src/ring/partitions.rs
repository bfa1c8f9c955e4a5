//! The token space, cut to a size that can be counted: 64 partitions, each with one token.
//!
//! Sixty-four partitions are few enough for a state to be compared and hashed cheaply, and many enough that every
//! node of a rack owns some of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::identity::{HostId, mix};

/// A position on Murmur3's ring.
pub type Token = i64;

/// How many tokens a node takes where its configuration says nothing. Cassandra's default since 4.0.
pub const NUM_TOKENS: u64 = 16;

/// A set of the 64 partitions that stand for a table's data.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partitions(u64);

impl Partitions {
    /// No partition.
    pub const NONE: Self = Self(0);
    /// Every partition.
    pub const ALL: Self = Self(u64::MAX);

    /// The first `count` partitions (all of them from 64 on).
    pub fn first(count: u32) -> Self {
        1_u64.checked_shl(count).map_or(Self::ALL, |bit| Self(bit - 1))
    }

    /// How many partitions are in the set.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether the set holds nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Partitions of either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Partitions of both sets.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Partitions of this set that are not in the other.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every partition of `other` is in this set.
    pub fn contains(self, other: Self) -> bool {
        other.minus(self).is_empty()
    }

    /// The partitions one by one, each with its token.
    pub(super) fn each() -> impl Iterator<Item = (Self, Token)> {
        (0..64_u32).map(|index| {
            let slice = u64::MAX / 64;
            let position = u64::from(index) * slice + slice / 2;
            (Self(1 << index), signed(position))
        })
    }
}

impl fmt::Debug for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/64:{:016x}", self.len(), self.0)
    }
}

/// The tokens a node draws when it joins: spread at random, but always the same for one host id, so that a run can
/// be repeated.
pub(super) fn tokens_of(host: HostId, count: u64) -> Vec<Token> {
    let mut tokens: Vec<Token> = (0..count)
        .map(|index| signed(mix(host.seed() ^ mix(index))))
        .collect();
    tokens.sort_unstable();
    tokens
}

/// Maps an unsigned position to Murmur3's signed range without changing the order.
fn signed(position: u64) -> Token {
    (position ^ (1 << 63)).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_cover_the_ring_in_order_and_once() {
        let tokens: Vec<Token> = Partitions::each().map(|(_, token)| token).collect();
        assert!(tokens.is_sorted());
        assert_eq!(tokens.len(), 64);
        let all = Partitions::each().fold(Partitions::NONE, |sum, (one, _)| sum.union(one));
        assert_eq!(all, Partitions::ALL);
    }

    #[test]
    fn the_first_partitions_are_counted() {
        assert_eq!(Partitions::first(0), Partitions::NONE);
        assert_eq!(Partitions::first(10).len(), 10);
        assert_eq!(Partitions::first(64), Partitions::ALL);
        assert!(Partitions::first(10).contains(Partitions::first(3)));
        assert_eq!(Partitions::first(10).minus(Partitions::first(4)).len(), 6);
    }
}
