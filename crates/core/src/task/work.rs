//! What a job asks of each node, in the operations of the engine.

use casskop_types::operation::{OperationCommand, TableOptions, TableWork, TokenSpan};
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
    pub(super) operation: OperationCommand,
    /// The only rack to work on.
    pub(super) rack: Option<String>,
    /// The only pod to work on.
    pub(super) pod: Option<String>,
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

fn operation(command: TaskCommand, arguments: &JobArguments) -> Result<OperationCommand, String> {
    if let Some(work) = command.table_work() {
        return options(work, arguments).map(|options| OperationCommand::OnTables(work, options));
    }
    match command {
        TaskCommand::Rebuild => {
            let from_dc = given(arguments.source_datacenter.as_ref())
                .ok_or("rebuild needs args.source_datacenter: the datacenter to stream from")?;
            Ok(OperationCommand::Rebuild { from_dc })
        }
        TaskCommand::ReplaceNode => {
            let which = given(arguments.pod_name.as_ref()).or(given(arguments.rack.as_ref()));
            which.ok_or("replacenode needs args.pod_name or args.rack: which nodes to replace")?;
            Ok(OperationCommand::Replace { lost: None })
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
            Ok(OperationCommand::Restart)
        }
        TaskCommand::TsReload => Ok(OperationCommand::ReloadSsl),
        TaskCommand::Move => {
            Err("move is not done by this operator: it gives no node another token".to_owned())
        }
        other => Err(format!("{other} is no operation on each node")),
    }
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
    fn every_command_but_move_is_carried_out() {
        for command in TaskCommand::ALL {
            let arguments = json!({
                "source_datacenter": "dc2", "pod_name": "demo-dc1-rack1-0",
            });
            let name = match command {
                TaskCommand::Refresh => continue,
                TaskCommand::Move => {
                    let why = of(command.as_str(), &arguments).unwrap_err();
                    assert!(why.starts_with("move is not done by this operator"), "{why}");
                    continue;
                }
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
            let operation = of(command, arguments).unwrap().operation;
            assert_eq!(operation.name().as_str(), command);
            assert_eq!(operation.argument().as_deref(), argument, "{command}");
            assert_eq!(operation.options().as_deref(), options, "{command}");
        }
        let rack = of("compact", &json!({ "rack": "rack1" })).unwrap().rack;
        assert_eq!(rack.as_deref(), Some("rack1"));
    }
}
