//! What the demo applies: the shipped manifests, and its own `CassandraCluster`.

use anyhow::{Context, Result};
use casskop_lab::images::cassandra::Release;
use casskop_lab::images::product::ProductImage;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ground::Kind;
use crate::cargo;
use crate::cli::ImageOptions;

/// The images the demo's pods run.
#[derive(Clone, Debug)]
pub(super) struct Images {
    pub(super) operator: String,
    bootstrap: String,
    config_builder: String,
    cassandra: String,
}

impl Images {
    pub(super) fn choose(kind: Kind, options: &ImageOptions) -> Self {
        let cassandra = match kind {
            Kind::Real => Release::V5_0.image(),
            Kind::Simulated => format!("cassandra:{}", Release::V5_0.version),
            Kind::Own => format!("cassandra:{}", Release::V5_0.line),
        };
        let or = |chosen: &Option<String>, usual: String| chosen.clone().unwrap_or(usual);
        Self {
            operator: or(&options.operator, ProductImage::Operator.image()),
            bootstrap: or(&options.bootstrap, ProductImage::Bootstrap.image()),
            config_builder: or(&options.config_builder, ProductImage::ConfigBuilder.image()),
            cassandra: or(&options.cassandra, cassandra),
        }
    }
}

/// One datacenter, three racks, one node each.
pub(super) fn ring(kind: Kind, images: &Images) -> Value {
    let mut spec = json!({
        "nodesPerRacks": 1,
        "cassandraImage": images.cassandra,
        "bootstrapImage": images.bootstrap,
        "configBuilderImage": images.config_builder,
        // A lab has no registry to ask, and neither has a cluster whose nodes were given the images.
        "imagepullpolicy": "IfNotPresent",
        "serviceAccountName": "cassandra-cluster-node",
        "dataCapacity": "1Gi",
        "backRestSidecar": { "enabled": false },
        "topology": { "dc": [{ "name": "dc1", "rack": [{ "name": "rack1" }, { "name": "rack2" }, { "name": "rack3" }] }] },
    });
    if kind != Kind::Simulated {
        // Small nodes are up long before the first probe would ask them.
        spec["readinessInitialDelaySeconds"] = 10.into();
        spec["readinessHealthCheckPeriod"] = 3.into();
        // Three nodes share one small machine, and 3 s are enough to hear of each other there.
        spec["resources"] =
            json!({ "requests": { "cpu": "200m", "memory": "600Mi" }, "limits": { "memory": "1Gi" } });
        spec["config"] = json!({ "jvm-server-options": {
            "max_heap_size": "320M", "initial_heap_size": "320M", "cassandra_ring_delay_ms": 3000,
        }});
    }
    json!({ "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster", "metadata": { "name": "demo" }, "spec": spec })
}

/// The definitions of `crds/`, as text.
pub(super) fn definitions() -> Result<Vec<String>> {
    let mut files = std::fs::read_dir(cargo::repository().join("crds"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    files
        .into_iter()
        .map(|file| std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display())))
        .collect()
}

fn elements(list: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    list.and_then(Value::as_array_mut).into_iter().flatten()
}

/// Whether the API server serves what a definition defines.
pub(super) fn is_established(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array();
    let holds = |condition: &Value| condition["type"] == "Established" && condition["status"] == "True";
    conditions.is_some_and(|all| all.iter().any(holds))
}

/// The objects of one file of `operator/deploy`.
pub(super) fn deployed(file: &str) -> Result<Vec<Value>> {
    let path = cargo::repository().join("operator/deploy").join(file);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_yaml::Deserializer::from_str(&text)
        .map(|document| Value::deserialize(document).with_context(|| format!("{file} is not YAML")))
        .collect()
}

/// The operator of one namespace, itself in that namespace.
pub(super) fn operator_of(namespace: &str, image: &str) -> Result<Vec<Value>> {
    let mut objects = deployed("namespaced.yaml")?;
    objects.retain(|object| object["kind"] != "Namespace");
    for object in &mut objects {
        object["metadata"]["namespace"] = namespace.into();
        for subject in elements(object.get_mut("subjects")) {
            subject["namespace"] = namespace.into();
        }
        if let Some(container) = object.pointer_mut("/spec/template/spec/containers/0") {
            container["image"] = image.into();
            for variable in elements(container.get_mut("env")) {
                if variable["name"] == "WATCH_NAMESPACE" {
                    variable["value"] = namespace.into();
                }
            }
        }
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_of_a_namespace_is_nowhere_else() {
        let objects = operator_of("casskop-demo", "registry/operator:1").unwrap();
        assert!(objects.len() >= 6, "{objects:?}");
        for object in &objects {
            assert_eq!(object["metadata"]["namespace"], "casskop-demo", "{object}");
            let kind = object["kind"].as_str().unwrap();
            assert!(!kind.starts_with("Cluster"), "{object}");
            assert_eq!(
                object.get("subjects").is_some(),
                kind == "RoleBinding",
                "{object}"
            );
            for subject in object["subjects"].as_array().into_iter().flatten() {
                assert_eq!(subject["namespace"], "casskop-demo");
            }
        }
        let deployment = objects
            .iter()
            .find(|object| object["kind"] == "Deployment")
            .unwrap();
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], "registry/operator:1");
        let watched = container["env"].as_array().unwrap().iter();
        let watched: Vec<&Value> = watched.filter(|env| env["name"] == "WATCH_NAMESPACE").collect();
        assert_eq!(
            watched,
            [&json!({ "name": "WATCH_NAMESPACE", "value": "casskop-demo" })]
        );
    }

    #[test]
    fn a_definition_without_conditions_is_not_served_yet() {
        let with = |status: &str| json!({ "status": { "conditions": [{ "type": "Established", "status": status }] } });
        assert!(is_established(&with("True")));
        assert!(!is_established(&with("False")));
        assert!(!is_established(&json!({ "status": {} })));
    }

    #[test]
    fn an_image_is_the_one_chosen_or_the_usual_one() {
        let options = ImageOptions {
            operator: Some("mine:1".to_owned()),
            bootstrap: None,
            config_builder: None,
            cassandra: None,
        };
        let images = Images::choose(Kind::Own, &options);
        assert_eq!(images.operator, "mine:1");
        let ring = ring(Kind::Own, &images);
        assert_eq!(ring["spec"]["cassandraImage"], "cassandra:5.0");
        assert_eq!(ring["spec"]["bootstrapImage"], ProductImage::Bootstrap.image());
    }
}
