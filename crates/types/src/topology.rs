//! Where the nodes of a cluster are: `spec.topology`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cluster::FreeForm;

/// The datacenters of a cluster, in the order in which they are brought up.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Topology {
    /// Datacenters. Without any the cluster has one, `dc1`, with one rack, `rack1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 100),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub dc: Option<Vec<Datacenter>>,
}

/// One Cassandra datacenter. What it does not set it takes from the cluster's spec.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Datacenter {
    /// Name as Cassandra knows it: lower-case letters and digits, a letter first, no dash.
    #[schemars(
        length(max = 48),
        regex(pattern = r"^[^-]+$"),
        extend("x-kubernetes-validations" = [{
            "rule": "self.matches('^[a-z][a-z0-9]*$')",
            "message": "a datacenter's name is lower-case letters and digits and starts with a letter: it becomes part of names in DNS",
        }])
    )]
    pub name: String,
    /// Labels a Kubernetes node must have to hold nodes of this datacenter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Cassandra's configuration, merged over the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::free_form")]
    pub config: Option<FreeForm>,
    /// Nodes in each rack of this datacenter; 0 empties the datacenter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub nodes_per_racks: Option<i32>,
    /// Size of the data volume of each node of this datacenter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"))]
    pub data_capacity: Option<String>,
    /// Storage class of the data volumes; counts only together with `dataCapacity` of the same datacenter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_storage_class: Option<String>,
    /// Resources of the Cassandra container, in place of the cluster's. The JVM's heap follows the cluster's nevertheless.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::resources")]
    pub resources: Option<ResourceRequirements>,
    /// Racks. Without any the datacenter has one, `rack1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 100),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub rack: Option<Vec<Rack>>,
}

/// One rack: one StatefulSet.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rack {
    /// Name as Cassandra knows it: lower-case letters and digits, no dash.
    #[schemars(
        length(max = 48),
        regex(pattern = r"^[^-]+$"),
        extend("x-kubernetes-validations" = [{
            "rule": "self.matches('^[a-z0-9]+$')",
            "message": "a rack's name is lower-case letters and digits: it becomes part of names in DNS",
        }])
    )]
    pub name: String,
    /// Labels a Kubernetes node must have to hold nodes of this rack, merged over the datacenter's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Cassandra's configuration, merged over the datacenter's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::free_form")]
    pub config: Option<FreeForm>,
    /// Asks for one rolling restart of the rack; the operator sets it back to false once the restart has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling_restart: Option<bool>,
    /// Pods with a lower ordinal keep their old template (`updateStrategy.rollingUpdate.partition`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub rolling_partition: Option<i32>,
}
