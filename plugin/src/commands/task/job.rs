//! What describes the work of a task.

use std::collections::BTreeMap;

use casskop_core::task;
use casskop_core::view::RackRef;
use casskop_types::operation::TableOptions;
use casskop_types::task::{JobArguments, TaskCommand, TaskJob, TaskTemplate};
use clap::builder::NonEmptyStringValueParser;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::commands::table_flags::{CompactFlags, FLAGS, ScrubFlags, TableFlags, ThreadFlags};
use crate::failure::Failure;

/// What is done on each node, and how many at once.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "With create: the work")]
pub(crate) struct JobFlags {
    /// Datacenter to stream from (rebuild)
    #[arg(long, value_name = "DC", value_parser = NonEmptyStringValueParser::new())]
    from_dc: Option<String>,
    /// Only this rack
    #[arg(long, value_name = "DC.RACK")]
    rack: Option<RackRef>,
    /// Only this pod
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pod: Option<String>,
    /// A pod's node is to get this token, as in demo-dc1-rack1-0=-42; once for each node (move)
    #[arg(long = "new-token", value_name = "POD=TOKEN", value_parser = new_token)]
    new_tokens: Vec<(String, String)>,
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
    #[command(flatten)]
    tables: TableFlags,
    #[command(flatten)]
    threads: ThreadFlags,
    #[command(flatten)]
    scrub: ScrubFlags,
    #[command(flatten)]
    compact: CompactFlags,
}

impl JobFlags {
    /// Whether none is given.
    pub(crate) fn is_empty(&self) -> bool {
        let Self {
            tables: _,
            threads: _,
            scrub: _,
            compact: _,
            from_dc,
            rack,
            pod,
            new_tokens,
            at_once,
            retries,
            at,
            keep,
        } = self;
        self.options() == TableOptions::default()
            && from_dc.is_none()
            && pod.is_none()
            && new_tokens.is_empty()
            && rack.is_none()
            && at_once.is_none()
            && retries.is_none()
            && at.is_none()
            && keep.is_none()
    }

    /// Which tables, and how.
    fn options(&self) -> TableOptions {
        let mut options = TableOptions::default();
        self.tables.read(&mut options);
        self.threads.read(&mut options);
        self.scrub.read(&mut options);
        self.compact.read(&mut options);
        options
    }

    /// The rack it is about.
    pub(crate) fn rack(&self) -> Option<&RackRef> {
        self.rack.as_ref()
    }

    /// The pods it is about, in words.
    pub(crate) fn pods(&self) -> String {
        let named: Vec<&str> = self.new_tokens.iter().map(|(pod, _)| pod.as_str()).collect();
        match (&self.pod, &self.rack) {
            (None, None) if !named.is_empty() => format!("pods {}", named.join(", ")),
            (Some(pod), _) => format!("pod {pod}"),
            (None, Some(rack)) => format!("rack {rack}"),
            (None, None) => "all racks".to_owned(),
        }
    }

    /// Whether it says when to begin.
    pub(crate) fn has_a_time(&self) -> bool {
        self.at.is_some()
    }

    /// Flags that are another command's would change nothing.
    fn check(&self, command: TaskCommand, options: &TableOptions) -> Result<(), Failure> {
        let goes_with = |flag: &str, others: &str| {
            Err(Failure::Wrong(format!(
                "{flag} goes with {others}, and not with {command}"
            )))
        };
        if self.from_dc.is_some() && command != TaskCommand::Rebuild {
            return goes_with("--from-dc", "rebuild");
        }
        if !self.new_tokens.is_empty() && command != TaskCommand::Move {
            return goes_with("--new-token", "move");
        }
        if let Some(work) = command.table_work() {
            let checked = options.check(work);
            return checked.map_err(|error| Failure::Wrong(flags(&error.to_string())));
        }
        match options.given().first() {
            Some(option) => goes_with(&flags(&format!("`{option}`")), "work on tables"),
            None => Ok(()),
        }
    }

    /// The new tokens, by pod.
    fn tokens(&self) -> Result<Option<BTreeMap<String, String>>, Failure> {
        let mut tokens = BTreeMap::new();
        for (pod, token) in &self.new_tokens {
            if tokens.insert(pod.clone(), token.clone()).is_some() {
                return Err(Failure::Wrong(format!("--new-token gives pod {pod} two tokens")));
            }
        }
        Ok(Some(tokens).filter(|tokens| !tokens.is_empty()))
    }

    /// The work, judged as the operator judges it.
    pub(crate) fn template(&self, command: &str) -> Result<TaskTemplate, Failure> {
        let options = self.options();
        let tokens = options.tokens.clone();
        let is_set = |flag: bool| flag.then_some(true);
        let args = JobArguments {
            keyspace_name: options.keyspace.clone(),
            tables: Some(options.tables.clone()).filter(|tables| !tables.is_empty()),
            jobs: options.threads.map(i64::from),
            no_snapshot: is_set(options.no_snapshot),
            no_validate: is_set(options.no_validate),
            skip_corrupted: is_set(options.skip_corrupted),
            split_output: is_set(options.split_output),
            start_token: tokens.as_ref().map(|tokens| tokens.start.clone()),
            end_token: tokens.map(|tokens| tokens.end),
            source_datacenter: self.from_dc.clone(),
            rack: self.rack.as_ref().map(|rack| rack.rack.clone()),
            pod_name: self.pod.clone(),
            new_tokens: self.tokens()?,
            ..JobArguments::default()
        };
        if let Ok(command) = command.parse::<TaskCommand>() {
            self.check(command, &options)?;
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

fn new_token(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((pod, token)) if !pod.is_empty() && !token.is_empty() => Ok((pod.to_owned(), token.to_owned())),
        _ => Err("write POD=TOKEN".to_owned()),
    }
}

/// The fields of a manifest as flags of the command line.
fn flags(why: &str) -> String {
    let names = [
        ("args.source_datacenter", "--from-dc"),
        ("args.pod_name", "--pod"),
        ("args.keyspace_name", "--keyspace"),
        ("args.rack", "--rack"),
        ("args.new_tokens", "--new-token"),
    ];
    let options = FLAGS.map(|(option, flag)| (format!("`{option}`"), flag));
    let names = names.map(|(field, flag)| (field.to_owned(), flag)).into_iter();
    names
        .chain(options)
        .fold(why.to_owned(), |text, (name, flag)| text.replace(&name, flag))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use insta::assert_snapshot;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        flags: JobFlags,
    }

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
        let with = |line: &[&str]| Line::parse_from([&["task"], line].concat()).flags;
        assert_snapshot!(
            refused("restart", with(&["--keyspace=shop"])),
            @"--keyspace goes with work on tables, and not with restart"
        );
        assert_snapshot!(
            refused("flush", with(&["--threads=2"])),
            @"options of flush: it has no --threads"
        );
    }

    #[test]
    fn flags_are_arguments_of_the_job() {
        let flags = Line::parse_from([
            "task",
            "--keyspace=shop",
            "--table=carts",
            "--table=orders",
            "--threads=2",
        ])
        .flags;
        let template = flags.template("cleanup").unwrap();
        assert_eq!(
            serde_json::to_value(&template.jobs.unwrap()[0].args).unwrap(),
            serde_json::json!({ "keyspace_name": "shop", "tables": ["carts", "orders"], "jobs": 2 })
        );
        let flags = Line::parse_from(["task", "--start-token=-9", "--end-token", "10"]).flags;
        let template = flags.template("compact").unwrap();
        assert_eq!(
            serde_json::to_value(&template.jobs.unwrap()[0].args).unwrap(),
            serde_json::json!({ "start_token": "-9", "end_token": "10" })
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
