//! The StatefulSet controller, kubelets and drivers of volumes: pods come, go and are replaced.

use std::net::{IpAddr, Ipv4Addr};

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::nodes::{address_of, fxhash};
use super::{Size, World};

impl World {
    /// The StatefulSet controller and the kubelets take one step each.
    pub(crate) fn controllers(&mut self) -> bool {
        let mut moved = self.volumes_lag();
        self.volumes_grow();
        for name in self.sets.keys().cloned().collect::<Vec<_>>() {
            moved |= self.control(&name);
        }
        let up = self
            .cluster
            .status
            .as_ref()
            .is_some_and(|status| status.phase == Some(casskop_types::status::Phase::Running));
        let wanted: i32 = self
            .sets
            .values()
            .map(|set| set.spec.as_ref().unwrap().replicas.unwrap())
            .sum();
        let ready = self.pods.values().filter(|pod| is_ready(pod)).count();
        if up {
            self.most_down = self
                .most_down
                .max(usize::try_from(wanted).unwrap().saturating_sub(ready));
        }
        assert!(
            self.lenient || self.violations.is_empty(),
            "{:?}",
            self.violations
        );
        moved
    }

    /// Whether some claim asks for more than its volume has.
    pub(crate) fn volumes_lag(&self) -> bool {
        self.volumes.values().any(|volume| volume.asked != volume.is)
    }

    /// The drivers of the volumes do what the claims ask for.
    pub(crate) fn volumes_grow(&mut self) {
        for volume in self.volumes.values_mut() {
            volume.is.clone_from(&volume.asked);
        }
    }

    /// One step of the controller of one StatefulSet, with pods ready at once: create the next missing pod, or
    /// replace one pod of an old revision, never while another is not ready.
    pub(crate) fn control(&mut self, name: &str) -> bool {
        let set = self.sets[name].clone();
        let spec = set.spec.as_ref().unwrap();
        let revision = format!("{:x}", fxhash(&serde_json::to_string(&spec.template).unwrap()));
        let replicas = spec.replicas.unwrap_or(1);
        let mut moved = false;
        let mut all_new = true;
        let surplus = (replicas..100)
            .map(|ordinal| format!("{name}-{ordinal}"))
            .rfind(|pod| self.pods.contains_key(pod));
        if let Some(pod) = surplus {
            let address = address_of(&self.pods[&pod]);
            self.must(!self.members.contains_key(&address), "a member was taken away");
            self.stop(&pod);
            moved = true;
        }
        for ordinal in 0..replicas {
            let pod = format!("{name}-{ordinal}");
            if self.pods.get(&pod).is_some_and(|pod| !is_ready(pod)) {
                // Pods are made in their order, each when the one before is ready.
                break;
            }
            if !self.pods.contains_key(&pod) {
                self.create_pod(&set, name, ordinal, &revision);
                moved = true;
                break;
            }
        }
        let waits =
            (0..replicas).any(|ordinal| !self.pods.get(&format!("{name}-{ordinal}")).is_some_and(is_ready));
        let strategy = spec
            .update_strategy
            .clone()
            .and_then(|strategy| strategy.rolling_update);
        let partition = strategy.and_then(|rolling| rolling.partition).unwrap_or(0);
        all_new &= partition == 0;
        for ordinal in (partition..replicas).rev() {
            let pod = format!("{name}-{ordinal}");
            let old = self.pods.get(&pod).is_some_and(|pod| {
                pod.metadata.labels.as_ref().unwrap()["controller-revision-hash"] != revision
            });
            if old {
                all_new = false;
                if !moved && !waits {
                    let address = address_of(&self.pods[&pod]);
                    self.must(
                        !self.in_flight.contains_key(&pod),
                        "a node was restarted under its work",
                    );
                    let other = self.drained_but(&pod);
                    self.must(!other, "a node was rolled while another was drained");
                    let moves = self.moves_but(&pod);
                    self.must(!moves, "a node was rolled while another moved");
                    self.stop(&pod);
                    if let Some((_, up)) = self.members.get_mut(&address) {
                        *up = false;
                    }
                    moved = true;
                }
                break;
            }
        }
        let updated = i32::try_from(
            self.pods
                .iter()
                .filter(|(pod, object)| {
                    pod.starts_with(&format!("{name}-"))
                        && object.metadata.labels.as_ref().unwrap()["controller-revision-hash"] == revision
                })
                .count(),
        )
        .unwrap();
        let stored = self.sets.get_mut(name).unwrap();
        let before = stored.status.clone();
        let status = stored.status.get_or_insert_default();
        status.observed_generation = stored.metadata.generation;
        status.replicas = replicas;
        status.updated_replicas = Some(updated);
        status.update_revision = Some(revision.clone());
        if all_new && updated == replicas {
            status.current_revision = Some(revision);
        }
        let noticed = before != stored.status;
        if noticed {
            self.written(name);
        }
        moved || noticed
    }

    fn create_pod(&mut self, set: &StatefulSet, name: &str, ordinal: i32, revision: &str) {
        let pod = format!("{name}-{ordinal}");
        self.next += 1;
        let former = self
            .dropped_claims
            .iter()
            .filter(|dropped| **dropped == pod)
            .count();
        let next = self.next;
        self.claims
            .entry(pod.clone())
            .or_insert_with(|| (format!("claim-uid-{next}"), u32::try_from(former).unwrap()));
        let size = data_size(set);
        self.volumes.entry(pod.clone()).or_insert_with(|| Size {
            asked: size.clone(),
            is: size,
        });
        let host_id = self.host_id(&pod);
        let is_alone = self.members.values().all(|(id, _)| *id == host_id);
        let is_member = self.members.values().any(|(id, _)| *id == host_id);
        self.must(
            is_alone || is_member || self.ring_recorded,
            "a second node was started before the ring was recorded",
        );
        let moves = self.moves_but(&pod);
        self.must(is_member || !moves, "a node came while another moved");
        let known = self
            .members
            .iter()
            .find(|(_, (id, _))| *id == host_id)
            .map(|(ip, _)| *ip);
        if let Some(old) = known {
            self.members.remove(&old);
        }
        let address = IpAddr::V4(Ipv4Addr::from(0x7f01_0000 + self.next));
        let template = set.spec.as_ref().unwrap().template.spec.as_ref().unwrap();
        let image = template
            .containers
            .iter()
            .find_map(|container| container.image.clone())
            .unwrap();
        // Heeded on a fresh disk only, and refused where there is no such node, or it is up.
        let told = self.told.get(&pod).copied().filter(|_| self.pods_read);
        let joined_before = self.ever_joined.contains(&host_id);
        let replaced = told.filter(|_| !joined_before);
        let may_replace =
            replaced.is_none_or(|address| self.members.get(&address).is_some_and(|member| !member.1));
        let ready = !self.broken.contains(&pod)
            && !self.bad_images.contains(&image)
            && !self.decommissioned.contains(&host_id)
            && may_replace;
        if ready {
            if let Some(address) = replaced {
                self.members.remove(&address);
            }
            self.ever_joined.insert(host_id.clone());
            self.members.insert(address, (host_id, true));
        }
        let mut labels = set
            .spec
            .as_ref()
            .unwrap()
            .template
            .metadata
            .as_ref()
            .unwrap()
            .labels
            .clone()
            .unwrap();
        labels.insert("controller-revision-hash".to_owned(), revision.to_owned());
        let waits = json!([{"name": "cassandra", "image": image, "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff"}}}]);
        let containers = if self.bad_images.contains(&image) {
            waits
        } else {
            json!([])
        };
        let message = match (self.pods_read, told) {
            (true, Some(address)) => format!("casskop-bootstrap record=read replaces={address}"),
            (true, None) => "casskop-bootstrap record=read".to_owned(),
            (false, _) => "casskop-bootstrap record=unread".to_owned(),
        };
        let prepares = template.init_containers.iter().flatten();
        let bootstrap: Vec<_> = prepares
            .filter(|container| container.name == "bootstrap")
            .collect();
        let init = json!([{"name": "bootstrap", "image": bootstrap[0].image, "imageID": "", "ready": true, "restartCount": 0,
            "state": {"terminated": {"exitCode": 0, "message": message}}}]);
        let object = serde_json::from_value(json!({
            "metadata": {
                "name": pod, "namespace": "ns", "uid": format!("pod-uid-{}", self.next), "labels": labels,
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name,
                    "uid": set.metadata.uid, "controller": true}],
            },
            "spec": {"initContainers": bootstrap, "containers": [], "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": format!("data-{pod}")}}]},
            "status": {"podIP": address, "initContainerStatuses": init, "containerStatuses": containers, "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]},
        }))
        .unwrap();
        self.images.insert(format!("pod-uid-{}", self.next), image);
        self.pods.insert(pod, object);
    }
}

/// The size of the data volumes that a StatefulSet makes.
pub(crate) fn data_size(set: &StatefulSet) -> String {
    let templates = set.spec.as_ref().unwrap().volume_claim_templates.as_ref();
    let data = templates.and_then(|templates| templates.first());
    let requests = data.and_then(|data| data.spec.as_ref()?.resources.as_ref()?.requests.as_ref());
    requests.map_or_else(String::new, |requests| requests["storage"].0.clone())
}

pub(crate) fn set_ready(pod: &mut Pod, to: &str) {
    let status = pod.status.as_mut().unwrap();
    to.clone_into(&mut status.conditions.as_mut().unwrap()[0].status);
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
