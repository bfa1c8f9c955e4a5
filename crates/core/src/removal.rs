//! Datacenters that go: emptied node after node, and only then removed.

use casskop_types::cluster::CassandraCluster;
use casskop_types::conditions::ConditionReason;
use casskop_types::labels::DC;
use casskop_types::names::RackId;
use casskop_types::status::{ActionStatus, CassandraClusterStatus, ClusterAction};
use k8s_openapi::api::apps::v1::StatefulSet;

use crate::action;
use crate::blocker::Blocker;
use crate::correct::{self, Correction, Emptiness};
use crate::effect::Effect;
use crate::licence;
use crate::observed::KubeState;
use crate::operations::{Scene, decommission};
use crate::rack::Rack;
use crate::steps::Steps;

/// Whether any StatefulSet or pod of a datacenter is left with nodes.
pub(crate) fn emptiness(kube: &KubeState, dc: &str) -> Emptiness {
    let of_dc = |labels: &Option<casskop_types::labels::Labels>| {
        labels
            .as_ref()
            .and_then(|labels| labels.get(DC))
            .map(String::as_str)
            == Some(dc)
    };
    let has_replicas = |set: &StatefulSet| set.spec.as_ref().is_none_or(|spec| spec.replicas != Some(0));
    let mut sets = kube.statefulsets.iter();
    let nodes = sets.any(|set| of_dc(&set.metadata.labels) && has_replicas(set))
        || kube.pods.iter().any(|pod| of_dc(&pod.metadata.labels))
        || is_finishing(kube, dc);
    if nodes { Emptiness::Nodes } else { Emptiness::Empty }
}

/// Whether a node of a datacenter is on its way out still: its claim goes last.
fn is_finishing(kube: &KubeState, dc: &str) -> bool {
    let of_dc = |rack: &str| rack.parse().is_ok_and(|id: RackId| id.dc.as_str() == dc);
    let status = kube
        .cluster
        .status
        .iter()
        .flat_map(|status| &status.cassandra_rack_status);
    status
        .filter(|(rack, _)| of_dc(rack))
        .any(|(_, rack_status)| decommission::under_way(rack_status).is_some())
}

/// What is known of racks whose datacenter is to be emptied and is not yet: whether it may be.
pub(crate) fn emptied(scene: Scene<'_>) -> Vec<(&Rack<'_>, Result<(), Blocker>)> {
    let emptied = scene
        .racks
        .iter()
        .filter(|rack| rack.desired.nodes == 0 && rack.replicas() > 0);
    emptied
        .map(|rack| (rack, action::may_be_emptied(scene, rack)))
        .collect()
}

/// Puts back that a datacenter is to be emptied while keyspaces have replicas in it.
pub(crate) fn kept_full(
    cluster: &CassandraCluster,
    emptied: &[(&Rack<'_>, Result<(), Blocker>)],
) -> Option<Correction> {
    emptied.iter().find_map(|(rack, judgement)| {
        let refused = judgement.as_ref().err()?;
        let at_risk = refused.reason == ConditionReason::DataAtRisk;
        at_risk
            .then(|| correct::keep_nodes(cluster, rack.desired.id.dc.as_str(), &refused.note))
            .flatten()
    })
}

/// Deletes the StatefulSets of datacenters that the spec has no more, once they are empty.
pub(crate) fn remove_datacenters(scene: Scene<'_>, status: &mut CassandraClusterStatus, steps: &mut Steps) {
    let kube = &scene.observed.kube;
    let wanted = |name: &str| {
        let mut racks = scene.cluster.racks.iter();
        racks.any(|rack| scene.cluster.stateful_set_name(&rack.id) == name)
    };
    for set in &kube.statefulsets {
        let name = set.metadata.name.clone().unwrap_or_default();
        if wanted(&name) || !licence::is_controlled_by(&set.metadata, &scene.cluster.uid) {
            continue;
        }
        let Some(licence) = licence::empty(set, &kube.pods, &scene.cluster.uid) else {
            let note = format!(
                "statefulset {name} is not in the topology any more and has nodes: it is left alone; put its datacenter back, \
                 and set its nodesPerRacks to 0 first"
            );
            steps.wait_for(Blocker::new(ConditionReason::DataAtRisk, note));
            continue;
        };
        if set.metadata.deletion_timestamp.is_some() {
            continue;
        }
        status.last_cluster_action = Some(ClusterAction::ActionDeleteDc);
        status.last_cluster_action_status = Some(ActionStatus::Done);
        steps.tell(
            "DatacenterRemoved",
            format!("statefulset {name} is deleted: its datacenter was removed"),
        );
        steps.effects.push(Effect::DeleteStatefulSet {
            name,
            uid: set.metadata.uid.clone().unwrap_or_default(),
            resource_version: set.metadata.resource_version.clone().unwrap_or_default(),
            licence,
        });
    }
    let is_there = |rack: &String| {
        let wanted = scene
            .cluster
            .racks
            .iter()
            .any(|known| known.id.to_string() == *rack);
        let stored = |id: RackId| {
            let name = scene.cluster.stateful_set_name(&id);
            kube.statefulsets
                .iter()
                .any(|set| set.metadata.name.as_deref() == Some(name.as_str()))
        };
        wanted || rack.parse().is_ok_and(stored)
    };
    status.cassandra_rack_status.retain(|rack, _| is_there(rack));
}
