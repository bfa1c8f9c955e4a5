//! What a pass wants done, in order. The operator carries effects out one after the other and stops at the first
//! that fails; the next pass plans anew from what is then observed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use casskop_types::names::PodName;
use casskop_types::operation::OperationName;
use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use crate::call::{CallKey, NodeCall};
use crate::licence::Licence;

/// One write or one call.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Server-side apply of the fields given.
    ApplyService(Box<Service>),
    /// Server-side apply of the fields given.
    ApplyDisruptionBudget(Box<PodDisruptionBudget>),
    /// Create, unless it is there: what is there already is judged by [`crate::ring_record::whose`].
    RecordRing(Box<ConfigMap>),
    /// Tell the next pod of a name in the ConfigMap `<cluster>-bootstrap` in whose place it joins, or no more.
    TellPod {
        /// The ConfigMap as it is created if it is not there.
        record: Box<ConfigMap>,
        /// Name of the pod.
        pod: String,
        /// Address of the lost node; `None` takes the entry away.
        replaces: Option<IpAddr>,
    },
    /// Create; "already exists" means that the observation was stale, and ends the pass.
    CreateStatefulSet(Box<StatefulSet>),
    /// Whole update under the uid and resourceVersion that the object carries (those just read).
    UpdateStatefulSet(Box<StatefulSet>),
    /// The same with one replica less, and nothing else changed.
    LowerReplicas {
        /// The StatefulSet as it is to be.
        set: Box<StatefulSet>,
        /// The ground on which its last pod may go.
        licence: Licence,
    },
    /// Sets `spec.topology.dc[dc].rack[rack].rollingRestart` to false, by JSON patch guarded by tests on the
    /// names at those indices and on the cluster's uid.
    ResetRollingRestart {
        /// Index of the datacenter in the spec.
        dc: usize,
        /// Its name, tested by the patch.
        dc_name: String,
        /// Index of the rack in the datacenter.
        rack: usize,
        /// Its name, tested by the patch.
        rack_name: String,
    },
    /// JSON patch of the cluster object's spec, under its uid and generation: edits and flags are put back.
    PutBack(Vec<serde_json::Value>),
    /// Keep the accepted spec in its annotation, under the cluster's uid.
    KeepSpec(String),
    /// Delete a StatefulSet under its uid and resourceVersion.
    DeleteStatefulSet {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// Its resourceVersion.
        resource_version: String,
        /// The ground on which it may go.
        licence: Licence,
    },
    /// Merge patch of a pod, as long as it is asked for what it was asked for when it was read.
    LabelPod(PodLabels),
    /// Start a long call in the background. Its end wakes the cluster.
    StartCall {
        /// Identity of the run.
        key: CallKey,
        /// The pod whose node is called.
        pod: PodName,
        /// Its address.
        address: IpAddr,
        /// The work.
        call: NodeCall,
    },
    /// Stop what a node does for a call, and begin nothing more of it. The node may have nothing to stop at this very moment.
    StopCall {
        /// Identity of the run; this process may not know it.
        key: CallKey,
        /// The pod whose node is told.
        pod: PodName,
        /// Its address.
        address: IpAddr,
        /// The operation to stop.
        operation: OperationName,
    },
    /// Drop what the operator remembers of a call, its end being recorded.
    ForgetCall(CallKey),
    /// Delete a StatefulSet under its uid and resourceVersion, and leave its pods running: it is made anew.
    OrphanStatefulSet {
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
        /// Its resourceVersion.
        resource_version: String,
    },
    /// Ask for a larger volume, under the claim's uid.
    GrowClaim {
        /// Name of the claim.
        name: String,
        /// Its uid.
        uid: String,
        /// Size asked for, a quantity.
        capacity: String,
    },
    /// Annotate a claim, under its uid, with the uid of the cluster it belongs to.
    StampClaim {
        /// Name of the claim.
        name: String,
        /// Its uid.
        uid: String,
    },
    /// Annotate a claim, under its uid, with the operation that does not delete it any more: what is on its way to delete it, under
    /// the resourceVersion that it had, is refused from then on.
    KeepClaim {
        /// Name of the claim.
        name: String,
        /// Its uid.
        uid: String,
        /// Identity of the operation's record.
        record: String,
    },
    /// Add our finalizer to the cluster object's, under its resourceVersion.
    AddFinalizer,
    /// Take our finalizer, and no other, off the cluster object, under its resourceVersion.
    RemoveFinalizer,
    /// Delete a claim under its uid and resourceVersion.
    DeleteClaim {
        /// Name of the claim.
        name: String,
        /// Its uid.
        uid: String,
        /// Its resourceVersion.
        resource_version: String,
        /// The ground on which it may go.
        licence: Licence,
    },
    /// Delete a pod under its uid.
    DeletePod {
        /// The pod.
        pod: PodName,
        /// Its uid.
        uid: String,
        /// Seconds the container gets to stop.
        grace_seconds: u32,
    },
}

/// A Kubernetes event on the cluster object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Severity.
    pub kind: NoticeKind,
    /// CamelCase reason out of a bounded set.
    pub reason: &'static str,
    /// What happened, one line, naming the objects.
    pub note: String,
}

impl Notice {
    /// Of something expected.
    pub fn normal(reason: &'static str, note: impl Into<String>) -> Self {
        Self {
            kind: NoticeKind::Normal,
            reason,
            note: note.into(),
        }
    }

    /// Of something a person should look at.
    pub fn warning(reason: &'static str, note: impl Into<String>) -> Self {
        Self {
            kind: NoticeKind::Warning,
            reason,
            note: note.into(),
        }
    }
}

/// A change to the labels and annotations of one pod; `None` removes a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodLabels {
    /// The pod.
    pub pod: PodName,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion when it was read.
    pub resource_version: String,
    /// What it was asked for then, see [`request_metadata`](casskop_types::operation::request_metadata). What somebody has asked
    /// since is not written over; a pod's status may have changed.
    pub asked: BTreeMap<&'static str, String>,
    /// Labels to set or remove.
    pub labels: BTreeMap<String, Option<String>>,
    /// Annotations to set or remove.
    pub annotations: BTreeMap<String, Option<String>>,
}

/// Severity of a [`Notice`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// Something expected.
    Normal,
    /// Something a person should look at.
    Warning,
}

/// When the cluster has to be looked at again without any watch event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Only when something changes.
    OnEvent,
    /// After this time at the latest: a node has to be asked again, and no watch tells.
    After(SignedDuration),
}
