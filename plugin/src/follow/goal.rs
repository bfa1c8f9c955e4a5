//! What is waited for, and how far it is: decided from views alone.

use casskop_core::view::{ActionView, ClusterView, OperationView, PodState, RackRef};
use casskop_types::operation::{OperationName, OperationStatus};
use casskop_types::status::{ActionStatus, ClusterAction};
use jiff::Timestamp;

use super::leaving::LeavingGoal;
use super::outliving::OutlivingGoal;

/// What a request was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Racks of a cluster are restarted.
    Restart { cluster: String, racks: Vec<RackGoal> },
    /// An operation on pods ends.
    Operation {
        name: OperationName,
        until: Until,
        pods: Vec<PodGoal>,
    },
    /// Operations that outlive the pods they were asked on end.
    Outliving(Vec<OutlivingGoal>),
    /// Racks of a cluster have fewer nodes.
    Leaving {
        cluster: String,
        racks: Vec<LeavingGoal>,
    },
}

/// Which end of an operation is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// That it ends well.
    Done,
    /// Any: whoever ends it early has not asked for more.
    Ended,
}

/// A rack that was asked to restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RackGoal {
    rack: RackRef,
    /// When the restart before this one was accepted: its `Done` is not ours.
    before: Option<Timestamp>,
    /// The operator has taken our request up.
    accepted: bool,
}

/// A pod that was asked for an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodGoal {
    /// Its cluster.
    pub(crate) cluster: String,
    /// Its name.
    pub(crate) pod: String,
    /// Its uid: a new pod of that name has not been asked.
    pub(crate) uid: String,
}

/// One thing that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// `rack dc1.rack1`, `pod demo-dc1-rack1-0`.
    pub(crate) what: String,
    /// How far it is.
    pub(crate) state: ItemState,
    /// More about that, or nothing.
    pub(crate) detail: String,
    /// Since when.
    pub(crate) since: Option<Timestamp>,
}

/// How far something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemState {
    /// Written, not taken up.
    Asked,
    /// Taken up, waits for its turn.
    Queued,
    /// Being done.
    Running,
    /// Ended well.
    Done,
    /// Ended badly.
    Failed,
}

impl Until {
    fn of(self, item: Item) -> Item {
        match item.state {
            ItemState::Failed if self == Self::Ended => Item {
                state: ItemState::Done,
                ..item
            },
            _ => item,
        }
    }
}

impl ItemState {
    /// The state in a word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// Everything that is waited for, and what it all waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) items: Vec<Item>,
    /// `cluster demo: pod ... is not ready`.
    pub(crate) waiting: Vec<String>,
}

/// Whether to go on waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wait,
    Done,
    /// With what failed, and why.
    Failed(String),
}

impl Progress {
    /// One failure ends the waiting: whatever else was asked for goes on without us.
    pub(crate) fn verdict(&self) -> Verdict {
        if let Some(item) = self.items.iter().find(|item| item.state == ItemState::Failed) {
            return Verdict::Failed(format!("{}: {}", item.what, item.detail));
        }
        if self.items.iter().all(|item| item.state == ItemState::Done) {
            Verdict::Done
        } else {
            Verdict::Wait
        }
    }

    /// What is not done yet, for messages.
    pub(crate) fn open(&self) -> String {
        let open: Vec<&str> = self
            .items
            .iter()
            .filter(|item| item.state != ItemState::Done)
            .map(|item| item.what.as_str())
            .collect();
        match open.as_slice() {
            [] => "nothing".to_owned(),
            [first, second, third, rest @ ..] if !rest.is_empty() => {
                format!("{first}, {second}, {third} and {} more", rest.len())
            }
            few => few.join(", "),
        }
    }
}

impl RackGoal {
    /// From the cluster as it was before the request was written.
    pub(crate) fn new(before: &ClusterView, rack: &RackRef) -> Self {
        let action = before.rack(rack).and_then(|rack| rack.action.as_ref());
        let restart = action.filter(|action| action.name == ClusterAction::RollingRestart);
        Self {
            rack: rack.clone(),
            before: restart
                .filter(|action| !action.is_pending())
                .and_then(|action| action.started),
            accepted: restart.is_some_and(ActionView::is_pending),
        }
    }

    fn look(&mut self, cluster: &ClusterView) -> Item {
        let what = format!("rack {}", self.rack);
        let item = |state, detail: String, since| Item {
            what: what.clone(),
            state,
            detail,
            since,
        };
        let Some(rack) = cluster.rack(&self.rack) else {
            return item(
                ItemState::Failed,
                format!("cassandracluster `{}` has it no more", cluster.name),
                None,
            );
        };
        let action = rack.action.as_ref();
        let restart = action.filter(|action| action.name == ClusterAction::RollingRestart);
        let ours =
            restart.filter(|action| self.accepted || action.is_pending() || action.started != self.before);
        self.accepted |= ours.is_some();
        match ours {
            None if self.accepted => item(ItemState::Done, "restarted".to_owned(), None),
            None => item(ItemState::Asked, not_taken_up(action), None),
            Some(action) => match action.status {
                ActionStatus::Done => item(ItemState::Done, "restarted".to_owned(), action.started),
                ActionStatus::ToDo => {
                    item(ItemState::Queued, "waits for its turn".to_owned(), action.started)
                }
                ActionStatus::Ongoing
                | ActionStatus::Continue
                | ActionStatus::Configuring
                | ActionStatus::Finalizing => {
                    item(ItemState::Running, unready(cluster, &self.rack), action.started)
                }
            },
        }
    }
}

fn not_taken_up(action: Option<&ActionView>) -> String {
    match action.filter(|action| action.is_pending()) {
        Some(action) => format!("after {}, which is {}", action.name, action.status),
        None => "not taken up by the operator yet".to_owned(),
    }
}

/// The nodes of a rack that are not in service.
fn unready(cluster: &ClusterView, rack: &RackRef) -> String {
    let of_rack = || cluster.nodes.iter().filter(|node| node.rack == *rack);
    let unready: Vec<String> = of_rack()
        .filter(|node| node.state != PodState::Ready)
        .map(|node| format!("{} is {}", node.pod, node.state))
        .collect();
    if unready.is_empty() {
        match of_rack().count() {
            1 => "1 node ready".to_owned(),
            count => format!("{count} nodes ready"),
        }
    } else {
        unready.join(", ")
    }
}

impl PodGoal {
    fn look(&self, cluster: Option<&ClusterView>, name: OperationName) -> Item {
        let item = |state, detail: String, since| Item {
            what: format!("pod {}", self.pod),
            state,
            detail,
            since,
        };
        let Some(cluster) = cluster else {
            return item(
                ItemState::Failed,
                format!("cassandracluster `{}` was deleted", self.cluster),
                None,
            );
        };
        let node = cluster.nodes.iter().find(|node| node.uid == self.uid);
        let Some(operation) = cluster.operation(&self.uid, name) else {
            let detail = if node.is_some() {
                "the request was taken back"
            } else {
                "the pod was deleted"
            };
            return item(ItemState::Failed, detail.to_owned(), None);
        };
        let has_ended = matches!(operation.status, OperationStatus::Done | OperationStatus::Error);
        if node.is_none() && !has_ended {
            return item(
                ItemState::Failed,
                "the pod was deleted".to_owned(),
                operation.started,
            );
        }
        of_operation(&self.pod, operation)
    }
}

/// How far an operation on a pod is.
pub(super) fn of_operation(pod: &str, operation: &OperationView) -> Item {
    let detail = |otherwise: &str| operation.message.clone().unwrap_or_else(|| otherwise.to_owned());
    let (state, detail, since) = match operation.status {
        OperationStatus::Done => (ItemState::Done, operation.name.to_string(), operation.started),
        OperationStatus::Error => (
            ItemState::Failed,
            detail("no reason given; see the events of the cluster"),
            operation.started,
        ),
        OperationStatus::ToDo => (ItemState::Queued, detail("waits for its turn"), None),
        OperationStatus::Manual | OperationStatus::Paused => {
            (ItemState::Queued, format!("is {}", operation.status), None)
        }
        OperationStatus::Ongoing | OperationStatus::Finalizing | OperationStatus::Continue => (
            ItemState::Running,
            detail(operation.name.as_str()),
            operation.started,
        ),
    };
    Item {
        what: format!("pod {pod}"),
        state,
        detail,
        since,
    }
}

impl Goal {
    /// How far everything is. Remembers what it has seen, so it must see the views in their order.
    pub(crate) fn look(&mut self, views: &[ClusterView]) -> Progress {
        let of = |name: &str| views.iter().find(|view| view.name == name);
        let items = match self {
            Self::Restart { cluster, racks } => match of(cluster) {
                Some(view) => racks.iter_mut().map(|rack| rack.look(view)).collect(),
                None => racks.iter().map(|rack| gone(&rack.rack, cluster)).collect(),
            },
            Self::Operation { name, until, pods } => pods
                .iter()
                .map(|pod| until.of(pod.look(of(&pod.cluster), *name)))
                .collect(),
            Self::Outliving(pods) => pods.iter().map(|pod| pod.look(of(&pod.cluster))).collect(),
            Self::Leaving { cluster, racks } => match of(cluster) {
                Some(view) => racks.iter().map(|rack| rack.look(view)).collect(),
                None => racks.iter().map(|rack| gone(&rack.rack, cluster)).collect(),
            },
        };
        Progress {
            items,
            waiting: self.waiting(views),
        }
    }

    /// How to see the rest of it once nobody waits any more. A restart that has begun is not asked for again.
    pub(crate) fn next(&self, namespace: &str) -> String {
        match self {
            Self::Restart { cluster, .. } | Self::Leaving { cluster, .. } => {
                format!(
                    "watch it with `kubectl get cassandracluster {cluster} --namespace {namespace} --watch`"
                )
            }
            Self::Operation { .. } | Self::Outliving(_) => {
                "run the same command again to go on waiting".to_owned()
            }
        }
    }

    fn waiting(&self, views: &[ClusterView]) -> Vec<String> {
        let ours = |name: &String| match self {
            Self::Restart { cluster, .. } | Self::Leaving { cluster, .. } => cluster == name,
            Self::Operation { pods, .. } => pods.iter().any(|pod| pod.cluster == *name),
            Self::Outliving(pods) => pods.iter().any(|pod| pod.cluster == *name),
        };
        let waits =
            |view: &ClusterView| Some(format!("{} waits: {}", view.name, view.waiting.as_ref()?.message));
        views
            .iter()
            .filter(|view| ours(&view.name))
            .filter_map(waits)
            .collect()
    }
}

fn gone(rack: &RackRef, cluster: &str) -> Item {
    Item {
        what: format!("rack {rack}"),
        state: ItemState::Failed,
        detail: format!("cassandracluster `{cluster}` was deleted"),
        since: None,
    }
}
