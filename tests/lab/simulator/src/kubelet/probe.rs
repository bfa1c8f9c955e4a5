//! The readiness probe of a Cassandra pod: the very one the pod's image has, asked of the simulated node.

use casskop_bootstrap::probe::{self, readiness, readiness_request};

use super::status::Readiness;
use crate::jolokia;
use crate::ring::NodeView;

/// What the probe says of a node.
pub(super) fn run(view: NodeView<'_>) -> Readiness {
    let answer = jolokia::attributes_of_storage_service(view, &readiness_request());
    match readiness(&answer, &view.node().address.to_string()) {
        probe::Readiness::Ready => Readiness::Ready,
        _ => Readiness::NotReady,
    }
}
