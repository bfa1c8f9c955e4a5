//! What all three resources have in common: the job, and how it is run.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{JobArguments, TaskCommand};
use crate::vocabulary::UnknownWord;

/// A job, and when and how it is run in a datacenter.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskTemplate {
    /// Earliest start; at once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_time: Option<Time>,
    /// The job. The field is a list for compatibility; it holds exactly one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Vec<TaskJob>>,
    /// `OnFailure`, which is the default, tries a pod again whose work failed; any other word does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<String>,
    /// Seconds to keep the task once it ended; a day when absent, and a week if it failed; 0 is for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds_after_finished: Option<i32>,
    /// `Forbid`, which is the default, lets no other task run in the datacenter at the same time; any other word does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<String>,
    /// Pods of a rack to work on at once; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_pods: Option<i64>,
    /// How often the work is tried again on a pod where it failed; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
}

impl TaskTemplate {
    /// The command of the job, as written, if there is a job.
    pub fn command(&self) -> Option<&str> {
        self.jobs.as_deref()?.first().map(|job| job.command.as_str())
    }
}

/// A job of a task.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TaskJob {
    /// Name of the job, for people.
    pub name: String,
    /// What to do.
    #[schemars(with = "TaskCommand")]
    pub command: String,
    /// Arguments of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<JobArguments>,
}

impl TaskJob {
    /// What to do, if it is one of the commands.
    pub fn command(&self) -> Result<TaskCommand, UnknownWord> {
        self.command.parse()
    }
}
