//! Plays nodes, kubelets and Cassandra rings for simulated pods, on a real API server.
//!
//! - [`ring`]: the ring as a pure value;
//! - `jolokia`: the agent of every pod, on the pod's own loopback address;
//! - `kubelet`: Node objects, leases, and the life of every pod bound to one of them;
//! - [`Client`] and [`Command`]: how tests steer all this, and what they can learn from it, above all the log of every
//!   call and the history of nodes that were down.

mod calls;
mod control;
mod downs;
mod jolokia;
mod kubelet;
mod names;
pub mod ring;
mod simulator;
mod steering;
mod world;

pub use calls::{CallKind, CallLog, CallOutcome, CallQuery, CallRecord};
pub use control::{Client, ClientError, Command, PodView, RingView, WorldView};
pub use downs::{Down, DownHistory};
pub use kubelet::{InvalidPodCidr, PodCidr};
pub use names::{ClusterId, PodId};
pub use simulator::{Config, Simulator};
pub use steering::{
    CallPattern, CallRule, Cordon, Credentials, Ending, Image, PodBehaviour, Power, ProcessFate, Scope, Span,
};
