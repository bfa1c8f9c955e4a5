//! Asking for a node less in each rack of a datacenter: its `nodesPerRacks`, and nothing else of the object.

use casskop_types::CassandraCluster;
use serde_json::{Value, json};

use super::cluster::{Written, patch_cluster, same_object, unchanged};
use crate::cli::DryRun;
use crate::failure::Failure;
use crate::kube_access::Access;

/// Lowers the number of a datacenter of a cluster as it was read.
pub(crate) async fn lower_nodes(
    access: &Access,
    cluster: &CassandraCluster,
    dc: &str,
    nodes: usize,
    dry_run: DryRun,
) -> Result<Written, Failure> {
    let patch = serde_json::from_value(number(cluster, dc, nodes)).map_err(Failure::Render)?;
    patch_cluster(access, cluster, patch, dry_run).await
}

/// The JSON patch (RFC 6902) that sets the number. It holds for the number that was looked at; where the datacenter has none of
/// its own, it gets one, so that no other datacenter shrinks, and only if nothing else has changed.
fn number(cluster: &CassandraCluster, dc: &str, nodes: usize) -> Value {
    let datacenters = cluster.spec.datacenters();
    match datacenters.iter().enumerate().find(|(_, known)| known.name == dc) {
        Some((place, known)) => {
            let path = format!("/spec/topology/dc/{place}");
            let guard = match known.nodes_per_racks {
                Some(before) => {
                    json!({ "op": "test", "path": format!("{path}/nodesPerRacks"), "value": before })
                }
                None => unchanged(cluster),
            };
            json!([
                same_object(cluster),
                { "op": "test", "path": format!("{path}/name"), "value": dc },
                guard,
                { "op": "add", "path": format!("{path}/nodesPerRacks"), "value": nodes },
            ])
        }
        // The default datacenter, which has the cluster's number.
        None => json!([
            same_object(cluster),
            unchanged(cluster),
            { "op": "add", "path": "/spec/nodesPerRacks", "value": nodes },
        ]),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn patch(spec: &str, dc: &str) -> String {
        let text = format!("{{metadata: {{name: demo, uid: u, resourceVersion: '7'}}, spec: {spec}}}");
        let cluster: CassandraCluster = serde_yaml::from_str(&text).unwrap();
        let patch = number(&cluster, dc, 2);
        serde_json::from_value::<json_patch::Patch>(patch.clone()).unwrap();
        let lines: Vec<String> = patch
            .as_array()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        lines.join("\n")
    }

    #[test]
    fn only_the_datacenter_shrinks() {
        let spec = "{nodesPerRacks: 3, topology: {dc: [{name: dc1}, {name: dc2, nodesPerRacks: 3}]}}";
        assert_snapshot!(patch(spec, "dc2"), @r#"
            {"op":"test","path":"/metadata/uid","value":"u"}
            {"op":"test","path":"/spec/topology/dc/1/name","value":"dc2"}
            {"op":"test","path":"/spec/topology/dc/1/nodesPerRacks","value":3}
            {"op":"add","path":"/spec/topology/dc/1/nodesPerRacks","value":2}
        "#);
        assert_snapshot!(patch(spec, "dc1"), @r#"
            {"op":"test","path":"/metadata/uid","value":"u"}
            {"op":"test","path":"/spec/topology/dc/0/name","value":"dc1"}
            {"op":"test","path":"/metadata/resourceVersion","value":"7"}
            {"op":"add","path":"/spec/topology/dc/0/nodesPerRacks","value":2}
        "#);
        assert_snapshot!(patch("{nodesPerRacks: 3}", "dc1"), @r#"
            {"op":"test","path":"/metadata/uid","value":"u"}
            {"op":"test","path":"/metadata/resourceVersion","value":"7"}
            {"op":"add","path":"/spec/nodesPerRacks","value":2}
        "#);
    }
}
