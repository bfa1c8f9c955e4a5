//! The grounds on which something may be destroyed.

use std::net::IpAddr;

use casskop_types::cluster::CassandraCluster;
use casskop_types::labels::CLUSTER_UID;
use casskop_types::names::PodName;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::observed::RingView;
use crate::rack::{PodView, Rack};
use crate::ring::{self, Nodes};

/// Proof that a node's claim and pod may be deleted. Only this module makes one, from facts of the same pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licence {
    ground: Ground,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Ground {
    LeftTheRing {
        host_id: String,
        witness: PodName,
    },
    NeverJoined {
        pod: PodName,
        witness: PodName,
    },
    Replaced {
        host_id: String,
        address: IpAddr,
        witness: PodName,
    },
    ClusterDeleted {
        uid: String,
    },
    Empty {
        statefulset: String,
    },
}

/// The licence for a node that left the ring, as another node says: its host id is no member any more.
pub fn left_the_ring(host_id: &str, witness: &PodName, view: &RingView) -> Option<Licence> {
    // A view without a single member is no testimony: every node knows at least itself.
    let testimony = !view.host_ids.is_empty() && !view.has_member(host_id);
    testimony.then(|| Licence {
        ground: Ground::LeftTheRing {
            host_id: host_id.to_owned(),
            witness: witness.clone(),
        },
    })
}

/// The licence for a lost node whose place is taken: its host id and address were recorded, and it is a member that is down, as
/// another node says.
pub fn replaced(host_id: &str, address: IpAddr, witness: &PodName, view: &RingView) -> Option<Licence> {
    let known = view.host_ids.get(&address);
    let is_it = known.is_some_and(|known| known.eq_ignore_ascii_case(host_id));
    let is_down = view.unreachable.contains(&address) && !view.live.contains(&address);
    (is_it && is_down).then(|| Licence {
        ground: Ground::Replaced {
            host_id: host_id.to_owned(),
            address,
            witness: witness.clone(),
        },
    })
}

/// The licence for a StatefulSet that has no replica and no pod, and that nobody but this cluster owns.
pub fn empty(set: &StatefulSet, pods: &[Pod], cluster_uid: &str) -> Option<Licence> {
    let (name, uid) = (set.metadata.name.clone()?, set.metadata.uid.as_deref()?);
    let no_replicas = set.spec.as_ref()?.replicas == Some(0);
    let no_pods = !pods.iter().any(|pod| is_controlled_by(&pod.metadata, uid));
    let ours = is_controlled_by(&set.metadata, cluster_uid);
    (no_replicas && no_pods && ours).then_some(Licence {
        ground: Ground::Empty { statefulset: name },
    })
}

/// The licence for the claims of a cluster object that is being deleted together with them.
pub fn cluster_deleted(cluster: &CassandraCluster) -> Option<Licence> {
    let going = cluster.metadata.deletion_timestamp.is_some() && cluster.spec.delete_pvc == Some(true);
    let uid = cluster.metadata.uid.clone().filter(|uid| !uid.is_empty())?;
    going.then_some(Licence {
        ground: Ground::ClusterDeleted { uid },
    })
}

/// The licence for a pod whose node never joined, as other nodes say: every member they know is the node of another
/// pod, and this pod, if it is there, is not ready.
///
/// That all members are up would not do: gossip takes its time to miss a node that has just gone.
pub fn never_joined(
    name: &PodName,
    pod: Option<&PodView<'_>>,
    racks: &[Rack<'_>],
    nodes: &Nodes,
) -> Option<Licence> {
    if pod.is_some_and(PodView::is_ready) {
        return None;
    }
    let views = ring::views(nodes);
    let (witness, _) = views.iter().find(|(witness, _)| *witness != name)?;
    let others: Vec<_> = racks
        .iter()
        .flat_map(|rack| &rack.pods)
        .filter(|other| other.name != *name && other.is_ready())
        .filter_map(|other| other.address)
        .collect();
    let all_are_others = |view: &RingView| {
        !view.host_ids.is_empty() && view.host_ids.keys().all(|member| others.contains(member))
    };
    let joins = |view: &RingView| {
        let address = pod.and_then(|pod| pod.address);
        address.is_some_and(|address| view.joining.contains(&address))
    };
    let never = views.iter().all(|(_, view)| all_are_others(view) && !joins(view));
    never.then(|| Licence {
        ground: Ground::NeverJoined {
            pod: name.clone(),
            witness: (*witness).clone(),
        },
    })
}

impl std::fmt::Display for Licence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.ground {
            Ground::LeftTheRing { host_id, witness } => {
                write!(
                    f,
                    "host id {host_id} is no member of the ring, as pod {witness} sees it"
                )
            }
            Ground::Replaced {
                host_id,
                address,
                witness,
            } => {
                write!(
                    f,
                    "host id {host_id} at {address} is down and its place is taken, as pod {witness} sees the ring"
                )
            }
            Ground::Empty { statefulset } => {
                write!(f, "statefulset {statefulset} has no replica and no pod")
            }
            Ground::ClusterDeleted { uid } => {
                write!(f, "the cluster object {uid} is being deleted with deletePVC")
            }
            Ground::NeverJoined { pod, witness } => {
                write!(
                    f,
                    "the node of pod {pod} never joined the ring, as pod {witness} sees it"
                )
            }
        }
    }
}

/// Whether a claim is proved to be this cluster's, by uid and not by name: a claim of the same name may be left from
/// an earlier cluster (casskop #316). Either it carries the cluster's stamp, or a pod mounts it whose StatefulSet
/// this cluster object owns.
pub fn is_ours(
    claim: &PersistentVolumeClaim,
    cluster_uid: &str,
    statefulsets: &[StatefulSet],
    pods: &[Pod],
) -> bool {
    let stamp = claim
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(CLUSTER_UID));
    match stamp {
        Some(stamp) => stamp == cluster_uid,
        None => pods
            .iter()
            .any(|pod| mounts(pod, claim) && owned_through(pod, statefulsets, cluster_uid)),
    }
}

fn mounts(pod: &Pod, claim: &PersistentVolumeClaim) -> bool {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes
        .filter_map(|volume| volume.persistent_volume_claim.as_ref())
        .any(|source| Some(&source.claim_name) == claim.metadata.name.as_ref())
}

fn owned_through(pod: &Pod, statefulsets: &[StatefulSet], cluster_uid: &str) -> bool {
    statefulsets.iter().any(|set| {
        let set_uid = set.metadata.uid.as_deref().unwrap_or_default();
        !set_uid.is_empty()
            && is_controlled_by(&pod.metadata, set_uid)
            && is_controlled_by(&set.metadata, cluster_uid)
    })
}

/// Whether the object's controller is the one with this uid.
pub fn is_controlled_by(object: &ObjectMeta, uid: &str) -> bool {
    object
        .owner_references
        .iter()
        .flatten()
        .any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cass-operator #973: an answer that failed was taken for a ring without the node.
    #[test]
    fn only_a_ring_with_members_and_without_the_node_proves_that_it_left() {
        let witness: PodName = "demo-dc1-rack1-0".parse().unwrap();
        let table: [(&[&str], bool); 4] = [
            (&[], false),
            (&["a-host", "that-left"], false),
            (&["A-HOST", "THAT-LEFT"], false),
            (&["a-host"], true),
        ];
        for (members, left) in table {
            let hosts = (1..).map(|last| [127, 0, 0, last].into());
            let view = RingView {
                host_ids: hosts.zip(members.iter().map(|id| (*id).to_owned())).collect(),
                ..RingView::default()
            };
            assert_eq!(
                left_the_ring("that-left", &witness, &view).is_some(),
                left,
                "{members:?}"
            );
        }
    }
}
