//! A lab's own addresses: each simulated lab has a /16 of 127.0.0.0/8, all of which is local to the machine, so that
//! two labs never meet on a port (Jolokia's 8778 in particular), nor a lab and whatever else listens on 127.0.0.1.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The second octets labs use. 127.0 and its neighbours are left to others (resolvers listen on 127.0.0.53, 127.0.1.1).
const OCTETS: std::ops::RangeInclusive<u8> = 16..=239;

/// The addresses 127.N.0.0/16 of one lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Block(u8);

impl Block {
    /// The lowest block that no other lab has on record and that no socket of this machine listens in. The second
    /// condition covers labs of other users, whose records cannot be read.
    pub fn free(taken: &BTreeSet<Self>) -> Result<Self> {
        let listening = listening_octets(&std::fs::read_to_string("/proc/net/tcp").unwrap_or_default());
        OCTETS
            .map(Self)
            .find(|block| !taken.contains(block) && !listening.contains(&block.0))
            .context("no address block is free: too many labs are up, see `cargo xtask lab status`")
    }

    /// The address of the control plane: at the far end, out of the way of pod addresses.
    pub fn control_plane(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, self.0, 255, 1))
    }

    /// The range of pod addresses.
    pub fn pod_cidr(self) -> String {
        format!("127.{}.0.0/16", self.0)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.pod_cidr())
    }
}

/// Ports nobody listens on at an address, all different. They are not held: only on an address nobody else uses is
/// one sure to be free a moment later.
pub fn free_ports<const N: usize>(address: IpAddr) -> Result<[u16; N]> {
    let mut ports = [0; N];
    let mut held = Vec::with_capacity(N);
    for port in &mut ports {
        let listener = TcpListener::bind(SocketAddr::new(address, 0))
            .with_context(|| format!("cannot listen on {address}"))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Second octets of the 127.0.0.0/8 addresses with a listening socket, from `/proc/net/tcp`: the second column is the
/// local address in hexadecimal, least significant byte first; the fourth the state, 0A for listening.
fn listening_octets(table: &str) -> BTreeSet<u8> {
    table
        .lines()
        .filter_map(|line| {
            let mut columns = line.split_whitespace();
            let local = columns.nth(1)?;
            let state = columns.nth(1)?;
            let (address, _port) = local.split_once(':')?;
            let [first, second, ..] = u32::from_str_radix(address, 16).ok()?.to_le_bytes();
            (state == "0A" && first == 127).then_some(second)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_read_from_the_kernels_table() {
        let table = "  sl  local_address rem_address   st tx_queue\n\
                     0: 0100007F:0016 00000000:0000 0A 00000000\n\
                     1: 01FF107F:18EB 00000000:0000 0A 00000000\n\
                     2: 0100117F:18EB 0100117F:9000 01 00000000\n\
                     3: 00000000:1F90 00000000:0000 0A 00000000\n";
        assert_eq!(listening_octets(table), BTreeSet::from([0, 16]));
    }

    #[test]
    fn a_block_in_use_is_not_given_again() {
        let first = Block::free(&BTreeSet::new()).unwrap();
        let second = Block::free(&BTreeSet::from([first])).unwrap();
        assert_ne!(first, second);
        let _listener = TcpListener::bind(SocketAddr::new(second.control_plane(), 0)).unwrap();
        assert_ne!(Block::free(&BTreeSet::from([first])).unwrap(), second);
        let all: BTreeSet<Block> = OCTETS.map(Block).collect();
        assert!(
            Block::free(&all)
                .unwrap_err()
                .to_string()
                .contains("too many labs")
        );
    }

    #[test]
    fn ports_differ() {
        let [first, second] = free_ports(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
        assert_ne!(first, second);
    }
}
