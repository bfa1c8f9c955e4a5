//! stub
use casskop_types::names::{ClusterName, RackId};
use casskop_types::status::PinnedDefaults;
#[derive(Debug, Clone)]
pub struct ValidatedCluster {
    pub name: ClusterName,
    pub namespace: String,
    pub uid: String,
    pub generation: i64,
    pub racks: Vec<ValidatedRack>,
    pub cleanup_threads: i32,
    pub auto_pilot: bool,
    pub pinned: PinnedDefaults,
}
#[derive(Debug, Clone)]
pub struct ValidatedRack {
    pub id: RackId,
    pub nodes: i32,
    pub partition: i32,
    pub rolling_restart: bool,
    pub dc_index: usize,
    pub rack_index: usize,
}
#[derive(Debug, Clone, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Problem {
    pub field: String,
    pub message: String,
}
