//! The little this process remembers of each cluster between passes. Losing it costs a few requests, nothing else.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cluster_id::ClusterId;

/// How long a StatefulSet may lack pods before its controller's events are searched for the reason. Every pod that is made
/// anew is lacking for a moment, and the API server reads all events of the namespace for one search.
const UNTIL_SEARCH: Duration = Duration::from_secs(4);
/// Between two searches for the same StatefulSet.
const BETWEEN_SEARCHES: Duration = Duration::from_secs(10);

/// What is remembered of all clusters.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<ClusterId, Remembered>>);

#[derive(Debug, Default)]
struct Remembered {
    /// Generation under which the Services and the disruption budget were last seen to be right.
    services_right_at: Option<i64>,
    failures_in_a_row: u32,
    /// StatefulSets that lack pods, by name.
    lacking: BTreeMap<String, Lack>,
}

/// Pods of a StatefulSet are not there.
#[derive(Debug)]
struct Lack {
    since: Instant,
    searched: Option<Instant>,
    reason: Option<String>,
}

impl Lack {
    fn is_due(&self, now: Instant) -> bool {
        match self.searched {
            None => now.duration_since(self.since) >= UNTIL_SEARCH,
            Some(searched) => now.duration_since(searched) >= BETWEEN_SEARCHES,
        }
    }
}

impl Memory {
    /// Whether the Services and the disruption budget have to be read: in the first pass of this process, under a new
    /// generation, and after they changed.
    pub fn services_due(&self, cluster: &ClusterId, generation: Option<i64>) -> bool {
        let clusters = self.lock();
        let right_at = clusters
            .get(cluster)
            .and_then(|remembered| remembered.services_right_at);
        right_at.is_none() || right_at != generation
    }

    /// They are about to be read. Taken back by [`Memory::services_changed`] if something then happens to them, or the
    /// pass fails.
    pub fn services_read(&self, cluster: &ClusterId, generation: Option<i64>) {
        self.lock().entry(cluster.clone()).or_default().services_right_at = generation;
    }

    /// They changed, or it is not certain that they are as they should be.
    pub fn services_changed(&self, cluster: &ClusterId) {
        self.lock().entry(cluster.clone()).or_default().services_right_at = None;
    }

    /// These StatefulSets, and no others, lack pods: for which of them the reason is to be searched now.
    pub fn lacking(&self, cluster: &ClusterId, sets: &[&str], now: Instant) -> Vec<String> {
        let mut clusters = self.lock();
        if sets.is_empty() && !clusters.contains_key(cluster) {
            return Vec::new();
        }
        let lacking = &mut clusters.entry(cluster.clone()).or_default().lacking;
        lacking.retain(|set, _| sets.contains(&set.as_str()));
        let mut due = Vec::new();
        for set in sets {
            let lack = lacking.entry((*set).to_owned()).or_insert(Lack {
                since: now,
                searched: None,
                reason: None,
            });
            if lack.is_due(now) {
                due.push((*set).to_owned());
            }
        }
        due
    }

    /// What a search found.
    pub fn searched(&self, cluster: &ClusterId, set: &str, found: Option<String>, now: Instant) {
        let mut clusters = self.lock();
        let known = clusters.get_mut(cluster);
        if let Some(lack) = known.and_then(|known| known.lacking.get_mut(set)) {
            lack.searched = Some(now);
            lack.reason = found;
        }
    }

    /// Why StatefulSets lack pods, by name, as far as it is known.
    pub fn why_lacking(&self, cluster: &ClusterId) -> BTreeMap<String, String> {
        let clusters = self.lock();
        let lacking = clusters.get(cluster).into_iter().flat_map(|known| &known.lacking);
        lacking
            .filter_map(|(set, lack)| Some((set.clone(), lack.reason.clone()?)))
            .collect()
    }

    /// A pass succeeded.
    pub fn succeeded(&self, cluster: &ClusterId) {
        if let Some(remembered) = self.lock().get_mut(cluster) {
            remembered.failures_in_a_row = 0;
        }
    }

    /// A pass failed; returns how many did so in a row.
    pub fn failed(&self, cluster: &ClusterId) -> u32 {
        let mut clusters = self.lock();
        let failures = &mut clusters.entry(cluster.clone()).or_default().failures_in_a_row;
        *failures = failures.saturating_add(1);
        *failures
    }

    /// The cluster is no more.
    pub fn forget(&self, cluster: &ClusterId) {
        self.lock().remove(cluster);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClusterId, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_read_at_first_and_when_something_changed() {
        let memory = Memory::default();
        let demo = ClusterId::new("ns", "demo");
        assert!(memory.services_due(&demo, Some(1)));
        memory.services_read(&demo, Some(1));
        assert!(!memory.services_due(&demo, Some(1)));
        assert!(memory.services_due(&demo, Some(2)), "another generation");
        memory.services_changed(&demo);
        assert!(memory.services_due(&demo, Some(1)));
    }

    #[test]
    fn the_reason_for_lacking_pods_is_searched_after_a_moment_and_seldom() {
        let memory = Memory::default();
        let demo = ClusterId::new("ns", "demo");
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        assert!(
            memory.lacking(&demo, &["a", "b"], at(0)).is_empty(),
            "it may pass"
        );
        assert!(memory.lacking(&demo, &["a"], at(3)).is_empty());
        assert_eq!(memory.lacking(&demo, &["a", "b"], at(4)), ["a"], "b began anew");
        memory.searched(&demo, "a", None, at(4));
        assert!(memory.lacking(&demo, &["a"], at(13)).is_empty(), "just searched");
        assert_eq!(memory.lacking(&demo, &["a"], at(14)), ["a"]);
        memory.searched(&demo, "a", Some("over quota".to_owned()), at(14));
        let known = BTreeMap::from([("a".to_owned(), "over quota".to_owned())]);
        assert_eq!(memory.why_lacking(&demo), known, "until the next search");
        assert!(memory.lacking(&demo, &[], at(15)).is_empty());
        assert!(memory.why_lacking(&demo).is_empty(), "the pods are there");
    }

    #[test]
    fn failures_count_until_one_success() {
        let memory = Memory::default();
        let demo = ClusterId::new("ns", "demo");
        assert_eq!([memory.failed(&demo), memory.failed(&demo)], [1, 2]);
        assert_eq!(memory.failed(&ClusterId::new("ns", "other")), 1);
        memory.succeeded(&demo);
        assert_eq!(memory.failed(&demo), 1);
    }
}
