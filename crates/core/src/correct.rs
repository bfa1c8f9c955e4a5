//! Edits that cannot be carried out are put back (`CorrectCRDConfig`), as CassKop does, with an event that says which field
//! and why. What was accepted last is kept in the annotation CassKop keeps it in.
//!
//! While an edit is being put back nothing else happens: no decision is made on a spec that is not going to stay.

use std::collections::BTreeSet;

use casskop_types::cluster::{CassandraCluster, CassandraClusterSpec};
use casskop_types::labels::LAST_APPLIED_CONFIGURATION;
use casskop_types::topology::Datacenter;
use serde_json::{Value, json};

use crate::desired::defaults;
use crate::quantity::is_less;

/// One edit and how it is undone.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// The field, as in `spec.topology.dc[0].dataCapacity`.
    pub field: String,
    /// Why it cannot stay.
    pub why: String,
    /// Operations of a JSON patch (RFC 6902).
    pub patch: Vec<Value>,
}

impl std::fmt::Display for Correction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} was put back: {}", self.field, self.why)
    }
}

/// What the API server and the nodes say about a datacenter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emptiness {
    /// It has nodes.
    Nodes,
    /// It has none any more.
    Empty,
}

/// The spec that was accepted last, as JSON; `None` when nothing readable was kept.
fn accepted(cluster: &CassandraCluster) -> Option<Value> {
    let annotations = cluster.metadata.annotations.as_ref()?;
    let kept: Value = serde_json::from_str(annotations.get(LAST_APPLIED_CONFIGURATION)?).ok()?;
    Some(kept.get("spec")?.clone())
}

/// What to keep of an accepted cluster object; `None` if that is kept already.
///
/// Flags that the operator itself resets are no part of it.
pub(crate) fn to_keep(cluster: &CassandraCluster) -> Option<String> {
    let mut spec = serde_json::to_value(&cluster.spec).ok()?;
    without_flags(&mut spec);
    // Read and written once more, so that how another operator writes defaults makes no difference.
    let known =
        accepted(cluster).and_then(|known| serde_json::from_value::<CassandraClusterSpec>(known).ok());
    let mut known = serde_json::to_value(known).ok()?;
    without_flags(&mut known);
    if known == spec {
        return None;
    }
    let kept = json!({
        "apiVersion": "db.orange.com/v2",
        "kind": "CassandraCluster",
        "metadata": { "name": cluster.metadata.name, "namespace": cluster.metadata.namespace },
        "spec": spec,
    });
    Some(kept.to_string())
}

fn without_flags(spec: &mut Value) {
    let Some(fields) = spec.as_object_mut() else {
        return;
    };
    fields.remove("unlockNextOperation");
    let datacenters = fields
        .get_mut("topology")
        .and_then(|topology| topology.get_mut("dc"));
    let datacenters = datacenters.and_then(Value::as_array_mut).into_iter().flatten();
    let racks = datacenters
        .filter_map(|dc| dc.get_mut("rack"))
        .filter_map(Value::as_array_mut)
        .flatten();
    for rack in racks.filter_map(Value::as_object_mut) {
        rack.remove("rollingRestart");
    }
}

/// Everything in the spec that has to be put back. `emptiness` tells of a datacenter by its name.
pub(crate) fn corrections(
    cluster: &CassandraCluster,
    emptiness: impl Fn(&str) -> Emptiness,
) -> Vec<Correction> {
    let Some(kept) = accepted(cluster) else {
        return Vec::new();
    };
    let Ok(before) = serde_json::from_value::<CassandraClusterSpec>(kept.clone()) else {
        return Vec::new();
    };
    let now = &cluster.spec;
    let mut found = Vec::new();
    nodes_per_rack(&before, now, &mut found);
    volumes(&kept, &before, now, &mut found);
    topology(&kept, &before, now, emptiness, &mut found);
    found
}

/// 0 of all racks is taken for a mistake: only a datacenter is emptied.
fn nodes_per_rack(before: &CassandraClusterSpec, now: &CassandraClusterSpec, found: &mut Vec<Correction>) {
    if now.nodes_per_racks == Some(0) && before.nodes_per_racks != Some(0) {
        found.push(Correction {
            field: "spec.nodesPerRacks".to_owned(),
            why: "a cluster is not emptied as a whole; to empty a datacenter set its own nodesPerRacks to 0"
                .to_owned(),
            patch: vec![put(
                "/spec/nodesPerRacks",
                before.nodes_per_racks.map(Value::from),
            )],
        });
    }
}

/// Puts a value back that the object has now, or takes away what it had not.
fn put(path: &str, before: Option<Value>) -> Value {
    match before {
        // `add` replaces a member that exists.
        Some(value) => json!({ "op": "add", "path": path, "value": value }),
        None => json!({ "op": "remove", "path": path }),
    }
}

/// A volume does not shrink, and stays in its class.
fn volumes(
    kept: &Value,
    before: &CassandraClusterSpec,
    now: &CassandraClusterSpec,
    found: &mut Vec<Correction>,
) {
    let both = datacenters(now).into_iter().enumerate().filter_map(|(at, dc)| {
        let known = datacenters(before)
            .into_iter()
            .find(|known| known.name == dc.name)?;
        Some((at, dc, known))
    });
    for (at, dc, known) in both {
        let (was, is) = (volume(before, &known), volume(now, &dc));
        let Some((what, why)) = volume_change(&was, &is) else {
            continue;
        };
        let correction = put_volume_back(kept, now, (at, &dc), what, why);
        // A field of the cluster's is put back once, however many datacenters take it.
        if !correction.patch.is_empty() && found.iter().all(|other| other.patch != correction.patch) {
            found.push(correction);
        }
    }
    if before.storage_configs != now.storage_configs {
        found.push(Correction {
            field: "spec.storageConfigs".to_owned(),
            why: "the volumes of a StatefulSet that exists cannot be changed; a new cluster may have others"
                .to_owned(),
            patch: back(
                "storageConfigs",
                "/spec",
                kept,
                &serde_json::to_value(now).unwrap_or_default(),
            ),
        });
    }
}

/// Puts `what` back at both of its places: that of the cluster, and that of the datacenter.
fn put_volume_back(
    kept: &Value,
    now: &CassandraClusterSpec,
    (at, dc): (usize, &Datacenter),
    what: &str,
    why: String,
) -> Correction {
    let of_dc = now
        .topology
        .as_ref()
        .is_some_and(|topology| topology.dc.as_ref().is_some_and(|all| !all.is_empty()));
    let mut patch = back(
        what,
        "/spec",
        kept,
        &serde_json::to_value(now).unwrap_or_default(),
    );
    if of_dc {
        let name = |value: &&Value| value["name"] == *dc.name;
        let known = kept["topology"]["dc"].as_array().into_iter().flatten().find(name);
        patch.extend(back(
            what,
            &format!("/spec/topology/dc/{at}"),
            known.unwrap_or(&Value::Null),
            &serde_json::to_value(dc).unwrap_or_default(),
        ));
    }
    Correction {
        field: format!("{what} of datacenter {}", dc.name),
        why,
        patch,
    }
}

/// Puts back the size of a datacenter's volumes.
pub(crate) fn keep_capacity(cluster: &CassandraCluster, dc: &str, why: &str) -> Option<Correction> {
    let kept = accepted(cluster)?;
    let datacenters = datacenters(&cluster.spec);
    let place = datacenters
        .iter()
        .enumerate()
        .find(|(_, known)| known.name == dc)?;
    let correction = put_volume_back(&kept, &cluster.spec, place, "dataCapacity", why.to_owned());
    (!correction.patch.is_empty()).then_some(correction)
}

fn back(field: &str, path: &str, before: &Value, now: &Value) -> Vec<Value> {
    let (before, now) = (before.get(field), now.get(field));
    if before == now {
        return Vec::new();
    }
    vec![put(&format!("{path}/{field}"), before.cloned())]
}

/// Capacity and storage class that count for a datacenter.
fn volume(spec: &CassandraClusterSpec, dc: &Datacenter) -> (String, String) {
    let said = |text: &Option<String>| text.clone().unwrap_or_default();
    if said(&dc.data_capacity).is_empty() {
        (said(&spec.data_capacity), said(&spec.data_storage_class))
    } else {
        (said(&dc.data_capacity), said(&dc.data_storage_class))
    }
}

/// How nodes get other volumes than the ones they have.
const ELSEWHERE: &str = "add a datacenter with dataCapacity and dataStorageClass of its own, and remove this one once it has the data";

fn volume_change(was: &(String, String), is: &(String, String)) -> Option<(&'static str, String)> {
    if was.0.is_empty() != is.0.is_empty() {
        let why = format!("nodes that run cannot be given a data volume, or lose theirs; {ELSEWHERE}");
        return Some(("dataCapacity", why));
    }
    if is_less(&is.0, &was.0) {
        return Some((
            "dataCapacity",
            format!("a volume of {} does not shrink to {}; {ELSEWHERE}", was.0, is.0),
        ));
    }
    (was.1 != is.1).then(|| {
        let why = format!(
            "a volume stays in its storage class ({}); {ELSEWHERE}",
            if was.1.is_empty() {
                "the default one"
            } else {
                &was.1
            }
        );
        ("dataStorageClass", why)
    })
}

/// Racks do not go alone, and datacenters only empty. A new name is another rack or datacenter.
fn topology(
    kept: &Value,
    before: &CassandraClusterSpec,
    now: &CassandraClusterSpec,
    emptiness: impl Fn(&str) -> Emptiness,
    found: &mut Vec<Correction>,
) {
    let present = datacenters(now);
    let why = datacenters(before).into_iter().find_map(|dc| {
        let Some(still) = present.iter().find(|still| still.name == dc.name) else {
            let has_nodes = emptiness(&dc.name) == Emptiness::Nodes;
            return has_nodes.then(|| {
                format!("datacenter {} has nodes: set its nodesPerRacks to 0 first, and remove it once they left", dc.name)
            });
        };
        let racks = racks(still);
        let gone = self::racks(&dc).into_iter().find(|rack| !racks.contains(rack))?;
        Some(format!("rack {gone} cannot be removed from datacenter {}, nor renamed: all racks of a datacenter have as many nodes", dc.name))
    });
    if let Some(why) = why {
        found.push(Correction {
            field: "spec.topology".to_owned(),
            why,
            patch: vec![put("/spec/topology", kept.get("topology").cloned())],
        });
    }
}

/// Puts back that a datacenter is to be emptied.
pub(crate) fn keep_nodes(cluster: &CassandraCluster, dc: &str, why: &str) -> Option<Correction> {
    let kept = accepted(cluster)?;
    let at = datacenters(&cluster.spec)
        .iter()
        .position(|known| known.name == dc)?;
    let name = |value: &&Value| value["name"] == *dc;
    let known = kept["topology"]["dc"].as_array()?.iter().find(name)?;
    let before = known.get("nodesPerRacks").filter(|nodes| **nodes != json!(0));
    Some(Correction {
        field: format!("spec.topology.dc[{at}].nodesPerRacks"),
        why: why.to_owned(),
        patch: vec![put(
            &format!("/spec/topology/dc/{at}/nodesPerRacks"),
            before.cloned(),
        )],
    })
}

fn datacenters(spec: &CassandraClusterSpec) -> Vec<Datacenter> {
    let written = spec.topology.as_ref().and_then(|topology| topology.dc.clone());
    written.filter(|all| !all.is_empty()).unwrap_or_else(|| {
        vec![Datacenter {
            name: defaults::DC.to_owned(),
            ..Datacenter::default()
        }]
    })
}

fn racks(dc: &Datacenter) -> BTreeSet<&str> {
    let written = dc.rack.as_deref().unwrap_or_default();
    if written.is_empty() {
        [defaults::RACK].into()
    } else {
        written.iter().map(|rack| rack.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests;
