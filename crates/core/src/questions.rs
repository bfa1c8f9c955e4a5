//! Which node has to be asked for what in this pass. An idle cluster asks nothing.

use std::collections::{BTreeMap, BTreeSet};

use casskop_types::names::PodName;

/// One group of MBean reads that travel together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// `OperationMode`, `ReleaseVersion`, `LocalHostId`, and the ring as the node sees it.
    Ring,
    /// `StorageService` operations in flight, from the thread dump.
    InFlight,
    /// Datacenters that own replicas of user keyspaces.
    Datacenters,
}

/// The questions of a pass, by pod.
pub type Questions = BTreeMap<PodName, BTreeSet<Question>>;
