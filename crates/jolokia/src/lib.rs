//! Typed JMX calls to a Cassandra node, carried by the Jolokia agent's HTTP.
//!
//! The crate has a pure half and a small half that does I/O:
//!
//! * [`Call`] is one question or command as a value: the [`Request`] that goes out and how its answer is
//!   read. [`storage_service`], [`ownership`], [`compaction_manager`], [`stream_manager`] and [`diagnostics`] make them,
//!   one module per MBean. [`Bulk`] puts several into one HTTP round trip, [`NodeStatus`] is the one the
//!   operator asks most.
//! * [`JolokiaClient`] sends them over a connection that a [`Dial`] opens: straight to the pod's address,
//!   or through any stream, such as one forwarded by the Kubernetes API server (`port_forward`, behind the feature of that name).
//!
//! What a node answers differs between Cassandra 3.11, 4.0, 4.1 and 5.0. The parsers are tested against
//! answers recorded from real nodes (`tests/lab/traces`), and calls whose signature changed take the
//! [`ReleaseVersion`] of the node.

pub mod compaction_manager;
pub mod diagnostics;
pub mod ownership;
#[cfg(feature = "port-forward")]
pub mod port_forward;
pub mod storage_service;
pub mod stream_manager;

mod address;
mod answer;
mod bulk;
mod call;
mod client;
mod dial;
mod error;
mod http_exchange;
mod node_status;
mod request;
mod ring;
mod version;

pub use address::endpoint_address;
pub use bulk::{Answers, Bulk};
pub use call::{Call, Pace};
pub use client::{Credentials, JolokiaClient, TimeLimits};
pub use compaction_manager::{Compaction, CompactionTask};
pub use diagnostics::{InFlight, NodeOperation, in_flight_calls};
pub use dial::{ByteStream, Dial, Dialling, TcpDial};
pub use error::{CallError, Category, Unexpected};
pub use node_status::NodeStatus;
pub use request::Request;
pub use ring::{RangeEndpoint, TokenRange};
pub use storage_service::{HostId, OperationMode, RemovalStatus};
pub use stream_manager::StreamPlan;
pub use version::ReleaseVersion;
