//! What the operator tells one pod, and the ring's past, in a ConfigMap named `<cluster>-bootstrap`.
//!
//! The pod template is fixed, so there is no place in it for a message to one pod. Our bootstrap image therefore reads a
//! ConfigMap through the pod's service account where that may read it. Everything works without, a little more carefully.
//! The operator's side of it is `ring_record` in `crates/core`.

use crate::seeds::History;
use serde_json::Value;

/// `true` once the ring has formed: written by the operator, never taken back.
pub const RING_FORMED: &str = "ring-formed";

/// `replace.<pod>` holds the address of the dead node whose place the pod takes. Obeyed, but written by no operator yet.
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

impl RingRecord {
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
