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

/// How many replicas a keyspace has in each data centre, read off its ranges.
///
/// It is the replication factor, bounded by the number of nodes: a keyspace with RF 3 in a data centre of
/// two nodes counts 2. Data centres are compared whole: `dc1` is not `dc10`.
pub fn replicas_per_datacenter(ranges: &[TokenRange]) -> BTreeMap<String, usize> {
    let mut replicas = BTreeMap::<String, usize>::new();
    for range in ranges {
        let mut here = BTreeMap::<&str, usize>::new();
        for endpoint in &range.endpoints {
            *here.entry(&endpoint.datacenter).or_default() += 1;
        }
        for (datacenter, count) in here {
            let most = replicas.entry(datacenter.to_owned()).or_default();
            *most = count.max(*most);
        }
    }
    replicas
}

impl TokenRange {
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
        let ranges = [
            range(&[("10.0.0.1", "dc10"), ("10.0.0.2", "dc10")]),
            range(&[("10.0.0.1", "dc10"), ("10.0.1.1", "dc2")]),
        ];
        let replicas = replicas_per_datacenter(&ranges);
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
