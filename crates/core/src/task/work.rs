//! What a job asks of each node, in the operations of the engine.

use casskop_types::operation::{OperationCommand, OperationName};
use casskop_types::task::{JobArguments, TaskCommand, TaskTemplate};

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
pub(super) fn work(template: &TaskTemplate) -> Result<Work, String> {
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
    Ok(Work {
        operation: operation(command, arguments)?,
        rack: given(arguments.rack.as_ref()),
        pod: given(arguments.pod_name.as_ref()),
    })
}

/// Why the operator does not do what a task says, if it does not.
pub fn refusal(template: &TaskTemplate) -> Option<String> {
    work(template).err()
}

fn operation(command: TaskCommand, arguments: &JobArguments) -> Result<OperationCommand, String> {
    let name = match command {
        TaskCommand::Cleanup => OperationName::Cleanup,
        TaskCommand::UpgradeSstables => OperationName::UpgradeSstables,
        TaskCommand::Scrub => OperationName::Scrub,
        TaskCommand::Compact => OperationName::Compact,
        TaskCommand::Flush => OperationName::Flush,
        TaskCommand::GarbageCollect => OperationName::GarbageCollect,
        TaskCommand::Rebuild => OperationName::Rebuild,
        TaskCommand::ReplaceNode => OperationName::Replace,
        TaskCommand::Restart => OperationName::Restart,
        TaskCommand::Move => {
            return Err("move is not done by this operator: it gives no node another token".to_owned());
        }
        TaskCommand::Refresh => {
            return Err(
                "refresh is not done by this operator: changes of a cluster's spec wait for none".to_owned(),
            );
        }
        TaskCommand::TsReload => {
            return Err("tsreload is not done by this operator: restart the nodes to have them read their truststores again".to_owned());
        }
    };
    refuse_what_is_ignored(command, name, arguments)?;
    if name == OperationName::Replace
        && given(arguments.pod_name.as_ref())
            .or(given(arguments.rack.as_ref()))
            .is_none()
    {
        return Err("replacenode needs args.pod_name or args.rack: which nodes to replace".to_owned());
    }
    let argument = match name {
        OperationName::Rebuild => arguments.source_datacenter.as_deref(),
        OperationName::Replace | OperationName::Restart => None,
        _ => arguments.keyspace_name.as_deref(),
    };
    if name == OperationName::Rebuild && argument.is_none_or(str::is_empty) {
        return Err("rebuild needs args.source_datacenter: the datacenter to stream from".to_owned());
    }
    OperationCommand::parse(name, argument).map_err(|error| error.to_string())
}

/// An argument that narrows the work, or changes it, and that the engine would pass over.
fn refuse_what_is_ignored(
    command: TaskCommand,
    name: OperationName,
    arguments: &JobArguments,
) -> Result<(), String> {
    let takes_keyspace = matches!(
        name,
        OperationName::Scrub | OperationName::Compact | OperationName::Flush | OperationName::GarbageCollect
    );
    let narrows = |text: Option<&String>| given(text).is_some();
    let is_set = |flag: Option<bool>| flag == Some(true);
    let works_on_tables =
        takes_keyspace || matches!(name, OperationName::Cleanup | OperationName::UpgradeSstables);
    let refused = [
        (
            "keyspace_name",
            !takes_keyspace && narrows(arguments.keyspace_name.as_ref()),
        ),
        (
            "tables",
            arguments.tables.as_ref().is_some_and(|tables| !tables.is_empty()),
        ),
        (
            "jobs",
            works_on_tables && command != TaskCommand::Compact && arguments.jobs.is_some_and(|jobs| jobs > 0),
        ),
        (
            "no_validate",
            command == TaskCommand::Scrub && is_set(arguments.no_validate),
        ),
        (
            "no_snapshot",
            command == TaskCommand::Scrub && is_set(arguments.no_snapshot),
        ),
        (
            "skip_corrupted",
            command == TaskCommand::Scrub && is_set(arguments.skip_corrupted),
        ),
        (
            "split_output",
            command == TaskCommand::Compact && is_set(arguments.split_output),
        ),
        (
            "start_token",
            command == TaskCommand::Compact && narrows(arguments.start_token.as_ref()),
        ),
        (
            "end_token",
            command == TaskCommand::Compact && narrows(arguments.end_token.as_ref()),
        ),
        // All pods of a rack at once, and with racks down besides: that is what this operator never does.
        ("fast", command == TaskCommand::Restart && is_set(arguments.fast)),
        (
            "force",
            command == TaskCommand::Restart && is_set(arguments.force),
        ),
    ];
    match refused.into_iter().find(|(_, is_refused)| *is_refused) {
        Some((argument, _)) => Err(format!(
            "args.{argument} of {command} is not carried out by this operator: leave it out"
        )),
        None => Ok(()),
    }
}

fn given(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(command: &str, arguments: &Value) -> Result<Work, String> {
        let template = json!({ "jobs": [{ "name": "job", "command": command, "args": arguments }] });
        work(&serde_json::from_value(template).unwrap())
    }

    #[test]
    fn every_command_is_an_operation_or_refused_with_a_word() {
        for command in TaskCommand::ALL {
            let arguments = json!({ "source_datacenter": "dc2", "pod_name": "demo-dc1-rack1-0" });
            let work = of(command.as_str(), &arguments);
            match command {
                TaskCommand::Move | TaskCommand::Refresh | TaskCommand::TsReload => {
                    assert!(work.unwrap_err().starts_with(command.as_str()));
                }
                TaskCommand::ReplaceNode => {
                    assert_eq!(work.unwrap().operation.name(), OperationName::Replace);
                }
                _ => assert_eq!(work.unwrap().operation.name().as_str(), command.as_str()),
            }
        }
    }

    #[test]
    fn a_job_that_cannot_be_done_says_why() {
        let template = |value: Value| serde_json::from_value::<TaskTemplate>(value).unwrap();
        for (found, word) in [
            (work(&template(json!({}))), "jobs holds 0 jobs"),
            (
                work(&template(
                    json!({ "jobs": [{ "name": "a", "command": "flush" }, { "name": "b", "command": "flush" }] }),
                )),
                "jobs holds 2 jobs",
            ),
            (
                of("DROP TABLE t", &json!({})),
                "command: `DROP TABLE t` is not one of cleanup",
            ),
            (of("rebuild", &json!({})), "rebuild needs args.source_datacenter"),
            (
                of("replacenode", &json!({ "pod_name": "" })),
                "replacenode needs args.pod_name or args.rack",
            ),
            (
                of("flush", &json!({ "keyspace_name": "no such" })),
                "`no such` is not a keyspace",
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
            ("cleanup", json!({ "keyspace_name": "shop" })),
            ("upgradesstables", json!({ "keyspace_name": "shop" })),
            ("flush", json!({ "tables": ["carts"] })),
            ("scrub", json!({ "no_snapshot": true })),
            ("scrub", json!({ "jobs": 2 })),
            ("compact", json!({ "start_token": "1" })),
            ("compact", json!({ "split_output": true })),
            ("restart", json!({ "fast": true })),
            ("restart", json!({ "keyspace_name": "shop" })),
        ] {
            let why = of(command, &arguments).unwrap_err();
            let argument = arguments.as_object().unwrap().keys().next().unwrap().clone();
            assert_eq!(
                why,
                format!("args.{argument} of {command} is not carried out by this operator: leave it out")
            );
        }
        let unset = json!({ "keyspace_name": "", "tables": [], "jobs": 0, "no_snapshot": false });
        assert!(of("cleanup", &unset).is_ok());
        let shop = of("compact", &json!({ "keyspace_name": "shop", "rack": "rack1" })).unwrap();
        assert_eq!(
            (shop.operation.argument().as_deref(), shop.rack.as_deref()),
            (Some("shop"), Some("rack1"))
        );
    }
}
