//! Faults put between the operator and the API server: the operator speaks plain HTTP to a proxy in the test, and the proxy
//! to the API server, with the administrator's rights.
//!
//! - [`deaths`]: the operator dies at its writes, before they reach the API server or before it learns that they did;
//! - [`lag`]: watch events come late or with the next stream, and reads show the state before those events.
//!
//! Whatever the fault, [`witness`] looks at each write before it is let through.

pub mod deaths;
pub mod lag;
pub mod proxy;
pub mod stage;
pub mod witness;
pub mod write;
