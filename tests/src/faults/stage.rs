//! Operations one after the other under faults, and what has to hold of each.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use casskop_simulator::ring::Moment;
use casskop_simulator::{CallLog, CallPattern, CallQuery, CallRule, ClusterId, Scope, Span};
use tokio::time::Instant;

use super::deaths::{Deaths, Mortal};
use super::lag::{Lagging, Reads};
use super::proxy::Proxy;
use super::witness::Witness;
use crate::cluster::Cluster;
use crate::ground::Ground;
use crate::operator::{Launch, Operator};

/// Calls that move data, or take a node down: each is asked for by somebody.
const LONG_CALLS: [&str; 7] = [
    "forceKeyspaceCleanup",
    "upgradeSSTables",
    "rebuild",
    "removeNode",
    "decommission",
    "move",
    "drain",
];

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Faults {
    /// The operator dies at its writes.
    Deaths(Deaths),
    /// The API server lags.
    Lag(Reads),
}

/// An operation under test.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'a> {
    /// Its name.
    pub name: &'a str,
    /// Different writes it takes at least.
    pub writes: usize,
    /// Long calls it makes. Of all others no node sees another one: no request runs again after its end.
    pub calls: &'a [&'a str],
}

/// An operator under faults.
pub struct Stage {
    operator: UnderFaults,
    witness: Witness,
    simulator: casskop_simulator::Client,
    cluster: ClusterId,
    report: String,
    faults: usize,
}

enum UnderFaults {
    Mortal(Mortal),
    Lagging {
        lagging: Lagging,
        _operator: Operator,
        _proxy: Proxy,
    },
}

impl Stage {
    /// Starts the operator of the test's namespace, for a cluster of this name to come.
    pub async fn new(ground: &Ground, cluster: &str, faults: Faults) -> Result<Self> {
        let witness = Witness::of(ground, cluster)?;
        let (simulator, id) = Cluster::simulator_of(ground, cluster)?;
        // Long enough for an operator to die while a node is at work, and for its successor to find it at that.
        for call in LONG_CALLS {
            let rule = CallRule {
                scope: Scope::Cluster(id.clone()),
                calls: CallPattern::named(call),
                takes: Span::Millis(300),
                ..CallRule::default()
            };
            simulator.add_call_rule(rule).await?;
        }
        let launch = Launch::of(ground);
        let client = ground.client.clone();
        let operator = match faults {
            Faults::Deaths(deaths) => {
                UnderFaults::Mortal(Mortal::start(launch, client, witness.clone(), deaths))
            }
            Faults::Lag(reads) => {
                let lagging = Lagging::new(client, witness.clone(), reads);
                let proxy = Proxy::open(lagging.clone()).await?;
                UnderFaults::Lagging {
                    _operator: launch.through(&proxy)?.start()?,
                    lagging,
                    _proxy: proxy,
                }
            }
        };
        Ok(Self {
            operator,
            witness,
            simulator,
            cluster: id,
            report: format!("{faults:?}\n"),
            faults: 0,
        })
    }

    /// Carries an operation out under faults: `act` asks for it and waits until the cluster has settled in what was asked
    /// for. Nothing the ring counted on was destroyed, at most one node was down at any moment, and nothing ran twice at
    /// once, or again after its end was recorded.
    pub async fn carry_out(
        &mut self,
        operation: Operation<'_>,
        act: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<()> {
        let began = Instant::now();
        let since = self.simulator.ring(&self.cluster).await.map(|view| view.now);
        let before = self.long_calls().await?;
        act().await.with_context(|| self.so_far(operation))?;
        let name = operation.name;
        // Before the first node starts there is no ring to ask.
        let since = since.unwrap_or(Moment(0));
        let down = self.simulator.max_down_since(&self.cluster, since).await?;
        ensure!(down <= 1, "{name}: {down} nodes were down at once");
        let after = self.long_calls().await?;
        for ((call, before), (_, after)) in before.iter().zip(&after) {
            let (before, now) = (before.len(), after.len());
            ensure!(
                operation.calls.contains(call) || before == now,
                "{name}: {call} was called, {now} times instead of {before}"
            );
            let at_once = after.max_concurrent_on_a_pod();
            ensure!(
                at_once <= 1,
                "{name}: {call} ran {at_once} times at once on a node"
            );
        }
        self.sum_up(operation, began)
    }

    /// The same for what ends the cluster: its nodes go all at once.
    pub async fn end_with(
        &mut self,
        operation: Operation<'_>,
        act: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<()> {
        self.witness.bid_farewell();
        let began = Instant::now();
        act().await.with_context(|| self.so_far(operation))?;
        self.sum_up(operation, began)
    }

    /// What happened, operation by operation: at least so many deaths, or old answers and streams cut.
    pub fn conclude(self, faults: usize) -> Result<String> {
        let Self {
            report, faults: were, ..
        } = self;
        ensure!(were >= faults, "only {were} faults, not {faults}:\n{report}");
        Ok(format!("{report}all: {were} faults\n"))
    }

    /// What is written from here on counts to the next operation.
    fn begin(&self) {
        match &self.operator {
            UnderFaults::Mortal(mortal) => mortal.begin(),
            UnderFaults::Lagging { lagging, .. } => lagging.begin(),
        }
    }

    fn so_far(&self, operation: Operation<'_>) -> String {
        let name = operation.name;
        match &self.operator {
            UnderFaults::Mortal(mortal) => {
                format!("{}{name}, after deaths {:#?}", self.report, mortal.history())
            }
            UnderFaults::Lagging { lagging, .. } => {
                format!("{}{name}, after {:?}", self.report, lagging.tally())
            }
        }
    }

    fn sum_up(&mut self, operation: Operation<'_>, began: Instant) -> Result<()> {
        let Operation { name, writes, .. } = operation;
        let crimes = self.witness.found();
        ensure!(crimes.is_empty(), "{name}: {crimes:?}");
        let took = began.elapsed().as_secs_f32();
        match &self.operator {
            UnderFaults::Mortal(mortal) => {
                let (toll, history) = (mortal.toll(), mortal.history());
                ensure!(
                    toll.writes >= writes,
                    "{name} took {} writes, not {writes}: {history:#?}",
                    toll.writes
                );
                let (writes, before, after) = (toll.writes, toll.before, toll.after);
                self.faults += before + after;
                writeln!(
                    self.report,
                    "{name}: {writes} writes, {before} deaths before and {after} after one, settled in {took:.1} s"
                )?;
            }
            UnderFaults::Lagging { lagging, .. } => {
                let tally = lagging.tally();
                let (late, cut, expired) = (tally.late, tally.cut, tally.expired);
                let (old, conflicts) = (tally.old, tally.conflicts);
                self.faults += cut + old;
                writeln!(
                    self.report,
                    "{name}: {late} late events, {cut} streams cut, {expired} expired, {old} old answers, {conflicts} conflicts, settled in {took:.1} s"
                )?;
            }
        }
        self.begin();
        Ok(())
    }

    async fn long_calls(&self) -> Result<Vec<(&'static str, CallLog)>> {
        let mut calls = Vec::new();
        for name in LONG_CALLS {
            let query = CallQuery::of(self.cluster.clone(), name);
            calls.push((name, self.simulator.calls(&query).await?));
        }
        Ok(calls)
    }
}
