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

/// Refuses so many reads, and so many writes, first.
#[derive(Clone)]
struct Busy {
    upstream: Upstream,
    reads: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
}

impl Passage for Busy {
    async fn answer(&self, request: Whole) -> Response<Body> {
        let one_less = |left: usize| left.checked_sub(1);
        let refuses = if request.method().is_safe() {
            &self.reads
        } else {
            &self.writes
        };
        let refused = refuses.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
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
    let busy = Busy {
        upstream: Upstream(stage.client()),
        reads: Arc::new(AtomicUsize::new(1)),
        writes: Arc::new(AtomicUsize::new(2)),
    };
    let (reads, writes) = (Arc::clone(&busy.reads), Arc::clone(&busy.writes));
    let proxy = Proxy::open(busy).await?;
    let plugin = stage.through(&proxy)?;
    let restart = ["restart", "--crd", "demo", "--rack", "dc1.rack1"];
    let ended = plugin.run(&restart).await?;
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    let left = [reads.load(Ordering::Relaxed), writes.load(Ordering::Relaxed)];
    assert_eq!(left, [0, 0]);
    let demo = json!(stage.clusters().get("demo").await?.spec);
    assert_eq!(
        demo["topology"]["dc"][0]["rack"][0]["rollingRestart"], true,
        "{demo}"
    );

    // Where that goes on, what it said is told within the time of a request.
    reads.store(usize::MAX, Ordering::Relaxed);
    let ended = plugin.run(&["status", "--request-timeout", "2s"]).await?;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.contains("storage is (re)initializing"), "{}", ended.err);
    Ok(())
}
