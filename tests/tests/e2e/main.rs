//! Real nodes, real Cassandra, and the operator inside the cluster under the rights it is shipped with.

mod cleanup;
mod lab;
mod life;
mod lost_node;
mod rebuild;
mod restart;
mod ring;
mod shown;
mod tables;
mod tasks;
mod tools;

use casskop_lab::state::Nodes;

/// Nodes of the lab when the tests are run alone: one for each rack of the ring.
const NODES: Nodes = Nodes::Real(3);
