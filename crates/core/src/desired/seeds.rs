//! The seed list: which nodes a starting node asks for the ring.

use k8s_openapi::api::apps::v1::StatefulSet;

use super::environment::{CASSANDRA_SEEDS, CONFIG_FILE_DATA};
use super::{config, defaults};
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
pub fn of_statefulset(cluster: &ValidatedCluster, stored: &StatefulSet) -> Vec<String> {
    let variable = |container: &str, name: &str| {
        let pod = stored.spec.as_ref()?.template.spec.as_ref()?;
        let container = defaults::container(pod, container)?;
        container
            .env
            .iter()
            .flatten()
            .find(|variable| variable.name == name)?
            .value
            .clone()
    };
    let overridden = cluster
        .pod
        .bootstrap_environment
        .iter()
        .any(|variable| variable.name == CASSANDRA_SEEDS);
    let seeds = if overridden {
        // The user's list hides ours in the one place; it is still in the other.
        variable(defaults::CONFIG_BUILDER, CONFIG_FILE_DATA).and_then(|config| config::seeds_of(&config))
    } else {
        variable(defaults::BOOTSTRAP, CASSANDRA_SEEDS)
    };
    seeds
        .iter()
        .flat_map(|seeds| seeds.split(','))
        .filter(|seed| !seed.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::tests::{TWO_DATACENTERS, new_statefulset, validated};
    use super::*;

    fn seeds(topology: &str) -> Vec<String> {
        let cluster = validated(&format!(
            "apiVersion: db.orange.com/v2\nkind: CassandraCluster\nmetadata: {{name: demo, namespace: ns, uid: u}}\nspec: {topology}\n"
        ));
        let seeds = initial(&cluster);
        assert!(
            seeds
                .iter()
                .all(|seed| seed.starts_with("demo-") && seed.ends_with(".demo.ns")),
            "{seeds:?}"
        );
        seeds
            .iter()
            .map(|seed| seed["demo-".len()..seed.len() - ".demo.ns".len()].to_owned())
            .collect()
    }

    #[rstest]
    #[case::default("{}", &["dc1-rack1-0"])]
    #[case::one_rack("{nodesPerRacks: 5}", &["dc1-rack1-0", "dc1-rack1-1", "dc1-rack1-2"])]
    #[case::two_racks("{nodesPerRacks: 5, topology: {dc: [{name: a, rack: [{name: r1}, {name: r2}]}]}}", &["a-r1-0", "a-r1-1", "a-r2-0"])]
    #[case::two_racks_of_one("{topology: {dc: [{name: a, rack: [{name: r1}, {name: r2}]}]}}", &["a-r1-0", "a-r2-0"])]
    #[case::four_racks("{topology: {dc: [{name: a, rack: [{name: r1}, {name: r2}, {name: r3}, {name: r4}]}]}}", &["a-r1-0", "a-r2-0", "a-r3-0"])]
    #[case::three_empty_racks("{topology: {dc: [{name: a, nodesPerRacks: 0, rack: [{name: r1}, {name: r2}, {name: r3}]}]}}", &["a-r1-0", "a-r2-0", "a-r3-0"])]
    #[case::datacenters("{nodesPerRacks: 2, topology: {dc: [{name: a}, {name: b, nodesPerRacks: 0}, {name: c, nodesPerRacks: 1}]}}", &["a-rack1-0", "a-rack1-1", "c-rack1-0"])]
    fn a_topology_calls_for_three_seeds_of_each_datacenter(
        #[case] topology: &str,
        #[case] expected: &[&str],
    ) {
        assert_eq!(seeds(topology), expected);
    }

    #[rstest]
    #[case::same(&["a", "b"], &["a", "b"], &["a", "b"])]
    #[case::order_stays(&["b", "a"], &["a", "b"], &["b", "a"])]
    #[case::gone_and_new(&["x", "b", "a"], &["a", "c", "b"], &["b", "a", "c"])]
    #[case::first(&[], &["a", "b"], &["a", "b"])]
    fn seeds_keep_their_place(#[case] old: &[&str], #[case] wanted: &[&str], #[case] merged: &[&str]) {
        let owned = |seeds: &[&str]| -> Vec<String> { seeds.iter().map(|seed| (*seed).to_owned()).collect() };
        assert_eq!(merge(&owned(old), &owned(wanted)), owned(merged));
    }

    #[test]
    fn a_statefulset_tells_its_seeds() {
        let cluster = validated(TWO_DATACENTERS);
        let seeds = initial(&cluster);
        assert_eq!(seeds.len(), 6);
        assert_eq!(
            of_statefulset(&cluster, &new_statefulset(&cluster, "dc1-rack1")),
            seeds
        );
        assert_eq!(
            of_statefulset(&cluster, &StatefulSet::default()),
            Vec::<String>::new()
        );
    }
}
