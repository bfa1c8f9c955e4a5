//! Whether the operator can do its work, and if not, what it lacks.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Ready: the resource definition is there, and the leader's watches run. An operator that waits for the lease is
/// ready too, or a rolling update of a Deployment with two replicas would never end.
#[derive(Debug, Default)]
pub struct Readiness {
    definition_found: AtomicBool,
    leads: AtomicBool,
    watches_to_start: AtomicUsize,
}

impl Readiness {
    /// The API server serves `CassandraCluster`.
    pub fn definition_found(&self) {
        self.definition_found.store(true, Ordering::Relaxed);
    }

    /// This operator leads, and starts so many watches.
    pub fn leads(&self, watches: usize) {
        self.watches_to_start.store(watches, Ordering::Relaxed);
        self.leads.store(true, Ordering::Relaxed);
    }

    /// One of the watches has its first complete list.
    pub fn watch_started(&self) {
        self.watches_to_start.fetch_sub(1, Ordering::Relaxed);
    }

    /// What is lacking, or nothing.
    pub fn lacking(&self) -> Option<&'static str> {
        if !self.definition_found.load(Ordering::Relaxed) {
            return Some("the CassandraCluster resource definition is not installed; apply crds/");
        }
        let starting =
            self.leads.load(Ordering::Relaxed) && self.watches_to_start.load(Ordering::Relaxed) > 0;
        starting.then_some("watches are starting")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_ready_when_every_watch_has_started() {
        let readiness = Readiness::default();
        assert!(readiness.lacking().unwrap().contains("crds/"));
        readiness.definition_found();
        assert_eq!(readiness.lacking(), None, "waiting for the lease is ready");
        readiness.leads(2);
        readiness.watch_started();
        assert_eq!(readiness.lacking(), Some("watches are starting"));
        readiness.watch_started();
        assert_eq!(readiness.lacking(), None);
    }
}
