//! An API server that has too much to do, or has yet to take up a definition, asks its clients to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use axum::body::Body;
use axum::http::header::RETRY_AFTER;
use axum::http::{Response, StatusCode};
use casskop_tests::faults::proxy::{Passage, Proxy, Upstream, Whole};
use serde_json::json;

use super::TWO_RACKS;
use super::stage::Stage;

/// Refuses so many requests first.
#[derive(Clone)]
struct Busy {
    upstream: Upstream,
    refuses: Arc<AtomicUsize>,
}

impl Passage for Busy {
    async fn answer(&self, request: Whole) -> Response<Body> {
        let one_less = |left: usize| left.checked_sub(1);
        let refused = self
            .refuses
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        if refused.is_err() {
            return self.upstream.ask(request).await;
        }
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "TooManyRequests", "code": 429,
            "message": "storage is (re)initializing", "details": { "retryAfterSeconds": 1 },
        });
        let mut answer = Response::new(Body::from(status.to_string()));
        *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        answer.headers_mut().insert(RETRY_AFTER, 1.into());
        answer
    }
}

#[tokio::test]
async fn an_api_server_that_asks_to_come_back_is_asked_again() -> Result<()> {
    let stage = Stage::set().await?;
    stage.cluster("demo", TWO_RACKS).await?;
    let refuses = Arc::new(AtomicUsize::new(2));
    let busy = Busy {
        upstream: Upstream(stage.client()),
        refuses: Arc::clone(&refuses),
    };
    let proxy = Proxy::open(busy).await?;
    let plugin = stage.through(&proxy)?;
    let restart = ["restart", "--crd", "demo", "--rack", "dc1.rack1"];
    let ended = plugin.run(&restart).await?;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    assert_eq!(refuses.load(Ordering::Relaxed), 0);

    // In the end it is told as it is.
    refuses.store(usize::MAX, Ordering::Relaxed);
    let ended = plugin.run(&["status", "--request-timeout", "2s"]).await?;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.contains("2s"), "{}", ended.err);
    Ok(())
}
