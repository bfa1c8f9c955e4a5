//! Versions that a cluster tells.

use casskop_types::{CassandraCluster, cluster};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Resource, ResourceExt};
use serde::Serialize;

use super::CLIENT;
use crate::failure::Failure;
use crate::kube_access::{Access, Call, CallError, Kind};
use crate::request;

/// Label of the operator's Deployment, in `operator/deploy/`.
pub(crate) const OPERATOR_LABEL: &str = "app.kubernetes.io/name=casskop-operator";
/// Name of the operator's namespace, in `operator/deploy/`.
pub(crate) const OPERATOR_NAMESPACE: &str = "casskop-operator";

/// What was found.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    client_version: &'static str,
    kubernetes: Option<String>,
    operators: Vec<Operator>,
    definition: Option<Definition>,
    racks: Vec<Rack>,
    /// What could not be found out, and why.
    #[serde(skip)]
    pub(super) unknown: Vec<String>,
}

/// A Deployment of the operator.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Operator {
    namespace: String,
    image: String,
    ready: String,
}

/// The definition of `CassandraCluster`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    name: String,
    served: Vec<String>,
}

/// A rack's Cassandra.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rack {
    cluster: String,
    #[serde(rename = "rack")]
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<String>,
}

/// Asks for all there is; what may not be read stays unknown.
pub(super) async fn ask(access: &Access) -> Result<Found, Failure> {
    let mut unknown = Vec::new();
    let kubernetes = access.server_version().await?;
    let clusters = match request::list_of(access, &access.clusters(), Kind::Clusters, None).await {
        Ok(clusters) => clusters,
        Err(error @ (CallError::Forbidden { .. } | CallError::NoSuchResource { .. })) => {
            unknown.push(format!("the versions of Cassandra are not known: {error}"));
            Vec::new()
        }
        Err(error) => return Err(error.into()),
    };
    let operators = match operators(access).await {
        Ok(operators) => operators,
        Err(error) => {
            unknown.push(format!("the operator's version is not known: {error}"));
            Vec::new()
        }
    };
    let definition = match definition::<CassandraCluster>(access).await {
        Ok(definition) => Some(definition),
        Err(error) => {
            unknown.push(format!("the version of the definition is not known: {error}"));
            None
        }
    };
    Ok(Found {
        client_version: CLIENT,
        kubernetes: Some(kubernetes),
        operators: operators.iter().map(operator).collect(),
        definition: definition.as_ref().map(served),
        racks: clusters.iter().flat_map(racks).collect(),
        unknown,
    })
}

/// The operator's Deployments of all namespaces, or, for who may not see those, of its usual one.
pub(crate) async fn operators(access: &Access) -> Result<Vec<Deployment>, CallError> {
    let label = Some(OPERATOR_LABEL);
    match request::list_of(access, &access.everywhere(), Kind::Deployments, label).await {
        Err(CallError::Forbidden { .. }) => {
            request::list_of(
                access,
                &access.within(OPERATOR_NAMESPACE),
                Kind::Deployments,
                label,
            )
            .await
        }
        answered => answered,
    }
}

/// The definition of a kind.
pub(crate) async fn definition<K>(access: &Access) -> Result<CustomResourceDefinition, CallError>
where
    K: Resource<DynamicType = ()>,
{
    let name = format!("{}.{}", K::plural(&()), K::group(&()));
    let call = Call {
        verb: "get",
        resource: Kind::Definitions,
        name: Some(name.clone()),
    };
    access.call(&call, access.everywhere().get(&name)).await
}

fn operator(deployment: &Deployment) -> Operator {
    let spec = deployment.spec.as_ref();
    let image = spec
        .and_then(|spec| spec.template.spec.as_ref())
        .and_then(|pod| pod.containers.first())
        .and_then(|container| container.image.clone());
    let ready = deployment
        .status
        .as_ref()
        .and_then(|status| status.ready_replicas);
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    Operator {
        namespace: deployment.namespace().unwrap_or_default(),
        image: image.unwrap_or_default(),
        ready: format!("{}/{wanted}", ready.unwrap_or_default()),
    }
}

fn served(definition: &CustomResourceDefinition) -> Definition {
    let served = definition.spec.versions.iter().filter(|version| version.served);
    Definition {
        name: definition.name_any(),
        served: served.map(|version| version.name.clone()).collect(),
    }
}

fn racks(cluster: &CassandraCluster) -> Vec<Rack> {
    let status = cluster
        .status
        .iter()
        .flat_map(|status| &status.cassandra_rack_status);
    status
        .map(|(rack, status)| Rack {
            cluster: cluster.name_any(),
            name: rack.replacen('-', ".", 1),
            release: status.release_version.clone(),
        })
        .collect()
}

impl Found {
    /// Rows of two columns.
    pub(super) fn rows(&self) -> Vec<[String; 2]> {
        let mut rows = Vec::new();
        let mut row = |what: String, version: String| rows.push([what, version]);
        if let Some(kubernetes) = &self.kubernetes {
            row("Kubernetes".to_owned(), kubernetes.clone());
        }
        for operator in &self.operators {
            row(
                format!("operator in {}", operator.namespace),
                format!("{} ({} ready)", operator.image, operator.ready),
            );
        }
        if let Some(definition) = &self.definition {
            row(definition.name.clone(), definition.served.join(", "));
        }
        for rack in &self.racks {
            row(
                format!("Cassandra of {} {}", rack.cluster, rack.name),
                rack.release.clone().unwrap_or_else(|| "unknown".to_owned()),
            );
        }
        rows
    }

    /// What does not fit together.
    pub(super) fn skew(&self) -> Vec<String> {
        let mut skews: Vec<String> = self
            .operators
            .iter()
            .filter_map(|operator| {
                let version = tag(&operator.image)?;
                (minor(version)? != minor(CLIENT)?).then(|| {
                    format!("the operator in namespace `{}` is of version {version} and this plugin of {CLIENT}; use the same minor version of both", operator.namespace)
                })
            })
            .collect();
        if let Some(definition) = &self.definition
            && !definition.served.iter().any(|served| served == cluster::VERSION)
        {
            skews.push(format!(
                "{} does not serve version {}, which this plugin speaks; apply crds/ again",
                definition.name,
                cluster::VERSION
            ));
        }
        skews
    }
}

/// The tag of an image, if it has one and no digest alone.
fn tag(image: &str) -> Option<&str> {
    let name = image.split('@').next()?.rsplit('/').next()?;
    name.split_once(':').map(|(_, tag)| tag)
}

/// Major and minor number of a version; none of a text that is no version, such as `latest`.
pub(crate) fn minor(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.strip_prefix('v').unwrap_or(version).split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_operator(image: &str) -> Found {
        Found {
            client_version: CLIENT,
            kubernetes: Some("v1.34.4".to_owned()),
            operators: vec![Operator {
                namespace: "casskop-operator".to_owned(),
                image: image.to_owned(),
                ready: "1/1".to_owned(),
            }],
            definition: None,
            racks: Vec::new(),
            unknown: Vec::new(),
        }
    }

    #[test]
    fn another_minor_version_of_the_operator_is_told() {
        for image in [
            "r:5000/casskop-operator:0.1.9",
            "o:latest",
            "o",
            "o@sha256:00",
            "r:5000/o",
        ] {
            assert!(with_operator(image).skew().is_empty(), "{image}");
        }
        insta::assert_snapshot!(
            with_operator("r:5000/casskop-operator:v0.2.0@sha256:00").skew().join("\n"),
            @"the operator in namespace `casskop-operator` is of version v0.2.0 and this plugin of 0.1.0; use the same minor version of both"
        );
    }
}
