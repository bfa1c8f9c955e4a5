//! Tasks of `control.k8ssandra.io` over the operation engine: a task writes requests on pods and reads what the engine recorded
//! of them. Whatever takes a node down waits its turn in the engine, whoever asked.

pub mod condition;
mod fan_out;
mod members;
mod place;
mod queue;
mod run;
mod schedule;
mod scheduled;
mod step;
#[cfg(test)]
mod testing;
mod work;

pub use fan_out::{FanOutPlan, FanOutScene, Hold, step as fan_out};
pub use members::Members;
pub use place::datacenter;
pub use run::PodWrite;
pub use schedule::check as check_schedule;
pub use scheduled::{SchedulePlan, ScheduleScene, step as run_schedule};
pub use step::{Fate, Misplaced, Place, TaskPlan, TaskScene, are_asking, step, withdraw};
pub use work::refusal;

use casskop_types::task::labels::ABORT;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Whether somebody wants an object to end before it is done.
fn is_aborted(metadata: &ObjectMeta) -> bool {
    let annotations = metadata.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(ABORT))
        .is_some_and(|word| word == "true")
}
