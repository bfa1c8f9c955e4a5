//! Tasks and schedules.

use casskop_core::task::condition;
use casskop_core::view::tasks::{TaskKind, TaskPart, TaskState, TaskView};
use casskop_types::task::ScheduledTask;
use casskop_types::task::labels::TaskCondition;
use kube::ResourceExt;

use super::layout::{Detail, Layout};
use super::table::{Cell, Table};
use super::{NONE, printable};
use crate::follow::elapsed;
use crate::printer::Tone;

/// Most pods whose troubles are told without being asked for.
const MOST_TROUBLES: usize = 10;

/// `k8ssandratask/NAME`.
pub(crate) fn task_name(view: &TaskView) -> String {
    let kind = match view.kind {
        TaskKind::K8ssandraTask => "k8ssandratask",
        TaskKind::CassandraTask => "cassandratask",
    };
    format!("{kind}/{}", view.name)
}

/// All tasks, a line each.
pub(crate) fn tasks(views: &[TaskView], layout: &Layout) -> String {
    let mut table = Table::new(&[
        "NAME",
        "CLUSTER",
        "JOB",
        "STATE",
        "DATACENTERS",
        "NODES",
        "AGE",
        "TOOK",
        "MESSAGE",
    ])
    .spare(&["MESSAGE", "TOOK", "CLUSTER"]);
    for view in views {
        let age = view.created.map(|created| elapsed(created, layout.now));
        let took = view
            .started
            .map(|started| elapsed(started, view.completed.unwrap_or(layout.now)));
        table.row(vec![
            view.name.clone().into(),
            view.cluster.clone().into(),
            view.job.clone().into(),
            state(view.state),
            reached(view).into(),
            nodes(view.pods()).into(),
            age.into(),
            took.into(),
            view.message.clone().into(),
        ]);
    }
    table.lines(layout).join("\n")
}

/// One task, with its datacenters and what is wrong with pods.
pub(crate) fn task(view: &TaskView, layout: &Layout) -> String {
    let age = |time| elapsed(time, layout.now);
    let mut lines = vec![
        format!("{}  {}", printable(&task_name(view)), printable(&view.job)),
        format!("  State:    {}", word(view.state)),
    ];
    let cluster = view
        .cluster
        .as_deref()
        .map(|name| format!("  Cluster:  {}", printable(name)));
    lines.extend(cluster);
    lines.extend(view.created.map(|time| format!("  Created:  {} ago", age(time))));
    lines.extend(view.started.map(|time| format!("  Started:  {} ago", age(time))));
    lines.extend(
        view.completed
            .map(|time| format!("  Ended:    {} ago", age(time))),
    );
    let message = view.message.as_deref().map(printable);
    lines.extend(message.map(|text| format!("  {text}")));
    if view.datacenters.is_empty() {
        return lines.join("\n");
    }
    let mut table = Table::new(&["  DATACENTER", "STATE", "NODES", "RUNNING", "MESSAGE"]).spare(&["MESSAGE"]);
    for part in &view.datacenters {
        table.row(vec![
            format!("  {}", part.datacenter).into(),
            state(part.state),
            nodes((part.succeeded, part.pods)).into(),
            part.active.to_string().into(),
            part.message.clone().into(),
        ]);
    }
    lines.push(String::new());
    lines.extend(table.lines(layout));
    lines.extend(troubles(&view.datacenters, layout));
    lines.join("\n")
}

fn troubles(parts: &[TaskPart], layout: &Layout) -> Vec<String> {
    let all: Vec<&(String, String)> = parts.iter().flat_map(|part| &part.troubles).collect();
    let shown = match layout.detail {
        Detail::Brief => all.len().min(MOST_TROUBLES),
        Detail::Pods | Detail::Everything => all.len(),
    };
    if all.is_empty() {
        return Vec::new();
    }
    let mut table = Table::new(&["  POD", "TROUBLE"]);
    for (pod, why) in all.iter().take(shown) {
        table.row(vec![format!("  {pod}").into(), why.clone().into()]);
    }
    let mut lines = vec![String::new()];
    lines.extend(table.lines(layout));
    if shown < all.len() {
        lines.push(format!("  and {} more; -v shows all", all.len() - shown));
    }
    lines
}

fn reached(view: &TaskView) -> Option<String> {
    let names: Vec<&str> = view
        .datacenters
        .iter()
        .map(|part| part.datacenter.as_str())
        .collect();
    (!names.is_empty()).then(|| names.join(","))
}

fn nodes((done, all): (usize, usize)) -> String {
    if all == 0 {
        return NONE.to_owned();
    }
    format!("{done}/{all}")
}

fn word(state: TaskState) -> &'static str {
    match state {
        TaskState::Invalid => "Invalid",
        TaskState::Waiting => "Waiting",
        TaskState::Running => "Running",
        TaskState::Failed => "Failed",
        TaskState::Complete => "Complete",
    }
}

fn state(state: TaskState) -> Cell {
    let tone = match state {
        TaskState::Invalid | TaskState::Failed => Tone::Bad,
        TaskState::Waiting => Tone::Quiet,
        TaskState::Running => Tone::Busy,
        TaskState::Complete => Tone::Good,
    };
    Cell::toned(tone, &word(state))
}

/// Schedules, a line each.
pub(crate) fn schedules(schedules: &[ScheduledTask], layout: &Layout) -> String {
    let mut table = Table::new(&[
        "NAME",
        "DATACENTER",
        "JOB",
        "SCHEDULE",
        "ZONE",
        "NEXT",
        "LAST",
        "STATE",
    ])
    .spare(&["ZONE", "LAST"]);
    for schedule in schedules {
        let (spec, status) = (&schedule.spec, schedule.status.clone().unwrap_or_default());
        let task = &spec.task_details.task;
        let datacenter = task
            .datacenter
            .as_ref()
            .and_then(|datacenter| datacenter.name.clone());
        let next = status.next_schedule.as_ref().map(|time| time.0);
        let next = next.map(|time| {
            if time > layout.now {
                format!("in {}", elapsed(layout.now, time))
            } else {
                "due".to_owned()
            }
        });
        let last = status
            .last_execution
            .map(|time| format!("{} ago", elapsed(time.0, layout.now)));
        let state = match (
            said(condition::message(&status.conditions, TaskCondition::Invalid)),
            said(condition::why_not(&status.conditions, TaskCondition::Running)),
        ) {
            (Some(why), _) => Cell::toned(Tone::Bad, &format!("Invalid: {why}")),
            _ if spec.suspend == Some(true) => Cell::toned(Tone::Quiet, &"Suspended"),
            (None, Some(why)) => Cell::toned(Tone::Busy, &format!("Waiting: {why}")),
            (None, None) => Cell::toned(Tone::Good, &"Active"),
        };
        table.row(vec![
            schedule.name_any().into(),
            datacenter.into(),
            task.template.command().map(str::to_owned).into(),
            spec.schedule.clone().into(),
            spec.time_zone.clone().into(),
            next.into(),
            last.into(),
            state,
        ]);
    }
    table.lines(layout).join("\n")
}

fn said(message: Option<&str>) -> Option<&str> {
    message.filter(|message| !message.is_empty())
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::printer::Ink;

    fn layout(width: Option<usize>) -> Layout {
        Layout {
            width,
            ink: Ink::Plain,
            detail: Detail::Brief,
            now: "2026-11-21T10:00:00Z".parse().unwrap(),
        }
    }

    fn view() -> TaskView {
        TaskView {
            kind: TaskKind::K8ssandraTask,
            name: "upgrade".to_owned(),
            cluster: Some("demo".to_owned()),
            job: "upgradesstables".to_owned(),
            state: TaskState::Running,
            created: Some("2026-11-21T08:00:00Z".parse().unwrap()),
            started: Some("2026-11-21T08:00:05Z".parse().unwrap()),
            completed: None,
            message: None,
            datacenters: vec![
                TaskPart {
                    datacenter: "dc1".to_owned(),
                    state: TaskState::Complete,
                    pods: 3,
                    succeeded: 3,
                    active: 0,
                    troubles: Vec::new(),
                    started: None,
                    message: None,
                },
                TaskPart {
                    datacenter: "dc2".to_owned(),
                    state: TaskState::Running,
                    pods: 30,
                    succeeded: 12,
                    active: 2,
                    troubles: vec![(
                        "demo-dc2-rack1-7".to_owned(),
                        "No space left on device".to_owned(),
                    )],
                    started: None,
                    message: None,
                },
            ],
        }
    }

    #[test]
    fn a_task_is_told_by_datacenters_and_by_what_is_wrong() {
        assert_snapshot!(task(&view(), &layout(None)));
    }

    #[test]
    fn tasks_fit_a_terminal() {
        let ended = TaskView {
            name: "nightly".to_owned(),
            job: "cleanup".to_owned(),
            state: TaskState::Failed,
            completed: Some("2026-11-21T08:10:05Z".parse().unwrap()),
            message: Some("2 pods failed during processing".to_owned()),
            ..view()
        };
        let views = [ended, view()];
        assert_snapshot!("tasks", tasks(&views, &layout(None)));
        let narrow = tasks(&views, &layout(Some(80)));
        assert!(narrow.lines().all(|line| line.len() <= 80), "{narrow}");
        assert_snapshot!("tasks_narrow", narrow);
    }
}
