//! Work on the data files of a keyspace. The signatures below are in every version from 3.11 to 5.0.

use serde_json::{Value, json};

use super::MBEAN;
use crate::answer::nothing;
use crate::call::{Call, Pace};
use crate::error::{NotDone, Unexpected};

/// Drops the keys of `keyspace` that the node no longer owns.
///
/// Refused for the node's own keyspaces and while the node is to take over data from one that leaves. While
/// another node joins it succeeds, and leaves there what that node is about to own.
pub fn cleanup(keyspace: &str, jobs: Jobs) -> Call<()> {
    let operation = "forceKeyspaceCleanup(int,java.lang.String,[Ljava.lang.String;)";
    Call::operation(
        Pace::Blocking,
        MBEAN,
        operation,
        vec![json!(jobs.0), json!(keyspace), json!([])],
        done,
    )
}

/// Rewrites the sstables of `keyspace` that are of an older format than the running version writes.
pub fn upgrade_sstables(keyspace: &str, jobs: Jobs) -> Call<()> {
    const EXCLUDE_CURRENT_VERSION: bool = true;
    let operation = "upgradeSSTables(java.lang.String,boolean,int,[Ljava.lang.String;)";
    let arguments = vec![
        json!(keyspace),
        json!(EXCLUDE_CURRENT_VERSION),
        json!(jobs.0),
        json!([]),
    ];
    Call::operation(Pace::Blocking, MBEAN, operation, arguments, done)
}

/// Rewrites the sstables of `keyspace`, and fails at what cannot be read, as `nodetool scrub` does: no rows are left out,
/// values are checked against the schema, and a snapshot `pre-scrub-<time>` of each table is made first.
pub fn scrub(keyspace: &str, jobs: Jobs) -> Call<()> {
    const DISABLE_SNAPSHOT: bool = false;
    const SKIP_CORRUPTED: bool = false;
    const CHECK_DATA: bool = true;
    const REINSERT_OVERFLOWED_TTL: bool = false;
    let operation = "scrub(boolean,boolean,boolean,boolean,int,java.lang.String,[Ljava.lang.String;)";
    let arguments = vec![
        json!(DISABLE_SNAPSHOT),
        json!(SKIP_CORRUPTED),
        json!(CHECK_DATA),
        json!(REINSERT_OVERFLOWED_TTL),
        json!(jobs.0),
        json!(keyspace),
        json!([]),
    ];
    Call::operation(Pace::Blocking, MBEAN, operation, arguments, done)
}

/// Merges the sstables of each table of `keyspace` into as few as its compaction strategy makes of them (a major compaction).
///
/// It returns nothing: that it was stopped half-way shows as an exception.
pub fn compact(keyspace: &str) -> Call<()> {
    const SPLIT_OUTPUT: bool = false;
    let operation = "forceKeyspaceCompaction(boolean,java.lang.String,[Ljava.lang.String;)";
    let arguments = vec![json!(SPLIT_OUTPUT), json!(keyspace), json!([])];
    Call::operation(Pace::Blocking, MBEAN, operation, arguments, nothing)
}

/// Rewrites the sstables of `keyspace` one by one, without deleted rows and what newer sstables overwrite.
pub fn garbage_collect(keyspace: &str, jobs: Jobs) -> Call<()> {
    /// The other choice, `CELL`, drops overwritten cells too, and takes longer.
    const GRANULARITY: &str = "ROW";
    let operation = "garbageCollect(java.lang.String,int,java.lang.String,[Ljava.lang.String;)";
    let arguments = vec![json!(GRANULARITY), json!(jobs.0), json!(keyspace), json!([])];
    Call::operation(Pace::Blocking, MBEAN, operation, arguments, done)
}

/// Writes the memtables of `keyspace` to sstables.
pub fn flush(keyspace: &str) -> Call<()> {
    let operation = "forceKeyspaceFlush(java.lang.String,[Ljava.lang.String;)";
    Call::operation(
        Pace::Blocking,
        MBEAN,
        operation,
        vec![json!(keyspace), json!([])],
        nothing,
    )
}

/// How many sstables of a keyspace a node works on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jobs(u32);

impl Jobs {
    /// As many as the node has compaction threads: a request for 0.
    pub const ALL_COMPACTORS: Self = Self(0);

    /// What `nodetool` asks for unless told otherwise.
    pub const TWO: Self = Self(2);

    /// So many, bounded by the node's compaction threads; 0 means all of them.
    pub fn new(jobs: u32) -> Self {
        // The operations take a Java int.
        Self(jobs.min(i32::MAX.unsigned_abs()))
    }
}

/// The outcome a compaction-like operation returns: without this check, a cleanup that the node aborted
/// at once would be taken for done.
fn done(value: &Value) -> Result<(), Unexpected> {
    match value.as_i64() {
        Some(0) => Ok(()),
        Some(1) => Err(Unexpected::NotDone(NotDone::Aborted)),
        Some(2) => Err(Unexpected::NotDone(NotDone::UnableToCancel)),
        Some(code) => Err(Unexpected::NotDone(NotDone::Other(code))),
        None => Err(Unexpected::new("an outcome number", value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Category;

    #[test]
    fn only_a_zero_is_success() {
        for call in [
            cleanup("shop", Jobs::new(2)),
            upgrade_sstables("shop", Jobs::TWO),
            scrub("shop", Jobs::TWO),
            garbage_collect("shop", Jobs::TWO),
        ] {
            let outcome = |value: Value| call.parse(&json!({"status": 200, "value": value}));
            assert!(outcome(json!(0)).is_ok());
            for code in [1, 2, 3, -1] {
                assert_eq!(outcome(json!(code)).unwrap_err().category(), Category::NotDone);
            }
            assert_eq!(outcome(Value::Null).unwrap_err().category(), Category::Malformed);
        }
    }

    #[test]
    fn what_returns_nothing_is_done_when_it_returns() {
        for call in [flush("shop"), compact("shop")] {
            assert!(call.parse(&json!({"status": 200, "value": null})).is_ok());
        }
    }
}
