//! The test Kubernetes: what it is made of, how it starts, and how nothing of it remains.
//!
//! `cargo xtask` drives this library; tests attach to the lab it started, or start one of their own:
//!
//! * [`cache`] and [`components`]: what has to be built once per machine, and where it is kept;
//! * [`control_plane`]: etcd, API server, controller-manager and scheduler on one loopback address;
//! * [`nodes`] and [`images`]: real nodes in namespaces of the lab's own, and what their containers run;
//! * [`lab`]: the handle on a running lab (kubeconfigs, audit log, ServiceAccount logins);
//! * [`process`], [`state`], [`teardown`] and [`reaper`]: every process is on record, and ends with its lab.

pub mod address;
pub mod audit;
pub mod cache;
pub mod components;
pub mod control_plane;
pub mod images;
pub mod kubeconfig;
pub mod lab;
pub mod nodes;
pub mod packages;
pub mod pki;
pub mod process;
pub mod programs;
pub mod progress;
pub mod reaper;
pub mod simulated;
pub mod state;
pub mod storage;
pub mod teardown;
pub mod tool;
pub mod wait;

pub use lab::{Lab, Options};
