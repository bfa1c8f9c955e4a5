//! The `CustomResourceDefinition`s, as values: what is in `crds/`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::cluster::CassandraCluster;
use crate::names::STATEFUL_SET_NAME_MAX;
use crate::task;

/// First line of every file of `crds/`.
pub const FILE_HEADER: &str = "# Generated from crates/types by `cargo xtask crds`. Do not edit.\n";

/// One file of `crds/`: [`FILE_HEADER`] and the definition as YAML.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its name in `crds/`.
    pub file_name: &'static str,
    /// What is in it.
    pub definition: Value,
}

/// All files of `crds/`.
pub fn manifests() -> Vec<Manifest> {
    let cluster = Manifest {
        file_name: "cassandraclusters.db.orange.com.yaml",
        definition: finish_schema(&CassandraCluster::crd(), add_name_rules),
    };
    std::iter::once(cluster).chain(task::manifests()).collect()
}

/// Takes away what only Rust says, and adds what the derived schema cannot say.
pub(crate) fn finish_schema(derived: &CustomResourceDefinition, rules: impl Fn(&mut Value)) -> Value {
    let mut definition = json!(derived);
    definition.as_object_mut().map(|object| object.remove("status"));
    let versions = definition
        .pointer_mut("/spec/versions")
        .and_then(Value::as_array_mut);
    for version in versions.into_iter().flatten() {
        if let Some(schema) = version.pointer_mut("/schema/openAPIV3Schema") {
            drop_noise(schema);
            rules(schema);
        }
    }
    definition
}

/// Drops what Rust's `Option` and `Default` leave in a schema. Without `nullable` the API server drops nulls, so that stored
/// objects have none; defaults are only those CassKop's resource has in its spec.
fn drop_noise(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.retain(|key, value| match key.as_str() {
                "nullable" => !value.is_boolean(),
                "default" => !(value.is_null() || value == &json!([]) || value == &json!({})),
                _ => true,
            });
            object.values_mut().for_each(drop_noise);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_noise),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Refuses names of which no working StatefulSet, pod or Service can be made. The lengths are only added up, because the API
/// server bounds what a rule may cost by the longest lists and texts the schema admits.
fn add_name_rules(schema: &mut Value) {
    let longest = STATEFUL_SET_NAME_MAX;
    // Two dashes, and the names `dc1` and `rack1` of a topology that is left out.
    let (two_names, one_name, no_name) = (
        longest - 2,
        longest - 2 - "rack1".len(),
        longest - "-dc1-rack1".len(),
    );
    let rule = format!(
        "!has(self.spec.topology) || !has(self.spec.topology.dc) || size(self.spec.topology.dc) == 0 \
         ? size(self.metadata.name) <= {no_name} \
         : self.spec.topology.dc.all(d, !has(d.rack) || size(d.rack) == 0 \
         ? size(self.metadata.name) + size(d.name) <= {one_name} \
         : d.rack.all(r, size(self.metadata.name) + size(d.name) + size(r.name) <= {two_names}))"
    );
    let message = format!(
        "<cluster>-<dc>-<rack> is the name of a rack's StatefulSet and may have at most {longest} characters: \
         use shorter names"
    );
    schema["x-kubernetes-validations"] =
        json!([{ "rule": rule, "message": message, "fieldPath": ".metadata.name" }]);
    schema["properties"]["metadata"] = json!({
        "type": "object",
        "properties": {
            "name": {
                "type": "string",
                // The name is also that of a Service, hence a DNS label that starts with a letter.
                "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$",
                "maxLength": longest - "-d-r".len(),
            },
            "generateName": { "type": "string", "maxLength": longest },
        },
    });
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn texts(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    found.push(key.clone());
                    texts(value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            Value::String(text) => found.push(text.clone()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// `kubectl` reads YAML 1.1, in which these plain words and digits joined by colons are no texts; the writer follows 1.2.
    #[test]
    fn no_text_changes_its_type_under_yaml_1_1() {
        for manifest in manifests() {
            let mut found = Vec::new();
            texts(&manifest.definition, &mut found);
            for text in found {
                let word = text.to_ascii_lowercase();
                assert!(
                    !["y", "n", "yes", "no", "on", "off", "~"].contains(&word.as_str()),
                    "{text}"
                );
                let sexagesimal = text.contains(':') && text.chars().all(|c| c.is_ascii_digit() || c == ':');
                assert!(!sexagesimal, "{text}");
            }
        }
    }

    #[test]
    fn files_are_up_to_date() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crds");
        for manifest in manifests() {
            let path = directory.join(manifest.file_name);
            let text = format!(
                "{FILE_HEADER}{}",
                serde_yaml::to_string(&manifest.definition).unwrap()
            );
            if std::env::var_os("UPDATE_CRDS").is_some() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let file = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                file == text,
                "{} is stale: run `cargo xtask crds`",
                path.display()
            );
        }
    }

    #[test]
    fn a_definition_fits_into_the_annotation_of_kubectl_apply() {
        for manifest in manifests() {
            let size = manifest.definition.to_string().len();
            assert!(size < 200_000, "{}: {size} bytes", manifest.file_name);
        }
    }

    #[test]
    fn defaults_are_those_of_casskops_resource() {
        let manifest = manifests().remove(0);
        let schema = manifest
            .definition
            .pointer("/spec/versions/0/schema/openAPIV3Schema/properties")
            .unwrap();
        let mut found = Vec::new();
        defaults("", schema, &mut found);
        found.sort();
        assert_eq!(
            found,
            [
                "/spec/properties/backRestSidecar/properties/enabled=true",
                "/spec/properties/fsGroup=1",
                "/spec/properties/runAsUser=999",
                "/spec/properties/serverType=\"cassandra\"",
            ]
        );
    }

    fn defaults(path: &str, schema: &Value, found: &mut Vec<String>) {
        let Value::Object(object) = schema else { return };
        for (key, value) in object {
            if key == "default" {
                found.push(format!("{path}={value}"));
            } else {
                defaults(&format!("{path}/{key}"), value, found);
            }
        }
    }
}
