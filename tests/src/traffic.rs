//! A client that writes and reads all the while a ring is worked on, and keeps count.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::kubectl::Kubectl;

/// Times that a batch is tried, each time on another node, before the client counts it as refused.
pub const TRIES: usize = 6;

/// Rows written, and read back, in one batch.
const BATCH: usize = 10;

/// After a batch, and after a try that was refused: to start `cqlsh` takes most of a second of a core, of which there may be two for
/// everything, and a pod that is not there refuses at once.
const BREATH: Duration = Duration::from_millis(500);

/// What a client has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic {
    /// Rows whose write was acknowledged: all from 0 up to this number.
    pub acknowledged: usize,
    /// Batches that took more than one try.
    pub retried: usize,
    /// Most tries that a batch took.
    pub most_tries: usize,
}

/// A running client. It ends when it is dropped.
pub struct Client {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

/// What a client has seen so far.
#[derive(Default)]
struct Seen {
    traffic: Traffic,
    /// Why it gave up.
    refused: Option<String>,
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
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (told, tally, table) = (Arc::clone(&stop), Arc::clone(&seen), table.to_owned());
        let thread = thread::spawn(move || {
            let mut traffic = Traffic::default();
            while !told.load(Ordering::Relaxed) {
                let outcome = batch(&kubectl, &pods, &table, &mut traffic);
                let mut seen = lock(&tally);
                seen.traffic = traffic;
                if let Err(error) = outcome {
                    seen.refused = Some(format!("{error:#}"));
                    return;
                }
                drop(seen);
                thread::sleep(BREATH);
            }
        });
        Self {
            stop,
            seen,
            thread: Some(thread),
        }
    }

    /// What it has seen so far; an error if a batch was refused in all its tries.
    pub fn seen(&self) -> Result<Traffic> {
        let seen = lock(&self.seen);
        if let Some(why) = &seen.refused {
            bail!("the client gave up: {why}");
        }
        Ok(seen.traffic)
    }

    /// Ends the client and says what it has seen.
    pub fn stop(mut self) -> Result<Traffic> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        ensure!(ended, "the client panicked");
        let traffic = self.seen()?;
        ensure!(traffic.acknowledged > 0, "the client wrote nothing");
        Ok(traffic)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    // Numbers are whole whoever panicked meanwhile.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
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
            traffic.retried += usize::from(attempt > 1);
            traffic.most_tries = traffic.most_tries.max(attempt);
            return Ok(());
        }
        refusals.push(format!("{pod}: {}{}", outcome.stdout, outcome.stderr));
        thread::sleep(BREATH);
    }
    bail!(
        "rows {rows:?} were refused {TRIES} times: {}",
        refusals.join("; ")
    )
}
