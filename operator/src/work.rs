//! How far a node is with an operation, and how it is stopped.

use casskop_core::work::{Counter, Work, counter};
use casskop_jolokia::{
    CallError, Compaction, CompactionTask, StreamPlan, compaction_manager, storage_service, stream_manager,
};
use casskop_types::operation::OperationName;

use crate::nodes::Node;

impl Node {
    /// How far the node is with `operation`; `None` if it does nothing of the kind, or does not count it.
    pub async fn work(&self, operation: OperationName) -> Result<Option<Work>, CallError> {
        match counter(operation) {
            None => Ok(None),
            Some(Counter::Compactions) => {
                let compactions = self.call(&compaction_manager::compactions()).await?;
                Ok(task(operation).and_then(|task| of_compactions(&compactions, &task)))
            }
            Some(Counter::StreamsIn) => Ok(of_streams(&self.streams().await?, "Rebuild", |plan| {
                (plan.received, plan.to_receive)
            })),
            Some(Counter::StreamsOut) => Ok(of_streams(&self.streams().await?, "Unbootstrap", |plan| {
                (plan.sent, plan.to_send)
            })),
            Some(Counter::StreamsBothWays) => Ok(of_streams(&self.streams().await?, "Relocation", |plan| {
                let (done, all) = (plan.received, plan.to_receive);
                (done.saturating_add(plan.sent), all.saturating_add(plan.to_send))
            })),
        }
    }

    async fn streams(&self) -> Result<Vec<StreamPlan>, CallError> {
        self.call(&stream_manager::current_streams()).await
    }

    /// Stops what the node does for `operation` at this moment.
    pub async fn stop(&self, operation: OperationName) -> Result<(), CallError> {
        let Some(task) = task(operation) else {
            return Ok(());
        };
        let version = self.call(&storage_service::release_version()).await?;
        match compaction_manager::stop(&task, version) {
            Some(stop) => self.call(&stop).await,
            None => Ok(()),
        }
    }
}

/// The tasks of the compaction executor that carry an operation out.
fn task(operation: OperationName) -> Option<CompactionTask> {
    match operation {
        OperationName::Cleanup => Some(CompactionTask::Cleanup),
        OperationName::UpgradeSstables => Some(CompactionTask::UpgradeSstables),
        OperationName::Scrub => Some(CompactionTask::Scrub),
        OperationName::Compact => Some(CompactionTask::Compaction),
        OperationName::GarbageCollect => Some(CompactionTask::GarbageCollect),
        OperationName::Flush
        | OperationName::Rebuild
        | OperationName::ReloadSsl
        | OperationName::Move
        | OperationName::Remove
        | OperationName::Decommission
        | OperationName::Replace
        | OperationName::Restart => None,
    }
}

/// The sum of what is counted in the unit of the first.
fn of_compactions(compactions: &[Compaction], task: &CompactionTask) -> Option<Work> {
    let mut of_task = compactions.iter().filter(|compaction| compaction.task == *task);
    let first = of_task.next()?;
    let mut work = Work {
        completed: first.completed,
        total: first.total,
        unit: first.unit.clone(),
    };
    for compaction in of_task.filter(|compaction| compaction.unit == first.unit) {
        work.completed = work.completed.saturating_add(compaction.completed);
        work.total = work.total.saturating_add(compaction.total);
    }
    Some(work)
}

/// The sum of the plans of a kind.
fn of_streams(plans: &[StreamPlan], kind: &str, bytes: fn(&StreamPlan) -> (u64, u64)) -> Option<Work> {
    let of_kind: Vec<_> = plans
        .iter()
        .filter(|plan| plan.description == kind)
        .map(bytes)
        .collect();
    (!of_kind.is_empty()).then(|| {
        let sum = |add: fn(&(u64, u64)) -> u64| of_kind.iter().map(add).fold(0, u64::saturating_add);
        Work {
            completed: sum(|(done, _)| *done),
            total: sum(|(_, all)| *all),
            unit: "bytes".to_owned(),
        }
    })
}

#[cfg(test)]
mod tests;
