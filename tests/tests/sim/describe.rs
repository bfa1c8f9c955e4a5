//! What `kubectl describe cassandracluster` tells somebody whose cluster is stuck: what is waited for and what to do about it.
//! The situations are those in which CassKop stays stuck, and their like.

mod edits;
mod leaving;
mod losses;
mod nodes;
mod requests;

use casskop_simulator::{ClusterId, PodBehaviour, PodId, ProcessFate, Scope};
use casskop_tests::ground::Ground;

/// Whatever a test has asked of a pod's future, not any more.
fn as_usual() -> PodBehaviour {
    PodBehaviour::default()
}

/// Cassandra ends at each start.
fn crashing() -> PodBehaviour {
    PodBehaviour {
        process: Some(ProcessFate::Crashes),
        ..PodBehaviour::default()
    }
}

fn pod_scope(ground: &Ground, pod: &str) -> Scope {
    Scope::Pod(PodId::new(&ground.namespace, pod))
}

fn everywhere(cluster: &ClusterId) -> Scope {
    Scope::Cluster(cluster.clone())
}
