//! One rack as desired and as observed: a StatefulSet and its pods.

mod readiness;

use std::net::IpAddr;

use casskop_types::names::PodName;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::{Container, Pod};

use crate::blocker::Blocker;
use crate::desired::defaults::{BOOTSTRAP, CASSANDRA};
use crate::observed::KubeState;
use crate::validate::{ValidatedCluster, ValidatedRack};
use casskop_types::conditions::ConditionReason;

pub(crate) use readiness::of as readiness_of;
pub use readiness::{Readiness, Trouble};

/// Cassandra's container among those of a pod.
pub(crate) fn cassandra(pod: &Pod) -> Option<&Container> {
    let containers = &pod.spec.as_ref()?.containers;
    containers.iter().find(|container| container.name == CASSANDRA)
}

/// How often Cassandra's container has been started anew. What runs beside it does not count.
pub(crate) fn restarts(pod: &Pod) -> i32 {
    let containers = pod
        .status
        .iter()
        .flat_map(|status| status.container_statuses.iter().flatten());
    let cassandra = containers
        .into_iter()
        .find(|container| container.name == CASSANDRA);
    cassandra.map_or(0, |cassandra| cassandra.restart_count)
}

/// Label by which the StatefulSet's controller marks the revision a pod was made from.
const CONTROLLER_REVISION: &str = "controller-revision-hash";

/// A rack with everything observed about it.
#[derive(Debug, Clone)]
pub struct Rack<'a> {
    /// What the spec asks for.
    pub desired: &'a ValidatedRack,
    /// Its StatefulSet, if it exists.
    pub statefulset: Option<&'a StatefulSet>,
    /// Its pods, by ordinal.
    pub pods: Vec<PodView<'a>>,
    /// Why pods that it should have are not created.
    pub not_created: Option<&'a str>,
}

/// A pod, parsed as far as decisions need it.
#[derive(Debug, Clone)]
pub struct PodView<'a> {
    /// Its name.
    pub name: PodName,
    /// Its uid.
    pub uid: &'a str,
    /// Its ordinal in the StatefulSet.
    pub ordinal: i32,
    /// Its address, once it has one.
    pub address: Option<IpAddr>,
    /// Whether it is ready, or why not.
    pub readiness: Readiness,
    /// The object itself.
    pub object: &'a Pod,
}

/// Pairs every rack of the spec, in order, with its StatefulSet and pods.
pub fn racks<'a>(cluster: &'a ValidatedCluster, kube: &'a KubeState) -> Vec<Rack<'a>> {
    cluster
        .racks
        .iter()
        .map(|desired| {
            let name = cluster.name.stateful_set(&desired.id);
            let statefulset = kube
                .statefulsets
                .iter()
                .find(|set| set.metadata.name.as_deref() == Some(name.as_str()));
            Rack {
                desired,
                statefulset,
                pods: pods_of(&name, &kube.pods),
                not_created: kube.failed_creations.get(&name).map(String::as_str),
            }
        })
        .collect()
}

/// The pods of a StatefulSet, by ordinal.
pub(crate) fn pods_of<'a>(statefulset: &str, pods: &'a [Pod]) -> Vec<PodView<'a>> {
    let own = pods
        .iter()
        .filter_map(|pod| PodView::of_statefulset(pod, statefulset));
    let mut own: Vec<_> = own.collect();
    own.sort_by_key(|pod| pod.ordinal);
    own
}

/// Whether the controller of a StatefulSet has tried to create its pods and could not create all.
pub fn lacks_pods(set: &StatefulSet) -> bool {
    let (Some(spec), Some(status)) = (&set.spec, &set.status) else {
        return false;
    };
    let caught_up = status.observed_generation >= set.metadata.generation;
    caught_up && status.replicas < spec.replicas.unwrap_or(1)
}

/// Pods with a lower ordinal keep their revision.
pub fn partition_of(set: &StatefulSet) -> i32 {
    let strategy = set.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    rolling.and_then(|rolling| rolling.partition).unwrap_or(0)
}

/// Whether every rack that has come into being has all its pods, ready.
pub fn all_complete(racks: &[Rack<'_>]) -> Result<(), Blocker> {
    let mut racks = racks.iter().filter(|rack| rack.statefulset.is_some());
    racks.try_for_each(Rack::complete)
}

impl<'a> Rack<'a> {
    /// The pod with this uid, while it is there.
    pub fn pod(&self, uid: &str) -> Option<&PodView<'a>> {
        self.pods.iter().find(|pod| pod.uid == uid)
    }

    /// The pod of this name, whichever one has it now.
    pub fn pod_named(&self, name: &str) -> Option<&PodView<'a>> {
        self.pods.iter().find(|pod| pod.name.to_string() == name)
    }

    /// A pod that cannot start, and that the StatefulSet's controller does not replace though it is of an older revision: it
    /// waits for the pod to get ready first (kubernetes #67250).
    pub fn stuck(&self) -> Option<&PodView<'_>> {
        self.seen_by_controller().ok()?;
        let newest = self.status().update_revision?;
        let partition = partition_of(self.statefulset?);
        let is_old = |pod: &PodView<'_>| {
            let labels = pod.object.metadata.labels.as_ref();
            let revision = labels.and_then(|labels| labels.get(CONTROLLER_REVISION));
            revision.is_some_and(|revision| *revision != newest)
        };
        let mut pods = self.pods.iter();
        pods.find(|pod| pod.cannot_start() && pod.ordinal >= partition && is_old(pod))
    }

    /// Whether a pod could not be created and nobody has said why yet.
    pub fn lacks_a_reason(&self) -> bool {
        self.not_created.is_none() && self.statefulset.is_some_and(lacks_pods)
    }

    /// Replicas the StatefulSet asks for now; 0 without one.
    pub fn replicas(&self) -> i32 {
        self.statefulset
            .and_then(|set| set.spec.as_ref())
            .map_or(0, |spec| spec.replicas.unwrap_or(1))
    }

    /// Number of ready pods.
    pub fn ready_count(&self) -> i32 {
        i32::try_from(self.pods.iter().filter(|pod| pod.is_ready()).count()).unwrap_or(i32::MAX)
    }

    /// The StatefulSet's controller has seen the last write and every replica has a ready pod.
    pub fn complete(&self) -> Result<(), Blocker> {
        self.complete_where(|_| true)
    }

    /// The same, whatever may be with one pod.
    pub fn complete_but(&self, exempt: &PodName) -> Result<(), Blocker> {
        self.complete_where(|pod| pod.name != *exempt)
    }

    fn complete_where(&self, counts: impl Fn(&PodView<'_>) -> bool) -> Result<(), Blocker> {
        if self.statefulset.is_none() && self.desired.nodes == 0 {
            return Ok(());
        }
        self.seen_by_controller()?;
        if let Some(pod) = self.pods.iter().find(|pod| counts(pod) && !pod.is_ready()) {
            return Err(pod.blocker());
        }
        let (have, want) = (self.pods.len(), self.replicas());
        if i32::try_from(have) == Ok(want) {
            Ok(())
        } else {
            let note = format!("rack {} has {have} of {want} pods", self.desired.id);
            Err(match self.not_created {
                Some(why) => {
                    let note = format!("{note}: {why}; the next one is made once that is put right");
                    Blocker::new(ConditionReason::PodBlocked, note)
                }
                None => Blocker::new(ConditionReason::NodeNotReady, note),
            })
        }
    }

    /// A template change reached every pod: the rule of `kubectl rollout status`, which looks at the generation
    /// first because every other figure may belong to the template before.
    pub fn rolled_out(&self) -> Result<(), Blocker> {
        self.seen_by_controller()?;
        let status = self.status();
        let partition = self.desired.partition;
        let updated = status.updated_replicas.unwrap_or(0);
        // Below the partition pods keep the revision they have, and the revisions never agree.
        let due = (self.replicas() - partition).max(0);
        let lags = partition == 0 && status.replicas > 0;
        if !self.has_one_revision() && (updated < due || lags) {
            let (rack, replicas) = (&self.desired.id, self.replicas());
            let note = format!("rack {rack} has {updated} of {replicas} pods on the new revision");
            let down = self
                .pods
                .iter()
                .find(|pod| matches!(pod.readiness, Readiness::NotReady | Readiness::Failing(_)));
            return Err(match down {
                Some(pod) => {
                    let Blocker { reason, note: why } = pod.blocker();
                    Blocker::new(reason, format!("{note}, {why}"))
                }
                None => Blocker::new(ConditionReason::ActionOngoing, note),
            });
        }
        self.complete()
    }

    /// Whether all pods are, or are to be, of one revision.
    pub fn has_one_revision(&self) -> bool {
        let status = self.status();
        status.current_revision == status.update_revision
    }

    /// The StatefulSet is there, and its controller has seen the last write.
    pub fn seen_by_controller(&self) -> Result<(), Blocker> {
        let Some(set) = self.statefulset else {
            return Err(Blocker::new(
                ConditionReason::NodeNotReady,
                format!("rack {} has no StatefulSet", self.desired.id),
            ));
        };
        let observed = self.status().observed_generation.unwrap_or(0);
        if observed >= set.metadata.generation.unwrap_or(0) {
            return Ok(());
        }
        let name = set.metadata.name.as_deref().unwrap_or_default();
        Err(Blocker::new(
            ConditionReason::ActionOngoing,
            format!("statefulset {name} is not yet seen by its controller"),
        ))
    }

    fn status(&self) -> StatefulSetStatus {
        self.statefulset
            .and_then(|set| set.status.clone())
            .unwrap_or_default()
    }
}

impl<'a> PodView<'a> {
    /// The view of a pod that belongs, by its name, to the StatefulSet; `None` for any other pod.
    fn of_statefulset(object: &'a Pod, statefulset: &str) -> Option<Self> {
        let name = object.metadata.name.as_deref()?;
        let ordinal = name.strip_prefix(statefulset)?.strip_prefix('-')?.parse().ok()?;
        Some(Self {
            name: name.parse().ok()?,
            uid: object.metadata.uid.as_deref()?,
            ordinal,
            address: object
                .status
                .as_ref()
                .and_then(|status| status.pod_ip.as_deref()?.parse().ok()),
            readiness: readiness::of(object),
            object,
        })
    }

    /// The image of the init container that prepares Cassandra's start.
    pub fn bootstrap_image(&self) -> Option<&'a str> {
        let containers = self.object.spec.as_ref()?.init_containers.as_ref()?;
        let bootstrap = containers.iter().find(|container| container.name == BOOTSTRAP)?;
        bootstrap.image.as_deref()
    }

    /// What that container said as it ended; `None` before, and of images that say nothing.
    pub fn bootstrap_message(&self) -> Option<&'a str> {
        let statuses = self.object.status.as_ref()?.init_container_statuses.as_ref()?;
        let bootstrap = statuses.iter().find(|status| status.name == BOOTSTRAP)?;
        let ended = bootstrap.state.as_ref()?.terminated.as_ref()?;
        ended.message.as_deref().filter(|message| !message.is_empty())
    }

    /// Whether the pod will not get ready by itself.
    pub fn cannot_start(&self) -> bool {
        matches!(self.readiness, Readiness::Failing(_))
    }

    /// What is waited for while the pod is not ready, and what helps.
    pub fn blocker(&self) -> Blocker {
        let reason = if self.cannot_start() && !self.readiness.passes() {
            ConditionReason::PodBlocked
        } else {
            ConditionReason::NodeNotReady
        };
        let remedy = self.readiness.remedy(&self.name);
        Blocker::new(
            reason,
            format!("pod {} is {}: {remedy}", self.name, self.readiness),
        )
    }

    /// Whether the pod is ready and stays.
    pub fn is_ready(&self) -> bool {
        self.readiness == Readiness::Ready
    }
}
