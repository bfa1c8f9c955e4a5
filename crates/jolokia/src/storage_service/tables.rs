//! Work on the data files of tables. The signatures below are in every version from 3.11 to 5.0.

use serde_json::{Value, json};

use super::MBEAN;
use crate::answer::nothing;
use crate::call::{Call, Pace};
use crate::error::{NotDone, Unexpected};

/// Tables to work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables<'a> {
    /// Their keyspace.
    pub keyspace: &'a str,
    /// Their names; all of the keyspace where there is none.
    pub names: &'a [String],
}

impl<'a> Tables<'a> {
    /// All of a keyspace.
    pub fn of(keyspace: &'a str) -> Self {
        Self { keyspace, names: &[] }
    }
}

/// Drops the keys of tables that the node no longer owns.
///
/// Refused for the node's own keyspaces and while the node is to take over data from one that leaves. While
/// another node joins it succeeds, and leaves there what that node is about to own.
pub fn cleanup(tables: Tables<'_>, jobs: Jobs) -> Call<()> {
    let operation = "forceKeyspaceCleanup(int,java.lang.String,[Ljava.lang.String;)";
    let arguments = vec![json!(jobs.0), json!(tables.keyspace), json!(tables.names)];
    Call::operation(Pace::Blocking, MBEAN, operation, arguments, done)
}

/// Rewrites the sstables of tables that are of an older format than the running version writes.
pub fn upgrade_sstables(tables: Tables<'_>, jobs: Jobs) -> Call<()> {
    const EXCLUDE_CURRENT_VERSION: bool = true;
    let operation = "upgradeSSTables(java.lang.String,boolean,int,[Ljava.lang.String;)";
    let arguments = vec![
        json!(tables.keyspace),
        json!(EXCLUDE_CURRENT_VERSION),
        json!(jobs.0),
        json!(tables.names),
    ];
    Call::operation(Pace::Blocking, MBEAN, operation, arguments, done)
}

/// How a scrub goes about it; `nodetool scrub` does it with none of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scrub {
    /// Make no snapshot `pre-scrub-<time>` of each table first: what cannot be read is gone then.
    pub no_snapshot: bool,
    /// Leave out what cannot be read of counter tables too, instead of failing there: counts may come out lower.
    pub skip_corrupted: bool,
    /// Do not look whether values are of their columns' types.
    pub no_validate: bool,
}

/// Rewrites the sstables of tables. Partitions that cannot be read are left out of the new ones; of counter tables they are an
/// exception (`throwIfCannotContinue` of Cassandra's scrubbers, 3.11 to 5.0).
pub fn scrub(tables: Tables<'_>, jobs: Jobs, how: Scrub) -> Call<()> {
    const REINSERT_OVERFLOWED_TTL: bool = false;
    let operation = "scrub(boolean,boolean,boolean,boolean,int,java.lang.String,[Ljava.lang.String;)";
    let arguments = vec![
        json!(how.no_snapshot),
        json!(how.skip_corrupted),
        json!(!how.no_validate),
        json!(REINSERT_OVERFLOWED_TTL),
        json!(jobs.0),
        json!(tables.keyspace),
        json!(tables.names),
    ];
    Call::operation(Pace::Blocking, MBEAN, operation, arguments, done)
}

/// What a compaction makes of the sstables of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// As few as its compaction strategy makes of them.
    Few,
    /// Several, of falling sizes (of a size-tiered strategy).
    Split,
}

/// Merges the sstables of each of the tables (a major compaction).
///
/// It returns nothing: that it was stopped half-way shows as an exception.
pub fn compact(tables: Tables<'_>, output: Output) -> Call<()> {
    let operation = "forceKeyspaceCompaction(boolean,java.lang.String,[Ljava.lang.String;)";
    let split = output == Output::Split;
    let arguments = vec![json!(split), json!(tables.keyspace), json!(tables.names)];
    Call::operation(Pace::Blocking, MBEAN, operation, arguments, nothing)
}

/// Merges the sstables of each of the tables that hold tokens from `start` to `end`.
pub fn compact_tokens(tables: Tables<'_>, start: &str, end: &str) -> Call<()> {
    let operation = "forceKeyspaceCompactionForTokenRange(java.lang.String,java.lang.String,java.lang.String,[Ljava.lang.String;)";
    let arguments = vec![
        json!(tables.keyspace),
        json!(start),
        json!(end),
        json!(tables.names),
    ];
    Call::operation(Pace::Blocking, MBEAN, operation, arguments, nothing)
}

/// Rewrites the sstables of tables one by one, without deleted rows and what newer sstables overwrite.
pub fn garbage_collect(tables: Tables<'_>, jobs: Jobs) -> Call<()> {
    /// The other choice, `CELL`, drops overwritten cells too, and takes longer.
    const GRANULARITY: &str = "ROW";
    let operation = "garbageCollect(java.lang.String,int,java.lang.String,[Ljava.lang.String;)";
    let arguments = vec![
        json!(GRANULARITY),
        json!(jobs.0),
        json!(tables.keyspace),
        json!(tables.names),
    ];
    Call::operation(Pace::Blocking, MBEAN, operation, arguments, done)
}

/// Writes the memtables of tables to sstables.
pub fn flush(tables: Tables<'_>) -> Call<()> {
    let operation = "forceKeyspaceFlush(java.lang.String,[Ljava.lang.String;)";
    let arguments = vec![json!(tables.keyspace), json!(tables.names)];
    Call::operation(Pace::Blocking, MBEAN, operation, arguments, nothing)
}

/// How many sstables of a keyspace a node works on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jobs(u32);

impl Jobs {
    /// As many as the node has compaction threads: a request for 0.
    pub const ALL_COMPACTORS: Self = Self(0);

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
            cleanup(Tables::of("shop"), Jobs::new(2)),
            upgrade_sstables(Tables::of("shop"), Jobs::new(2)),
            scrub(Tables::of("shop"), Jobs::new(2), Scrub::default()),
            garbage_collect(Tables::of("shop"), Jobs::new(2)),
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
        let shop = Tables::of("shop");
        for call in [
            flush(shop),
            compact(shop, Output::Few),
            compact_tokens(shop, "-9", "10"),
        ] {
            assert!(call.parse(&json!({"status": 200, "value": null})).is_ok());
        }
    }
}
