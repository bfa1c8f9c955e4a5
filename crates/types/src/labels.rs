//! Every label, annotation and finalizer, and the label sets of the objects of a cluster.
//!
//! The names are CassKop's, because selectors of a running StatefulSet cannot be changed and users' tools select by them.

use std::collections::BTreeMap;

use crate::names::{ClusterName, RackId};

/// A label set, as in `metadata.labels`.
pub type Labels = BTreeMap<String, String>;

/// Label: [`APP_VALUE`] on everything of a cluster.
pub const APP: &str = "app";
/// Value of the label [`APP`].
pub const APP_VALUE: &str = "cassandracluster";
/// Label: name of the cluster.
pub const CLUSTER: &str = "cassandracluster";
/// Label: `<dc>-<rack>`.
pub const DC_RACK: &str = "dc-rack";
/// Label: name of the datacenter.
pub const DC: &str = "cassandraclusters.db.orange.com.dc";
/// Label: name of the rack.
pub const RACK: &str = "cassandraclusters.db.orange.com.rack";
/// Label of a pod template: time of the last rolling restart asked for.
pub const ROLLING_RESTART: &str = "rolling-restart";
/// Label of the exporter's Service, by which a `ServiceMonitor` finds it.
pub const EXPORTER: &str = "k8s-app";
/// Value of the label [`EXPORTER`].
pub const EXPORTER_VALUE: &str = "exporter-cassandra-jmx";

/// Label of a pod: operation asked for.
pub const OPERATION_NAME: &str = "operation-name";
/// Label of a pod: state of that operation.
pub const OPERATION_STATUS: &str = "operation-status";
/// Label of a pod: argument of that operation.
pub const OPERATION_ARGUMENT: &str = "operation-argument";
/// Label of a pod: when that operation began, see [`crate::time::label_time`].
pub const OPERATION_START: &str = "operation-start";
/// Label of a pod: when that operation ended, see [`crate::time::label_time`].
pub const OPERATION_END: &str = "operation-end";

/// Annotation of a pod: an operation's argument that no label value can hold (over 63 characters, or an IPv6 address).
/// Counts only where the label [`OPERATION_ARGUMENT`] is absent.
pub const OPERATION_ARGUMENT_ANNOTATION: &str = "cassandraclusters.db.orange.com/operation-argument";
/// Annotation of a pod: who asked for the operation.
pub const OPERATION_REQUESTED_BY: &str = "cassandraclusters.db.orange.com/operation-requested-by";
/// Annotation of a pod: name of the operation that is to end, be it queued or running on the pod.
pub const OPERATION_ABORT: &str = "cassandraclusters.db.orange.com/operation-abort";
/// Annotation of a pod: how many operations may run at once in its rack when the one asked for starts, see
/// [`Parallelism`](crate::operation::Parallelism).
pub const OPERATION_PARALLELISM: &str = "cassandraclusters.db.orange.com/operation-parallelism";
/// Annotation of a pod: which tables the operation is about, and how it is done, as JSON of
/// [`TableOptions`](crate::operation::TableOptions).
pub const OPERATION_OPTIONS: &str = "cassandraclusters.db.orange.com/operation-options";
/// Annotation of a pod: the options of the operation whose end the labels show. They are no options of a later request by label.
pub const OPERATION_ENDED_OPTIONS: &str = "cassandraclusters.db.orange.com/operation-ended-options";
/// Annotation of a claim: uid of the cluster object it was made for. A claim of the same name may be left from an earlier cluster.
pub const CLUSTER_UID: &str = "cassandraclusters.db.orange.com/cluster-uid";
/// Annotation of a claim: the operation that was to delete it and does not.
pub const KEPT_BY_OPERATION: &str = "cassandraclusters.db.orange.com/kept-by-operation";
/// Annotation of a cluster: the spec that was accepted last, as CassKop keeps it.
pub const LAST_APPLIED_CONFIGURATION: &str = "cassandraclusters.db.orange.com/last-applied-configuration";
/// Annotation of a cluster: `true` (in any case) turns off bringing up the first pod of each rack first.
pub const DISABLE_FIRST_POD_PER_RACK: &str =
    "cassandraclusters.db.orange.com/disable-first-pod-per-rack-init-flow";
/// Annotation of a cluster: `true` (in any case) keeps the operator from doing anything with it, except to let it be deleted.
pub const PAUSED: &str = "cassandraclusters.db.orange.com/paused";
/// Annotation of a pod template: digest of the content of the ConfigMap that `spec.configMapName` names, once it has changed.
pub const CONFIG_MAP_CONTENT: &str = "cassandraclusters.db.orange.com/config-map-content";
/// Annotation of a StatefulSet: CassKop's copy of what it generated.
pub const STATEFUL_SET_LAST_APPLIED: &str = "banzaicloud.com/last-applied";

/// Finalizer of a cluster whose volumes are to be deleted with it.
pub const DELETE_PVC_FINALIZER: &str = "kubernetes.io/pvc-to-delete";

/// Labels, and selector, of what belongs to the whole cluster: the cluster object's own labels under ours.
pub fn cluster_labels(of_cluster_object: &Labels, cluster: &ClusterName) -> Labels {
    let mut labels = of_cluster_object.clone();
    labels.insert(APP.to_owned(), APP_VALUE.to_owned());
    labels.insert(CLUSTER.to_owned(), cluster.to_string());
    labels
}

/// Labels of what belongs to one rack: its StatefulSet, pods and claims. For objects that exist, the StatefulSet's stored selector
/// counts instead: it cannot change, while the cluster object's labels can.
pub fn rack_labels(of_cluster_object: &Labels, cluster: &ClusterName, rack: &RackId) -> Labels {
    let mut labels = cluster_labels(of_cluster_object, cluster);
    labels.insert(DC_RACK.to_owned(), rack.to_string());
    labels.insert(DC.to_owned(), rack.dc.to_string());
    labels.insert(RACK.to_owned(), rack.rack.to_string());
    labels
}

/// A selector text for an API server's list or watch: every label of the set.
pub fn selector(labels: &Labels) -> String {
    let terms: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    terms.join(",")
}

/// Whether a text may be the value of a label: at most 63 letters, digits, `-`, `_` and `.`, letters or digits at both ends.
pub fn is_label_value(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= 63
        && text.chars().all(inner)
        && text.chars().next().is_none_or(|c| c.is_ascii_alphanumeric())
        && text.chars().next_back().is_none_or(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn own_labels_win_over_the_cluster_objects() {
        let own = set(&[
            ("cluster", "k8s.pic"),
            ("app", "something-else"),
            ("dc-rack", "wrong"),
        ]);
        let cluster = "cassandra-demo".parse().unwrap();
        assert_eq!(
            cluster_labels(&own, &cluster),
            set(&[
                ("app", "cassandracluster"),
                ("cassandracluster", "cassandra-demo"),
                ("cluster", "k8s.pic"),
                ("dc-rack", "wrong"),
            ])
        );
        assert_eq!(
            rack_labels(&own, &cluster, &"dc1-rack1".parse().unwrap()),
            set(&[
                ("app", "cassandracluster"),
                ("cassandracluster", "cassandra-demo"),
                ("cassandraclusters.db.orange.com.dc", "dc1"),
                ("cassandraclusters.db.orange.com.rack", "rack1"),
                ("cluster", "k8s.pic"),
                ("dc-rack", "dc1-rack1"),
            ])
        );
    }

    #[test]
    fn a_selector_names_every_label() {
        let labels = cluster_labels(&Labels::new(), &"demo".parse().unwrap());
        assert_eq!(selector(&labels), "app=cassandracluster,cassandracluster=demo");
    }

    #[test]
    fn label_values_follow_the_rule_of_kubernetes() {
        let longest = "a".repeat(63);
        for text in [
            "",
            "a",
            "dc1",
            "demo-dc1-rack1-0_10.0.0.1",
            "A.b_c-9",
            longest.as_str(),
        ] {
            assert!(is_label_value(text), "{text}");
        }
        let too_long = "a".repeat(64);
        for text in [
            "demo-dc1-rack1-0_",
            "_10.0.0.1",
            "2001:db8::1",
            "a b",
            "é",
            too_long.as_str(),
        ] {
            assert!(!is_label_value(text), "{text}");
        }
    }
}
