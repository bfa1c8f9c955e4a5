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

const CURE: &str = "install it with `kubectl casskop install` or `kubectl apply --server-side -f crds/`";
const CURE_OF_TASKS: &str = "tasks and schedules do not work: apply crds/*control.k8ssandra.io.yaml, or see docs/tasks.md where operators of \
                             K8ssandra run";

/// The oldest Kubernetes that works.
const OLDEST: (u32, u32) = (1, 29);

pub(super) async fn server(access: &Access) -> Result<Vec<Finding>, CallError> {
    let version = access.server_version().await?;
    let mut findings = vec![kubernetes(&version)];
    match Box::pin(definitions(access)).await {
        Ok(definitions) => findings.extend(definitions),
        Err(CallError::Forbidden { .. }) => findings.push(Finding::warning(
            "definitions",
            "not known; a ClusterRole with verb `get` on resource `customresourcedefinitions` lets them be looked at",
        )),
        Err(error) => return Err(error),
    }
    Ok(findings)
}

async fn definitions(access: &Access) -> Result<[Finding; 4], CallError> {
    let (cluster, tasks_of_clusters, tasks_of_datacenters, schedules) = try_join4(
        definition::<CassandraCluster>(access, Verdict::Failed, CURE),
        definition::<K8ssandraTask>(access, Verdict::Warning, CURE_OF_TASKS),
        definition::<CassandraTask>(access, Verdict::Warning, CURE_OF_TASKS),
        definition::<ScheduledTask>(access, Verdict::Warning, CURE_OF_TASKS),
    )
    .await?;
    Ok([cluster, tasks_of_clusters, tasks_of_datacenters, schedules])
}

/// The definition of a kind, whose lack means this, and what to do about it.
async fn definition<K>(access: &Access, lack: Verdict, cure: &str) -> Result<Finding, CallError>
where
    K: Resource<DynamicType = ()>,
{
    let subject = format!("definition of {}", K::kind(&()));
    let unfit = match version::definition::<K>(access).await {
        Ok(definition) => unfit(&definition, &K::version(&())),
        Err(CallError::NotFound { .. }) => Some("it is not installed".to_owned()),
        Err(error) => return Err(error),
    };
    Ok(match unfit {
        None => Finding::ok(&subject, format!("serves version {}", K::version(&()))),
        Some(why) => Finding::new(lack, &subject, format!("{why}; {cure}")),
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
    let schema = version
        .schema
        .as_ref()
        .and_then(|schema| schema.open_api_v3_schema.as_ref());
    let schema = serde_json::to_value(schema).unwrap_or_default();
    let status = &schema["properties"]["status"];
    let open = |schema: &Value| schema["x-kubernetes-preserve-unknown-fields"] == true;
    let is_open = open(&schema) || open(status);
    let kind = definition.spec.names.plural.as_str();
    if kind == CassandraTask::plural(&()) && status["properties"]["podStatuses"].is_null() && !is_open {
        // That of cass-operator before 1.29.
        return Some("it has no status.podStatuses, without which no task is begun".to_owned());
    }
    if kind != cluster::PLURAL {
        return None;
    }
    let records =
        &status["properties"]["cassandraRackStatus"]["additionalProperties"]["properties"]["operations"];
    if records.is_null() && !is_open {
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
        let mut tasks: CustomResourceDefinition = serde_yaml::from_str(include_str!(
            "../../../../crds/cassandratasks.control.k8ssandra.io.yaml"
        ))
        .unwrap();
        assert_eq!(unfit(&tasks, "v1alpha1"), None);
        tasks.spec.versions[0].schema =
            serde_json::from_value(json!({ "openAPIV3Schema": { "type": "object" } })).unwrap();
        let why = unfit(&tasks, "v1alpha1").unwrap_or_default();
        assert!(why.contains("podStatuses"), "{why}");
        let why = |version| unfit(&other(version), "v2").unwrap_or_default();
        assert!(why("v2").contains("not this operator's"), "{}", why("v2"));
        assert_eq!(why("v1"), "it does not serve version v2");
    }
}
