//! What a cluster is made of: its objects, the one under the other.

use casskop_types::{CassandraCluster, labels};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use super::PodState;
use super::nodes::pod_state;

/// An object and those under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Branch {
    /// Kind of the object.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Whether it is as it should be, where it can be otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// What there is to say of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// Objects under it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Branch>,
}

/// Objects of a namespace, those of a cluster among them.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    /// StatefulSets, one a rack.
    pub stateful_sets: Vec<StatefulSet>,
    /// Pods.
    pub pods: Vec<Pod>,
    /// Claims of the pods.
    pub claims: Vec<PersistentVolumeClaim>,
    /// Services.
    pub services: Vec<Service>,
    /// Disruption budgets.
    pub budgets: Vec<PodDisruptionBudget>,
    /// ConfigMaps.
    pub config_maps: Vec<ConfigMap>,
}

/// The tree of a cluster. What bears the cluster's label and hangs on nothing that is there stands at its root.
pub fn tree(cluster: &CassandraCluster, objects: &Objects) -> Branch {
    let name = cluster.metadata.name.clone().unwrap_or_default();
    let status = cluster.status.as_ref();
    let nodes = status.and_then(|status| status.nodes_ready.clone());
    let phase = status
        .and_then(|status| status.phase)
        .map(|phase| phase.to_string());
    let ready = nodes
        .as_deref()
        .and_then(|nodes| nodes.split_once('/'))
        .map(|(ready, wanted)| ready == wanted);
    let mut claims: Vec<&PersistentVolumeClaim> = own(&objects.claims, &name).collect();
    let mut pods: Vec<&Pod> = own(&objects.pods, &name).collect();
    let sets = own(&objects.stateful_sets, &name)
        .map(|set| stateful_set(set, &mut pods, &mut claims))
        .collect::<Vec<_>>();
    let mut children = sets;
    children.extend(pods.into_iter().map(|pod| self::pod(pod, &mut claims)));
    children.extend(claims.into_iter().map(claim));
    children.extend(own(&objects.services, &name).map(service));
    children.extend(own(&objects.budgets, &name).map(budget));
    children.extend(objects.config_maps.iter().filter_map(|map| {
        let found = map.metadata.name.clone()?;
        let used =
            found == format!("{name}-bootstrap") || Some(&found) == cluster.spec.config_map_name.as_ref();
        used.then(|| leaf("ConfigMap", found, None, String::new()))
    }));
    Branch {
        kind: "CassandraCluster",
        name,
        ready,
        state: [phase, nodes.map(|nodes| format!("{nodes} nodes"))]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", "),
        children,
    }
}

fn stateful_set(set: &StatefulSet, pods: &mut Vec<&Pod>, claims: &mut Vec<&PersistentVolumeClaim>) -> Branch {
    let name = set.metadata.name.clone().unwrap_or_default();
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let ready = set
        .status
        .as_ref()
        .and_then(|status| status.ready_replicas)
        .unwrap_or_default();
    let (mut own, others): (Vec<&Pod>, Vec<&Pod>) = pods
        .drain(..)
        .partition(|pod| is_owned_by(&pod.metadata, &set.metadata));
    *pods = others;
    own.sort_by_key(|pod| (ordinal(&pod.metadata), pod.metadata.name.clone()));
    Branch {
        kind: "StatefulSet",
        ready: Some(ready == wanted),
        state: format!("{ready}/{wanted} ready"),
        children: own.into_iter().map(|pod| self::pod(pod, claims)).collect(),
        name,
    }
}

fn pod(pod: &Pod, claims: &mut Vec<&PersistentVolumeClaim>) -> Branch {
    let mounted: Vec<&str> = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten())
        .filter_map(|volume| volume.persistent_volume_claim.as_ref())
        .map(|claim| claim.claim_name.as_str())
        .collect();
    let is_mounted = |claim: &&PersistentVolumeClaim| {
        claim
            .metadata
            .name
            .as_deref()
            .is_some_and(|name| mounted.contains(&name))
    };
    let (own, others): (Vec<_>, Vec<_>) = claims.drain(..).partition(is_mounted);
    *claims = others;
    let state = pod_state(pod);
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_deref());
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let mut says = vec![state.to_string()];
    says.extend(address.map(|address| format!("at {address}")));
    says.extend(node.map(|node| format!("on {node}")));
    Branch {
        kind: "Pod",
        name: pod.metadata.name.clone().unwrap_or_default(),
        ready: Some(state == PodState::Ready),
        state: says.join(" "),
        children: own.into_iter().map(claim).collect(),
    }
}

fn claim(claim: &PersistentVolumeClaim) -> Branch {
    let status = claim.status.as_ref();
    let phase = status.and_then(|status| status.phase.clone()).unwrap_or_default();
    let size = status
        .and_then(|status| status.capacity.as_ref())
        .and_then(|capacity| capacity.get("storage"))
        .map(|size| format!(" {}", size.0));
    leaf(
        "PersistentVolumeClaim",
        claim.metadata.name.clone().unwrap_or_default(),
        Some(phase == "Bound"),
        format!("{phase}{}", size.unwrap_or_default()),
    )
}

fn service(service: &Service) -> Branch {
    let headless = service
        .spec
        .as_ref()
        .is_some_and(|spec| spec.cluster_ip.as_deref() == Some("None"));
    let state = if headless { "headless" } else { "" };
    leaf(
        "Service",
        service.metadata.name.clone().unwrap_or_default(),
        None,
        state.to_owned(),
    )
}

fn budget(budget: &PodDisruptionBudget) -> Branch {
    let allowed = budget
        .status
        .as_ref()
        .and_then(|status| status.disruptions_allowed);
    leaf(
        "PodDisruptionBudget",
        budget.metadata.name.clone().unwrap_or_default(),
        None,
        allowed
            .map(|allowed| format!("{allowed} disruptions allowed"))
            .unwrap_or_default(),
    )
}

fn leaf(kind: &'static str, name: String, ready: Option<bool>, state: String) -> Branch {
    Branch {
        kind,
        name,
        ready,
        state,
        children: Vec::new(),
    }
}

/// The objects with the cluster's label, in the order they were given.
fn own<'a, K: k8s_openapi::Metadata<Ty = ObjectMeta>>(
    objects: &'a [K],
    cluster: &'a str,
) -> impl Iterator<Item = &'a K> {
    objects.iter().filter(move |object| {
        let labels = object.metadata().labels.as_ref();
        labels
            .and_then(|labels| labels.get(labels::CLUSTER))
            .map(String::as_str)
            == Some(cluster)
    })
}

fn is_owned_by(metadata: &ObjectMeta, owner: &ObjectMeta) -> bool {
    metadata
        .owner_references
        .iter()
        .flatten()
        .any(|reference| Some(&reference.uid) == owner.uid.as_ref())
}

fn ordinal(metadata: &ObjectMeta) -> Option<i32> {
    let (_, ordinal) = metadata.name.as_deref()?.rsplit_once('-')?;
    ordinal.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn objects<K: serde::de::DeserializeOwned>(values: impl IntoIterator<Item = Value>) -> Vec<K> {
        values
            .into_iter()
            .map(|value| serde_json::from_value(value).unwrap())
            .collect()
    }

    fn lines(branch: &Branch, depth: usize, into: &mut Vec<String>) {
        let mark = match branch.ready {
            Some(true) => "+",
            Some(false) => "-",
            None => " ",
        };
        into.push(format!(
            "{mark}{}{}/{} {}",
            "  ".repeat(depth),
            branch.kind,
            branch.name,
            branch.state
        ));
        for child in &branch.children {
            lines(child, depth + 1, into);
        }
    }

    #[test]
    fn objects_hang_on_those_that_own_or_mount_them() {
        let mine = json!({ "cassandracluster": "demo" });
        let pod = |name: &str, owner: &str, ready: &str| {
            json!({
                "metadata": { "name": name, "labels": mine, "ownerReferences": [
                    { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "x", "uid": owner },
                ] },
                "spec": { "containers": [], "nodeName": "n1", "volumes": [
                    { "name": "data", "persistentVolumeClaim": { "claimName": format!("data-{name}") } },
                ] },
                "status": { "phase": "Running", "podIP": "10.0.0.1", "conditions": [{ "type": "Ready", "status": ready }] },
            })
        };
        let claim = |name: &str, phase: &str| {
            json!({ "metadata": { "name": name, "labels": mine },
                "status": { "phase": phase, "capacity": { "storage": "10Gi" } } })
        };
        let given = Objects {
            stateful_sets: objects([json!({
                "metadata": { "name": "demo-dc1-rack1", "uid": "s1", "labels": mine },
                "spec": { "replicas": 2, "selector": {}, "serviceName": "demo", "template": {} },
                "status": { "readyReplicas": 1, "replicas": 2 },
            })]),
            pods: objects([
                pod("demo-dc1-rack1-10", "s1", "False"),
                pod("demo-dc1-rack1-2", "s1", "True"),
                pod("demo-dc9-rack1-0", "gone", "True"),
                json!({ "metadata": { "name": "web-0", "labels": { "cassandracluster": "prod" } } }),
            ]),
            claims: objects([
                claim("data-demo-dc1-rack1-2", "Bound"),
                claim("data-demo-dc1-rack1-5", "Bound"),
                claim("data-demo-dc1-rack1-10", "Pending"),
            ]),
            services: objects([
                json!({ "metadata": { "name": "demo", "labels": mine }, "spec": { "clusterIP": "None" } }),
            ]),
            budgets: objects([
                json!({ "metadata": { "name": "demo", "labels": mine }, "status": {
                "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 2, "disruptionsAllowed": 0 } }),
            ]),
            config_maps: objects([
                json!({ "metadata": { "name": "demo-bootstrap" } }),
                json!({ "metadata": { "name": "kube-root-ca.crt" } }),
            ]),
        };
        let cluster = serde_json::from_value(json!({
            "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
            "metadata": { "name": "demo" }, "spec": {},
            "status": { "phase": "Pending", "nodesReady": "1/2" },
        }));
        let mut text = Vec::new();
        lines(&tree(&cluster.unwrap(), &given), 0, &mut text);
        insta::assert_snapshot!(text.join("\n"), @r"
        -CassandraCluster/demo Pending, 1/2 nodes
        -  StatefulSet/demo-dc1-rack1 1/2 ready
        +    Pod/demo-dc1-rack1-2 ready at 10.0.0.1 on n1
        +      PersistentVolumeClaim/data-demo-dc1-rack1-2 Bound 10Gi
        -    Pod/demo-dc1-rack1-10 not ready at 10.0.0.1 on n1
        -      PersistentVolumeClaim/data-demo-dc1-rack1-10 Pending 10Gi
        +  Pod/demo-dc9-rack1-0 ready at 10.0.0.1 on n1
        +  PersistentVolumeClaim/data-demo-dc1-rack1-5 Bound 10Gi
           Service/demo headless
           PodDisruptionBudget/demo 0 disruptions allowed
           ConfigMap/demo-bootstrap 
        ");
    }
}
