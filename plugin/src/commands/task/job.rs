//! What describes the work of a task.

use casskop_core::task;
use casskop_core::view::RackRef;
use casskop_types::task::{JobArguments, TaskCommand, TaskJob, TaskTemplate};
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::failure::Failure;

/// What is done on each node, and how many at once.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "With create: the work")]
pub(crate) struct JobFlags {
    /// Only this keyspace (scrub, compact, flush, garbagecollect)
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    keyspace: Option<String>,
    /// Datacenter to stream from (rebuild)
    #[arg(long, value_name = "DC", value_parser = NonEmptyStringValueParser::new())]
    from_dc: Option<String>,
    /// Only this rack
    #[arg(long, value_name = "DC.RACK")]
    rack: Option<RackRef>,
    /// Only this pod
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pod: Option<String>,
    /// Nodes of a rack to work on at once; what takes a node down does one at a time [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    at_once: Option<u16>,
    /// How often a node that fails is tried again [default: 1]
    #[arg(long, value_name = "N")]
    retries: Option<u16>,
    /// Begin no earlier than this, as in 2026-12-01T03:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Keep it so many seconds after its end; 0 for ever [default: a day, a failed one a week]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i32).range(0..))]
    keep: Option<i32>,
}

impl JobFlags {
    /// Whether none is given.
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            keyspace,
            from_dc,
            rack,
            pod,
            at_once,
            retries,
            at,
            keep,
        } = self;
        let texts = [keyspace, from_dc, pod];
        texts.into_iter().all(Option::is_none)
            && rack.is_none()
            && at_once.is_none()
            && retries.is_none()
            && at.is_none()
            && keep.is_none()
    }

    /// The rack it is about.
    pub(crate) fn rack(&self) -> Option<&RackRef> {
        self.rack.as_ref()
    }

    /// The pods it is about, in words.
    pub(crate) fn pods(&self) -> String {
        match (&self.pod, &self.rack) {
            (Some(pod), _) => format!("pod {pod}"),
            (None, Some(rack)) => format!("rack {rack}"),
            (None, None) => "all racks".to_owned(),
        }
    }

    /// Whether it says when to begin.
    pub(crate) fn has_a_time(&self) -> bool {
        self.at.is_some()
    }

    /// The work, judged as the operator judges it.
    pub(crate) fn template(&self, command: &str) -> Result<TaskTemplate, Failure> {
        let args = JobArguments {
            keyspace_name: self.keyspace.clone(),
            source_datacenter: self.from_dc.clone(),
            rack: self.rack.as_ref().map(|rack| rack.rack.clone()),
            pod_name: self.pod.clone(),
            ..JobArguments::default()
        };
        if self.from_dc.is_some() && command != TaskCommand::Rebuild.as_str() {
            return Err(Failure::Wrong(format!(
                "--from-dc goes with rebuild, and not with {command}"
            )));
        }
        let template = TaskTemplate {
            scheduled_time: self.at.map(Time),
            jobs: Some(vec![TaskJob {
                name: command.to_owned(),
                command: command.to_owned(),
                args: (args != JobArguments::default()).then_some(args),
            }]),
            ttl_seconds_after_finished: self.keep,
            max_concurrent_pods: self.at_once.map(i64::from),
            retries: self.retries.map(i64::from),
            ..TaskTemplate::default()
        };
        match task::refusal(&template) {
            Some(why) => Err(Failure::Wrong(flags(&why))),
            None => Ok(template),
        }
    }
}

/// The fields of a manifest as flags of the command line.
fn flags(why: &str) -> String {
    let names = [
        ("args.source_datacenter", "--from-dc"),
        ("args.pod_name", "--pod"),
        ("args.keyspace_name", "--keyspace"),
        ("args.rack", "--rack"),
    ];
    names
        .into_iter()
        .fold(why.to_owned(), |text, (field, flag)| text.replace(field, flag))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn what_no_task_does_is_refused_in_the_words_of_the_command_line() {
        let refused = |command: &str, flags: JobFlags| flags.template(command).unwrap_err().to_string();
        assert_snapshot!(
            refused("rebuild", JobFlags::default()),
            @"rebuild needs --from-dc: the datacenter to stream from"
        );
        assert_snapshot!(
            refused("replacenode", JobFlags::default()),
            @"replacenode needs --pod or --rack: which nodes to replace"
        );
        let shop = JobFlags {
            keyspace: Some("shop".to_owned()),
            ..JobFlags::default()
        };
        assert_snapshot!(
            refused("cleanup", shop),
            @"--keyspace of cleanup is not carried out by this operator: leave it out"
        );
    }

    #[test]
    fn what_is_not_said_is_not_written() {
        let template = JobFlags::default().template("flush").unwrap();
        let written = serde_json::to_value(&template).unwrap();
        assert_eq!(
            written,
            serde_json::json!({ "jobs": [{ "name": "flush", "command": "flush" }] })
        );
    }
}
