//! The two headless Services of a cluster.

use casskop_types::labels::{EXPORTER, EXPORTER_VALUE};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::validate::ValidatedCluster;

/// All Services of a cluster.
pub fn services(cluster: &ValidatedCluster) -> Vec<Service> {
    vec![cql_service(cluster), exporter_service(cluster)]
}

/// The Service for clients, by which pods also have names in DNS. It publishes pods that are not ready: a node looks its seeds
/// up before any of them is.
fn cql_service(cluster: &ValidatedCluster) -> Service {
    let mut service = headless(cluster, cluster.name.service(), "cql", 9042);
    if !cluster.service_annotations.is_empty() {
        service.metadata.annotations = Some(cluster.service_annotations.clone());
    }
    if let Some(spec) = &mut service.spec {
        spec.publish_not_ready_addresses = Some(true);
    }
    service
}

/// The Service for Prometheus.
fn exporter_service(cluster: &ValidatedCluster) -> Service {
    let mut service = headless(cluster, cluster.name.exporter_service(), "promjmx", 9500);
    let labels = service.metadata.labels.get_or_insert_default();
    labels.insert(EXPORTER.to_owned(), EXPORTER_VALUE.to_owned());
    service
}

fn headless(cluster: &ValidatedCluster, name: String, port_name: &str, port: i32) -> Service {
    let labels = cluster.cluster_labels();
    Service {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(cluster.namespace.clone()),
            labels: Some(labels.clone()),
            owner_references: Some(vec![super::owner_reference(cluster)]),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            cluster_ip: Some("None".to_owned()),
            ports: Some(vec![ServicePort {
                name: Some(port_name.to_owned()),
                port,
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            selector: Some(labels),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
