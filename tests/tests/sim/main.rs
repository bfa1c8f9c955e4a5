//! The operator and the plugin as processes, on a whole control plane whose nodes, kubelets and rings are simulated.

mod adoption;
mod casskop_commands;
mod crashes;
mod credentials;
mod datacenters;
mod describe;
mod faults;
mod formation;
mod hooks;
mod operations;
mod permissions;
mod removal;
mod restarts;
mod sizes;
mod table_work;
mod tasks;
mod volumes;

use casskop_lab::state::Nodes;

/// Nodes of the lab when the tests are run alone.
const NODES: Nodes = Nodes::Simulated(6);
