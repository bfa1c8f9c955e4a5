//! What is waited for, over the views an operator's work gives in turn.

use casskop_core::view::ClusterView;
use casskop_types::CassandraCluster;
use casskop_types::operation::OperationName;
use k8s_openapi::api::core::v1::Pod;

use super::goal::{Goal, ItemState, PodGoal, RackGoal, Until, Verdict};
use super::{Change, Picture};

fn cluster(flag: bool, action: &str) -> CassandraCluster {
    let text = format!(
        "
        metadata: {{name: demo, namespace: data}}
        spec: {{topology: {{dc: [{{name: dc1, rack: [{{name: rack1, rollingRestart: {flag}}}]}}]}}}}
        status: {{cassandraRackStatus: {{dc1-rack1: {{cassandraLastAction: {{{action}}}}}}}}}
        "
    );
    serde_yaml::from_str(&text).unwrap()
}

fn view(flag: bool, action: &str) -> ClusterView {
    ClusterView::of(&cluster(flag, action), &[])
}

const OLD_DONE: &str = "name: RollingRestart, status: Done, startTime: '2026-11-21T07:00:00Z'";
const NEW_TODO: &str = "name: RollingRestart, status: ToDo, startTime: '2026-11-21T08:00:00Z'";
const NEW_ONGOING: &str = "name: RollingRestart, status: Ongoing, startTime: '2026-11-21T08:00:00Z'";
const NEW_DONE: &str = "name: RollingRestart, status: Done, startTime: '2026-11-21T08:00:00Z'";

fn restart(before: &ClusterView) -> Goal {
    let rack = "dc1.rack1".parse().unwrap();
    Goal::Restart {
        cluster: "demo".to_owned(),
        racks: vec![RackGoal::new(before, &rack)],
    }
}

/// The state of the only item after each view.
fn states(goal: &mut Goal, views: &[ClusterView]) -> Vec<ItemState> {
    views
        .iter()
        .map(|view| goal.look(std::slice::from_ref(view)).items[0].state)
        .collect()
}

#[test]
fn an_older_restart_that_is_done_is_not_ours() {
    use ItemState::{Asked, Done, Queued, Running};
    let mut goal = restart(&view(false, OLD_DONE));
    let turns = [
        view(true, OLD_DONE),
        view(false, OLD_DONE),
        view(false, NEW_TODO),
        view(false, NEW_ONGOING),
        view(false, NEW_DONE),
    ];
    assert_eq!(states(&mut goal, &turns), [Asked, Asked, Queued, Running, Done]);
}

#[test]
fn a_restart_is_over_though_its_course_was_missed() {
    assert_eq!(
        states(&mut restart(&view(false, OLD_DONE)), &[view(false, NEW_DONE)]),
        [ItemState::Done]
    );
    // The next action took its place before we looked again.
    let next = "name: UpdateSeedList, status: Ongoing, startTime: '2026-11-21T08:30:00Z'";
    let mut goal = restart(&view(false, OLD_DONE));
    assert_eq!(
        states(&mut goal, &[view(false, NEW_ONGOING), view(false, next)]),
        [ItemState::Running, ItemState::Done]
    );
}

#[test]
fn a_restart_that_was_queued_by_somebody_else_is_waited_for() {
    let mut goal = restart(&view(false, NEW_TODO));
    assert_eq!(
        states(&mut goal, &[view(false, NEW_TODO), view(false, NEW_DONE)]),
        [ItemState::Queued, ItemState::Done]
    );
}

#[test]
fn another_action_is_not_our_restart() {
    let other = "name: UpdateConfigMap, status: Done, startTime: '2026-11-21T08:00:00Z'";
    let mut goal = restart(&view(false, OLD_DONE));
    assert_eq!(states(&mut goal, &[view(true, other)]), [ItemState::Asked]);
}

#[test]
fn a_deleted_cluster_ends_the_waiting() {
    let progress = restart(&view(false, OLD_DONE)).look(&[]);
    assert_eq!(
        progress.verdict(),
        Verdict::Failed("rack dc1.rack1: cassandracluster `demo` was deleted".to_owned())
    );
}

fn pod(version: &str, status: &str) -> Pod {
    let text = format!(
        "
        metadata:
          name: demo-dc1-rack1-0
          uid: u0
          resourceVersion: '{version}'
          labels: {{cassandracluster: demo, operation-name: cleanup, operation-status: {status}}}
        status: {{phase: Running}}
        "
    );
    serde_yaml::from_str(&text).unwrap()
}

fn cleanup() -> Goal {
    let pod = PodGoal {
        cluster: "demo".to_owned(),
        pod: "demo-dc1-rack1-0".to_owned(),
        uid: "u0".to_owned(),
    };
    Goal::Operation {
        name: OperationName::Cleanup,
        until: Until::Done,
        pods: vec![pod],
    }
}

fn picture(pods: Vec<Pod>) -> Picture {
    Picture::new(vec![cluster(false, OLD_DONE)], pods)
}

#[test]
fn news_from_before_our_write_is_not_the_end_of_our_request() {
    let mut picture = picture(vec![pod("5", "Done")]);
    picture.written(pod("7", "ToDo"));
    let mut goal = cleanup();
    let mut look = |picture: &Picture| goal.look(&picture.views()).items[0].state;
    assert_eq!(look(&picture), ItemState::Queued);
    picture.pods(Change::Applied(pod("6", "Done")));
    assert_eq!(look(&picture), ItemState::Queued);
    picture.pods(Change::Applied(pod("7", "ToDo")));
    picture.pods(Change::Applied(pod("8", "Ongoing")));
    assert_eq!(look(&picture), ItemState::Running);
    picture.pods(Change::Applied(pod("9", "Done")));
    assert_eq!(look(&picture), ItemState::Done);
}

#[test]
fn a_write_that_changed_nothing_is_not_waited_for() {
    let mut picture = picture(vec![pod("5", "Ongoing")]);
    picture.written(pod("5", "Ongoing"));
    picture.pods(Change::Applied(pod("6", "Done")));
    assert_eq!(cleanup().look(&picture.views()).verdict(), Verdict::Done);
}

#[test]
fn a_relist_is_newer_than_our_write() {
    let mut picture = picture(vec![]);
    picture.written(pod("7", "ToDo"));
    picture.pods(Change::All(vec![pod("12", "Done")]));
    assert_eq!(cleanup().look(&picture.views()).verdict(), Verdict::Done);
}

#[test]
fn errors_and_deleted_pods_end_the_waiting_with_a_reason() {
    let mut picture = picture(vec![pod("7", "Error")]);
    assert_eq!(
        cleanup().look(&picture.views()).verdict(),
        Verdict::Failed("pod demo-dc1-rack1-0: no reason given; see the events of the cluster".to_owned())
    );
    picture.pods(Change::Deleted(pod("8", "Ongoing")));
    assert_eq!(
        cleanup().look(&picture.views()).verdict(),
        Verdict::Failed("pod demo-dc1-rack1-0: the pod was deleted".to_owned())
    );
}

#[test]
fn a_new_pod_of_the_same_name_was_not_asked() {
    let mut newer = pod("9", "Done");
    newer.metadata.uid = Some("u1".to_owned());
    let verdict = cleanup().look(&picture(vec![newer]).views()).verdict();
    assert_eq!(
        verdict,
        Verdict::Failed("pod demo-dc1-rack1-0: the pod was deleted".to_owned())
    );
}
