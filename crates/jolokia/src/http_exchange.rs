//! One HTTP exchange with a Jolokia agent over a stream of its own.
//!
//! No connection is kept for the next call. A kept one may have been closed by the agent in the meantime,
//! and a POST that meets the closing end leaves unknown whether the node took it: for a decommission that
//! is the difference between trying again and asking a human.

use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::dial::ByteStream;

/// Where the agent listens for POSTs.
const PATH: &str = "/jolokia/";

/// HTTP/1.1 wants a host; the agent looks at none, and a forwarded stream has none.
const ANY_HOST: &str = "cassandra";

/// No answer is near this size: the ring of 300 nodes with 256 tokens each comes to some 40 MB.
const MAX_ANSWER_BYTES: usize = 128 * 1024 * 1024;

/// What an exchange brought.
#[derive(Debug)]
pub(crate) struct Exchanged {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

/// Posts `body` and reads the whole answer. Everything lives in this future: dropping it closes the stream.
///
/// # Errors
/// What broke, as text. The request may have been received all the same.
pub(crate) async fn post(
    stream: Box<dyn ByteStream>,
    authorization: Option<HeaderValue>,
    body: Vec<u8>,
) -> Result<Exchanged, String> {
    let request = request(authorization, body).map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| explain(&error))?;
    let exchange = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| explain(&error))?;
        read(response).await
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        biased;
        exchanged = &mut exchange => exchanged,
        // The connection may end before the body's last bytes are taken out of it.
        ended = &mut connection => match (exchange.await, ended) {
            (Err(_), Err(error)) => Err(explain(&error)),
            (exchanged, _) => exchanged,
        },
    }
}

fn request(authorization: Option<HeaderValue>, body: Vec<u8>) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(PATH)
        .header(HOST, ANY_HOST)
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close");
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    request.body(Full::new(Bytes::from(body)))
}

async fn read(response: Response<Incoming>) -> Result<Exchanged, String> {
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
        .collect()
        .await
        .map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => format!("the answer is larger than {MAX_ANSWER_BYTES} bytes"),
            None => error.to_string(),
        })?;
    Ok(Exchanged {
        status,
        body: body.to_bytes(),
    })
}

/// Hyper's own text leaves the cause out.
fn explain(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
