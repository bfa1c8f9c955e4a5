//! User and password of Jolokia. Each node is asked with those that its own pod was started with: while another secret is rolled
//! out, or the last one taken away, pods that are still to come are told apart from those that are there (CassKop uses the new
//! ones for all, and reaches none of the old pods any more).

use std::collections::{BTreeMap, BTreeSet};

use casskop_core::jolokia_secret;
use casskop_jolokia::{Credentials, port_forward};
use casskop_types::cluster::CassandraCluster;
use casskop_types::names::PodName;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, Client};

use crate::cluster_id::ClusterId;
use crate::failure::Failure;

/// Which secret holds the credentials of which node. Secrets are read in each pass anew, so that a changed one counts at once.
#[derive(Debug, Default)]
pub struct Keyring {
    /// Of pods that name one.
    of_pods: BTreeMap<PodName, String>,
    /// Of all others: the one that the cluster's spec names.
    otherwise: Option<String>,
    read: BTreeMap<String, Credentials>,
}

impl Keyring {
    /// The secrets of a cluster and its pods.
    pub fn new(cluster: &CassandraCluster, pods: &[Pod]) -> Self {
        let of_pod = |pod: &Pod| {
            Some((
                pod.metadata.name.as_deref()?.parse().ok()?,
                jolokia_secret::of_pod(pod)?,
            ))
        };
        Self {
            of_pods: pods.iter().filter_map(of_pod).collect(),
            otherwise: jolokia_secret::of_cluster(cluster),
            read: BTreeMap::new(),
        }
    }

    fn secret(&self, pod: &PodName) -> Option<&String> {
        self.of_pods.get(pod).or(self.otherwise.as_ref())
    }

    /// The credentials of a pod's node, if it has some.
    pub async fn credentials(
        &mut self,
        client: &Client,
        id: &ClusterId,
        pod: &PodName,
    ) -> Result<Option<Credentials>, Failure> {
        let Some(secret) = self.secret(pod).cloned() else {
            return Ok(None);
        };
        if let Some(known) = self.read.get(&secret) {
            return Ok(Some(known.clone()));
        }
        let credentials = read(client, id, &secret).await?;
        self.read.insert(secret, credentials.clone());
        Ok(Some(credentials))
    }

    /// The credentials of several pods' nodes, or why there are none. Each secret is read once.
    pub async fn of_all(
        &mut self,
        client: &Client,
        id: &ClusterId,
        pods: impl Iterator<Item = &PodName>,
    ) -> BTreeMap<PodName, Result<Option<Credentials>, String>> {
        let pods: Vec<PodName> = pods.cloned().collect();
        let secrets: BTreeSet<String> = pods.iter().filter_map(|pod| self.secret(pod)).cloned().collect();
        let mut missing = BTreeMap::new();
        for secret in secrets {
            match read(client, id, &secret).await {
                Ok(credentials) => drop(self.read.insert(secret, credentials)),
                Err(failure) => {
                    let why = format!("{failure}; put it back as it was when the pod started");
                    missing.insert(secret, why);
                }
            }
        }
        let of = |pod: &PodName| match self.secret(pod) {
            None => Ok(None),
            Some(secret) => match missing.get(secret) {
                Some(why) => Err(why.clone()),
                None => Ok(self.read.get(secret).cloned()),
            },
        };
        pods.iter().map(|pod| (pod.clone(), of(pod))).collect()
    }
}

async fn read(client: &Client, id: &ClusterId, name: &str) -> Result<Credentials, Failure> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &id.namespace);
    let secret = secrets.get(name).await;
    let secret =
        secret.map_err(|error| Failure::of_api(format!("jolokia secret {}/{name}", id.namespace), error))?;
    port_forward::credentials(&secret)
        .map_err(|lacks| Failure::Invalid(format!("jolokia secret {}/{name} {lacks}", id.namespace)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_keeps_the_secret_it_was_started_with() {
        let cluster = |secret: serde_json::Value| -> CassandraCluster {
            serde_json::from_value(json!({
                "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster", "metadata": { "name": "demo" },
                "spec": { "imageJolokiaSecret": secret },
            }))
            .unwrap()
        };
        let pod = |name: &str, env: serde_json::Value| -> Pod {
            let containers = json!([{ "name": "backrest-sidecar" }, { "name": "cassandra", "env": env }]);
            serde_json::from_value(
                json!({ "metadata": { "name": name }, "spec": { "containers": containers } }),
            )
            .unwrap()
        };
        let old = json!([{ "name": "JOLOKIA_USER", "valueFrom": { "secretKeyRef": { "name": "old", "key": "username" } } }]);
        let pods = [pod("demo-dc1-rack1-0", old), pod("demo-dc1-rack1-1", json!([]))];
        let names: [PodName; 2] = ["demo-dc1-rack1-0", "demo-dc1-rack1-1"].map(|name| name.parse().unwrap());
        let secrets = |spec: serde_json::Value| {
            let keyring = Keyring::new(&cluster(spec), &pods);
            names.clone().map(|name| keyring.secret(&name).cloned())
        };
        let text = |name: &str| Some(name.to_owned());
        assert_eq!(secrets(json!({ "name": "new" })), [text("old"), text("new")]);
        assert_eq!(secrets(json!({})), [text("old"), None]);
    }
}
