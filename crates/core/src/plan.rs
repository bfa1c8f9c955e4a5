//! From a validated cluster and what was observed to what has to be done.

use casskop_types::status::CassandraClusterStatus;

use crate::effect::{Effect, Notice, Wake};

/// What one pass wants. A value: printed, compared, shown by the plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The status to write before any effect, unless it equals the stored one.
    pub status: CassandraClusterStatus,
    /// What to do after that, in order.
    pub effects: Vec<Effect>,
    /// Events to publish once the status is written.
    pub notices: Vec<Notice>,
    /// When to look again without an event.
    pub wake: Wake,
}
