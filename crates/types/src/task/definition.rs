//! The `CustomResourceDefinition`s of the tasks: the derived ones, and rules that refuse what can never work.
//!
//! What only the cluster can tell, such as whether it has a rack of that name, is no business of a schema.

use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use super::{CassandraTask, K8ssandraTask, ScheduledTask};
use crate::crd::{Manifest, finish_schema};

/// Labels name a task, and a label's value has at most 63 characters.
const TASK_NAME_MAX: usize = 63;
/// A run's name is that of the schedule's object, a dash and seconds since 1970.
const SCHEDULE_NAME_MAX: usize = 253 - "-1234567890".len();

/// The definitions of tasks.
pub(crate) fn manifests() -> Vec<Manifest> {
    vec![
        Manifest {
            file_name: "cassandratasks.control.k8ssandra.io.yaml",
            definition: cassandra_task(),
        },
        Manifest {
            file_name: "k8ssandratasks.control.k8ssandra.io.yaml",
            definition: k8ssandra_task(),
        },
        Manifest {
            file_name: "scheduledtasks.control.k8ssandra.io.yaml",
            definition: scheduled_task(),
        },
    ]
}

fn cassandra_task() -> Value {
    finish_schema(&CassandraTask::crd(), |schema| {
        drop_defaults(schema);
        let spec = &mut schema["properties"]["spec"];
        add_rule(spec, names("datacenter", "the datacenter"));
        add_job_rules(spec);
    })
}

fn k8ssandra_task() -> Value {
    finish_schema(&K8ssandraTask::crd(), |schema| {
        drop_defaults(schema);
        add_name_length(
            schema,
            TASK_NAME_MAX,
            "the tasks of the datacenters name this one in a label",
        );
        let spec = &mut schema["properties"]["spec"];
        add_rule(spec, names("cluster", "the CassandraCluster"));
        add_rule(
            spec,
            Rule {
                holds: "has(self.template)".to_owned(),
                message: "say in template which job to run".to_owned(),
                field: None,
            },
        );
        add_job_rules(&mut spec["properties"]["template"]);
    })
}

fn scheduled_task() -> Value {
    finish_schema(&ScheduledTask::crd(), |schema| {
        drop_defaults(schema);
        add_name_length(schema, SCHEDULE_NAME_MAX, "a run is named after it and its time");
        let spec = &mut schema["properties"]["spec"];
        add_rule(
            spec,
            Rule {
                holds: "self.schedule != ''".to_owned(),
                message: "say when: five fields as of cron, or a name as @daily".to_owned(),
                field: Some(".schedule"),
            },
        );
        let task = &mut spec["properties"]["taskDetails"];
        add_rule(task, names("datacenter", "the datacenter"));
        add_job_rules(task);
    })
}

/// An expression that has to hold, and what to say where it does not.
struct Rule {
    holds: String,
    message: String,
    field: Option<&'static str>,
}

fn add_rule(schema: &mut Value, rule: Rule) {
    let mut stated = Map::from_iter([
        ("rule".to_owned(), Value::String(rule.holds)),
        ("message".to_owned(), Value::String(rule.message)),
    ]);
    if let Some(field) = rule.field {
        stated.insert("fieldPath".to_owned(), field.into());
    }
    match schema["x-kubernetes-validations"].as_array_mut() {
        Some(rules) => rules.push(stated.into()),
        None => schema["x-kubernetes-validations"] = Value::Array(vec![stated.into()]),
    }
}

/// That a reference names something.
fn names(field: &str, what: &str) -> Rule {
    Rule {
        holds: format!("has(self.{field}) && has(self.{field}.name) && self.{field}.name != ''"),
        message: format!("name {what} in {field}.name"),
        field: None,
    }
}

fn add_job_rules(template: &mut Value) {
    add_rule(
        template,
        Rule {
            holds: "has(self.jobs) && size(self.jobs) == 1".to_owned(),
            message: "jobs holds exactly one job: make a task of its own for each".to_owned(),
            field: None,
        },
    );
    let job = &mut template["properties"]["jobs"]["items"];
    for (command, arguments, message) in [
        (
            "move",
            "has(self.args) && has(self.args.new_tokens) && size(self.args.new_tokens) > 0",
            "move needs args.new_tokens: the new token of each pod to move",
        ),
        (
            "replacenode",
            "has(self.args) && (has(self.args.pod_name) && self.args.pod_name != '' \
             || has(self.args.rack) && self.args.rack != '')",
            "replacenode needs args.pod_name or args.rack: which nodes to replace",
        ),
        (
            "compact",
            "!has(self.args) || !has(self.args.split_output) || !self.args.split_output \
             || (!has(self.args.start_token) || self.args.start_token == '') \
             && (!has(self.args.end_token) || self.args.end_token == '')",
            "compact takes either args.split_output or a range of tokens",
        ),
    ] {
        add_rule(
            job,
            Rule {
                holds: format!("self.command != '{command}' || ({arguments})"),
                message: message.to_owned(),
                field: None,
            },
        );
    }
}

fn add_name_length(schema: &mut Value, longest: usize, why: &str) {
    // A rule may name a field of the schema only.
    schema["properties"]["metadata"] =
        json!({ "type": "object", "properties": { "name": { "type": "string" } } });
    add_rule(
        schema,
        Rule {
            holds: format!("size(self.metadata.name) <= {longest}"),
            message: format!("the name may have at most {longest} characters: {why}"),
            field: Some(".metadata.name"),
        },
    );
}

/// The resources have no defaults in their schemas: what is absent stays so.
fn drop_defaults(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.remove("default");
            object.values_mut().for_each(drop_defaults);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_defaults),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
