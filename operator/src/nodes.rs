//! The way to the nodes: Jolokia at the pod's address, or through the API server's port-forward.
//!
//! Pods are reached by address, never by host name: CassKop's host names lack the namespace, so they resolve in one
//! namespace only.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use casskop_core::fact::Fact;
use casskop_core::observed::{NodeFacts, OperationMode, RingView};
use casskop_core::questions::{Question, Questions};
use casskop_core::replication::{KeyspaceReplicas, Replication};
use casskop_jolokia::port_forward::ForwardDial;
use casskop_jolokia::storage_service as storage;
use casskop_jolokia::{
    Answers, Bulk, Call, CallError, Category, Credentials, JolokiaClient, TimeLimits, TokenRange, diagnostics,
};
use casskop_types::names::PodName;
use futures::stream::{self, StreamExt as _};
use kube::{Api, Client};
use tokio::time::timeout;

use crate::cli::NodeAccess;
use crate::metrics::Metrics;

/// Nodes of one cluster asked at the same moment.
const ASKED_AT_ONCE: usize = 32;
/// The end of a pass's patience with all nodes together.
const ALL_ANSWERS: Duration = Duration::from_secs(20);

/// How nodes are reached.
#[derive(Clone)]
pub struct Nodes {
    /// For port-forwarding.
    pub client: Client,
    /// Directly or not.
    pub access: NodeAccess,
    /// Jolokia's port.
    pub port: u16,
    /// Patience with one question.
    pub limits: TimeLimits,
    /// Counts every request.
    pub metrics: Arc<Metrics>,
}

/// One node.
#[derive(Debug, Clone)]
pub struct Node {
    client: JolokiaClient,
    metrics: Arc<Metrics>,
}

impl Nodes {
    /// The node of `pod`, which has `address`.
    pub fn node(
        &self,
        namespace: &str,
        pod: &str,
        address: IpAddr,
        credentials: Option<&Credentials>,
    ) -> Node {
        let client = match self.access {
            NodeAccess::Direct => JolokiaClient::at(SocketAddr::new(address, self.port)),
            NodeAccess::PortForward => JolokiaClient::new(ForwardDial {
                pods: Api::namespaced(self.client.clone(), namespace),
                pod: pod.to_owned(),
                port: self.port,
            }),
        };
        Node::new(
            client.with_credentials(credentials).with_limits(self.limits),
            &self.metrics,
        )
    }

    /// Puts `questions` to the nodes, all at once. What is not answered in time stays unknown.
    pub async fn ask(
        &self,
        namespace: &str,
        questions: &Questions,
        addresses: &BTreeMap<PodName, IpAddr>,
        credentials: &BTreeMap<PodName, Result<Option<Credentials>, String>>,
    ) -> BTreeMap<PodName, NodeFacts> {
        let mut facts: BTreeMap<PodName, NodeFacts> = questions
            .keys()
            .map(|pod| (pod.clone(), unknown("the node did not answer in time")))
            .collect();
        let asked: Vec<_> = questions
            .iter()
            .map(|(pod, questions)| {
                self.facts(
                    namespace,
                    pod,
                    questions,
                    addresses.get(pod),
                    credentials.get(pod),
                )
            })
            .collect();
        let mut answers = stream::iter(asked).buffer_unordered(ASKED_AT_ONCE);
        let gather = async {
            while let Some((pod, answered)) = answers.next().await {
                facts.insert(pod, answered);
            }
        };
        if timeout(ALL_ANSWERS, gather).await.is_err() {
            tracing::warn!("not all nodes answered within {} s", ALL_ANSWERS.as_secs());
        }
        drop(answers);
        facts
    }

    async fn facts(
        &self,
        namespace: &str,
        pod: &PodName,
        questions: &BTreeSet<Question>,
        address: Option<&IpAddr>,
        credentials: Option<&Result<Option<Credentials>, String>>,
    ) -> (PodName, NodeFacts) {
        let facts = match (credentials, address) {
            (Some(Err(why)), _) => unknown(why),
            (_, None) => unknown(&format!("pod {pod} has no address yet")),
            (credentials, Some(address)) => {
                let credentials = credentials.and_then(|read| read.as_ref().ok()?.as_ref());
                let node = self.node(namespace, &pod.to_string(), *address, credentials);
                node.facts(questions).await
            }
        };
        (pod.clone(), facts)
    }
}

impl Node {
    /// The node behind `client`.
    pub fn new(client: JolokiaClient, metrics: &Arc<Metrics>) -> Self {
        Self {
            client,
            metrics: Arc::clone(metrics),
        }
    }

    /// Makes a call.
    pub async fn call<T>(&self, call: &Call<T>) -> Result<T, CallError> {
        self.counted(self.client.call(call)).await
    }

    async fn bulk(&self, bulk: Bulk) -> Result<Answers, CallError> {
        self.counted(self.client.ask(bulk)).await
    }

    async fn counted<T>(&self, asked: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
        let began = Instant::now();
        let answer = asked.await;
        let failure = answer.as_ref().err().map(|error| error.category().as_str());
        self.metrics.node_asked(began.elapsed(), failure);
        answer
    }

    /// One question after the other: the probes need Jolokia's few threads too.
    async fn facts(&self, questions: &BTreeSet<Question>) -> NodeFacts {
        let mut facts = NodeFacts::default();
        for question in questions {
            match question {
                Question::Ring => self.ring(&mut facts).await,
                Question::InFlight => facts.in_flight = self.in_flight().await,
                Question::Work(operation) => facts.work = fact(self.work(*operation).await),
                Question::Replication => facts.replication = self.replication().await,
                Question::Tokens => self.tokens(&mut facts).await,
            }
        }
        facts
    }

    async fn ring(&self, facts: &mut NodeFacts) {
        let questions = Bulk::new()
            .ask(&storage::release_version())
            .ask(&storage::operation_mode())
            .ask(&storage::local_host_id())
            .ask(&storage::host_ids())
            .ask(&storage::live_nodes())
            .ask(&storage::unreachable_nodes())
            .ask(&storage::joining_nodes())
            .ask(&storage::leaving_nodes())
            .ask(&storage::moving_nodes());
        match self.bulk(questions).await {
            Ok(answers) => {
                facts.release_version =
                    fact(answers.to(&storage::release_version())).map(|version| version.to_string());
                facts.mode = fact(answers.to(&storage::operation_mode()))
                    .map(|mode| OperationMode::from(mode.to_string().as_str()));
                facts.host_id = match answers.to(&storage::local_host_id()) {
                    Ok(Some(host_id)) => Fact::Known(host_id.to_string()),
                    Ok(None) => Fact::Unknown("the node has no host id yet".to_owned()),
                    Err(error) => Fact::Unknown(told(&error)),
                };
                facts.ring = fact(ring_view(&answers));
            }
            Err(error) => {
                let NodeFacts {
                    mode,
                    release_version,
                    host_id,
                    ring,
                    ..
                } = unknown(&told(&error));
                *facts = NodeFacts {
                    mode,
                    release_version,
                    host_id,
                    ring,
                    ..std::mem::take(facts)
                };
            }
        }
    }

    async fn tokens(&self, facts: &mut NodeFacts) {
        let questions = Bulk::new()
            .ask(&storage::operation_mode())
            .ask(&storage::tokens());
        let found = self.bulk(questions).await.and_then(|answers| {
            Ok((
                answers.to(&storage::operation_mode())?,
                answers.to(&storage::tokens())?,
            ))
        });
        match found {
            Ok((mode, tokens)) => {
                facts.mode = Fact::Known(OperationMode::from(mode.to_string().as_str()));
                facts.tokens = Fact::Known(tokens);
            }
            Err(error) => facts.tokens = Fact::Unknown(told(&error)),
        }
    }

    async fn in_flight(&self) -> Fact<BTreeSet<String>> {
        let calls = self.call(&diagnostics::in_flight()).await;
        fact(calls).map(|calls| {
            calls
                .operations()
                .map(|operation| operation.method().to_owned())
                .collect()
        })
    }

    /// A keyspace that is not replicated says nothing about datacenters: its ring cannot even be described.
    async fn replication(&self) -> Fact<Replication> {
        let found = async {
            let keyspaces = self.call(&storage::non_local_keyspaces()).await?;
            let described: Vec<_> = keyspaces
                .iter()
                .map(|keyspace| storage::describe_ring(keyspace))
                .collect();
            let answers = self.bulk(described.iter().fold(Bulk::new(), Bulk::ask)).await?;
            let replicas = |question| {
                let ranges: Vec<TokenRange> = answers.to(question)?;
                let counted = ranges.iter().map(TokenRange::replicas_per_datacenter);
                Ok(KeyspaceReplicas::of_ranges(counted))
            };
            keyspaces
                .iter()
                .zip(&described)
                .map(|(keyspace, question)| Ok((keyspace.clone(), replicas(question)?)))
                .collect::<Result<Replication, CallError>>()
        };
        fact(found.await)
    }
}

fn unknown(why: &str) -> NodeFacts {
    fn fact<T>(why: &str) -> Fact<T> {
        Fact::Unknown(why.to_owned())
    }
    NodeFacts {
        mode: fact(why),
        release_version: fact(why),
        host_id: fact(why),
        ring: fact(why),
        in_flight: fact(why),
        work: fact(why),
        replication: fact(why),
        tokens: fact(why),
    }
}

fn fact<T>(answer: Result<T, CallError>) -> Fact<T> {
    match answer {
        Ok(value) => Fact::Known(value),
        Err(error) => Fact::Unknown(told(&error)),
    }
}

/// Why a node does not tell, and what helps where the error does not say that itself.
fn told(error: &CallError) -> String {
    match error.category() {
        Category::Unreachable | Category::Timeout | Category::Lost | Category::HttpStatus => {
            format!("{error}; if it stays so, see the pod's log, or delete the pod, which restarts the node")
        }
        Category::Missing
        | Category::Unauthorized
        | Category::Refused
        | Category::NotDone
        | Category::Malformed => error.to_string(),
    }
}

fn ring_view(answers: &Answers) -> Result<RingView, CallError> {
    Ok(RingView {
        live: answers.to(&storage::live_nodes())?,
        unreachable: answers.to(&storage::unreachable_nodes())?,
        joining: answers.to(&storage::joining_nodes())?,
        leaving: answers.to(&storage::leaving_nodes())?,
        moving: answers.to(&storage::moving_nodes())?,
        host_ids: answers
            .to(&storage::host_ids())?
            .into_iter()
            .map(|(address, host_id)| (address, host_id.to_string()))
            .collect(),
    })
}

#[cfg(test)]
mod tests;
