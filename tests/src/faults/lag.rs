//! An API server that lags: watch events arrive late, with the next stream, or only by the list a watch starts over with, and
//! what is read meanwhile is the state before those events.
//!
//! Of each kind the operator sees a past state, and it learns of every change in the end: after an event that was delivered
//! nothing older is shown, and an old answer is given only while an event that wakes the operator is still to come.
//!
//! A real API server answers a read without a version from a quorum, and never with a past state. The operations of clusters are
//! held to more than that. Where it is decided on that an object is not there, only the events lag: see [`Reads`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::http::{Method, Response};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep_until};

use super::proxy::{Passage, Upstream, Whole};
use super::witness::Witness;
use super::write::{Write, object};

/// How late events come.
const LATE: Duration = Duration::from_millis(300);

/// Instead of every so manieth event the stream ends.
const CUT_EVERY: usize = 5;

/// Of so many streams that ended, the next one has forgotten where it was.
const EXPIRE_EVERY: usize = 3;

/// What went wrong since [`Lagging::begin`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events that came late.
    pub late: usize,
    /// Streams that ended instead of an event.
    pub cut: usize,
    /// Watches that had to start over with a list.
    pub expired: usize,
    /// Reads answered with an earlier answer.
    pub old: usize,
    /// Writes the API server refused because of the version they were made on.
    pub conflicts: usize,
}

/// What is read while events are still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Now and then the state before those events.
    Old,
    /// What there is, as a quorum has it.
    Current,
}

/// The lagging API server.
#[derive(Clone)]
pub struct Lagging {
    upstream: Upstream,
    witness: Witness,
    reads: Reads,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    tally: Tally,
    /// Events and streams so far, for what happens to every so manieth.
    events: usize,
    cuts: usize,
    kinds: HashMap<String, Kind>,
    answers: HashMap<String, Answer>,
}

/// What is known of a kind that is watched.
#[derive(Default)]
struct Kind {
    /// Grows with everything delivered.
    shown: u64,
    /// Events that have arrived and are not delivered.
    held: usize,
    /// Events were lost with their stream, and come with the next one.
    owed: bool,
    /// The next stream is refused as too old.
    expires: bool,
}

/// The answer to a read.
#[derive(Clone)]
struct Answer {
    shown: u64,
    response: Response<Vec<u8>>,
    given_again: bool,
}

impl Lagging {
    /// An API server that lags behind this one.
    pub fn new(client: kube::Client, witness: Witness, reads: Reads) -> Self {
        Self {
            upstream: Upstream(client),
            witness,
            reads,
            state: Arc::default(),
        }
    }

    /// Counts anew.
    pub fn begin(&self) {
        self.state().tally = Tally::default();
    }

    /// What went wrong since [`Lagging::begin`].
    pub fn tally(&self) -> Tally {
        self.state().tally.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, write: &Write, request: Whole) -> Response<Body> {
        let suspicion = self.witness.suspects(write).await;
        let answer = self.upstream.ask_to_the_end(request).await;
        self.witness.notes(suspicion, answer.status());
        if answer.status() == axum::http::StatusCode::CONFLICT {
            self.state().tally.conflicts += 1;
        }
        answer.map(Body::from)
    }

    async fn read(&self, kind: &str, request: Whole) -> Response<Body> {
        let what = request.uri().to_string();
        let shown = {
            let mut state = self.state();
            if self.reads == Reads::Old
                && let Some(old) = state.old_answer(kind, &what)
            {
                state.tally.old += 1;
                return old.map(Body::from);
            }
            state.kind(kind).shown
        };
        let response = self.upstream.ask_to_the_end(request).await;
        let mut state = self.state();
        // The list a watch starts with shows everything up to now.
        if what.contains("limit=") {
            let kind = state.kind(kind);
            kind.shown += 1;
            kind.owed = false;
        }
        let answer = Answer {
            shown,
            response: response.clone(),
            given_again: false,
        };
        state.answers.insert(what, answer);
        response.map(Body::from)
    }

    async fn watch(&self, kind: &str, request: Whole) -> Response<Body> {
        if std::mem::take(&mut self.state().kind(kind).expires) {
            self.state().tally.expired += 1;
            let gone = json!({ "type": "ERROR", "object": {
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410,
                "message": "too old resource version",
            } });
            return Response::new(Body::from(format!("{gone}\n")));
        }
        let (head, body) = self.upstream.ask(request).await.into_parts();
        if !head.status.is_success() {
            return Response::from_parts(head, body);
        }
        let (sender, arrived) = mpsc::unbounded_channel();
        tokio::spawn(take_in(body, sender, self.clone(), kind.to_owned()));
        let held_back = HeldBack {
            arrived,
            lagging: self.clone(),
            kind: kind.to_owned(),
        };
        let delivered = stream::unfold(held_back, async |mut held_back| {
            let line = held_back.next().await?;
            Some((Ok::<_, std::convert::Infallible>(line), held_back))
        });
        Response::from_parts(head, Body::from_stream(delivered))
    }
}

impl Passage for Lagging {
    async fn answer(&self, request: Whole) -> Response<Body> {
        if let Some(write) = Write::of(&request) {
            return self.write(&write, request).await;
        }
        let read = object(&request).filter(|_| request.method() == Method::GET);
        match read {
            Some((kind, _)) if is_watch(&request) => self.watch(&kind, request).await,
            Some((kind, _)) if kind != "leases" => self.read(&kind, request).await,
            _ => self.upstream.ask(request).await,
        }
    }
}

impl State {
    fn kind(&mut self, name: &str) -> &mut Kind {
        self.kinds.entry(name.to_owned()).or_default()
    }

    /// The answer given before, once, if news are on their way and nothing was delivered since.
    fn old_answer(&mut self, kind: &str, what: &str) -> Option<Response<Vec<u8>>> {
        let kind = self.kind(kind);
        let (shown, behind) = (kind.shown, kind.held > 0 || kind.owed);
        let answer = self.answers.get_mut(what)?;
        if !behind || answer.shown != shown || answer.given_again || !answer.response.status().is_success() {
            return None;
        }
        answer.given_again = true;
        Some(answer.response.clone())
    }
}

fn is_watch(request: &Whole) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|parameter| parameter == "watch=true")
}

/// A line of a stream.
struct Line {
    due: Instant,
    text: Vec<u8>,
    /// Whether it tells of a change; a bookmark does not.
    is_news: bool,
}

/// Reads a stream of the API server's.
async fn take_in(body: Body, sender: mpsc::UnboundedSender<Line>, lagging: Lagging, kind: String) {
    let mut chunks = body.into_data_stream();
    let mut read = Vec::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        read.extend_from_slice(&chunk);
        while let Some(end) = read.iter().position(|byte| *byte == b'\n') {
            let rest = read.split_off(end + 1);
            let text = std::mem::replace(&mut read, rest);
            let event: Value = serde_json::from_slice(&text).unwrap_or_default();
            let is_news = matches!(event["type"].as_str(), Some("ADDED" | "MODIFIED" | "DELETED"));
            lagging.state().kind(&kind).held += usize::from(is_news);
            let due = Instant::now() + LATE;
            if sender.send(Line { due, text, is_news }).is_err() {
                lagging.lost(&kind, usize::from(is_news));
                return;
            }
        }
    }
}

impl Lagging {
    fn lost(&self, kind: &str, news: usize) {
        let mut state = self.state();
        let kind = state.kind(kind);
        kind.held -= news;
        kind.owed |= news > 0;
    }
}

/// What a stream has not delivered yet.
struct HeldBack {
    arrived: mpsc::UnboundedReceiver<Line>,
    lagging: Lagging,
    kind: String,
}

impl HeldBack {
    /// The next line, when it is due; none where the stream is cut.
    async fn next(&mut self) -> Option<Bytes> {
        let line = self.arrived.recv().await?;
        sleep_until(line.due).await;
        if !line.is_news {
            return Some(line.text.into());
        }
        let mut guard = self.lagging.state();
        let state = &mut *guard;
        state.events += 1;
        let cut = state.events.is_multiple_of(CUT_EVERY);
        let kind = state.kinds.entry(self.kind.clone()).or_default();
        kind.held -= 1;
        if cut {
            state.cuts += 1;
            state.tally.cut += 1;
            kind.owed = true;
            kind.expires = state.cuts.is_multiple_of(EXPIRE_EVERY);
            return None;
        }
        state.tally.late += 1;
        kind.shown += 1;
        kind.owed = false;
        Some(line.text.into())
    }
}

impl Drop for HeldBack {
    fn drop(&mut self) {
        self.arrived.close();
        let mut news = 0;
        while let Ok(line) = self.arrived.try_recv() {
            news += usize::from(line.is_news);
        }
        self.lagging.lost(&self.kind, news);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_answer_is_given_once_while_news_are_on_their_way_and_nothing_newer_was_shown() {
        let mut state = State::default();
        let fresh = |shown: u64| Answer {
            shown,
            response: Response::new(b"old".to_vec()),
            given_again: false,
        };
        state.answers.insert("/pods".to_owned(), fresh(0));
        assert!(state.old_answer("pods", "/pods").is_none(), "no news");
        state.kind("pods").held = 1;
        assert!(state.old_answer("pods", "/services").is_none(), "never asked");
        assert!(state.old_answer("pods", "/pods").is_some());
        assert!(state.old_answer("pods", "/pods").is_none(), "twice");
        state.answers.insert("/pods".to_owned(), fresh(0));
        state.kind("pods").shown = 1;
        assert!(
            state.old_answer("pods", "/pods").is_none(),
            "older than what was shown"
        );
    }
}
