//! An operator that is killed with -9 at its writes, and started again, for as long as a test lasts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use axum::body::Body;
use axum::http::Response;
use tokio::sync::{Mutex as Turn, mpsc};
use tokio::time::{Duration, interval};

use super::proxy::{Passage, Proxy, Upstream, Whole};
use super::witness::Witness;
use super::write::Write;
use crate::operator::Launch;

/// How often is looked whether the operator ended by itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// At which writes the operator dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deaths {
    /// Twice at every write: first before it reaches the API server, then before its answer reaches the operator. What
    /// comes a third time is let through, so that a process gets to what it does after the write.
    AtEveryWrite,
    /// At every so manieth write of each process, before and after in turn: what a process plans for one pass is carried
    /// out in part.
    AtEach(usize),
}

/// What happened to the writes since [`Mortal::begin`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    /// Different writes seen.
    pub writes: usize,
    /// Deaths before a write.
    pub before: usize,
    /// Deaths after a write.
    pub after: usize,
}

impl Toll {
    /// All deaths.
    pub fn deaths(&self) -> usize {
        self.before + self.after
    }
}

/// What outlives each process.
struct Book {
    deaths: Deaths,
    /// How often each write was tried.
    tries: HashMap<String, usize>,
    toll: Toll,
    /// Each process that came to its end, by what it died at.
    history: Vec<String>,
}

/// How a process meets a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Survives,
    DiesBefore,
    DiesAfter,
}

impl Book {
    fn fate_at(&mut self, write: &Write, number: usize) -> Fate {
        let tries = self.tries.entry(write.likeness()).or_default();
        *tries += 1;
        let tried = *tries;
        self.toll.writes = self.tries.len();
        let fate = match self.deaths {
            Deaths::AtEveryWrite => match tried {
                1 => Fate::DiesBefore,
                2 => Fate::DiesAfter,
                _ => Fate::Survives,
            },
            Deaths::AtEach(every) if number < every => Fate::Survives,
            Deaths::AtEach(_) if self.toll.before <= self.toll.after => Fate::DiesBefore,
            Deaths::AtEach(_) => Fate::DiesAfter,
        };
        match fate {
            Fate::Survives => return fate,
            Fate::DiesBefore => self.toll.before += 1,
            Fate::DiesAfter => self.toll.after += 1,
        }
        let when = if fate == Fate::DiesBefore {
            "before"
        } else {
            "after"
        };
        self.history.push(format!("{when} {write}"));
        fate
    }
}

/// The operator of a test, which dies again and again. Dropping it ends that.
pub struct Mortal {
    book: Arc<Mutex<Book>>,
    lives: tokio::task::JoinHandle<()>,
}

impl Mortal {
    /// Starts the first process.
    pub fn start(launch: Launch, client: kube::Client, witness: Witness, deaths: Deaths) -> Self {
        let book = Arc::new(Mutex::new(Book {
            deaths,
            tries: HashMap::new(),
            toll: Toll::default(),
            history: Vec::new(),
        }));
        let lives = Lives {
            launch,
            upstream: Upstream(client),
            witness,
            book: Arc::clone(&book),
        };
        Self {
            book,
            lives: tokio::spawn(lives.lead()),
        }
    }

    /// From here on every write is a new one.
    pub fn begin(&self) {
        let mut book = lock(&self.book);
        book.tries.clear();
        book.toll = Toll::default();
        book.history.clear();
    }

    /// What happened since [`Mortal::begin`].
    pub fn toll(&self) -> Toll {
        lock(&self.book).toll.clone()
    }

    /// At what the processes died since [`Mortal::begin`].
    pub fn history(&self) -> Vec<String> {
        lock(&self.book).history.clone()
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.lives.abort();
    }
}

struct Lives {
    launch: Launch,
    upstream: Upstream,
    witness: Witness,
    book: Arc<Mutex<Book>>,
}

impl Lives {
    async fn lead(self) {
        loop {
            if let Err(error) = self.one().await {
                lock(&self.book).history.push(format!("not started: {error:#}"));
                return;
            }
        }
    }

    /// One process, from its start to its death.
    async fn one(&self) -> Result<()> {
        let (die, mut dies) = mpsc::channel(1);
        let life = Life(Arc::new(OfLife {
            upstream: self.upstream.clone(),
            witness: self.witness.clone(),
            book: Arc::clone(&self.book),
            writes: Turn::new(0),
            die,
        }));
        let proxy = Proxy::open(life).await?;
        let mut operator = self.launch.through(&proxy)?.start()?;
        let mut look = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = dies.recv() => return operator.kill(),
                _ = look.tick() => if operator.has_ended()? {
                    lock(&self.book).history.push("ended by itself".to_owned());
                    return Ok(());
                },
            }
        }
    }
}

/// The requests of one process.
#[derive(Clone)]
struct Life(Arc<OfLife>);

struct OfLife {
    upstream: Upstream,
    witness: Witness,
    book: Arc<Mutex<Book>>,
    /// How many writes came, held while one is under way: none is in flight when the process dies.
    writes: Turn<usize>,
    die: mpsc::Sender<()>,
}

impl Passage for Life {
    async fn answer(&self, request: Whole) -> Response<Body> {
        let life = &self.0;
        let Some(write) = Write::of(&request) else {
            return life.upstream.ask(request).await;
        };
        let mut writes = life.writes.lock().await;
        *writes += 1;
        let fate = lock(&life.book).fate_at(&write, *writes);
        if fate == Fate::DiesBefore {
            return life.end().await;
        }
        let suspicion = life.witness.suspects(&write).await;
        let answer = life.upstream.ask_to_the_end(request).await;
        life.witness.notes(suspicion, answer.status());
        if fate == Fate::DiesAfter {
            return life.end().await;
        }
        answer.map(Body::from)
    }
}

impl OfLife {
    /// Has the process killed. It gets no answer to this write, and cannot make another: the turn stays taken.
    async fn end(&self) -> Response<Body> {
        // Full means that it is about to be killed already.
        let _known = self.die.try_send(());
        std::future::pending().await
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Method;
    use serde_json::Value;

    fn fates(deaths: Deaths, writes: &[(&str, usize)]) -> (Vec<Fate>, Toll) {
        let mut book = Book {
            deaths,
            tries: HashMap::new(),
            toll: Toll::default(),
            history: Vec::new(),
        };
        let write = |name: &str| Write {
            method: Method::PATCH,
            resource: "pods".to_owned(),
            name: name.to_owned(),
            body: Value::Null,
        };
        let fates = writes
            .iter()
            .map(|(name, number)| book.fate_at(&write(name), *number));
        (fates.collect(), book.toll)
    }

    #[test]
    fn every_write_has_its_two_deaths_and_then_goes_through() {
        let (fates, toll) = fates(
            Deaths::AtEveryWrite,
            &[("a", 1), ("a", 1), ("a", 1), ("b", 2), ("b", 1), ("a", 1)],
        );
        let [before, after, survives] = [Fate::DiesBefore, Fate::DiesAfter, Fate::Survives];
        assert_eq!(fates, [before, after, survives, before, after, survives]);
        assert_eq!((toll.writes, toll.before, toll.after), (2, 2, 2));
    }

    #[test]
    fn a_process_gets_as_far_as_its_last_write() {
        let (fates, toll) = fates(
            Deaths::AtEach(2),
            &[("a", 1), ("b", 2), ("b", 1), ("c", 2), ("d", 1)],
        );
        let [before, after, survives] = [Fate::DiesBefore, Fate::DiesAfter, Fate::Survives];
        assert_eq!(fates, [survives, before, survives, after, survives]);
        assert_eq!((toll.writes, toll.deaths()), (4, 2));
    }
}
