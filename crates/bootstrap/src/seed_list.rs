//! The static seed list, as it is for one node.

use crate::seeds::Standing;
use std::net::IpAddr;

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
    use Standing::Listed;

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
