//! Asking for the restart of racks: the flag `rollingRestart` of each, and nothing else of the object.

use casskop_core::view::RackRef;
use casskop_types::CassandraCluster;
use casskop_types::topology::Datacenter;
use serde_json::{Value, json};

use super::cluster::{Written, patch_cluster, same_object, unchanged};
use crate::cli::DryRun;
use crate::failure::Failure;
use crate::kube_access::Access;

/// Sets the flags of racks of a cluster as it was read.
pub(crate) async fn ask_restart(
    access: &Access,
    cluster: &CassandraCluster,
    racks: &[RackRef],
    dry_run: DryRun,
) -> Result<Written, Failure> {
    let patch: json_patch::Patch = serde_json::from_value(flags(cluster, racks)).map_err(Failure::Render)?;
    patch_cluster(access, cluster, patch, dry_run).await
}

/// The JSON patch (RFC 6902) that sets the flags.
///
/// A path names a rack by its place in a list, so each is written only if the rack of that name is still there; edits of
/// others to the same object at the same time survive. Where the flag has no rack to be written to, because the spec leaves
/// the racks to their default, the default is written out, and only if nothing else has changed.
fn flags(cluster: &CassandraCluster, racks: &[RackRef]) -> Value {
    let mut patch = vec![same_object(cluster)];
    let mut whole_object = false;
    let datacenters = cluster.spec.datacenters();
    if datacenters.is_empty() {
        whole_object = true;
        let (path, value) = default_topology(cluster.spec.topology.is_some(), racks);
        patch.push(json!({ "op": "add", "path": path, "value": value }));
    }
    for (place, dc) in datacenters.iter().enumerate() {
        if !racks.iter().any(|rack| rack.dc == dc.name) {
            continue;
        }
        let path = format!("/spec/topology/dc/{place}");
        patch.push(json!({ "op": "test", "path": format!("{path}/name"), "value": dc.name }));
        whole_object |= set_in_datacenter(&mut patch, &path, dc, racks);
    }
    if whole_object {
        patch.insert(1, unchanged(cluster));
    }
    Value::Array(patch)
}

/// Whether the racks had to be written out.
fn set_in_datacenter(patch: &mut Vec<Value>, path: &str, dc: &Datacenter, racks: &[RackRef]) -> bool {
    let known = dc.rack.as_deref().unwrap_or_default();
    if known.is_empty() {
        let value = json!([{ "name": "rack1", "rollingRestart": true }]);
        patch.push(json!({ "op": "add", "path": format!("{path}/rack"), "value": value }));
        return true;
    }
    for (place, rack) in known.iter().enumerate() {
        if racks
            .iter()
            .any(|asked| asked.dc == dc.name && asked.rack == rack.name)
        {
            let path = format!("{path}/rack/{place}");
            patch.push(json!({ "op": "test", "path": format!("{path}/name"), "value": rack.name }));
            patch.push(json!({ "op": "add", "path": format!("{path}/rollingRestart"), "value": true }));
        }
    }
    false
}

fn default_topology(has_topology: bool, racks: &[RackRef]) -> (&'static str, Value) {
    let datacenters: Vec<Value> = racks
        .iter()
        .map(|rack| json!({ "name": rack.dc, "rack": [{ "name": rack.rack, "rollingRestart": true }] }))
        .collect();
    if has_topology {
        ("/spec/topology/dc", Value::Array(datacenters))
    } else {
        ("/spec/topology", json!({ "dc": datacenters }))
    }
}

/// Whether asking for a restart of these racks writes out a default of the spec.
pub(crate) fn writes_default(cluster: &CassandraCluster, racks: &[RackRef]) -> bool {
    let datacenters = cluster.spec.datacenters();
    let without_racks = |dc: &Datacenter| dc.rack.as_deref().unwrap_or_default().is_empty();
    datacenters.is_empty()
        || datacenters
            .iter()
            .any(|dc| without_racks(dc) && racks.iter().any(|rack| rack.dc == dc.name))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn patch(spec: &str, racks: &[&str]) -> String {
        let text = format!("{{metadata: {{name: demo, uid: u, resourceVersion: '7'}}, spec: {spec}}}");
        let cluster: CassandraCluster = serde_yaml::from_str(&text).unwrap();
        let racks: Vec<RackRef> = racks.iter().map(|rack| rack.parse().unwrap()).collect();
        let patch = flags(&cluster, &racks);
        let whole = patch
            .as_array()
            .unwrap()
            .iter()
            .any(|op| op["path"] == "/metadata/resourceVersion");
        assert_eq!(whole, writes_default(&cluster, &racks));
        serde_json::from_value::<json_patch::Patch>(patch.clone()).unwrap();
        let lines: Vec<String> = patch
            .as_array()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        lines.join(
            "
",
        )
    }

    #[test]
    fn each_flag_is_guarded_by_the_names_at_its_place() {
        let spec = "{topology: {dc: [{name: dc1, rack: [{name: rack1}, {name: rack2, rollingRestart: false}]}, {name: dc2, rack: [{name: rack1}]}]}}";
        assert_snapshot!(patch(spec, &["dc1.rack2", "dc2.rack1"]), @r#"
        {"op":"test","path":"/metadata/uid","value":"u"}
        {"op":"test","path":"/spec/topology/dc/0/name","value":"dc1"}
        {"op":"test","path":"/spec/topology/dc/0/rack/1/name","value":"rack2"}
        {"op":"add","path":"/spec/topology/dc/0/rack/1/rollingRestart","value":true}
        {"op":"test","path":"/spec/topology/dc/1/name","value":"dc2"}
        {"op":"test","path":"/spec/topology/dc/1/rack/0/name","value":"rack1"}
        {"op":"add","path":"/spec/topology/dc/1/rack/0/rollingRestart","value":true}
        "#);
    }

    #[test]
    fn a_default_topology_is_written_out() {
        assert_snapshot!(patch("{}", &["dc1.rack1"]), @r#"
        {"op":"test","path":"/metadata/uid","value":"u"}
        {"op":"test","path":"/metadata/resourceVersion","value":"7"}
        {"op":"add","path":"/spec/topology","value":{"dc":[{"name":"dc1","rack":[{"name":"rack1","rollingRestart":true}]}]}}
        "#);
        assert_snapshot!(patch("{topology: {dc: []}}", &["dc1.rack1"]), @r#"
        {"op":"test","path":"/metadata/uid","value":"u"}
        {"op":"test","path":"/metadata/resourceVersion","value":"7"}
        {"op":"add","path":"/spec/topology/dc","value":[{"name":"dc1","rack":[{"name":"rack1","rollingRestart":true}]}]}
        "#);
        assert_snapshot!(patch("{topology: {dc: [{name: eu}]}}", &["eu.rack1"]), @r#"
        {"op":"test","path":"/metadata/uid","value":"u"}
        {"op":"test","path":"/metadata/resourceVersion","value":"7"}
        {"op":"test","path":"/spec/topology/dc/0/name","value":"eu"}
        {"op":"add","path":"/spec/topology/dc/0/rack","value":[{"name":"rack1","rollingRestart":true}]}
        "#);
    }
}
