//! Racks, with what they take from their datacenter and from the cluster.

use std::collections::{BTreeMap, BTreeSet};

use casskop_types::CassandraCluster;
use casskop_types::names::{ClusterName, DcName, RackId, RackName, STATEFUL_SET_NAME_MAX};
use casskop_types::topology::{Datacenter, Rack};
use k8s_openapi::api::core::v1::ResourceRequirements;

use super::{DataVolume, Problems, ValidatedRack, pods, said};
use crate::desired::defaults;
use crate::quantity::Amount;

/// The racks in the order of the spec, or `None` when something about them is wrong.
pub(super) fn racks(cluster: &CassandraCluster, problems: &mut Problems) -> Option<Vec<ValidatedRack>> {
    let before = problems.0.len();
    // A cluster without datacenters has one, a datacenter without racks has one. CassKop replaces the whole topology by the
    // one datacenter that has no racks (its quirk Q33); here the rack is filled in where it is missing.
    let written = cluster.spec.datacenters();
    let default_dc = [Datacenter {
        name: defaults::DC.to_owned(),
        ..Datacenter::default()
    }];
    let default_rack = [Rack {
        name: defaults::RACK.to_owned(),
        ..Rack::default()
    }];
    let datacenters = if written.is_empty() {
        &default_dc[..]
    } else {
        written
    };

    let mut racks = Vec::new();
    let mut dc_names = BTreeSet::new();
    for (dc_index, dc) in datacenters.iter().enumerate() {
        let dc_path = format!("spec.topology.dc[{dc_index}]");
        if !dc_names.insert(&dc.name) {
            problems.add(
                format!("{dc_path}.name"),
                format!("there is another datacenter `{}`", dc.name),
            );
        }
        let dc_name: Option<DcName> = problems.note(format!("{dc_path}.name"), dc.name.parse());
        let shared = SharedByRacks::of(cluster, dc, &dc_path, problems);
        let written = dc.rack.as_deref().unwrap_or_default();
        let of_dc = if written.is_empty() {
            &default_rack[..]
        } else {
            written
        };
        let mut rack_names = BTreeSet::new();
        for (rack_index, rack) in of_dc.iter().enumerate() {
            let path = format!("{dc_path}.rack[{rack_index}]");
            if !rack_names.insert(&rack.name) {
                problems.add(
                    format!("{path}.name"),
                    format!(
                        "there is another rack `{}` in datacenter `{}`",
                        rack.name, dc.name
                    ),
                );
            }
            let rack_name: Option<RackName> = problems.note(format!("{path}.name"), rack.name.parse());
            let (Some(dc_name), Some(rack_name)) = (dc_name.clone(), rack_name) else {
                continue;
            };
            let id = RackId {
                dc: dc_name,
                rack: rack_name,
            };
            check_length(cluster, &id, &path, problems);
            racks.push(ValidatedRack {
                dc_index,
                rack_index,
                ..shared.rack(id, rack)
            });
        }
    }
    (problems.0.len() == before).then_some(racks)
}

/// What the racks of one datacenter have in common.
struct SharedByRacks {
    nodes: i32,
    labels: BTreeMap<String, String>,
    resources: ResourceRequirements,
    data: Option<DataVolume>,
    config: [casskop_types::cluster::FreeForm; 2],
}

impl SharedByRacks {
    fn of(cluster: &CassandraCluster, dc: &Datacenter, path: &str, problems: &mut Problems) -> Self {
        Self {
            nodes: nodes(cluster, dc, path, problems),
            labels: dc.labels.clone().unwrap_or_default(),
            resources: resources(cluster, dc),
            data: data_volume(cluster, dc, path, problems),
            config: [
                cluster.spec.config.clone().unwrap_or_default(),
                dc.config.clone().unwrap_or_default(),
            ],
        }
    }

    fn rack(&self, id: RackId, rack: &Rack) -> ValidatedRack {
        let mut node_labels = self.labels.clone();
        node_labels.extend(rack.labels.clone().unwrap_or_default());
        let [of_cluster, of_dc] = self.config.clone();
        ValidatedRack {
            id,
            nodes: self.nodes,
            partition: rack.rolling_partition.unwrap_or_default(),
            rolling_restart: rack.rolling_restart == Some(true),
            dc_index: 0,
            rack_index: 0,
            node_labels,
            resources: self.resources.clone(),
            data: self.data.clone(),
            config: [of_cluster, of_dc, rack.config.clone().unwrap_or_default()],
        }
    }
}

/// Nodes in each rack of a datacenter. Only a datacenter may say 0: that empties it, node after node. The same in the cluster's
/// own field is taken for a mistake, as CassKop does.
fn nodes(cluster: &CassandraCluster, dc: &Datacenter, path: &str, problems: &mut Problems) -> i32 {
    match (dc.nodes_per_racks, cluster.spec.nodes_per_racks) {
        (Some(nodes), _) if nodes < 0 => {
            problems.add(format!("{path}.nodesPerRacks"), format!("{nodes} is less than 0"));
            0
        }
        (Some(nodes), _) => nodes,
        (None, Some(nodes)) if nodes < 1 => {
            problems.add(
                "spec.nodesPerRacks",
                format!(
                    "{nodes} is less than 1: to empty datacenter `{}` set its own nodesPerRacks to 0",
                    dc.name
                ),
            );
            0
        }
        (None, nodes) => nodes.unwrap_or(defaults::NODES_PER_RACK),
    }
}

/// A datacenter's resources stand in for the cluster's as a whole, they are not merged.
fn resources(cluster: &CassandraCluster, dc: &Datacenter) -> ResourceRequirements {
    match &dc.resources {
        Some(own) if own.limits.is_some() || own.requests.is_some() => own.clone(),
        _ => pods::cluster_resources(cluster),
    }
}

/// A datacenter's storage class counts only together with its capacity (and then even if it is none).
fn data_volume(
    cluster: &CassandraCluster,
    dc: &Datacenter,
    path: &str,
    problems: &mut Problems,
) -> Option<DataVolume> {
    let spec = &cluster.spec;
    let (field, capacity, class) = match said(dc.data_capacity.as_ref()) {
        Some(capacity) => (
            format!("{path}.dataCapacity"),
            capacity,
            said(dc.data_storage_class.as_ref()),
        ),
        None => (
            "spec.dataCapacity".to_owned(),
            said(spec.data_capacity.as_ref())?,
            said(spec.data_storage_class.as_ref()),
        ),
    };
    let amount: Amount = problems.note(field.clone(), capacity.parse())?;
    if !amount.is_positive() {
        problems.add(field, format!("`{capacity}` holds no data"));
    }
    Some(DataVolume {
        capacity: capacity.to_owned(),
        storage_class: class.map(str::to_owned),
    })
}

fn check_length(cluster: &CassandraCluster, id: &RackId, path: &str, problems: &mut Problems) {
    let Some(Ok(name)) = cluster.metadata.name.as_deref().map(str::parse::<ClusterName>) else {
        return;
    };
    let stateful_set = name.stateful_set(id);
    if stateful_set.len() > STATEFUL_SET_NAME_MAX {
        problems.add(
            format!("{path}.name"),
            format!(
                "`{stateful_set}` would be the name of the StatefulSet and has {} characters, {STATEFUL_SET_NAME_MAX} are \
                 possible: use shorter names",
                stateful_set.len()
            ),
        );
    }
}
