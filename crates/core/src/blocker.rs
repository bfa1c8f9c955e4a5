//! What a cluster waits for. Whatever waits says so.

use casskop_types::conditions::ConditionReason;

/// Why a wanted step is not taken now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// Reason of the `Waiting` condition.
    pub reason: ConditionReason,
    /// One line that names the object waited for.
    pub note: String,
}

impl Blocker {
    /// A blocker with its reason and the line a person reads.
    pub fn new(reason: ConditionReason, note: impl Into<String>) -> Self {
        Self {
            reason,
            note: note.into(),
        }
    }
}
