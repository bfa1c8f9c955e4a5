//! HTTP around the agent: connections, the pool of threads, credentials.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::agent::{Agent, Reply};
use super::protocol::{self, Shape};
use crate::steering::Credentials;

const BASE_PATH: &str = "/jolokia";

/// Answers on one pod's address until the node's process ends; connections end with it.
pub(crate) async fn serve(listener: TcpListener, agent: Arc<Agent>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = agent.ended() => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                // An error here concerns one connection (out of descriptors, reset in the backlog).
                let Ok((stream, _)) = accepted else { continue };
                let agent = Arc::clone(&agent);
                connections.spawn(async move {
                    let service = hyper::service::service_fn(move |request| handle(request, Arc::clone(&agent)));
                    // A connection that breaks is the client's affair.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        }
    }
}

/// The connection is to be cut without an answer.
#[derive(Debug, thiserror::Error)]
#[error("connection cut")]
struct Cut;

async fn handle(request: Request<Incoming>, agent: Arc<Agent>) -> Result<Response<Full<Bytes>>, Cut> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let Some(path) = path
        .strip_prefix(BASE_PATH)
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
    else {
        return Ok(empty(StatusCode::NOT_FOUND));
    };
    let path = path.trim_start_matches('/').to_owned();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let (reply, replied) = oneshot::channel();
    // Its own task: when the client goes away, this future is dropped, and the call goes on in the node.
    tokio::spawn(async move {
        let ended = Arc::clone(&agent);
        tokio::select! {
            () = ended.ended() => {}
            () = respond(&agent, &parts.method, &path, &parts.headers, &body, reply) => {}
        }
    });
    match replied.await {
        Ok(Reply::Json(value)) => Ok(json(&value)),
        Ok(Reply::Status(status)) => Ok(empty(status)),
        Ok(Reply::Cut) | Err(_) => Err(Cut),
    }
}

async fn respond(
    agent: &Agent,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: &Bytes,
    reply: oneshot::Sender<Reply>,
) {
    // Held until the call is over in the node, whether or not anybody still waits for it.
    let Ok(_thread) = agent.thread().await else { return };
    let (requests, shape) = match *method {
        Method::GET => (Ok(vec![protocol::request_of_path(path)]), Shape::Single),
        Method::POST => match protocol::parse_body(body) {
            Ok((requests, shape)) => (Ok(requests), shape),
            Err(failure) => (Err(failure), Shape::Single),
        },
        _ => {
            let _ = reply.send(Reply::Status(StatusCode::METHOD_NOT_ALLOWED));
            return;
        }
    };
    if !authorized(headers, agent.credentials().as_ref()) {
        agent.log_unauthorized(requests.as_deref().unwrap_or_default());
        let _ = reply.send(Reply::Status(StatusCode::UNAUTHORIZED));
        return;
    }
    let mut reply = Some(reply);
    let answers = match requests {
        Ok(requests) => {
            let mut answers = Vec::with_capacity(requests.len());
            for request in &requests {
                match agent.answer(request, &mut reply).await {
                    Some(answer) => answers.push(answer),
                    None => return,
                }
            }
            answers
        }
        Err(failure) => vec![protocol::answer(None, Err(failure), agent.now())],
    };
    let value = match shape {
        Shape::Bulk => Value::Array(answers),
        Shape::Single => answers.into_iter().next().unwrap_or_default(),
    };
    if let Some(reply) = reply {
        // Nobody listens any more when the client has gone: the result is lost, as with the real agent.
        let _ = reply.send(Reply::Json(value));
    }
}

fn authorized(headers: &HeaderMap, wanted: Option<&Credentials>) -> bool {
    let Some(Credentials { user, password }) = wanted else {
        return true;
    };
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let encoded = given.and_then(|given| given.strip_prefix("Basic "));
    let decoded = encoded.and_then(|encoded| BASE64_STANDARD.decode(encoded.trim()).ok());
    decoded.is_some_and(|decoded| decoded == format!("{user}:{password}").into_bytes())
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    if status == StatusCode::UNAUTHORIZED {
        let realm = header::HeaderValue::from_static("Basic realm=\"jolokia\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
    }
    response
}

fn json(value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    let kind = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_must_be_exactly_those_wanted() {
        let wanted = Credentials {
            user: "jolokia".to_owned(),
            password: "s:cret".to_owned(),
        };
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().expect("a header value"));
            headers
        };
        let right = format!("Basic {}", BASE64_STANDARD.encode("jolokia:s:cret"));
        let wrong = format!("Basic {}", BASE64_STANDARD.encode("jolokia:other"));
        assert!(authorized(&with(&right), Some(&wanted)));
        assert!(!authorized(&with(&wrong), Some(&wanted)));
        assert!(!authorized(&with("Bearer x"), Some(&wanted)));
        assert!(!authorized(&HeaderMap::new(), Some(&wanted)));
        assert!(
            authorized(&with(&wrong), None),
            "an agent without credentials asks for none"
        );
    }
}
