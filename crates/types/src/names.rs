//! Names of clusters, datacenters, racks and pods, and the names of the objects made from them.
//!
//! Neither a datacenter's nor a rack's name has a dash, so that `<cluster>-<dc>-<rack>-<ordinal>` can be taken apart again.

use std::fmt;
use std::str::FromStr;

/// Longest StatefulSet name whose pods can be created: the value of their label `controller-revision-hash` is the StatefulSet's
/// name, a dash and up to 10 characters, and a label value has at most 63 (kubernetes/kubernetes#64023).
pub const STATEFUL_SET_NAME_MAX: usize = 52;

/// Name of the volume (and of the claim template) that holds Cassandra's data.
pub const DATA_VOLUME: &str = "data";

/// Why a text is not the name it should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is not the name of a {what}: {rule}")]
pub struct NameError {
    what: &'static str,
    text: String,
    rule: &'static str,
}

/// Name of a `CassandraCluster`, which is also the name of its Service: a DNS label that starts with a letter.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClusterName(String);

impl ClusterName {
    /// Name of the headless Service for clients and for the pods' host names.
    pub fn service(&self) -> String {
        self.0.clone()
    }

    /// Name of the headless Service for Prometheus.
    pub fn exporter_service(&self) -> String {
        format!("{}-exporter-jmx", self.0)
    }

    /// Name of the `ConfigMap` by which the operator tells starting pods what they cannot know themselves.
    pub fn bootstrap_config_map(&self) -> String {
        format!("{}-bootstrap", self.0)
    }

    /// Name of the `PodDisruptionBudget`.
    pub fn disruption_budget(&self) -> String {
        self.0.clone()
    }

    /// Name of a rack's StatefulSet. It has to be no longer than [`STATEFUL_SET_NAME_MAX`] to work.
    pub fn stateful_set(&self, rack: &RackId) -> String {
        format!("{}-{rack}", self.0)
    }

    /// Name of a rack's pod.
    pub fn pod(&self, rack: &RackId, ordinal: i32) -> PodName {
        PodName {
            cluster: self.clone(),
            rack: rack.clone(),
            ordinal,
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClusterName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let dns_label = text.len() <= 63
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.chars().all(|c| is_lower_alphanumeric(c) || c == '-');
        if dns_label {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError {
                what: "cluster",
                text: text.to_owned(),
                rule: "it is lower-case letters, digits and dashes, starts with a letter and does not end with a dash",
            })
        }
    }
}

/// Name of a datacenter that can be part of a StatefulSet's name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DcName(String);

impl DcName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DcName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_lower_alphanumeric) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError {
                what: "datacenter",
                text: text.to_owned(),
                rule: "it is lower-case letters and digits and starts with a letter",
            })
        }
    }
}

/// Name of a rack that can be part of a StatefulSet's name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RackName(String);

impl RackName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RackName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if !text.is_empty() && text.chars().all(is_lower_alphanumeric) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError {
                what: "rack",
                text: text.to_owned(),
                rule: "it is lower-case letters and digits",
            })
        }
    }
}

/// A rack within a cluster, written `<dc>-<rack>`: the key of its status and the value of the label `dc-rack`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RackId {
    /// The datacenter.
    pub dc: DcName,
    /// The rack in it.
    pub rack: RackName,
}

impl fmt::Display for RackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}", self.dc.0, self.rack.0))
    }
}

impl FromStr for RackId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (dc, rack) = text.split_once('-').ok_or_else(|| NameError {
            what: "rack of a datacenter",
            text: text.to_owned(),
            rule: "it has the form <dc>-<rack>",
        })?;
        Ok(Self {
            dc: dc.parse()?,
            rack: rack.parse()?,
        })
    }
}

/// Name of a Cassandra pod, `<cluster>-<dc>-<rack>-<ordinal>`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PodName {
    /// The cluster.
    pub cluster: ClusterName,
    /// The rack, which says which StatefulSet.
    pub rack: RackId,
    /// The place in the StatefulSet, from 0.
    pub ordinal: i32,
}

impl PodName {
    /// Name of the claim of this pod for a volume.
    pub fn claim(&self, volume: &str) -> String {
        format!("{volume}-{self}")
    }

    /// Name of the claim that holds this node's data.
    pub fn data_claim(&self) -> String {
        self.claim(DATA_VOLUME)
    }

    /// The pod's name in DNS as CassKop writes seeds: `<pod>.<cluster>.<namespace>`.
    pub fn seed(&self, namespace: &str) -> String {
        format!("{self}.{}.{namespace}", self.cluster)
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}-{}", self.cluster.0, self.rack, self.ordinal))
    }
}

impl FromStr for PodName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let error = || NameError {
            what: "Cassandra pod",
            text: text.to_owned(),
            rule: "it has the form <cluster>-<dc>-<rack>-<ordinal>",
        };
        let mut parts = text.rsplitn(4, '-');
        let (Some(digits), Some(rack), Some(dc), Some(cluster)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(error());
        };
        // StatefulSets write ordinals without leading zeros; `-00` is no pod of theirs.
        let ordinal: i32 = digits.parse().map_err(|_| error())?;
        if ordinal.to_string() != digits {
            return Err(error());
        }
        Ok(Self {
            cluster: cluster.parse()?,
            rack: RackId {
                dc: dc.parse()?,
                rack: rack.parse()?,
            },
            ordinal,
        })
    }
}

macro_rules! text_display {
    ($($name:ident),+) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        })+
    };
}

text_display!(ClusterName, DcName, RackName);

fn is_lower_alphanumeric(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_a_rack_are_named_after_it() {
        let cluster: ClusterName = "cassandra-demo".parse().unwrap();
        let rack: RackId = "dc1-rack2".parse().unwrap();
        let pod = cluster.pod(&rack, 3);
        assert_eq!(cluster.service(), "cassandra-demo");
        assert_eq!(cluster.exporter_service(), "cassandra-demo-exporter-jmx");
        assert_eq!(cluster.stateful_set(&rack), "cassandra-demo-dc1-rack2");
        assert_eq!(pod.to_string(), "cassandra-demo-dc1-rack2-3");
        assert_eq!(pod.data_claim(), "data-cassandra-demo-dc1-rack2-3");
        assert_eq!(pod.claim("log"), "log-cassandra-demo-dc1-rack2-3");
        assert_eq!(pod.seed("ns"), "cassandra-demo-dc1-rack2-3.cassandra-demo.ns");
    }

    #[test]
    fn a_pod_name_is_taken_apart_from_the_right() {
        let pod: PodName = "cassandra-ops-eu-dc1-rack1-10".parse().unwrap();
        assert_eq!(pod.cluster.as_str(), "cassandra-ops-eu");
        assert_eq!(pod.rack.to_string(), "dc1-rack1");
        assert_eq!(pod.ordinal, 10);
        assert_eq!(pod.to_string(), "cassandra-ops-eu-dc1-rack1-10");
    }

    #[test]
    fn other_pods_are_not_cassandra_pods() {
        for text in [
            "",
            "web-0",
            "dc1-rack1-0",
            "demo-dc1-rack1-",
            "demo-dc1-rack1-00",
            "demo-dc1-rack1--1",
            "demo-dc1-rack1-x",
        ] {
            assert!(text.parse::<PodName>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_that_break_other_names_are_refused() {
        for text in ["", "1demo", "demo-", "Demo", "de.mo", "de_mo", "-demo"] {
            assert!(text.parse::<ClusterName>().is_err(), "cluster {text}");
        }
        for text in ["", "1dc", "dc-1", "DC1", "dc_1"] {
            assert!(text.parse::<DcName>().is_err(), "datacenter {text}");
        }
        for text in ["", "rack-1", "Rack1", "rack.1"] {
            assert!(text.parse::<RackName>().is_err(), "rack {text}");
        }
        assert!(
            "1".parse::<RackName>().is_ok(),
            "a rack's name comes after a dash and may start with a digit"
        );
    }
}
