//! The objects of an installation: the files that `kubectl apply` takes too, with what was asked for put in.

use serde::Deserialize as _;
use serde_json::{Value, json};

const DEFINITIONS: [&str; 4] = [
    include_str!("../../../../crds/cassandraclusters.db.orange.com.yaml"),
    include_str!("../../../../crds/cassandratasks.control.k8ssandra.io.yaml"),
    include_str!("../../../../crds/k8ssandratasks.control.k8ssandra.io.yaml"),
    include_str!("../../../../crds/scheduledtasks.control.k8ssandra.io.yaml"),
];
const NAMESPACED: &str = include_str!("../../../../operator/deploy/namespaced.yaml");
const CLUSTER_WIDE: &str = include_str!("../../../../operator/deploy/cluster-wide.yaml");
const PODS: &str = include_str!("../../../../operator/deploy/cassandra-pods.yaml");

/// The namespaces as the files have them.
const OPERATOR_IN_FILES: &str = "casskop-operator";
const CLUSTERS_IN_FILES: &str = "cassandra";

/// What clusters the operator runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Those of one namespace.
    Namespace,
    /// All.
    Everywhere,
}

/// What is installed.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Where the operator runs.
    pub(super) operator_namespace: String,
    /// Where the clusters are.
    pub(super) clusters_namespace: String,
    pub(super) reach: Reach,
    /// The operator's image; else the one of the files.
    pub(super) image: Option<String>,
    /// Clusters whose pods may read what the operator tells them.
    pub(super) clusters: Vec<String>,
}

/// The objects, in the order in which they have to be written.
pub(super) fn manifests(wanted: &Wanted) -> Result<Vec<Value>, serde_yaml::Error> {
    let operator = match wanted.reach {
        Reach::Namespace => NAMESPACED,
        Reach::Everywhere => CLUSTER_WIDE,
    };
    let mut objects = Vec::new();
    for definition in DEFINITIONS {
        objects.extend(documents(definition)?);
    }
    for mut object in documents(operator)? {
        place(&mut object, wanted);
        objects.push(object);
    }
    for mut object in documents(PODS)? {
        object["metadata"]["namespace"] = json!(wanted.clusters_namespace);
        if object["kind"] == "Role" {
            let names: Vec<String> = wanted
                .clusters
                .iter()
                .map(|name| format!("{name}-bootstrap"))
                .collect();
            if !names.is_empty() {
                object["rules"][0]["resourceNames"] = json!(names);
            } else if let Some(role) = object.as_object_mut() {
                // A rule without names is one for all objects.
                role.remove("rules");
            }
        }
        objects.push(object);
    }
    Ok(objects)
}

fn documents(text: &str) -> Result<Vec<Value>, serde_yaml::Error> {
    serde_yaml::Deserializer::from_str(text)
        .map(Value::deserialize)
        .collect()
}

/// Puts an object of the operator where it belongs.
fn place(object: &mut Value, wanted: &Wanted) {
    if object["kind"] == "Namespace" {
        object["metadata"]["name"] = json!(wanted.operator_namespace);
    }
    rename(object.pointer_mut("/metadata/namespace"), wanted);
    let subjects = object.get_mut("subjects").and_then(Value::as_array_mut);
    for subject in subjects.into_iter().flatten() {
        rename(subject.get_mut("namespace"), wanted);
    }
    if object["kind"] == "ClusterRoleBinding" && wanted.operator_namespace != OPERATOR_IN_FILES {
        // Two operators in one cluster are two bindings.
        let name = format!("{}-{}", OPERATOR_IN_FILES, wanted.operator_namespace);
        object["metadata"]["name"] = json!(name);
    }
    if object["kind"] == "Deployment" {
        let container = &mut object["spec"]["template"]["spec"]["containers"][0];
        if let Some(image) = &wanted.image {
            container["image"] = json!(image);
        }
        for variable in container["env"].as_array_mut().into_iter().flatten() {
            if variable["name"] == "WATCH_NAMESPACE" && wanted.reach == Reach::Namespace {
                variable["value"] = json!(wanted.clusters_namespace);
            }
        }
    }
}

/// Indexing would make a field that is not there, and the API server refuses fields it does not know.
fn rename(namespace: Option<&mut Value>, wanted: &Wanted) {
    let Some(namespace) = namespace else {
        return;
    };
    let renamed = match namespace.as_str() {
        Some(OPERATOR_IN_FILES) => &wanted.operator_namespace,
        Some(CLUSTERS_IN_FILES) => &wanted.clusters_namespace,
        _ => return,
    };
    *namespace = json!(renamed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(reach: Reach) -> Wanted {
        Wanted {
            operator_namespace: "ops".to_owned(),
            clusters_namespace: "data".to_owned(),
            reach,
            image: Some("r/operator:1".to_owned()),
            clusters: vec!["demo".to_owned(), "prod".to_owned()],
        }
    }

    #[test]
    fn nothing_of_the_files_names_is_left_where_others_were_asked_for() {
        for reach in [Reach::Namespace, Reach::Everywhere] {
            for object in manifests(&wanted(reach)).unwrap() {
                let places = [
                    &object["metadata"]["namespace"],
                    &object["subjects"][0]["namespace"],
                ];
                for place in places.into_iter().filter_map(Value::as_str) {
                    assert!(["ops", "data"].contains(&place), "{object}");
                }
            }
        }
    }

    #[test]
    fn no_field_is_made_up() {
        for object in manifests(&wanted(Reach::Namespace)).unwrap() {
            assert!(!object.to_string().contains("null"), "{object}");
        }
    }

    #[test]
    fn what_was_asked_for_is_put_in() {
        let objects = manifests(&wanted(Reach::Namespace)).unwrap();
        let of = |kind: &str, namespace: &str| {
            let found = objects
                .iter()
                .find(|object| object["kind"] == kind && object["metadata"]["namespace"] == namespace);
            found.unwrap_or_else(|| panic!("no {kind} in {namespace}"))
        };
        let container = &of("Deployment", "ops")["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], "r/operator:1");
        let watched = container["env"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == "WATCH_NAMESPACE");
        assert_eq!(watched.unwrap()["value"], "data");
        let roles: Vec<&Value> = objects
            .iter()
            .filter(|object| {
                object["kind"] == "Role" && object["metadata"]["name"] == "cassandra-cluster-node"
            })
            .collect();
        assert_eq!(
            roles[0]["rules"][0]["resourceNames"],
            json!(["demo-bootstrap", "prod-bootstrap"])
        );
    }

    #[test]
    fn pods_of_no_cluster_may_read_nothing() {
        let nobody = Wanted {
            clusters: Vec::new(),
            ..wanted(Reach::Namespace)
        };
        let objects = manifests(&nobody).unwrap();
        let role = objects
            .iter()
            .find(|object| object["kind"] == "Role" && object["metadata"]["name"] == "cassandra-cluster-node")
            .unwrap();
        assert_eq!(role.get("rules"), None, "{role}");
    }

    #[test]
    fn an_operator_of_all_namespaces_watches_none_in_particular() {
        let objects = manifests(&wanted(Reach::Everywhere)).unwrap();
        let deployment = objects
            .iter()
            .find(|object| object["kind"] == "Deployment")
            .unwrap();
        let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"].to_string();
        assert!(env.contains(r#"{"name":"WATCH_NAMESPACE","value":""}"#), "{env}");
    }
}
