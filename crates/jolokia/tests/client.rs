//! What the client makes of agents that answer, refuse, stall and vanish.

#![expect(clippy::unwrap_used, reason = "the scripted agents are part of the tests")]

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use casskop_jolokia::storage_service::{Jobs, Tables, cleanup, operation_mode};
use casskop_jolokia::{
    Bulk, ByteStream, Category, Credentials, Dial, Dialling, JolokiaClient, OperationMode,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

#[tokio::test]
async fn an_answer_becomes_a_value_and_the_request_carries_the_credentials() {
    let (address, agent) = agent(|mut stream| async move {
        let request = read_request(&mut stream).await;
        answer(&mut stream, "200 OK", r#"{"status":200,"value":"NORMAL"}"#).await;
        request
    })
    .await;
    let credentials = Credentials {
        username: "ann".into(),
        password: "se:cret".into(),
    };
    let client = JolokiaClient::at(address).with_credentials(Some(&credentials));
    assert_eq!(
        client.call(&operation_mode()).await.unwrap(),
        OperationMode::Normal
    );

    let request = agent.await.unwrap();
    assert!(request.starts_with("POST /jolokia/ HTTP/1.1\r\n"), "{request}");
    assert!(
        request.contains("authorization: Basic YW5uOnNlOmNyZXQ=\r\n"),
        "{request}"
    );
    let body = request.split("\r\n\r\n").nth(1).unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(&body, &operation_mode().request().to_json());
}

#[tokio::test]
async fn a_bulk_goes_out_as_one_list() {
    let (address, agent) = agent(|mut stream| async move {
        let request = read_request(&mut stream).await;
        answer(&mut stream, "200 OK", r#"[{"status":200,"value":"JOINING"}]"#).await;
        request
    })
    .await;
    let answers = JolokiaClient::at(address)
        .ask(Bulk::new().ask(&operation_mode()))
        .await
        .unwrap();
    assert_eq!(answers.to(&operation_mode()).unwrap(), OperationMode::Joining);
    assert!(agent.await.unwrap().ends_with(']'));
}

#[tokio::test]
async fn credentials_are_never_shown() {
    let credentials = Credentials {
        username: "ann".into(),
        password: "secret".into(),
    };
    let client = JolokiaClient::at(([127, 0, 0, 1], 1).into()).with_credentials(Some(&credentials));
    let shown = format!("{credentials:?} {client:?}");
    for hidden in ["ann", "secret", "YW5u"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

#[tokio::test]
async fn http_statuses_have_their_categories() {
    for (status, category) in [
        ("401 Unauthorized", Category::Unauthorized),
        ("403 Forbidden", Category::Unauthorized),
        ("503 Service Unavailable", Category::HttpStatus),
        ("200 OK", Category::Malformed),
    ] {
        let (address, _agent) = agent(move |mut stream| async move {
            read_request(&mut stream).await;
            answer(&mut stream, status, "<html>").await;
        })
        .await;
        let error = JolokiaClient::at(address)
            .call(&operation_mode())
            .await
            .unwrap_err();
        assert_eq!(error.category(), category, "{error}");
    }
}

#[tokio::test]
async fn nothing_listening_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = JolokiaClient::at(address)
        .call(&operation_mode())
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Unreachable);
    assert!(!error.category().outcome_unknown());
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_leaves_the_outcome_unknown() {
    let (address, _agent) = agent(|mut stream| async move {
        read_request(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"status\"")
            .await
            .unwrap();
    })
    .await;
    let error = JolokiaClient::at(address)
        .call(&cleanup(Tables::of("ks"), Jobs::ALL_COMPACTORS))
        .await
        .unwrap_err();
    assert_eq!(error.category(), Category::Lost, "{error}");
    assert!(error.category().outcome_unknown());
}

/// On paused time, which passes at once when everything waits: no stream here is the kernel's.
#[tokio::test(start_paused = true)]
async fn a_prompt_call_has_a_time_limit_and_a_blocking_one_has_none() {
    const AN_HOUR: Duration = Duration::from_hours(1);
    let slow = InMemory(|mut stream: DuplexStream| async move {
        read_request(&mut stream).await;
        tokio::time::sleep(AN_HOUR).await;
        answer(&mut stream, "200 OK", r#"{"status":200,"value":0}"#).await;
    });
    let client = JolokiaClient::new(slow);
    let error = client.call(&operation_mode()).await.unwrap_err();
    assert_eq!(error.category(), Category::Timeout, "{error}");
    client
        .call(&cleanup(Tables::of("ks"), Jobs::ALL_COMPACTORS))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn connecting_has_a_time_limit_for_every_call() {
    struct Nowhere;
    impl fmt::Display for Nowhere {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("nowhere")
        }
    }
    impl Dial for Nowhere {
        fn dial(&self) -> Dialling<'_> {
            Box::pin(std::future::pending())
        }
    }
    let call = cleanup(Tables::of("ks"), Jobs::ALL_COMPACTORS);
    let error = JolokiaClient::new(Nowhere).call(&call).await.unwrap_err();
    assert_eq!(error.category(), Category::Unreachable, "{error}");
}

#[tokio::test]
async fn dropping_a_blocking_call_closes_its_connection() {
    let (asked, was_asked) = tokio::sync::oneshot::channel();
    let (address, agent) = agent(|mut stream| async move {
        read_request(&mut stream).await;
        asked.send(()).unwrap();
        read_to_end(&mut stream).await
    })
    .await;
    let client = JolokiaClient::at(address);
    let call = tokio::spawn(async move {
        client
            .call(&cleanup(Tables::of("ks"), Jobs::ALL_COMPACTORS))
            .await
    });
    was_asked.await.unwrap();
    call.abort();
    let rest = tokio::time::timeout(Duration::from_secs(5), agent)
        .await
        .expect("the connection stays open");
    assert_eq!(rest.unwrap(), Vec::<u8>::new());
}

#[tokio::test]
async fn any_stream_carries_a_call() {
    let forwarded = InMemory(|mut stream: DuplexStream| async move {
        read_request(&mut stream).await;
        answer(&mut stream, "200 OK", r#"{"status":200,"value":"LEAVING"}"#).await;
    });
    let mode = JolokiaClient::new(forwarded)
        .call(&operation_mode())
        .await
        .unwrap();
    assert_eq!(mode, OperationMode::Leaving);
}

/// Dials agents that live in this process and get one connection each.
struct InMemory<S>(S);

impl<S> fmt::Display for InMemory<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pod demo/demo-dc1-rack1-0")
    }
}

impl<S, F> Dial for InMemory<S>
where
    S: Fn(DuplexStream) -> F + Send + Sync,
    F: Future<Output = ()> + Send + 'static,
{
    fn dial(&self) -> Dialling<'_> {
        let (ours, theirs) = tokio::io::duplex(64);
        tokio::spawn((self.0)(theirs));
        Box::pin(async { Ok(Box::new(ours) as Box<dyn ByteStream>) })
    }
}

/// Accepts one connection on a port of its own and lets `serve` have it.
async fn agent<T, F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> (SocketAddr, JoinHandle<T>)
where
    F: Future<Output = T> + Send,
    T: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream).await
    });
    (address, serving)
}

/// Reads a request's head and as much body as it announces.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut request = String::new();
    let mut buffer = [0; 1024];
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        request.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        if let Some((head, body)) = request.split_once("\r\n\r\n") {
            let announced = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .unwrap();
            if body.len() >= announced.parse().unwrap() {
                return request;
            }
        }
        assert_ne!(read, 0, "the request ends early: {request}");
    }
}

async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    rest
}

async fn answer(stream: &mut (impl AsyncWrite + Unpin), status: &str, body: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
}
