//! The CRDs of tasks as the API server applies them.

use anyhow::Result;
use casskop_lab::state::Nodes;
use casskop_tests::ground::{Ground, repository};
use casskop_tests::kubectl::Outcome;

fn applied(ground: &Ground, objects: &str) -> Result<Outcome> {
    let apply = ground.kubectl()?.arguments(["apply", "-f", "-"]);
    apply.input(objects.to_owned()).run()
}

#[tokio::test]
async fn tasks_of_k8ssandras_users_apply_unchanged() {
    let ground = Ground::new(Nodes::None).await.unwrap();
    let tasks = std::fs::read_to_string(repository().join("crates/types/tests/fixtures/tasks.yaml")).unwrap();
    let written = tasks.matches("\nkind: ").count();
    let first = applied(&ground, &tasks).unwrap();
    assert!(first.success, "{}", first.stderr);
    assert_eq!(
        first.stdout.matches(" created\n").count(),
        written,
        "{}",
        first.stdout
    );
    assert!(first.stderr.is_empty(), "a field is not known: {}", first.stderr);
}

#[tokio::test]
async fn kubectl_shows_the_columns_of_tasks() {
    let ground = Ground::new(Nodes::None).await.unwrap();
    let tasks = std::fs::read_to_string(repository().join("crates/types/tests/fixtures/tasks.yaml")).unwrap();
    let done = applied(&ground, &tasks).unwrap();
    assert!(done.success, "{}", done.stderr);
    for (kind, row, columns) in [
        (
            "CassandraTask",
            "flush",
            [
                "NAME DATACENTER JOB SCHEDULED STARTED COMPLETED",
                "flush dc1 flush",
            ],
        ),
        (
            "K8ssandraTask",
            "restart-all",
            ["NAME JOB SCHEDULED STARTED COMPLETED", "restart-all restart"],
        ),
        (
            "ScheduledTask",
            "weekly-cleanup",
            [
                "NAME DATACENTER JOB SCHEDULE SUSPEND NEXT LAST",
                "weekly-cleanup dc2 cleanup @weekly true",
            ],
        ),
    ] {
        let shown = ground
            .kubectl()
            .unwrap()
            .arguments(["get", kind, row])
            .run()
            .unwrap();
        let lines: Vec<String> = shown
            .stdout
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(lines, columns, "{}", shown.stderr);
    }
}

fn task(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: control.k8ssandra.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"
    )
}

#[tokio::test]
async fn tasks_that_can_never_work_are_refused_with_a_reason() {
    let ground = Ground::new(Nodes::None).await.unwrap();
    for (object, reason) in refused() {
        let done = applied(&ground, &object).unwrap();
        assert_eq!(done.code, Some(1), "taken:\n{object}");
        assert!(
            done.stderr.contains(reason),
            "no word of {reason:?} in: {}",
            done.stderr
        );
    }
    // Right beside what is refused.
    for object in [
        cassandra("{name: j, command: replacenode, args: {rack: rack1}}"),
        // As the original writes what was left out.
        cassandra("{name: j, command: compact, args: {split_output: true, start_token: '', end_token: ''}}"),
        k8ssandra(&"n".repeat(63), FLUSH),
        scheduled(&"n".repeat(242), "@daily"),
    ] {
        let done = applied(&ground, &object).unwrap();
        assert!(done.success, "{object}: {}", done.stderr);
    }
}

const FLUSH: &str = ", template: {jobs: [{name: j, command: flush}]}";

fn cassandra(job: &str) -> String {
    task(
        "CassandraTask",
        "one",
        &format!("{{datacenter: {{name: dc1}}, jobs: [{job}]}}"),
    )
}

fn k8ssandra(name: &str, rest: &str) -> String {
    task(
        "K8ssandraTask",
        name,
        &format!("{{cluster: {{name: demo}}{rest}}}"),
    )
}

fn scheduled(name: &str, schedule: &str) -> String {
    let details = "{datacenter: {name: dc1}, jobs: [{name: j, command: flush}]}";
    task(
        "ScheduledTask",
        name,
        &format!("{{schedule: '{schedule}', taskDetails: {details}}}"),
    )
}

/// Objects, and what is said of each.
fn refused() -> Vec<(String, &'static str)> {
    vec![
        (
            cassandra("{name: j, command: CREATE KEYSPACE shop}"),
            "supported values: \"cleanup\", \"rebuild\"",
        ),
        (
            cassandra(""),
            "jobs holds exactly one job: make a task of its own for each",
        ),
        (
            cassandra("{name: j, command: flush}, {name: k, command: cleanup}"),
            "jobs holds exactly one job: make a task of its own for each",
        ),
        (
            task("CassandraTask", "one", "{datacenter: {name: dc1}}"),
            "jobs holds exactly one job",
        ),
        (
            task("CassandraTask", "one", "{jobs: [{name: j, command: flush}]}"),
            "name the datacenter in datacenter.name",
        ),
        (
            task(
                "CassandraTask",
                "one",
                "{datacenter: {namespace: x}, jobs: [{name: j, command: flush}]}",
            ),
            "name the datacenter in datacenter.name",
        ),
        (
            cassandra("{name: j, command: move}"),
            "move needs args.new_tokens: the new token of each pod to move",
        ),
        (
            cassandra("{name: j, command: move, args: {new_tokens: {}}}"),
            "move needs args.new_tokens",
        ),
        (
            cassandra("{name: j, command: replacenode, args: {pod_name: ''}}"),
            "replacenode needs args.pod_name or args.rack: which nodes to replace",
        ),
        (
            cassandra("{name: j, command: compact, args: {split_output: true, end_token: '4'}}"),
            "compact takes either args.split_output or a range of tokens",
        ),
        (k8ssandra("one", ""), "say in template which job to run"),
        (
            k8ssandra("one", ", template: {jobs: []}"),
            "jobs holds exactly one job",
        ),
        (
            task("K8ssandraTask", "one", &format!("{{cluster: {{}}{FLUSH}}}")),
            "name the CassandraCluster in cluster.name",
        ),
        (
            k8ssandra(&"n".repeat(64), FLUSH),
            "the name may have at most 63 characters",
        ),
        (
            scheduled("one", ""),
            "say when: five fields as of cron, or a name as @daily",
        ),
        (
            scheduled(&"n".repeat(243), "@daily"),
            "the name may have at most 242 characters",
        ),
        (
            task(
                "ScheduledTask",
                "one",
                "{schedule: '@daily', taskDetails: {jobs: [{name: j, command: flush}]}}",
            ),
            "name the datacenter in datacenter.name",
        ),
    ]
}
