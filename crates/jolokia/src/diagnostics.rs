//! Which long calls a node is working on, told by its threads.
//!
//! Cassandra has no list of the JMX operations it is carrying out. Each one occupies the thread that
//! called it until it returns, so a thread dump shows it: also when whoever called has gone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::answer::string;
use crate::call::{Call, Pace};

const MBEAN: &str = "com.sun.management:type=DiagnosticCommand";

/// The blocking operations the node is working on now, whoever called them.
pub fn in_flight() -> Call<InFlight> {
    let operation = "threadPrint([Ljava.lang.String;)";
    let read = |value: &_| string(value).map(|dump| in_flight_calls(&dump));
    Call::operation(Pace::Prompt, MBEAN, operation, vec![json!([])], read)
}

/// Blocking operations under way in a node, with the number of threads each occupies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InFlight(BTreeMap<NodeOperation, usize>);

impl InFlight {
    /// Whether `operation` is under way.
    pub fn contains(&self, operation: NodeOperation) -> bool {
        self.0.contains_key(&operation)
    }

    /// How many calls are under way; Jolokia's agent has five threads for them and everything else.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// The operations under way.
    pub fn operations(&self) -> impl Iterator<Item = NodeOperation> {
        self.0.keys().copied()
    }
}

/// The operations of `StorageService` that block their caller until the work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeOperation {
    /// Dropping keys that are no longer owned.
    Cleanup,
    /// Merging the sstables of tables.
    Compact,
    /// Leaving the ring.
    Decommission,
    /// Flushing all and stopping.
    Drain,
    /// Writing memtables down.
    Flush,
    /// Rewriting sstables without what was deleted.
    GarbageCollect,
    /// Taking another token.
    Move,
    /// Streaming from another data centre.
    Rebuild,
    /// Taking a dead node out of the ring.
    RemoveNode,
    /// Rewriting sstables, and reading all that is in them.
    Scrub,
    /// Rewriting old sstables.
    UpgradeSstables,
}

impl NodeOperation {
    const ALL: [Self; 11] = [
        Self::Cleanup,
        Self::Compact,
        Self::Decommission,
        Self::Drain,
        Self::Flush,
        Self::GarbageCollect,
        Self::Move,
        Self::Rebuild,
        Self::RemoveNode,
        Self::Scrub,
        Self::UpgradeSstables,
    ];

    /// The method of `StorageService` that does it.
    pub fn method(self) -> &'static str {
        match self {
            Self::Cleanup => "forceKeyspaceCleanup",
            Self::Compact => "forceKeyspaceCompaction",
            Self::Decommission => "decommission",
            Self::Drain => "drain",
            Self::Flush => "forceKeyspaceFlush",
            Self::GarbageCollect => "garbageCollect",
            Self::Move => "move",
            Self::Rebuild => "rebuild",
            Self::RemoveNode => "removeNode",
            Self::Scrub => "scrub",
            Self::UpgradeSstables => "upgradeSSTables",
        }
    }

    fn of_method(method: &str) -> Option<Self> {
        let method = match method {
            // A compaction of some tokens.
            "forceKeyspaceCompactionForTokenRange" => Self::Compact.method(),
            method => method,
        };
        Self::ALL
            .into_iter()
            .find(|operation| operation.method() == method)
    }
}

/// Reads the operations off a thread dump in the form of `jstack` and `threadPrint`.
///
/// A thread counts once for each operation in its stack, however many overloads call one another.
pub fn in_flight_calls(dump: &str) -> InFlight {
    let mut calls = InFlight::default();
    let mut of_thread = BTreeSet::new();
    for line in dump.lines() {
        if line.starts_with('"') {
            calls.add(std::mem::take(&mut of_thread));
        } else if let Some(operation) = storage_service_method(line).and_then(NodeOperation::of_method) {
            of_thread.insert(operation);
        }
    }
    calls.add(of_thread);
    calls
}

impl InFlight {
    fn add(&mut self, of_thread: BTreeSet<NodeOperation>) {
        for operation in of_thread {
            *self.0.entry(operation).or_default() += 1;
        }
    }
}

/// The method of a frame such as `at org.apache.cassandra.service.StorageService.rebuild(StorageService.java:1372)`.
fn storage_service_method(line: &str) -> Option<&str> {
    let frame = line.trim_start().strip_prefix("at ")?;
    // A frame may name its class loader or module in front: "app//org.apache…".
    let frame = frame.rsplit_once('/').map_or(frame, |(_, class)| class);
    let (method, _) = frame
        .strip_prefix("org.apache.cassandra.service.StorageService.")?
        .split_once('(')?;
    Some(method)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = r#"2026-11-21 08:00:00
Full thread dump OpenJDK 64-Bit Server VM (17.0.15+6-Debian-1deb12u1 mixed mode, sharing):

"qtp-1" #41 prio=5 os_prio=0 cpu=1.0ms elapsed=2.0s tid=0x1 nid=0x2 waiting on condition
   java.lang.Thread.State: WAITING (parking)
	at java.util.concurrent.locks.LockSupport.park(java.base@17.0.15/LockSupport.java:211)
	at org.apache.cassandra.service.StorageService.forceKeyspaceCleanup(StorageService.java:4078)
	at org.apache.cassandra.service.StorageService.forceKeyspaceCleanup(StorageService.java:4061)

"qtp-2" #42 prio=5 os_prio=0 cpu=1.0ms elapsed=2.0s tid=0x1 nid=0x2 waiting on condition
	at app//org.apache.cassandra.service.StorageService.forceKeyspaceCleanup(StorageService.java:4061)
	- locked <0x00000000ec0e2d38> (a org.apache.cassandra.service.StorageService.decommission)

"OptionalTasks:1" #43
	at org.apache.cassandra.service.StorageServiceAccessor.drain(StorageServiceAccessor.java:1)
	at org.apache.cassandra.service.StorageService.getOperationMode(StorageService.java:1)
"#;

    #[test]
    fn each_thread_counts_once_for_each_operation() {
        let calls = in_flight_calls(DUMP);
        assert_eq!(calls.operations().collect::<Vec<_>>(), [NodeOperation::Cleanup]);
        assert_eq!(calls.total(), 2);
        assert!(!calls.contains(NodeOperation::Decommission));
    }

    #[test]
    fn an_idle_node_has_nothing_in_flight() {
        assert_eq!(in_flight_calls("").total(), 0);
    }
}
