//! A client that writes and reads without a pause while a ring is worked on, and keeps count.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Result, anyhow, bail, ensure};

use crate::kubectl::Kubectl;

/// Times that a batch is tried, each time on another node, before the client counts it as refused.
pub const TRIES: usize = 6;

/// Rows written, and read back, in one batch.
const BATCH: usize = 5;

/// What a client has seen.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Rows whose write was acknowledged: all from 0 up to this number.
    pub acknowledged: usize,
    /// Most tries that a batch took.
    pub most_tries: usize,
}

/// A running client.
pub struct Client {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Traffic>>,
}

impl Client {
    /// Starts writing rows `0, 1, 2, ...` into a table `(id int PRIMARY KEY, value int)` at QUORUM, and reading each back at
    /// QUORUM. `kubectl` is the client's way to the pods, whose nodes it takes in turns.
    pub fn start(
        kubectl: impl Fn() -> Result<Kubectl> + Send + 'static,
        pods: Vec<String>,
        table: &str,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, table) = (Arc::clone(&stop), table.to_owned());
        let thread = thread::spawn(move || {
            let mut traffic = Traffic::default();
            while !told.load(Ordering::Relaxed) {
                batch(&kubectl, &pods, &table, &mut traffic)?;
            }
            Ok(traffic)
        });
        Self { stop, thread }
    }

    /// Ends the client and says what it has seen; an error if a batch was refused in all its tries.
    pub fn stop(self) -> Result<Traffic> {
        self.stop.store(true, Ordering::Relaxed);
        let traffic = self.thread.join().map_err(|_| anyhow!("the client panicked"))??;
        ensure!(traffic.acknowledged > 0, "the client wrote nothing");
        Ok(traffic)
    }
}

fn batch(
    kubectl: impl Fn() -> Result<Kubectl>,
    pods: &[String],
    table: &str,
    traffic: &mut Traffic,
) -> Result<()> {
    let rows = traffic.acknowledged..traffic.acknowledged + BATCH;
    let writes = rows
        .clone()
        .map(|id| format!("INSERT INTO {table} (id, value) VALUES ({id}, {id});"));
    let reads = rows
        .clone()
        .map(|id| format!("SELECT value FROM {table} WHERE id = {id};"));
    let statements = ["CONSISTENCY QUORUM;".to_owned()]
        .into_iter()
        .chain(writes)
        .chain(reads);
    let statements = statements.collect::<Vec<_>>().join("\n");
    let mut refusals = Vec::new();
    for attempt in 1..=TRIES {
        let pod = &pods[(traffic.acknowledged / BATCH + attempt) % pods.len()];
        let exec = [
            "exec",
            pod,
            "--container=cassandra",
            "--",
            "cqlsh",
            "--request-timeout=20",
            "-e",
            &statements,
        ];
        let outcome = kubectl()?.arguments(exec).run()?;
        let found = rows
            .clone()
            .all(|id| outcome.stdout.lines().any(|line| line.trim() == id.to_string()));
        if outcome.success && found {
            traffic.acknowledged += BATCH;
            traffic.most_tries = traffic.most_tries.max(attempt);
            return Ok(());
        }
        refusals.push(format!("{pod}: {}{}", outcome.stdout, outcome.stderr));
    }
    bail!(
        "rows {rows:?} were refused {TRIES} times: {}",
        refusals.join("; ")
    )
}
