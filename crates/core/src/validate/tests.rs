//! What is refused, and what stands in for what is left out.

use casskop_types::CassandraCluster;
use rstest::rstest;

use super::*;

fn object(spec: &str) -> CassandraCluster {
    let yaml = format!(
        "apiVersion: db.orange.com/v2\nkind: CassandraCluster\nmetadata: {{name: demo, namespace: ns, uid: u, generation: 3}}\nspec: {spec}\n"
    );
    serde_yaml::from_str(&yaml).unwrap()
}

#[test]
fn a_spec_that_says_nothing_is_one_rack_of_one_node() {
    let cluster = validate(&object("{}")).unwrap();
    let [rack] = cluster.racks.as_slice() else {
        panic!("{:?}", cluster.racks)
    };
    assert_eq!(
        (rack.id.to_string().as_str(), rack.nodes, rack.partition),
        ("dc1-rack1", 1, 0)
    );
    assert_eq!(rack.data, None);
    assert_eq!(
        (
            cluster.generation,
            cluster.max_unavailable,
            cluster.cleanup_threads
        ),
        (3, 1, 0)
    );
    assert_eq!(cluster.claims_at_deletion, ClaimsAtDeletion::Keep);
    assert_eq!(cluster.start_order, StartOrder::FirstPodPerRack);
    assert!(cluster.pod.back_rest.is_some());
}

#[test]
fn racks_take_what_they_do_not_set_from_datacenter_and_cluster() {
    let cluster = validate(&object(
        "{nodesPerRacks: 3, dataCapacity: 10Gi, dataStorageClass: slow,
          resources: {requests: {cpu: 1}},
          topology: {dc: [
            {name: dc1, labels: {site: a, row: '1'}, rack: [{name: rack1}, {name: rack2, labels: {row: '2'}, rollingRestart: true}]},
            {name: dc2, nodesPerRacks: 0, dataCapacity: 20Gi, resources: {limits: {cpu: 2}}},
            {name: dc3, dataStorageClass: fast, resources: {}}]}}",
    ))
    .unwrap();
    let rows: Vec<String> = cluster
        .racks
        .iter()
        .map(|rack| {
            let data = rack.data.as_ref().unwrap();
            let limits = rack
                .resources
                .limits
                .as_ref()
                .map(|limits| limits["cpu"].0.clone());
            format!(
                "{} [{}][{}] nodes={} {:?} {}/{:?} limit={limits:?} restart={}",
                rack.id,
                rack.dc_index,
                rack.rack_index,
                rack.nodes,
                rack.node_labels,
                data.capacity,
                data.storage_class,
                rack.rolling_restart
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            r#"dc1-rack1 [0][0] nodes=3 {"row": "1", "site": "a"} 10Gi/Some("slow") limit=Some("1") restart=false"#,
            r#"dc1-rack2 [0][1] nodes=3 {"row": "2", "site": "a"} 10Gi/Some("slow") limit=Some("1") restart=true"#,
            r#"dc2-rack1 [1][0] nodes=0 {} 20Gi/None limit=Some("2") restart=false"#,
            r#"dc3-rack1 [2][0] nodes=3 {} 10Gi/Some("slow") limit=Some("1") restart=false"#,
        ]
    );
}

#[rstest]
#[case(
    "{topology: {dc: [{name: dc1}, {name: dc1}]}}",
    "spec.topology.dc[1].name: there is another datacenter `dc1`"
)]
#[case(
    "{topology: {dc: [{name: dc1, rack: [{name: r}, {name: r}]}]}}",
    "spec.topology.dc[0].rack[1].name: there is another rack `r` in datacenter `dc1`"
)]
#[case(
    "{topology: {dc: [{name: dc-1}]}}",
    "spec.topology.dc[0].name: `dc-1` is not the name of a datacenter: it is lower-case letters and digits and starts with a letter"
)]
#[case(
    "{topology: {dc: [{name: dc1, rack: [{name: Rack1}]}]}}",
    "spec.topology.dc[0].rack[0].name: `Rack1` is not the name of a rack: it is lower-case letters and digits"
)]
#[case(
    "{topology: {dc: [{name: averyveryverylongdatacenter, rack: [{name: averyveryverylongrack}]}]}}",
    "spec.topology.dc[0].rack[0].name: `demo-averyveryverylongdatacenter-averyveryverylongrack` would be the name of the StatefulSet and has 54 characters, 52 are possible: use shorter names"
)]
#[case(
    "{nodesPerRacks: 0}",
    "spec.nodesPerRacks: 0 is less than 1: to empty datacenter `dc1` set its own nodesPerRacks to 0"
)]
#[case(
    "{topology: {dc: [{name: dc1, nodesPerRacks: -1}]}}",
    "spec.topology.dc[0].nodesPerRacks: -1 is less than 0"
)]
#[case(
    "{dataCapacity: 20gi}",
    "spec.dataCapacity: `20gi` is not a quantity such as 20Gi, 500m or 1.5"
)]
#[case(
    "{topology: {dc: [{name: dc1, dataCapacity: '0'}]}}",
    "spec.topology.dc[0].dataCapacity: `0` holds no data"
)]
#[case(
    "{resources: {limits: {memory: lots}}}",
    "spec.resources.limits.memory: `lots` is not a quantity such as 20Gi, 500m or 1.5"
)]
#[case(
    "{sidecarConfigs: [{name: a}, {name: cassandra}]}",
    "spec.sidecarConfigs[1].name: there is another container `cassandra` in the pod"
)]
#[case(
    "{sidecarConfigs: [{name: a}, {name: a}]}",
    "spec.sidecarConfigs[1].name: there is another container `a` in the pod"
)]
#[case(
    "{storageConfigs: [{name: a, mountPath: /a, pvcSpec: {}}]}",
    "spec.storageConfigs: no volume is made where there is no data volume: set spec.dataCapacity"
)]
#[case(
    "{dataCapacity: 1Gi, storageConfigs: [{name: data, mountPath: /a, pvcSpec: {}}]}",
    "spec.storageConfigs[0].name: there is another volume `data` in the pod"
)]
fn what_cannot_work_is_refused(#[case] spec: &str, #[case] problem: &str) {
    let problems = validate(&object(spec)).unwrap_err();
    let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, [problem]);
}

#[test]
fn all_problems_are_told_at_once() {
    let mut cluster = object("{dataCapacity: x, topology: {dc: [{name: dc-1}, {name: dc_2}]}}");
    cluster.metadata.name = Some("1demo".to_owned());
    cluster.metadata.uid = None;
    let fields: Vec<String> = validate(&cluster)
        .unwrap_err()
        .into_iter()
        .map(|problem| problem.field)
        .collect();
    assert_eq!(
        fields,
        [
            "metadata.name",
            "metadata.uid",
            "spec.topology.dc[0].name",
            "spec.dataCapacity",
            "spec.topology.dc[1].name",
        ]
    );
}

#[test]
fn nodes_of_the_cluster_do_not_matter_where_every_datacenter_has_its_own() {
    assert!(
        validate(&object(
            "{nodesPerRacks: 0, topology: {dc: [{name: dc1, nodesPerRacks: 1}]}}"
        ))
        .is_ok()
    );
}
