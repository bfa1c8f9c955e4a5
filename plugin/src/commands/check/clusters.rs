//! What clusters need around them: names, and the account of their pods.

use casskop_core::view::ClusterView;
use casskop_core::view::seeds::{SeedView, seeds};
use casskop_types::CassandraCluster;
use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;

use super::finding::Finding;
use crate::kube_access::{Access, CallError, Kind};
use crate::request;

/// The account of Cassandra's pods where the spec names no other.
const ACCOUNT: &str = "cassandra-cluster-node";

pub(super) async fn clusters(access: &Access) -> Result<Vec<Finding>, CallError> {
    let clusters = match request::list_of(access, &access.clusters(), Kind::Clusters, None).await {
        Ok(clusters) => clusters,
        // What is lacking was said before.
        Err(CallError::Forbidden { .. } | CallError::NoSuchResource { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    if clusters.is_empty() {
        let subject = format!("clusters of namespace {}", access.place().namespace);
        return Ok(vec![Finding::ok(&subject, "there are none")]);
    }
    let selector = request::selector(None);
    let selector = Some(selector.as_str());
    let accounts = request::list::<ServiceAccount>(access, Kind::Accounts, None).await;
    let services = request::list::<Service>(access, Kind::Services, selector).await;
    let slices = request::list::<EndpointSlice>(access, Kind::EndpointSlices, None).await;
    let pods = match request::list::<Pod>(access, Kind::Pods, selector).await {
        Err(CallError::Forbidden { .. }) => Vec::new(),
        pods => pods?,
    };
    let mut findings = Vec::new();
    for cluster in &clusters {
        let name = cluster.name_any();
        findings.push(match &accounts {
            Ok(accounts) => account(cluster, accounts),
            Err(error) => Finding::warning(
                &format!("account of {name}'s pods"),
                format!("not known: {error}"),
            ),
        });
        match (&services, &slices) {
            (Ok(services), Ok(slices)) => findings.extend(names(cluster, &pods, services, slices)),
            (Err(error), _) | (_, Err(error)) => {
                findings.push(Finding::warning(
                    &format!("names of {name}"),
                    format!("not known: {error}"),
                ));
            }
        }
    }
    Ok(findings)
}

fn account(cluster: &CassandraCluster, accounts: &[ServiceAccount]) -> Finding {
    let subject = format!("account of {}'s pods", cluster.name_any());
    let wanted = cluster
        .spec
        .service_account_name
        .as_deref()
        .filter(|name| !name.is_empty());
    let wanted = wanted.unwrap_or(ACCOUNT);
    if accounts.iter().any(|account| account.name_any() == wanted) {
        Finding::ok(&subject, format!("serviceaccount `{wanted}` is there"))
    } else {
        Finding::failed(
            &subject,
            format!(
                "there is no serviceaccount `{wanted}`, and no pod is created without it; apply operator/deploy/cassandra-pods.yaml"
            ),
        )
    }
}

/// Whether the pods' names lead to them, as far as the API server tells.
fn names(
    cluster: &CassandraCluster,
    pods: &[Pod],
    services: &[Service],
    slices: &[EndpointSlice],
) -> Vec<Finding> {
    let name = cluster.name_any();
    let subject = format!("names of {name}");
    let headless = services.iter().find(|service| service.name_any() == name);
    let is_headless = headless
        .and_then(|service| service.spec.as_ref())
        .is_some_and(|spec| spec.cluster_ip.as_deref() == Some("None"));
    if !is_headless {
        return vec![Finding::failed(
            &subject,
            format!(
                "there is no headless service `{name}`, and nodes cannot find each other by name; the operator makes it once it works on the cluster"
            ),
        )];
    }
    let own: Vec<EndpointSlice> = slices
        .iter()
        .filter(|slice| slice.labels().get("kubernetes.io/service-name") == Some(&name))
        .cloned()
        .collect();
    let view = ClusterView::of(cluster, pods);
    let seeds = seeds(cluster, &view, Some(&own));
    let problems: Vec<Finding> = seeds
        .iter()
        .filter_map(SeedView::problem)
        .map(|problem| {
            Finding::warning(
                &subject,
                format!("{problem}; look at `kubectl casskop seeds --crd {name}`"),
            )
        })
        .collect();
    if problems.is_empty() {
        vec![Finding::ok(
            &subject,
            format!("service `{name}` resolves its {} seeds", seeds.len()),
        )]
    } else {
        problems
    }
}
