//! One node's agent: takes requests one by one, asks the ring, lets time pass, and writes the call log.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Map, Value};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::THREADS;
use super::attributes::{MBean, Uptime};
use super::operations::{Action, agent_version, resolve};
use super::protocol::{self, Attributes, Failure, OperationName, Request};
use super::threads::thread_print;
use crate::calls::{CallKind, CallOutcome, CallRecord};
use crate::names::{ClusterId, PodId};
use crate::ring::{Begun, CallId, HostId, Moment, NodeView, Operation, Process, Refusal, Returned};
use crate::steering::{Credentials, Ending, Span};
use crate::world::{Cluster, State, Ticket, Waiting, Whose, World};

/// The agent of one process of one pod.
#[derive(Debug)]
pub(crate) struct Agent {
    world: Arc<World>,
    pod: PodId,
    pod_uid: String,
    cluster: ClusterId,
    host: HostId,
    credentials: Option<Credentials>,
    started: Moment,
    threads: Arc<Semaphore>,
    ended: CancellationToken,
}

/// What goes back to the client.
#[derive(Debug)]
pub(super) enum Reply {
    Json(Value),
    Status(StatusCode),
    Cut,
}

/// Whom an agent speaks for.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) pod: PodId,
    pub(crate) pod_uid: String,
    pub(crate) cluster: ClusterId,
    pub(crate) host: HostId,
}

/// One attribute or operation, as it is logged and matched against rules.
struct Called<'a> {
    kind: CallKind,
    mbean: &'a str,
    name: &'a str,
    signature: Option<String>,
    arguments: &'a [Value],
}

impl Agent {
    /// An agent that answers until `ended` is cancelled.
    pub(crate) fn new(
        world: Arc<World>,
        identity: Identity,
        credentials: Option<Credentials>,
        ended: CancellationToken,
    ) -> Self {
        let started = world.now();
        let Identity {
            pod,
            pod_uid,
            cluster,
            host,
        } = identity;
        let threads = Arc::new(Semaphore::new(THREADS));
        Self {
            world,
            pod,
            pod_uid,
            cluster,
            host,
            credentials,
            started,
            threads,
            ended,
        }
    }

    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    pub(super) fn now(&self) -> Moment {
        self.world.now()
    }

    pub(super) async fn thread(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.threads).acquire_owned().await
    }

    /// What clients must present: what a test asked for, else what the pod was created with.
    pub(super) fn credentials(&self) -> Option<Credentials> {
        let steered = self
            .world
            .look(|state| state.steering.behaviour(Some(&self.cluster), &self.pod));
        steered.credentials.or_else(|| self.credentials.clone())
    }

    pub(super) fn log_unauthorized(&self, requests: &[Value]) {
        for request in requests {
            if let Ok(Request::Read { mbean, .. } | Request::Exec { mbean, .. }) =
                protocol::parse_request(request)
            {
                let name = request.get("attribute").or_else(|| request.get("operation"));
                let name = name.and_then(Value::as_str).unwrap_or_default();
                let called = Called {
                    kind: CallKind::Other,
                    mbean: &mbean,
                    name,
                    signature: None,
                    arguments: &[],
                };
                let id = self.begin(&called);
                self.end(id, CallOutcome::Unauthorized);
            }
        }
    }

    /// The answer to one request; `None` when the reply was already given some other way.
    pub(super) async fn answer(
        &self,
        request: &Value,
        reply: &mut Option<oneshot::Sender<Reply>>,
    ) -> Option<Value> {
        let understood = match protocol::parse_request(request) {
            Ok(understood) => understood,
            Err(failure) => return Some(protocol::answer(None, Err(failure), self.now())),
        };
        let result = match understood {
            Request::Version => Ok(agent_version()),
            Request::Unplayed(kind) => Err(Failure::illegal(format!("{kind} is not simulated"))),
            Request::Read {
                mbean,
                attributes,
                path,
            } => {
                let value = self.read(&mbean, &attributes, reply).await?;
                value.and_then(|value| inner(value, path.as_deref()))
            }
            Request::Exec {
                mbean,
                operation,
                arguments,
            } => self.exec(&mbean, &operation, &arguments, reply).await?,
        };
        Some(protocol::answer(Some(request), result, self.now()))
    }

    async fn read(
        &self,
        object_name: &str,
        attributes: &Attributes,
        reply: &mut Option<oneshot::Sender<Reply>>,
    ) -> Option<Result<Value, Failure>> {
        let mbean = match MBean::parse(object_name) {
            Ok(mbean) => mbean,
            Err(failure) => return Some(Err(failure)),
        };
        let names = match attributes {
            Attributes::One(name) => return self.read_one(&mbean, object_name, name, reply).await,
            Attributes::Several(names) => names.clone(),
            Attributes::All => {
                let names = self.view(|view| mbean.attributes(object_name, view));
                names.into_iter().map(str::to_owned).collect()
            }
        };
        let mut values = Map::new();
        for name in names {
            match self.read_one(&mbean, object_name, &name, reply).await? {
                Ok(value) => values.insert(name, value),
                Err(failure) => return Some(Err(failure)),
            };
        }
        Some(Ok(values.into()))
    }

    async fn read_one(
        &self,
        mbean: &MBean,
        object_name: &str,
        name: &str,
        reply: &mut Option<oneshot::Sender<Reply>>,
    ) -> Option<Result<Value, Failure>> {
        let called = Called {
            kind: CallKind::Read,
            mbean: object_name,
            name,
            signature: None,
            arguments: &[],
        };
        let (takes, ends) = self.rule(&called);
        let id = self.begin(&called);
        self.pass(takes, name).await;
        let uptime = Uptime {
            started: self.started,
            now: self.now(),
        };
        let read = || self.view(|view| mbean.read(object_name, view, name, uptime));
        let result = match ends {
            Ending::Normal | Ending::Returns(_) => read(),
            Ending::Value(value) => Ok(value),
            Ending::Exception { class, message } | Ending::Refused { class, message } => {
                Err(Failure::thrown(&class, message))
            }
            Ending::HttpStatus(_) | Ending::Disconnect => {
                self.end(id, CallOutcome::Done);
                reply_otherwise(&ends, reply);
                return None;
            }
        };
        self.end(id, outcome(&result));
        Some(result)
    }

    async fn exec(
        &self,
        object_name: &str,
        operation: &OperationName,
        arguments: &[Value],
        reply: &mut Option<oneshot::Sender<Reply>>,
    ) -> Option<Result<Value, Failure>> {
        let signature = operation.signature.as_ref().map(|types| types.join(","));
        let name = operation.name.as_str();
        let called = Called {
            kind: CallKind::Exec,
            mbean: object_name,
            name,
            signature,
            arguments,
        };
        let (takes, ends) = self.rule(&called);
        let id = self.begin(&called);
        let action = MBean::parse(object_name)
            .and_then(|mbean| self.view(|view| resolve(&mbean, object_name, operation, arguments, view)));
        let result = match (action, ends) {
            (Err(failure), _) => Err(failure),
            (Ok(_), Ending::Refused { class, message }) => {
                self.pass(takes, name).await;
                Err(Failure::thrown(&class, message))
            }
            (Ok(Action::Work(work)), ends) => return self.work(id, work, name, takes, ends, reply).await,
            (Ok(action), Ending::Normal | Ending::Returns(_)) => {
                self.pass(takes, name).await;
                Ok(self.act(action))
            }
            (Ok(_), ends) => {
                self.pass(takes, name).await;
                match ends {
                    Ending::Value(value) => Ok(value),
                    Ending::Exception { class, message } => Err(Failure::thrown(&class, message)),
                    other => {
                        self.end(id, CallOutcome::Done);
                        reply_otherwise(&other, reply);
                        return None;
                    }
                }
            }
        };
        self.end(id, outcome(&result));
        Some(result)
    }

    /// Work that blocks. It is in flight in the ring from here to its end, whoever waits for it.
    async fn work(
        &self,
        id: u64,
        work: Operation,
        name: &str,
        takes: (Span, Ticket),
        ends: Ending,
        reply: &mut Option<oneshot::Sender<Reply>>,
    ) -> Option<Result<Value, Failure>> {
        let now = self.now();
        let begun = match self.change(|cluster| cluster.ring.begin(self.host, work, now)) {
            Ok(Begun::InFlight(call)) => Ok(call),
            Ok(Begun::Over(returned)) => Err(Ok(answer_of(returned))),
            Err(refusal) => Err(Err(failure_of(&refusal))),
        };
        let call = match begun {
            Ok(call) => call,
            Err(result) => {
                self.end(id, outcome(&result));
                return Some(result);
            }
        };
        if matches!(ends, Ending::Disconnect | Ending::HttpStatus(_)) {
            reply_otherwise(&ends, reply);
        }
        tokio::select! {
            () = self.pass(takes, name) => {}
            () = self.stopped(call) => {}
        }
        let result = self.world.change_cluster(&self.cluster, |calls, cluster| {
            let result = match &ends {
                Ending::Exception { class, message } | Ending::Refused { class, message } => {
                    cluster.ring.abort(call)?;
                    Err(Failure::thrown(class, message.clone()))
                }
                Ending::Returns(status) => {
                    cluster.ring.abort(call)?;
                    Ok(status.code().into())
                }
                Ending::Normal | Ending::Value(_) | Ending::Disconnect | Ending::HttpStatus(_) => cluster
                    .ring
                    .finish(call)?
                    .map(answer_of)
                    .map_err(|refusal| failure_of(&refusal)),
            };
            calls.end(id, outcome(&result), self.now());
            Some(result)
        })?;
        match ends {
            Ending::Disconnect | Ending::HttpStatus(_) => None,
            Ending::Value(value) => Some(Ok(value)),
            _ => Some(result),
        }
    }

    fn act(&self, action: Action) -> Value {
        match action {
            Action::NativeTransport(transport) => {
                self.change(|cluster| cluster.ring.set_native_transport(self.host, transport));
                Value::Null
            }
            Action::ThreadPrint => self.view(thread_print).into(),
            Action::Answer(value) => value,
            Action::StopCompaction(kind) => {
                self.change(|cluster| cluster.ring.stop_compactions(self.host, &kind));
                Value::Null
            }
            Action::Work(_) => Value::Null,
        }
    }

    /// How long a call is to take, counted from now, and how to end.
    fn rule(&self, called: &Called<'_>) -> ((Span, Ticket), Ending) {
        let ticket = self.world.ticket();
        let call = (called.mbean, called.name, called.arguments);
        let take = |state: &mut State| state.steering.take_rule(&self.cluster, &self.pod, call);
        let (span, ending) = self.world.change(take).unwrap_or_default();
        ((span, ticket), ending)
    }

    /// Passes once a call in flight was told to stop.
    async fn stopped(&self, call: CallId) {
        let mut changes = self.world.watch_cluster(&self.cluster);
        loop {
            let stopped = self.view(|view| view.is_some_and(|view| view.ring().is_stopped(call)));
            if stopped || changes.changed().await.is_err() {
                return;
            }
        }
    }

    async fn pass(&self, (span, ticket): (Span, Ticket), name: &str) {
        let whose = Whose {
            pod: &self.pod,
            cluster: Some(&self.cluster),
        };
        let waiting = Waiting::Call {
            name: Some(name.to_owned()),
        };
        self.world.wait(span, ticket, whose, &waiting).await;
    }

    fn begin(&self, called: &Called<'_>) -> u64 {
        let record = CallRecord {
            id: 0,
            pod: self.pod.clone(),
            pod_uid: self.pod_uid.clone(),
            cluster: self.cluster.clone(),
            host: self.host,
            kind: called.kind,
            mbean: called.mbean.to_owned(),
            name: called.name.to_owned(),
            signature: called.signature.clone(),
            arguments: called.arguments.to_vec(),
            begun: self.now(),
            ended: None,
            outcome: CallOutcome::InFlight,
            began_as: 0,
            ended_as: None,
        };
        self.world.change(|state| state.calls.begin(record))
    }

    fn end(&self, id: u64, outcome: CallOutcome) {
        let now = self.now();
        self.world.change(|state| state.calls.end(id, outcome, now));
    }

    /// The ring as this node sees it: not at all while its JVM is up and Cassandra is not yet.
    fn view<T>(&self, look: impl FnOnce(Option<NodeView<'_>>) -> T) -> T {
        self.world.look(|state| {
            let cluster = state.clusters.get(&self.cluster);
            let view = cluster.and_then(|cluster| cluster.ring.view(self.host));
            look(view.filter(|view| view.node().process == Process::Up))
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Cluster) -> T) -> T {
        self.world
            .change_cluster(&self.cluster, |_, cluster| change(cluster))
    }
}

fn outcome(result: &Result<Value, Failure>) -> CallOutcome {
    match result {
        Ok(_) => CallOutcome::Done,
        Err(failure) => CallOutcome::Failed(format!("{}: {}", failure.class, failure.message)),
    }
}

fn answer_of(returned: Returned) -> Value {
    match returned {
        Returned::Nothing => Value::Null,
        Returned::Status(status) => status.code().into(),
    }
}

fn failure_of(refusal: &Refusal) -> Failure {
    Failure::thrown(refusal.java_class(), refusal.to_string())
}

/// Sends what an ending wants instead of an answer.
fn reply_otherwise(ending: &Ending, reply: &mut Option<oneshot::Sender<Reply>>) {
    let instead = match ending {
        Ending::HttpStatus(code) => {
            Reply::Status(StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        }
        _ => Reply::Cut,
    };
    if let Some(reply) = reply.take() {
        // The client may be gone already.
        let _ = reply.send(instead);
    }
}

/// The part of a value a path leads to.
fn inner(value: Value, path: Option<&str>) -> Result<Value, Failure> {
    let Some(path) = path else { return Ok(value) };
    let mut value = &value;
    for key in path.split('/') {
        let found = match value {
            Value::Object(map) => map.get(key),
            Value::Array(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
        value = found.ok_or_else(|| Failure::illegal(format!("Invalid path '{path}'")))?;
    }
    Ok(value.clone())
}
