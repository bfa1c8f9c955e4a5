//! The log of calls over Jolokia, and the questions tests put to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::{ClusterId, PodId};
use crate::ring::{HostId, Moment};

/// One call: an attribute read, or an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallRecord {
    /// Position in the log, from 0.
    pub id: u64,
    /// The pod that was asked.
    pub pod: PodId,
    /// The uid of that very pod.
    pub pod_uid: String,
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its host id.
    pub host: HostId,
    /// What kind of call.
    pub kind: CallKind,
    /// MBean as asked for.
    pub mbean: String,
    /// Operation without signature, or attribute.
    pub name: String,
    /// The operation's signature, where one was given.
    pub signature: Option<String>,
    /// Arguments as given.
    pub arguments: Vec<Value>,
    /// When a thread of the agent's pool took it up.
    pub begun: Moment,
    /// When it ended in the node, whether or not the client was still there.
    pub ended: Option<Moment>,
    /// How it ended.
    pub outcome: CallOutcome,
    /// Place of its beginning in the order of all beginnings and ends: exact where two moments are equal.
    pub began_as: u64,
    /// Place of its end in the same order.
    pub ended_as: Option<u64>,
}

/// Kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallKind {
    /// An attribute is read.
    Read,
    /// An operation is executed.
    Exec,
    /// Anything else Jolokia offers: its version, MBean names, writes.
    Other,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallOutcome {
    /// It is still running in the node.
    InFlight,
    /// With an answer.
    Done,
    /// With an exception, by its class and message.
    Failed(String),
    /// The credentials were wrong: nothing was called.
    Unauthorized,
    /// The node's process ended first.
    Lost,
}

/// Which records are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CallQuery {
    /// Calls to pods of this cluster.
    pub cluster: Option<ClusterId>,
    /// Calls to pods of this name.
    pub pod: Option<PodId>,
    /// Calls of this operation, or reads of this attribute.
    pub name: Option<String>,
    /// Calls of this kind.
    pub kind: Option<CallKind>,
    /// Calls from this position in the log on.
    pub from: u64,
}

impl CallQuery {
    /// Calls of one operation or attribute in one cluster.
    pub fn of(cluster: ClusterId, name: impl Into<String>) -> Self {
        Self {
            cluster: Some(cluster),
            name: Some(name.into()),
            ..Self::default()
        }
    }

    fn wants(&self, record: &CallRecord) -> bool {
        self.cluster
            .as_ref()
            .is_none_or(|cluster| *cluster == record.cluster)
            && self.pod.as_ref().is_none_or(|pod| *pod == record.pod)
            && self.name.as_ref().is_none_or(|name| *name == record.name)
            && self.kind.is_none_or(|kind| kind == record.kind)
            && self.from <= record.id
    }
}

/// Calls in the order they were taken up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallLog {
    records: Vec<CallRecord>,
    /// Beginnings and ends so far.
    #[serde(skip)]
    steps: u64,
    /// Number of records that were forgotten.
    #[serde(skip)]
    forgotten: u64,
}

impl CallLog {
    /// A log of these records.
    pub fn new(records: Vec<CallRecord>) -> Self {
        Self {
            records,
            ..Self::default()
        }
    }

    /// The records.
    pub fn records(&self) -> &[CallRecord] {
        &self.records
    }

    /// Number of calls.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether nothing was called.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The part of the log that a query wants.
    #[must_use]
    pub fn select(&self, query: &CallQuery) -> Self {
        Self::new(
            self.records
                .iter()
                .filter(|record| query.wants(record))
                .cloned()
                .collect(),
        )
    }

    /// How many calls each pod got, by the pod's uid: a pod and its successor under the same name are two.
    pub fn count_by_pod(&self) -> BTreeMap<(PodId, String), usize> {
        let mut counts = BTreeMap::new();
        for record in &self.records {
            *counts
                .entry((record.pod.clone(), record.pod_uid.clone()))
                .or_default() += 1;
        }
        counts
    }

    /// How many calls of each operation or attribute there were.
    pub fn count_by_name(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for record in &self.records {
            *counts.entry(record.name.clone()).or_default() += 1;
        }
        counts
    }

    /// The largest number of these calls that ran at the same time.
    pub fn max_concurrent(&self) -> usize {
        most_at_once(self.records.iter())
    }

    /// The largest number of these calls that ran at the same time on one pod. More than one of the same operation is
    /// two runs of one request at once.
    pub fn max_concurrent_on_a_pod(&self) -> usize {
        let mut by_pod: BTreeMap<&str, Vec<&CallRecord>> = BTreeMap::new();
        for record in &self.records {
            by_pod.entry(&record.pod_uid).or_default().push(record);
        }
        by_pod
            .into_values()
            .map(|records| most_at_once(records.into_iter()))
            .max()
            .unwrap_or(0)
    }

    /// Calls repeated on a node with equal arguments although an earlier one had come to a good end: repeats of a
    /// recorded end, if the request was one.
    pub fn repeats_of_done(&self) -> Vec<&CallRecord> {
        let repeats = |record: &&CallRecord| {
            self.records.iter().any(|earlier| {
                earlier.outcome == CallOutcome::Done
                    && earlier.ended_as.is_some_and(|ended| ended < record.began_as)
                    && (&earlier.host, &earlier.name, &earlier.arguments)
                        == (&record.host, &record.name, &record.arguments)
            })
        };
        self.records.iter().filter(repeats).collect()
    }

    /// Writes down that a call begins.
    pub(crate) fn begin(&mut self, record: CallRecord) -> u64 {
        let id = self.forgotten + count(&self.records);
        let began_as = self.step();
        self.records.push(CallRecord {
            id,
            began_as,
            ..record
        });
        id
    }

    /// Writes down how a call ended. A call that has ended stays as it is.
    pub(crate) fn end(&mut self, id: u64, outcome: CallOutcome, now: Moment) {
        let step = self.step();
        let index = id
            .checked_sub(self.forgotten)
            .and_then(|index| usize::try_from(index).ok());
        if let Some(record) = index.and_then(|index| self.records.get_mut(index)) {
            record.end(outcome, now, step);
        }
    }

    /// Every call in flight on a pod is lost with the node's process.
    pub(crate) fn lose(&mut self, pod_uid: &str, now: Moment) {
        let step = self.step();
        for record in self.records.iter_mut().filter(|record| record.pod_uid == pod_uid) {
            record.end(CallOutcome::Lost, now, step);
        }
    }

    /// Forgets all calls, but neither their number nor the place in the order.
    pub(crate) fn clear(&mut self) {
        self.forgotten += count(&self.records);
        self.records.clear();
    }

    fn step(&mut self) -> u64 {
        self.steps += 1;
        self.steps
    }
}

impl CallRecord {
    fn end(&mut self, outcome: CallOutcome, now: Moment, step: u64) {
        if self.ended_as.is_none() {
            self.ended = Some(now);
            self.ended_as = Some(step);
            self.outcome = outcome;
        }
    }
}

fn count(records: &[CallRecord]) -> u64 {
    u64::try_from(records.len()).unwrap_or(u64::MAX)
}

fn most_at_once<'a>(records: impl Iterator<Item = &'a CallRecord>) -> usize {
    let mut steps: Vec<(u64, Step)> = Vec::new();
    for record in records {
        steps.push((record.began_as, Step::Begin));
        steps.extend(record.ended_as.map(|ended| (ended, Step::End)));
    }
    steps.sort_unstable();
    let (mut running, mut most) = (0_usize, 0);
    for (_, step) in steps {
        match step {
            Step::Begin => running += 1,
            Step::End => running = running.saturating_sub(1),
        }
        most = most.max(running);
    }
    most
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    End,
    Begin,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: u64, pod: &str, begun: u64, ended: Option<u64>) -> CallRecord {
        CallRecord {
            id,
            pod: PodId::new("ns", pod),
            pod_uid: format!("uid-{pod}"),
            cluster: ClusterId::new("ns", "demo"),
            host: HostId::of_disk(pod),
            kind: CallKind::Exec,
            mbean: "org.apache.cassandra.db:type=StorageService".to_owned(),
            name: "forceKeyspaceCleanup".to_owned(),
            signature: None,
            arguments: vec![Value::from("ks1")],
            begun: Moment(begun),
            ended: ended.map(Moment),
            began_as: begun,
            ended_as: ended,
            outcome: if ended.is_some() {
                CallOutcome::Done
            } else {
                CallOutcome::InFlight
            },
        }
    }

    #[test]
    fn overlap_counts_calls_that_run_at_one_moment() {
        let log = CallLog::new(vec![
            record(0, "a", 0, Some(10)),
            record(1, "a", 10, Some(20)),
            record(2, "b", 5, None),
            record(3, "b", 6, Some(7)),
        ]);
        assert_eq!(log.max_concurrent(), 3, "at 6: the first of a, both of b");
        assert_eq!(log.max_concurrent_on_a_pod(), 2);
        let query = CallQuery {
            pod: Some(PodId::new("ns", "a")),
            ..CallQuery::default()
        };
        assert_eq!(
            log.select(&query).max_concurrent_on_a_pod(),
            1,
            "one ends as the next begins"
        );
    }

    #[test]
    fn a_repeat_is_the_same_call_after_a_good_end() {
        let mut failed = record(1, "b", 0, Some(5));
        failed.outcome = CallOutcome::Failed("java.io.IOException".to_owned());
        let log = CallLog::new(vec![
            record(0, "a", 0, Some(5)),
            failed,
            record(2, "a", 6, Some(9)),
            record(3, "b", 6, Some(9)),
        ]);
        let repeated: Vec<u64> = log.repeats_of_done().iter().map(|record| record.id).collect();
        assert_eq!(repeated, [2]);
    }

    #[test]
    fn a_forgotten_call_that_ends_ends_no_other() {
        let mut log = CallLog::default();
        let first = log.begin(record(0, "a", 0, None));
        log.clear();
        let second = log.begin(record(0, "a", 1, None));
        log.end(first, CallOutcome::Done, Moment(3));
        assert_eq!(log.records()[0].outcome, CallOutcome::InFlight);
        log.end(second, CallOutcome::Done, Moment(4));
        assert_eq!(log.records()[0].outcome, CallOutcome::Done);
        let from = |from| CallQuery {
            from,
            ..CallQuery::default()
        };
        assert_eq!(log.select(&from(second)).len(), 1);
        assert!(log.select(&from(second + 1)).is_empty());
    }

    #[test]
    fn a_call_that_has_ended_is_not_lost_with_its_node() {
        let mut log = CallLog::default();
        log.begin(record(0, "a", 0, None));
        log.begin(record(0, "a", 1, None));
        log.end(0, CallOutcome::Done, Moment(3));
        log.lose("uid-a", Moment(4));
        let outcomes: Vec<_> = log
            .records()
            .iter()
            .map(|record| record.outcome.clone())
            .collect();
        assert_eq!(outcomes, [CallOutcome::Done, CallOutcome::Lost]);
    }
}
