//! The API server, and what is installed on it.

use casskop_types::operation::OperationName;
use casskop_types::task::{CassandraTask, K8ssandraTask, ScheduledTask};
use casskop_types::{CassandraCluster, cluster};
use futures::future::try_join4;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Resource;
use serde_json::Value;

use super::finding::{Finding, Verdict};
use crate::commands::version;
use crate::kube_access::{Access, CallError};

const SUBJECT: &str = "Kubernetes";

/// The oldest Kubernetes that works.
const OLDEST: (u32, u32) = (1, 29);

pub(super) async fn server(access: &Access) -> Result<Vec<Finding>, CallError> {
    let version = access.server_version().await?;
    let (cluster, tasks_of_clusters, tasks_of_datacenters, schedules) = Box::pin(try_join4(
        definition::<CassandraCluster>(access, Verdict::Failed),
        definition::<K8ssandraTask>(access, Verdict::Warning),
        definition::<CassandraTask>(access, Verdict::Warning),
        definition::<ScheduledTask>(access, Verdict::Warning),
    ))
    .await?;
    Ok(vec![
        kubernetes(&version),
        cluster,
        tasks_of_clusters,
        tasks_of_datacenters,
        schedules,
    ])
}

/// The definition of a kind, whose lack means this.
async fn definition<K>(access: &Access, lack: Verdict) -> Result<Finding, CallError>
where
    K: Resource<DynamicType = ()>,
{
    let subject = format!("definition of {}", K::kind(&()));
    Ok(match version::definition::<K>(access).await {
        Ok(definition) => match unfit(&definition, &K::version(&())) {
            None => Finding::ok(&subject, format!("serves version {}", K::version(&()))),
            Some(why) => Finding::new(lack, &subject, format!("{why}; apply crds/ again")),
        },
        Err(error @ CallError::Forbidden { .. }) => Finding::warning(&subject, format!("not known: {error}")),
        Err(CallError::NotFound { .. }) => Finding::new(
            lack,
            &subject,
            "not installed; install it with `kubectl casskop install` or `kubectl apply --server-side -f crds/`",
        ),
        Err(error) => return Err(error),
    })
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

/// Why a definition is not the one of this version. CassKop's drops fields the operator needs.
fn unfit(definition: &CustomResourceDefinition, wanted: &str) -> Option<String> {
    let versions = &definition.spec.versions;
    let Some(version) = versions
        .iter()
        .find(|version| version.name == wanted && version.served)
    else {
        return Some(format!("it does not serve version {wanted}"));
    };
    if definition.spec.group != cluster::GROUP {
        // Those of tasks have no other variant.
        return None;
    }
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
        return Some("it is not this operator's, and would drop what the operator records".to_owned());
    }
    let operation = unknown_operation(records)?;
    Some(format!(
        "it is older than this plugin and does not know {operation}"
    ))
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
        assert_eq!(unfit(&shipped, "v2"), None);
        let mut older = serde_json::to_value(&shipped).unwrap();
        let operations = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/cassandraRackStatus/additionalProperties\
                          /properties/operations/items/properties/name/enum";
        let operations = older.pointer_mut(operations).unwrap().as_array_mut().unwrap();
        operations.retain(|word| word != "restart");
        let older = unfit(&serde_json::from_value(older).unwrap(), "v2");
        assert_eq!(
            older.as_deref(),
            Some("it is older than this plugin and does not know restart")
        );
        let other = |version: &str| -> CustomResourceDefinition {
            serde_json::from_value(json!({ "metadata": {}, "spec": {
                "group": "db.orange.com", "scope": "Namespaced", "names": { "kind": "CassandraCluster", "plural": "cassandraclusters" },
                "versions": [{ "name": version, "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } } }],
            } }))
            .unwrap()
        };
        let why = |version| unfit(&other(version), "v2").unwrap_or_default();
        assert!(why("v2").contains("not this operator's"), "{}", why("v2"));
        assert_eq!(why("v1"), "it does not serve version v2");
    }
}
