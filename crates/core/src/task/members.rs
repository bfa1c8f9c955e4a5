//! A cluster as its tasks see it: datacenters, racks and pods, with the requests and records of operations.

use casskop_types::names::{DcName, RackId};
use casskop_types::operation::{OperationRecord, OperationRequest, abort_asked};
use casskop_types::status::CassandraClusterStatus;
use jiff::Timestamp;

use crate::operations::request_of;
use crate::rack::{PodView, pods_of};
use crate::validate::ValidatedCluster;

/// A cluster as its tasks see it.
#[derive(Debug, Clone)]
pub struct Members {
    /// Name of the cluster.
    pub cluster: String,
    /// Its racks, in the order of the spec.
    pub racks: Vec<Rack>,
}

/// A rack and its pods.
#[derive(Debug, Clone)]
pub struct Rack {
    /// Datacenter and rack.
    pub id: RackId,
    /// Its pods by ordinal: those that are there, and those that should be.
    pub pods: Vec<Pod>,
}

/// A pod, which may not be there at this moment.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its uid, if it is there.
    pub uid: Option<String>,
    /// Its resourceVersion, if it is there.
    pub version: String,
    /// Whether it is ready, or why not and since when, if that is known.
    pub ready: Result<(), NotReady>,
    /// What its labels ask for.
    pub request: Option<OperationRequest>,
    /// Whether that is to end.
    pub is_ending: bool,
    /// Operations recorded of pods of its name.
    pub records: Vec<OperationRecord>,
}

/// Why nothing can be begun on a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReady {
    /// In words.
    pub why: String,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
}

impl Members {
    /// Reads a cluster, its status, and its pods among those given.
    pub fn of(
        cluster: &ValidatedCluster,
        status: Option<&CassandraClusterStatus>,
        pods: &[k8s_openapi::api::core::v1::Pod],
    ) -> Self {
        let racks = cluster
            .racks
            .iter()
            .map(|rack| {
                let records = status.and_then(|status| status.rack(&rack.id));
                let records = records.map_or(&[][..], |rack| &rack.operations);
                let views = pods_of(&cluster.name.stateful_set(&rack.id), pods);
                let mut pods: Vec<Pod> = views.iter().map(|pod| present(pod, records)).collect();
                let missing = (0..rack.nodes)
                    .filter(|ordinal| !views.iter().any(|pod| pod.ordinal == *ordinal))
                    .map(|ordinal| cluster.pod_name(&rack.id, ordinal).to_string());
                pods.extend(missing.map(|name| absent(name, records)));
                pods.sort_by_key(|pod| ordinal(&pod.name));
                Rack {
                    id: rack.id.clone(),
                    pods,
                }
            })
            .collect();
        Self {
            cluster: cluster.name.to_string(),
            racks,
        }
    }

    /// The racks of a datacenter.
    pub fn racks_of(&self, dc: &DcName) -> impl Iterator<Item = &Rack> {
        self.racks.iter().filter(move |rack| rack.id.dc == *dc)
    }
}

fn present(pod: &PodView<'_>, records: &[OperationRecord]) -> Pod {
    let name = pod.name.to_string();
    let request = request_of(pod).ok().flatten();
    let ready = if pod.is_ready() {
        Ok(())
    } else {
        Err(NotReady {
            why: pod.blocker().note,
            since: not_ready_since(pod),
        })
    };
    Pod {
        uid: Some(pod.uid.to_owned()),
        version: pod.object.metadata.resource_version.clone().unwrap_or_default(),
        ready,
        is_ending: abort_asked(pod.object.metadata.annotations.as_ref()).is_some_and(|ending| {
            request
                .as_ref()
                .is_some_and(|request| request.name.as_str() == ending)
        }),
        request,
        records: of_pod(&name, records),
        name,
    }
}

fn absent(name: String, records: &[OperationRecord]) -> Pod {
    Pod {
        uid: None,
        version: String::new(),
        ready: Err(NotReady {
            why: format!("pod {name} is not there"),
            since: None,
        }),
        request: None,
        is_ending: false,
        records: of_pod(&name, records),
        name,
    }
}

fn of_pod(name: &str, records: &[OperationRecord]) -> Vec<OperationRecord> {
    records
        .iter()
        .filter(|record| record.pod == name)
        .cloned()
        .collect()
}

/// Since its condition says so; a pod that has none yet, since it was made.
fn not_ready_since(pod: &PodView<'_>) -> Option<Timestamp> {
    let status = pod.object.status.as_ref();
    let mut conditions = status
        .into_iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.find(|condition| condition.type_ == "Ready" && condition.status != "True");
    let since = ready.and_then(|ready| ready.last_transition_time.as_ref());
    since
        .or(pod.object.metadata.creation_timestamp.as_ref())
        .map(|time| time.0)
}

fn ordinal(pod: &str) -> u32 {
    pod.rsplit_once('-')
        .and_then(|(_, ordinal)| ordinal.parse().ok())
        .unwrap_or(u32::MAX)
}
