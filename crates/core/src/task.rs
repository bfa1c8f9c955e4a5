//! Tasks of `control.k8ssandra.io` over the operation engine: a task writes requests on pods and reads what the engine recorded
//! of them. Whatever takes a node down waits its turn in the engine, whoever asked.

mod condition;
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
pub use members::{Members, NotReady, Pod, Rack};
pub use place::datacenter;
pub use run::{PATIENCE, PodWrite};
pub use schedule::check as check_schedule;
pub use scheduled::{SchedulePlan, ScheduleScene, step as run_schedule};
pub use step::{Fate, Misplaced, Place, TaskPlan, TaskScene, are_asking, step, withdraw};
pub use work::refusal;
