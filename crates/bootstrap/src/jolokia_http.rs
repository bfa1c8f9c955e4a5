//! One bounded HTTP exchange with the Jolokia agent of the node in the same pod.
//!
//! The probes run every few seconds in a container that is short of everything but Cassandra, so this is the smallest client
//! that does: one connection, HTTP/1.0 (the server then neither chunks nor keeps the connection), one deadline over all.

use crate::agents::Credentials;
use base64::Engine as _;
use serde_json::Value;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Where Jolokia listens in every pod.
pub const PORT: u16 = 8778;

/// More than any answer to a probe.
const LONGEST_ANSWER: u64 = 1 << 20;

/// Posts a Jolokia request and returns the `value` of the answer, all within `budget`.
pub fn post(
    address: SocketAddr,
    credentials: Option<&Credentials>,
    request: &Value,
    budget: Duration,
) -> Result<Value, JolokiaError> {
    let deadline = Instant::now() + budget;
    let answer =
        exchange(address, credentials, &request.to_string(), deadline).map_err(JolokiaError::Unreachable)?;
    value_of(&answer)
}

fn exchange(
    address: SocketAddr,
    credentials: Option<&Credentials>,
    body: &str,
    deadline: Instant,
) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, left(deadline)?)?;
    let authorization = credentials.map_or_else(String::new, |Credentials { user, password }| {
        let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        format!("Authorization: Basic {token}\r\n")
    });
    let request = format!(
        "POST /jolokia/ HTTP/1.0\r\nHost: {address}\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    let mut limited = stream.try_clone()?.take(LONGEST_ANSWER);
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match limited.read(&mut chunk)? {
            0 => return Ok(answer),
            read => answer.extend_from_slice(&chunk[..read]),
        }
    }
}

fn left(deadline: Instant) -> io::Result<Duration> {
    deadline
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
        .ok_or_else(|| io::Error::from(io::ErrorKind::TimedOut))
}

/// The `value` of a Jolokia answer. Jolokia reports most errors with HTTP status 200 and a status in the body.
fn value_of(answer: &[u8]) -> Result<Value, JolokiaError> {
    let head_end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or(JolokiaError::NotHttp)?;
    let head = String::from_utf8_lossy(&answer[..head_end]);
    let status: u16 = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or(JolokiaError::NotHttp)?;
    if status != 200 {
        return Err(JolokiaError::Refused { status });
    }
    let mut body: Value =
        serde_json::from_slice(&answer[head_end + 4..]).map_err(|_| JolokiaError::NotHttp)?;
    match body["status"].as_u64() {
        Some(200) => Ok(body["value"].take()),
        status => Err(JolokiaError::Refused {
            status: status.and_then(|status| status.try_into().ok()).unwrap_or(0),
        }),
    }
}

/// No value was had from Jolokia. No variant holds anything of the request, which carries a password.
#[derive(Debug, thiserror::Error)]
pub enum JolokiaError {
    /// No connection, or no complete answer in time.
    #[error("jolokia does not answer")]
    Unreachable(#[source] io::Error),
    /// An answer with another status than 200; 401 is a wrong password.
    #[error("jolokia answers with status {status}")]
    Refused {
        /// The status of the HTTP answer, or of Jolokia's inside it.
        status: u16,
    },
    /// Something else listens on the port.
    #[error("port 8778 does not speak jolokia's protocol")]
    NotHttp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers one connection with `answer` and returns what it was sent.
    fn once(answer: &'static str) -> (SocketAddr, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        (address, server)
    }

    #[test]
    fn a_value_is_read_and_credentials_are_sent() {
        let (address, server) = once("HTTP/1.1 200 OK\r\nX: y\r\n\r\n{\"status\":200,\"value\":{\"a\":1}}");
        let credentials = Credentials {
            user: "ops".into(),
            password: "secret".into(),
        };
        let value = post(
            address,
            Some(&credentials),
            &serde_json::json!({}),
            Duration::from_secs(5),
        )
        .unwrap();
        assert_eq!(value["a"], 1);
        assert!(
            server
                .join()
                .unwrap()
                .contains("Authorization: Basic b3BzOnNlY3JldA==\r\n")
        );
    }

    #[test]
    fn refusals_are_told_apart() {
        for (answer, status) in [
            ("HTTP/1.1 401 Unauthorized\r\n\r\n", 401),
            ("HTTP/1.1 200 OK\r\n\r\n{\"status\":404,\"error\":\"x\"}", 404),
        ] {
            let (address, server) = once(answer);
            let error = post(address, None, &serde_json::json!({}), Duration::from_secs(5)).unwrap_err();
            assert!(
                matches!(error, JolokiaError::Refused { status: found } if found == status),
                "{error}"
            );
            server.join().unwrap();
        }
    }

    #[test]
    fn a_server_that_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let error = post(address, None, &serde_json::json!({}), Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, JolokiaError::Unreachable(_)), "{error}");
    }
}
