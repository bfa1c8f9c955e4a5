//! The little this process remembers of each cluster between passes. Losing it costs a few requests, nothing else.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::cluster_id::ClusterId;

/// What is remembered of all clusters.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<ClusterId, Remembered>>);

#[derive(Debug, Default)]
struct Remembered {
    /// Generation under which the Services and the disruption budget were last seen to be right.
    services_right_at: Option<i64>,
    failures_in_a_row: u32,
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
    fn failures_count_until_one_success() {
        let memory = Memory::default();
        let demo = ClusterId::new("ns", "demo");
        assert_eq!([memory.failed(&demo), memory.failed(&demo)], [1, 2]);
        assert_eq!(memory.failed(&ClusterId::new("ns", "other")), 1);
        memory.succeeded(&demo);
        assert_eq!(memory.failed(&demo), 1);
    }
}
