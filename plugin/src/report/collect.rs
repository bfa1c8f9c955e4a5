//! What goes into a report.

use std::collections::BTreeSet;

use casskop_types::CassandraCluster;
use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, LogParams};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use super::Bundle;
use crate::commands::version;
use crate::failure::Failure;
use crate::kube_access::{Access, Call, CallError, Kind};
use crate::printer::shown;
use crate::request;

/// Whether logs are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logs {
    /// They are left out: nobody knows what applications say.
    No,
    /// So many last lines of every container.
    Lines(i64),
}

/// Logs read at the same moment.
const AT_ONCE: usize = 8;

/// Reads everything about one cluster, or all of the namespace. What may not be read is told in the bundle.
pub(crate) async fn collect(access: &Access, crd: Option<&str>, logs: Logs) -> Result<Bundle, Failure> {
    let clusters = match crd {
        Some(name) => vec![request::cluster(access, name).await?],
        None => request::list_of(access, &access.clusters(), Kind::Clusters, None).await?,
    };
    let mut collecting = Collecting {
        access,
        bundle: Bundle::default(),
        missing: Vec::new(),
    };
    collecting.about(&clusters).await?;
    let selector = request::selector(crd);
    let pods = collecting.children(&clusters, &selector).await?;
    let operators = collecting.operator().await?;
    if let Logs::Lines(lines) = logs {
        collecting.logs(&pods, lines).await;
        collecting.logs(&operators, lines).await;
    }
    let missing = match collecting.missing.as_slice() {
        [] => "nothing\n".to_owned(),
        missing => format!("{}\n", missing.join("\n")),
    };
    collecting.bundle.text("not-read.txt", &missing);
    Ok(collecting.bundle)
}

struct Collecting<'a> {
    access: &'a Access,
    bundle: Bundle,
    /// What could not be read, and why.
    missing: Vec<String>,
}

impl Collecting<'_> {
    async fn about(&mut self, clusters: &[CassandraCluster]) -> Result<(), Failure> {
        let server = self.access.server_version().await?;
        let place = self.access.place();
        let about = format!(
            "kubectl-casskop {}\nKubernetes {server}\nnamespace {}\n",
            version::CLIENT,
            place.namespace
        );
        self.bundle.text("versions.txt", &about);
        self.add("cassandraclusters.yaml", Ok(clusters.to_vec()))?;
        Ok(())
    }

    /// The objects of the clusters; the pods among them.
    async fn children(&mut self, clusters: &[CassandraCluster], selector: &str) -> Result<Vec<Pod>, Failure> {
        let access = self.access;
        let own = Some(selector);
        let pods = Box::pin(request::list::<Pod>(access, Kind::Pods, own)).await;
        let pods = self.add("pods.yaml", pods)?;
        let sets = Box::pin(request::list::<StatefulSet>(access, Kind::StatefulSets, own)).await;
        self.add("statefulsets.yaml", sets)?;
        let services = Box::pin(request::list::<Service>(access, Kind::Services, own)).await;
        self.add("services.yaml", services)?;
        let budgets = Box::pin(request::list::<PodDisruptionBudget>(access, Kind::Budgets, own)).await;
        self.add("poddisruptionbudgets.yaml", budgets)?;
        let claims = Box::pin(request::list::<PersistentVolumeClaim>(access, Kind::Claims, own)).await;
        self.add("persistentvolumeclaims.yaml", claims)?;
        let names: BTreeSet<String> = clusters.iter().map(ResourceExt::name_any).collect();
        let slices = Box::pin(request::list::<EndpointSlice>(access, Kind::EndpointSlices, None)).await;
        let of_cluster = |slice: &EndpointSlice| {
            let service = slice.labels().get("kubernetes.io/service-name");
            service.is_some_and(|service| names.contains(service))
        };
        self.add("endpointslices.yaml", slices.map(|all| only(all, of_cluster)))?;
        let maps = Box::pin(request::list::<ConfigMap>(access, Kind::ConfigMaps, None)).await;
        let used: BTreeSet<String> = clusters.iter().flat_map(config_maps).collect();
        let is_used = |map: &ConfigMap| used.contains(&map.name_any());
        self.add("configmaps.yaml", maps.map(|all| only(all, is_used)))?;
        let events = Box::pin(request::list::<Event>(access, Kind::Events, None)).await;
        let about = |event: &Event| {
            let name = event.involved_object.name.as_deref().unwrap_or_default();
            names
                .iter()
                .any(|cluster| name == cluster || name.contains(&format!("{cluster}-")))
        };
        self.add("events.yaml", events.map(|all| only(all, about)))?;
        Ok(pods)
    }

    /// The operator's Deployments, leases and pods; the pods are given back.
    async fn operator(&mut self) -> Result<Vec<Pod>, Failure> {
        let deployments = self.add(
            "operator/deployments.yaml",
            Box::pin(version::operators(self.access)).await,
        )?;
        let mut all = Vec::new();
        let namespaces: BTreeSet<String> = deployments.iter().filter_map(ResourceExt::namespace).collect();
        for namespace in namespaces {
            let pods: Api<Pod> = self.access.within(&namespace);
            let label = Some(version::OPERATOR_LABEL);
            let pods = Box::pin(request::list_of(self.access, &pods, Kind::Pods, label)).await;
            all.extend(self.add(&format!("operator/{namespace}/pods.yaml"), pods)?);
            let leases: Api<Lease> = self.access.within(&namespace);
            let leases = Box::pin(request::list_of(self.access, &leases, Kind::Leases, None)).await;
            self.add(&format!("operator/{namespace}/leases.yaml"), leases)?;
        }
        Ok(all)
    }

    async fn logs(&mut self, pods: &[Pod], lines: i64) {
        let access = self.access;
        let read = pods.iter().flat_map(|pod| {
            let spec = pod.spec.iter();
            let containers =
                spec.flat_map(|spec| spec.init_containers.iter().flatten().chain(&spec.containers));
            containers.map(move |container| log(access, pod, container.name.clone(), lines))
        });
        let read: Vec<_> = stream::iter(read).buffered(AT_ONCE).collect().await;
        for (name, log) in read {
            match log {
                Ok(log) => self.bundle.text(&format!("logs/{name}.log"), &log),
                Err(error) => self.missing.push(format!("log {name}: {error}")),
            }
        }
    }

    /// Adds objects; what may not be read is left out, any other failure is one of the whole.
    fn add<K>(&mut self, file: &str, read: Result<Vec<K>, CallError>) -> Result<Vec<K>, Failure>
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        let objects = match read {
            Ok(objects) => objects,
            Err(error @ CallError::Forbidden { .. }) => {
                self.missing.push(format!("{file}: {error}"));
                return Ok(Vec::new());
            }
            Err(error) => return Err(error.into()),
        };
        let values: Result<Vec<Value>, _> = objects.iter().map(shown).collect();
        let values = values.map_err(Failure::Render)?;
        let added = self.bundle.objects(file, values);
        added.map_err(|error| Failure::Output(std::io::Error::other(error)))?;
        Ok(objects)
    }
}

fn only<K>(objects: Vec<K>, wanted: impl Fn(&K) -> bool) -> Vec<K> {
    objects.into_iter().filter(|object| wanted(object)).collect()
}

/// ConfigMaps a cluster uses: what the operator tells its pods, and what its spec names.
fn config_maps(cluster: &CassandraCluster) -> Vec<String> {
    let mut names = vec![format!("{}-bootstrap", cluster.name_any())];
    names.extend(cluster.spec.config_map_name.clone());
    names
}

async fn log(
    access: &Access,
    pod: &Pod,
    container: String,
    lines: i64,
) -> (String, Result<String, CallError>) {
    let name = pod.name_any();
    let params = LogParams {
        container: Some(container.clone()),
        tail_lines: Some(lines),
        ..LogParams::default()
    };
    let call = Call {
        verb: "get",
        resource: Kind::PodLog,
        name: Some(name.clone()),
    };
    let pods: Api<Pod> = access.within(&pod.namespace().unwrap_or_default());
    let read = access.call(&call, Box::pin(pods.logs(&name, &params))).await;
    (format!("{name}/{container}"), read)
}
