//! Addresses for pods, out of a block of 127.0.0.0/8 that is this simulator's own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use crate::names::PodId;

/// Addresses below this one in the block are for the nodes.
const FIRST_POD: u32 = 1024;

/// A block of loopback addresses, such as `127.7.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodCidr {
    base: u32,
    size: u32,
}

/// The text is not a usable block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a block of 127.0.0.0/8 with 4096 addresses or more, such as 127.7.0.0/16")]
pub struct InvalidPodCidr(String);

impl FromStr for PodCidr {
    type Err = InvalidPodCidr;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidPodCidr(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(invalid)?;
        let address: Ipv4Addr = address.parse().map_err(|_| invalid())?;
        let prefix: u32 = prefix.parse().map_err(|_| invalid())?;
        if !address.is_loopback() || !(8..=20).contains(&prefix) {
            return Err(invalid());
        }
        let size = 1 << (32 - prefix);
        Ok(Self {
            base: address.to_bits() & !(size - 1),
            size,
        })
    }
}

impl PodCidr {
    /// The address of a node.
    pub(super) fn node(self, index: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base + 1 + index % (FIRST_POD - 2))
    }

    /// Whether an address is one of the block's pods.
    pub(super) fn holds_pod(self, address: Ipv4Addr) -> bool {
        (self.base + FIRST_POD..self.base + self.size - 1).contains(&address.to_bits())
    }
}

/// Hands out addresses. Each pod gets a fresh one, as on most networks, until the block is used up.
#[derive(Debug)]
pub(crate) struct Addresses {
    block: PodCidr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u32,
    taken: BTreeSet<u32>,
    /// Addresses that the next pod of a name is to get.
    wanted: BTreeMap<PodId, Ipv4Addr>,
}

impl Addresses {
    pub(crate) fn new(block: PodCidr) -> Self {
        Self {
            block,
            state: Mutex::default(),
        }
    }

    /// The next pod of this name gets this address: how tests make pods swap theirs.
    pub(crate) fn want(&self, pod: PodId, address: Ipv4Addr) {
        self.lock(|state| state.wanted.insert(pod, address));
    }

    /// A free address; `None` when the block is used up.
    pub(super) fn take(&self, pod: &PodId) -> Option<Ipv4Addr> {
        let PodCidr { base, size } = self.block;
        let pods = size - FIRST_POD - 1;
        self.lock(|state| {
            if let Some(address) = state.wanted.remove(pod) {
                state.taken.insert(address.to_bits());
                return Some(address);
            }
            let next = state.next;
            let free = (0..pods)
                .map(|step| (next + step) % pods)
                .find(|offset| !state.taken.contains(&(base + FIRST_POD + offset)))?;
            state.next = (free + 1) % pods;
            state.taken.insert(base + FIRST_POD + free);
            Some(Ipv4Addr::from_bits(base + FIRST_POD + free))
        })
    }

    /// Claims an address a pod already has.
    pub(super) fn claim(&self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        let free = self.block.holds_pod(address) && self.lock(|state| state.taken.insert(address.to_bits()));
        free.then_some(address)
    }

    /// Gives an address back.
    pub(super) fn give_back(&self, address: Ipv4Addr) {
        self.lock(|state| state.taken.remove(&address.to_bits()));
    }

    fn lock<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_blocks_are_accepted() {
        assert!("127.7.0.0/16".parse::<PodCidr>().is_ok());
        for text in ["10.0.0.0/16", "127.7.0.0", "127.7.0.0/24", "127.7.0.0/4", "x/16"] {
            assert_eq!(text.parse::<PodCidr>(), Err(InvalidPodCidr(text.to_owned())));
        }
    }

    #[test]
    fn a_freed_address_is_not_the_next_one_handed_out() {
        let addresses = Addresses::new("127.7.0.0/16".parse().expect("a block"));
        let pod = PodId::new("ns", "a");
        let first = addresses.take(&pod).expect("an address");
        assert_eq!(first, Ipv4Addr::new(127, 7, 4, 0));
        addresses.give_back(first);
        assert_eq!(addresses.take(&pod), Some(Ipv4Addr::new(127, 7, 4, 1)));
        addresses.want(pod.clone(), first);
        assert_eq!(addresses.take(&pod), Some(first), "unless a test wants it");
        assert_eq!(addresses.claim(first), None, "taken");
    }
}
