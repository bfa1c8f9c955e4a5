//! JSON patches (RFC 6902) of the cluster object. Each begins with what it was planned on, so that it fails where the object is
//! another one by now.

use casskop_core::effect::Effect;
use casskop_types::cluster::CassandraCluster;
use casskop_types::labels::{DELETE_PVC_FINALIZER, LAST_APPLIED_CONFIGURATION};
use serde_json::{Value, json};

/// The patch that carries out an effect on the cluster object; `None` if there is nothing to do, or it is about another object.
pub(crate) fn of(effect: &Effect, planned_on: &CassandraCluster) -> Option<Value> {
    match effect {
        Effect::ResetRollingRestart {
            dc,
            dc_name,
            rack,
            rack_name,
        } => {
            let place = format!("/spec/topology/dc/{dc}/rack/{rack}");
            Some(json!([
                same_object(planned_on),
                { "op": "test", "path": format!("/spec/topology/dc/{dc}/name"), "value": dc_name },
                { "op": "test", "path": format!("{place}/name"), "value": rack_name },
                { "op": "test", "path": format!("{place}/rollingRestart"), "value": true },
                { "op": "replace", "path": format!("{place}/rollingRestart"), "value": false },
            ]))
        }
        Effect::PutBack(edits) => {
            let generation = planned_on.metadata.generation;
            let same_spec = json!({ "op": "test", "path": "/metadata/generation", "value": generation });
            let mut patch = vec![same_object(planned_on), same_spec];
            patch.extend(edits.iter().cloned());
            Some(Value::Array(patch))
        }
        Effect::KeepSpec(kept) => Some(keep(planned_on, kept)),
        Effect::AddFinalizer => Some(add(planned_on)),
        Effect::RemoveFinalizer => remove(planned_on),
        _ => None,
    }
}

fn same_object(cluster: &CassandraCluster) -> Value {
    json!({ "op": "test", "path": "/metadata/uid", "value": cluster.metadata.uid })
}

fn keep(cluster: &CassandraCluster, kept: &str) -> Value {
    if cluster.metadata.annotations.is_some() {
        let key = LAST_APPLIED_CONFIGURATION.replace('~', "~0").replace('/', "~1");
        let addition = json!({ "op": "add", "path": format!("/metadata/annotations/{key}"), "value": kept });
        json!([same_object(cluster), addition])
    } else {
        // The whole map is written: somebody else's may not have come in between.
        let value = json!({ LAST_APPLIED_CONFIGURATION: kept });
        json!([unchanged(cluster), { "op": "add", "path": "/metadata/annotations", "value": value }])
    }
}

/// Adds our finalizer at the end of the list.
fn add(cluster: &CassandraCluster) -> Value {
    let addition = if cluster.metadata.finalizers.is_some() {
        json!({ "op": "add", "path": "/metadata/finalizers/-", "value": DELETE_PVC_FINALIZER })
    } else {
        json!({ "op": "add", "path": "/metadata/finalizers", "value": [DELETE_PVC_FINALIZER] })
    };
    json!([unchanged(cluster), addition])
}

/// Takes our finalizer off; `None` if it is not there.
fn remove(cluster: &CassandraCluster) -> Option<Value> {
    let finalizers = cluster.metadata.finalizers.as_ref()?;
    let at = finalizers
        .iter()
        .position(|finalizer| finalizer == DELETE_PVC_FINALIZER)?;
    let path = format!("/metadata/finalizers/{at}");
    Some(json!([
        unchanged(cluster),
        { "op": "test", "path": path, "value": DELETE_PVC_FINALIZER },
        { "op": "remove", "path": path },
    ]))
}

/// The list may not have changed since it was read: places in it are numbers.
fn unchanged(cluster: &CassandraCluster) -> Value {
    json!({ "op": "test", "path": "/metadata/resourceVersion", "value": cluster.metadata.resource_version })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(finalizers: Option<&[&str]>) -> CassandraCluster {
        let mut cluster =
            CassandraCluster::new("demo", casskop_types::cluster::CassandraClusterSpec::default());
        cluster.metadata.resource_version = Some("7".to_owned());
        cluster.metadata.finalizers = finalizers.map(|all| all.iter().map(|one| (*one).to_owned()).collect());
        cluster
    }

    #[test]
    fn the_annotations_of_others_stay() {
        let mut cluster = with(None);
        assert_eq!(keep(&cluster, "x")[0]["path"], "/metadata/resourceVersion");
        cluster.metadata.annotations = Some([("a".to_owned(), "b".to_owned())].into());
        assert_eq!(
            keep(&cluster, "x")[1]["path"],
            "/metadata/annotations/cassandraclusters.db.orange.com~1last-applied-configuration"
        );
    }

    #[test]
    fn the_finalizers_of_others_stay() {
        assert_eq!(add(&with(Some(&["else"])))[1]["path"], "/metadata/finalizers/-");
        assert_eq!(add(&with(None))[1]["value"], json!([DELETE_PVC_FINALIZER]));
        let removal = remove(&with(Some(&["else", DELETE_PVC_FINALIZER]))).unwrap();
        assert_eq!(
            removal[2],
            json!({ "op": "remove", "path": "/metadata/finalizers/1" })
        );
        assert_eq!(removal[0]["value"], "7");
        assert_eq!(remove(&with(Some(&["else"]))), None);
    }
}
