//! What the black-box tests stand on: one lab for all tests of a program, namespaces of their own in it, and the real
//! `kubectl`.
//!
//! `cargo xtask test api` (or `sim`, `e2e`) starts a lab and runs them in it. Run alone, in a shell prepared by
//! `cargo xtask lab env` they use that lab, and otherwise start one that ends with them.

pub mod cluster;
pub mod cookbook;
pub mod describe;
pub mod faults;
pub mod ground;
pub mod kubectl;
pub mod loss;
pub mod operator;
pub mod ring;
pub mod site;
pub mod traffic;
