//! An API server that asks to come back later is asked again: it does while it takes up a new definition, or has too much to do.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, Response, StatusCode};
use kube::client::Body;
use kube::client::retry::RetryPolicy;
use tower::BoxError;
use tower::retry::Policy;

/// Times a request is made again, as kubectl does (client-go's `maxRetries`).
const TIMES: u32 = 10;
/// Longest wait that a person at a terminal is left with; who asks for more is told as it is.
const LONGEST: Duration = Duration::from_secs(5);

/// How often one request was made again.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience {
    made_again: u32,
}

impl<Answer> Policy<Request<Body>, Response<Answer>, BoxError> for Patience {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        _request: &mut Request<Body>,
        answer: &mut Result<Response<Answer>, BoxError>,
    ) -> Option<Self::Future> {
        let answer = answer.as_ref().ok()?;
        let wait = asks_for(answer.status(), answer.headers()).filter(|wait| *wait <= LONGEST)?;
        if self.made_again == TIMES {
            return None;
        }
        self.made_again += 1;
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

    fn is_asked_again(patience: &mut Patience, status: u16, after: Option<&str>) -> bool {
        let mut request = Request::new(Body::empty());
        patience
            .retry(&mut request, &mut Ok(answer(status, after)))
            .is_some()
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
            let patience = &mut Patience::default();
            assert_eq!(
                is_asked_again(patience, status, after),
                again,
                "{status} {after:?}"
            );
        }
        let refused = &mut Err::<Response<()>, _>(BoxError::from("nobody listens"));
        let patience = &mut Patience::default();
        assert!(
            patience
                .retry(&mut Request::new(Body::empty()), refused)
                .is_none()
        );
    }

    #[tokio::test]
    async fn nobody_is_asked_for_ever() {
        let patience = &mut Patience::default();
        let asked = (0..100).filter(|_| is_asked_again(patience, 429, Some("1")));
        assert_eq!(u32::try_from(asked.count()), Ok(TIMES));
    }
}
