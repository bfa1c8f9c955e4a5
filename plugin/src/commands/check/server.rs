//! The API server, and what is installed on it.

use casskop_types::operation::OperationName;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

use super::finding::Finding;
use crate::commands::version;
use crate::kube_access::{Access, CallError};

const SUBJECT: &str = "Kubernetes";
const DEFINITION: &str = "definition of CassandraCluster";

/// The oldest Kubernetes that works.
const OLDEST: (u32, u32) = (1, 29);

pub(super) async fn server(access: &Access) -> Result<Vec<Finding>, CallError> {
    let version = access.server_version().await?;
    let definition = match version::definition(access).await {
        Ok(definition) => installed(&definition),
        Err(error @ CallError::Forbidden { .. }) => {
            Finding::warning(DEFINITION, format!("not known: {error}"))
        }
        Err(CallError::NotFound { .. }) => Finding::failed(
            DEFINITION,
            "not installed; install it with `kubectl casskop install` or `kubectl apply --server-side -f crds/`",
        ),
        Err(error) => return Err(error),
    };
    Ok(vec![kubernetes(&version), definition])
}

fn kubernetes(version: &str) -> Finding {
    match version::minor(version) {
        Some(known) if known < OLDEST => Finding::failed(
            SUBJECT,
            format!(
                "{version} is older than {}.{}, the oldest that works; upgrade it",
                OLDEST.0, OLDEST.1
            ),
        ),
        Some(_) => Finding::ok(SUBJECT, version),
        None => Finding::warning(SUBJECT, format!("`{version}` is no version that is understood")),
    }
}

/// Whether the definition is this version's, and not CassKop's: that one drops fields the operator needs.
fn installed(definition: &CustomResourceDefinition) -> Finding {
    let wanted = casskop_types::cluster::VERSION;
    let versions = &definition.spec.versions;
    let Some(version) = versions
        .iter()
        .find(|version| version.name == wanted && version.served)
    else {
        return Finding::failed(
            DEFINITION,
            format!("it does not serve version {wanted}; apply crds/ again"),
        );
    };
    let schema = version
        .schema
        .as_ref()
        .and_then(|schema| schema.open_api_v3_schema.as_ref());
    let schema = serde_json::to_value(schema).unwrap_or_default();
    let status = &schema["properties"]["status"];
    let open = |schema: &Value| schema["x-kubernetes-preserve-unknown-fields"] == true;
    let records =
        &status["properties"]["cassandraRackStatus"]["additionalProperties"]["properties"]["operations"];
    if records.is_null() && !open(&schema) && !open(status) {
        return Finding::failed(
            DEFINITION,
            "it is not this operator's, and would drop what the operator records; apply crds/ again",
        );
    }
    if let Some(operation) = unknown_operation(records) {
        return Finding::failed(
            DEFINITION,
            format!("it is older than this plugin and does not know {operation}; apply crds/ again"),
        );
    }
    Finding::ok(DEFINITION, format!("serves version {wanted}"))
}

/// An operation whose record the API server would refuse.
fn unknown_operation(records: &Value) -> Option<OperationName> {
    let known = records["items"]["properties"]["name"]["enum"].as_array()?;
    let is_unknown = |operation: &&OperationName| known.iter().all(|word| word != operation.as_str());
    OperationName::ALL.iter().find(is_unknown).copied()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn an_old_kubernetes_is_a_failure() {
        assert_eq!(kubernetes("v1.28.9").verdict, Verdict::Failed);
        assert_eq!(kubernetes("v1.29.0-eks-1").verdict, Verdict::Ok);
        assert_eq!(kubernetes("v1.34.4+k3s1").verdict, Verdict::Ok);
        assert_eq!(kubernetes("devel").verdict, Verdict::Warning);
    }

    #[test]
    fn the_shipped_definition_is_known_and_another_is_not() {
        let shipped: CustomResourceDefinition = serde_yaml::from_str(include_str!(
            "../../../../crds/cassandraclusters.db.orange.com.yaml"
        ))
        .unwrap();
        assert_eq!(installed(&shipped), Finding::ok(DEFINITION, "serves version v2"));
        let mut older = serde_json::to_value(&shipped).unwrap();
        let operations = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/cassandraRackStatus/additionalProperties\
                          /properties/operations/items/properties/name/enum";
        let operations = older.pointer_mut(operations).unwrap().as_array_mut().unwrap();
        operations.retain(|word| word != "restart");
        let older = installed(&serde_json::from_value(older).unwrap());
        assert_eq!(
            (older.verdict, older.message.as_str()),
            (
                Verdict::Failed,
                "it is older than this plugin and does not know restart; apply crds/ again"
            )
        );
        let other = |version: &str| -> CustomResourceDefinition {
            serde_json::from_value(json!({ "metadata": {}, "spec": {
                "group": "db.orange.com", "scope": "Namespaced", "names": { "kind": "CassandraCluster", "plural": "cassandraclusters" },
                "versions": [{ "name": version, "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } } }],
            } }))
            .unwrap()
        };
        assert_eq!(installed(&other("v2")).verdict, Verdict::Failed);
        assert_eq!(installed(&other("v1")).verdict, Verdict::Failed);
    }
}
