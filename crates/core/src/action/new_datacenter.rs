//! Datacenters that are added to a ring that holds data. Their nodes join without any: first a keyspace has to replicate there,
//! which only users can say, and then each node streams what it holds from another datacenter (`rebuild`).

use casskop_types::conditions::ConditionReason;
use casskop_types::operation::OperationName;
use casskop_types::status::CassandraClusterStatus;
use jiff::SignedDuration;

use super::all_settled;
use super::follow_up::{FollowUp, Pursuit, Queued};
use crate::blocker::Blocker;
use crate::operations::Scene;
use crate::rack::Rack;
use crate::replication::Replication;
use crate::steps::Steps;

/// How soon the replication is read again: no watch tells of an ALTER KEYSPACE.
const REPLICATION_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// Whether a rack is of a datacenter without nodes, or without data yet, while another one has some.
pub(super) fn is_new(scene: Scene<'_>, rack: &Rack<'_>) -> bool {
    let (own, others): (Vec<_>, Vec<_>) = scene
        .racks
        .iter()
        .partition(|other| other.desired.id.dc == rack.desired.id.dc);
    let stored = scene.observed.kube.cluster.status.as_ref();
    let awaits_data = |rack: &Rack<'_>| stored.is_some_and(|stored| awaits(rack, stored));
    let holds_nothing =
        own.iter().all(|rack| rack.replicas() == 0) || own.iter().any(|rack| awaits_data(rack));
    holds_nothing && others.iter().any(|rack| rack.replicas() > 0)
}

/// The racks that wait for their data and could get it.
pub(crate) fn awaiting<'a>(racks: &'a [Rack<'a>], status: &CassandraClusterStatus) -> Vec<&'a Rack<'a>> {
    if !all_settled(racks, status) {
        return Vec::new();
    }
    racks
        .iter()
        .filter(|rack| rack.replicas() > 0 && awaits(rack, status))
        .collect()
}

fn awaits(rack: &Rack<'_>, status: &CassandraClusterStatus) -> bool {
    let rack_status = status.rack(&rack.desired.id);
    rack_status.is_some_and(|rack_status| rack_status.awaits_rebuild == Some(true))
}

/// Queues the rebuild of nodes whose datacenter has got replicas, and says of the others what they wait for.
pub(super) fn follow_up(scene: Scene<'_>, status: &mut CassandraClusterStatus, steps: &mut Steps) {
    let stored = scene.observed.kube.cluster.status.as_ref();
    let asked = stored.map_or_else(Vec::new, |stored| awaiting(scene.racks, stored));
    for rack in awaiting(scene.racks, status) {
        if asked.iter().all(|other| other.desired.id != rack.desired.id) {
            // It has only just come up: from the next pass on its nodes are asked.
            steps.look_again_after(SignedDuration::ZERO);
            continue;
        }
        let source = match source(scene, rack) {
            Ok(source) => source,
            Err(blocker) => {
                steps.look_again_after(REPLICATION_AGAIN);
                steps.wait_for(blocker);
                continue;
            }
        };
        let rebuild = Pursuit {
            follow_up: FollowUp {
                name: OperationName::Rebuild,
                argument: Some(source.datacenter),
            },
            since: None,
        };
        let rack_status = status.cassandra_rack_status.get_mut(&rack.desired.id.to_string());
        let Some(rack_status) = rack_status else { continue };
        if rebuild.is_over(rack, rack_status) {
            rack_status.awaits_rebuild = None;
            continue;
        }
        let queued = rebuild.queue(scene, rack, rack_status, steps);
        if queued == Queued::NotYet && !source.left_out.is_empty() {
            let note = format!(
                "rack {} is rebuilt without {}, which do not replicate there: after an ALTER KEYSPACE ask for a rebuild again",
                rack.desired.id,
                source.left_out.join(", ")
            );
            steps.warn("KeyspacesLeftOut", note);
        }
    }
}

/// Where a rack's nodes get their data.
struct Source<'a> {
    /// The datacenter to stream from.
    datacenter: &'a str,
    /// Users' keyspaces that it has and the rack's datacenter has not.
    left_out: Vec<&'a str>,
}

/// The datacenter that has most of the users' keyspaces that replicate here; of several the first in the spec.
fn source<'a>(scene: Scene<'a>, rack: &Rack<'_>) -> Result<Source<'a>, Blocker> {
    let dc = rack.desired.id.dc.as_str();
    let own_view = rack
        .pods
        .iter()
        .find_map(|pod| scene.observed.nodes.get(&pod.name)?.replication.known());
    let Some(known) = own_view else {
        let note = format!("no node of datacenter {dc} tells which keyspaces replicate there");
        return Err(Blocker::new(ConditionReason::NodesUnreachable, note));
    };
    let here = user_keyspaces_of(known, dc);
    let others = scene
        .racks
        .iter()
        .filter(|other| other.desired.id.dc != rack.desired.id.dc && other.replicas() > 0);
    let in_common = |there: &[&str]| there.iter().filter(|keyspace| here.contains(keyspace)).count();
    // Of equals `max_by_key` takes the last.
    let best = others
        .map(|other| other.desired.id.dc.as_str())
        .map(|other| (other, user_keyspaces_of(known, other)))
        .rev()
        .max_by_key(|(_, there)| in_common(there));
    match best {
        Some((datacenter, there)) if in_common(&there) > 0 => Ok(Source {
            datacenter,
            left_out: there
                .into_iter()
                .filter(|keyspace| !here.contains(keyspace))
                .collect(),
        }),
        _ => {
            let note = format!(
                "datacenter {dc} holds no data: let keyspaces replicate there (ALTER KEYSPACE), and its nodes are rebuilt"
            );
            Err(Blocker::new(ConditionReason::NoReplicas, note))
        }
    }
}

/// The users' keyspaces that have replicas in a datacenter.
fn user_keyspaces_of<'a>(replication: &'a Replication, dc: &str) -> Vec<&'a str> {
    let is_users = |name: &str| !name.starts_with("system_") && name != "system";
    replication
        .iter()
        .filter(|(name, replicas)| {
            is_users(name) && replicas.per_datacenter.get(dc).is_some_and(|count| *count > 0)
        })
        .map(|(name, _)| name.as_str())
        .collect()
}
