//! What `/metrics` tells. Labels are bounded: clusters and categories, never error texts.

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use casskop_core::view::tasks::TaskState;
use casskop_types::status::{CassandraClusterStatus, ClusterAction, Phase};
use casskop_types::task::TaskCommand;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::telemetry::VERSION;

type IntGauge = Gauge<i64, AtomicI64>;
type IntCounter = Counter<u64, AtomicU64>;

/// The operator's metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    cluster_phase: Family<OfCluster, IntGauge>,
    cluster_action: Family<OfCluster, IntGauge>,
    reconciles: IntCounter,
    reconcile_failures: Family<OfCategory, IntCounter>,
    reconcile_seconds: Histogram,
    jolokia_requests: IntCounter,
    jolokia_failures: Family<OfCategory, IntCounter>,
    jolokia_seconds: Histogram,
    leader: IntGauge,
    running_calls: IntGauge,
    events_dropped: IntCounter,
    tasks_ended: Family<OfTask, IntCounter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCluster {
    cluster: String,
    namespace: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCategory {
    category: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTask {
    command: &'static str,
    result: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            cluster_phase: Family::default(),
            cluster_action: Family::default(),
            reconciles: Counter::default(),
            reconcile_failures: Family::default(),
            reconcile_seconds: Histogram::new([0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
            jolokia_requests: Counter::default(),
            jolokia_failures: Family::default(),
            jolokia_seconds: Histogram::new([0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0]),
            leader: Gauge::default(),
            running_calls: Gauge::default(),
            events_dropped: Counter::default(),
            tasks_ended: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// CassKop's two gauges keep their names and numbers, because its Grafana dashboard queries them.
    fn register(&mut self) {
        let registry = &mut self.registry;
        let phase = "Phase of a cluster: 1 Initializing, 2 Running, 3 Pending";
        registry.register("cluster_phase", phase, self.cluster_phase.clone());
        let action = "Last action on a cluster: 1 UpdateConfigMap, 2 UpdateDockerImage, 3 UpdateSeedList, \
                      4 RollingRestart, 5 UpdateResources, 6 UpdateStatefulSet, 7 ScaleUp, 8 ScaleDown, \
                      9 ActionDeleteDC, 10 ActionDeleteRack, 11 CorrectCRDConfig, 12 StorageUpsize";
        registry.register("cluster_action", action, self.cluster_action.clone());

        let ours = registry.sub_registry_with_prefix("casskop");
        ours.register(
            "build",
            "Version of the operator",
            Info::new([("version", VERSION)]),
        );
        ours.register("reconciles", "Passes over a cluster", self.reconciles.clone());
        let failures = "Passes that failed, by category";
        ours.register("reconcile_failures", failures, self.reconcile_failures.clone());
        let seconds = "Duration of passes in seconds";
        ours.register(
            "reconcile_duration_seconds",
            seconds,
            self.reconcile_seconds.clone(),
        );
        ours.register(
            "jolokia_requests",
            "Requests to nodes",
            self.jolokia_requests.clone(),
        );
        let failures = "Requests to nodes that failed, by category";
        ours.register("jolokia_failures", failures, self.jolokia_failures.clone());
        let seconds = "Duration of requests to nodes in seconds";
        ours.register("jolokia_duration_seconds", seconds, self.jolokia_seconds.clone());
        ours.register(
            "leader",
            "Whether this operator leads: 1 or 0",
            self.leader.clone(),
        );
        let running = "Long calls to nodes this operator waits for";
        ours.register("running_calls", running, self.running_calls.clone());
        let dropped = "Kubernetes events not published, because too many were waiting";
        ours.register("events_dropped", dropped, self.events_dropped.clone());
        let tasks = "Tasks of datacenters that ended, by command and result";
        ours.register("tasks_ended", tasks, self.tasks_ended.clone());
    }

    /// All metrics in the `OpenMetrics` text format.
    pub fn exposition(&self) -> String {
        let mut text = String::new();
        // Writing into a `String` does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// A pass over a cluster ended.
    pub fn pass_ended(&self, took: Duration) {
        self.reconciles.inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// That pass failed.
    pub fn pass_failed(&self, category: &'static str) {
        self.reconcile_failures
            .get_or_create(&OfCategory { category })
            .inc();
    }

    /// A task of a datacenter ended. A command nobody knows is none of the labels.
    pub fn task_ended(&self, command: Option<TaskCommand>, result: TaskState) {
        let command = command.map_or("unknown", TaskCommand::as_str);
        let result = if result == TaskState::Complete {
            "complete"
        } else {
            "failed"
        };
        self.tasks_ended.get_or_create(&OfTask { command, result }).inc();
    }

    /// A request to a node ended, with the category of its failure.
    pub fn node_asked(&self, took: Duration, failure: Option<&'static str>) {
        self.jolokia_requests.inc();
        self.jolokia_seconds.observe(took.as_secs_f64());
        if let Some(category) = failure {
            self.jolokia_failures
                .get_or_create(&OfCategory { category })
                .inc();
        }
    }

    /// The state of a cluster.
    pub fn cluster(&self, namespace: &str, cluster: &str, status: &CassandraClusterStatus) {
        let labels = OfCluster {
            cluster: cluster.to_owned(),
            namespace: namespace.to_owned(),
        };
        if let Some(number) = status.phase.map(phase_number) {
            self.cluster_phase.get_or_create(&labels).set(number);
        }
        if let Some(number) = status.last_cluster_action.and_then(action_number) {
            self.cluster_action.get_or_create(&labels).set(number);
        }
    }

    /// A cluster is no more.
    pub fn cluster_gone(&self, namespace: &str, cluster: &str) {
        let labels = OfCluster {
            cluster: cluster.to_owned(),
            namespace: namespace.to_owned(),
        };
        self.cluster_phase.remove(&labels);
        self.cluster_action.remove(&labels);
    }

    /// This operator became the leader.
    pub fn leads(&self) {
        self.leader.set(1);
    }

    /// A long call to a node began.
    pub fn call_began(&self) {
        self.running_calls.inc();
    }

    /// A long call to a node ended, or is not waited for any more.
    pub fn call_ended(&self) {
        self.running_calls.dec();
    }

    /// An event was not published.
    pub fn event_dropped(&self) {
        self.events_dropped.inc();
    }
}

fn phase_number(phase: Phase) -> i64 {
    match phase {
        Phase::Initializing => 1,
        Phase::Running => 2,
        Phase::Pending => 3,
    }
}

fn action_number(action: ClusterAction) -> Option<i64> {
    Some(match action {
        ClusterAction::Initializing => return None,
        ClusterAction::UpdateConfigMap => 1,
        ClusterAction::UpdateDockerImage => 2,
        ClusterAction::UpdateSeedList => 3,
        ClusterAction::RollingRestart => 4,
        ClusterAction::UpdateResources => 5,
        ClusterAction::UpdateStatefulSet => 6,
        ClusterAction::ScaleUp => 7,
        ClusterAction::ScaleDown => 8,
        ClusterAction::ActionDeleteDc => 9,
        ClusterAction::ActionDeleteRack => 10,
        ClusterAction::CorrectCrdConfig => 11,
        ClusterAction::StorageUpsize => 12,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cassk_ops_gauges_come_and_go_with_the_cluster() {
        let metrics = Metrics::default();
        let status = CassandraClusterStatus {
            phase: Some(Phase::Running),
            last_cluster_action: Some(ClusterAction::RollingRestart),
            ..CassandraClusterStatus::default()
        };
        metrics.cluster("prod", "demo", &status);
        let text = metrics.exposition();
        assert!(
            text.contains("cluster_phase{cluster=\"demo\",namespace=\"prod\"} 2\n"),
            "{text}"
        );
        assert!(
            text.contains("cluster_action{cluster=\"demo\",namespace=\"prod\"} 4\n"),
            "{text}"
        );
        metrics.cluster_gone("prod", "demo");
        assert!(!metrics.exposition().contains("demo"));
    }

    #[test]
    fn failures_are_counted_by_category() {
        let metrics = Metrics::default();
        metrics.node_asked(Duration::from_millis(3), Some("timeout"));
        metrics.pass_failed("forbidden");
        metrics.leads();
        metrics.task_ended(Some(TaskCommand::Cleanup), TaskState::Failed);
        metrics.task_ended(None, TaskState::Complete);
        let text = metrics.exposition();
        for line in [
            "casskop_jolokia_requests_total 1",
            "casskop_jolokia_failures_total{category=\"timeout\"} 1",
            "casskop_reconcile_failures_total{category=\"forbidden\"} 1",
            "casskop_leader 1",
            "casskop_tasks_ended_total{command=\"cleanup\",result=\"failed\"} 1",
            "casskop_tasks_ended_total{command=\"unknown\",result=\"complete\"} 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }
}
