//! Pods that came back under each other's addresses, as after a reboot of their machines. To the ring the address belongs to another
//! node, so Cassandra refuses to start there, time and again. A pod made anew gets another address.

use casskop_types::conditions::ConditionReason;
use casskop_types::status::CassandraClusterStatus;

use crate::blocker::Blocker;
use crate::effect::Effect;
use crate::operations::Scene;
use crate::rack::{self, PodView, Rack};
use crate::ring;
use crate::steps::Steps;

/// Restarts of Cassandra's container after which the reason is looked for, whether or not pods are to be deleted for it.
const RESTARTS: i32 = 2;

/// How long the container is given to stop: it never served.
const GRACE_SECONDS: u32 = 30;

/// Whether the ring has to be asked: some node restarts again and again.
pub(crate) fn is_suspected(racks: &[Rack<'_>]) -> bool {
    racks.iter().flat_map(|rack| &rack.pods).any(restarts_in_vain)
}

/// Deletes a pod that has another node's address, after as many restarts as the spec says; one in a pass.
pub(crate) fn repair(scene: Scene<'_>, status: &CassandraClusterStatus, steps: &mut Steps) {
    let pods = scene.racks.iter().flat_map(|rack| &rack.pods);
    let crossed = pods.filter(|pod| restarts_in_vain(pod) && has_anothers_address(scene, pod, status));
    for pod in crossed {
        let address = pod
            .address
            .map_or_else(String::new, |address| address.to_string());
        let note = format!(
            "pod {} came back under {address}, where the ring knows another node",
            pod.name
        );
        let patience = scene.cluster.restarts_before_pod_deletion;
        if patience.is_some_and(|patience| rack::restarts(pod.object) > patience) {
            steps.tell(
                "PodReplaced",
                format!("{note}: it is made anew, to get another address"),
            );
            steps.effects.push(Effect::DeletePod {
                pod: pod.name.clone(),
                uid: pod.uid.to_owned(),
                grace_seconds: GRACE_SECONDS,
            });
            return;
        }
        if patience.is_none() {
            let note =
                format!("{note}: delete it, or set spec.restartCountBeforePodDeletion to have that done");
            steps.wait_for(Blocker::new(ConditionReason::PodBlocked, note));
        }
    }
}

fn restarts_in_vain(pod: &PodView<'_>) -> bool {
    !pod.is_ready() && rack::restarts(pod.object) > RESTARTS
}

/// The ring knows the node of another pod under the pod's address. A node that joins is known by a host id that nobody has recorded
/// yet.
fn has_anothers_address(scene: Scene<'_>, pod: &PodView<'_>, status: &CassandraClusterStatus) -> bool {
    let Some(address) = pod.address else { return false };
    let views = ring::views(&scene.observed.nodes);
    if views.iter().any(|(_, view)| view.joining.contains(&address)) {
        return false;
    }
    let known = views.iter().find_map(|(_, view)| view.host_ids.get(&address));
    let recorded_for_another = |host_id: &String| {
        let nodes = status.cassandra_node_status.iter();
        let mut others = nodes.filter(|(name, _)| **name != pod.name.to_string());
        others.any(|(_, node)| node.host_id.as_ref() == Some(host_id))
    };
    known.is_some_and(recorded_for_another)
}
