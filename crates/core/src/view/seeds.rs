//! The seeds of a cluster: those its status lists, and what becomes of their names.

use std::net::IpAddr;

use casskop_types::CassandraCluster;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::Serialize;

use super::{ClusterView, PodState, RackRef};

/// One seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeedView {
    /// As nodes are given it: `<pod>.<cluster>.<namespace>`.
    pub seed: String,
    /// Its rack, if it is a pod of the cluster that is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<RackRef>,
    /// Address of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// How far the pod is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PodState>,
    /// What its name resolves to, as far as the cluster's Service tells; absent where that could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolves_to: Option<Vec<String>>,
}

impl SeedView {
    /// What keeps a starting node from reaching the ring through this seed.
    pub fn problem(&self) -> Option<String> {
        let Some(state) = self.state else {
            return Some(format!("seed {} is no pod of the cluster", self.seed));
        };
        let address = self.address.map(|address| address.to_string());
        match (&self.resolves_to, &address) {
            _ if state != PodState::Ready => Some(format!("seed {} is {state}", self.seed)),
            (Some(resolved), _) if resolved.is_empty() => {
                Some(format!("the Service does not resolve seed {}", self.seed))
            }
            (Some(resolved), Some(address)) if !resolved.contains(address) => Some(format!(
                "seed {} resolves to {}, and its pod has {address}",
                self.seed,
                resolved.join(", ")
            )),
            _ => None,
        }
    }
}

/// The seeds of a cluster, in the order of its status. Slices are those of the cluster's headless Service, where they could be read.
pub fn seeds(
    cluster: &CassandraCluster,
    view: &ClusterView,
    slices: Option<&[EndpointSlice]>,
) -> Vec<SeedView> {
    let listed = cluster.status.iter().flat_map(|status| &status.seed_list);
    listed
        .map(|seed| {
            // The name of a pod has no dot.
            let pod = seed.split('.').next().unwrap_or(seed);
            let node = view.nodes.iter().find(|node| node.pod == pod);
            SeedView {
                seed: seed.clone(),
                rack: node.map(|node| node.rack.clone()),
                address: node.and_then(|node| node.address),
                state: node.map(|node| node.state),
                resolves_to: slices.map(|slices| resolved(slices, pod)),
            }
        })
        .collect()
}

/// The name of a pod under a headless Service is the `hostname` of its endpoint (KEP-752, "hostname").
fn resolved(slices: &[EndpointSlice], pod: &str) -> Vec<String> {
    slices
        .iter()
        .flat_map(|slice| slice.endpoints.iter().flatten())
        .filter(|endpoint| endpoint.hostname.as_deref() == Some(pod))
        .flat_map(|endpoint| endpoint.addresses.iter().cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{cluster, pod};
    use super::*;

    #[test]
    fn a_seed_is_followed_to_its_pod_and_to_what_its_name_resolves_to() {
        let mut cluster = cluster();
        let listed = [
            "demo-dc1-rack1-0",
            "demo-dc1-rack1-1",
            "demo-dc1-rack1-2",
            "demo-dc1-rack1-7",
        ];
        let status = cluster.status.get_or_insert_default();
        status.seed_list = listed.map(|pod| format!("{pod}.demo.data")).to_vec();
        let mut pods = [
            pod(0, "u0", "", "ready"),
            pod(1, "u1", "", "ready"),
            pod(2, "u2", "", "pending"),
        ];
        for (ordinal, pod) in pods.iter_mut().enumerate() {
            pod.status.get_or_insert_default().pod_ip = Some(format!("10.0.0.{ordinal}"));
        }
        let slice = serde_json::from_value(json!({
            "addressType": "IPv4",
            "endpoints": [
                { "hostname": "demo-dc1-rack1-0", "addresses": ["10.0.0.0"] },
                { "hostname": "demo-dc1-rack1-1", "addresses": ["10.0.0.9"] },
            ],
        }));
        let slices: [EndpointSlice; 1] = [slice.unwrap()];
        let view = ClusterView::of(&cluster, &pods);
        let problems = |slices| -> Vec<Option<String>> {
            seeds(&cluster, &view, slices)
                .iter()
                .map(SeedView::problem)
                .collect()
        };
        assert_eq!(
            problems(Some(&slices)),
            [
                None,
                Some(
                    "seed demo-dc1-rack1-1.demo.data resolves to 10.0.0.9, and its pod has 10.0.0.1"
                        .to_owned()
                ),
                Some("seed demo-dc1-rack1-2.demo.data is not running".to_owned()),
                Some("seed demo-dc1-rack1-7.demo.data is no pod of the cluster".to_owned()),
            ]
        );
        assert_eq!(problems(None)[1], None, "what could not be read is no problem");
        assert_eq!(
            problems(Some(&[]))[0],
            Some("the Service does not resolve seed demo-dc1-rack1-0.demo.data".to_owned())
        );
    }
}
