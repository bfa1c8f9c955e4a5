//! How fast operations go, as seen from here: only what was observed is told, and nothing of what has come to a stop.

use std::collections::{BTreeMap, VecDeque};

use casskop_core::view::{ClusterView, OperationView};
use casskop_types::operation::{OperationName, OperationProgress};
use jiff::{SignedDuration, Timestamp};

/// What was seen longer ago says nothing of the speed now.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);
/// Two observations have to be so far apart to tell a speed.
const APART: SignedDuration = SignedDuration::from_secs(2);
/// What has not moved for so long has no speed.
const STOPPED: SignedDuration = SignedDuration::from_secs(30);

/// How fast each operation goes.
#[derive(Debug, Default)]
pub(crate) struct Paces {
    of: BTreeMap<(String, OperationName), Pace>,
}

/// How fast an operation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Speed {
    /// Units a second.
    pub(crate) rate: i64,
    /// How long the work that is known of will take, at this rate.
    pub(crate) left: SignedDuration,
}

#[derive(Debug, Default)]
struct Pace {
    unit: Option<String>,
    keyspaces_done: usize,
    seen: VecDeque<(Timestamp, i64)>,
}

impl Paces {
    /// Takes note of how far operations are.
    pub(crate) fn observe(&mut self, views: &[ClusterView], now: Timestamp) {
        let mut of = std::mem::take(&mut self.of);
        for operation in views.iter().flat_map(|view| &view.operations) {
            if let Some(progress) = &operation.progress {
                let key = (operation.pod_uid.clone(), operation.name);
                let mut pace = of.remove(&key).unwrap_or_default();
                pace.observe(progress, now);
                self.of.insert(key, pace);
            }
        }
    }

    /// How fast an operation goes, if it was seen going.
    pub(crate) fn speed(&self, operation: &OperationView, now: Timestamp) -> Option<Speed> {
        let pace = self.of.get(&(operation.pod_uid.clone(), operation.name))?;
        pace.speed(operation.progress.as_ref()?.total?, now)
    }
}

impl Pace {
    fn observe(&mut self, progress: &OperationProgress, now: Timestamp) {
        let Some(completed) = progress.completed else {
            self.seen.clear();
            return;
        };
        // A node counts the work it does at this moment: with the next piece it begins anew.
        let is_other_work = self.unit != progress.unit
            || self.keyspaces_done != progress.keyspaces_done.len()
            || self.seen.back().is_some_and(|(_, last)| completed < *last);
        if is_other_work {
            self.seen.clear();
            self.unit.clone_from(&progress.unit);
            self.keyspaces_done = progress.keyspaces_done.len();
        }
        if self.seen.back().is_none_or(|(_, last)| completed > *last) {
            self.seen.push_back((now, completed));
        }
        while self.seen.len() > 2
            && self
                .seen
                .front()
                .is_some_and(|(at, _)| now.duration_since(*at) > WINDOW)
        {
            self.seen.pop_front();
        }
    }

    fn speed(&self, total: i64, now: Timestamp) -> Option<Speed> {
        let ((began, first), (at, last)) = (self.seen.front()?, self.seen.back()?);
        let took = at.duration_since(*began);
        if took < APART || now.duration_since(*at) > STOPPED {
            return None;
        }
        let millis = i64::try_from(took.as_millis()).ok()?;
        let rate = (last - first).checked_mul(1000)? / millis;
        if rate == 0 {
            return None;
        }
        Some(Speed {
            rate,
            left: SignedDuration::from_secs((total - last).max(0) / rate),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: i64 = 1 << 20;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn bytes(completed: i64) -> OperationProgress {
        OperationProgress {
            completed: Some(completed),
            total: Some(1000 * MIB),
            unit: Some("bytes".to_owned()),
            ..OperationProgress::default()
        }
    }

    fn pace(seen: &[(i64, i64)]) -> Pace {
        let mut pace = Pace::default();
        for (second, completed) in seen {
            pace.observe(&bytes(completed * MIB), at(*second));
        }
        pace
    }

    fn told(pace: &Pace, second: i64) -> Option<(i64, i64)> {
        let speed = pace.speed(1000 * MIB, at(second))?;
        Some((speed.rate / MIB, speed.left.as_secs()))
    }

    #[test]
    fn what_was_seen_tells_rate_and_rest() {
        assert_eq!(told(&pace(&[(0, 100), (10, 200)]), 10), Some((10, 80)));
        assert_eq!(told(&pace(&[(0, 100), (10, 200), (20, 500)]), 20), Some((20, 25)));
    }

    #[test]
    fn one_look_tells_nothing() {
        assert_eq!(told(&pace(&[(0, 100)]), 10), None);
        assert_eq!(told(&pace(&[(0, 100), (1, 200)]), 1), None, "too close");
        assert_eq!(told(&pace(&[(0, 100), (10, 100)]), 10), None, "nothing moved");
    }

    #[test]
    fn what_has_stopped_has_no_rest() {
        let pace = pace(&[(0, 100), (10, 200)]);
        assert_eq!(told(&pace, 40), Some((10, 80)));
        assert_eq!(told(&pace, 41), None);
    }

    #[test]
    fn the_next_piece_of_work_is_measured_anew() {
        assert_eq!(told(&pace(&[(0, 800), (10, 900), (20, 50)]), 20), None);
        assert_eq!(
            told(&pace(&[(0, 800), (10, 900), (20, 50), (30, 100)]), 30),
            Some((5, 180))
        );
    }

    #[test]
    fn what_was_seen_long_ago_is_forgotten() {
        let slow_then_fast = [(0, 0), (50, 10), (100, 20), (110, 120), (120, 220)];
        assert_eq!(told(&pace(&slow_then_fast), 120), Some((10, 78)));
    }
}
