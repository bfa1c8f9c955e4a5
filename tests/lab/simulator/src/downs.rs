//! Which members of a ring were down at the same time: the record behind "at no moment were two nodes down".

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ring::{HostId, Moment};

/// The members that were down from one moment until the next entry's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Down {
    /// Since when.
    pub since: Moment,
    /// Members of the ring that did not serve.
    pub hosts: BTreeSet<HostId>,
}

/// Every change of the set of members that are down, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownHistory {
    entries: Vec<Down>,
}

impl DownHistory {
    /// The changes.
    pub fn entries(&self) -> &[Down] {
        &self.entries
    }

    /// The largest number of members down at any moment from `since` on.
    pub fn max_down_since(&self, since: Moment) -> usize {
        let first = self
            .entries
            .partition_point(|entry| entry.since <= since)
            .saturating_sub(1);
        self.entries[first..]
            .iter()
            .map(|entry| entry.hosts.len())
            .max()
            .unwrap_or(0)
    }

    pub(crate) fn note(&mut self, now: Moment, hosts: BTreeSet<HostId>) {
        if self.entries.last().is_none_or(|last| last.hosts != hosts) {
            self.entries.push(Down { since: now, hosts });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_at_the_start_of_the_interval_counts() {
        let hosts = |names: &[&str]| names.iter().map(|name| HostId::of_disk(name)).collect();
        let mut history = DownHistory::default();
        history.note(Moment(0), hosts(&[]));
        history.note(Moment(10), hosts(&["a", "b"]));
        history.note(Moment(15), hosts(&["a", "b"]));
        history.note(Moment(20), hosts(&["a"]));
        assert_eq!(history.entries().len(), 3, "no entry without a change");
        assert_eq!(history.max_down_since(Moment(0)), 2);
        assert_eq!(history.max_down_since(Moment(19)), 2);
        assert_eq!(history.max_down_since(Moment(20)), 1);
        assert_eq!(DownHistory::default().max_down_since(Moment(0)), 0);
    }
}
