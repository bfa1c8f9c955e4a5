//! The client of the control API, for tests.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::command::Command;
use super::view::{PodView, RingView, WorldView};
use crate::calls::{CallLog, CallQuery};
use crate::names::{ClusterId, PodId};
use crate::ring::{Keyspace, Moment};
use crate::steering::{CallRule, PodBehaviour, Scope};

/// Steers a simulator and questions it.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    http: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
}

/// Why a request to the simulator failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers there.
    #[error("simulator at {address} cannot be reached: {source}")]
    Unreachable {
        /// Control address.
        address: SocketAddr,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The simulator refused.
    #[error("simulator answered {status}: {message}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// Its words.
        message: String,
    },
    /// The answer makes no sense to this client.
    #[error("simulator's answer is not understood: {0}")]
    Malformed(#[from] serde_json::Error),
    /// What was waited for did not happen.
    #[error("not seen within {0:?}: {1}")]
    Deadline(Duration, String),
}

impl Client {
    /// A client of the simulator whose control API listens there.
    pub fn new(address: SocketAddr) -> Self {
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { address, http }
    }

    /// Where the control API listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Carries out a command; it has taken effect when this returns.
    pub async fn command(&self, command: &Command) -> Result<(), ClientError> {
        self.send(Method::POST, "/commands", Some(command))
            .await
            .map(drop)
    }

    /// Adds a rule for calls.
    pub async fn add_call_rule(&self, rule: CallRule) -> Result<(), ClientError> {
        self.command(&Command::AddCallRule { rule }).await
    }

    /// Sets how pods behave.
    pub async fn set_pod_behaviour(&self, scope: Scope, behaviour: PodBehaviour) -> Result<(), ClientError> {
        self.command(&Command::SetPodBehaviour { scope, behaviour }).await
    }

    /// Creates or alters a keyspace.
    pub async fn put_keyspace(
        &self,
        cluster: &ClusterId,
        name: &str,
        keyspace: Keyspace,
    ) -> Result<(), ClientError> {
        let (cluster, name) = (cluster.clone(), name.to_owned());
        self.command(&Command::PutKeyspace {
            cluster,
            name,
            keyspace,
        })
        .await
    }

    /// Ends calls in flight that wait for it.
    pub async fn release_calls(&self, scope: Scope, name: &str) -> Result<(), ClientError> {
        self.command(&Command::ReleaseCalls {
            scope,
            name: Some(name.to_owned()),
        })
        .await
    }

    /// Crashes the Cassandra process of a pod.
    pub async fn crash(&self, pod: &PodId) -> Result<(), ClientError> {
        self.command(&Command::Crash { pod: pod.clone() }).await
    }

    /// Whether the simulator answers.
    pub async fn healthy(&self) -> Result<(), ClientError> {
        self.send(Method::GET, "/healthz", None::<&()>).await.map(drop)
    }

    /// The pods that run Cassandra.
    pub async fn world(&self) -> Result<WorldView, ClientError> {
        self.get("/world").await
    }

    /// One pod that runs Cassandra.
    pub async fn pod(&self, id: &PodId) -> Result<Option<PodView>, ClientError> {
        Ok(self.world().await?.pods.into_iter().find(|pod| pod.id == *id))
    }

    /// A cluster's ring and its history.
    pub async fn ring(&self, cluster: &ClusterId) -> Result<RingView, ClientError> {
        self.get(&format!("/rings/{}/{}", cluster.namespace, cluster.name))
            .await
    }

    /// The calls a query wants.
    pub async fn calls(&self, query: &CallQuery) -> Result<CallLog, ClientError> {
        let body = self.send(Method::POST, "/calls", Some(query)).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    /// The largest number of a cluster's members that were down at once since a moment.
    pub async fn max_down_since(&self, cluster: &ClusterId, since: Moment) -> Result<usize, ClientError> {
        Ok(self.ring(cluster).await?.downs.max_down_since(since))
    }

    /// Waits until a question to the simulator has an answer. Asked again at each change of the world, not in between.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        ask: impl AsyncFn(&Self) -> Result<Option<T>, ClientError>,
    ) -> Result<T, ClientError> {
        let asking = async {
            loop {
                let revision = self.world().await?.revision;
                if let Some(answer) = ask(self).await? {
                    return Ok(answer);
                }
                let _: u64 = self.get(&format!("/changes/{revision}")).await?;
            }
        };
        let late = |_| Err(ClientError::Deadline(deadline, what.to_owned()));
        tokio::time::timeout(deadline, asking).await.unwrap_or_else(late)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let body = self.send(Method::GET, path, None::<&()>).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    async fn send<T: Serialize>(
        &self,
        method: Method,
        path: &str,
        body: Option<&T>,
    ) -> Result<Bytes, ClientError> {
        let unreachable = |source| ClientError::Unreachable {
            address: self.address,
            source,
        };
        let bytes = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(bytes)))
            .map_err(|error| unreachable(error.into()))?;
        let response = self
            .http
            .request(request)
            .await
            .map_err(|error| unreachable(error.into()))?;
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| unreachable(error.into()))?
            .to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        Err(ClientError::Refused {
            status,
            message: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}
