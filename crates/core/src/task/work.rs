//! What a job asks of each node, in the operations of the engine.

use std::collections::BTreeMap;

use casskop_types::operation::{OperationCommand, OperationName, TableOptions, TableWork, TokenSpan};
use casskop_types::task::{JobArguments, TaskCommand, TaskTemplate};

/// What a job comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// Operations on pods.
    OnPods(Work),
    /// Nothing at all: what waits there is for nobody's word here.
    Refresh,
}

/// The work of a job: one operation on each of some pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Work {
    /// The operation.
    pub(super) operation: Operation,
    /// The only rack to work on.
    pub(super) rack: Option<String>,
    /// The only pod to work on.
    pub(super) pod: Option<String>,
}

/// What is done on the pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    /// The same on each.
    Same(OperationCommand),
    /// A move of each of these, to its token.
    Move(BTreeMap<String, String>),
}

impl Operation {
    /// Its name.
    pub(super) fn name(&self) -> OperationName {
        match self {
            Self::Same(command) => command.name(),
            Self::Move(_) => OperationName::Move,
        }
    }

    /// What is done on a pod, if anything is.
    pub(super) fn on(&self, pod: &str) -> Option<OperationCommand> {
        match self {
            Self::Same(command) => Some(command.clone()),
            Self::Move(tokens) => tokens
                .get(pod)
                .map(|token| OperationCommand::Move { token: token.clone() }),
        }
    }
}

/// Reads the job of a task, or says why it cannot be done. What the engine cannot do is refused rather than left out in silence.
pub(super) fn job(template: &TaskTemplate) -> Result<Job, String> {
    let jobs = template.jobs.as_deref().unwrap_or_default();
    let [job] = jobs else {
        return Err(format!(
            "jobs holds {} jobs: make a task of its own for each, a task runs one",
            jobs.len()
        ));
    };
    let command = job.command().map_err(|error| format!("command: {error}"))?;
    let nothing = JobArguments::default();
    let arguments = job.args.as_ref().unwrap_or(&nothing);
    if command.table_work().is_none() {
        whole_nodes(command, arguments)?;
    }
    if command == TaskCommand::Refresh {
        return Ok(Job::Refresh);
    }
    Ok(Job::OnPods(Work {
        operation: operation(command, arguments)?,
        rack: given(arguments.rack.as_ref()),
        pod: given(arguments.pod_name.as_ref()),
    }))
}

/// Why the operator does not do what a task says, if it does not.
pub fn refusal(template: &TaskTemplate) -> Option<String> {
    job(template).err()
}

fn operation(command: TaskCommand, arguments: &JobArguments) -> Result<Operation, String> {
    if let Some(work) = command.table_work() {
        let options = options(work, arguments)?;
        return Ok(Operation::Same(OperationCommand::OnTables(work, options)));
    }
    let command = match command {
        TaskCommand::Rebuild => {
            let from_dc = given(arguments.source_datacenter.as_ref())
                .ok_or("rebuild needs args.source_datacenter: the datacenter to stream from")?;
            OperationCommand::Rebuild { from_dc }
        }
        TaskCommand::ReplaceNode => {
            let which = given(arguments.pod_name.as_ref()).or(given(arguments.rack.as_ref()));
            which.ok_or("replacenode needs args.pod_name or args.rack: which nodes to replace")?;
            OperationCommand::Replace { lost: None }
        }
        TaskCommand::Restart => {
            // All pods of a rack at once, and with racks down besides: that is what this operator never does.
            for (argument, flag) in [("fast", arguments.fast), ("force", arguments.force)] {
                if flag == Some(true) {
                    return Err(format!(
                        "args.{argument} of restart is not carried out by this operator: leave it out"
                    ));
                }
            }
            OperationCommand::Restart
        }
        TaskCommand::TsReload => OperationCommand::ReloadSsl,
        TaskCommand::Move => return new_tokens(arguments).map(Operation::Move),
        other => return Err(format!("{other} is no operation on each node")),
    };
    Ok(Operation::Same(command))
}

/// The pods to move, each with its new token. Where two were to have the same, Cassandra would refuse the second, with the first one moved.
fn new_tokens(arguments: &JobArguments) -> Result<BTreeMap<String, String>, String> {
    let tokens = arguments.new_tokens.clone().unwrap_or_default();
    if tokens.is_empty() {
        return Err("move needs args.new_tokens: the new token of each pod to move".to_owned());
    }
    let mut taken = BTreeMap::new();
    for (pod, token) in &tokens {
        OperationCommand::parse(OperationName::Move, Some(token), None)
            .map_err(|error| format!("args.new_tokens of pod {pod}: {error}"))?;
        if let Some(other) = taken.insert(token, pod) {
            return Err(format!(
                "args.new_tokens gives pods {other} and {pod} the same token"
            ));
        }
    }
    Ok(tokens)
}

/// Which tables, and how, out of the arguments. Flags of other commands change nothing; what would narrow the work is not passed over.
fn options(work: TableWork, arguments: &JobArguments) -> Result<TableOptions, String> {
    let is_set = |flag: Option<bool>, of: TableWork| work == of && flag == Some(true);
    let (start, end) = (
        given(arguments.start_token.as_ref()),
        given(arguments.end_token.as_ref()),
    );
    let tokens = match (start, end) {
        (Some(start), Some(end)) => Some(TokenSpan { start, end }),
        (None, None) => None,
        _ => return Err("a range of tokens needs both args.start_token and args.end_token".to_owned()),
    };
    // No number, and 0, are the operator's choice, as they are the management API's.
    let threads = arguments.jobs.filter(|jobs| *jobs > 0 && work.takes_threads());
    let options = TableOptions {
        keyspace: given(arguments.keyspace_name.as_ref()),
        tables: arguments.tables.clone().unwrap_or_default(),
        threads: threads.map(|threads| u16::try_from(threads).unwrap_or(u16::MAX)),
        no_snapshot: is_set(arguments.no_snapshot, TableWork::Scrub),
        no_validate: is_set(arguments.no_validate, TableWork::Scrub),
        skip_corrupted: is_set(arguments.skip_corrupted, TableWork::Scrub),
        split_output: is_set(arguments.split_output, TableWork::Compact),
        tokens,
    };
    options.check(work).map_err(|error| error.to_string())?;
    Ok(options)
}

/// An argument that narrows the work is not passed over.
fn whole_nodes(command: TaskCommand, arguments: &JobArguments) -> Result<(), String> {
    let argument = if given(arguments.keyspace_name.as_ref()).is_some() {
        "keyspace_name"
    } else if arguments.tables.as_ref().is_some_and(|tables| !tables.is_empty()) {
        "tables"
    } else {
        return Ok(());
    };
    Err(format!(
        "args.{argument} of {command} is not carried out by this operator: leave it out"
    ))
}

fn given(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use casskop_types::operation::OperationName;

    use super::*;

    fn of(command: &str, arguments: &Value) -> Result<Work, String> {
        let template = json!({ "jobs": [{ "name": "job", "command": command, "args": arguments }] });
        match job(&serde_json::from_value(template).unwrap())? {
            Job::OnPods(work) => Ok(work),
            Job::Refresh => panic!("a refresh works on no pod"),
        }
    }

    #[test]
    fn every_command_is_carried_out() {
        for command in TaskCommand::ALL {
            let arguments = json!({
                "source_datacenter": "dc2", "pod_name": "demo-dc1-rack1-0", "new_tokens": { "demo-dc1-rack1-0": "-5" },
            });
            let name = match command {
                TaskCommand::Refresh => continue,
                TaskCommand::ReplaceNode => OperationName::Replace,
                TaskCommand::TsReload => OperationName::ReloadSsl,
                other => other.as_str().parse().unwrap(),
            };
            assert_eq!(of(command.as_str(), &arguments).unwrap().operation.name(), name);
        }
        let template = json!({ "jobs": [{ "name": "job", "command": "refresh" }] });
        assert_eq!(job(&serde_json::from_value(template).unwrap()), Ok(Job::Refresh));
    }

    #[test]
    fn a_job_that_cannot_be_done_says_why() {
        let template = |value: Value| serde_json::from_value::<TaskTemplate>(value).unwrap();
        for (found, word) in [
            (job(&template(json!({}))).map(drop), "jobs holds 0 jobs"),
            (
                job(&template(
                    json!({ "jobs": [{ "name": "a", "command": "flush" }, { "name": "b", "command": "flush" }] }),
                )).map(drop),
                "jobs holds 2 jobs",
            ),
            (
                of("DROP TABLE t", &json!({})).map(drop),
                "command: `DROP TABLE t` is not one of cleanup",
            ),
            (of("rebuild", &json!({})).map(drop), "rebuild needs args.source_datacenter"),
            (of("move", &json!({})).map(drop), "move needs args.new_tokens"),
            (
                of("move", &json!({ "new_tokens": { "a": "1", "b": "one" } })).map(drop),
                "args.new_tokens of pod b: `one` is not a token",
            ),
            (
                of("move", &json!({ "new_tokens": { "a": "1", "b": "1" } })).map(drop),
                "args.new_tokens gives pods a and b the same token",
            ),
            (
                of("replacenode", &json!({ "pod_name": "" })).map(drop),
                "replacenode needs args.pod_name or args.rack",
            ),
            (
                of("flush", &json!({ "keyspace_name": "no such" })).map(drop),
                "`no such` is not a keyspace",
            ),
            (
                of("cleanup", &json!({ "tables": ["carts"] })).map(drop),
                "options of cleanup: tables are of a keyspace",
            ),
            (
                of("garbagecollect", &json!({ "start_token": "1", "end_token": "2" })).map(drop),
                "options of garbagecollect: it has no `tokens`",
            ),
            (
                of("compact", &json!({ "start_token": "1" })).map(drop),
                "a range of tokens needs both args.start_token and args.end_token",
            ),
        ] {
            let why = found.unwrap_err();
            assert!(why.contains(word), "{why}");
        }
    }

    /// Otherwise all keyspaces would be rewritten where one was meant.
    #[test]
    fn an_argument_that_would_be_passed_over_is_refused() {
        for (command, arguments) in [
            ("restart", json!({ "fast": true })),
            ("restart", json!({ "force": true })),
            ("restart", json!({ "keyspace_name": "shop" })),
            ("rebuild", json!({ "tables": ["carts"] })),
            ("tsreload", json!({ "keyspace_name": "shop" })),
        ] {
            let why = of(command, &arguments).unwrap_err();
            let argument = arguments.as_object().unwrap().keys().next().unwrap().clone();
            assert_eq!(
                why,
                format!("args.{argument} of {command} is not carried out by this operator: leave it out")
            );
        }
    }

    #[test]
    fn arguments_become_argument_and_options() {
        let carts = json!({ "keyspace_name": "shop", "tables": ["carts"], "jobs": 3 });
        let scrub = json!({ "keyspace_name": "shop", "no_validate": true, "no_snapshot": true, "skip_corrupted": true });
        for (command, arguments, argument, options) in [
            (
                "cleanup",
                &carts,
                None,
                Some(r#"{"keyspace":"shop","tables":["carts"],"threads":3}"#),
            ),
            (
                "upgradesstables",
                &carts,
                None,
                Some(r#"{"keyspace":"shop","tables":["carts"],"threads":3}"#),
            ),
            (
                "garbagecollect",
                &carts,
                Some("shop"),
                Some(r#"{"tables":["carts"],"threads":3}"#),
            ),
            // These have no threads.
            ("flush", &carts, Some("shop"), Some(r#"{"tables":["carts"]}"#)),
            ("compact", &carts, Some("shop"), Some(r#"{"tables":["carts"]}"#)),
            (
                "scrub",
                &scrub,
                Some("shop"),
                Some(r#"{"noSnapshot":true,"noValidate":true,"skipCorrupted":true}"#),
            ),
            (
                "compact",
                &json!({ "split_output": true }),
                None,
                Some(r#"{"splitOutput":true}"#),
            ),
            (
                "compact",
                &json!({ "start_token": "-9", "end_token": "10" }),
                None,
                Some(r#"{"tokens":{"start":"-9","end":"10"}}"#),
            ),
            (
                "cleanup",
                &json!({ "keyspace_name": "", "tables": [], "jobs": 0, "no_snapshot": false }),
                None,
                None,
            ),
        ] {
            let operation = of(command, arguments).unwrap().operation.on("any").unwrap();
            assert_eq!(operation.name().as_str(), command);
            assert_eq!(operation.argument().as_deref(), argument, "{command}");
            assert_eq!(operation.options().as_deref(), options, "{command}");
        }
        let rack = of("compact", &json!({ "rack": "rack1" })).unwrap().rack;
        assert_eq!(rack.as_deref(), Some("rack1"));
    }
}
