//! The way of one operator process to the API server.

use std::future::Future;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request as Incoming;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use axum::http::{Request, Response, StatusCode};
use kube::config::Kubeconfig;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A request, read to its end.
pub type Whole = Request<Vec<u8>>;

/// What becomes of requests.
pub trait Passage: Clone + Send + Sync + 'static {
    /// Answers a request.
    fn answer(&self, request: Whole) -> impl Future<Output = Response<Body>> + Send;
}

/// A listener on the loopback interface. Dropping it closes it.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    serving: AbortHandle,
}

impl Proxy {
    /// Answers requests as `passage` says.
    pub async fn open(passage: impl Passage) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let routes = Router::new().fallback(move |incoming: Incoming| {
            let passage = passage.clone();
            async move {
                let (head, body) = incoming.into_parts();
                match to_bytes(body, usize::MAX).await {
                    Ok(bytes) => passage.answer(Request::from_parts(head, bytes.into())).await,
                    Err(error) => broken(StatusCode::BAD_REQUEST, &error),
                }
            }
        });
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self {
            url,
            serving: serving.abort_handle(),
        })
    }

    /// Writes a kubeconfig that leads here.
    pub fn kubeconfig(&self, administrators: &Path, path: PathBuf) -> Result<PathBuf> {
        let mut config = Kubeconfig::read_from(administrators)?;
        let clusters = config.clusters.iter_mut();
        for cluster in clusters.filter_map(|named| named.cluster.as_mut()) {
            cluster.server = Some(self.url.clone());
        }
        let text = serde_json::to_string(&config)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The API server behind a proxy.
#[derive(Clone)]
pub struct Upstream(pub kube::Client);

impl Upstream {
    /// Passes a request on.
    pub async fn ask(&self, request: Whole) -> Response<Body> {
        let (mut head, body) = request.into_parts();
        for of_this_connection in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            head.headers.remove(of_this_connection);
        }
        let request = Request::from_parts(head, kube::client::Body::from(body));
        match self.0.send(request).await {
            Ok(response) => {
                let (mut head, body) = response.into_parts();
                head.headers.remove(CONNECTION);
                head.headers.remove(TRANSFER_ENCODING);
                Response::from_parts(head, Body::new(body))
            }
            Err(error) => broken(StatusCode::BAD_GATEWAY, &error),
        }
    }

    /// Passes a request on, and waits for the whole answer.
    pub async fn ask_to_the_end(&self, request: Whole) -> Response<Vec<u8>> {
        let (head, body) = self.ask(request).await.into_parts();
        match to_bytes(body, usize::MAX).await {
            Ok(bytes) => Response::from_parts(head, bytes.into()),
            Err(error) => {
                let mut answer = Response::new(error.to_string().into_bytes());
                *answer.status_mut() = StatusCode::BAD_GATEWAY;
                answer
            }
        }
    }
}

fn broken(status: StatusCode, why: &dyn std::error::Error) -> Response<Body> {
    let mut response = Response::new(Body::from(why.to_string()));
    *response.status_mut() = status;
    response
}
