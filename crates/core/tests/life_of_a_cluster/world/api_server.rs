//! The API server: what people write to it, what is read from it, and what the operator has done.

use std::collections::BTreeMap;
use std::net::IpAddr;

use casskop_core::effect::{Effect, PodLabels};
use casskop_core::fact::Fact;
use casskop_core::observed::KubeState;
use casskop_types::labels::{KEPT_BY_OPERATION, LAST_APPLIED_CONFIGURATION};
use casskop_types::names::PodName;
use casskop_types::operation::{OperationRecord, request_metadata};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use serde_json::json;

use super::nodes::address_of;
use super::{CLUSTER, Conflict, Size, World};

impl World {
    pub(super) fn written(&mut self, object: &str) {
        *self.versions.entry(object.to_owned()).or_default() += 1;
    }

    pub(crate) fn label(&mut self, pod: &str, labels: &[(&str, &str)]) {
        let stored = self
            .pods
            .get_mut(pod)
            .unwrap()
            .metadata
            .labels
            .get_or_insert_default();
        for (key, value) in labels {
            stored.insert((*key).to_owned(), (*value).to_owned());
        }
        self.written(pod);
    }

    pub(crate) fn annotate(&mut self, pod: &str, key: &str, value: &str) {
        let metadata = &mut self.pods.get_mut(pod).unwrap().metadata;
        let stored = metadata.annotations.get_or_insert_default();
        stored.insert(key.to_owned(), value.to_owned());
        self.written(pod);
    }

    pub(crate) fn annotation_of(&self, pod: &str, key: &str) -> Option<String> {
        self.pods[pod].metadata.annotations.as_ref()?.get(key).cloned()
    }

    pub(crate) fn label_of(&self, pod: &str, key: &str) -> Option<String> {
        self.pods[pod].metadata.labels.as_ref()?.get(key).cloned()
    }

    pub(crate) fn uid(&self, pod: &str) -> String {
        self.pods[pod].metadata.uid.clone().unwrap()
    }

    /// Uids of the pods by name: who is another one afterwards was made anew.
    pub(crate) fn uids(&self) -> BTreeMap<String, String> {
        let names = self.pods.keys();
        names.map(|pod| (pod.clone(), self.uid(pod))).collect()
    }

    /// Which of the pods there were are other ones by now.
    pub(crate) fn made_anew_since(&self, before: &BTreeMap<String, String>) -> Vec<String> {
        let anew = before.iter().filter(|(pod, uid)| self.uid(pod) != **uid);
        anew.map(|(pod, _)| pod.clone()).collect()
    }

    pub(crate) fn edit_spec(&mut self, edit: impl FnOnce(&mut serde_json::Value)) {
        let mut value = serde_json::to_value(&self.cluster).unwrap();
        edit(&mut value["spec"]);
        value["metadata"]["generation"] = json!(self.cluster.metadata.generation.unwrap() + 1);
        self.cluster = serde_json::from_value(value).unwrap();
        self.written(CLUSTER);
    }

    pub(super) fn kube(&self) -> KubeState {
        KubeState {
            cluster: self.cluster.clone(),
            statefulsets: self.sets.values().cloned().collect(),
            pods: self.pods.values().cloned().collect(),
            services: Fact::default(),
            disruption_budget: Fact::default(),
            failed_creations: std::collections::BTreeMap::default(),
            growth: std::collections::BTreeMap::default(),
            hooks: self.hooks.clone(),
            scheduled_backups: self.scheduled_backups.clone(),
            claims: Fact::Known(
                self.claims
                    .iter()
                    .map(|(pod, (uid, _))| claim(pod, uid, &self.volumes[pod], self.kept.get(uid)))
                    .collect(),
            ),
        }
    }

    /// Carries out an effect under the versions that were read, or under none.
    pub(crate) fn execute(
        &mut self,
        effect: &Effect,
        read: Option<&BTreeMap<String, u32>>,
    ) -> Result<(), Conflict> {
        if let (Some(object), Some(read)) = (object_of(effect), read)
            && self.versions.get(&object) != read.get(&object)
        {
            return Err(Conflict);
        }
        match effect {
            Effect::RecordRing(_) => self.ring_recorded = true,
            Effect::TellPod { pod, replaces, .. } => match replaces {
                Some(address) => drop(self.told.insert(pod.clone(), *address)),
                None => drop(self.told.remove(pod)),
            },
            Effect::CreateStatefulSet(set) => {
                let name = set.metadata.name.clone().unwrap();
                let mut set = (**set).clone();
                set.metadata.uid = Some(format!("uid-of-{name}"));
                set.metadata.generation = Some(1);
                if self.sets.contains_key(&name) {
                    return Err(Conflict);
                }
                self.written(&name);
                self.sets.insert(name, set);
            }
            Effect::UpdateStatefulSet(set) => {
                let name = set.metadata.name.clone().unwrap();
                let mut set = (**set).clone();
                let before = self.sets[&name].spec.as_ref().unwrap().replicas;
                let lowered = set.spec.as_ref().unwrap().replicas < before;
                self.must(!lowered, "replicas lowered without a decommission");
                set.metadata.generation = set.metadata.generation.map(|generation| generation + 1);
                self.written(&name);
                self.sets.insert(name, set);
            }
            Effect::LowerReplicas { set, .. } => self.lower_replicas(set),
            Effect::KeepClaim { name, uid, record } => {
                if !self.claims.values().any(|(known, _)| known == uid) {
                    return Err(Conflict);
                }
                self.kept.insert(uid.clone(), record.clone());
                self.written(name);
            }
            Effect::DeleteClaim { name, uid, .. } => self.delete_claim(name, uid),
            Effect::ResetRollingRestart { dc, rack, .. } => {
                let (dc, rack) = (*dc, *rack);
                self.edit_spec(|spec| {
                    spec["topology"]["dc"][dc]["rack"][rack]["rollingRestart"] = json!(false);
                });
            }
            Effect::LabelPod(change) => return self.label_pod(change, read.is_some()),
            Effect::StopCall { key, pod, .. } => self.stop_call(key, &pod.to_string()),
            Effect::StartCall { key, pod, call, .. } => self.start_call(key, &pod.to_string(), call),
            Effect::ForgetCall(key) => {
                self.calls.remove(key);
            }
            Effect::DeletePod { pod, uid, .. } => self.delete_pod(pod, uid),
            Effect::PutBack(patch) => {
                let patch: json_patch::Patch = serde_json::from_value(json!(patch)).unwrap();
                let mut object = serde_json::to_value(&self.cluster).unwrap();
                json_patch::patch(&mut object, &patch).unwrap();
                self.edit_spec(|spec| *spec = object["spec"].clone());
            }
            Effect::KeepSpec(kept) => {
                let annotations = self.cluster.metadata.annotations.get_or_insert_default();
                annotations.insert(LAST_APPLIED_CONFIGURATION.to_owned(), kept.clone());
                self.written(CLUSTER);
            }
            Effect::DeleteStatefulSet { name, .. } => {
                let has_pods = self.pods.keys().any(|pod| pod.starts_with(&format!("{name}-")));
                self.must(!has_pods, "a StatefulSet with pods was deleted");
                self.written(name);
                self.sets.remove(name);
            }
            Effect::OrphanStatefulSet { name, .. } => {
                self.written(name);
                self.sets.remove(name);
            }
            Effect::GrowClaim { name, capacity, .. } => {
                let volume = self.volumes.get_mut(name.strip_prefix("data-").unwrap()).unwrap();
                volume.asked.clone_from(capacity);
            }
            Effect::StampClaim { .. }
            | Effect::AddFinalizer
            | Effect::RemoveFinalizer
            | Effect::ApplyService(_)
            | Effect::ApplyDisruptionBudget(_) => {}
        }
        Ok(())
    }

    fn delete_pod(&mut self, pod: &PodName, uid: &str) {
        let name = pod.to_string();
        let Some(object) = self.pods.get(&name).cloned() else {
            return;
        };
        if object.metadata.uid.as_deref() != Some(uid) {
            return;
        }
        let is_restart = |record: &OperationRecord| record.former_pod_uid.as_deref() == Some(uid);
        let restarts = self.records().any(is_restart);
        let drains = self.is_drained(pod);
        self.must(
            drains || !restarts,
            "a pod was restarted before its node was drained",
        );
        self.stop(&name);
        if let Some((_, up)) = self.members.get_mut(&address_of(&object)) {
            *up = false;
        }
    }

    fn label_pod(&mut self, change: &PodLabels, is_fenced: bool) -> Result<(), Conflict> {
        let pods = &mut self.pods;
        let stored = pods.get_mut(&change.pod.to_string()).map(|pod| &mut pod.metadata);
        let Some(stored) = stored.filter(|stored| stored.uid.as_ref() == Some(&change.uid)) else {
            return Err(Conflict);
        };
        if is_fenced && request_metadata(stored) != change.asked {
            return Err(Conflict);
        }
        let both = [
            (stored.labels.get_or_insert_default(), &change.labels),
            (stored.annotations.get_or_insert_default(), &change.annotations),
        ];
        for (stored, changes) in both {
            for (key, value) in changes {
                match value {
                    Some(value) => drop(stored.insert(key.clone(), value.clone())),
                    None => drop(stored.remove(key)),
                }
            }
        }
        self.written(&change.pod.to_string());
        Ok(())
    }

    fn lower_replicas(&mut self, set: &StatefulSet) {
        let name = set.metadata.name.clone().unwrap();
        let mut set = set.clone();
        let before = self.sets[&name].spec.as_ref().unwrap().replicas.unwrap();
        let after = set.spec.as_ref().unwrap().replicas.unwrap();
        self.must(after == before - 1, "more than one replica at once");
        let pod = self.pods.get(&format!("{name}-{after}"));
        let is_member = pod.is_some_and(|pod| self.members.contains_key(&address_of(pod)));
        self.must(!is_member, "the replica of a member was taken away");
        set.metadata.generation = set.metadata.generation.map(|generation| generation + 1);
        self.written(&name);
        self.sets.insert(name, set);
    }

    fn delete_claim(&mut self, name: &str, uid: &str) {
        let pod = name.strip_prefix("data-").unwrap().to_owned();
        let Some((known, _)) = self.claims.get(&pod) else {
            return;
        };
        if known != uid {
            return;
        }
        let host_id = self.host_id(&pod);
        // It may have come back since it was seen down.
        let fell = self.fallen.contains(&host_id);
        let told = self.told.get(&pod).filter(|_| fell);
        let is_replaced =
            |address: &IpAddr, member: &(String, bool)| told == Some(address) && member.0 == host_id;
        let mut members = self.members.iter();
        let of_member = members.any(|(address, member)| member.0 == host_id && !is_replaced(address, member));
        self.must(!of_member, "the claim of a member was deleted");
        self.claims.remove(&pod);
        self.volumes.remove(&pod);
        self.dropped_claims.push(pod);
    }
}

/// The object that an effect writes under its resourceVersion.
fn object_of(effect: &Effect) -> Option<String> {
    match effect {
        Effect::UpdateStatefulSet(set) | Effect::LowerReplicas { set, .. } => set.metadata.name.clone(),
        Effect::DeleteStatefulSet { name, .. }
        | Effect::OrphanStatefulSet { name, .. }
        | Effect::DeleteClaim { name, .. } => Some(name.clone()),
        _ => None,
    }
}

fn claim(pod: &str, uid: &str, size: &Size, kept: Option<&String>) -> PersistentVolumeClaim {
    let annotations: BTreeMap<_, _> = kept
        .map(|record| (KEPT_BY_OPERATION, record))
        .into_iter()
        .collect();
    serde_json::from_value(json!({
        "metadata": {"name": format!("data-{pod}"), "namespace": "ns", "uid": uid, "resourceVersion": "1", "annotations": annotations},
        "spec": {"resources": {"requests": {"storage": size.asked}}},
        "status": {"capacity": {"storage": size.is}},
    }))
    .unwrap()
}
