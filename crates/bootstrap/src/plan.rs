//! What the `bootstrap` init container leaves for the roles that run later, in the Cassandra container.
//!
//! That container's environment lacks the seed list and whatever a hook exported, so they are written down.

use crate::seed_list::{SeedList, same_address};
use crate::seeds::History;
use serde::{Deserialize, Serialize};

/// The plan's name in the configuration directory.
pub const FILE: &str = "casskop-bootstrap.json";

/// One pod's plan. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The pod's address.
    pub address: String,
    /// The pod's name with service, namespace and domain, if it has one.
    pub full_name: Option<String>,
    /// The static seed list, comma-separated, as the operator gives it.
    pub seeds: String,
    /// The lists this program has written into `cassandra.yaml`. A file that holds another was changed by `post_run.sh`, and
    /// is left alone.
    pub written_seeds: Vec<String>,
    /// Whether the operator has recorded that the ring exists.
    pub history: History,
    /// The address of the node that this one replaces.
    pub replaces: Option<String>,
    /// Whether Jolokia runs in the node.
    pub jolokia: Jolokia,
}

/// Whether the Jolokia agent is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Jolokia {
    /// It is.
    On,
    /// `CASSANDRA_ENABLE_JOLOKIA` says otherwise, or the image has no agent.
    Off,
}

impl Plan {
    /// The static list as this pod sees it.
    pub fn seed_list(&self) -> SeedList {
        SeedList::parse(&self.seeds, &self.address, self.full_name.as_deref())
    }

    /// The headless Service that every pod of the cluster is in: the pod's full name less its first label.
    pub fn service(&self) -> Option<&str> {
        self.full_name
            .as_deref()
            .and_then(|name| name.split_once('.'))
            .map(|(_, service)| service)
    }

    /// A seed's name as it is asked for: in full, with a final dot, where it belongs to this pod's Service. A short name would
    /// be tried in every search domain and at last outside the cluster, and a name server that can not reach the outside
    /// then answers "try again" for a pod that just does not exist.
    pub fn qualified(&self, host: &str) -> String {
        let in_service = self.service().and_then(|service| {
            let mut pod_and_rest = host.splitn(2, '.');
            let (_, rest) = (pod_and_rest.next()?, pod_and_rest.next()?);
            let domain = service.strip_prefix(rest)?;
            (domain.is_empty() || domain.starts_with('.')).then(|| format!("{host}{domain}."))
        });
        in_service.unwrap_or_else(|| host.to_owned())
    }
}

/// The pod's full name, from the line that the kubelet writes for its address into `/etc/hosts`.
pub fn full_name(hosts: &str, address: &str) -> Option<String> {
    hosts.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        same_address(words.next()?, address)
            .then(|| words.next().filter(|name| name.contains('.')).map(str::to_owned))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            address: "10.0.0.1".into(),
            full_name: Some("demo-dc1-rack1-0.demo.ns.svc.cluster.local".into()),
            seeds: "demo-dc1-rack1-0.demo.ns,demo-dc1-rack2-0.demo.ns".into(),
            written_seeds: Vec::new(),
            history: History::Unknown,
            replaces: None,
            jolokia: Jolokia::On,
        }
    }

    #[test]
    fn names_of_the_own_service_are_asked_for_in_full() {
        for (host, asked) in [
            (
                "demo-dc1-rack2-0.demo.ns",
                "demo-dc1-rack2-0.demo.ns.svc.cluster.local.",
            ),
            (
                "demo-dc1-rack2-0.demo.ns.svc.cluster.local",
                "demo-dc1-rack2-0.demo.ns.svc.cluster.local.",
            ),
            ("demo-dc1-rack2-0.demo.n", "demo-dc1-rack2-0.demo.n"),
            ("seed.example.com", "seed.example.com"),
            ("10.0.0.2", "10.0.0.2"),
        ] {
            assert_eq!(plan().qualified(host), asked);
        }
    }

    #[test]
    fn the_full_name_is_the_kubelets() {
        let hosts = "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n10.0.0.11\tx.y\tx\n10.0.0.1\ta.demo.ns.svc.cluster.local\ta\n";
        assert_eq!(
            full_name(hosts, "10.0.0.1").as_deref(),
            Some("a.demo.ns.svc.cluster.local")
        );
        assert_eq!(full_name("10.0.0.1 plain\n", "10.0.0.1"), None);
        assert_eq!(full_name(hosts, "10.0.0.2"), None);
    }

    #[test]
    fn a_plan_survives_its_file() {
        let text = serde_json::to_string(&plan()).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan());
    }
}
