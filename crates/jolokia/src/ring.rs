//! Who holds what: the text in which `describeRingJMX` tells token ranges, and what follows from it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use crate::address::endpoint_address;
use crate::error::Unexpected;

/// A token range and the nodes that hold its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRange {
    /// The replicas, in Cassandra's order.
    pub endpoints: Vec<RangeEndpoint>,
}

/// A node that holds a token range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeEndpoint {
    /// Its address in the ring.
    pub address: IpAddr,
    /// Its data centre.
    pub datacenter: String,
    /// Its rack.
    pub rack: String,
}

impl TokenRange {
    /// How many of the replicas are in each data centre. Names are compared whole: `dc1` is not `dc10`.
    pub fn replicas_per_datacenter(&self) -> BTreeMap<String, usize> {
        let mut replicas = BTreeMap::new();
        for endpoint in &self.endpoints {
            *replicas.entry(endpoint.datacenter.clone()).or_default() += 1;
        }
        replicas
    }

    /// Reads `TokenRange(start_token:…, …, endpoint_details:[EndpointDetails(host:…, datacenter:…, rack:…), …])`.
    pub(crate) fn parse(text: &str) -> Result<Self, Unexpected> {
        let unexpected = || Unexpected::new("a token range", &Value::from(text));
        let (_, details) = text.split_once("endpoint_details:[").ok_or_else(unexpected)?;
        let details = details.strip_suffix("])").ok_or_else(unexpected)?;
        let endpoints = details
            .split("EndpointDetails(")
            .skip(1)
            .map(|endpoint| RangeEndpoint::parse(endpoint).ok_or_else(unexpected))
            .collect::<Result<_, _>>()?;
        Ok(Self { endpoints })
    }
}

impl RangeEndpoint {
    /// Reads `host:10.0.0.1, datacenter:dc1, rack:r1)`, which a comma may follow.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches([',', ' ']).strip_suffix(')')?;
        let (host, text) = text.strip_prefix("host:")?.split_once(", datacenter:")?;
        let (datacenter, rack) = text.split_once(", rack:")?;
        Some(Self {
            address: endpoint_address(host)?,
            datacenter: datacenter.to_owned(),
            rack: rack.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(endpoints: &[(&str, &str)]) -> TokenRange {
        let details = endpoints
            .iter()
            .map(|(host, dc)| format!("EndpointDetails(host:{host}, datacenter:{dc}, rack:r1)"))
            .collect::<Vec<_>>()
            .join(", ");
        let text = format!(
            "TokenRange(start_token:1, end_token:2, endpoints:[], rpc_endpoints:[], endpoint_details:[{details}])"
        );
        TokenRange::parse(&text).unwrap()
    }

    #[test]
    fn replicas_are_counted_per_whole_data_centre_name() {
        let range = range(&[("10.0.0.1", "dc10"), ("10.0.0.2", "dc10"), ("10.0.1.1", "dc2")]);
        let replicas = range.replicas_per_datacenter();
        assert_eq!(replicas.get("dc1"), None);
        assert_eq!(replicas, BTreeMap::from([("dc10".into(), 2), ("dc2".into(), 1)]));
    }

    #[test]
    fn a_range_without_replicas_is_a_range() {
        assert_eq!(range(&[]).endpoints, []);
    }

    #[test]
    fn other_text_is_not_a_range() {
        for text in [
            "",
            "TokenRange()",
            "endpoint_details:[EndpointDetails(host:, datacenter:d, rack:r)])",
        ] {
            assert!(TokenRange::parse(text).is_err(), "{text}");
        }
    }
}
