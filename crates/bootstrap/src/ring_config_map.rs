//! What the operator tells one pod, and the ring's past, in a ConfigMap named `<cluster>-bootstrap`.
//!
//! The pod template is fixed, so there is no place in it for a message to one pod. Our bootstrap image therefore reads a
//! ConfigMap through the pod's service account where that may read it. Everything works without, a little more carefully.
//! The operator's side of it is `ring_record` in `crates/core`.

use crate::seeds::History;
use serde_json::Value;
use std::net::IpAddr;

/// `true` once the ring has formed: written by the operator, never taken back.
pub const RING_FORMED: &str = "ring-formed";

/// `replace.<pod>` holds the address of the dead node whose place the pod takes, until it has.
pub const REPLACE_PREFIX: &str = "replace.";

/// The ConfigMap's name.
pub fn name(cluster: &str) -> String {
    format!("{cluster}-bootstrap")
}

/// What the ConfigMap says to one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingRecord {
    /// Whether the ring has formed before.
    pub history: History,
    /// The address of the node that the pod replaces.
    pub replaces: Option<String>,
}

/// Whether a pod gets at the ConfigMap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It read it, or was told that there is none.
    Read,
    /// It may not, or nobody answered.
    Unread,
}

impl RingRecord {
    /// What the init container leaves behind as it ends (the pod's status shows it): by it the operator knows that the pod does
    /// what it was told.
    pub fn termination_message(access: Access, replaces: Option<IpAddr>) -> String {
        let access = match access {
            Access::Read => "read",
            Access::Unread => "unread",
        };
        let replaces = replaces.map(|address| format!(" replaces={address}"));
        format!(
            "casskop-bootstrap record={access}{}",
            replaces.unwrap_or_default()
        )
    }

    /// What is known when the ConfigMap is not there or may not be read.
    pub const UNREAD: Self = Self {
        history: History::Unknown,
        replaces: None,
    };

    /// Reads the ConfigMap as the API server gives it, for the pod `pod`.
    pub fn parse(json: &str, pod: &str) -> Option<Self> {
        let object: Value = serde_json::from_str(json).ok()?;
        if object["kind"] != "ConfigMap" {
            return None;
        }
        let entry = |key: &str| object["data"][key].as_str();
        Some(Self {
            history: match entry(RING_FORMED) {
                Some("true") => History::Formed,
                Some("false") => History::NotFormed,
                _ => History::Unknown,
            },
            replaces: entry(&format!("{REPLACE_PREFIX}{pod}")).map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_reads_its_own_entry() {
        let json =
            r#"{"kind":"ConfigMap","data":{"ring-formed":"true","replace.demo-dc1-rack1-0":"10.0.0.9"}}"#;
        assert_eq!(
            RingRecord::parse(json, "demo-dc1-rack1-0"),
            Some(RingRecord {
                history: History::Formed,
                replaces: Some("10.0.0.9".into())
            })
        );
        assert_eq!(
            RingRecord::parse(json, "demo-dc1-rack1-00"),
            Some(RingRecord {
                history: History::Formed,
                replaces: None
            })
        );
    }

    /// The operator writes and reads by its own words.
    #[test]
    fn the_operator_means_the_same() {
        use casskop_core::ring_record as operators;
        let cluster: casskop_types::names::ClusterName = "demo".parse().unwrap();
        assert_eq!(cluster.bootstrap_config_map(), name("demo"));
        assert_eq!(operators::RING_FORMED, RING_FORMED);
        assert_eq!(operators::replace_key("x"), format!("{REPLACE_PREFIX}x"));
        let address = "10.0.0.9".parse().unwrap();
        for (access, replaces) in [
            (Access::Read, None),
            (Access::Read, Some(address)),
            (Access::Unread, None),
        ] {
            let said = RingRecord::termination_message(access, replaces);
            assert_eq!(operators::was_read(&said), access == Access::Read, "{said}");
            let understood = operators::replaces(&said).map(str::to_owned);
            assert_eq!(understood, replaces.map(|address| address.to_string()), "{said}");
        }
    }

    #[test]
    fn anything_else_says_nothing() {
        assert_eq!(RingRecord::parse(r#"{"kind":"Status","code":403}"#, "x"), None);
        assert_eq!(RingRecord::parse("<html>", "x"), None);
        assert_eq!(
            RingRecord::parse(r#"{"kind":"ConfigMap"}"#, "x"),
            Some(RingRecord::UNREAD)
        );
    }
}
