//! `/metrics`, `/healthz` and `/readyz`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::metrics::Metrics;
use crate::readiness::Readiness;

/// What is served.
#[derive(Clone)]
pub struct Pages {
    /// Behind `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Behind `/readyz`.
    pub readiness: Arc<Readiness>,
}

/// Listens on `address` and serves in the background for the rest of the process's life.
pub async fn serve(address: SocketAddr, pages: Pages) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(connection(TokioIo::new(stream), pages.clone()));
                }
                Err(error) => {
                    // Out of file descriptors, as a rule: accepting again at once would spin.
                    tracing::warn!("cannot accept connections on {address}: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    });
    Ok(())
}

async fn connection(stream: TokioIo<tokio::net::TcpStream>, pages: Pages) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .serve_connection(
            stream,
            service_fn(move |request| {
                let response = respond(&pages, &request);
                async move { Ok::<_, Infallible>(response) }
            }),
        )
        .await;
    if let Err(error) = served {
        tracing::debug!("http connection ended: {error}");
    }
}

fn respond(pages: &Pages, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    match request.uri().path() {
        "/metrics" => {
            let mut response = text(StatusCode::OK, pages.metrics.exposition());
            let open_metrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            response.headers_mut().insert(
                CONTENT_TYPE,
                hyper::header::HeaderValue::from_static(open_metrics),
            );
            response
        }
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match pages.readiness.lacking() {
            None => text(StatusCode::OK, "ok\n"),
            Some(lacking) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {lacking}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "try /metrics, /healthz or /readyz\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}
