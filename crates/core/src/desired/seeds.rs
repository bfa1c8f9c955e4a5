//! The seed list: which nodes a starting node asks for the ring.

use k8s_openapi::api::apps::v1::StatefulSet;

use super::defaults;
use super::environment::CASSANDRA_SEEDS;
use crate::validate::{ValidatedCluster, ValidatedRack};

/// Seeds of a datacenter.
const PER_DC: usize = 3;

/// The list a topology calls for, in the order of the spec: at most three of each datacenter. A datacenter of one rack gives its
/// first three nodes, one of two racks the first two of each until there are three, any other the first node of three racks.
/// The list names wanted nodes, so that it does not change while they come up.
pub fn initial(cluster: &ValidatedCluster) -> Vec<String> {
    // Racks of one datacenter follow each other.
    cluster
        .racks
        .chunk_by(|one, other| one.id.dc == other.id.dc)
        .flat_map(|racks| of_datacenter(cluster, racks))
        .collect()
}

fn of_datacenter(cluster: &ValidatedCluster, racks: &[ValidatedRack]) -> Vec<String> {
    let candidates = racks.iter().flat_map(|rack| {
        let ordinals = match racks.len() {
            1 => rack.nodes.min(3),
            2 => rack.nodes.min(2),
            // Even of a rack without nodes, as in CassKop: a list that differed would restart an adopted cluster.
            _ => 1,
        };
        (0..ordinals).map(|ordinal| cluster.pod_name(&rack.id, ordinal).seed(&cluster.namespace))
    });
    candidates.take(PER_DC).collect()
}

/// The new list: seeds that are still wanted keep their place, new ones follow. The order matters to nobody but the pod
/// template, which must not change without need.
pub fn merge(old: &[String], wanted: &[String]) -> Vec<String> {
    let kept = old.iter().filter(|seed| wanted.contains(seed));
    let new = wanted.iter().filter(|seed| !old.contains(seed));
    kept.chain(new).cloned().collect()
}

/// The list a StatefulSet's pods are started with.
pub fn of_statefulset(stored: &StatefulSet) -> Vec<String> {
    let seeds = stored
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref())
        .and_then(|pod| defaults::container(pod, defaults::BOOTSTRAP))
        .and_then(|bootstrap| {
            bootstrap
                .env
                .iter()
                .flatten()
                .find(|variable| variable.name == CASSANDRA_SEEDS)
        })
        .and_then(|variable| variable.value.as_deref());
    seeds
        .into_iter()
        .flat_map(|seeds| seeds.split(','))
        .filter(|seed| !seed.is_empty())
        .map(str::to_owned)
        .collect()
}
