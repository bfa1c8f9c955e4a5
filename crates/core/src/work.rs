//! How much of its work a node has done, as the node itself counts it.

use casskop_types::operation::{OperationName, OperationProgress};

/// How many percent more, or less, are worth telling: each costs a write of the status.
const STEP: i32 = 2;

/// What a node is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// How much of it is done, in `unit`.
    pub completed: u64,
    /// How much there is, in `unit`; an estimate.
    pub total: u64,
    /// `bytes`, `keys`, `ranges` or `token range`.
    pub unit: String,
}

/// Where a node counts the work of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Among the tasks of its compaction executor.
    Compactions,
    /// Among the streams it receives.
    StreamsIn,
    /// Among the streams it sends.
    StreamsOut,
    /// Among the streams of a relocation, both ways.
    StreamsBothWays,
}

/// Where a node counts the work of `operation`, if it does.
pub fn counter(operation: OperationName) -> Option<Counter> {
    match operation {
        OperationName::Cleanup
        | OperationName::UpgradeSstables
        | OperationName::Scrub
        | OperationName::Compact
        | OperationName::GarbageCollect => Some(Counter::Compactions),
        OperationName::Rebuild => Some(Counter::StreamsIn),
        OperationName::Decommission => Some(Counter::StreamsOut),
        OperationName::Move => Some(Counter::StreamsBothWays),
        // Over in a moment, or done by other nodes than the one that is asked.
        OperationName::Flush
        | OperationName::ReloadSsl
        | OperationName::Remove
        | OperationName::Replace
        | OperationName::Restart => None,
    }
}

impl Work {
    /// What is done, from 0 to 100.
    pub fn percent(&self) -> Option<i32> {
        let done = u128::from(self.completed.min(self.total)) * 100;
        let percent = done.checked_div(u128::from(self.total))?;
        i32::try_from(percent).ok()
    }

    /// Whether it says more than what is known already.
    pub fn is_news(&self, known: Option<&Self>) -> bool {
        let Some(known) = known else { return true };
        match (self.percent(), known.percent()) {
            (Some(now), Some(then)) => (now - then).abs() >= STEP || (now == 100) != (then == 100),
            (now, then) => now.is_some() != then.is_some(),
        }
    }

    /// What a record says of it.
    pub fn recorded(progress: &OperationProgress) -> Option<Self> {
        Some(Self {
            completed: u64::try_from(progress.completed?).ok()?,
            total: u64::try_from(progress.total?).ok()?,
            unit: progress.unit.clone()?,
        })
    }

    /// Writes it into a record.
    pub fn record(&self, progress: &mut OperationProgress) {
        progress.completed = i64::try_from(self.completed).ok();
        progress.total = i64::try_from(self.total).ok();
        progress.unit = Some(self.unit.clone());
        progress.percent = self.percent();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(completed: u64, total: u64) -> Work {
        Work {
            completed,
            total,
            unit: "bytes".to_owned(),
        }
    }

    #[test]
    fn percents_stay_within_bounds() {
        for (work, percent) in [
            (bytes(0, 10), Some(0)),
            (bytes(999, 1000), Some(99)),
            (bytes(10, 10), Some(100)),
            // An estimate that was too low.
            (bytes(12, 10), Some(100)),
            (bytes(u64::MAX, u64::MAX), Some(100)),
            (bytes(0, 0), None),
        ] {
            assert_eq!(work.percent(), percent, "{work:?}");
        }
    }

    #[test]
    fn a_step_is_news_and_less_is_not() {
        for (then, now, news) in [
            (None, bytes(0, 100), true),
            (Some(bytes(10, 100)), bytes(11, 100), false),
            (Some(bytes(10, 100)), bytes(12, 100), true),
            (Some(bytes(99, 100)), bytes(100, 100), true),
            // The next sstable.
            (Some(bytes(90, 100)), bytes(0, 200), true),
            (Some(bytes(0, 0)), bytes(5, 0), false),
            (Some(bytes(0, 0)), bytes(5, 500), true),
        ] {
            assert_eq!(now.is_news(then.as_ref()), news, "{then:?} -> {now:?}");
        }
    }

    #[test]
    fn a_record_tells_it_again() {
        let mut progress = OperationProgress::default();
        assert_eq!(Work::recorded(&progress), None);
        let work = bytes(3_000_000_000, 4_000_000_000);
        work.record(&mut progress);
        assert_eq!(progress.percent, Some(75));
        assert_eq!(Work::recorded(&progress), Some(work));
    }
}
