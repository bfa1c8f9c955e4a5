//! The Jolokia agent of a simulated node: a small HTTP server on the pod's own address.

mod agent;
mod attributes;
mod operations;
mod progress;
mod protocol;
mod server;
mod shares;
#[cfg(test)]
mod tests;
mod threads;

pub(crate) use agent::{Agent, Identity};
pub(crate) use attributes::attributes_of_storage_service;
pub(crate) use server::serve;

/// The agent's port in every pod.
pub(crate) const PORT: u16 = 8778;

/// Threads of the agent's pool (`executor=fixed`, `threadNr=5`): one more request waits until one of five is done.
const THREADS: usize = 5;
