//! Reading the other objects around a cluster.

use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;

use crate::kube_access::{Access, Call, CallError, Kind};

/// The objects of the namespace with these labels.
pub(crate) async fn list<K>(access: &Access, kind: Kind, labels: Option<&str>) -> Result<Vec<K>, CallError>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    list_of(access, &access.api(), kind, labels).await
}

/// The objects of an API with these labels.
pub(crate) async fn list_of<K>(
    access: &Access,
    api: &Api<K>,
    kind: Kind,
    labels: Option<&str>,
) -> Result<Vec<K>, CallError>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let call = Call {
        verb: "list",
        resource: kind,
        name: None,
    };
    let params = ListParams {
        label_selector: labels.map(str::to_owned),
        ..ListParams::default()
    };
    Ok(access.call(&call, Box::pin(api.list(&params))).await?.items)
}
