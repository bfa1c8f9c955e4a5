//! Waiting for a replacement or a restart, which outlives the pod it was asked on: it goes on under the pod's name.

use casskop_core::guard::PodTarget;
use casskop_core::view::{ClusterView, OperationView};
use casskop_types::operation::{OperationName, OperationStatus};
use jiff::Timestamp;

use super::goal::{Item, ItemState, of_operation};

/// A pod whose node is to be replaced, or restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutlivingGoal {
    /// Its cluster.
    pub(crate) cluster: String,
    /// Its name.
    pod: String,
    /// Uid of the pod that was asked.
    uid: String,
    /// The operation.
    operation: OperationName,
    /// When the last one of it under that name began, if it has ended: it is not ours.
    before: Option<Timestamp>,
}

impl OutlivingGoal {
    /// From the clusters as they were before the request was written.
    pub(crate) fn new(before: &[ClusterView], operation: OperationName, target: &PodTarget) -> Self {
        let cluster = before.iter().find(|view| view.name == target.cluster);
        let ended = cluster
            .into_iter()
            .flat_map(|view| operations(view, operation, &target.pod))
            .filter(|operation| has_ended(operation));
        Self {
            cluster: target.cluster.clone(),
            pod: target.pod.clone(),
            uid: target.uid.clone(),
            operation,
            before: ended.filter_map(|operation| operation.started).max(),
        }
    }

    pub(super) fn look(&self, cluster: Option<&ClusterView>) -> Item {
        let item = |state, detail: String| Item {
            what: format!("pod {}", self.pod),
            state,
            detail,
            since: None,
        };
        let Some(cluster) = cluster else {
            let deleted = format!("cassandracluster `{}` was deleted", self.cluster);
            return item(ItemState::Failed, deleted);
        };
        let known = || operations(cluster, self.operation, &self.pod);
        let of_asked = known().find(|operation| operation.pod_uid == self.uid);
        let is_new = |operation: &&OperationView| !has_ended(operation) || operation.started > self.before;
        let newest = || known().filter(is_new).max_by_key(|operation| operation.started);
        let node = cluster.nodes.iter().find(|node| node.pod == self.pod);
        let is_asked = |uid: &str| uid == self.uid;
        match (of_asked, node) {
            // The labels of the pod that was asked are the newest there is.
            (Some(operation), Some(node)) if is_asked(&node.uid) => of_operation(&self.pod, operation),
            (None, Some(node)) if is_asked(&node.uid) => {
                item(ItemState::Failed, "the request was taken back".to_owned())
            }
            (_, node) => match (newest(), node) {
                (Some(operation), _) => of_operation(&self.pod, operation),
                (None, None) => item(ItemState::Asked, "its pod is being made anew".to_owned()),
                (None, Some(_)) => item(
                    ItemState::Failed,
                    "the pod was deleted before the operator took the request up; ask again".to_owned(),
                ),
            },
        }
    }
}

fn operations<'a>(
    view: &'a ClusterView,
    name: OperationName,
    pod: &str,
) -> impl Iterator<Item = &'a OperationView> {
    view.operations
        .iter()
        .filter(move |operation| operation.pod == pod && operation.name == name)
}

fn has_ended(operation: &OperationView) -> bool {
    matches!(operation.status, OperationStatus::Done | OperationStatus::Error)
}

#[cfg(test)]
mod tests {
    use casskop_types::CassandraCluster;
    use k8s_openapi::api::core::v1::Pod;
    use rstest::rstest;

    use super::*;

    const POD: &str = "demo-dc1-rack1-1";

    fn view(operation: OperationName, records: &[&str], pod: Option<(&str, &str)>) -> ClusterView {
        let records: Vec<String> = records
            .iter()
            .map(|record| format!("{{id: x, name: {operation}, pod: {POD}, attempt: 1, {record}}}"))
            .collect();
        let records = records.join(", ");
        let cluster: CassandraCluster = serde_yaml::from_str(&format!(
            "{{metadata: {{name: demo, namespace: data}}, spec: {{}},
               status: {{cassandraRackStatus: {{dc1-rack1: {{operations: [{records}]}}}}}}}}"
        ))
        .unwrap();
        let pod = pod.map(|(uid, labels)| -> Pod {
            let labels = labels.replace("replace", operation.as_str());
            serde_yaml::from_str(&format!(
                "{{metadata: {{name: {POD}, uid: {uid}, labels: {{cassandracluster: demo, {labels}}}}}}}"
            ))
            .unwrap()
        });
        ClusterView::of(&cluster, &Vec::from_iter(pod))
    }

    const OLD: &str = "podUid: u0, state: Done, startTime: '2026-11-21T07:00:00Z'";
    const OURS: &str = "podUid: u1, state: Finalizing, startTime: '2026-11-21T08:00:00Z'";
    const MOVED: &str =
        "podUid: u2, state: Finalizing, startTime: '2026-11-21T08:00:00Z', message: its pod is not ready";
    const DONE: &str = "podUid: u2, state: Done, startTime: '2026-11-21T08:00:00Z'";
    const FAILED: &str =
        "podUid: u1, state: Error, startTime: '2026-11-21T08:00:00Z', message: pod is ready again";
    const TO_DO: &str = "operation-name: replace, operation-status: ToDo";
    const ONGOING: &str = "operation-name: replace, operation-status: Ongoing";
    const ENDED: &str = "operation-name: replace, operation-status: Done";

    fn goal(operation: OperationName) -> OutlivingGoal {
        let target = PodTarget {
            cluster: "demo".to_owned(),
            pod: POD.to_owned(),
            uid: "u1".to_owned(),
            resource_version: "7".to_owned(),
        };
        OutlivingGoal::new(&[view(operation, &[OLD], Some(("u1", "")))], operation, &target)
    }

    #[rstest]
    #[case::asked(&[OLD], Some(("u1", TO_DO)), ItemState::Queued)]
    #[case::begun(&[OLD, OURS], Some(("u1", ONGOING)), ItemState::Running)]
    #[case::its_pod_is_gone(&[OLD, OURS], None, ItemState::Running)]
    #[case::news_of_the_record_are_late(&[OLD], None, ItemState::Asked)]
    #[case::the_next_pod(&[OLD, OURS], Some(("u2", "")), ItemState::Running)]
    #[case::followed_to_the_next_pod(&[OLD, MOVED], Some(("u2", ONGOING)), ItemState::Running)]
    #[case::done(&[OLD, DONE], Some(("u2", ENDED)), ItemState::Done)]
    #[case::done_and_its_pod_deleted(&[OLD, DONE], None, ItemState::Done)]
    #[case::came_back(&[OLD, FAILED], Some(("u1", "operation-name: replace, operation-status: Error")), ItemState::Failed)]
    #[case::failed_without_a_pod(&[OLD, FAILED], None, ItemState::Failed)]
    #[case::taken_back(&[OLD], Some(("u1", "operation-name: cleanup, operation-status: ToDo")), ItemState::Failed)]
    #[case::forgotten(&[OLD], Some(("u2", "")), ItemState::Failed)]
    fn it_is_followed_under_the_name_of_its_pod(
        #[case] records: &[&str],
        #[case] pod: Option<(&str, &str)>,
        #[case] state: ItemState,
        #[values(OperationName::Replace, OperationName::Restart)] operation: OperationName,
    ) {
        let item = goal(operation).look(Some(&view(operation, records, pod)));
        assert_eq!(item.state, state, "{item:?}");
    }

    #[test]
    fn a_deleted_cluster_ends_it() {
        assert_eq!(goal(OperationName::Restart).look(None).state, ItemState::Failed);
    }
}
