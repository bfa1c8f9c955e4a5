//! Which requests may be held back, let go or ended. Only one that has not begun waits for anything.

use casskop_types::operation::OperationStatus;

use super::change::PodChange;
use super::pods::{PodPlan, PodScope, PodSelection, selected, target};
use super::refusal::Refusal;
use crate::call::can_be_stopped;
use crate::view::{ClusterView, NodeView};

/// What becomes of one pod.
enum Turn {
    Write,
    /// It is so already.
    IsSo(OperationStatus),
    No,
}

/// Looks at every pod of the selection. Pods without such a request are passed over, unless they are named.
pub(super) fn held(
    clusters: &[ClusterView],
    selection: &PodSelection,
    change: &PodChange,
) -> Result<PodPlan, Refusal> {
    let mut plan = PodPlan::default();
    for (cluster, node) in selected(clusters, selection)? {
        match turn(node, change) {
            Turn::Write => plan.ask.push(target(cluster, node)),
            Turn::IsSo(status) => plan.asked.push((target(cluster, node), status)),
            Turn::No if matches!(selection.scope, PodScope::Named(_)) => {
                return Err(Refusal::PodNotHeld {
                    pod: node.pod.clone(),
                    operation: change.operation(),
                    wanted: wanted(change),
                    status: status(node, change),
                });
            }
            Turn::No => {}
        }
    }
    if plan.ask.is_empty() && plan.asked.is_empty() {
        return Err(Refusal::NothingHeld {
            what: selection.scope.to_string(),
            operation: change.operation(),
            wanted: wanted(change),
        });
    }
    Ok(plan)
}

/// What a request must be to be changed so.
fn wanted(change: &PodChange) -> &'static str {
    match change {
        PodChange::Ask(..) | PodChange::Unpause(_) => "Paused",
        PodChange::Pause(_) => "ToDo",
        PodChange::Abort(name) if can_be_stopped(*name) => "ToDo, Paused or Ongoing",
        // What runs of it cannot be stopped.
        PodChange::Abort(_) => "ToDo or Paused",
    }
}

fn turn(node: &NodeView, change: &PodChange) -> Turn {
    use OperationStatus::{Continue, Finalizing, Ongoing, Paused, ToDo};
    let Some(status) = status(node, change) else {
        return Turn::No;
    };
    match (change, status) {
        (PodChange::Pause(_), ToDo)
        | (PodChange::Unpause(_), Paused)
        | (PodChange::Abort(_), ToDo | Paused) => Turn::Write,
        (PodChange::Abort(name), Ongoing | Finalizing | Continue) if can_be_stopped(*name) => Turn::Write,
        _ if change.status() == Some(status) => Turn::IsSo(status),
        _ => Turn::No,
    }
}

/// How far the operation is that the pod's labels ask for.
fn status(node: &NodeView, change: &PodChange) -> Option<OperationStatus> {
    let request = node.request.as_ref()?;
    (request.name == change.operation()).then_some(request.status)
}

#[cfg(test)]
mod tests {
    use casskop_types::operation::OperationName;
    use insta::assert_snapshot;

    use super::*;
    use crate::view::tests::{cluster, pod};

    fn views() -> Vec<ClusterView> {
        let pods = [
            pod(
                0,
                "u0",
                "operation-name: cleanup, operation-status: ToDo",
                "not ready",
            ),
            pod(
                1,
                "u1",
                "operation-name: cleanup, operation-status: Paused",
                "ready",
            ),
            pod(
                2,
                "u2",
                "operation-name: cleanup, operation-status: Ongoing",
                "ready",
            ),
            pod(
                3,
                "u3",
                "operation-name: rebuild, operation-status: ToDo",
                "ready",
            ),
        ];
        vec![ClusterView::of(&cluster(), &pods)]
    }

    fn on(scope: PodScope, change: &PodChange) -> Result<PodPlan, Refusal> {
        held(&views(), &PodSelection { cluster: None, scope }, change)
    }

    fn named(pod: &str) -> PodScope {
        PodScope::Named(vec![pod.to_owned()])
    }

    #[test]
    fn only_what_has_not_begun_is_held_back() {
        let plan = on(PodScope::All, &PodChange::Pause(OperationName::Cleanup)).unwrap();
        assert_eq!(plan.ask[0].pod, "demo-dc1-rack1-0");
        assert_eq!(plan.ask.len(), 1);
        assert_eq!(plan.asked[0].0.pod, "demo-dc1-rack1-1");
        let plan = on(PodScope::All, &PodChange::Unpause(OperationName::Cleanup)).unwrap();
        assert_eq!(plan.ask[0].pod, "demo-dc1-rack1-1");
        assert_eq!(plan.ask.len(), 1);
    }

    #[test]
    fn whatever_has_not_ended_may_be_ended() {
        let plan = on(PodScope::All, &PodChange::Abort(OperationName::Cleanup)).unwrap();
        let pods: Vec<&str> = plan.ask.iter().map(|target| target.pod.as_str()).collect();
        assert_eq!(pods, ["demo-dc1-rack1-0", "demo-dc1-rack1-1", "demo-dc1-rack1-2"]);
        assert!(plan.asked.is_empty());
        let plan = on(PodScope::All, &PodChange::Abort(OperationName::Rebuild)).unwrap();
        assert_eq!(plan.ask.len(), 1);
    }

    #[test]
    fn where_nothing_waits_is_said() {
        let pause = PodChange::Pause(OperationName::Cleanup);
        assert_snapshot!(
            on(named("demo-dc1-rack1-2"), &pause).unwrap_err(),
            @"pod `demo-dc1-rack1-2` has no cleanup that is ToDo: it is Ongoing; see `kubectl get pod demo-dc1-rack1-2 --label-columns operation-name,operation-status`"
        );
        assert_snapshot!(
            on(named("demo-dc1-rack1-3"), &pause).unwrap_err(),
            @"pod `demo-dc1-rack1-3` has no cleanup that is ToDo; see `kubectl get pod demo-dc1-rack1-3 --label-columns operation-name,operation-status`"
        );
        assert_snapshot!(
            on(PodScope::Prefix("demo".to_owned()), &PodChange::Unpause(OperationName::UpgradeSstables)).unwrap_err(),
            @"--prefix demo selects no pod whose upgradesstables is Paused; see `kubectl get pods --selector operation-name=upgradesstables --label-columns operation-status`"
        );
        let runs = [pod(
            0,
            "u0",
            "operation-name: flush, operation-status: Ongoing",
            "ready",
        )];
        let views = [ClusterView::of(&cluster(), &runs)];
        let all = PodSelection {
            cluster: None,
            scope: named("demo-dc1-rack1-0"),
        };
        assert_snapshot!(
            held(&views, &all, &PodChange::Abort(OperationName::Flush)).unwrap_err(),
            @"pod `demo-dc1-rack1-0` has no flush that is ToDo or Paused: it is Ongoing; see `kubectl get pod demo-dc1-rack1-0 --label-columns operation-name,operation-status`"
        );
    }
}
