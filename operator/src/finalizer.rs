//! JSON patches that add our finalizer to a cluster object, or take it off, and leave everybody else's alone.

use casskop_types::cluster::CassandraCluster;
use casskop_types::labels::DELETE_PVC_FINALIZER;
use serde_json::{Value, json};

/// Adds it at the end of the list.
pub(crate) fn add(cluster: &CassandraCluster) -> Value {
    let addition = if cluster.metadata.finalizers.is_some() {
        json!({ "op": "add", "path": "/metadata/finalizers/-", "value": DELETE_PVC_FINALIZER })
    } else {
        json!({ "op": "add", "path": "/metadata/finalizers", "value": [DELETE_PVC_FINALIZER] })
    };
    json!([unchanged(cluster), addition])
}

/// Takes it off; `None` if it is not there.
pub(crate) fn remove(cluster: &CassandraCluster) -> Option<Value> {
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
