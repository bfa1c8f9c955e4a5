//! An API server that asks to come back later is asked again: it does while it takes up a new definition, or has too much to do.

use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode};
use kube::client::Body;
use kube::client::retry::RetryPolicy;
use tower::BoxError;
use tower::retry::Policy;

/// Times a request is made again, as kubectl does (client-go's `maxRetries`).
const TIMES: u32 = 10;
/// Longest wait that a person at a terminal is left with; who asks for more is told as it is.
const LONGEST: Duration = Duration::from_secs(5);

/// What one request was granted.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    /// Time the request may take.
    limit: Option<Duration>,
    waited: Duration,
    made_again: u32,
}

impl Patience {
    /// For requests that may take so long: whoever would have to wait past that is told what the server said.
    pub(super) fn within(limit: Option<Duration>) -> Self {
        Self {
            limit,
            waited: Duration::ZERO,
            made_again: 0,
        }
    }
}

impl<Answer> Policy<Request<Body>, Response<Answer>, BoxError> for Patience {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        request: &mut Request<Body>,
        answer: &mut Result<Response<Answer>, BoxError>,
    ) -> Option<Self::Future> {
        let answer = answer.as_ref().ok()?;
        let may_be_repeated =
            answer.status() == StatusCode::TOO_MANY_REQUESTS || changes_nothing_twice(request);
        let wait = asks_for(answer.status(), answer.headers()).filter(|wait| *wait <= LONGEST)?;
        let waited = self.waited + wait;
        if !may_be_repeated || self.made_again == TIMES || self.limit.is_some_and(|limit| waited >= limit) {
            return None;
        }
        self.made_again += 1;
        self.waited = waited;
        Some(tokio::time::sleep(wait))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Policy::<_, Response<Answer>, _>::clone_request(&mut RetryPolicy::default(), request)
    }
}

/// The wait that an answer asks for. One that names none says what there is to say.
fn asks_for(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS && !status.is_server_error() {
        return None;
    }
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Whether a request that was carried out may be made once more. One that is refused for being one too many never was; of other
/// answers nobody knows, a gateway's least of all.
fn changes_nothing_twice(request: &Request<Body>) -> bool {
    let kind = request.headers().get(CONTENT_TYPE);
    let is_apply = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/apply-patch"));
    is_apply || request.method().is_safe()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, after: Option<&str>) -> Response<()> {
        let response = Response::builder().status(status);
        let response = after
            .into_iter()
            .fold(response, |response, after| response.header(RETRY_AFTER, after));
        response.body(()).unwrap()
    }

    fn request(method: &str, kind: &str) -> Request<Body> {
        let request = Request::builder().method(method).header(CONTENT_TYPE, kind);
        request.body(Body::from(b"{}".to_vec())).unwrap()
    }

    fn is_asked_again(
        patience: &mut Patience,
        request: &mut Request<Body>,
        status: u16,
        after: Option<&str>,
    ) -> bool {
        patience.retry(request, &mut Ok(answer(status, after))).is_some()
    }

    #[tokio::test]
    async fn who_names_a_time_is_asked_again_and_nobody_else() {
        for (status, after, again) in [
            (429, Some("1"), true),
            (503, Some("5"), true),
            (503, None, false),
            (429, None, false),
            (503, Some("3600"), false),
            (429, Some("Sun, 06 Nov 1994 08:49:37 GMT"), false),
            (200, Some("1"), false),
            (403, Some("1"), false),
        ] {
            let patience = &mut Patience::within(None);
            let read = &mut request("GET", "");
            assert_eq!(
                is_asked_again(patience, read, status, after),
                again,
                "{status} {after:?}"
            );
        }
        let refused = &mut Err::<Response<()>, _>(BoxError::from("nobody listens"));
        let patience = &mut Patience::within(None);
        assert!(patience.retry(&mut request("GET", ""), refused).is_none());
    }

    #[tokio::test]
    async fn what_may_have_been_written_is_not_written_again() {
        for (method, kind, status, again) in [
            ("PATCH", "application/json-patch+json", 429, true),
            ("POST", "application/json", 429, true),
            ("PATCH", "application/json-patch+json", 503, false),
            ("POST", "application/json", 500, false),
            ("DELETE", "application/json", 504, false),
            ("PATCH", "application/apply-patch+yaml", 503, true),
        ] {
            let patience = &mut Patience::within(None);
            let write = &mut request(method, kind);
            assert_eq!(
                is_asked_again(patience, write, status, Some("1")),
                again,
                "{method} {kind} {status}"
            );
        }
    }

    #[tokio::test]
    async fn nobody_is_asked_for_ever() {
        let asked = |limit: Option<u64>| {
            let patience = &mut Patience::within(limit.map(Duration::from_secs));
            let read = &mut request("GET", "");
            let asked = (0..100).filter(|_| is_asked_again(patience, read, 429, Some("1")));
            u32::try_from(asked.count()).unwrap()
        };
        assert_eq!(asked(None), TIMES);
        assert_eq!(asked(Some(5)), 4);
    }

    #[test]
    fn what_is_made_again_is_the_same_request() {
        let write = &request("PATCH", "application/merge-patch+json");
        let again = Policy::<_, Response<()>, _>::clone_request(&mut Patience::within(None), write).unwrap();
        assert_eq!(again.method(), write.method());
        assert_eq!(again.headers(), write.headers());
    }
}
