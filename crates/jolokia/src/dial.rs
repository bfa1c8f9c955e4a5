//! How a connection to a node's Jolokia agent is opened.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Bytes both ways: a TCP connection, or a stream forwarded by the Kubernetes API server.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// A connection being opened.
pub type Dialling<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn ByteStream>>> + Send + 'a>>;

/// Opens connections to one node's Jolokia agent.
///
/// Displayed as what is dialled, for messages.
pub trait Dial: fmt::Display + Send + Sync {
    /// Opens one; the client limits the time it may take.
    fn dial(&self) -> Dialling<'_>;
}

/// Dials an address directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpDial(pub SocketAddr);

impl fmt::Display for TcpDial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Dial for TcpDial {
    fn dial(&self) -> Dialling<'_> {
        Box::pin(async {
            let stream = TcpStream::connect(self.0).await?;
            stream.set_nodelay(true)?;
            keep_alive(&stream)?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }
}

/// A blocking call says nothing for hours. When the pod's machine vanishes, no packet ever ends the
/// connection, so the kernel has to probe it: gone is noticed within two minutes.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_mins(1))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}
