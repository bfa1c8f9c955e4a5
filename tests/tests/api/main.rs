//! What only a real API server can say: which objects it takes, and what it answers to the others.

mod crds;
mod lab;
mod operator_writes;
mod plugin;
mod statefulsets;
mod tasks;
