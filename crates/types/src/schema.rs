//! Schemas of values whose shape is not ours: Kubernetes' own types and free-form configuration.

use k8s_openapi::api::core::v1::{
    Container, EnvVar, ObjectReference, PersistentVolumeClaimSpec, ResourceRequirements, Toleration,
    VolumeMount,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

pub(crate) fn containers(generator: &mut SchemaGenerator) -> Schema {
    embedded::<Vec<Container>>(generator)
}

pub(crate) fn env_vars(generator: &mut SchemaGenerator) -> Schema {
    embedded::<Vec<EnvVar>>(generator)
}

pub(crate) fn claim_spec(generator: &mut SchemaGenerator) -> Schema {
    embedded::<PersistentVolumeClaimSpec>(generator)
}

pub(crate) fn object_reference(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = embedded::<ObjectReference>(generator);
    schema.insert("x-kubernetes-map-type".to_owned(), "atomic".into());
    schema
}

pub(crate) fn resources(generator: &mut SchemaGenerator) -> Schema {
    embedded::<ResourceRequirements>(generator)
}

pub(crate) fn tolerations(generator: &mut SchemaGenerator) -> Schema {
    embedded::<Vec<Toleration>>(generator)
}

pub(crate) fn volume_mounts(generator: &mut SchemaGenerator) -> Schema {
    embedded::<Vec<VolumeMount>>(generator)
}

/// A JSON object whose keys are the business of whoever reads it (`cassandra-yaml`, `jvm-options`, ...).
pub(crate) fn free_form(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// The schema of a Kubernetes type without its prose: `kubectl apply` keeps a copy of the whole CRD in an annotation, and the
/// descriptions of a container alone would fill a good part of the 256 KiB an object's annotations may take.
fn embedded<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<T>();
    if let Some(object) = schema.as_object_mut() {
        for value in object.values_mut() {
            drop_descriptions(value);
        }
        object.remove("description");
    }
    schema
}

/// Removes `description` where it is a text; a property that happens to be called so has an object there.
fn drop_descriptions(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| !(key == "description" && value.is_string()));
            map.values_mut().for_each(drop_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_descriptions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
