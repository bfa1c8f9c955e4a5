//! What a pod's object says of the Cassandra node it is to be.

use std::net::{IpAddr, Ipv4Addr};

use k8s_openapi::api::core::v1::{Container, EnvVar, Pod};
use kube::ResourceExt;
use serde_json::Value;

use crate::names::{ClusterId, cassandra_node};
use crate::ring::{Location, NUM_TOKENS, Release};

const CASSANDRA: &str = "cassandra";
const DATA_VOLUME: &str = "data";
/// For images whose tag tells nothing.
const USUAL_RELEASE: Release = Release::new(5, 0, 6);

/// A Cassandra node, as its pod describes it.
#[derive(Clone, Debug)]
pub(super) struct NodeSpec {
    pub(super) cluster: ClusterId,
    pub(super) location: Location,
    pub(super) release: Release,
    /// The machine the pod is bound to.
    pub(super) machine: String,
    /// The claim behind its data volume.
    pub(super) claim: Option<String>,
    /// Where Jolokia's user and password are.
    pub(super) credentials: Option<CredentialsReference>,
    /// How many tokens it takes (`num_tokens`).
    pub(super) num_tokens: u64,
    /// The address of a dead node to replace, as a hook gives it.
    pub(super) replace: Option<IpAddr>,
}

/// Secret and key of the user, and of the password.
#[derive(Clone, Debug)]
pub(super) struct CredentialsReference {
    pub(super) user: (String, String),
    pub(super) password: (String, String),
}

impl NodeSpec {
    /// `None` for a pod that is no Cassandra node.
    pub(super) fn of(pod: &Pod) -> Option<Self> {
        let (cluster, location) = cassandra_node(&pod.namespace()?, pod.labels())?;
        let spec = pod.spec.as_ref()?;
        let cassandra = spec
            .containers
            .iter()
            .find(|container| container.name == CASSANDRA)?;
        let volumes = spec.volumes.as_deref().unwrap_or_default();
        let claim = volumes
            .iter()
            .find(|volume| volume.name == DATA_VOLUME)
            .and_then(|volume| volume.persistent_volume_claim.as_ref())
            .map(|claim| claim.claim_name.clone());
        let init = spec.init_containers.as_deref().unwrap_or_default();
        let env = || {
            init.iter()
                .chain([cassandra])
                .flat_map(|container| container.env.as_deref().unwrap_or_default())
        };
        let replace = env()
            .find(|var| var.name == "CASSANDRA_REPLACE_NODE")
            .and_then(|var| var.value.as_ref());
        let configuration = env()
            .find(|var| var.name == "CONFIG_FILE_DATA")
            .and_then(|var| serde_json::from_str::<Value>(var.value.as_deref()?).ok());
        let num_tokens = configuration.and_then(|read| read["cassandra-yaml"]["num_tokens"].as_u64());
        Some(Self {
            num_tokens: num_tokens.unwrap_or(NUM_TOKENS),
            cluster,
            location,
            release: release(cassandra),
            machine: spec.node_name.clone().unwrap_or_default(),
            claim,
            credentials: credentials(env()),
            replace: replace.and_then(|address| address.parse().ok()),
        })
    }
}

/// The release an image's tag promises.
fn release(container: &Container) -> Release {
    let image = container.image.as_deref().unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    let tag = name
        .split('@')
        .next()
        .and_then(|name| name.split_once(':'))
        .map(|(_, tag)| tag);
    tag.and_then(|tag| tag.parse().ok()).unwrap_or(USUAL_RELEASE)
}

fn credentials<'a>(env: impl Iterator<Item = &'a EnvVar>) -> Option<CredentialsReference> {
    let (mut user, mut password) = (None, None);
    for var in env {
        let reference = var
            .value_from
            .as_ref()
            .and_then(|from| from.secret_key_ref.as_ref());
        let reference = reference.map(|reference| (reference.name.clone(), reference.key.clone()));
        match var.name.as_str() {
            "JOLOKIA_USER" => user = user.or(reference),
            "JOLOKIA_PASSWORD" => password = password.or(reference),
            _ => {}
        }
    }
    Some(CredentialsReference {
        user: user?,
        password: password?,
    })
}

/// The address a pod already has, from an earlier run of the simulator.
pub(super) fn address(pod: &Pod) -> Option<Ipv4Addr> {
    pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok()
}

/// How often its Cassandra was restarted so far.
pub(super) fn restarts(pod: &Pod) -> u32 {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_deref());
    let cassandra = statuses
        .unwrap_or_default()
        .iter()
        .find(|status| status.name == CASSANDRA);
    cassandra.map_or(0, |status| u32::try_from(status.restart_count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(image: &str) -> Pod {
        let secret = |key: &str| json!({"secretKeyRef": {"name": "jolokia-auth", "key": key}});
        serde_json::from_value(json!({
            "metadata": {"name": "demo-dc1-rack1-0", "namespace": "ns", "labels": {
                "app": "cassandracluster", "cassandracluster": "demo",
                "cassandraclusters.db.orange.com.dc": "dc1", "cassandraclusters.db.orange.com.rack": "rack1"}},
            "spec": {
                "nodeName": "sim-0",
                "containers": [{"name": "cassandra", "image": image, "env": [
                    {"name": "JOLOKIA_USER", "valueFrom": secret("username")},
                    {"name": "JOLOKIA_PASSWORD", "valueFrom": secret("password")}]}],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-demo-dc1-rack1-0"}}],
            },
        }))
        .expect("a pod")
    }

    #[test]
    fn a_node_is_read_from_its_pod() {
        let node = NodeSpec::of(&pod("host:5000/casskop-lab/cassandra:4.1.10-x@sha256:00")).expect("a node");
        assert_eq!(node.cluster, ClusterId::new("ns", "demo"));
        assert_eq!(node.release, Release::new(4, 1, 10));
        assert_eq!(node.claim.as_deref(), Some("data-demo-dc1-rack1-0"));
        let credentials = node.credentials.expect("credentials");
        assert_eq!(
            credentials.password,
            ("jolokia-auth".to_owned(), "password".to_owned())
        );
    }

    #[test]
    fn an_image_without_a_telling_tag_is_taken_for_the_usual_release() {
        for image in ["cassandra", "host:5000/cassandra", "cassandra:latest"] {
            assert_eq!(
                NodeSpec::of(&pod(image)).map(|node| node.release),
                Some(USUAL_RELEASE),
                "{image}"
            );
        }
    }
}
