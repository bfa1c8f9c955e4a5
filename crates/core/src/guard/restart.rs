//! Which racks to restart.

use casskop_types::status::{ActionStatus, ClusterAction};

use super::{RackAt, Refusal};
use crate::view::{ClusterView, RackRef, RackView};

/// The racks a restart is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RackSelection {
    /// These.
    Racks(Vec<RackRef>),
    /// All of these datacenters.
    Datacenters(Vec<String>),
    /// All of the cluster.
    Full,
}

/// A restart that may be asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestartPlan {
    /// Racks to ask for, in the order of the spec.
    pub ask: Vec<RackRef>,
    /// Racks for which the same is already asked and has not begun: once is enough.
    pub queued: Vec<RackRef>,
}

/// Looks at every rack of the selection before any is asked for.
pub fn restart(cluster: &ClusterView, selection: &RackSelection) -> Result<RestartPlan, Refusal> {
    let mut plan = RestartPlan::default();
    for rack in selected(cluster, selection)? {
        match turn(cluster, rack)? {
            Turn::Ask => plan.ask.push(rack.rack.clone()),
            Turn::Queued => plan.queued.push(rack.rack.clone()),
        }
    }
    Ok(plan)
}

enum Turn {
    Ask,
    Queued,
}

fn turn(cluster: &ClusterView, rack: &RackView) -> Result<Turn, Refusal> {
    if rack.restart_asked {
        return Ok(Turn::Queued);
    }
    if let Some(action) = rack.action.as_ref().filter(|action| action.is_pending()) {
        if (action.name, action.status) == (ClusterAction::RollingRestart, ActionStatus::ToDo) {
            return Ok(Turn::Queued);
        }
        return Err(Refusal::RackInAction {
            at: Box::new(at(cluster, rack)),
            action: action.name,
            status: action.status,
            started: action.started,
        });
    }
    if let Some(operation) = &rack.operation {
        return Err(Refusal::RackInOperation {
            at: Box::new(at(cluster, rack)),
            operation: operation.name,
            pod: operation.pod.clone(),
            started: operation.started,
        });
    }
    Ok(Turn::Ask)
}

fn at(cluster: &ClusterView, rack: &RackView) -> RackAt {
    RackAt {
        namespace: cluster.namespace.clone(),
        cluster: cluster.name.clone(),
        rack: rack.rack.clone(),
    }
}

/// The racks of a selection, in the order of the spec.
pub fn selected_racks(cluster: &ClusterView, selection: &RackSelection) -> Result<Vec<RackRef>, Refusal> {
    let racks = selected(cluster, selection)?;
    Ok(racks.into_iter().map(|rack| rack.rack.clone()).collect())
}

fn selected<'a>(cluster: &'a ClusterView, selection: &RackSelection) -> Result<Vec<&'a RackView>, Refusal> {
    check_racks(cluster, selection)?;
    let wanted = |rack: &&RackView| match selection {
        RackSelection::Full => true,
        RackSelection::Datacenters(names) => names.contains(&rack.rack.dc),
        RackSelection::Racks(racks) => racks.contains(&rack.rack),
    };
    Ok(cluster.racks.iter().filter(wanted).collect())
}

/// Whether every name of a selection is one of the cluster.
pub(super) fn check_racks(cluster: &ClusterView, selection: &RackSelection) -> Result<(), Refusal> {
    match selection {
        RackSelection::Full => Ok(()),
        RackSelection::Datacenters(names) => names.iter().try_for_each(|dc| check_datacenter(cluster, dc)),
        RackSelection::Racks(racks) => racks.iter().try_for_each(|rack| {
            cluster.rack(rack).map(drop).ok_or_else(|| Refusal::NoSuchRack {
                cluster: cluster.name.clone(),
                rack: rack.clone(),
                known: cluster.racks.iter().map(|known| known.rack.clone()).collect(),
            })
        }),
    }
}

/// Whether the cluster has a datacenter.
pub(super) fn check_datacenter(cluster: &ClusterView, dc: &str) -> Result<(), Refusal> {
    let known = cluster.datacenters();
    if known.contains(&dc) {
        return Ok(());
    }
    Err(Refusal::NoSuchDatacenter {
        cluster: cluster.name.clone(),
        dc: dc.to_owned(),
        known: known.into_iter().map(str::to_owned).collect(),
    })
}
